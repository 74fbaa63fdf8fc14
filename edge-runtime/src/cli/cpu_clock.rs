//! The processor's time: what a step costs, whatever else the machine does.

use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use vision::clock::Clock;

/// Time that the processor has spent on this process, in all its threads.
#[derive(Debug)]
pub(super) struct CpuClock;

impl Clock for CpuClock {
    fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        // A process has never used less than no time, and no second has more than 1e9 nanoseconds.
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let start = CpuClock.now();
        let mut rounds = 0u64;
        while CpuClock.now() <= start {
            rounds += 1;
            assert!(rounds < 1 << 40, "the clock stands still");
        }
    }
}
