//! The processor's time: what a step costs, whatever else the machine does.

use std::thread;
use std::time::Duration;

use edge_runtime::clock::Clock;
use nix::time::{ClockId, clock_gettime};

/// Time that the processor has spent on this process, in all its threads.
#[derive(Debug)]
pub(super) struct CpuClock;

impl Clock for CpuClock {
    fn now(&self) -> Duration {
        // Linux has this clock for every process of its own.
        clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
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
