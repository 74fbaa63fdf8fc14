//! Which lines are active: pure, from what is requested and the time.

use std::time::Duration;

use shared_model::emotion::Label;
use shared_model::message::Verdict;

use super::{Gpio, GpioError, Level, Output, Polarity};

/// Age of the last sign of life above which nothing is shown as true.
const STALE: Duration = Duration::from_secs(1);

/// What a line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shows {
    /// A class, by its label in the letter case of the bundle.
    Emotion(Label),
    /// Somebody is there, whatever is seen of them.
    Face,
    /// No face is in the frame.
    NoFace,
    /// Somebody is there, and no emotion is certain.
    Uncertain,
    /// Nothing by itself: triggers pulse it.
    Trigger,
}

impl Shows {
    /// Whether it holds while this is held true.
    fn holds(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Emotion(own), Verdict::Emotion(label)) => own == label,
            (Self::Face, verdict) => matches!(verdict, Verdict::Emotion(_) | Verdict::Uncertain),
            (Self::NoFace, verdict) => *verdict == Verdict::NoFace,
            (Self::Uncertain, verdict) => *verdict == Verdict::Uncertain,
            (Self::Emotion(_) | Self::Trigger, _) => false,
        }
    }
}

/// A line, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line on its chip.
    pub pin: u32,
    /// What the line stands for.
    pub shows: Shows,
    /// Whether the high or the low level is the active one.
    pub polarity: Polarity,
}

/// How long a line is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As long as what it stands for is held true.
    Hold,
    /// This long, once, when what it stands for begins.
    Pulse(Duration),
}

/// What the lines should show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Request {
    /// What is held true, and since when; nothing while nothing is known.
    pub verdict: Option<(Verdict, Duration)>,
    /// The last heartbeat of the loop, on the clock of the thread.
    pub beat: Duration,
    /// What triggers wish for, at most one a line.
    pub pulses: Vec<Pulse>,
}

/// A line that a trigger makes active for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Number of the line on its chip.
    pub pin: u32,
    /// When it began, on the clock of the lines.
    pub begun: Duration,
    /// How long the line is active.
    pub length: Duration,
}

impl Pulse {
    /// Whether the line is still active at `now`.
    pub fn lasts(&self, now: Duration) -> bool {
        now < self.begun + self.length
    }
}

/// The lines, and which of them are active.
pub struct Panel {
    gpio: Box<dyn Gpio>,
    lines: Vec<Driven>,
    signal: Signal,
}

struct Driven {
    line: Line,
    /// Whether it is active, as far as is known.
    active: bool,
    /// Since when what it stands for has been held true.
    begun: Option<Duration>,
    /// What a trigger wishes of it.
    pulse: Option<Pulse>,
}

impl Panel {
    /// A panel on lines that have their safe levels.
    pub fn new(gpio: Box<dyn Gpio>, lines: Vec<Line>, signal: Signal) -> Self {
        let driven = |line| Driven {
            line,
            active: false,
            begun: None,
            pulse: None,
        };
        Self {
            gpio,
            lines: lines.into_iter().map(driven).collect(),
            signal,
        }
    }

    /// Shows what is requested, at the time `now`.
    ///
    /// # Errors
    ///
    /// When a line cannot be set. A line that could not be made safe is tried again with the next call.
    pub fn show(&mut self, request: &Request, now: Duration) -> Result<(), GpioError> {
        for driven in &mut self.lines {
            driven.follow(request);
        }
        let (signal, fresh) = (self.signal, now <= request.beat + STALE);
        let wanted = |driven: &Driven| fresh && driven.is_wanted(signal, now);
        // What is over goes first: two emotions are never active at once. It stays noted until that has worked.
        let mut safe = Ok(());
        for driven in self.lines.iter_mut().filter(|driven| driven.active && !wanted(driven)) {
            let done = self.gpio.set(driven.line.pin, driven.line.polarity.safe());
            driven.active = done.is_err();
            safe = safe.and(done);
        }
        safe?;
        for driven in self.lines.iter_mut().filter(|driven| !driven.active && wanted(driven)) {
            // Noted first: a line of which nobody knows the level has to be made safe later.
            driven.active = true;
            self.gpio.set(driven.line.pin, driven.line.polarity.active())?;
        }
        Ok(())
    }

    /// The level of an input beside the lines.
    pub(super) fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
        self.gpio.read(pin)
    }

    /// Drives every line to its safe level, the others too if one fails.
    ///
    /// # Errors
    ///
    /// The first line that could not be set.
    pub fn all_safe(&mut self) -> Result<(), GpioError> {
        let mut result = Ok(());
        for driven in &mut self.lines {
            driven.active = false;
            result = result.and(self.gpio.set(driven.line.pin, driven.line.polarity.safe()));
        }
        result
    }
}

impl Driven {
    fn follow(&mut self, request: &Request) {
        let held = request
            .verdict
            .as_ref()
            .filter(|(verdict, _)| self.line.shows.holds(verdict));
        // What goes on has begun when it began: somebody who is there stays there when the emotion changes.
        self.begun = held.map(|(_, since)| self.begun.unwrap_or(*since));
        self.pulse = request.pulses.iter().find(|pulse| pulse.pin == self.line.pin).copied();
    }

    fn is_wanted(&self, signal: Signal, now: Duration) -> bool {
        if self.pulse.is_some_and(|pulse| pulse.lasts(now)) {
            return true;
        }
        match (self.begun, signal) {
            (None, _) => false,
            (Some(_), Signal::Hold) => true,
            (Some(begun), Signal::Pulse(length)) => now < begun + length,
        }
    }
}

/// Every line that a panel of these uses.
pub fn outputs(lines: &[Line]) -> Vec<Output> {
    let output = |line: &Line| Output {
        pin: line.pin,
        safe: line.polarity.safe(),
    };
    lines.iter().map(output).collect()
}

#[cfg(test)]
mod tests;
