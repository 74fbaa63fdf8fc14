//! When a frame is due, and what time it is while none comes.

use std::time::Duration;

use super::Timing;
use crate::source::Frame;

/// How late a frame may come before it is left out.
const MAX_LATE: Duration = Duration::from_millis(250);

/// After so long without a judged frame a late one is taken as well: a source that is always too slow
/// would never be judged otherwise.
const MAX_SILENCE: Duration = Duration::from_millis(500);

/// What to do with a frame that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The time of the frame has come.
    Now,
    /// Its time comes after this.
    After(Duration),
    /// The time of the frame is over.
    Over,
}

/// Relates the time of the frames to the clock.
#[derive(Debug)]
pub(super) struct Pacer {
    timing: Timing,
    /// Clock and own time of a frame that is due then; known from the first frame on. After a reload the clock starts
    /// anew and the source goes on, so its frames may be of a later time than the clock's.
    origin: Option<(Duration, Duration)>,
    /// Clock and own time of the last frame that was taken.
    last: Option<(Duration, u64)>,
}

impl Pacer {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            origin: None,
            last: None,
        }
    }

    /// Whether the frame's turn has come.
    pub(super) fn turn(&mut self, frame: &Frame, now: Duration) -> Turn {
        if self.timing != Timing::Paced {
            return Turn::Now;
        }
        let time = Duration::from_millis(frame.time_ms);
        let (clock, first) = *self.origin.get_or_insert((now, time));
        let due = clock + time.saturating_sub(first);
        let silence = self.last.map_or(Duration::MAX, |(at, _)| now.saturating_sub(at));
        if now < due {
            Turn::After(due.saturating_sub(now))
        } else if now > due + MAX_LATE && silence < MAX_SILENCE {
            Turn::Over
        } else {
            Turn::Now
        }
    }

    /// Lets a recording wait: its frames are due this much later.
    pub(super) fn wait(&mut self, pause: Duration) {
        if let Some((clock, _)) = &mut self.origin {
            *clock += pause;
        }
    }

    /// Notes that a frame was taken.
    pub(super) fn took(&mut self, frame: &Frame, now: Duration) {
        self.last = Some((now, frame.time_ms));
    }

    /// The time of the source while no frame comes; `None` where it stands still.
    pub(super) fn time_ms(&self, now: Duration) -> Option<u64> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        match self.timing {
            Timing::Recorded => None,
            Timing::Paced => self
                .origin
                .map(|(clock, first)| millis(first + now.saturating_sub(clock))),
            Timing::Live => self.last.map(|(at, time_ms)| time_ms + millis(now.saturating_sub(at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(time_ms: u64) -> Frame {
        Frame {
            time_ms,
            ..Frame::default()
        }
    }

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    #[test]
    fn recordings_are_taken_at_once_and_their_time_stands_still() {
        let mut pacer = Pacer::new(Timing::Recorded);
        assert_eq!(pacer.turn(&frame(90_000), ms(0)), Turn::Now);
        pacer.took(&frame(90_000), ms(0));
        assert_eq!(pacer.time_ms(ms(5000)), None);
    }

    #[test]
    fn a_film_that_goes_on_after_a_reload_does_not_wait_until_the_clock_has_caught_up() {
        let mut pacer = Pacer::new(Timing::Paced);
        assert_eq!(pacer.turn(&frame(660_000), ms(5)), Turn::Now);
        pacer.took(&frame(660_000), ms(5));
        assert_eq!(pacer.turn(&frame(662_000), ms(5)), Turn::After(ms(2000)));
        assert_eq!(pacer.turn(&frame(662_000), ms(2005)), Turn::Now);
        assert_eq!(pacer.time_ms(ms(1005)), Some(661_000));
    }

    #[test]
    fn paced_frames_wait_for_their_time_from_the_first_one_on() {
        let mut pacer = Pacer::new(Timing::Paced);
        assert_eq!(pacer.time_ms(ms(10)), None);
        assert_eq!(pacer.turn(&frame(0), ms(700)), Turn::Now);
        pacer.took(&frame(0), ms(700));
        assert_eq!(pacer.turn(&frame(100), ms(730)), Turn::After(ms(70)));
        assert_eq!(pacer.turn(&frame(100), ms(800)), Turn::Now);
        assert_eq!(pacer.turn(&frame(100), ms(1051)), Turn::Over);
        assert_eq!(pacer.time_ms(ms(1700)), Some(1000));
    }

    #[test]
    fn a_recording_that_waited_goes_on_where_it_was() {
        let mut pacer = Pacer::new(Timing::Paced);
        pacer.turn(&frame(0), ms(0));
        pacer.took(&frame(0), ms(0));
        pacer.wait(ms(60_000));
        assert_eq!(pacer.turn(&frame(100), ms(60_010)), Turn::After(ms(90)));
    }

    #[test]
    fn late_frames_are_taken_after_a_long_silence() {
        let mut pacer = Pacer::new(Timing::Paced);
        pacer.turn(&frame(0), ms(0));
        pacer.took(&frame(0), ms(0));
        assert_eq!(pacer.turn(&frame(100), ms(499)), Turn::Over);
        assert_eq!(pacer.turn(&frame(100), ms(500)), Turn::Now);
    }

    #[test]
    fn live_time_goes_on_while_no_frame_comes() {
        let mut pacer = Pacer::new(Timing::Live);
        assert_eq!(pacer.time_ms(ms(50)), None);
        assert_eq!(pacer.turn(&frame(400), ms(1000)), Turn::Now);
        pacer.took(&frame(400), ms(1000));
        assert_eq!(pacer.time_ms(ms(2100)), Some(1500));
    }
}
