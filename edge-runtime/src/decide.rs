//! From scores that flicker to a verdict that holds.
//!
//! Scores are smoothed over time; an emotion begins above one threshold and ends below a lower one, and
//! whatever is new must last a while (its *dwell*) before it is held true. What has not been judged for
//! too long is unknown. Nothing here reads a clock: the same observations at the same times give the
//! same verdicts.

use shared_model::emotion::{ClassSet, Label, MAX_CLASSES, Scores};
use shared_model::message::Verdict;

/// Longest time after which a verdict must not be held any more, in milliseconds.
pub const MAX_STALE_MS: u64 = 1000;

/// How verdicts are formed. Times are in milliseconds, thresholds are smoothed probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecideConfig {
    /// Time constant of the smoothing: after this time a new value has 63 % of the weight. 0 turns the
    /// smoothing off.
    pub smoothing_ms: u64,
    /// An emotion begins at this probability or above; the bundle's own limit holds if it is higher.
    pub enter: f32,
    /// An emotion that is held ends below this probability; at most `enter`. The bundle's own limit
    /// holds if it is higher.
    pub leave: f32,
    /// How long a new verdict must last before it replaces the old one.
    pub dwell_ms: u64,
    /// Age of the last judged frame above which nothing is known; 1 to [`MAX_STALE_MS`].
    pub stale_ms: u64,
}

impl Default for DecideConfig {
    fn default() -> Self {
        Self {
            smoothing_ms: 300,
            enter: 0.5,
            leave: 0.4,
            dwell_ms: 300,
            stale_ms: MAX_STALE_MS,
        }
    }
}

/// Why verdicts cannot be formed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("set up decision: {setting} must be {expected}")]
pub struct DecideError {
    /// Which setting.
    pub setting: &'static str,
    /// Its range.
    pub expected: &'static str,
}

impl DecideConfig {
    /// Checks every range.
    pub fn check(&self) -> Result<(), DecideError> {
        let rules = [
            ((0.0..=1.0).contains(&self.enter), "enter", "in 0..=1"),
            ((0.0..=1.0).contains(&self.leave), "leave", "in 0..=1"),
            (self.leave <= self.enter, "leave", "at most as high as enter"),
            ((1..=MAX_STALE_MS).contains(&self.stale_ms), "stale_ms", "in 1..=1000"),
        ];
        match rules.iter().find(|(holds, ..)| !holds) {
            Some(&(_, setting, expected)) => Err(DecideError { setting, expected }),
            None => Ok(()),
        }
    }
}

/// What was seen in one frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A face with these scores.
    Face(Scores),
    /// No face.
    NoFace,
}

/// A new verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When it became true.
    pub time_ms: u64,
    /// What is held true from then on.
    pub verdict: Verdict,
    /// Smoothed probability of the emotion; 0 where there is none.
    pub confidence: f32,
}

impl Change {
    /// Whether a face is there.
    pub fn face(&self) -> bool {
        matches!(self.verdict, Verdict::Emotion(_) | Verdict::Uncertain)
    }
}

/// A verdict by the number of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Emotion(usize),
    Uncertain,
    NoFace,
    Unknown,
}

/// Holds the verdict and everything it rests on.
#[derive(Debug, Clone)]
pub struct Decider {
    config: DecideConfig,
    classes: ClassSet,
    held: Held,
    /// What would replace the verdict, and since when it has been seen.
    candidate: Option<(Held, u64)>,
    /// Smoothed probabilities of the face that is there.
    smoothed: Option<heapless::Vec<f32, MAX_CLASSES>>,
    /// Time of the last observation.
    judged_ms: Option<u64>,
}

impl Decider {
    /// Starts with [`Verdict::Unknown`]; `abstain_below` is the bundle's limit below which no emotion is
    /// told.
    pub fn new(config: DecideConfig, classes: ClassSet, abstain_below: f32) -> Result<Self, DecideError> {
        config.check()?;
        Ok(Self {
            config: DecideConfig {
                enter: config.enter.max(abstain_below),
                leave: config.leave.max(abstain_below),
                ..config
            },
            classes,
            held: Held::Unknown,
            candidate: None,
            smoothed: None,
            judged_ms: None,
        })
    }

    /// Takes in what a frame showed at `now_ms`; a time before the last one counts as the last one.
    ///
    /// Gives the verdict if it changed. After a gap longer than the limit the change is to `Unknown`,
    /// and the observation is the first of a new count.
    pub fn observe(&mut self, now_ms: u64, observation: &Observation) -> Option<Change> {
        let now_ms = now_ms.max(self.judged_ms.unwrap_or(0));
        let stale = self.tick(now_ms);
        let target = match observation {
            Observation::NoFace => Held::NoFace,
            Observation::Face(scores) => {
                self.smooth(now_ms, scores);
                self.judge()
            }
        };
        self.judged_ms = Some(now_ms);
        let change = self.consider(now_ms, target);
        stale.or(change)
    }

    /// Lets time pass without an observation; gives the change to `Unknown` when it comes.
    pub fn tick(&mut self, now_ms: u64) -> Option<Change> {
        let judged_ms = self.judged_ms?;
        if now_ms.saturating_sub(judged_ms) <= self.config.stale_ms {
            return None;
        }
        self.smoothed = None;
        self.candidate = None;
        if self.held == Held::Unknown {
            return None;
        }
        Some(self.hold(now_ms, Held::Unknown))
    }

    /// What is held true.
    pub fn verdict(&self) -> Verdict {
        match self.held {
            Held::Emotion(class) => self.label(class).map_or(Verdict::Unknown, Verdict::Emotion),
            Held::Uncertain => Verdict::Uncertain,
            Held::NoFace => Verdict::NoFace,
            Held::Unknown => Verdict::Unknown,
        }
    }

    fn label(&self, class: usize) -> Option<Label> {
        Label::try_from(self.classes.label(class)?).ok()
    }

    /// Exponential moving average with the weight `1 - exp(-dt / time constant)` for the new value.
    fn smooth(&mut self, now_ms: u64, scores: &Scores) {
        let values = scores.as_slice();
        let elapsed = now_ms.saturating_sub(self.judged_ms.unwrap_or(now_ms));
        match &mut self.smoothed {
            Some(smoothed) if smoothed.len() == values.len() && self.config.smoothing_ms > 0 => {
                let weight = 1.0 - (-(elapsed as f32) / self.config.smoothing_ms as f32).exp();
                for (smoothed, value) in smoothed.iter_mut().zip(values) {
                    *smoothed += weight * (value - *smoothed);
                }
            }
            smoothed => *smoothed = Some(values.iter().copied().collect()),
        }
    }

    /// What the smoothed scores say, given what is held.
    fn judge(&self) -> Held {
        let Some((top, score)) = self.top() else {
            return Held::Uncertain;
        };
        let entering = score >= self.config.enter;
        if let Held::Emotion(class) = self.held {
            let rival = top != class && entering;
            if !rival && self.probability(class) >= self.config.leave {
                return self.held;
            }
        }
        if entering { Held::Emotion(top) } else { Held::Uncertain }
    }

    /// The most probable of the known classes.
    fn top(&self) -> Option<(usize, f32)> {
        let smoothed = self.smoothed.as_ref()?.iter().take(self.classes.len());
        smoothed
            .copied()
            .enumerate()
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
    }

    fn probability(&self, class: usize) -> f32 {
        self.smoothed
            .as_ref()
            .and_then(|smoothed| smoothed.get(class))
            .copied()
            .unwrap_or(0.0)
    }

    /// Counts the dwell of a target that is not held yet.
    fn consider(&mut self, now_ms: u64, target: Held) -> Option<Change> {
        if target == self.held {
            self.candidate = None;
            return None;
        }
        let since_ms = match self.candidate {
            Some((candidate, since_ms)) if candidate == target => since_ms,
            _ => now_ms,
        };
        self.candidate = Some((target, since_ms));
        (now_ms - since_ms >= self.config.dwell_ms).then(|| self.hold(now_ms, target))
    }

    fn hold(&mut self, now_ms: u64, held: Held) -> Change {
        self.held = held;
        self.candidate = None;
        let confidence = match held {
            Held::Emotion(class) => self.probability(class),
            Held::NoFace => {
                // The next face is another one: its scores start anew.
                self.smoothed = None;
                0.0
            }
            Held::Uncertain | Held::Unknown => 0.0,
        };
        Change {
            time_ms: now_ms,
            verdict: self.verdict(),
            confidence,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One step of a story: what is seen when, and the word that must come of it (`-`: no change).
    type Step<'a> = (u64, See, &'a str);

    #[derive(Clone, Copy)]
    enum See {
        /// A face whose probability of `A` is this, of `B` the rest.
        A(f32),
        /// Nobody.
        Nobody,
        /// No frame: only time passes.
        Time,
    }
    use See::{A, Nobody, Time};

    fn decider(config: DecideConfig) -> Decider {
        Decider::new(config, ClassSet::new(&["A", "B", "C"]).unwrap(), 0.0).unwrap()
    }

    fn scores(a: f32) -> Scores {
        // ln of the wanted probabilities as logits; `C` gets next to nothing.
        let logits = [a.max(1e-6).ln(), (1.0 - a).max(1e-6).ln(), -30.0];
        Scores::from_logits(&logits, 1.0).unwrap()
    }

    fn tell(decider: &mut Decider, steps: &[Step]) {
        for (at, (now, see, expected)) in steps.iter().enumerate() {
            let change = match see {
                A(a) => decider.observe(*now, &Observation::Face(scores(*a))),
                Nobody => decider.observe(*now, &Observation::NoFace),
                Time => decider.tick(*now),
            };
            let word = change.as_ref().map_or("-", |change| change.verdict.as_str());
            assert_eq!(word, *expected, "step {at} at {now} ms");
            if let Some(change) = change {
                assert_eq!(change.time_ms, *now);
                assert_eq!(change.verdict, decider.verdict());
            }
        }
    }

    const PLAIN: DecideConfig = DecideConfig {
        smoothing_ms: 0,
        enter: 0.6,
        leave: 0.4,
        dwell_ms: 0,
        stale_ms: 1000,
    };

    #[test]
    fn holds_emotion_until_dwell_passes() {
        let mut decider = decider(DecideConfig { dwell_ms: 200, ..PLAIN });
        let steps = [
            (0, A(0.9), "-"),
            (100, A(0.9), "-"),
            (200, A(0.9), "A"),
            (300, A(0.1), "-"),
            (400, A(0.9), "-"),
            (500, A(0.1), "-"),
            (600, A(0.1), "-"),
            (699, A(0.1), "-"),
            (700, A(0.1), "B"),
        ];
        tell(&mut decider, &steps);
    }

    #[test]
    fn enters_high_and_leaves_low() {
        let steps = [
            (0, A(0.55), "uncertain"),
            (10, A(0.59), "-"),
            (20, A(0.65), "A"),
            (30, A(0.45), "-"),
            (40, A(0.41), "-"),
            // `B` has 0.61 now: a rival that enters wins at once.
            (50, A(0.39), "B"),
            (60, A(0.55), "-"),
            (70, A(0.59), "-"),
            (80, A(0.61), "A"),
        ];
        tell(&mut decider(PLAIN), &steps);
    }

    #[test]
    fn leaves_to_uncertain_where_no_rival_is_certain() {
        let mut decider = decider(DecideConfig {
            enter: 0.8,
            leave: 0.5,
            ..PLAIN
        });
        tell(
            &mut decider,
            &[(0, A(0.9), "A"), (10, A(0.51), "-"), (20, A(0.45), "uncertain")],
        );
    }

    #[test]
    fn bundle_limit_raises_both_thresholds() {
        let classes = ClassSet::new(&["A", "B", "C"]).unwrap();
        let mut decider = Decider::new(PLAIN, classes, 0.8).unwrap();
        tell(
            &mut decider,
            &[
                (0, A(0.79), "uncertain"),
                (10, A(0.81), "A"),
                (20, A(0.79), "uncertain"),
            ],
        );
    }

    #[test]
    fn nobody_must_last_as_well_and_forgets_the_face() {
        let mut decider = decider(DecideConfig {
            dwell_ms: 100,
            smoothing_ms: 1000,
            ..PLAIN
        });
        let steps = [
            (0, A(1.0), "-"),
            (100, A(1.0), "A"),
            (200, Nobody, "-"),
            (250, A(1.0), "-"),
            (300, Nobody, "-"),
            (400, Nobody, "no_face"),
            // Without forgetting, the smoothing would still be near A.
            (500, A(0.0), "-"),
            (600, A(0.0), "B"),
        ];
        tell(&mut decider, &steps);
    }

    #[test]
    fn unknown_when_the_last_judged_frame_is_older_than_the_limit() {
        let steps = [
            (0, Time, "-"),
            (0, A(0.9), "A"),
            (1000, Time, "-"),
            (1001, Time, "unknown"),
            (3000, Time, "-"),
            (3100, A(0.9), "A"),
            (3200, Nobody, "no_face"),
            (4201, Time, "unknown"),
        ];
        tell(&mut decider(PLAIN), &steps);
    }

    #[test]
    fn a_gap_between_observations_is_told_first() {
        let mut decider = decider(DecideConfig { dwell_ms: 100, ..PLAIN });
        let steps = [
            (0, A(0.9), "-"),
            (100, A(0.9), "A"),
            (1200, A(0.9), "unknown"),
            (1250, A(0.9), "-"),
            (1300, A(0.9), "A"),
        ];
        tell(&mut decider, &steps);
    }

    #[test]
    fn smoothing_follows_the_time_constant() {
        let mut decider = decider(DecideConfig {
            smoothing_ms: 100,
            enter: 0.5,
            leave: 0.5,
            ..PLAIN
        });
        decider.observe(0, &Observation::Face(scores(1.0)));
        decider.observe(100, &Observation::Face(scores(0.0)));
        // exp(-1)
        assert!((decider.probability(0) - 0.367_879).abs() < 1e-4);
        // Two half steps weigh as one whole step.
        decider.observe(150, &Observation::Face(scores(0.0)));
        decider.observe(200, &Observation::Face(scores(0.0)));
        assert!((decider.probability(0) - 0.135_335).abs() < 1e-4);
    }

    #[test]
    fn time_that_runs_backwards_stands_still() {
        let mut decider = decider(DecideConfig { dwell_ms: 100, ..PLAIN });
        tell(
            &mut decider,
            &[
                (500, A(0.9), "-"),
                (400, A(0.9), "-"),
                (0, Time, "-"),
                (599, A(0.9), "-"),
            ],
        );
        assert_eq!(decider.observe(50, &Observation::Face(scores(0.9))), None);
        assert_eq!(
            decider.observe(600, &Observation::Face(scores(0.9))).unwrap().time_ms,
            600
        );
    }

    #[test]
    fn confidence_is_that_of_the_emotion_and_face_tells_whether_someone_is_there() {
        let mut decider = decider(PLAIN);
        let change = decider.observe(0, &Observation::Face(scores(0.9))).unwrap();
        assert!((change.confidence - 0.9).abs() < 1e-3 && change.face());
        let change = decider
            .observe(1, &Observation::Face(scores(0.5)))
            .map(|change| change.face());
        assert_eq!(change, None);
        let change = decider.observe(2, &Observation::NoFace).unwrap();
        assert!(change.confidence == 0.0 && !change.face());
    }

    #[test]
    fn refuses_settings_out_of_range() {
        for bad in [
            DecideConfig { enter: 1.1, ..PLAIN },
            DecideConfig {
                enter: f32::NAN,
                ..PLAIN
            },
            DecideConfig { leave: -0.1, ..PLAIN },
            DecideConfig { leave: 0.7, ..PLAIN },
            DecideConfig { stale_ms: 0, ..PLAIN },
            DecideConfig {
                stale_ms: 1001,
                ..PLAIN
            },
        ] {
            assert!(Decider::new(bad, ClassSet::product(), 0.0).is_err(), "{bad:?}");
        }
        assert_eq!(DecideConfig::default().check(), Ok(()));
    }
}
