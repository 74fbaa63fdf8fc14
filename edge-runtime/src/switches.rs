//! What may be switched from outside while the program runs: a fixed set, each on or off.
//!
//! The pause is a matter of privacy: it outlasts a restart, as a file that is there while the kiosk is paused. A switch on
//! a line can hold it as well; whoever pauses, the other cannot undo it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use durable::{Disk, SystemDisk};

/// Name of the file that is there while the kiosk is paused.
const PAUSED: &str = "paused";

/// Longest message that is read, in bytes.
pub const MAX_MESSAGE: usize = 1024;

/// One of the switches that are set from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// While on, no frame is judged: nothing is known, and lines are safe.
    Pause,
    /// While on, lines stay safe whatever is known; other sinks go on.
    Mute,
}

impl Switch {
    /// All switches, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Pause, Self::Mute];

    /// Its name in topics, JSON and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Mute => "mute",
        }
    }
}

/// How the switches stand; all are off at the start, but for a pause that was on at the end.
#[derive(Debug, Default)]
pub struct Switches {
    pause: AtomicBool,
    mute: AtomicBool,
    /// A switch on a line holds the pause.
    held: AtomicBool,
    /// Where the pause outlasts a restart, and what was wrong with that, if it was not told yet.
    pause_file: Mutex<PauseFile>,
}

#[derive(Debug, Default)]
struct PauseFile {
    file: Option<PathBuf>,
    warning: Option<String>,
}

impl Switches {
    /// Keeps the pause in this directory from now on, and takes up the one that was kept there. A directory of somebody
    /// else's, or a file in its place, keeps nothing and gives a warning; what cannot be read for another reason counts as
    /// paused.
    pub fn keep_in(&self, dir: &Path) {
        let file = dir.join(PAUSED);
        let (on, warning) = match fs::symlink_metadata(&file) {
            Ok(_) => (true, None),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => (false, None),
                io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
                    (false, Some(format!("{error}; a pause ends with a restart")))
                }
                _ => (true, Some(format!("{error}; paused to be sure"))),
            },
        };
        let mut own = self.pause_file.lock().unwrap_or_else(PoisonError::into_inner);
        own.warning = warning.map(|warning| format!("read {}: {warning}", file.display()));
        own.file = Some(file);
        // A pause that is on stays on, whatever another directory says.
        self.pause.fetch_or(on, Ordering::Relaxed);
    }

    /// Whether a switch is on.
    pub fn is_on(&self, switch: Switch) -> bool {
        let held = switch == Switch::Pause && self.held.load(Ordering::Relaxed);
        held || self.flag(switch).load(Ordering::Relaxed)
    }

    /// A switch on a line is on, or off.
    pub fn hold_pause(&self, on: bool) {
        self.held.store(on, Ordering::Relaxed);
    }

    /// Why the pause does not outlast a restart; each reason once.
    pub fn take_warning(&self) -> Option<String> {
        self.pause_file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .warning
            .take()
    }

    /// Applies a message: `ON` or `OFF` in ASCII, letter case aside. Returns false, and does nothing, for
    /// any other.
    pub fn apply(&self, switch: Switch, message: &[u8]) -> bool {
        if message.len() > MAX_MESSAGE {
            return false;
        }
        let on = message.eq_ignore_ascii_case(b"on");
        let known = on || message.eq_ignore_ascii_case(b"off");
        if known {
            let before = self.flag(switch).swap(on, Ordering::Relaxed);
            if switch == Switch::Pause && before != on {
                self.keep(on);
            }
        }
        known
    }

    fn keep(&self, on: bool) {
        let mut own = self.pause_file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = own.file.clone() else { return };
        if let Err(error) = write(&file, on) {
            let path = file.display();
            own.warning = Some(format!("keep the pause in {path}: {error}; it ends with a restart"));
        }
    }

    fn flag(&self, switch: Switch) -> &AtomicBool {
        match switch {
            Switch::Pause => &self.pause,
            Switch::Mute => &self.mute,
        }
    }
}

/// Makes the file, or removes it; a power cut afterwards changes nothing.
fn write(file: &Path, on: bool) -> io::Result<()> {
    let mut disk = SystemDisk::default();
    if on {
        return durable::replace(&mut disk, file, b"remove this file to end the pause\n");
    }
    match disk.remove(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.sync_dir(durable::parent(file)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_switch_is_set_on_its_own() {
        let switches = Switches::default();
        assert!(switches.apply(Switch::Mute, b"ON"));
        assert!(switches.is_on(Switch::Mute) && !switches.is_on(Switch::Pause));
        assert!(switches.apply(Switch::Mute, b"off"));
        assert!(!switches.is_on(Switch::Mute));
    }

    #[test]
    fn a_pause_outlasts_a_restart_and_its_end_does_too() {
        let dir = tempfile::tempdir().unwrap();
        let restarted = || {
            let switches = Switches::default();
            switches.keep_in(dir.path());
            switches
        };
        for (message, paused) in [(&b"ON"[..], true), (b"on", true), (b"OFF", false), (b"ON", true)] {
            assert!(restarted().apply(Switch::Pause, message));
            assert_eq!(restarted().is_on(Switch::Pause), paused, "{message:?}");
        }
        restarted().apply(Switch::Mute, b"ON");
        assert!(!restarted().is_on(Switch::Mute));
    }

    #[test]
    fn a_pause_that_cannot_be_kept_is_told_and_holds_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let switches = Switches::default();
        switches.keep_in(&dir.path().join("nowhere"));
        assert!(!switches.is_on(Switch::Pause));
        switches.apply(Switch::Pause, b"ON");
        assert!(switches.is_on(Switch::Pause));
        assert!(switches.take_warning().unwrap().contains("ends with a restart"));
        assert_eq!(switches.take_warning(), None);
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_told_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("state"), "a file").unwrap();
        let switches = Switches::default();
        switches.keep_in(&dir.path().join("state"));
        assert!(!switches.is_on(Switch::Pause));
        assert!(switches.take_warning().unwrap().contains("a pause ends with a restart"));
    }

    #[test]
    fn what_a_line_holds_no_message_ends() {
        let switches = Switches::default();
        switches.hold_pause(true);
        switches.apply(Switch::Pause, b"OFF");
        assert!(switches.is_on(Switch::Pause));
        switches.hold_pause(false);
        assert!(!switches.is_on(Switch::Pause));
    }

    proptest! {
        #[test]
        fn other_messages_change_nothing(message in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assume!(!message.eq_ignore_ascii_case(b"on") && !message.eq_ignore_ascii_case(b"off"));
            let switches = Switches::default();
            switches.apply(Switch::Pause, b"on");
            for switch in Switch::ALL {
                prop_assert!(!switches.apply(switch, &message));
            }
            prop_assert!(switches.is_on(Switch::Pause) && !switches.is_on(Switch::Mute));
        }
    }
}
