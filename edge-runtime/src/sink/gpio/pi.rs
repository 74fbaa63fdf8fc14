//! The lines of a Raspberry Pi's header by its registers (Pi 1 to 5); rppal's types stay here.

use rppal::gpio::{Error, Gpio as Header, InputPin, OutputPin, Pin};

use super::{Gpio, GpioError, Input, Level, Output, Polarity};

/// Lines by their BCM numbers, held as outputs.
pub struct Pi {
    pins: Vec<OutputPin>,
    inputs: Vec<InputPin>,
}

impl Pi {
    /// Takes the lines and drives each to its safe level, which stays when the program ends.
    ///
    /// # Errors
    ///
    /// When this is no Raspberry Pi, or a line cannot be had; with what helps.
    pub fn open(outputs: &[Output], inputs: &[Input]) -> Result<Self, GpioError> {
        let header = Header::new().map_err(|error| failed("of this machine", &error))?;
        let pins = outputs.iter().map(|output| open_output(&header, *output));
        let inputs = inputs.iter().map(|input| open_input(&header, *input));
        Ok(Self {
            pins: pins.collect::<Result<_, _>>()?,
            inputs: inputs.collect::<Result<_, _>>()?,
        })
    }
}

fn open_input(header: &Header, input: Input) -> Result<InputPin, GpioError> {
    let pin = get(header, input.pin)?;
    Ok(match input.polarity {
        Polarity::ActiveHigh => pin.into_input_pulldown(),
        Polarity::ActiveLow => pin.into_input_pullup(),
    })
}

fn get(header: &Header, pin: u32) -> Result<Pin, GpioError> {
    let subject = format!("line {pin}");
    let number = u8::try_from(pin).map_err(|_| GpioError::Open {
        subject: subject.clone(),
        reason: "the header has lines 0 to 27".to_owned(),
    })?;
    header.get(number).map_err(|error| failed(&subject, &error))
}

fn open_output(header: &Header, output: Output) -> Result<OutputPin, GpioError> {
    let pin = get(header, output.pin)?;
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

    fn read(&mut self, pin: u32) -> Result<Level, GpioError> {
        let Some(input) = self.inputs.iter().find(|own| u32::from(own.pin()) == pin) else {
            let reason = "it was not opened".to_owned();
            return Err(GpioError::Read { pin, reason });
        };
        Ok(if input.is_high() { Level::High } else { Level::Low })
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
