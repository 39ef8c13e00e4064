//! Connecting to a host that has several addresses: the first one that answers wins.
//!
//! An address that swallows packets must not use up the attempt while its sibling would answer, so the next address is
//! tried beside the earlier ones after a short while.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cogwire_core::time::Clock;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// How long an address is waited for before the next one is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);
/// The most addresses of a host that are tried.
const MAX_ADDRESSES: usize = 6;

/// Connects to one of the addresses; the connection, and which of them it was.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    clock: &dyn Clock,
) -> io::Result<(TcpStream, SocketAddr)> {
    if let [only] = addresses {
        return connect_one(*only).await;
    }
    let order = alternate(addresses);
    let mut waiting = order.into_iter().take(MAX_ADDRESSES);
    let mut trying = FuturesUnordered::new();
    trying.extend(waiting.next().map(connect_one));
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    while !trying.is_empty() {
        tokio::select! {
            Some(result) = trying.next() => match result {
                Ok(connected) => return Ok(connected),
                Err(error) => last_error = error,
            },
            () = clock.sleep(STAGGER), if waiting.len() > 0 => {}
        }
        trying.extend(waiting.next().map(connect_one));
    }
    Err(last_error)
}

async fn connect_one(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok((stream, address))
}

/// The families in turn, beginning with the first address's.
fn alternate(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == first_is_v6);
    let mut order = Vec::with_capacity(addresses.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let given = parse(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"]);
        assert_eq!(alternate(&given), parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        assert_eq!(alternate(&[]), []);
    }
}
