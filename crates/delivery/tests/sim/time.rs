//! Time that passes only when nothing else can happen, and chance that comes from a seed.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use cogwire_core::time::{Clock, Entropy, Sleep, Timestamp};
use tokio::runtime::Builder;

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// The time since the simulation began. It jumps to the next timer whenever every task waits.
#[derive(Clone, Default)]
pub(crate) struct VirtualTime(Arc<Mutex<Timers>>);

#[derive(Default)]
struct Timers {
    now: Duration,
    /// By time, then in the order in which they were set.
    waiting: BTreeMap<(Duration, u64), Waker>,
    set: u64,
}

impl VirtualTime {
    /// Runs `body` in a runtime of one thread whose time is virtual.
    pub(crate) fn run<F: Future>(body: impl FnOnce(Self) -> F) -> F::Output {
        let time = Self::default();
        let idle = time.clone();
        let runtime = Builder::new_current_thread().on_thread_park(move || idle.advance()).build();
        runtime.expect("a runtime").block_on(body(time))
    }

    pub(crate) fn now(&self) -> Duration {
        self.lock().now
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(Timer { at: self.now() + duration, time: self.clone(), key: None })
    }

    fn advance(&self) {
        let mut timers = self.lock();
        let Some(((at, _), waker)) = timers.waiting.pop_first() else { return };
        timers.now = timers.now.max(at);
        drop(timers);
        waker.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.0.lock().expect("nothing panics while it is locked")
    }
}

struct Timer {
    time: VirtualTime,
    at: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut timers = time.lock();
        if timers.now >= self.at {
            return Poll::Ready(());
        }
        timers.set += 1;
        let key = self.key.unwrap_or((self.at, timers.set));
        self.key = Some(key);
        timers.waiting.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.key.and_then(|key| self.time.lock().waiting.remove(&key));
    }
}

/// Waits for something that goes on outside of the simulation, at once as far as the simulation is concerned.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    // Without its share of the runtime's budget, a task that waits often would be sent to the back of the queue: nobody would
    // serve the queue meanwhile.
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// One machine's clock, which can be set, the machine's pauses, and its way to the store, which can be cut. While it is
/// paused, nobody on it notices anything, and nothing that it does has an effect outside.
#[derive(Clone)]
pub(crate) struct MachineClock {
    time: VirtualTime,
    /// Microseconds that its wall clock is ahead.
    ahead: Arc<AtomicI64>,
    /// Microseconds of virtual time.
    paused_until: Arc<AtomicU64>,
    /// Microseconds of virtual time.
    cut_off_until: Arc<AtomicU64>,
}

impl MachineClock {
    pub(crate) fn new(time: VirtualTime) -> Self {
        Self { time, ahead: Arc::default(), paused_until: Arc::default(), cut_off_until: Arc::default() }
    }

    /// Sets the wall clock, so many seconds ahead of the true time.
    pub(crate) fn set_ahead(&self, seconds: i64) {
        self.ahead.store(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn pause(&self, duration: Duration) {
        self.paused_until.fetch_max(self.micros_after(duration), Ordering::Relaxed);
    }

    /// Lets it not reach the store for a while.
    pub(crate) fn cut_off(&self, duration: Duration) {
        self.cut_off_until.fetch_max(self.micros_after(duration), Ordering::Relaxed);
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.time.now() < Duration::from_micros(self.cut_off_until.load(Ordering::Relaxed))
    }

    fn micros_after(&self, duration: Duration) -> u64 {
        u64::try_from((self.time.now() + duration).as_micros()).expect("a short simulation")
    }

    /// Whatever leaves the machine or comes to it passes here.
    pub(crate) async fn passable(&self) {
        loop {
            let until = Duration::from_micros(self.paused_until.load(Ordering::Relaxed));
            if self.time.now() >= until {
                return;
            }
            self.time.sleep(until - self.time.now()).await;
        }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let true_micros = (START + self.time.now()).as_micros();
        Timestamp::from_micros(true_micros + self.ahead.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.time.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        let (clock, sleep) = (self.clone(), self.time.sleep(deadline.since(self.now())));
        Box::pin(async move {
            sleep.await;
            clock.passable().await;
        })
    }
}

/// Chance, all of it from one seed (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<u64>>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn roll(&self) -> u64 {
        let mut state = self.0.lock().expect("nothing panics while it is locked");
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn number(&self, low: usize, high: usize) -> usize {
        let span = (high - low) as u64 + 1;
        low + usize::try_from(self.roll() % span).expect("it is less than the span")
    }

    pub(crate) fn percent(&self, chance: usize) -> bool {
        self.number(1, 100) <= chance
    }

    pub(crate) fn millis(&self, low: usize, high: usize) -> Duration {
        Duration::from_millis(self.number(low, high) as u64)
    }

    pub(crate) fn pick<'a, T>(&self, among: &'a [T]) -> &'a T {
        &among[self.number(0, among.len() - 1)]
    }
}

impl Entropy for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&self.roll().to_le_bytes()[..chunk.len()]));
    }
}
