//! What the lines are set up with; a configuration is read into it.

use std::collections::HashSet;

use shared_model::emotion::Label;

use super::{Input, Polarity, Shows, Signal};

/// Last line of a Raspberry Pi's header, by its BCM number.
const LAST_BCM: u32 = 27;

/// Lines that identify a board on top of the Pi.
const EEPROM: [u32; 2] = [0, 1];

/// More lines than any chip has.
const MAX_OFFSET: u32 = 1023;

/// The lines of a kiosk.
#[derive(Debug, Clone, PartialEq)]
pub struct GpioConfig {
    /// The hardware, or the log, that drives the lines.
    pub backend: GpioBackend,
    /// How long a line is active.
    pub signal: Signal,
    /// A lamp that is lit while the camera runs.
    pub lamp: Option<LampConfig>,
    /// A switch that pauses while it is on.
    pub pause: Option<Input>,
    /// What is shown; no line and nothing shown stands twice.
    pub lines: Vec<LineConfig>,
    /// Lines that triggers pulse, each with its polarity.
    pub pulses: Vec<(u32, Polarity)>,
}

/// The hardware, or the log, that drives the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpioBackend {
    /// Nothing: the levels are written to standard error, to try a wiring plan.
    Log,
    /// The registers of a Raspberry Pi; lines are BCM numbers.
    Pi,
    /// The chip with this label, by its character device; lines are its offsets.
    Chip(String),
}

/// A lamp that is lit while the camera runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LampConfig {
    /// Number of the line on its chip.
    pub pin: u32,
    /// Whether the line is low while the lamp is lit.
    pub polarity: Polarity,
}

/// A line, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineConfig {
    /// Number of the line on its chip.
    pub pin: u32,
    /// What it stands for; an emotion is a label of a class of the bundle, letter case aside.
    pub shows: Shows,
    /// Which level says that it holds.
    pub polarity: Polarity,
}

/// A rule for the lines that a configuration breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpioConfigError {
    /// There is nothing to drive and nothing to read.
    #[error("`lines` needs at least one line where there is neither `lamp` nor `pause`, nor a `pulse` of [[when]]")]
    NoLine,
    /// The backend that writes levels down has no inputs.
    #[error("`pause` is read from a line: backend = \"log\" has none")]
    NoInput,
    /// Two entries name the same line.
    #[error("pin {0} stands twice")]
    PinTwice(u32),
    /// Two lines stand for the same; what they stand for.
    #[error("{0} has two lines")]
    ShownTwice(String),
    /// The chip has no such line.
    #[error("pin {pin} is impossible: lines go up to {last}")]
    PinTooHigh {
        /// Number of the line in the configuration.
        pin: u32,
        /// The highest number that the backend knows.
        last: u32,
    },
    /// The line is reserved on a Raspberry Pi.
    #[error("pin {0} belongs to the memory that identifies boards on top of the Pi")]
    PinOfEeprom(u32),
}

impl LineConfig {
    /// The emotion that it stands for, if it is one.
    pub fn emotion(&self) -> Option<&Label> {
        match &self.shows {
            Shows::Emotion(label) => Some(label),
            Shows::Face | Shows::NoFace | Shows::Uncertain | Shows::Trigger => None,
        }
    }
}

impl GpioConfig {
    /// The lamp, as a panel wants it.
    pub fn lamp(&self) -> Option<(u32, Polarity)> {
        self.lamp.map(|lamp| (lamp.pin, lamp.polarity))
    }

    /// Every line that is used.
    pub fn pins(&self) -> Vec<u32> {
        let others = [self.lamp.map(|lamp| lamp.pin), self.pause.map(|pause| pause.pin)];
        let lines = self.lines.iter().map(|line| line.pin);
        let pulses = self.pulses.iter().map(|(pin, _)| *pin);
        lines.chain(others.into_iter().flatten()).chain(pulses).collect()
    }

    /// Whether such lines can be there together.
    ///
    /// # Errors
    ///
    /// The first rule that is broken, in the words of the configuration.
    pub fn check(&self) -> Result<(), GpioConfigError> {
        if self.pause.is_some() && self.backend == GpioBackend::Log {
            return Err(GpioConfigError::NoInput);
        }
        let (mut pins, mut shown) = (HashSet::new(), HashSet::new());
        for pin in self.pins() {
            self.check_pin(pin)?;
            if !pins.insert(pin) {
                return Err(GpioConfigError::PinTwice(pin));
            }
        }
        for line in &self.lines {
            let name = match &line.shows {
                Shows::Emotion(label) => format!("emotion {:?}", label.to_ascii_lowercase()),
                Shows::Face => "state \"face\"".to_owned(),
                Shows::NoFace => "state \"no_face\"".to_owned(),
                Shows::Uncertain => "state \"uncertain\"".to_owned(),
                Shows::Trigger => continue,
            };
            if let Some(name) = shown.replace(name) {
                return Err(GpioConfigError::ShownTwice(name));
            }
        }
        Ok(())
    }

    /// Whether such a line can be there at all.
    fn check_pin(&self, pin: u32) -> Result<(), GpioConfigError> {
        let last = match self.backend {
            GpioBackend::Pi => LAST_BCM,
            GpioBackend::Log | GpioBackend::Chip(_) => MAX_OFFSET,
        };
        if pin > last {
            return Err(GpioConfigError::PinTooHigh { pin, last });
        }
        if self.backend == GpioBackend::Pi && EEPROM.contains(&pin) {
            return Err(GpioConfigError::PinOfEeprom(pin));
        }
        Ok(())
    }
}
