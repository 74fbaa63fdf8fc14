//! Threads that hang, one after the other.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::Manager;
use super::unit::waits;
use crate::support::program::{LINES, Program, Scene};
use crate::support::rounds;

/// The service is to be up again this soon.
const BACK: Duration = Duration::from_secs(5);
/// How late a sign of life may be delivered on a machine that is busy with other tests; a sign too many is a second late.
const LATE: Duration = Duration::from_millis(300);

/// A thread that is stopped as a debugger does it; it goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    /// `None`, loudly, where this machine does not allow it.
    fn thread(program: u32, name: &str) -> Option<Self> {
        let mut threads = fs::read_dir(format!("/proc/{program}/task")).unwrap();
        let thread = threads.find_map(|entry| {
            let path = entry.unwrap().path();
            let own = fs::read_to_string(path.join("comm")).unwrap_or_default();
            (own.trim() == name).then(|| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        });
        let thread = Pid::from_raw(thread.unwrap_or_else(|| panic!("there is no thread {name}")));
        if let Err(error) = ptrace::seize(thread, ptrace::Options::empty()) {
            testing::skip(&format!("a single thread cannot be stopped here: {error}"));
            return None;
        }
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Some(Self(thread))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        ptrace::detach(self.0, None).unwrap();
    }
}

#[test]
fn any_thread_that_hangs_starves_the_watchdog() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody answers there, which is no hang.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sinks = format!(
        "{LINES}[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ndevice = \"hall\"\noutbox = {{ dir = '{0}/outbox' }}\n\
         [update]\nstate = '{0}'\n[metrics]\nlisten = \"127.0.0.1:0\"\n[page]\nlisten = \"127.0.0.1:0\"\n\
         [sink.osc]\ntarget = \"127.0.0.1:{port}\"\n[sink.udp]\ntarget = \"127.0.0.1:{port}\"\n\
         [sink.serial]\ndevice = \"/dev/nowhere\"\n\
         [sink.webhook]\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = '{0}/secret'\ndir = '{0}/hooks'\n",
        dir.path().display()
    );
    fs::write(dir.path().join("secret"), "a secret of twenty-four bytes or more").unwrap();
    let threads = [
        "edge-runtime",
        "source",
        "gpio",
        "mqtt",
        "osc",
        "udp",
        "serial",
        "webhook",
        "page",
        "bundles",
        "metrics",
        "service",
    ];
    starve(&Scene::pattern(), &sinks, &threads);
}

/// Nobody waits for these: what they do comes late, and everything else goes on. The ffmpeg child of a camera is one more: its
/// frames stop, and the camera is opened again.
#[test]
fn threads_that_only_wait_for_somebody_may_hang_without_harm() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sinks = format!(
        "[counts]\ndir = '{0}/counts'\n\
         [sink.webhook]\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = '{0}/secret'\ndir = '{0}/hooks'\n",
        dir.path().display()
    );
    fs::write(dir.path().join("secret"), "a secret of twenty-four bytes or more").unwrap();
    let manager = Manager::new();
    let program = Program::before(
        &Scene::pattern(),
        &sinks,
        Stdio::null(),
        &[("NOTIFY_SOCKET", &manager.path)],
    );
    manager.until("WATCHDOG=1");
    for thread in ["webhook-post", "counts", "reload"] {
        let Some(stopped) = Stopped::thread(program.id(), thread) else {
            return;
        };
        // Each sign of life says that every thread that is watched has moved on since the one before.
        for _ in 0..4 {
            manager.until("WATCHDOG=1");
        }
        drop(stopped);
    }
}

/// Stops these threads one after the other, each so many times; no sign of life comes until it goes on.
fn starve(scene: &Scene, sinks: &str, threads: &[&str]) {
    let manager = Manager::new();
    let program = Program::before(scene, sinks, Stdio::null(), &[("NOTIFY_SOCKET", &manager.path)]);
    for thread in threads {
        let mut fed = Vec::new();
        for _ in 0..rounds(1) {
            manager.until("WATCHDOG=1");
            let Some(stopped) = Stopped::thread(program.id(), thread) else {
                return;
            };
            fed.push(manager.fed_for());
            drop(stopped);
        }
        manager.until("WATCHDOG=1");
        fed.sort_unstable();
        let (usual, longest) = (fed[fed.len() / 2], fed[fed.len() - 1]);
        eprintln!(
            "{thread} hung {} times: fed for {usual:?} on, at most {longest:?}",
            fed.len()
        );
        let back = usual + waits("WatchdogSec") + waits("RestartSec");
        assert!(back <= BACK + LATE, "{thread}: {fed:?}");
    }
}
