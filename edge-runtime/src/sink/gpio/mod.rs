//! Signals over GPIO: a line for each emotion, for somebody and nobody, a privacy [`Lamp`], and a switch that pauses.
//!
//! A line is *active* while it shows something and *safe* otherwise. A thread of its own, the
//! `driver`, owns the lines: they go safe when the program stops, when nothing recent is known, when
//! the program hangs, and when it panics. [`Gpio`] is the seam to the hardware.

#[cfg(feature = "gpio")]
mod chip;
mod driver;
mod lamp;
mod panel;
#[cfg(feature = "gpio")]
mod pi;
mod settings;
mod sink;

use std::io::Write;

#[cfg(feature = "gpio")]
pub use chip::{Chip, Found, chips};
pub use driver::{CommandSlot, LineDriver};
pub use lamp::Lamp;
pub use panel::{Line, Panel, Pulse, Request, Shows, Signal, outputs};
#[cfg(feature = "gpio")]
pub use pi::Pi;
pub use settings::{GpioBackend, GpioConfig, GpioConfigError, LampConfig, LineConfig};
pub use sink::{GpioSink, safe_when_panicking};

/// The voltage that a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The voltage of the ground.
    Low,
    /// The voltage of the supply.
    High,
}

/// Whether the high or the low level shows something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// High is active, low is safe.
    #[default]
    ActiveHigh,
    /// Low is active, high is safe.
    ActiveLow,
}

impl Polarity {
    /// The level of a line that shows something.
    pub fn active(self) -> Level {
        match self {
            Self::ActiveHigh => Level::High,
            Self::ActiveLow => Level::Low,
        }
    }

    /// The level of a line that shows nothing.
    pub fn safe(self) -> Level {
        match self {
            Self::ActiveHigh => Level::Low,
            Self::ActiveLow => Level::High,
        }
    }
}

/// A line that is used, and its safe level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Number of the line on its chip.
    pub pin: u32,
    /// The level that it is given before anything else.
    pub safe: Level,
}

/// A line that is read; the chip pulls it to the level that is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Number of the line on its chip.
    pub pin: u32,
    /// Whether the high or the low level is the active one.
    pub polarity: Polarity,
}

/// Lines that cannot be had, or one that cannot be set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GpioError {
    /// The hardware is not there, not allowed, or in use.
    #[error("open gpio {subject}: {reason}")]
    Open {
        /// The chip, or the chip and a line.
        subject: String,
        /// Why it cannot be had, and what helps.
        reason: String,
    },
    /// A line cannot be read.
    #[error("read gpio line {pin}: {reason}")]
    Read {
        /// Number of the line on its chip.
        pin: u32,
        /// Why it failed, and what helps where that is known.
        reason: String,
    },
    /// A line cannot be set.
    #[error("set gpio line {pin}: {reason}")]
    Set {
        /// Number of the line on its chip.
        pin: u32,
        /// Why it failed, and what helps where that is known.
        reason: String,
    },
}

/// Output lines, and inputs where there are some.
pub trait Gpio: Send {
    /// Drives line `pin` to this level.
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError>;

    /// The level of input `pin`.
    fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
        let reason = "it is no input".to_owned();
        Err(GpioError::Read { pin, reason })
    }
}

/// Writes down what would be driven, one line a change: for trying a wiring plan without the wires.
pub struct LogGpio<W> {
    out: W,
}

impl<W: Write + Send> LogGpio<W> {
    /// Writes to `out`, the safe levels first.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn open(out: W, outputs: &[Output]) -> Result<Self, GpioError> {
        let mut gpio = Self { out };
        for output in outputs {
            gpio.set(output.pin, output.safe)?;
        }
        Ok(gpio)
    }
}

impl<W: Write + Send> Gpio for LogGpio<W> {
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
        let level = match level {
            Level::Low => "low",
            Level::High => "high",
        };
        let written = writeln!(self.out, "gpio {pin} {level}").and_then(|()| self.out.flush());
        written.map_err(|error| GpioError::Set {
            pin,
            reason: error.to_string(),
        })
    }
}
