//! Which quarter of an hour it is, and whether that is to be believed.
//!
//! A board without a battery starts in 1970, or when it was switched off, until the network tells it better. Nothing is
//! put right afterwards: what was counted meanwhile stays where the clock put it, with a mark.

use std::time::Duration;

/// Length of a quarter in seconds.
const QUARTER_S: i64 = 900;

/// Number of quarters of an hour in a day.
pub(super) const QUARTERS: i64 = 96;

/// Seconds of a clock that cannot be right: before 2026.
const TOO_EARLY_S: i64 = 1_767_225_600;

/// The last second of the year 9998.
const TOO_LATE_S: i64 = 253_370_764_799;

/// How far the clock may go from the time that passed before it has jumped, in seconds.
const JUMP_S: i64 = 30;

/// A quarter of an hour of UTC: how many have passed since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter(i64);

impl Quarter {
    /// The quarter of this second since 1970, from 1970 to 9998.
    pub fn of(unix_s: i64) -> Self {
        Self(unix_s.clamp(0, TOO_LATE_S).div_euclid(QUARTER_S))
    }

    /// The quarter of a day since 1970, 0 to 95.
    pub fn in_day(day: i64, quarter: u8) -> Self {
        Self(day * QUARTERS + i64::from(quarter))
    }

    /// Its first second since 1970.
    pub fn start_s(self) -> i64 {
        self.0 * QUARTER_S
    }

    /// The first second after it.
    pub fn end_s(self) -> i64 {
        self.start_s() + QUARTER_S
    }

    /// The day that it belongs to, counted from 1970-01-01.
    pub fn day(self) -> i64 {
        self.0.div_euclid(QUARTERS)
    }

    /// Its place in the day, 0 to 95.
    pub fn of_day(self) -> u8 {
        self.0.rem_euclid(QUARTERS) as u8
    }
}

/// What the machine's two clocks show at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock on the wall, in seconds since 1970.
    pub unix_s: i64,
    /// A clock that never jumps.
    pub passed: Duration,
    /// Whether something vouches for the clock on the wall: the network, or a clock with a battery.
    pub vouched: bool,
}

/// Where something that happens now is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// The quarter of an hour that it falls into.
    pub quarter: Quarter,
    /// Whether it may be another one in truth.
    pub doubtful: bool,
    /// How far the clock has just jumped, and from where; that quarter is doubtful as well.
    pub jump: Option<Jump>,
}

/// A jump of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Seconds; below 0 it went back.
    pub by_s: i64,
    /// The quarter that it left.
    pub from: Quarter,
}

/// Goes along with the clock.
#[derive(Debug, Default)]
pub struct Dating {
    last: Option<Reading>,
    /// The quarter in which the clock began to run without a jump.
    began: Option<Quarter>,
    /// Quarters, first and last, through which the clock ran before it went back: counted in before.
    before: Option<(Quarter, Quarter)>,
}

impl Dating {
    /// Takes in what the clocks say.
    pub fn date(&mut self, now: Reading) -> Dated {
        let quarter = Quarter::of(now.unix_s);
        let jump = self.last.replace(now).and_then(|last| jump(&last, &now));
        let began = *self.began.get_or_insert(quarter);
        if let Some(jump) = jump {
            if jump.by_s < 0 {
                let (first, last) = self.before.unwrap_or((began, jump.from));
                self.before = Some((first.min(began), last.max(jump.from)));
            }
            self.began = Some(quarter);
        }
        let again = self
            .before
            .is_some_and(|(first, last)| first <= quarter && quarter <= last);
        Dated {
            quarter,
            doubtful: again || !now.vouched || now.unix_s < TOO_EARLY_S,
            jump,
        }
    }
}

fn jump(last: &Reading, now: &Reading) -> Option<Jump> {
    let passed = now.passed.saturating_sub(last.passed).as_secs() as i64;
    let by_s = now.unix_s.saturating_sub(last.unix_s).saturating_sub(passed);
    (by_s.abs() > JUMP_S).then(|| Jump {
        by_s,
        from: Quarter::of(last.unix_s),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY_S: i64 = 1_795_780_800;

    fn at(unix_s: i64, passed_s: u64, vouched: bool) -> Reading {
        Reading {
            unix_s,
            passed: Duration::from_secs(passed_s),
            vouched,
        }
    }

    #[test]
    fn a_quarter_knows_its_day_and_its_place_in_it() {
        let quarter = Quarter::of(86_400 + 900 * 5 + 899);
        assert_eq!((quarter.day(), quarter.of_day()), (1, 5));
        assert_eq!((quarter.start_s(), quarter.end_s()), (90_900, 91_800));
        assert_eq!(Quarter::in_day(1, 5), quarter);
        assert_eq!(Quarter::of(-5), Quarter::of(0));
        assert!(Quarter::of(i64::MAX).day() < 2_932_600);
    }

    #[test]
    fn a_clock_that_starts_in_1970_is_doubted_until_it_is_set() {
        let mut dating = Dating::default();
        let early = dating.date(at(20, 1, false));
        assert!(early.doubtful && early.jump.is_none());
        let set = dating.date(at(TODAY_S, 2, true));
        assert!(!set.doubtful);
        let jump = set.jump.unwrap();
        assert_eq!((jump.by_s, jump.from), (TODAY_S - 21, Quarter::of(20)));
        assert!(dating.date(at(TODAY_S + 1, 3, true)).jump.is_none());
    }

    #[test]
    fn a_clock_before_2026_is_doubted_whoever_vouches_for_it() {
        assert!(Dating::default().date(at(946_684_800, 1, true)).doubtful);
        assert!(Dating::default().date(at(TODAY_S, 1, false)).doubtful);
        assert!(!Dating::default().date(at(TODAY_S, 1, true)).doubtful);
    }

    #[test]
    fn a_clock_that_goes_back_is_doubted_until_it_is_past_where_it_was() {
        let mut dating = Dating::default();
        dating.date(at(TODAY_S - 1500, 0, true));
        dating.date(at(TODAY_S + 1000, 2500, true));
        let back = dating.date(at(TODAY_S - 1000, 2501, true));
        assert!(back.doubtful);
        assert_eq!(back.jump.map(|jump| jump.by_s), Some(-2001));
        assert!(dating.date(at(TODAY_S + 1000, 4501, true)).doubtful);
        assert!(!dating.date(at(TODAY_S + 1800, 5301, true)).doubtful);
    }

    #[test]
    fn a_clock_that_comes_back_from_far_ahead_is_not_doubted_for_ever() {
        let mut dating = Dating::default();
        dating.date(at(4_000_000_000, 1, true));
        let back = dating.date(at(TODAY_S, 2, true));
        assert!(back.jump.is_some() && !back.doubtful);
    }

    #[test]
    fn a_clock_that_is_slewed_has_not_jumped() {
        let mut dating = Dating::default();
        dating.date(at(TODAY_S, 0, true));
        for step in 1..1000 {
            let dated = dating.date(at(TODAY_S + step + step / 100, step as u64, true));
            assert!(!dated.doubtful && dated.jump.is_none(), "{step}");
        }
    }
}
