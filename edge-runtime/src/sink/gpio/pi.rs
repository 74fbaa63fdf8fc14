//! The lines of a Raspberry Pi's header by its registers (Pi 1 to 5); rppal's types stay here.

use rppal::gpio::{Error, Gpio as Header, OutputPin};

use super::{Gpio, GpioError, Level, Output};

/// Lines by their BCM numbers, held as outputs.
pub struct Pi {
    pins: Vec<OutputPin>,
}

impl Pi {
    /// Takes the lines and drives each to its safe level, which stays when the program ends.
    pub fn open(outputs: &[Output]) -> Result<Self, GpioError> {
        let header = Header::new().map_err(|error| failed("of this machine", &error))?;
        let pins = outputs.iter().map(|output| take(&header, *output));
        Ok(Self {
            pins: pins.collect::<Result<_, _>>()?,
        })
    }
}

fn take(header: &Header, output: Output) -> Result<OutputPin, GpioError> {
    let subject = format!("line {}", output.pin);
    let number = u8::try_from(output.pin).map_err(|_| GpioError::Open {
        subject: subject.clone(),
        reason: "the header has lines 0 to 27".to_owned(),
    })?;
    let pin = header.get(number).map_err(|error| failed(&subject, &error))?;
    let mut pin = match output.safe {
        Level::Low => pin.into_output_low(),
        Level::High => pin.into_output_high(),
    };
    // By default the pin would become an input again, whose level nobody drives.
    pin.set_reset_on_drop(false);
    Ok(pin)
}

impl Gpio for Pi {
    fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
        let Some(output) = self.pins.iter_mut().find(|own| u32::from(own.pin()) == pin) else {
            let reason = "it was not opened".to_owned();
            return Err(GpioError::Set { pin, reason });
        };
        output.write(match level {
            Level::Low => rppal::gpio::Level::Low,
            Level::High => rppal::gpio::Level::High,
        });
        Ok(())
    }
}

fn failed(subject: &str, error: &Error) -> GpioError {
    let cure = match error {
        Error::UnknownModel => "; this is no Raspberry Pi: use backend = \"chip\"",
        Error::PermissionDenied(_) => "; add the user to the group gpio",
        Error::PinUsed(_) => "; something in this program holds it",
        Error::PinNotAvailable(_) => "; the header has lines 0 to 27",
        _ => "",
    };
    GpioError::Open {
        subject: subject.to_owned(),
        reason: format!("{error}{cure}"),
    }
}
