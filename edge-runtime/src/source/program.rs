//! A program that writes bare frames to a pipe, as a child: what cameras have in common that only other programs read.
//!
//! It gets a process group of its own, so that it is killed with whatever it started; its complaints are read as they come,
//! or it would block, and the last line of them is told when it ends.

use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::camera::CameraError;
use super::pixels::{Format, Layout};

/// How long a program that writes no more may take to end by itself.
const GOODBYE: Duration = Duration::from_millis(300);

/// How long its last words may take once it has ended: they wait in a pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Most bytes of a complaint that are told.
const LONGEST_LINE: usize = 300;

/// The running child, if it runs.
#[derive(Default)]
pub(super) struct FrameProgram(Option<Running>);

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

impl FrameProgram {
    /// Starts the program, which gets `input` on its standard input and is to write frames of this form.
    pub(super) fn start(&mut self, mut command: Command, format: Format, input: &[u8]) -> Result<(), CameraError> {
        let length = Layout::new(format)?.frame_bytes();
        let program = command.get_program().to_owned();
        let program = std::path::Path::new(&program)
            .file_name()
            .unwrap_or(&program)
            .to_string_lossy()
            .into_owned();
        command
            .stdin(if input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(CameraError::io("start the program"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A few lines fit into the pipe; one that has ended already says why.
            let _ = stdin.write_all(input);
        }
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(CameraError::Unfit("the program has no output".to_owned()));
        };
        let complaint = Arc::<Mutex<String>>::default();
        let shared = Arc::clone(&complaint);
        let (speaks, silent) = channel();
        self.0 = Some(Running {
            program,
            child,
            out,
            complaint,
            silent,
            frame: vec![0; length],
            filled: 0,
        });
        let drain = thread::Builder::new()
            .name("complaints".to_owned())
            .spawn(move || drain(err, &shared, speaks));
        drain.map_err(CameraError::io("read what the program complains of"))?;
        Ok(())
    }

    /// Waits at most this long for a frame; `false` if none came.
    pub(super) fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        let running = self.0.as_mut();
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

    /// The last line of its complaints so far.
    #[cfg(test)]
    pub(super) fn complaint(&self) -> String {
        let complaint = self.0.as_ref().map(|running| &running.complaint);
        complaint.map_or_else(String::new, |text| {
            text.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }

    /// Kills it with whatever it started.
    pub(super) fn close(&mut self) {
        let Some(mut running) = self.0.take() else { return };
        // One that has ended already cannot be killed; it is waited for all the same.
        let _ = kill_process_group(Pid::from_child(&running.child), Signal::KILL);
        let _ = running.child.kill();
        let _ = running.child.wait();
    }
}

impl Drop for FrameProgram {
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
