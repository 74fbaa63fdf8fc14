//! The GPIO lines that a configuration asks for.

use std::io;
use std::process::ExitCode;

use edge_runtime::config::{Config, GpioBackend, GpioConfig};
use edge_runtime::sink::gpio::{Gpio, GpioError, Lamp, LogGpio, Output, Polarity};

use super::Verbosity;
use super::failure::{Failure, code};

/// Drives every GPIO line to its safe level, and ends
///
/// For `ExecStopPost=` of the service: a program that was killed leaves its lines as they were.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: std::path::PathBuf,
}

pub(crate) fn main(args: &Args, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let Some(gpio) = &config.sink.gpio else {
        verbosity.say("safe: the configuration has no lines");
        return Ok(ExitCode::SUCCESS);
    };
    let lines = gpio.lines.iter().map(|line| (line.pin, line.polarity));
    let outputs = lines.chain(gpio.lamp()).map(|(pin, polarity): (u32, Polarity)| Output {
        pin,
        safe: polarity.safe(),
    });
    // Opening is driving: the lines have their safe levels from the first moment.
    open(&gpio.backend, &outputs.collect::<Vec<_>>())?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the lines and drives each to its safe level.
pub(crate) fn open(backend: &GpioBackend, outputs: &[Output]) -> Result<Box<dyn Gpio>, Failure> {
    match backend {
        GpioBackend::Log => opened(LogGpio::open(io::stderr(), outputs)),
        backend => hardware(backend, outputs),
    }
}

/// What a lamp hangs on: lamps that differ here are different lamps.
pub(crate) fn lamp_wiring(config: &Config) -> Option<(&GpioBackend, (u32, Polarity))> {
    let gpio: &GpioConfig = config.sink.gpio.as_ref()?;
    Some((&gpio.backend, gpio.lamp()?))
}

/// Lights the lamp, if the configuration has one.
pub(crate) fn lamp(config: &Config) -> Result<Option<Lamp>, Failure> {
    let Some((backend, (pin, polarity))) = lamp_wiring(config) else {
        return Ok(None);
    };
    let safe = polarity.safe();
    let gpio = open(backend, &[Output { pin, safe }])?;
    let lit = Lamp::light(gpio, pin, polarity);
    lit.map(Some).map_err(|error| Failure::new(code::UNAVAILABLE, error))
}

fn opened<G: Gpio + 'static>(gpio: Result<G, GpioError>) -> Result<Box<dyn Gpio>, Failure> {
    match gpio {
        Ok(gpio) => Ok(Box::new(gpio)),
        Err(error) => Err(Failure::new(code::UNAVAILABLE, error)),
    }
}

#[cfg(feature = "gpio")]
fn hardware(backend: &GpioBackend, outputs: &[Output]) -> Result<Box<dyn Gpio>, Failure> {
    use edge_runtime::sink::gpio::{Chip, Pi};

    match backend {
        GpioBackend::Chip(label) => opened(Chip::open(label, outputs)),
        _ => opened(Pi::open(outputs)),
    }
}

#[cfg(not(feature = "gpio"))]
fn hardware(_: &GpioBackend, _: &[Output]) -> Result<Box<dyn Gpio>, Failure> {
    let message =
        "set up gpio: this program was built without it: build with `--features gpio`, or use backend = \"log\"";
    Err(Failure::new(code::CONFIG, anyhow::Error::msg(message)))
}
