//! Checks a new configuration while the old one runs, and lets the run end only for one that will do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::context::Flags;
use super::error::DaemonError;
use super::kiosk::Prepared;
use crate::config::{Config, ConfigError};
use crate::preflight::{self, Scope};

/// How often the flag is read.
const POLL: Duration = Duration::from_millis(50);

/// Why a new configuration is not taken up.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    /// It cannot be read, or breaks a rule.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It would not run on this machine; one line for each problem.
    #[error("{0}")]
    Machine(String),
    /// Something that it needs cannot be had.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

/// Where a configuration waits that has been found good, with what it needs.
#[derive(Default)]
pub(super) struct Next(Mutex<Option<Prepared>>);

impl Next {
    pub(super) fn take(&self) -> Option<Prepared> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Prepared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread beside the run needs to check a new configuration.
pub(super) struct Reloader<'a> {
    pub(super) flags: &'a Flags,
    pub(super) load: &'a (dyn Fn() -> Result<Config, ConfigError> + Send + Sync),
    /// The configuration that runs now.
    pub(super) running: &'a Mutex<Config>,
    pub(super) next: &'a Next,
    /// Raised when the run is over.
    pub(super) over: &'a AtomicBool,
}

impl Reloader<'_> {
    /// Follows the flag until the run is over.
    pub(super) fn work(&self) {
        while !self.over.load(Ordering::Relaxed) {
            if self.flags.reload.swap(false, Ordering::Relaxed) && !self.flags.end.load(Ordering::Relaxed) {
                self.reload();
            }
            thread::park_timeout(POLL);
        }
    }

    fn reload(&self) {
        match self.fitting() {
            Ok(prepared) => {
                *self.next.lock() = Some(prepared);
                self.flags.stop.store(true, Ordering::Relaxed);
            }
            // Whoever asks again is answered again, also where the answer is the same.
            Err(unfit) => tracing::warn!(
                about = ?Instant::now(),
                "{unfit}; going on with the configuration as it was"
            ),
        }
    }

    /// The new configuration, if it would run on this machine, with what can be had of it beside the run.
    fn fitting(&self) -> Result<Prepared, Unfit> {
        let config = (self.load)()?;
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let scope = if config.source == running.source {
            Scope::KeepsSource
        } else {
            Scope::All
        };
        if config.metrics != running.metrics {
            tracing::info!("[metrics] is taken up with the next start");
        }
        let mut findings = preflight::check(&config, scope);
        // Its port is this very program's, and so is that of pages that stay where they are.
        let kept =
            |listen: Option<SocketAddr>| listen.is_some() && listen == running.page.as_ref().map(|page| page.listen);
        let page_stays = kept(config.page.as_ref().map(|page| page.listen));
        findings.retain(|finding| finding.check != "metrics" && !(page_stays && finding.check == "page port"));
        match preflight::problems(&findings) {
            None => Ok(Prepared::new(config, Some(&running))?),
            Some(problems) => Err(Unfit::Machine(problems)),
        }
    }
}

/// Raises a flag when it goes, also where a panic takes it.
pub(super) struct Over<'a>(pub(super) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
