//! A program under strace, which writes down every byte that goes to a file or a socket.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::until;

/// System calls by which bytes leave a program, with the bytes in their arguments.
const WRITES: [&str; 8] = [
    "write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg",
];

/// Those that would let bytes leave without being seen here; none may happen.
const UNSEEN: [&str; 7] = [
    "sendfile",
    "splice",
    "tee",
    "vmsplice",
    "copy_file_range",
    "io_uring_setup",
    "process_vm_writev",
];

/// A program that runs under strace.
pub(crate) struct Traced {
    strace: Child,
    said: Arc<Mutex<Vec<String>>>,
    dir: TempDir,
}

impl Traced {
    /// Starts a program; `None`, loudly, where it cannot be traced.
    pub(crate) fn start(program: &Command) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let calls = [WRITES.as_slice(), &UNSEEN, &["mmap"]].concat().join(",");
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-xx", "-s", "4000000", "-e"])
            .arg(format!("trace={calls}"));
        strace.arg("-o").arg(dir.path().join("calls"));
        strace.arg(program.get_program()).args(program.get_args());
        strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut strace = match strace.spawn() {
            Ok(strace) => strace,
            Err(error) => {
                testing::skip(&format!("no pixel leaves: strace: {error}: `apt-get install strace`"));
                return None;
            }
        };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (lines, heard) = (BufReader::new(strace.stderr.take().unwrap()).lines(), Arc::clone(&said));
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| heard.lock().unwrap().push(line));
        });
        let traced = Self { strace, said, dir };
        until("the program says something", || !traced.said().is_empty());
        if traced
            .said()
            .iter()
            .any(|line| line.contains("ptrace") && line.contains("not permitted"))
        {
            testing::skip("no pixel leaves: strace may not trace here");
            return None;
        }
        Some(traced)
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// What the first line says behind this, once there is one.
    pub(crate) fn until_said(&self, text: &str) -> String {
        let mut rest = None;
        until(text, || {
            let said = self.said();
            rest = said.iter().find_map(|line| Some(line.split_once(text)?.1.to_owned()));
            rest.is_some()
        });
        rest.unwrap()
    }

    /// Asks the program to end, and gives what it wrote: by the number of the file or socket, in order.
    pub(crate) fn end(mut self) -> BTreeMap<u32, Vec<u8>> {
        let tracer = self.strace.id();
        let children = fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap();
        let program: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(program).unwrap(), Signal::TERM).unwrap();
        self.strace.wait().unwrap();
        written(&fs::read_to_string(self.dir.path().join("calls")).unwrap())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

fn written(calls: &str) -> BTreeMap<u32, Vec<u8>> {
    let mut all: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for line in calls.lines() {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let Some((name, arguments)) = call.split_once('(') else {
            continue;
        };
        assert!(!UNSEEN.contains(&name), "{call}");
        if name == "mmap" {
            let is_file_that_changes = call.contains("MAP_SHARED") && call.contains("PROT_WRITE");
            assert!(!is_file_that_changes || call.contains("MAP_ANONYMOUS"), "{call}");
        }
        if !WRITES.contains(&name) {
            continue;
        }
        let number = arguments.split(',').next().unwrap().parse().unwrap();
        assert!(!call.contains("\"..."), "cut off: {}", &call[..call.len().min(200)]);
        let stream = all.entry(number).or_default();
        for text in arguments.split('"').skip(1).step_by(2) {
            let bytes = text.split("\\x").skip(1);
            stream.extend(bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_out_of_calls() {
        let calls = "12 write(3, \"\\x61\\x62\", 2) = 2\n\
                     13 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f\n\
                     13 sendmsg(4, {msg_iov=[{iov_base=\"\\xff\", iov_len=1}, {iov_base=\"\\x00\\x01\", iov_len=2}]}, 0 <unfinished ...>\n\
                     13 <... sendmsg resumed>) = 3\n\
                     12 write(3, \"\\x63\", 1) = 1\n";
        let expected: BTreeMap<u32, Vec<u8>> = [(3, b"abc".to_vec()), (4, vec![0xff, 0, 1])].into();
        assert_eq!(written(calls), expected);
    }
}
