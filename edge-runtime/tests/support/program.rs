//! The program itself, fed with frames through a pipe.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::until;

/// Side of the frames.
const SIDE: usize = 96;

/// Five lines, one an emotion: whatever the network sees, one of them is active.
pub(crate) const LINES: &str = "[sink.gpio]\nbackend = \"log\"\nlamp = { pin = 22 }\nlines = [\n\
    { pin = 5, emotion = \"Angry\" }, { pin = 6, emotion = \"Disgust\" }, { pin = 7, emotion = \"Sad\" },\n\
    { pin = 8, emotion = \"Happy\" }, { pin = 9, emotion = \"Surprise\" } ]\n";

/// A line of standard error, and when it came.
pub(crate) type Said = (Instant, String);

pub(crate) struct Program {
    pub(crate) dir: TempDir,
    child: Child,
    said: Arc<Mutex<Vec<Said>>>,
    /// Whether frames are fed.
    pub(crate) feeding: Arc<AtomicBool>,
}

/// Runs `edge-runtime` with these arguments to its end.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
    command.args(arguments);
    command
}

/// Copies the default bundle, whose verdicts then need no certainty: any picture shows an emotion.
fn bundle(dir: &Path) -> PathBuf {
    let (default, own) = (
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default"),
        dir.join("bundle"),
    );
    if own.is_dir() {
        return own;
    }
    fs::create_dir(&own).unwrap();
    for entry in fs::read_dir(default).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), own.join(entry.file_name())).unwrap();
    }
    let path = own.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["decision"]["abstain_below"] = 0.0.into();
    fs::write(&path, manifest.to_string()).unwrap();
    own
}

/// Writes a configuration that reads frames from standard input.
pub(crate) fn configure(path: &Path, sinks: &str) {
    let text = format!(
        "schema = 1\nbundle = '{}'\n[source]\nuri = \"-\"\n[face]\nmode = \"whole\"\n\
         [decide]\nenter = 0.0\nleave = 0.0\ndwell_ms = 0\n{sinks}",
        bundle(path.parent().unwrap()).display()
    );
    fs::write(path, text).unwrap();
}

impl Program {
    /// Starts `run` with these sinks, frames coming in.
    pub(crate) fn start(sinks: &str, stdout: Stdio, environment: &[(&str, &Path)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.toml");
        configure(&config, sinks);
        let mut command = command(&["run", "--config"]);
        command
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped());
        command.env("WATCHDOG_USEC", "3000000");
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let (said, feeding): (Arc<Mutex<Vec<Said>>>, _) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push((Instant::now(), line));
            }
        });
        let (stdin, fed) = (child.stdin.take().unwrap(), Arc::clone(&feeding));
        thread::spawn(move || feed(stdin, &fed));
        Self {
            dir,
            child,
            said,
            feeding,
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap().clone()
    }

    /// The last level of each line, and when it came.
    pub(crate) fn active_lines(&self) -> Vec<u32> {
        let mut active = Vec::new();
        for (_, line) in self.said() {
            let Some((pin, level)) = line.strip_prefix("gpio ").and_then(|it| it.split_once(' ')) else {
                continue;
            };
            let pin: u32 = pin.parse().unwrap();
            active.retain(|other| *other != pin);
            if level == "high" {
                active.push(pin);
            }
        }
        active
    }

    pub(crate) fn until_said(&self, text: &str) {
        until(text, || self.said().iter().any(|(_, line)| line.contains(text)));
    }

    pub(crate) fn signal(&self, signal: Signal) -> Instant {
        let id = self.child.id() as i32;
        let now = Instant::now();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        now
    }

    pub(crate) fn stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the program ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Twenty frames a second of the same picture.
fn feed(mut stdin: ChildStdin, feeding: &AtomicBool) {
    let mut frame = b"FRAME\n".to_vec();
    frame.extend((0..SIDE * SIDE).map(|at| (at % SIDE * 28 + at / SIDE * 23) as u8));
    if stdin.write_all(b"YUV4MPEG2 W96 H96 F20:1 Cmono\n").is_err() {
        return;
    }
    loop {
        if feeding.load(Ordering::Relaxed) && stdin.write_all(&frame).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
