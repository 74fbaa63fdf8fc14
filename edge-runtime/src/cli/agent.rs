//! Looks for updates on the device's own channel, and brings one in when somebody wishes for it.
//!
//! The work is done by `edge-runtime update` in a process of its own: it takes memory and time that the loop must not
//! lack, and can be ended at any moment. The bundle's way from there is that of any update.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use edge_runtime::config::{Config, UpdateConfig};
use edge_runtime::sink::updates::Updates;
use update::Offer;

/// The first look: the network may need some time after a start.
const FIRST: Duration = Duration::from_mins(1);

/// Time to the next look after one that failed.
const AGAIN: Duration = Duration::from_mins(15);

/// What the other process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    Look,
    Install,
}

/// Sends processes to the channel.
pub(super) struct Agent {
    config: PathBuf,
    /// Time between two looks; zero is never.
    every: Duration,
    next: Duration,
    errand: Option<(Errand, Child)>,
    updates: Arc<Updates>,
}

impl Agent {
    /// An agent for the channel of a configuration, if it has one; nothing is done before the first tick.
    pub(super) fn new(config: &Config, file: &Path, updates: &Arc<Updates>) -> Option<Self> {
        let UpdateConfig {
            channel, look_every, ..
        } = config.update.as_ref()?;
        channel.as_ref()?;
        Some(Self {
            config: file.to_path_buf(),
            every: *look_every,
            next: FIRST.min(*look_every),
            errand: None,
            updates: Arc::clone(updates),
        })
    }

    /// To be called every second; `offer` is what the device has.
    pub(super) fn tick(&mut self, now: Duration, offer: Offer, report: &mut dyn FnMut(String)) {
        if let Err(error) = self.go_on(now) {
            self.next = now + AGAIN;
            report(format!("look for updates: {error}"));
        }
        let installs = matches!(self.errand, Some((Errand::Install, _)));
        self.updates.tell(Offer {
            in_progress: offer.in_progress || installs,
            ..offer
        });
    }

    fn go_on(&mut self, now: Duration) -> io::Result<()> {
        if let Some((_, child)) = &mut self.errand {
            let Some(status) = child.try_wait()? else {
                return Ok(());
            };
            // What went wrong was said by the process itself.
            let wait = if status.success() {
                self.every
            } else {
                AGAIN.min(self.every)
            };
            self.next = now + wait;
            self.errand = None;
        }
        let errand = if self.updates.take_wish() {
            Errand::Install
        } else if !self.every.is_zero() && now >= self.next {
            Errand::Look
        } else {
            return Ok(());
        };
        self.errand = Some((errand, self.start(errand)?));
        Ok(())
    }

    fn start(&self, errand: Errand) -> io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--quiet", "update", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if errand == Errand::Look {
            command.arg("--look");
        }
        command.spawn()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some((_, mut child)) = self.errand.take() {
            // An update can be ended anywhere.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
