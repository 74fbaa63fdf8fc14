//! A machine for the daemon that writes down what happens to it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use edge_runtime::config::Config;
use edge_runtime::daemon::{self, DaemonError, Ending, Flags, RunContext, SharedClock, Task, Updater, Work};
use edge_runtime::service::Manager;
use vision::clock::Clock;

use crate::support::told::Told;
use crate::support::until;
use crate::update::kiosk::Kiosk;

pub(crate) struct World {
    pub(crate) kiosk: Kiosk,
    flags: Flags,
    /// What happened, one line each, the kind in front.
    events: Told,
    /// Seconds of the daemon's clock in one of the machine's.
    pace: u32,
}

impl World {
    /// A kiosk with `more` at the end of its configuration, see [`Kiosk::configure`].
    pub(crate) fn new(more: &str) -> Self {
        let kiosk = Kiosk::new();
        kiosk.configure(more);
        Self {
            kiosk,
            flags: Flags::default(),
            events: Told::default(),
            pace: 1,
        }
    }

    /// With a clock that runs so many times as fast.
    pub(crate) fn faster(self, pace: u32) -> Self {
        Self { pace, ..self }
    }

    /// Runs the daemon beside `control`, and asks it to end after that.
    pub(crate) fn run(&self, control: impl FnOnce(&Self)) -> Result<Ending, DaemonError> {
        self.flags.end.store(false, Ordering::Relaxed);
        self.flags.stop.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let config = Config::load(&self.kiosk.path("config.toml")).unwrap();
            let daemon = scope.spawn(|| self.events.hear(|| daemon::run(config, &self.context())));
            let end = End(&self.flags);
            control(self);
            drop(end);
            daemon.join().unwrap()
        })
    }

    /// As SIGHUP does.
    pub(crate) fn reload(&self) {
        self.flags.reload.store(true, Ordering::Relaxed);
    }

    /// As SIGHUP and SIGTERM do, one right after the other.
    pub(crate) fn end_and_reload(&self) {
        self.flags.end.store(true, Ordering::Relaxed);
        self.reload();
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.lines()
    }

    /// Every event that begins so.
    pub(crate) fn told(&self, start: &str) -> Vec<String> {
        let events = self.events().into_iter();
        events.filter(|event| event.starts_with(start)).collect()
    }

    pub(crate) fn forget(&self) {
        self.events.forget();
    }

    pub(crate) fn until_seen(&self, start: &str, times: usize) {
        until(start, || self.told(start).len() >= times);
    }

    fn context(&self) -> RunContext<'static> {
        let (output, gpio) = (self.events.clone(), self.events.clone());
        let (manager, updater) = (self.events.clone(), self.events.clone());
        let file = self.kiosk.path("config.toml");
        RunContext {
            clock: SharedClock::new(Fast(Instant::now(), self.pace)),
            output: Box::new(move || Box::new(Lines::new("out", &output))),
            // What is written names the lines: `gpio 22 high`.
            gpio_log: Box::new(move || Box::new(Lines::new("", &gpio))),
            flags: self.flags.clone(),
            manager: Manager::new(None, move |news| manager.note(format!("manager {}", news[0]))),
            reload: Box::new(move || Config::load(&file)),
            updater: Arc::new(Noted(updater)),
        }
    }
}

/// Which start a state belongs to.
pub(crate) fn boot(state: &str) -> String {
    let json = state.strip_prefix("out ").unwrap();
    let state: serde_json::Value = serde_json::from_str(json).unwrap();
    state["boot"].as_str().unwrap().to_owned()
}

/// Asks the daemon to end when it goes, so that a test that failed ends as well.
struct End<'a>(&'a Flags);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A line that breaks when it is driven, whatever was found before.
pub(crate) const BROKEN: u32 = 66;

/// Notes whole lines.
struct Lines {
    kind: &'static str,
    events: Told,
    begun: Vec<u8>,
}

impl Lines {
    fn new(kind: &'static str, events: &Told) -> Self {
        Self {
            kind,
            events: events.clone(),
            begun: Vec::new(),
        }
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kind.is_empty() && bytes == BROKEN.to_string().as_bytes() {
            return Err(io::Error::other("the line is broken"));
        }
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8(std::mem::take(&mut self.begun)).unwrap();
                self.events.note(format!("{} {line}", self.kind).trim().to_owned());
            } else {
                self.begun.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A clock that runs faster than the machine's.
struct Fast(Instant, u32);

impl Clock for Fast {
    fn now(&self) -> Duration {
        self.0.elapsed() * self.1
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration / self.1);
    }
}

/// Notes tasks, and has done them at once.
struct Noted(Told);

impl Updater for Noted {
    fn start(&self, task: Task) -> io::Result<Box<dyn Work>> {
        self.0.note(format!("task {task:?}"));
        Ok(Box::new(Done))
    }
}

struct Done;

impl Work for Done {
    fn poll(&mut self) -> io::Result<Option<bool>> {
        Ok(Some(true))
    }
}
