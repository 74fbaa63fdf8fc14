//! The lines of any Linux board by the GPIO character device; gpiocdev's types stay here.

use gpiocdev::line::{Bias, Value};
use gpiocdev::{Request, chip};

use super::{Gpio, GpioError, Input, Level, Output, Polarity};

/// Name under which the kernel shows who holds the lines.
const CONSUMER: &str = "edge-runtime";

/// Lines of one chip, held as outputs.
pub struct Chip {
    request: Request,
}

impl Chip {
    /// Takes the lines of the chip with this label and drives each to its safe level.
    ///
    /// What they do when the program ends is the driver's business: most make them inputs again, so a
    /// resistor has to hold the safe level.
    ///
    /// # Errors
    ///
    /// When there is no such chip, or a line cannot be had; with what helps.
    pub fn open(label: &str, outputs: &[Output], inputs: &[Input]) -> Result<Self, GpioError> {
        let path = find(label)?;
        let mut builder = Request::builder();
        builder.on_chip(path).with_consumer(CONSUMER);
        for output in outputs {
            builder.with_line(output.pin).as_output(value(output.safe));
        }
        for input in inputs {
            let bias = match input.polarity {
                Polarity::ActiveHigh => Bias::PullDown,
                Polarity::ActiveLow => Bias::PullUp,
            };
            builder.with_line(input.pin).as_input().with_bias(bias);
        }
        let request = builder.request().map_err(|error| GpioError::Open {
            subject: format!("lines of chip {label:?}"),
            reason: format!("{error}; `gpioinfo` shows who holds them, and how many there are"),
        })?;
        Ok(Self { request })
    }
}

impl Gpio for Chip {
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
        self.request
            .set_value(pin, value(level))
            .map_err(|error| GpioError::Set {
                pin,
                reason: error.to_string(),
            })
    }

    fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
        let read = self.request.value(pin).map_err(|error| GpioError::Read {
            pin,
            reason: error.to_string(),
        })?;
        Ok(match read {
            Value::Active => Level::High,
            Value::Inactive => Level::Low,
        })
    }
}

fn value(level: Level) -> Value {
    match level {
        Level::Low => Value::Inactive,
        Level::High => Value::Active,
    }
}

/// A chip of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path of its device file.
    pub path: String,
    /// Its label, or why it cannot be opened.
    pub label: Result<String, String>,
    /// How many lines it has; 0 where it cannot be opened.
    pub lines: u32,
}

/// The chips of this machine.
///
/// # Errors
///
/// When the system cannot list its chips, in its own words.
pub fn chips() -> Result<Vec<Found>, GpioError> {
    let paths = chip::chips().map_err(|error| GpioError::Open {
        subject: "chips of this machine".to_owned(),
        reason: error.to_string(),
    })?;
    let found = |path: std::path::PathBuf| {
        let info = chip::Chip::from_path(&path).and_then(|chip| chip.info());
        Found {
            path: path.display().to_string(),
            lines: info.as_ref().map_or(0, |info| info.num_lines),
            label: info.map(|info| info.label).map_err(|error| error.to_string()),
        }
    };
    Ok(paths.into_iter().map(found).collect())
}

fn find(label: &str) -> Result<String, GpioError> {
    let failed = |reason: String| GpioError::Open {
        subject: format!("chip {label:?}"),
        reason,
    };
    let mut others = Vec::new();
    for Found { path, label: found, .. } in chips()? {
        match found {
            Ok(found) if found == label => return Ok(path),
            Ok(found) => others.push(found),
            Err(error) => others.push(format!("{path} ({error}; add the user to the group gpio)")),
        }
    }
    let known = if others.is_empty() {
        "none".to_owned()
    } else {
        others.join(", ")
    };
    Err(failed(format!("there is no such chip; this machine has {known}")))
}
