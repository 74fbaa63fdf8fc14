//! The clock on the wall, and who vouches for it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dating::Reading;

/// Made by systemd-timesyncd once the network has told the time.
const TIMESYNC: &str = "/run/systemd/timesync/synchronized";

/// Where the kernel says whether it took the time from a clock with a battery, below each clock's own directory.
const CLOCKS: &str = "/sys/class/rtc";

/// Time between two reads of it.
const POLL: Duration = Duration::from_secs(10);

/// Says what the clocks say.
pub trait WallClock {
    /// What the clocks show at this moment.
    fn read(&mut self) -> Reading;
}

/// The clocks of the machine itself.
#[derive(Debug)]
pub struct SystemWall {
    start: Instant,
    /// When it was looked last, and whether somebody vouched.
    looked: Option<(Duration, bool)>,
}

impl SystemWall {
    /// A clock whose monotonic time starts at 0.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            looked: None,
        }
    }
}

impl WallClock for SystemWall {
    fn read(&mut self) -> Reading {
        let passed = self.start.elapsed();
        let vouched = match self.looked {
            Some((at, vouched)) if passed < at + POLL => vouched,
            _ => vouched(Path::new(TIMESYNC), Path::new(CLOCKS)),
        };
        if self.looked.is_none_or(|(at, _)| passed >= at + POLL) {
            self.looked = Some((passed, vouched));
        }
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Reading {
            unix_s: unix.as_secs() as i64,
            passed,
            vouched,
        }
    }
}

/// Whether the network has set the clock, or the kernel has from a clock with a battery.
fn vouched(timesync: &Path, clocks: &Path) -> bool {
    let set_by = |clock: std::fs::DirEntry| {
        let told = std::fs::read_to_string(clock.path().join("hctosys"));
        told.is_ok_and(|told| told.trim() == "1")
    };
    timesync.exists() || std::fs::read_dir(clocks).is_ok_and(|all| all.flatten().any(set_by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_or_a_clock_with_a_battery_vouches() {
        let dir = tempfile::tempdir().unwrap();
        let (sync, clocks) = (dir.path().join("synchronized"), dir.path().join("rtc"));
        assert!(!vouched(&sync, &clocks));
        std::fs::create_dir_all(clocks.join("rtc0")).unwrap();
        std::fs::write(clocks.join("rtc0/hctosys"), "0\n").unwrap();
        assert!(!vouched(&sync, &clocks));
        std::fs::write(clocks.join("rtc0/hctosys"), "1\n").unwrap();
        assert!(vouched(&sync, &clocks));
        std::fs::remove_dir_all(&clocks).unwrap();
        std::fs::write(&sync, "").unwrap();
        assert!(vouched(&sync, &clocks));
    }
}
