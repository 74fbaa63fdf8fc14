//! The program itself, fed with frames through a pipe.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use inference::picture::Picture;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::until;
use crate::update::kiosk::pin_meaning;

/// Six lines, one for each class: whatever the network sees, one of them is active.
pub(crate) const LINES: &str = "[sink.gpio]\nbackend = \"log\"\nlamp = { pin = 22 }\nlines = [\n\
    { pin = 5, emotion = \"Angry\" }, { pin = 6, emotion = \"Disgust\" }, { pin = 7, emotion = \"Sad\" },\n\
    { pin = 8, emotion = \"Happy\" }, { pin = 9, emotion = \"Surprise\" },\
    { pin = 10, emotion = \"Neutral\" } ]\n";

/// What the camera sees, again and again: a grey square.
pub(crate) struct Scene {
    /// The section [face] of the configuration.
    face: &'static str,
    side: usize,
    pixels: Vec<u8>,
}

impl Scene {
    /// A face for the detector to find, out of the photograph that comes with the cascade.
    pub(crate) fn face() -> Self {
        let file = fs::read(Path::new(vision::face::PACKAGE).join("test.png")).unwrap();
        let photograph = Picture::decode(&file).unwrap();
        let (side, [left, top]) = (110, [438, 227]);
        let rows = photograph.gray().unwrap();
        Self {
            face: "min_face_px = 40",
            side,
            pixels: (top..top + side)
                .flat_map(|y| rows.row(y)[left..left + side].to_vec())
                .collect(),
        }
    }

    /// A pattern that is taken for a face as a whole.
    pub(crate) fn pattern() -> Self {
        let side = 96;
        Self {
            face: "mode = \"whole\"",
            side,
            pixels: (0..side * side)
                .map(|at| (at % side * 28 + at / side * 23) as u8)
                .collect(),
        }
    }
}

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
    pin_meaning(&own);
    own
}

/// Writes a configuration that reads frames of patterns from standard input.
pub(crate) fn configure(path: &Path, sinks: &str) {
    configure_for(&Scene::pattern(), path, sinks);
}

fn configure_for(scene: &Scene, path: &Path, sinks: &str) {
    let text = format!(
        "schema = 1\nbundle = '{}'\n[source]\nuri = \"-\"\n[face]\n{}\n\
         [decide]\nenter = 0.0\nleave = 0.0\ndwell_ms = 0\n{sinks}",
        bundle(path.parent().unwrap()).display(),
        scene.face
    );
    fs::write(path, text).unwrap();
}

impl Program {
    /// Starts `run` with these sinks, frames of patterns coming in.
    pub(crate) fn start(sinks: &str, stdout: Stdio, environment: &[(&str, &Path)]) -> Self {
        Self::before(&Scene::pattern(), sinks, stdout, environment)
    }

    /// Starts `run` with these sinks, no frame coming in yet.
    pub(crate) fn idle(sinks: &str, environment: &[(&str, &Path)]) -> Self {
        let feeding = Arc::new(AtomicBool::new(false));
        Self::fed(&Scene::pattern(), feeding, sinks, Stdio::null(), environment)
    }

    /// Starts `run` with these sinks, frames of this scene coming in.
    pub(crate) fn before(scene: &Scene, sinks: &str, stdout: Stdio, environment: &[(&str, &Path)]) -> Self {
        Self::fed(scene, Arc::new(AtomicBool::new(true)), sinks, stdout, environment)
    }

    fn fed(scene: &Scene, feeding: Arc<AtomicBool>, sinks: &str, stdout: Stdio, environment: &[(&str, &Path)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.toml");
        configure_for(scene, &config, sinks);
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
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().push((Instant::now(), line));
            }
        });
        let (stdin, fed) = (child.stdin.take().unwrap(), Arc::clone(&feeding));
        let film = film(scene);
        thread::spawn(move || feed(stdin, &film, &fed));
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

/// The head of a film, and one frame of it.
fn film(Scene { side, pixels, .. }: &Scene) -> [Vec<u8>; 2] {
    let head = format!("YUV4MPEG2 W{side} H{side} F20:1 Cmono\n");
    [head.into_bytes(), [b"FRAME\n", pixels.as_slice()].concat()]
}

/// Twenty frames a second of the same picture.
fn feed(mut stdin: ChildStdin, [head, frame]: &[Vec<u8>; 2], feeding: &AtomicBool) {
    if stdin.write_all(head).is_err() {
        return;
    }
    loop {
        if feeding.load(Ordering::Relaxed) && stdin.write_all(frame).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
