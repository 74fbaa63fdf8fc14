//! `edge-runtime mqtt-clean`: a device that is gone leaves nothing at the broker.

use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::Config;
use edge_runtime::sink::mqtt::{CleanError, clean};
use edge_runtime::sink::settings::is_device_id;

use super::failure::{Failure, code};

/// Removes what the broker keeps of a device that is gone: state, availability, and its entry in Home Assistant
///
/// A kiosk that is renamed does so by itself. This is for one that is taken down: stop it first. Says which topics it has emptied.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML, with the broker in [sink.mqtt]
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
    /// The device, where it is another than that of the configuration
    #[arg(long, value_name = "NAME", value_parser = parse_device)]
    device: Option<String>,
}

fn parse_device(text: &str) -> Result<String, &'static str> {
    let device = is_device_id(text).then(|| text.to_owned());
    device.ok_or("not 1 to 64 ASCII letters, digits, '-' or '_'")
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let Some(mqtt) = &config.sink.mqtt else {
        let message = format!("{} has no [sink.mqtt], which names the broker", args.config.display());
        return Err(Failure::new(code::CONFIG, anyhow::Error::msg(message)));
    };
    let device = args.device.as_ref().unwrap_or(&mqtt.device);
    let topics = clean(mqtt, device).map_err(|error| match error {
        CleanError::Online(_) => Failure::new(code::TEMPORARY, error),
        CleanError::Fault { .. } => Failure::new(code::UNAVAILABLE, error),
    })?;
    for topic in topics {
        super::write_line(&topic)?;
    }
    Ok(ExitCode::SUCCESS)
}
