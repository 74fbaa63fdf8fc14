//! The GPIO lines that a configuration asks for.

use std::io::Write;

use super::context::RunContext;
use super::error::DaemonError;
use crate::config::Config;
use crate::sink::gpio::{Gpio, GpioBackend, GpioConfig, GpioError, Input, Lamp, LogGpio, Output, Polarity};

/// Every line of a configuration, the lamp's included.
pub fn lines(config: &GpioConfig) -> Vec<Output> {
    let lines = config.lines.iter().map(|line| (line.pin, line.polarity));
    let outputs = lines
        .chain(config.pulses.iter().copied())
        .chain(config.lamp())
        .map(|(pin, polarity)| Output {
            pin,
            safe: polarity.safe(),
        });
    outputs.collect()
}

/// Takes the lines and drives each output to its safe level; the backend `log` writes to `log`.
///
/// # Errors
/// A line that cannot be had, or a program without the feature `gpio`.
pub fn open(
    backend: &GpioBackend,
    outputs: &[Output],
    inputs: &[Input],
    log: Box<dyn Write + Send>,
) -> Result<Box<dyn Gpio>, DaemonError> {
    match backend {
        GpioBackend::Log => opened(LogGpio::open(log, outputs)),
        backend => hardware(backend, outputs, inputs),
    }
}

/// What a lamp hangs on: lamps that differ here are different lamps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wiring {
    backend: GpioBackend,
    pin: u32,
    polarity: Polarity,
}

/// What the lamp of a configuration hangs on, if it has one.
pub(super) fn lamp_wiring(config: &Config) -> Option<Wiring> {
    let gpio: &GpioConfig = config.sink.gpio.as_ref()?;
    let (pin, polarity) = gpio.lamp()?;
    let backend = gpio.backend.clone();
    Some(Wiring { backend, pin, polarity })
}

/// Lights a lamp.
pub(super) fn lamp(wiring: Wiring, context: &RunContext<'_>) -> Result<(Wiring, Lamp), DaemonError> {
    let (pin, safe) = (wiring.pin, wiring.polarity.safe());
    let gpio = open(&wiring.backend, &[Output { pin, safe }], &[], (context.gpio_log)())?;
    let lamp = Lamp::light(gpio, pin, wiring.polarity)?;
    Ok((wiring, lamp))
}

fn opened<G: Gpio + 'static>(gpio: Result<G, GpioError>) -> Result<Box<dyn Gpio>, DaemonError> {
    Ok(Box::new(gpio?))
}

#[cfg(feature = "gpio")]
fn hardware(backend: &GpioBackend, outputs: &[Output], inputs: &[Input]) -> Result<Box<dyn Gpio>, DaemonError> {
    use crate::sink::gpio::{Chip, Pi};

    match backend {
        GpioBackend::Chip(label) => opened(Chip::open(label, outputs, inputs)),
        _ => opened(Pi::open(outputs, inputs)),
    }
}

#[cfg(not(feature = "gpio"))]
fn hardware(_: &GpioBackend, _: &[Output], _: &[Input]) -> Result<Box<dyn Gpio>, DaemonError> {
    Err(DaemonError::NoGpio)
}
