//! The thread that owns the lines.
//!
//! It looks at the wishes fifty times a second, so that lines go safe within 100 ms whatever the rest of
//! the program does: it needs no one to tell it that the program hangs or was asked to stop.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use shared_model::message::Verdict;

use super::{GpioError, Input, Panel, Wish};
use crate::switches::{Switch, Switches};

/// How often the wishes are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Longest wait for the lines to go safe when the program panics.
const PANIC: Duration = Duration::from_millis(80);

struct Desk {
    wish: Wish,
    /// Whether the thread shall end.
    end: bool,
    /// Counts the calls for safe lines, and which one was followed.
    called: u64,
    followed: u64,
    /// The last failure that nobody was told of.
    error: Option<GpioError>,
}

/// What is wished for, for the thread to find.
pub struct Orders {
    start: Instant,
    desk: Mutex<Desk>,
    news: Condvar,
    /// Rounds of the thread.
    rounds: AtomicU64,
}

impl Orders {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            desk: Mutex::new(Desk {
                wish: Wish::default(),
                end: false,
                called: 0,
                followed: 0,
                error: None,
            }),
            news: Condvar::new(),
            rounds: AtomicU64::new(0),
        }
    }

    /// A thread that panicked leaves a desk that is as good as any.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes for the lines of what is held true.
    pub fn show(&self, verdict: Verdict) {
        let now = self.start.elapsed();
        let mut desk = self.desk();
        desk.wish.verdict = Some((verdict, now));
        desk.wish.beat = now;
        self.news.notify_all();
    }

    /// A sign of life from those who wish; gives a failure of the lines.
    pub fn beat(&self) -> Result<(), GpioError> {
        let mut desk = self.desk();
        desk.wish.beat = self.start.elapsed();
        desk.error.take().map_or(Ok(()), Err)
    }

    /// Forgets every wish and waits until the lines are safe, but never long.
    pub fn safe_now(&self) {
        let mut desk = self.desk();
        desk.wish = Wish::default();
        desk.called += 1;
        let call = desk.called;
        self.news.notify_all();
        // Late or not, there is nothing else to be done.
        drop(self.news.wait_timeout_while(desk, PANIC, |desk| desk.followed < call));
    }

    /// Rounds that the thread has made; grows while it is alive.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Waits for news, at most until the next look.
    fn next(&self) -> (Wish, u64, bool) {
        let desk = self.desk();
        let heard = self.news.wait_timeout(desk, LOOK);
        let desk = heard.unwrap_or_else(PoisonError::into_inner).0;
        (desk.wish.clone(), desk.called, desk.end)
    }

    fn answer(&self, call: u64, done: Result<(), GpioError>) {
        let mut desk = self.desk();
        match done {
            Ok(()) => desk.followed = desk.followed.max(call),
            Err(error) => desk.error = Some(error),
        }
        drop(desk);
        self.news.notify_all();
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }
}

/// What makes lines safe whatever is wished for.
pub(super) struct Overrides {
    /// Whether the program was asked to stop.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) switches: Arc<Switches>,
    /// The line of a switch that pauses.
    pub(super) pause: Option<Input>,
}

/// The running thread.
pub struct Keeper {
    orders: Arc<Orders>,
    thread: Option<JoinHandle<Result<(), GpioError>>>,
}

impl Keeper {
    pub(super) fn start(panel: Panel, overrides: Overrides) -> io::Result<Self> {
        let orders = Arc::new(Orders::new());
        let own = Arc::clone(&orders);
        let thread = thread::Builder::new().name("gpio".to_owned());
        let thread = thread.spawn(move || keep(Guard(panel), &own, &overrides))?;
        Ok(Self {
            orders,
            thread: Some(thread),
        })
    }

    /// Where wishes go.
    pub fn orders(&self) -> &Arc<Orders> {
        &self.orders
    }

    /// The thread itself.
    pub(super) fn id(&self) -> Option<ThreadId> {
        self.thread.as_ref().map(|thread| thread.thread().id())
    }

    /// Ends the thread; every line is safe afterwards, unless that fails.
    pub(super) fn end(&mut self) -> Result<(), GpioError> {
        self.orders.desk().end = true;
        self.orders.news.notify_all();
        // One that panicked has made its lines safe on the way out.
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.end();
    }
}

/// Leaves every line safe, also when the thread panics.
struct Guard(Panel);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.all_safe();
    }
}

fn keep(mut panel: Guard, orders: &Orders, overrides: &Overrides) -> Result<(), GpioError> {
    loop {
        let (mut wish, call, end) = orders.next();
        if end {
            return panel.0.all_safe();
        }
        if overrides.stop.load(Ordering::Relaxed) || overrides.switches.is_on(Switch::Mute) {
            wish.verdict = None;
        }
        let heard = overrides
            .pause
            .map_or(Ok(()), |input| listen(&mut panel.0, input, &overrides.switches));
        let done = panel.0.show(&wish, orders.start.elapsed()).and(heard);
        orders.answer(call, done);
    }
}

/// Holds the pause as the switch says; one that cannot be read pauses.
fn listen(panel: &mut Panel, input: Input, switches: &Switches) -> Result<(), GpioError> {
    let level = panel.read(input.pin);
    switches.hold_pause(level.as_ref().map_or(true, |level| *level == input.polarity.active()));
    level.map(drop)
}
