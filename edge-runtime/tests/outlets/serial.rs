//! A serial port: a terminal of Python's in place of an Arduino.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use edge_runtime::sink::SignalSink;
use edge_runtime::sink::serial::{self, SerialConfig};
use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;
use shared_model::emotion::ClassSet;

use super::state;
use crate::support::until;

/// Opens a terminal, tells its name, and writes down what comes until standard input ends.
const BOARD: &str = "\
import os, pty, select, sys, tty
board, port = pty.openpty()
tty.setraw(port)
print(os.ttyname(port), flush=True)
os.close(port)
while True:
    ready, _, _ = select.select([board, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    try:
        text = os.read(board, 1000)
    except OSError:
        continue
    sys.stdout.write(text.decode())
    sys.stdout.flush()
";

/// A board on a port; `None`, loudly, without Python.
pub(crate) struct Board {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) device: PathBuf,
}

impl Board {
    pub(crate) fn plugged_in() -> Option<Self> {
        let child = Command::new("python3")
            .args(["-c", BOARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                testing::skip(&format!("a serial port: python3: {error}"));
                return None;
            }
        };
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut name = String::new();
        out.read_line(&mut name).unwrap();
        Some(Self {
            child,
            out,
            device: name.trim().into(),
        })
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_board_gets_a_line_for_each_verdict_and_again_while_nothing_changes() {
    let Some(mut board) = Board::plugged_in() else { return };
    let config = SerialConfig {
        device: board.device.clone(),
        baud: 115_200,
    };
    serial::check(&config).unwrap();
    let mut outlet = serial::start(&config, &ClassSet::product()).unwrap();
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    assert_eq!([board.line(), board.line()], ["uncertain 25\n", "uncertain 25\n"]);
    outlet.close().unwrap();
}

#[test]
fn a_port_that_is_away_or_is_none_costs_nothing_but_the_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (device, expected) in [("/dev/nowhere".into(), "No such file"), (file, "no serial port")] {
        let config = SerialConfig { device, baud: 9600 };
        assert!(serial::check(&config).unwrap_err().to_string().contains(expected));
        let mut outlet = serial::start(&config, &ClassSet::product()).unwrap();
        let status = outlet.status();
        for number in 0..1000 {
            outlet.show(&state(number)).unwrap();
            outlet.flush();
        }
        until("the failure is counted", || {
            status.failed.load(std::sync::atomic::Ordering::Relaxed) > 0
        });
        outlet.close().unwrap();
    }
}

#[test]
fn a_board_that_is_unplugged_or_never_reads_costs_nothing_but_the_lines() {
    use std::io::Read;
    use std::sync::atomic::Ordering;

    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let device = ttyname(&slave).unwrap();
    let mut outlet = serial::start(&SerialConfig { device, baud: 9600 }, &ClassSet::product()).unwrap();
    let status = outlet.status();
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    let mut board = std::fs::File::from(master);
    board.read_exact(&mut [0; 1]).unwrap();
    // It reads nothing more, while triggers and verdicts come.
    for number in 1..20_000 {
        outlet.show(&state(number)).unwrap();
        outlet.flush();
    }
    assert_eq!(status.failed.load(Ordering::Relaxed), 0);
    drop((board, slave));
    until("the failure is counted", || status.failed.load(Ordering::Relaxed) > 0);
    let heartbeats = status.heartbeats.load(Ordering::Relaxed);
    until("the thread lives", || {
        status.heartbeats.load(Ordering::Relaxed) > heartbeats + 3
    });
    outlet.close().unwrap();
}
