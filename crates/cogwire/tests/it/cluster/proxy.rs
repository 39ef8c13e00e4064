//! The way from one node to PostgreSQL, which a test can cut.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// New connections are reset.
    Cut,
    /// Nothing passes and nothing is said about it, as in a network that has come apart. What was on its way arrives when the
    /// way is open again.
    Silent,
    /// The same in one direction: what the node asks is done, and no answer comes back.
    Deaf,
}

/// How things stand with all connections.
#[derive(Debug, Clone, Copy)]
struct State {
    way: Way,
    /// No connection outlives a cut, however short.
    cuts: u32,
}

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    There,
    Back,
}

impl Way {
    /// Whether what goes in this direction has to wait.
    fn holds(self, direction: Direction) -> bool {
        match self {
            Self::Open | Self::Cut => false,
            Self::Silent => true,
            Self::Deaf => direction == Direction::Back,
        }
    }
}

/// Carries connections until it is dropped.
pub(super) struct Proxy {
    pub(super) port: u16,
    state: watch::Sender<State>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// A way to whoever listens on this socket.
    pub(super) async fn start(to: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = watch::Sender::new(State { way: Way::Open, cuts: 0 });
        let carrying = carry_all(listener, to.into(), state.subscribe());
        #[expect(clippy::disallowed_methods, reason = "the proxy's task ends when its handle is dropped")]
        let task = tokio::spawn(carrying);
        Self { port, state, _task: AbortOnDropHandle::new(task) }
    }

    /// Resets all connections, and all that are tried. What was held back is lost.
    pub(super) fn cut(&self) {
        self.state.send_modify(|state| *state = State { way: Way::Cut, cuts: state.cuts + 1 });
    }

    /// Lets nothing through, and tells nobody.
    pub(super) fn silence(&self) {
        self.state.send_modify(|state| state.way = Way::Silent);
    }

    /// Lets no answers through, and tells nobody.
    pub(super) fn deafen(&self) {
        self.state.send_modify(|state| state.way = Way::Deaf);
    }

    pub(super) fn heal(&self) {
        self.state.send_modify(|state| state.way = Way::Open);
    }
}

async fn carry_all(listener: TcpListener, to: Arc<Path>, mut state: watch::Receiver<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        // The system completes connections on its own: one that is tried in silence just hears nothing.
        if passable(&mut state, Direction::There).await {
            connections.spawn(carry(client, Arc::clone(&to), state.clone()));
        } else {
            reset(&client);
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(mut client: TcpStream, to: Arc<Path>, state: watch::Receiver<State>) {
    let (mut cut, cuts) = (state.clone(), state.borrow().cuts);
    let Ok(mut server) = UnixStream::connect(to).await else { return };
    let was_cut = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            // Before anything that was held back passes.
            biased;
            _ = cut.wait_for(|state| state.cuts != cuts) => true,
            _ = pump(Direction::There, from_client, to_server, state.clone()) => false,
            _ = pump(Direction::Back, from_server, to_client, state) => false,
        }
    };
    if was_cut {
        reset(&client);
    }
}

/// Until either side ends: PostgreSQL and its clients do not close one direction only.
async fn pump(
    direction: Direction,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).await?;
        if !passable(&mut state, direction).await || length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

/// Waits until something may pass; whether it may, instead of being cut off.
async fn passable(state: &mut watch::Receiver<State>, direction: Direction) -> bool {
    state.wait_for(|state| !state.way.holds(direction)).await.is_ok_and(|state| state.way != Way::Cut)
}

/// Closes with a reset.
fn reset(connection: &TcpStream) {
    connection.set_zero_linger().expect("a socket");
}
