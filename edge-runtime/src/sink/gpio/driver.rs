//! The thread that owns the lines.
//!
//! It reads the requests fifty times a second, so that lines go safe within 100 ms whatever the rest of
//! the program does: it needs no one to tell it that the program hangs or was asked to stop.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use shared_model::message::Verdict;

use super::{GpioError, Input, Panel, Pulse, Request};
use crate::switches::{Switch, Switches};

/// Time between two reads of the requests: five reads fit into the 100 ms that a safe line may take.
const POLL: Duration = Duration::from_millis(20);

/// Longest wait for the lines to go safe when the program panics: four periods of the thread.
const PANIC: Duration = Duration::from_millis(80);

struct Shared {
    request: Request,
    /// Whether the thread shall end.
    end: bool,
    /// Counts the calls for safe lines, and which one was followed.
    called: u64,
    followed: u64,
    /// The last failure that nobody was told of.
    error: Option<GpioError>,
}

/// The newest request, for the thread to find.
pub struct CommandSlot {
    start: Instant,
    shared: Mutex<Shared>,
    changed: Condvar,
    /// Grows with each turn of the thread.
    heartbeat: AtomicU64,
}

impl CommandSlot {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            shared: Mutex::new(Shared {
                request: Request::default(),
                end: false,
                called: 0,
                followed: 0,
                error: None,
            }),
            changed: Condvar::new(),
            heartbeat: AtomicU64::new(0),
        }
    }

    /// A thread that panicked leaves a state that is as good as any.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests the lines of what is held true.
    pub fn show(&self, verdict: Verdict) {
        let now = self.start.elapsed();
        let mut shared = self.shared();
        shared.request.verdict = Some((verdict, now));
        shared.request.beat = now;
        self.changed.notify_all();
    }

    /// Requests a line that is active for so long from now on, whatever is held true.
    pub fn pulse(&self, pin: u32, length: Duration) {
        let begun = self.start.elapsed();
        let mut shared = self.shared();
        let pulses = &mut shared.request.pulses;
        pulses.retain(|pulse| pulse.pin != pin && pulse.lasts(begun));
        pulses.push(Pulse { pin, begun, length });
        self.changed.notify_all();
    }

    /// A heartbeat of the loop; gives the last failure of the lines that was not given yet.
    ///
    /// # Errors
    ///
    /// The last failure to set a line, once.
    pub fn beat(&self) -> Result<(), GpioError> {
        let mut shared = self.shared();
        shared.request.beat = self.start.elapsed();
        shared.error.take().map_or(Ok(()), Err)
    }

    /// Forgets every request and waits until the lines are safe, but never long.
    pub fn safe_now(&self) {
        let mut shared = self.shared();
        shared.request = Request::default();
        shared.called += 1;
        let call = shared.called;
        self.changed.notify_all();
        // Late or not, there is nothing else to be done.
        drop(
            self.changed
                .wait_timeout_while(shared, PANIC, |shared| shared.followed < call),
        );
    }

    /// Turns that the thread has made; grows while it is alive.
    pub fn heartbeat(&self) -> u64 {
        self.heartbeat.load(Ordering::Relaxed)
    }

    /// Waits for a change, at most one period.
    fn next(&self) -> (Request, u64, bool) {
        let shared = self.shared();
        let heard = self.changed.wait_timeout(shared, POLL);
        let shared = heard.unwrap_or_else(PoisonError::into_inner).0;
        (shared.request.clone(), shared.called, shared.end)
    }

    fn answer(&self, call: u64, done: Result<(), GpioError>) {
        let mut shared = self.shared();
        match done {
            Ok(()) => shared.followed = shared.followed.max(call),
            Err(error) => shared.error = Some(error),
        }
        drop(shared);
        self.changed.notify_all();
        self.heartbeat.fetch_add(1, Ordering::Relaxed);
    }
}

/// What makes lines safe whatever is requested.
pub(super) struct Overrides {
    /// Whether the program was asked to stop.
    pub(super) stop: Arc<AtomicBool>,
    pub(super) switches: Arc<Switches>,
    /// The line of a switch that pauses.
    pub(super) pause: Option<Input>,
}

/// The running thread, which owns the lines.
pub struct LineDriver {
    commands: Arc<CommandSlot>,
    thread: Option<JoinHandle<Result<(), GpioError>>>,
}

impl LineDriver {
    pub(super) fn start(panel: Panel, overrides: Overrides) -> io::Result<Self> {
        let commands = Arc::new(CommandSlot::new());
        let own = Arc::clone(&commands);
        let thread = thread::Builder::new().name("gpio".to_owned());
        let thread = thread.spawn(move || keep(Guard(panel), &own, &overrides))?;
        Ok(Self {
            commands,
            thread: Some(thread),
        })
    }

    /// Where requests go; shared with the panic hook.
    pub fn commands(&self) -> &Arc<CommandSlot> {
        &self.commands
    }

    /// Identifies the thread while it runs.
    pub(super) fn id(&self) -> Option<ThreadId> {
        self.thread.as_ref().map(|thread| thread.thread().id())
    }

    /// Ends the thread; every line is safe afterwards, unless that fails.
    pub(super) fn end(&mut self) -> Result<(), GpioError> {
        self.commands.shared().end = true;
        self.commands.changed.notify_all();
        // One that panicked has made its lines safe on the way out.
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for LineDriver {
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

fn keep(mut panel: Guard, commands: &CommandSlot, overrides: &Overrides) -> Result<(), GpioError> {
    loop {
        let (mut request, call, end) = commands.next();
        if end {
            return panel.0.all_safe();
        }
        if overrides.stop.load(Ordering::Relaxed) || overrides.switches.is_on(Switch::Mute) {
            request.verdict = None;
            request.pulses.clear();
        }
        let heard = overrides
            .pause
            .map_or(Ok(()), |input| read_pause(&mut panel.0, input, &overrides.switches));
        let done = panel.0.show(&request, commands.start.elapsed()).and(heard);
        commands.answer(call, done);
    }
}

/// Holds the pause as the switch says; one that cannot be read pauses.
fn read_pause(panel: &mut Panel, input: Input, switches: &Switches) -> Result<(), GpioError> {
    let level = panel.read(input.pin);
    switches.hold_pause(level.as_ref().map_or(true, |level| *level == input.polarity.active()));
    level.map(drop)
}
