//! Signals over GPIO: one line an emotion.
//!
//! [`Gpio`] is the seam to the hardware. A line is *active* while its emotion is held true and *safe*
//! otherwise; the safe level is driven at the start, whenever nothing is known, and at the end.

use std::io::{self, Write};

use shared_model::emotion::Label;
use shared_model::message::{State, Verdict};

use super::{SignalSink, SinkError};

/// Voltage of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Ground.
    Low,
    /// Supply.
    High,
}

/// Which level means that an emotion is held true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// High is active, low is safe.
    #[default]
    ActiveHigh,
    /// Low is active, high is safe.
    ActiveLow,
}

impl Polarity {
    /// The level while the emotion is held true.
    pub fn active(self) -> Level {
        match self {
            Self::ActiveHigh => Level::High,
            Self::ActiveLow => Level::Low,
        }
    }

    /// The level otherwise.
    pub fn safe(self) -> Level {
        match self {
            Self::ActiveHigh => Level::Low,
            Self::ActiveLow => Level::High,
        }
    }
}

/// A line that cannot be set.
#[derive(Debug, thiserror::Error)]
#[error("set gpio line {pin}: {reason}")]
pub struct GpioError {
    /// Which one.
    pub pin: u32,
    /// Why.
    pub reason: String,
}

/// Output lines.
pub trait Gpio {
    /// Drives line `pin` to this level.
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError>;
}

/// Writes down what would be driven, one line a change: for trying a wiring plan without the wires.
pub struct LogGpio<W> {
    out: W,
}

impl<W: Write> LogGpio<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Gpio for LogGpio<W> {
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
        let level = match level {
            Level::Low => "low",
            Level::High => "high",
        };
        let written: io::Result<()> = writeln!(self.out, "gpio {pin} {level}").and_then(|()| self.out.flush());
        written.map_err(|error| GpioError {
            pin,
            reason: error.to_string(),
        })
    }
}

/// The line of one emotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number of the line on its chip.
    pub pin: u32,
    /// Label of the class that it stands for, in the letter case of the bundle.
    pub emotion: Label,
    /// Which level is active.
    pub polarity: Polarity,
}

/// Shows emotions on lines.
pub struct GpioSink<G: Gpio> {
    gpio: G,
    lines: Vec<Line>,
    /// The line that is active.
    active: Option<usize>,
}

impl<G: Gpio> GpioSink<G> {
    /// Takes the lines and drives each to its safe level.
    pub fn new(gpio: G, lines: Vec<Line>) -> Result<Self, GpioError> {
        let mut sink = Self {
            gpio,
            lines,
            active: None,
        };
        sink.all_safe()?;
        Ok(sink)
    }

    /// Drives every line to its safe level, the others too if one fails.
    fn all_safe(&mut self) -> Result<(), GpioError> {
        self.active = None;
        let mut result = Ok(());
        for line in &self.lines {
            result = result.and(self.gpio.set(line.pin, line.polarity.safe()));
        }
        result
    }

    fn line_of(&self, verdict: &Verdict) -> Option<usize> {
        let Verdict::Emotion(label) = verdict else { return None };
        self.lines.iter().position(|line| line.emotion == *label)
    }
}

impl<G: Gpio> SignalSink for GpioSink<G> {
    fn name(&self) -> &'static str {
        "gpio"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        let wanted = self.line_of(&state.emotion);
        if wanted == self.active {
            return Ok(());
        }
        // The old line goes first: two are never active at once. It stays noted until that has worked.
        if let Some(line) = self.active.and_then(|at| self.lines.get(at)) {
            self.gpio.set(line.pin, line.polarity.safe())?;
        }
        self.active = None;
        if let Some(line) = wanted.and_then(|at| self.lines.get(at)) {
            self.gpio.set(line.pin, line.polarity.active())?;
        }
        self.active = wanted;
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(self.all_safe()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_model::Text;

    fn line(pin: u32, emotion: &str, polarity: Polarity) -> Line {
        Line {
            pin,
            emotion: Label::try_from(emotion).unwrap(),
            polarity,
        }
    }

    fn lines() -> Vec<Line> {
        vec![
            line(17, "Happy", Polarity::ActiveHigh),
            line(27, "Sad", Polarity::ActiveLow),
        ]
    }

    fn state(emotion: Verdict) -> State {
        State {
            boot: Text::new(),
            sequence: 0,
            time_ms: 0,
            emotion,
            confidence: 0.0,
            face: false,
        }
    }

    fn emotion(label: &str) -> State {
        state(Verdict::Emotion(Label::try_from(label).unwrap()))
    }

    fn log_of(states: &[State]) -> Vec<String> {
        let mut out = Vec::new();
        let mut sink = GpioSink::new(LogGpio::new(&mut out), lines()).unwrap();
        for state in states {
            sink.show(state).unwrap();
        }
        sink.close().unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .map(|line| line.trim_start_matches("gpio ").to_owned())
            .collect()
    }

    const SAFE: [&str; 2] = ["17 low", "27 high"];

    #[test]
    fn starts_and_ends_safe() {
        assert_eq!(log_of(&[]), [SAFE, SAFE].concat());
    }

    #[test]
    fn drives_the_line_of_the_emotion_and_the_old_one_off_first() {
        let log = log_of(&[emotion("Happy"), emotion("Happy"), emotion("Sad")]);
        assert_eq!(log[2..5], ["17 high", "17 low", "27 low"]);
        assert_eq!(log.len(), 7);
    }

    #[test]
    fn is_safe_when_nothing_is_held_true() {
        for verdict in [Verdict::Unknown, Verdict::NoFace, Verdict::Uncertain] {
            assert_eq!(log_of(&[emotion("Sad"), state(verdict)])[2..4], ["27 low", "27 high"]);
        }
        // An emotion without a line.
        assert_eq!(log_of(&[emotion("Sad"), emotion("Angry")])[2..4], ["27 low", "27 high"]);
    }

    #[test]
    fn a_line_that_fails_is_driven_again_and_the_others_are_not_left_behind() {
        /// Fails where told, and counts what it was asked for.
        struct Flaky<'a> {
            fails: &'a std::cell::Cell<Option<u32>>,
            log: &'a std::cell::RefCell<Vec<(u32, Level)>>,
        }
        impl Gpio for Flaky<'_> {
            fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
                self.log.borrow_mut().push((pin, level));
                if self.fails.get() == Some(pin) {
                    return Err(GpioError {
                        pin,
                        reason: "gone".into(),
                    });
                }
                Ok(())
            }
        }
        let (fails, log) = (std::cell::Cell::new(None), std::cell::RefCell::new(Vec::new()));
        let mut sink = GpioSink::new(
            Flaky {
                fails: &fails,
                log: &log,
            },
            lines(),
        )
        .unwrap();
        sink.show(&emotion("Happy")).unwrap();
        fails.set(Some(17));
        assert!(sink.show(&emotion("Sad")).is_err());
        fails.set(None);
        log.borrow_mut().clear();
        sink.show(&emotion("Sad")).unwrap();
        assert_eq!(*log.borrow(), [(17, Level::Low), (27, Level::Low)]);
        fails.set(Some(17));
        log.borrow_mut().clear();
        assert!(sink.close().is_err());
        assert_eq!(*log.borrow(), [(17, Level::Low), (27, Level::High)]);
    }
}
