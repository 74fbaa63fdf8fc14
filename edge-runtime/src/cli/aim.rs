//! `edge-runtime aim`: what the camera sees, for whoever mounts it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use edge_runtime::config::Config;
use edge_runtime::daemon::{Ending, LONGEST, aim};
use edge_runtime::page::settings::PORT;

use super::failure::{Failure, code, fault_code};
use super::run::{Signals, context};

/// Shows what the camera sees on a page of this machine, with boxes, points and a light meter, for ten minutes at most
///
/// The service must be stopped, since it has the camera; the lamp is lit. From another machine:
/// `ssh -L 8380:127.0.0.1:8380 KIOSK`, and http://127.0.0.1:8380/ in a browser there.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
    /// Where the page is served; an address of this machine alone
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))]
    listen: SocketAddr,
    /// Ends after so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = LONGEST.as_secs() / 60, value_parser = clap::value_parser!(u64).range(1..=10))]
    minutes: u64,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let signals = Signals::catch()?;
    let context = context(
        &args.config,
        Box::new(|| Config::load(&args.config)),
        signals.flags.clone(),
    );
    Ok(
        match aim(&config, args.listen, Duration::from_mins(args.minutes), &context)? {
            Ending::Stopped => ExitCode::from(signals.code()),
            Ending::NoFrame(fault) => ExitCode::from(fault.map_or(code::NO_INPUT, fault_code)),
            Ending::Done => ExitCode::SUCCESS,
        },
    )
}
