//! A stream of the network, as ffmpeg sends it and as the program reads it: by another ffmpeg, its child.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::program::command;
use crate::support::told::Told;
use crate::support::until;

/// Frames that are waited for.
pub(super) const FRAMES: u64 = 5;

/// A child that ends with the test.
pub(super) struct Running(pub(super) Child);

impl Running {
    /// Sends a test picture ten times a second to the first who asks.
    fn server(port: u16) -> std::io::Result<Self> {
        let server = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i"])
            .args(["testsrc=size=160x120:rate=10", "-f", "mpjpeg", "-listen", "1"])
            .arg(format!("http://127.0.0.6:{port}/"))
            .stderr(Stdio::null())
            .spawn();
        server.map(Self)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on now, at an address that no other test uses: one of them could take it while a camera is
/// away.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.6:0").unwrap().local_addr().unwrap().port()
}

/// A kiosk that watches a stream.
pub(super) struct Watcher {
    program: Running,
    frames: Arc<AtomicU64>,
    said: Told,
    _dir: TempDir,
}

impl Watcher {
    /// Begins to watch, with the lines of a file of credentials where there are some.
    pub(super) fn start(uri: &str, login: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let credentials = login.map_or_else(String::new, |login| {
            fs::write(dir.path().join("login"), login).unwrap();
            "credentials_file = \"login\"\n".to_owned()
        });
        let text = format!(
            "schema = 1\nbundle = '{}/models/default'\nstate = \"state\"\nthreads = 1\n[source]\nuri = \"{uri}\"\n\
             width = 160\nheight = 120\nfps = 10\n{credentials}[face]\nmode = \"whole\"\n[sink]\nstdout = \"faces\"\n",
            env!("CARGO_MANIFEST_DIR"),
        );
        let config = dir.path().join("config.toml");
        fs::write(&config, text).unwrap();
        let program = command(&["run", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut program = Running(program.unwrap());
        let (frames, said) = (Arc::<AtomicU64>::default(), Told::default());
        let (seen, heard) = (Arc::clone(&frames), said.clone());
        each_line(program.0.stdout.take().unwrap(), move |line| {
            if line.contains("\"keypoints\"") {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
        each_line(program.0.stderr.take().unwrap(), move |line| heard.note(line));
        Self {
            program,
            frames,
            said,
            _dir: dir,
        }
    }

    /// Frames that were judged.
    pub(super) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Waits until so many more frames are judged.
    pub(super) fn until_seen(&self, more: u64) {
        let before = self.frames();
        until("frames of the stream are judged", || self.frames() >= before + more);
    }

    /// Diagnostics, a line each.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lines()
    }

    pub(super) fn until_said(&self, text: &str) {
        until(text, || self.said().iter().any(|line| line.contains(text)));
    }
}

/// Does something with each line that comes, on a thread of its own.
pub(super) fn each_line(from: impl Read + Send + 'static, mut does: impl FnMut(String) + Send + 'static) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            does(line);
        }
    });
}

/// Children of a process that are called ffmpeg.
fn readers(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_reader = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.split_once("(ffmpeg) ")
            .is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&parent.to_string()))
    };
    numbers.filter(is_reader).collect()
}

#[test]
fn a_stream_that_ends_is_read_again_and_its_reader_goes_with_the_program() {
    let port = free_port();
    let server = match Running::server(port) {
        Ok(server) => server,
        Err(error) => return testing::skip(&format!("a stream of the network: ffmpeg: {error}")),
    };
    let mut watcher = Watcher::start(&format!("http://127.0.0.6:{port}/"), None);
    watcher.until_seen(FRAMES);
    drop(server);
    let _server = Running::server(port).unwrap();
    // What was under way when the stream ended is a few frames at most.
    watcher.until_seen(4 * FRAMES);
    let own = readers(watcher.program.0.id());
    assert_eq!(own.len(), 1, "one program reads one stream: {own:?}");
    let program = &mut watcher.program.0;
    kill_process(Pid::from_child(program), Signal::TERM).unwrap();
    until("the program ends", || program.try_wait().unwrap().is_some());
    until("its reader has ended", || have_ended(&own));
}

/// Whether none of these runs any more.
fn have_ended(ids: &[u32]) -> bool {
    ids.iter().all(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.contains("(ffmpeg)") || stat.contains(") Z ")
    })
}

/// A camera that takes connections and hangs.
#[test]
fn a_stream_that_never_says_a_word_is_asked_again() {
    if let Err(error) = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status() {
        return testing::skip(&format!("a stream of the network: ffmpeg: {error}"));
    }
    let camera = TcpListener::bind("127.0.0.6:0").unwrap();
    let port = camera.local_addr().unwrap().port();
    let asked = Arc::<AtomicU64>::default();
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut mute = Vec::new();
        for stream in camera.incoming() {
            mute.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let watcher = Watcher::start(&format!("rtsp://127.0.0.6:{port}/live"), None);
    watcher.until_said("no frame for 15000 ms; it is opened again");
    until("it is asked again", || asked.load(Ordering::Relaxed) >= 2);
    assert_eq!(watcher.frames(), 0);
}
