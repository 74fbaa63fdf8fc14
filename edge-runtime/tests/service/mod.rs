//! Life as a service: signals, the watchdog, new configurations, lines that go safe.

mod hangs;
mod network;
mod panics;
mod rtsp;
mod screen;
mod spectator;
mod unit;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use spectator::Spectator;

use crate::support::program::{LINES, Program, command, configure};
use crate::support::{rounds, until};

/// Lines must be safe this soon.
const SAFE: Duration = Duration::from_millis(100);

/// Without a sign of life for so long, none will come: the program gives several a second.
const QUIET: Duration = Duration::from_millis(1500);

/// A watchdog that is fed for longer is fed for ever.
const LONG: Duration = Duration::from_secs(20);

/// systemd's end of the notifications.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        Self {
            socket,
            path,
            _dir: dir,
        }
    }

    /// The next notification, if one comes soon.
    fn next(&self) -> Option<String> {
        let mut buffer = [0; 1024];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    fn until(&self, text: &str) {
        until(text, || self.next().is_some_and(|news| news.contains(text)));
    }

    /// How long the notifications go on to come, once the program hangs; the longest that it may be is
    /// `limit`.
    fn silence_within(&self, limit: Duration) {
        let start = Instant::now();
        let mut last = Instant::now();
        while last.elapsed() < QUIET {
            if self.next().is_some_and(|news| news.contains("WATCHDOG=1")) {
                last = Instant::now();
            }
            assert!(start.elapsed() < limit, "the watchdog is fed although something hangs");
        }
    }

    /// How long notifications still come from now on.
    fn fed_for(&self) -> Duration {
        let start = Instant::now();
        let mut last = start;
        while last.elapsed() < QUIET {
            if self.next().is_some_and(|news| news.contains("WATCHDOG=1")) {
                last = Instant::now();
            }
            assert!(start.elapsed() < LONG, "the watchdog is fed although something hangs");
        }
        last - start
    }
}

#[test]
fn readiness_life_and_end_are_told() {
    let manager = Manager::new();
    let mut program = Program::idle("", &[("NOTIFY_SOCKET", &manager.path)]);
    // Without a frame it would be told by now.
    let start = Instant::now();
    while start.elapsed() < QUIET {
        assert_eq!(manager.next(), None, "before a frame was judged");
    }
    program.feeding.store(true, Ordering::Relaxed);
    let mut first = None;
    until("it is ready", || {
        first = manager.next();
        first.is_some()
    });
    assert_eq!(first.unwrap().trim(), "READY=1");
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    program.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert_eq!(program.ended().code(), Some(128 + 15));
}

#[test]
fn a_source_that_hangs_starves_the_watchdog() {
    let manager = Manager::new();
    let program = Program::start("", Stdio::null(), &[("NOTIFY_SOCKET", &manager.path)]);
    for _ in 0..rounds(2) {
        manager.until("WATCHDOG=1");
        program.feeding.store(false, Ordering::Relaxed);
        manager.silence_within(Duration::from_secs(5));
        program.feeding.store(true, Ordering::Relaxed);
    }
    manager.until("WATCHDOG=1");
}

#[test]
fn an_output_that_hangs_starves_the_watchdog() {
    let manager = Manager::new();
    let sinks = "[sink]\nstdout = \"faces\"\n";
    let mut program = Program::start(sinks, Stdio::piped(), &[("NOTIFY_SOCKET", &manager.path)]);
    manager.until("WATCHDOG=1");
    // The pipe is full after some seconds.
    manager.silence_within(Duration::from_secs(50));
    assert!(program.is_running());
    drop(program.stdout());
}

#[test]
fn lines_are_safe_soon_after_a_signal_and_the_broker_hears_of_the_end() {
    let broker = Spectator::start();
    let mut waits = Vec::new();
    for round in 0..rounds(4) {
        let signal = [Signal::TERM, Signal::INT][round as usize % 2];
        let outbox = tempfile::tempdir().unwrap();
        let sinks = format!("{LINES}{}", broker.sink(outbox.path()));
        let mut program = Program::start(&sinks, Stdio::null(), &[]);
        until("a line is active", || program.active_lines().len() == 2);
        broker.until_said("online", round + 1);
        let asked = program.signal(signal);
        until("the lines are safe", || {
            program.active_lines().iter().all(|pin| *pin == 22)
        });
        let low = program
            .said()
            .into_iter()
            .rev()
            .find(|(_, line)| line.ends_with("low") && !line.contains(" 22 "));
        waits.push(low.unwrap().0 - asked);
        assert_eq!(program.ended().code(), Some(128 + signal.as_raw()));
        until("the lamp is out", || program.active_lines().is_empty());
        broker.until_said("stopped", round + 1);
    }
    assert_eq!(broker.said("offline"), 0);
    waits.sort_unstable();
    let (usual, slowest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    eprintln!(
        "{} signals: lines safe after {usual:?}, at the latest {slowest:?}",
        waits.len()
    );
    // A machine that is busy with other tests may keep any single process waiting.
    assert!(usual <= SAFE, "{waits:?}");
}

#[test]
fn lines_of_a_killed_program_are_made_safe_by_another() {
    let mut program = Program::start(LINES, Stdio::null(), &[]);
    until("a line is active", || program.active_lines().len() == 2);
    program.signal(Signal::KILL);
    program.ended();
    let output = command(&["safe", "--config"]).arg(program.config()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    for pin in [5, 6, 7, 8, 9, 22] {
        assert!(said.contains(&format!("gpio {pin} low")), "{said}");
    }
}

#[test]
fn a_new_configuration_is_taken_up_without_losing_the_source() {
    let manager = Manager::new();
    let mut program = Program::start(
        "[sink]\nstdout = \"off\"\n",
        Stdio::null(),
        &[("NOTIFY_SOCKET", &manager.path)],
    );
    manager.until("READY=1");
    configure(&program.config(), LINES);
    program.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");
    until("the new lines are driven", || program.active_lines().len() == 2);
    manager.until("WATCHDOG=1");
    the_lamp_stays_lit(&manager, &program);
    // A configuration that is wrong changes nothing.
    std::fs::write(program.config(), "schema = 7\n").unwrap();
    program.signal(Signal::HUP);
    program.until_said("going on with the configuration as it was");
    manager.until("WATCHDOG=1");
    assert!(program.is_running());
    program.signal(Signal::TERM);
    assert_eq!(program.ended().code(), Some(128 + 15));
}

/// Over a new configuration with other lines: the camera runs on.
fn the_lamp_stays_lit(manager: &Manager, program: &Program) {
    let lamp = || {
        let said = program.said();
        let of_lamp = said.into_iter().filter(|(_, line)| line.starts_with("gpio 22 "));
        of_lamp.map(|(_, line)| line).collect::<Vec<_>>()
    };
    let (lines, known) = (LINES.replace("pin = 5", "pin = 15"), lamp());
    assert_eq!(known, ["gpio 22 low", "gpio 22 high"]);
    configure(&program.config(), &lines);
    program.signal(Signal::HUP);
    manager.until("RELOADING=1");
    manager.until("READY=1");
    program.until_said("gpio 15 low");
    assert_eq!(lamp(), known, "the lamp was touched");
    // Another lamp is lit in its place.
    configure(&program.config(), &lines.replace("pin = 22", "pin = 23"));
    program.signal(Signal::HUP);
    manager.until("READY=1");
    program.until_said("gpio 23 high");
    assert_eq!(lamp(), ["gpio 22 low", "gpio 22 high", "gpio 22 low"]);
}
