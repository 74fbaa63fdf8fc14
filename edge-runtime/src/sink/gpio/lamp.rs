//! The privacy lamp: lit as long as the camera runs.
//!
//! It is none of the panel's lines. Those go safe whenever nothing is known and are taken anew with a new
//! configuration; the camera runs on meanwhile, and so the lamp stays lit.

use super::{Gpio, GpioError, Polarity};

/// A lit lamp; dropped, it goes out.
pub struct Lamp {
    gpio: Box<dyn Gpio>,
    pin: u32,
    polarity: Polarity,
}

impl Lamp {
    /// Lights the lamp on line `pin`.
    ///
    /// # Errors
    ///
    /// When the line cannot be set.
    pub fn light(gpio: Box<dyn Gpio>, pin: u32, polarity: Polarity) -> Result<Self, GpioError> {
        let mut lamp = Self { gpio, pin, polarity };
        lamp.gpio.set(pin, polarity.active())?;
        Ok(lamp)
    }
}

impl Drop for Lamp {
    fn drop(&mut self) {
        // Nobody is left to be told; the service's `edge-runtime safe` tries once more.
        let _ = self.gpio.set(self.pin, self.polarity.safe());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::Level;
    use super::*;

    #[derive(Clone, Default)]
    struct Wires {
        log: Arc<Mutex<Vec<(u32, Level)>>>,
        broken: bool,
    }

    impl Gpio for Wires {
        fn set(&mut self, pin: u32, level: Level) -> Result<(), GpioError> {
            self.log.lock().unwrap().push((pin, level));
            let reason = "gone".to_owned();
            if self.broken {
                Err(GpioError::Set { pin, reason })
            } else {
                Ok(())
            }
        }
    }

    #[test]
    fn it_is_lit_until_it_is_let_go_even_where_that_cannot_be_known() {
        for broken in [false, true] {
            for (polarity, lit, dark) in [
                (Polarity::ActiveHigh, Level::High, Level::Low),
                (Polarity::ActiveLow, Level::Low, Level::High),
            ] {
                let wires = Wires {
                    broken,
                    ..Wires::default()
                };
                let lamp = Lamp::light(Box::new(wires.clone()), 22, polarity);
                assert_eq!(lamp.is_err(), broken);
                if !broken {
                    assert_eq!(*wires.log.lock().unwrap(), [(22, lit)]);
                }
                drop(lamp);
                assert_eq!(*wires.log.lock().unwrap(), [(22, lit), (22, dark)]);
            }
        }
    }
}
