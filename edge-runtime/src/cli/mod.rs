//! Command line of the program. Data goes to standard output, everything else to standard error.

#[cfg(feature = "page")]
mod aim;
mod bench;
mod check_config;
mod classify;
mod counts;
mod cpu_clock;
mod doctor;
mod failure;
mod film;
mod generate;
#[cfg(feature = "mqtt")]
mod mqtt_clean;
#[cfg(all(feature = "mqtt", feature = "page", feature = "webhook"))]
mod outputs;
#[cfg(not(all(feature = "mqtt", feature = "page", feature = "webhook")))]
#[path = "no_outputs.rs"]
mod outputs;
mod run;
mod safe;
mod sample;
mod times;
mod track;
mod try_bundle;
mod update;
mod verdicts;
#[cfg(feature = "page")]
mod viewers;
mod witness;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use diagnostics::{Diagnostics, Filter, Form};
use edge_runtime::daemon::DaemonError;
use edge_runtime::preflight;
use edge_runtime::sink::SinkError;
use inference::bundle::{Bundle, DEFAULT_DIR};

use failure::{Failure, code};

/// The exit code of what must not happen.
pub(crate) const INTERNAL: u8 = code::INTERNAL;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 64 usage, 65 bad picture, stream or bundle, 66 input not there, 69 device unavailable,
70 internal, 74 read or write error, 75 try again later, 77 no permission, 78 bad configuration, 128+N ended by signal N.";

/// Tells faces, their keypoints and their emotion, in pictures and streams, on this machine alone.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, propagate_version = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Tells only warnings and errors on standard error
    #[arg(long, short, global = true, conflicts_with = "log")]
    quiet: bool,
    /// What is told on standard error: levels (error, warn, info, debug, trace, off), alone or by part of the program
    /// as in `warn,edge_runtime::sink=debug`
    #[arg(long, value_name = "FILTER", global = true)]
    log: Option<Filter>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Classify(classify::Args),
    Run(run::Args),
    CheckConfig(check_config::Args),
    Counts(counts::Args),
    Safe(safe::Args),
    Doctor(doctor::Args),
    #[cfg(feature = "page")]
    Aim(aim::Args),
    Bench(bench::Args),
    Track(track::Args),
    Generate(generate::Args),
    #[cfg(feature = "mqtt")]
    MqttClean(mqtt_clean::Args),
    Update(update::Args),
    #[command(hide = true)]
    TryBundle(try_bundle::Args),
}

/// Runs the program and gives its exit code.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nothing can be done for a message that cannot be written.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(code::USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let chosen = args.quiet.then(Filter::quiet).or(args.log);
    let diagnostics = Diagnostics::start(chosen.as_ref().unwrap_or(&Filter::default()), Form::of_stderr());
    // What the command line asks for holds whatever a configuration says.
    let adjustable = diagnostics.as_ref().ok().filter(|_| chosen.is_none());
    let result = match args.command {
        Command::Classify(args) => classify::main(&args),
        Command::Run(args) => run::main(&args, adjustable),
        Command::CheckConfig(args) => check_config::main(&args),
        Command::Counts(args) => counts::main(&args),
        Command::Safe(args) => safe::main(&args),
        Command::Doctor(args) => doctor::main(&args),
        #[cfg(feature = "page")]
        Command::Aim(args) => aim::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Track(args) => track::main(&args),
        Command::Generate(args) => generate::main(&args),
        #[cfg(feature = "mqtt")]
        Command::MqttClean(args) => mqtt_clean::main(&args),
        Command::Update(args) => update::main(&args),
        Command::TryBundle(args) => try_bundle::main(&args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            tracing::error!("{}", failure.error);
            ExitCode::from(failure.code)
        }
    }
}

/// Writes a line of data to standard output.
fn write_line(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|error| SinkError::from(error).into())
}

/// Opens the bundle that was named, or the one that the packages install.
fn open_bundle(named: Option<&Path>) -> Result<Bundle, Failure> {
    let dir = match named {
        Some(dir) => dir.to_path_buf(),
        None if Path::new(DEFAULT_DIR).is_dir() => PathBuf::from(DEFAULT_DIR),
        None => {
            let message = format!("there is no bundle in {DEFAULT_DIR}: name one with --bundle DIR");
            return Err(Failure::new(code::USAGE, anyhow::Error::msg(message)));
        }
    };
    if let Some(path) = preflight::untrusted_dir_as_root(&dir) {
        return Err(DaemonError::Untrusted(path).into());
    }
    Ok(Bundle::open(&dir)?)
}
