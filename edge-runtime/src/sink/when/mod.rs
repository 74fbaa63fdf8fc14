//! Triggers: something that holds for a while does something, once.
//!
//! A trigger *begins* with the first judged frame in which its condition holds: the verdict, a face that is large enough, the
//! hour of the day. It *fires* when that has lasted, once, and not again before its condition has ended and its cooldown is
//! over. Everything follows from what frames showed and when they were taken, so that the same film fires the same triggers;
//! the hour of the day alone comes from a clock.

mod sink;

use std::sync::Arc;
use std::time::Duration;

use shared_model::emotion::Label;
use shared_model::message::Verdict;

pub use sink::{Effects, ShowMedia, WallMinute, WhenSink, local_minute};

/// A face that was large enough still is at this share of the size: sizes waver from frame to frame.
const STILL: f32 = 0.9;

/// What a trigger waits for, and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// Told in messages; the pages show the media of this name.
    pub name: Arc<str>,
    /// What must hold for the trigger to fire.
    pub holds: Holds,
    /// How long it must hold without a break.
    pub lasts: Duration,
    /// Shortest time from one firing to the next.
    pub cooldown: Duration,
    /// Smallest face that counts, in pixels of its longer side.
    pub min_face_px: Option<f32>,
    /// Hours of the day in which it counts.
    pub hours: Option<Hours>,
    /// What is done when it fires.
    pub actions: Actions,
}

/// What must hold for a trigger to fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holds {
    /// A class, by its label, letter case aside.
    Emotion(Label),
    /// Somebody is there, whatever is seen of them.
    Face,
    /// Nobody is there.
    NoFace,
    /// Somebody is there, and no emotion is certain.
    Uncertain,
}

/// Minutes of the day, the first included and the last not; a window may span midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// First minute of the window, 0 to 1439.
    pub from: u16,
    /// 0 to 1440, and not `from`.
    pub to: u16,
}

/// What a trigger does when it fires.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actions {
    /// Pulses this line of `[sink.gpio]` for so long.
    pub pulse: Option<(u32, Duration)>,
    /// Shows the media of the trigger's name on the visitor's page for so long.
    pub page: Option<Duration>,
    /// Whether an event is posted to the webhook.
    pub webhook: bool,
    /// Sends to this address of Open Sound Control.
    pub osc: Option<Arc<str>>,
}

impl Holds {
    fn is_so(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Emotion(own), Verdict::Emotion(label)) => own.eq_ignore_ascii_case(label),
            (Self::Emotion(_), _) => false,
            (Self::Face, verdict) => matches!(verdict, Verdict::Emotion(_) | Verdict::Uncertain),
            (Self::NoFace, verdict) => *verdict == Verdict::NoFace,
            (Self::Uncertain, verdict) => *verdict == Verdict::Uncertain,
        }
    }
}

impl Hours {
    /// Whether a minute of the day lies within.
    pub fn contain(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// What a judged frame showed.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// When it was taken, in milliseconds since the source began.
    pub time_ms: u64,
    /// The verdict that holds in this frame.
    pub verdict: &'a Verdict,
    /// The longer side of the face that the verdict is about, in pixels.
    pub face_px: Option<f32>,
    /// The minute of the day, 0 to 1439; nothing where no clock tells it.
    pub minute: Option<u16>,
}

/// A trigger, and how far it has come.
#[derive(Debug, Clone)]
pub struct Trigger {
    when: When,
    /// Since when its condition holds, and whether it has fired since.
    begun: Option<(u64, bool)>,
    /// When it fired last.
    fired_ms: Option<u64>,
}

impl Trigger {
    /// A trigger to which nothing has happened yet.
    pub fn new(when: When) -> Self {
        Self {
            when,
            begun: None,
            fired_ms: None,
        }
    }

    /// What it waits for, and what it does.
    pub fn when(&self) -> &When {
        &self.when
    }

    /// Takes in a judged frame; says whether the trigger fires. Time that goes back begins everything anew.
    pub fn fires(&mut self, moment: &Moment<'_>) -> bool {
        let now = moment.time_ms;
        if self.fired_ms.is_some_and(|fired| fired > now) {
            self.fired_ms = None;
        }
        if self.begun.is_some_and(|(begun, _)| begun > now) {
            self.begun = None;
        }
        if !self.is_met(moment) {
            self.begun = None;
            return false;
        }
        let (begun, fired) = *self.begun.get_or_insert((now, false));
        let lasted = now - begun >= self.when.lasts.as_millis() as u64;
        let cooled = self
            .fired_ms
            .is_none_or(|fired| now - fired >= self.when.cooldown.as_millis() as u64);
        let is_due = lasted && cooled && !fired;
        if is_due {
            self.begun = Some((begun, true));
            self.fired_ms = Some(now);
        }
        is_due
    }

    fn is_met(&self, moment: &Moment<'_>) -> bool {
        let least = self
            .when
            .min_face_px
            .map(|px| if self.begun.is_some() { STILL * px } else { px });
        let large = least.is_none_or(|least| moment.face_px.is_some_and(|px| px >= least));
        let hours = self.when.hours;
        // Without a clock it is no hour of the day.
        let timely = hours.is_none_or(|hours| moment.minute.is_some_and(|minute| hours.contain(minute)));
        self.when.holds.is_so(moment.verdict) && large && timely
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(holds: Holds) -> When {
        When {
            name: "test".into(),
            holds,
            lasts: Duration::from_secs(2),
            cooldown: Duration::from_secs(10),
            min_face_px: None,
            hours: None,
            actions: Actions::default(),
        }
    }

    fn happy() -> Verdict {
        Verdict::Emotion(Label::try_from("Happy").unwrap())
    }

    /// Times at which a trigger fires, when told so each half second.
    fn fired(when: When, film: &[(Verdict, Option<f32>, u16)]) -> Vec<u64> {
        let mut trigger = Trigger::new(when);
        let told = film.iter().enumerate().filter_map(|(at, (verdict, face_px, minute))| {
            let moment = Moment {
                time_ms: 500 * at as u64,
                verdict,
                face_px: *face_px,
                minute: Some(*minute),
            };
            trigger.fires(&moment).then_some(moment.time_ms)
        });
        told.collect()
    }

    fn film(parts: &[(Verdict, usize)]) -> Vec<(Verdict, Option<f32>, u16)> {
        let frames = parts.iter().flat_map(|(verdict, times)| vec![verdict.clone(); *times]);
        frames.map(|verdict| (verdict, Some(100.0), 600)).collect()
    }

    #[test]
    fn what_lasts_fires_once_and_what_ends_early_does_not() {
        let short = film(&[(happy(), 4), (Verdict::Uncertain, 1), (happy(), 4)]);
        assert!(fired(when(Holds::Emotion(Label::try_from("happy").unwrap())), &short).is_empty());
        let long = film(&[(Verdict::NoFace, 2), (happy(), 60)]);
        assert_eq!(
            fired(when(Holds::Emotion(Label::try_from("Happy").unwrap())), &long),
            [3000]
        );
    }

    #[test]
    fn after_the_cooldown_it_fires_again_when_it_begins_anew() {
        let spell = [(happy(), 6), (Verdict::NoFace, 1)];
        let spells: Vec<_> = spell.iter().cloned().cycle().take(12).collect();
        let all = fired(when(Holds::Face), &film(&spells));
        // Spells begin every 3.5 s: the second and third lie within the cooldown.
        assert_eq!(all, [2000, 12_500]);
        let mut without = when(Holds::Face);
        without.cooldown = Duration::ZERO;
        assert_eq!(fired(without, &film(&spells)).len(), 6);
    }

    #[test]
    fn a_cooldown_that_ends_within_a_spell_lets_it_fire_then() {
        let spells = film(&[(happy(), 5), (Verdict::NoFace, 1), (happy(), 40)]);
        assert_eq!(fired(when(Holds::Face), &spells), [2000, 12_000]);
    }

    #[test]
    fn absence_is_a_condition_like_any_other_and_unknown_is_none() {
        let frames = film(&[(Verdict::Unknown, 10), (Verdict::NoFace, 6), (Verdict::Uncertain, 6)]);
        assert_eq!(fired(when(Holds::NoFace), &frames), [7000]);
        assert_eq!(fired(when(Holds::Uncertain), &frames), [10_000]);
        assert_eq!(fired(when(Holds::Face), &frames), [10_000]);
    }

    #[test]
    fn a_face_must_be_large_enough_and_may_waver_then() {
        let mut own = when(Holds::Face);
        own.min_face_px = Some(100.0);
        let frames = |sizes: &[f32]| -> Vec<_> { sizes.iter().map(|px| (happy(), Some(*px), 600)).collect() };
        assert!(fired(own.clone(), &frames(&[95.0; 10])).is_empty());
        assert_eq!(fired(own.clone(), &frames(&[100.0, 95.0, 91.0, 95.0, 92.0])), [2000]);
        assert!(fired(own.clone(), &frames(&[100.0, 95.0, 89.0, 95.0, 100.0])).is_empty());
        let unknown: Vec<_> = (0..10).map(|_| (happy(), None, 600)).collect();
        assert!(fired(own, &unknown).is_empty());
    }

    #[test]
    fn hours_are_kept_over_midnight_too() {
        let day = Hours { from: 540, to: 1080 };
        let night = Hours { from: 1320, to: 360 };
        for (minute, by_day, by_night) in [
            (0, false, true),
            (359, false, true),
            (360, false, false),
            (540, true, false),
        ] {
            assert_eq!(
                (day.contain(minute), night.contain(minute)),
                (by_day, by_night),
                "{minute}"
            );
        }
        assert!(day.contain(1079) && !day.contain(1080) && night.contain(1320) && night.contain(1439));
        let mut own = when(Holds::Face);
        own.hours = Some(day);
        let mut frames = film(&[(happy(), 12)]);
        frames.iter_mut().take(4).for_each(|frame| frame.2 = 539);
        assert_eq!(fired(own, &frames), [4000]);
    }

    #[test]
    fn a_source_that_begins_anew_begins_triggers_anew() {
        let mut trigger = Trigger::new(when(Holds::Face));
        let verdict = happy();
        let mut look = |time_ms| {
            trigger.fires(&Moment {
                time_ms,
                verdict: &verdict,
                face_px: None,
                minute: None,
            })
        };
        assert!(!look(50_000) && look(52_000));
        assert!(!look(0) && look(2000));
    }
}
