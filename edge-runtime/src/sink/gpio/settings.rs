//! What the lines are set up with; a configuration is read into it.

use std::collections::HashSet;

use shared_model::emotion::Label;

use super::{Polarity, Signal};

/// Last line of a Raspberry Pi's header, by its BCM number.
const LAST_BCM: u32 = 27;

/// Lines that identify a board on top of the Pi.
const EEPROM: [u32; 2] = [0, 1];

/// More lines than any chip has.
const MAX_OFFSET: u32 = 1023;

/// The lines of a kiosk.
#[derive(Debug, Clone, PartialEq)]
pub struct GpioConfig {
    /// What drives the lines.
    pub backend: GpioBackend,
    /// How long a line is active.
    pub signal: Signal,
    /// A lamp that is lit while the camera runs.
    pub lamp: Option<LampConfig>,
    /// One line an emotion; no line and no emotion stands twice.
    pub lines: Vec<LineConfig>,
}

/// What drives the lines.
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

/// The line of an emotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineConfig {
    /// Number of the line on its chip.
    pub pin: u32,
    /// Label of a class of the bundle, letter case aside.
    pub emotion: Label,
    /// Whether the line is low while the emotion holds.
    pub polarity: Polarity,
}

impl GpioConfig {
    /// The lamp, as a panel wants it.
    pub fn lamp(&self) -> Option<(u32, Polarity)> {
        self.lamp.map(|lamp| (lamp.pin, lamp.polarity))
    }

    /// Whether such lines can be there together.
    ///
    /// # Errors
    /// What is wrong, in the words of the configuration.
    pub fn check(&self) -> Result<(), String> {
        if self.lines.is_empty() {
            return Err("`lines` needs at least one line".to_owned());
        }
        let (mut pins, mut emotions) = (HashSet::new(), HashSet::new());
        for pin in self
            .lines
            .iter()
            .map(|line| line.pin)
            .chain(self.lamp.map(|lamp| lamp.pin))
        {
            self.check_pin(pin)?;
            if !pins.insert(pin) {
                return Err(format!("pin {pin} stands twice"));
            }
        }
        for line in &self.lines {
            if !emotions.insert(line.emotion.to_ascii_lowercase()) {
                return Err(format!("emotion {:?} has two lines", line.emotion.as_str()));
            }
        }
        Ok(())
    }

    /// Whether such a line can be there at all.
    fn check_pin(&self, pin: u32) -> Result<(), String> {
        let last = match self.backend {
            GpioBackend::Pi => LAST_BCM,
            GpioBackend::Log | GpioBackend::Chip(_) => MAX_OFFSET,
        };
        if pin > last {
            return Err(format!("pin {pin} is impossible: lines go up to {last}"));
        }
        if self.backend == GpioBackend::Pi && EEPROM.contains(&pin) {
            return Err(format!(
                "pin {pin} belongs to the memory that identifies boards on top of the Pi"
            ));
        }
        Ok(())
    }
}
