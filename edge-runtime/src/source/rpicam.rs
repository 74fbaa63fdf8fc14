//! A CSI camera, read by `rpicam-vid` as a child: V4L2 alone cannot read it on Raspberry Pi OS.
//!
//! The child writes bare frames to a pipe. It gets a process group of its own, so that it is killed with
//! whatever it started; its complaints are read as they come, or it would block, and the last line of
//! them is told when it ends.

use std::io::{self, Read};
use std::mem;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::camera::{CameraError, Driver, Wanted};
use super::pixels::{Format, Layout, Pixels};

/// The program on the search path.
pub const PROGRAM: &str = "rpicam-vid";

/// The ISP writes rows of whole such blocks; other widths would have gaps that nobody announces.
pub const WIDTH_STEP: u32 = 64;

/// How long a program that writes no more may take to end by itself.
const GOODBYE: Duration = Duration::from_millis(300);

/// How long its last words may take once it has ended: they wait in a pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Most bytes of a complaint that are told.
const LONGEST_LINE: usize = 300;

/// A child that writes frames.
pub struct Rpicam {
    program: PathBuf,
    name: String,
    wanted: Wanted,
    running: Option<Running>,
}

struct Running {
    /// What people call the program.
    program: String,
    child: Child,
    out: ChildStdout,
    /// The last line of its complaints.
    complaint: Arc<Mutex<String>>,
    /// Closed when nobody can complain any more.
    silent: Receiver<()>,
    /// The frame that is being read, and how much of it has come.
    frame: Vec<u8>,
    filled: usize,
}

impl Rpicam {
    /// Not started yet.
    pub fn new(program: &Path, wanted: Wanted) -> Self {
        Self {
            program: program.to_path_buf(),
            name: format!("rpicam:{}", program.display()),
            wanted,
            running: None,
        }
    }

    fn format(&self) -> Format {
        let width = self.wanted.width as usize;
        Format {
            fourcc: Pixels::Yu12.fourcc(),
            width,
            height: self.wanted.height as usize,
            stride: width,
        }
    }

    fn command(&self) -> Command {
        let Wanted { width, height, fps, .. } = self.wanted;
        let mut command = Command::new(&self.program);
        command
            .args(["--codec", "yuv420", "--timeout", "0", "--nopreview", "--flush"])
            .args(["--width", &width.to_string(), "--height", &height.to_string()])
            .args(["--framerate", &fps.to_string(), "--output", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

impl Driver for Rpicam {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Format, CameraError> {
        let format = self.format();
        let length = Layout::new(format)?.frame_bytes();
        let mut child = self.command().spawn().map_err(CameraError::io("start the program"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(CameraError::Unfit("the program has no output".to_owned()));
        };
        let complaint = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&complaint);
        let (speaks, silent) = channel();
        let program = self.program.file_name().unwrap_or(self.program.as_os_str());
        self.running = Some(Running {
            program: program.to_string_lossy().into_owned(),
            child,
            out,
            complaint,
            silent,
            frame: vec![0; length],
            filled: 0,
        });
        let drain = thread::Builder::new()
            .name("rpicam".to_owned())
            .spawn(move || drain(err, &shared, speaks));
        drain.map_err(CameraError::io("read what the program complains of"))?;
        Ok(format)
    }

    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        let running = self.running.as_mut();
        let running = running.ok_or(CameraError::Panic {
            step: "read the program",
        })?;
        let start = Instant::now();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            if !is_readable(&running.out, left).map_err(CameraError::io("wait for the program"))? {
                return Ok(false);
            }
            match running.out.read(&mut running.frame[running.filled..]) {
                Ok(0) => return Err(running.ended()),
                Ok(read) => running.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CameraError::io("read the program")(error)),
            }
            if running.filled == running.frame.len() {
                running.filled = 0;
                bytes.resize(running.frame.len(), 0);
                mem::swap(bytes, &mut running.frame);
                return Ok(true);
            }
        }
    }

    fn close(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        // One that has ended already cannot be killed; it is waited for all the same.
        let _ = kill_process_group(Pid::from_child(&running.child), Signal::KILL);
        let _ = running.child.kill();
        let _ = running.child.wait();
    }
}

impl Drop for Rpicam {
    fn drop(&mut self) {
        self.close();
    }
}

impl Running {
    /// Why the child writes no more.
    fn ended(&mut self) -> CameraError {
        // It may be about to say why.
        let start = Instant::now();
        while start.elapsed() < GOODBYE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
        // Whoever it started may hold its output open.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        // Closed or late: what was heard until then is told.
        let _ = self.silent.recv_timeout(LAST_WORDS);
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let why = if complaint.is_empty() {
            "it says nothing"
        } else {
            complaint.as_str()
        };
        CameraError::Ended(format!("{} ended ({status}): {why}", self.program))
    }
}

fn is_readable(out: &ChildStdout, wait: Duration) -> io::Result<bool> {
    let limit = Timespec {
        tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    let mut fds = [PollFd::new(out, PollFlags::IN)];
    match poll(&mut fds, Some(&limit)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads complaints until the child and all its own are gone; keeps the last line, also one that was not ended.
fn drain(mut err: ChildStderr, complaint: &Mutex<String>, _speaks: Sender<()>) {
    let (mut chunk, mut line) = ([0; 4096], Vec::with_capacity(LONGEST_LINE));
    let keep = |line: &mut Vec<u8>| {
        if !line.trim_ascii().is_empty() {
            let mut complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
            complaint.clear();
            complaint.push_str(String::from_utf8_lossy(line).trim());
        }
        line.clear();
    };
    loop {
        let read = match err.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(read) if read > 0 => read,
            Ok(_) | Err(_) => break,
        };
        for byte in &chunk[..read] {
            if *byte == b'\n' {
                keep(&mut line);
            } else if line.len() < LONGEST_LINE {
                line.push(*byte);
            }
        }
    }
    keep(&mut line);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::source::camera::Camera;
    use crate::source::{Frame, FrameSource, Next};
    use testing::rounds;
    use vision::clock::{Clock, SystemClock};

    const WANTED: Wanted = Wanted {
        width: 64,
        height: 48,
        fps: 30,
        pixels: None,
    };
    const FRAME: usize = 64 * 48 * 3 / 2;

    /// A script in place of `rpicam-vid`.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new(body: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("fake");
            fs::write(
                &path,
                format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $$ >> pids\n{body}\n"),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            Self(dir)
        }

        fn driver(&self) -> Rpicam {
            Rpicam::new(&self.0.path().join("fake"), WANTED)
        }

        /// Processes of the script that are still there.
        fn alive(&self) -> usize {
            let pids = fs::read_to_string(self.0.path().join("pids")).unwrap();
            pids.lines().filter(|pid| Path::new("/proc").join(pid).exists()).count()
        }
    }

    /// Asks until a frame or an error comes.
    fn outcome(driver: &mut Rpicam, bytes: &mut Vec<u8>) -> Result<(), CameraError> {
        loop {
            if driver.wait(Duration::from_millis(200), bytes)? {
                return Ok(());
            }
        }
    }

    #[test]
    fn frames_come_whole_and_the_child_is_reaped() {
        let fake = Fake::new("while head -c 4608 /dev/zero | tr '\\0' 'a'; do :; done");
        let mut driver = fake.driver();
        assert_eq!(driver.open().unwrap(), driver.format());
        let mut bytes = Vec::new();
        for _ in 0..5 {
            outcome(&mut driver, &mut bytes).unwrap();
            assert_eq!(bytes, [b'a'; FRAME]);
        }
        driver.close();
        assert_eq!(fake.alive(), 0);
    }

    #[test]
    fn a_child_that_dies_is_told_with_its_last_words_and_started_again() {
        let fake = Fake::new("head -c 4608 /dev/zero\necho no cameras available >&2\nexit 3");
        let mut driver = fake.driver();
        let mut bytes = Vec::new();
        for _ in 0..3 {
            driver.open().unwrap();
            outcome(&mut driver, &mut bytes).unwrap();
            let error = outcome(&mut driver, &mut bytes).unwrap_err().to_string();
            assert!(error.contains("exit status: 3"), "{error}");
            driver.close();
        }
        assert_eq!(fake.alive(), 0);
    }

    #[test]
    fn a_child_that_floods_its_complaints_goes_on() {
        let fake = Fake::new("yes 'a warning' | head -c 3000000 >&2\nhead -c 4608 /dev/zero\nexec sleep 1000");
        let mut driver = fake.driver();
        driver.open().unwrap();
        outcome(&mut driver, &mut Vec::new()).unwrap();
        assert_eq!(*driver.running.as_ref().unwrap().complaint.lock().unwrap(), "a warning");
        driver.close();
        assert_eq!(fake.alive(), 0);
    }

    /// Every look at it is 300 ms later.
    struct Hurried(std::cell::Cell<u32>);

    impl Clock for Hurried {
        fn now(&self) -> Duration {
            self.0.set(self.0.get() + 1);
            self.0.get() * Duration::from_millis(300)
        }

        fn sleep(&self, _: Duration) {}
    }

    /// What a child that writes nothing is reported with.
    fn hang(fake: &Fake) -> String {
        let mut camera = Camera::new(fake.driver(), Box::new(Hurried(std::cell::Cell::new(0))));
        let mut frame = Frame::default();
        loop {
            match camera.read(&mut frame) {
                Ok(Next::Nothing) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn a_child_that_hangs_is_killed_with_its_own_children() {
        let fake = Fake::new("sleep 1000 & echo $! >> pids\nwait");
        let error = hang(&fake);
        assert!(error.contains("no frame for"), "{error}");
        // The shell is reaped by us, its child by whoever adopts orphans.
        assert!(fake.alive() <= 1);
    }

    /// What the child is reported with after its last frame.
    fn fault(fake: &Fake) -> String {
        let mut driver = fake.driver();
        driver.open().unwrap();
        let mut bytes = Vec::new();
        let error = loop {
            if let Err(error) = outcome(&mut driver, &mut bytes) {
                break error.to_string();
            }
        };
        driver.close();
        error
    }

    #[test]
    fn children_that_fail_again_and_again_are_told_and_reaped() {
        let dies = Fake::new("head -c 4608 /dev/zero\nexit 3");
        let floods = Fake::new("yes 'a warning' | head -c 300000 >&2\nhead -c 4608 /dev/zero\nexit 4");
        let hangs = Fake::new("exec sleep 1000");
        for round in 0..rounds(6) {
            let (fake, error, expected) = match round % 3 {
                0 => (&dies, fault(&dies), "exit status: 3"),
                1 => (&floods, fault(&floods), "exit status: 4"),
                _ => (&hangs, hang(&hangs), "no frame for"),
            };
            assert!(error.contains(expected), "round {round}: {error}");
            assert_eq!(fake.alive(), 0, "round {round}");
        }
    }

    #[test]
    fn the_last_words_of_a_child_are_told_however_late_they_come() {
        for script in [
            "echo 'the camera is busy' >&2; exit 255",
            "exec 1>&-; sleep 0.1; echo 'the camera is busy' >&2; exit 255",
            "printf 'the camera is busy' >&2; exit 255",
            "sleep 1000 >/dev/null & echo 'the camera is busy' >&2; exit 255",
        ] {
            let fake = Fake::new(script);
            for _ in 0..5 {
                let error = fault(&fake);
                assert!(error.ends_with("the camera is busy"), "{script}: {error}");
                assert!(error.starts_with("fake ended (exit status: 255)"), "{error}");
            }
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let mut camera = Camera::new(
            Rpicam::new(Path::new("/nonexistent/rpicam-vid"), WANTED),
            Box::new(SystemClock::start()),
        );
        let error = camera.read(&mut Frame::default()).unwrap_err().to_string();
        assert!(error.contains("start the program"), "{error}");
    }
}
