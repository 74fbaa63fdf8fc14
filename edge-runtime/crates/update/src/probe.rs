//! A bundle's first run, in a process of its own.
//!
//! Even a bundle that was signed may be made of networks that this program chokes on. So the program runs itself with
//! the hidden command [`COMMAND`]: that process limits its own memory and computing time before it opens anything, then
//! loads the bundle with its golden vectors. Whatever happens to it, the kiosk goes on.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use shared_model::image::{GrayView, SIDE};

use super::UpdateError;
use inference::bundle::Bundle;
use inference::{Crops, Predictor};

/// Name of the command that [`try_bundle`] stands behind.
pub const COMMAND: &str = "try-bundle";

/// Most bytes of the other process's error message that are kept.
const MAX_MESSAGE: u64 = 4096;
/// Time between two checks of whether the other process has ended.
const POLL: Duration = Duration::from_millis(20);

/// What the other process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory that it may write to, in bytes.
    pub memory_bytes: u64,
    /// Computing time in seconds; twice as much time may pass.
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 * 1024 * 1024,
            seconds: 60,
        }
    }
}

/// Tries a bundle in a process of the program `program`.
///
/// # Errors
///
/// When the process cannot be started, or the bundle failed in it; with the reason that it gave.
pub fn run(program: &Path, bundle: &Path, limits: Limits) -> Result<(), UpdateError> {
    let failed = |error: io::Error| UpdateError::Probe(format!("start {}: {error}", program.display()));
    let mut child = Command::new(program)
        .arg(COMMAND)
        .arg(format!("--memory-bytes={}", limits.memory_bytes))
        .arg(format!("--seconds={}", limits.seconds))
        .arg(bundle)
        // Of root's environment, who owns the state may read nothing.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let message = child.stderr.take().map(|stderr| {
        thread::spawn(move || {
            let mut message = Vec::new();
            // What cannot be read is not told; the exit code decides.
            let _ = stderr.take(MAX_MESSAGE).read_to_end(&mut message);
            String::from_utf8_lossy(&message).trim().to_owned()
        })
    });
    let ended = wait(&mut child, Duration::from_secs(2 * limits.seconds)).map_err(failed)?;
    let message = message.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match ended {
        None => Err(UpdateError::Probe(format!(
            "it was not done after {} s",
            2 * limits.seconds
        ))),
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(UpdateError::Probe(explain(status, &message, limits))),
    }
}

/// Limits this process, then loads the bundle and runs it once; ends with an error where it is not sound.
///
/// # Errors
///
/// When a limit cannot be set, or the bundle is not sound.
pub fn try_bundle(dir: &Path, limits: Limits) -> Result<(), UpdateError> {
    let failed = |error: &dyn std::fmt::Display| UpdateError::Probe(error.to_string());
    restrict(limits).map_err(|error| failed(&format!("limit memory and time: {error}")))?;
    let bundle = Bundle::open(dir)?;
    let mut predictor = Predictor::load(&bundle).map_err(|error| failed(&error))?;
    let pixels = vec![128; SIDE * SIDE];
    let view = GrayView::new(&pixels, SIDE, SIDE).map_err(|_| failed(&"no picture to try it with"))?;
    let crops = Crops::both(view.bounds());
    predictor.predict(view, &crops).map_err(|error| failed(&error))?;
    Ok(())
}

fn restrict(limits: Limits) -> io::Result<()> {
    let at_most = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::Core, at_most(0))?;
    setrlimit(Resource::Data, at_most(limits.memory_bytes))?;
    setrlimit(Resource::Cpu, at_most(limits.seconds))?;
    Ok(())
}

/// Waits for the end, or ends it; `None` is the latter.
fn wait(child: &mut Child, longest: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= longest {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

fn explain(status: std::process::ExitStatus, message: &str, limits: Limits) -> String {
    use std::os::unix::process::ExitStatusExt;
    let mebibytes = limits.memory_bytes >> 20;
    match status.signal() {
        None => message.strip_prefix("error: ").unwrap_or(message).to_owned(),
        Some(signal) => format!(
            "it was ended by signal {signal}; {mebibytes} MiB and {} s of computing are allowed. {message}",
            limits.seconds
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a bundle when the other process does this.
    fn outcome(script: &str) -> Result<(), UpdateError> {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        testing::write_script(&program, script);
        let limits = Limits {
            seconds: if script.contains("sleep") { 0 } else { 60 },
            ..Limits::default()
        };
        run(&program, dir.path(), limits)
    }

    #[test]
    fn whatever_the_other_process_does_is_told() {
        assert!(outcome("exit 0").is_ok());
        for (script, expected) in [
            (
                "echo 'error: it has no graph' >&2; exit 65",
                "try bundle: it has no graph",
            ),
            // Nothing of this program's environment, in which cargo has written its name.
            ("echo \"<$CARGO_PKG_NAME$HOME>\" >&2; exit 65", "try bundle: <>"),
            ("kill -SEGV $$", "signal 11"),
            ("kill -XCPU $$", "60 s of computing"),
            ("exec sleep 1000", "not done after 0 s"),
        ] {
            let error = outcome(script).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
        let missing = run(Path::new("/nowhere"), Path::new("/"), Limits::default());
        assert!(missing.unwrap_err().to_string().contains("start /nowhere"));
    }
}
