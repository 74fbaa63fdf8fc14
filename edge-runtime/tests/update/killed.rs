//! Updates that are killed. The signal strikes at a system call, so that no stretch of an update is too short to be struck:
//! neither the writing of the bundle, nor what is left to do after the new record is in place.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use inference::PrecisionChoice;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use update::{BundleManager, Event, Store};

use super::kiosk::Kiosk;
use crate::support::rounds;

/// System calls that wait for the try of the bundle, as often as that takes.
const WAITS: [libc::c_long; 3] = [libc::SYS_wait4, libc::SYS_waitid, libc::SYS_clock_nanosleep];

/// A program whose main thread stops before and after each of its system calls.
struct Traced(Pid);

impl Traced {
    /// `None`, loudly, where this machine does not allow it.
    #[allow(clippy::zombie_processes, reason = "its tracer waits for it")]
    fn start(program: &Command) -> Option<Self> {
        // A shell that waits until it is traced becomes the program.
        let mut child = Command::new("sh")
            .args(["-c", "read -r go; exec \"$@\"", "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
            | ptrace::Options::PTRACE_O_TRACEEXEC
            | ptrace::Options::PTRACE_O_EXITKILL;
        if let Err(error) = ptrace::seize(pid, options) {
            testing::skip(&format!(
                "an update cannot be stopped at its system calls here: {error}"
            ));
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        ptrace::interrupt(pid).unwrap();
        waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        ptrace::syscall(pid, None).unwrap();
        let traced = Self(pid);
        loop {
            match waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => return Some(traced),
                status => traced.go_on(status),
            }
        }
    }

    fn go_on(&self, status: WaitStatus) {
        let signal = match status {
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::PtraceSyscall(_) | WaitStatus::PtraceEvent(..) => None,
            status => panic!("{status:?}"),
        };
        ptrace::syscall(self.0, signal).unwrap();
    }

    /// Goes on to the next stop that counts; `false` at the program's end.
    fn step(&self) -> bool {
        loop {
            ptrace::syscall(self.0, None).unwrap();
            match waitpid(self.0, Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::Exited(_, code) => {
                    assert_eq!(code, 0);
                    return false;
                }
                WaitStatus::PtraceSyscall(_) if !self.waits() => return true,
                // A signal is kept back: none of them is for more than to wake somebody up.
                WaitStatus::PtraceSyscall(_) | WaitStatus::PtraceEvent(..) | WaitStatus::Stopped(..) => {}
                status => panic!("{status:?}"),
            }
        }
    }

    fn waits(&self) -> bool {
        let call = fs::read_to_string(format!("/proc/{}/syscall", self.0)).unwrap_or_default();
        let number = call.split(' ').next().and_then(|number| number.parse().ok());
        number.is_some_and(|number| WAITS.contains(&number))
    }

    fn kill(self) {
        kill(self.0, Signal::SIGKILL).unwrap();
        // It may still stop once more on its way out.
        while waitpid(self.0, Some(WaitPidFlag::__WALL)).is_ok_and(|status| !matches!(status, WaitStatus::Signaled(..)))
        {
        }
    }
}

/// A kiosk on which version 2 is confirmed; what it has on disk is kept as `confirmed`.
fn confirmed() -> Kiosk {
    let kiosk = Kiosk::new();
    kiosk.install_blindly(&kiosk.archive(2, |_| ()));
    let mut store = Store::for_update(&kiosk.path("state")).unwrap();
    store.apply(Event::Started).unwrap();
    store.apply(Event::Confirmed).unwrap();
    fs::rename(kiosk.path("state"), kiosk.path("confirmed")).unwrap();
    kiosk
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn trial(kiosk: &Kiosk) -> Option<u32> {
    kiosk.state().trial.map(|trial| trial.slot.version)
}

/// Version of the bundle that runs after a start.
fn runs(kiosk: &Kiosk) -> u32 {
    let (state, factory) = (kiosk.path("state"), kiosk.path("factory"));
    let mut manager = BundleManager::new(&state, &factory, PrecisionChoice::Auto, Duration::ZERO).unwrap();
    let networks = manager.start(&mut |_| ()).unwrap();
    networks.bundle.manifest().version
}

#[test]
fn an_update_that_is_killed_anywhere_leaves_a_bundle_that_runs_and_the_confirmed_one() {
    let kiosk = confirmed();
    let archive = kiosk.archive(3, |_| ());
    let state = kiosk.path("state");
    let fresh = || {
        let _ = fs::remove_dir_all(&state);
        copy_all(&kiosk.path("confirmed"), &state);
        let mut program = kiosk.program("update");
        Traced::start(program.arg(&archive))
    };
    let Some(whole) = fresh() else { return };
    let (mut stops, mut switch) = (0, None);
    while whole.step() {
        stops += 1;
        if switch.is_none() && trial(&kiosk) == Some(3) {
            switch = Some(stops);
        }
    }
    let switch = switch.unwrap();
    let (mut before, mut after) = (0, 0);
    for round in 0..rounds(8) {
        let Some(update) = fresh() else { return };
        // Evenly over the whole update, whatever the number of rounds; every fourth over what follows the switch.
        let share = (round as f64 * 0.618_033_988_75).fract();
        let first = if round % 4 == 3 { switch } else { 0 };
        let last = first + ((stops - first) as f64 * share) as usize;
        if (0..=last).all(|_| update.step()) {
            update.kill();
        }
        let current = kiosk.state().current.unwrap();
        assert_eq!(current.version, 2, "the confirmed one is lost at stop {last}");
        Store::system(&state).unwrap().verify(&current.id).unwrap();
        match (trial(&kiosk), runs(&kiosk)) {
            (None, 2) => before += 1,
            (Some(3), 3) => after += 1,
            other => panic!("{other:?} after a kill at stop {last}"),
        }
        kiosk.install_blindly(&archive);
        assert_eq!(trial(&kiosk), Some(3), "stop {last}");
    }
    eprintln!("an update has {stops} stops, the new bundle is on trial from {switch} on");
    eprintln!("killed before the switch {before} times, after it {after} times");
    assert!(before > 0 && after > 0, "{before} {after}");
}
