//! Whether a bundle on trial works, told from what the loop counts.

use std::time::Duration;

/// Frames that a trial must judge before it can be confirmed.
const MIN_JUDGED: u64 = 10;
/// Frames after which a trial can be given up before its time is over.
const MIN_TO_GIVE_UP: u64 = 10;
/// One frame in so many may fail.
const MAX_FAILED_SHARE: u64 = 20;

/// What the loop has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames that were judged, with a face or without.
    pub judged: u64,
    /// Frames that the networks could not judge, or gave no finite numbers for.
    pub failed: u64,
}

/// How a trial is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is too early to tell.
    Open,
    /// The trial has worked long enough.
    Sound,
    /// The trial fails on most frames.
    Unsound,
}

impl Health {
    /// After a bundle ran for `ran` of its `window`, with what was counted since it began.
    ///
    /// A loop that does not move proves nothing, for or against: the camera may be off. Where it never moves again, the
    /// watchdog ends the program, which costs the trial one of its tries.
    pub fn of(ran: Duration, window: Duration, counts: Counts) -> Self {
        let Counts { judged, failed } = counts;
        if failed >= MIN_TO_GIVE_UP && failed > judged {
            return Self::Unsound;
        }
        if ran < window || judged + failed < MIN_JUDGED {
            return Self::Open;
        }
        if failed * MAX_FAILED_SHARE > judged + failed {
            Self::Unsound
        } else {
            Self::Sound
        }
    }
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            judged: self.judged.saturating_sub(earlier.judged),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_sound_once_frames_were_judged_for_its_window() {
        const WINDOW: u64 = 60;
        for (ran, judged, failed, expected) in [
            (59, 600, 0, Health::Open),
            (60, 9, 0, Health::Open),
            (60, 0, 0, Health::Open),
            (60, 10, 0, Health::Sound),
            (60, 95, 5, Health::Sound),
            (60, 94, 6, Health::Unsound),
            (1, 0, 9, Health::Open),
            (1, 0, 10, Health::Unsound),
            (1, 10, 10, Health::Open),
            (1, 10, 11, Health::Unsound),
        ] {
            let seconds = Duration::from_secs;
            let health = Health::of(seconds(ran), seconds(WINDOW), Counts { judged, failed });
            assert_eq!(health, expected, "{ran} {judged} {failed}");
        }
    }
}
