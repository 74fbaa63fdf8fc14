//! Who works on the channel of updates beside a run.
//!
//! The program does it in a process of its own, by `edge-runtime update`: it takes memory and time that the loop must not
//! lack, and can be ended at any moment.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use update::Task;

/// Starts work on the channel of updates.
pub trait Updater: Send + Sync {
    /// Starts a task, and does not wait for its end.
    ///
    /// # Errors
    ///
    /// When the work cannot be started; it is tried again later.
    fn start(&self, task: Task) -> io::Result<Box<dyn Work>>;
}

/// A task under way. Dropped before its end, it is stopped; an update can be stopped anywhere.
pub trait Work: Send {
    /// Whether it went well, once it is over; `None` until then.
    ///
    /// # Errors
    ///
    /// When its state cannot be read.
    fn poll(&mut self) -> io::Result<Option<bool>>;
}

/// Runs this program's own `update` with a configuration file.
#[derive(Debug, Clone)]
pub struct ProgramUpdater {
    /// The configuration file, as `update --config` reads it.
    pub config: PathBuf,
}

impl Updater for ProgramUpdater {
    fn start(&self, task: Task) -> io::Result<Box<dyn Work>> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--quiet", "update", "--config"])
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if task == Task::Check {
            command.arg("--check");
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
