//! A stream of the network, as ffmpeg sends it and as the program reads it: by another ffmpeg, its child.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::program::command;
use crate::support::until;

/// Frames that are waited for.
const FRAMES: u64 = 5;

/// A child that ends with the test.
struct Running(Child);

impl Running {
    /// Sends a test picture ten times a second to the first who asks.
    fn server(port: u16) -> std::io::Result<Self> {
        let server = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i"])
            .args(["testsrc=size=160x120:rate=10", "-f", "mpjpeg", "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/"))
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

fn start(dir: &Path, port: u16) -> Running {
    let config = dir.join("config.toml");
    let text = format!(
        "schema = 1\nbundle = '{}/models/default'\nstate = '{}'\nthreads = 1\n[source]\n\
         uri = \"http://127.0.0.1:{port}/\"\nwidth = 160\nheight = 120\nfps = 10\n[face]\nmode = \"whole\"\n\
         [sink]\nstdout = \"faces\"\n",
        env!("CARGO_MANIFEST_DIR"),
        dir.display()
    );
    fs::write(&config, text).unwrap();
    let program = command(&["run", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    Running(program.unwrap())
}

#[test]
fn a_stream_that_ends_is_read_again_and_its_reader_goes_with_the_program() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = match Running::server(port) {
        Ok(server) => server,
        Err(error) => return testing::skip(&format!("a stream of the network: ffmpeg: {error}")),
    };
    let dir = tempfile::tempdir().unwrap();
    let mut program = start(dir.path(), port);
    let (id, stdout) = (program.0.id(), program.0.stdout.take().unwrap());
    let faces: Arc<AtomicU64> = Arc::default();
    let seen = Arc::clone(&faces);
    thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        for _ in lines.filter(|line| line.contains("\"keypoints\"")) {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    until("frames of the stream are judged", || {
        faces.load(Ordering::Relaxed) >= FRAMES
    });
    drop(server);
    let before = faces.load(Ordering::Relaxed);
    let _server = Running::server(port).unwrap();
    // What was under way when the stream ended is a few frames at most.
    until("the stream is read again", || {
        faces.load(Ordering::Relaxed) >= before + 4 * FRAMES
    });
    let own = readers(id);
    assert_eq!(own.len(), 1, "one program reads one stream: {own:?}");
    kill_process(Pid::from_child(&program.0), Signal::TERM).unwrap();
    until("the program ends", || program.0.try_wait().unwrap().is_some());
    until("its reader has ended", || have_ended(&own));
}

/// Whether none of these runs any more.
fn have_ended(ids: &[u32]) -> bool {
    ids.iter().all(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        !stat.contains("(ffmpeg)") || stat.contains(") Z ")
    })
}
