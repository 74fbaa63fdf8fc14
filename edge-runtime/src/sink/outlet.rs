//! A queue and a thread between the loop and somebody who is told: what all senders over a network or a cable share.
//!
//! The loop only *tries* to take the lock, which the thread holds for the time of a copy and never while it sends. States
//! that find it taken, or the queue full, wait in the sink; of frames the newest is kept. So whoever is dead, slow or
//! hostile costs the loop nothing, and loses what is oldest: that is counted. The thread is woken once for all that a frame
//! brought, and not at all while it is awake.

mod recipient;
mod reports;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Duration;

use shared_model::emotion::ClassSet;
use shared_model::message::{FaceLine, State};

use super::gathered::{FrameFaces, Gatherer};
use super::{FrameFacts, LAST_WAIT, MAX_STATES, SignalSink, SinkError};
pub use recipient::{Backlog, Fired, FiredData, Recipient};
use reports::Reports;

/// Longest time from one look at the queue to the next.
const TICK: Duration = Duration::from_millis(100);

/// Whether the faces of frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// Each new state alone.
    States,
    /// Faces too.
    Faces,
}

/// What has become of what was to be told.
#[derive(Debug, Default)]
pub struct OutletStatus {
    /// Number of messages that were sent.
    pub sent: AtomicU64,
    /// Messages that could not be.
    pub failed: AtomicU64,
    /// States and triggers that made room for newer ones.
    pub dropped: AtomicU64,
    /// Frames that a newer one replaced.
    pub replaced: AtomicU64,
    /// Turns of the thread's loop; grows while it is alive.
    pub heartbeats: AtomicU64,
    /// Events that the recipient keeps until they are taken.
    pub waiting: AtomicU64,
    /// Kept events that made room for newer ones.
    pub discarded: AtomicU64,
    /// Why the last message did not go out; none once one has.
    fault: Mutex<Option<String>>,
}

impl OutletStatus {
    /// Why the last message did not go out; `None` once one has, or while none was to.
    pub fn fault(&self) -> Option<String> {
        self.lock_fault().clone()
    }

    fn lock_fault(&self) -> MutexGuard<'_, Option<String>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Shared {
    states: VecDeque<State>,
    fired: VecDeque<Fired>,
    frame: FrameFaces,
    /// Whether that frame was not taken yet.
    fresh: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Between {
    shared: Mutex<Shared>,
    /// The thread, once it runs.
    thread: OnceLock<Thread>,
    status: Arc<OutletStatus>,
}

/// Rings for triggers, from anywhere.
#[derive(Debug, Clone)]
pub struct Bell(Arc<Between>);

/// Wakes the thread of an outlet.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Between>);

/// The sink in front of the queue.
pub struct Outlet {
    name: &'static str,
    sends: Sends,
    gatherer: Gatherer,
    /// States that found the lock taken, the oldest first.
    waiting: VecDeque<State>,
    /// Whether the shared has something that the thread was not woken for.
    has_news: bool,
    between: Arc<Between>,
    /// Hears when the thread has ended.
    ended: Receiver<()>,
    closed: bool,
}

impl Between {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Shared>> {
        match self.shared.try_lock() {
            Ok(shared) => Some(shared),
            Err(TryLockError::Poisoned(shared)) => Some(shared.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Lets the thread look at the shared, now or as soon as it is done with what it does; without a call of the system where it
    /// is awake.
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Adds to a queue; the oldest makes room.
    fn push<T>(&self, queue: &mut VecDeque<T>, item: T) {
        if queue.len() >= MAX_STATES {
            queue.pop_front();
            self.status.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queue.push_back(item);
    }
}

impl Bell {
    /// Tells the outlet of a trigger that fired.
    pub fn ring(&self, fired: Fired) {
        let mut shared = self.0.lock();
        self.0.push(&mut shared.fired, fired);
        drop(shared);
        self.0.wake();
    }
}

impl Waker {
    /// Lets the thread look at once.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl Outlet {
    /// Starts the thread; `told` is made with what wakes it.
    ///
    /// # Errors
    /// Where `told` cannot be made, or the system starts no thread.
    pub fn start<T: Recipient>(
        name: &'static str,
        sends: Sends,
        classes: &ClassSet,
        told: impl FnOnce(Waker) -> io::Result<T>,
    ) -> io::Result<Self> {
        let between = Arc::<Between>::default();
        between.lock().states.reserve(MAX_STATES);
        let told = told(Waker(Arc::clone(&between)))?;
        let (end, ended) = channel();
        let shared = Arc::clone(&between);
        diagnostics::spawn(name, move || work(name, &shared, told, &end))?;
        Ok(Self {
            name,
            sends,
            gatherer: Gatherer::new(classes),
            waiting: VecDeque::with_capacity(MAX_STATES),
            has_news: false,
            between,
            ended,
            closed: false,
        })
    }

    /// What people call the sink; its thread has the same name.
    pub fn label(&self) -> &'static str {
        self.name
    }

    /// What has become of what was to be told.
    pub fn status(&self) -> Arc<OutletStatus> {
        Arc::clone(&self.between.status)
    }

    /// What triggers tell this outlet by.
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.between))
    }

    fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let Some(mut shared) = self.between.try_lock() else {
            return;
        };
        for state in self.waiting.drain(..) {
            self.between.push(&mut shared.states, state);
        }
        self.has_news = true;
    }
}

impl SignalSink for Outlet {
    fn name(&self) -> &str {
        self.name
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        self.between.push(&mut self.waiting, state.clone());
        self.hand_over();
        Ok(())
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        if self.sends == Sends::Faces {
            self.gatherer.face(line);
        }
        Ok(())
    }

    fn measured(&mut self, facts: &FrameFacts<'_>) -> Result<(), SinkError> {
        if self.sends == Sends::States {
            return Ok(());
        }
        let Some(mut shared) = self.between.try_lock() else {
            self.gatherer.discard();
            self.between.status.replaced.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        if mem::replace(&mut shared.fresh, true) {
            self.between.status.replaced.fetch_add(1, Ordering::Relaxed);
        }
        self.gatherer.finish(facts, &mut shared.frame);
        self.has_news = true;
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        self.hand_over();
        Ok(())
    }

    fn flush(&mut self) {
        self.hand_over();
        if mem::take(&mut self.has_news) {
            self.between.wake();
        }
    }

    /// Lets the thread tell what waits, but not for ever: nobody who is told keeps a kiosk from ending.
    fn close(&mut self) -> Result<(), SinkError> {
        self.closed = true;
        let mut shared = self.between.lock();
        for state in self.waiting.drain(..) {
            self.between.push(&mut shared.states, state);
        }
        shared.stop = true;
        drop(shared);
        self.between.wake();
        if self.ended.recv_timeout(LAST_WAIT).is_err() {
            tracing::warn!(
                about = self.name,
                "{}: what waited could not be told in time",
                self.name
            );
        }
        Ok(())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        if !self.closed {
            // It never fails.
            let _ = self.close();
        }
    }
}

/// What was taken from the shared beside states and triggers.
struct Taken {
    fresh: bool,
    stop: bool,
}

/// Waits for news, and takes all of it.
fn take(between: &Between, states: &mut VecDeque<State>, fired: &mut VecDeque<Fired>, frame: &mut FrameFaces) -> Taken {
    let nothing =
        |shared: &Shared| shared.states.is_empty() && shared.fired.is_empty() && !shared.fresh && !shared.stop;
    let mut shared = between.lock();
    if nothing(&shared) {
        drop(shared);
        // Once and not until there is news: whoever wakes the thread without any wants it to look as well.
        thread::park_timeout(TICK);
        shared = between.lock();
    }
    mem::swap(&mut shared.states, states);
    mem::swap(&mut shared.fired, fired);
    let fresh = mem::take(&mut shared.fresh);
    if fresh {
        mem::swap(&mut shared.frame, frame);
    }
    Taken {
        fresh,
        stop: shared.stop,
    }
}

fn work(name: &'static str, between: &Between, mut told: impl Recipient, ended: &Sender<()>) {
    let (mut states, mut fired) = (VecDeque::with_capacity(MAX_STATES), VecDeque::new());
    let mut frame = FrameFaces::default();
    let mut reports = Reports::new(name, told.keeps());
    // Nobody else sets it. What was told before is on the shared, which is looked at first.
    let _ = between.thread.set(thread::current());
    loop {
        let Taken { fresh, stop } = take(between, &mut states, &mut fired, &mut frame);
        for state in states.drain(..) {
            reports.note(told.state(&state), &between.status);
        }
        for fired in fired.drain(..) {
            reports.note(told.fired(&fired), &between.status);
        }
        if fresh {
            reports.note(told.faces(&frame), &between.status);
        }
        match told.tick() {
            Ok(true) => reports.went_out(&between.status),
            Ok(false) => {}
            Err(error) => reports.note(Err(error), &between.status),
        }
        let Backlog { waiting, discarded } = told.backlog();
        between.status.waiting.store(waiting, Ordering::Relaxed);
        between.status.discarded.store(discarded, Ordering::Relaxed);
        between.status.heartbeats.fetch_add(1, Ordering::Relaxed);
        if stop {
            break;
        }
    }
    // Before it counts as ended: files that it holds may be opened again at once.
    told.close();
    // Nobody may listen any more.
    let _ = ended.send(());
}

#[cfg(test)]
mod tests;
