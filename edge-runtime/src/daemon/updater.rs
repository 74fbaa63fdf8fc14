//! Who works on the channel of updates beside a run.
//!
//! The program does it in a process of its own, by `edge-runtime update`: it takes memory and time that the loop must not
//! lack, and can be ended at any moment.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What is done on the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Looks whether there is something newer.
    Look,
    /// Brings in what is newest.
    Install,
}

/// Starts work on the channel.
pub trait Updater: Send + Sync {
    /// Starts an errand, and does not wait for its end.
    fn start(&self, errand: Errand) -> io::Result<Box<dyn Work>>;
}

/// An errand under way; dropped before its end, it is ended. An update can be ended anywhere.
pub trait Work: Send {
    /// Whether it went well, once it is over.
    fn poll(&mut self) -> io::Result<Option<bool>>;
}

/// Runs this program's own `update` with a configuration file.
#[derive(Debug, Clone)]
pub struct ProgramUpdater {
    /// The configuration file.
    pub config: PathBuf,
}

impl Updater for ProgramUpdater {
    fn start(&self, errand: Errand) -> io::Result<Box<dyn Work>> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--quiet", "update", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if errand == Errand::Look {
            command.arg("--look");
        }
        Ok(Box::new(Process(command.spawn()?)))
    }
}

struct Process(Child);

impl Work for Process {
    fn poll(&mut self) -> io::Result<Option<bool>> {
        Ok(self.0.try_wait()?.map(|status| status.success()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
