//! `edge-runtime run`: watches a source and signals what holds.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diagnostics::Diagnostics;
use edge_runtime::config::{Config, ConfigError};
use edge_runtime::daemon::{self, Ending, Flags, ProgramUpdater, RunContext, SharedClock};
use edge_runtime::owner::keep_files_own;
use edge_runtime::service::Manager;
use signal_hook::consts::{SIGHUP, TERM_SIGNALS};
use signal_hook::flag;
use vision::clock::SystemClock;

use super::failure::{Failure, code, fault_code};

const AFTER: &str = "\
Standard output gets a JSON line for each new verdict:
  {\"boot\": \"…\", \"sequence\": 0, \"time_ms\": 1500, \"emotion\": \"Happy\", \"confidence\": 0.87, \"face\": true}
where the emotion can be `uncertain`, `no_face` or `unknown` as well. At the end, standard error gets the counts of
frames and the latencies.";

/// Watches a source, decides over time, and signals what holds
///
/// Ends with the source, or on SIGINT or SIGTERM, and leaves every line at its safe level. On SIGHUP it looks at the
/// changed configuration while the old one runs, and takes it up if nothing is wrong with it; a camera that stays the same
/// stays open, and the lamp lit.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

pub(crate) fn main(args: &Args, diagnostics: Option<&Diagnostics>) -> Result<ExitCode, Failure> {
    let load = || {
        let config = Config::load(&args.config)?;
        if let Some(diagnostics) = diagnostics {
            diagnostics.set_filter(&config.log);
        }
        Ok(config)
    };
    keep_files_own();
    let config = load()?;
    let signals = Signals::catch()?;
    let context = context(&args.config, Box::new(load), signals.flags.clone());
    Ok(match daemon::run(config, &context)? {
        Ending::Stopped => ExitCode::from(signals.code()),
        Ending::NoFrame(fault) => ExitCode::from(fault.map_or(code::NO_INPUT, fault_code)),
        Ending::Done => ExitCode::SUCCESS,
    })
}

/// Reads the configuration file once more.
type Reload<'a> = Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync + 'a>;

/// The process and the machine as they are.
pub(super) fn context<'a>(file: &Path, reload: Reload<'a>, flags: Flags) -> RunContext<'a> {
    let config = file.to_path_buf();
    let updater = ProgramUpdater { config };
    RunContext {
        clock: SharedClock::new(SystemClock::start()),
        output: Box::new(|| Box::new(io::stdout())),
        gpio_log: Box::new(|| Box::new(io::stderr())),
        flags,
        manager: Manager::of_environment(),
        reload,
        updater: Arc::new(updater),
    }
}

/// The signals that end the program, and the one that makes it read its configuration again.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) flags: Flags,
    /// Number of the signal that came; 0 before.
    number: Arc<AtomicUsize>,
}

impl Signals {
    pub(super) fn catch() -> Result<Self, Failure> {
        let signals = Self::default();
        let Flags { reload, .. } = &signals.flags;
        let caught = (TERM_SIGNALS.iter())
            .try_for_each(|signal| signals.catch_end(*signal))
            .and_then(|()| flag::register(SIGHUP, Arc::clone(reload)).map(drop));
        caught.map_err(|error| Failure::new(code::INTERNAL, anyhow::anyhow!("catch signals: {error}")))?;
        Ok(signals)
    }

    /// In this order: the number is there when the flag is seen. A second signal ends at once.
    fn catch_end(&self, signal: i32) -> io::Result<()> {
        let Flags { stop, end, .. } = &self.flags;
        flag::register_conditional_shutdown(signal, i32::from(code::SIGNAL) + signal, Arc::clone(end))?;
        flag::register_usize(signal, Arc::clone(&self.number), signal as usize)?;
        flag::register(signal, Arc::clone(end))?;
        flag::register(signal, Arc::clone(stop)).map(drop)
    }

    pub(super) fn code(&self) -> u8 {
        code::SIGNAL + self.number.load(Ordering::Relaxed) as u8
    }
}
