//! From scores that flicker to a verdict that holds.
//!
//! Scores are smoothed over time; an emotion begins above one threshold and ends below a lower one, and
//! whatever is new must last a while (its *dwell*) before it is held true. Where the classes have Neutral, a
//! verdict rests there: an emotion must be clearly more probable to begin, and what it leaves behind is
//! Neutral again. What has not been judged for too long is unknown. Nothing here reads a clock: the same
//! observations at the same times give the same verdicts.

mod seen;

use shared_model::emotion::{ClassSet, Label, MAX_CLASSES, Scores};
use shared_model::message::{RejectReason, Verdict};

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
    /// An emotion that is held ends below this probability; at most `enter`.
    pub leave: f32,
    /// By how much an emotion must be more probable than Neutral to begin. Without effect where the classes
    /// have no Neutral.
    pub neutral_margin: f32,
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
            neutral_margin: 0.2,
            dwell_ms: 300,
            stale_ms: MAX_STALE_MS,
        }
    }
}

/// Why verdicts cannot be formed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("set up decision: {setting} must be {expected}")]
pub struct DecideError {
    /// Name of the setting, as in the configuration.
    pub setting: &'static str,
    /// The range that it must lie in.
    pub expected: &'static str,
}

impl DecideConfig {
    /// Checks that every setting lies in its range.
    ///
    /// # Errors
    ///
    /// The first setting that lies outside its range.
    pub fn check(&self) -> Result<(), DecideError> {
        let rules = [
            ((0.0..=1.0).contains(&self.enter), "enter", "in 0..=1"),
            ((0.0..=1.0).contains(&self.leave), "leave", "in 0..=1"),
            (self.leave <= self.enter, "leave", "at most as high as enter"),
            ((0.0..=1.0).contains(&self.neutral_margin), "neutral_margin", "in 0..=1"),
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
    /// A face that cannot be judged, and why.
    Rejected(RejectReason),
    /// No face that counts was there.
    NoFace,
}

/// A verdict that replaces the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When it became true, in milliseconds since the source began.
    pub time_ms: u64,
    /// What is held true from then on.
    pub verdict: Verdict,
    /// Smoothed probability of the emotion; 0 where there is none.
    pub confidence: f32,
    /// Why the face is not judged, if that is what makes the verdict uncertain.
    pub reason: Option<RejectReason>,
}

impl Change {
    /// Whether a face is there.
    pub fn face(&self) -> bool {
        matches!(self.verdict, Verdict::Emotion(_) | Verdict::Uncertain)
    }
}

/// A verdict by the number of its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldVerdict {
    Emotion(usize),
    Uncertain,
    NoFace,
    Unknown,
}

/// What would be held true if it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    held: HeldVerdict,
    reason: Option<RejectReason>,
    since_ms: u64,
}

/// Holds the verdict and everything it rests on.
#[derive(Debug, Clone)]
pub struct Decider {
    config: DecideConfig,
    classes: ClassSet,
    held: HeldVerdict,
    /// Why it is uncertain, where it is because the face cannot be judged.
    reason: Option<RejectReason>,
    /// What would replace the verdict, and since when it has been seen.
    candidate: Option<Candidate>,
    /// Since when a face has been there of which the verdict says nothing.
    untold_ms: Option<u64>,
    /// Smoothed probabilities of the face that is there.
    smoothed: Option<heapless::Vec<f32, MAX_CLASSES>>,
    /// Time of the last observation.
    judged_ms: Option<u64>,
    /// Time of the last scores.
    scored_ms: u64,
    /// Number of the last face that counted.
    face: Option<u32>,
}

/// The bundle's limit holds where it is higher. It says what may be told: it does not end what is held, or a score near
/// it would come and go.
fn limited(config: DecideConfig, abstain_below: f32) -> DecideConfig {
    DecideConfig {
        enter: config.enter.max(abstain_below),
        ..config
    }
}

impl Decider {
    /// Starts with [`Verdict::Unknown`]; `abstain_below` is the bundle's limit below which no emotion is
    /// told.
    ///
    /// # Errors
    ///
    /// The first setting that lies outside its range.
    pub fn new(config: DecideConfig, classes: ClassSet, abstain_below: f32) -> Result<Self, DecideError> {
        config.check()?;
        Ok(Self {
            config: limited(config, abstain_below),
            classes,
            held: HeldVerdict::Unknown,
            reason: None,
            candidate: None,
            untold_ms: None,
            smoothed: None,
            judged_ms: None,
            scored_ms: 0,
            face: None,
        })
    }

    /// Goes on with other limits, as another bundle with the same classes has them.
    pub fn adopt(&mut self, config: DecideConfig, abstain_below: f32) {
        self.config = limited(config, abstain_below);
    }

    /// Takes in what a frame showed at `now_ms`; a time before the last one counts as the last one.
    ///
    /// Gives the verdict if it changed. After a gap longer than the limit the change is to `Unknown`,
    /// and the observation is the first of a new count.
    pub fn observe(&mut self, now_ms: u64, observation: &Observation) -> Option<Change> {
        let now_ms = now_ms.max(self.judged_ms.unwrap_or(0));
        let stale = self.tick(now_ms);
        let (target, reason) = match observation {
            Observation::NoFace => (HeldVerdict::NoFace, None),
            Observation::Rejected(why) => (HeldVerdict::Uncertain, Some(*why)),
            Observation::Face(scores) => {
                self.smooth(now_ms, scores);
                (self.target(), None)
            }
        };
        self.judged_ms = Some(now_ms);
        if stale.is_some() {
            // One change at a time, or this one would never be told.
            self.candidate = (target != self.held).then_some(Candidate {
                held: target,
                reason,
                since_ms: now_ms,
            });
            return stale;
        }
        self.consider(now_ms, target, reason)
    }

    /// Lets time pass without an observation; gives the change to `Unknown` when it comes.
    pub fn tick(&mut self, now_ms: u64) -> Option<Change> {
        let judged_ms = self.judged_ms?;
        if now_ms.saturating_sub(judged_ms) <= self.config.stale_ms {
            return None;
        }
        self.smoothed = None;
        (self.candidate, self.untold_ms) = (None, None);
        if self.held == HeldVerdict::Unknown {
            return None;
        }
        Some(self.hold(now_ms, HeldVerdict::Unknown, None))
    }

    /// What is held true before anything was seen, as a change to tell.
    pub fn beginning(&self) -> Change {
        Change {
            time_ms: 0,
            verdict: self.verdict(),
            confidence: 0.0,
            reason: None,
        }
    }

    /// Nothing is known from now on, at `now_ms` or at the last observation; gives the change to `Unknown` if there is one.
    pub fn interrupt(&mut self, now_ms: Option<u64>) -> Option<Change> {
        self.smoothed = None;
        (self.candidate, self.untold_ms) = (None, None);
        if self.held == HeldVerdict::Unknown {
            return None;
        }
        let last_ms = self.judged_ms.unwrap_or(0);
        Some(self.hold(now_ms.unwrap_or(last_ms).max(last_ms), HeldVerdict::Unknown, None))
    }

    /// The next face is another one: its scores and its dwell start anew. What is held stays until then.
    pub fn another_face(&mut self) {
        self.smoothed = None;
        (self.candidate, self.untold_ms) = (None, None);
    }

    /// The verdict that is held true now.
    pub fn verdict(&self) -> Verdict {
        match self.held {
            HeldVerdict::Emotion(class) => self.label(class).map_or(Verdict::Unknown, Verdict::Emotion),
            HeldVerdict::Uncertain => Verdict::Uncertain,
            HeldVerdict::NoFace => Verdict::NoFace,
            HeldVerdict::Unknown => Verdict::Unknown,
        }
    }

    fn label(&self, class: usize) -> Option<Label> {
        Label::try_from(self.classes.label(class)?).ok()
    }

    /// Exponential moving average with the weight `1 - exp(-dt / time constant)` for the new value.
    fn smooth(&mut self, now_ms: u64, scores: &Scores) {
        let values = scores.as_slice();
        let elapsed = now_ms.saturating_sub(self.scored_ms);
        self.scored_ms = now_ms;
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
    fn target(&self) -> HeldVerdict {
        let Some((top, score)) = self.top_emotion() else {
            return HeldVerdict::Uncertain;
        };
        let neutral = self.classes.neutral();
        let resting = neutral.map(|class| self.probability(class));
        let clear = resting.is_none_or(|resting| score - resting >= self.config.neutral_margin);
        let entering = score >= self.config.enter && clear;
        if let HeldVerdict::Emotion(class) = self.held
            && neutral != Some(class)
        {
            let rival = top != class && entering;
            let own = self.probability(class);
            if !rival && own >= self.config.leave && resting.is_none_or(|resting| own >= resting) {
                return self.held;
            }
        }
        match neutral {
            _ if entering => HeldVerdict::Emotion(top),
            Some(class) if self.rests(class, score) => HeldVerdict::Emotion(class),
            _ => HeldVerdict::Uncertain,
        }
    }

    /// Whether the face is neutral, while the most probable emotion has this `score`. Once held, it ends at half of what
    /// it begins with, so that it does not come and go with an undecided face.
    fn rests(&self, neutral: usize, score: f32) -> bool {
        let resting = self.probability(neutral);
        if self.held == HeldVerdict::Emotion(neutral) {
            resting >= self.config.leave / 2.0
        } else {
            resting >= self.config.leave && resting >= score
        }
    }

    /// The most probable of the known classes but Neutral.
    fn top_emotion(&self) -> Option<(usize, f32)> {
        let neutral = self.classes.neutral();
        let smoothed = self.smoothed.as_ref()?.iter().take(self.classes.len());
        smoothed
            .copied()
            .enumerate()
            .filter(|(class, _)| Some(*class) != neutral)
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
    }

    fn probability(&self, class: usize) -> f32 {
        self.smoothed
            .as_ref()
            .and_then(|smoothed| smoothed.get(class))
            .copied()
            .unwrap_or(0.0)
    }

    /// Counts the dwell of a target that is not held yet. Why a face is not judged must last as well to be
    /// told, but does not hold up the news that it is not. A face of which nothing lasts is uncertain after two dwells.
    fn consider(&mut self, now_ms: u64, target: HeldVerdict, reason: Option<RejectReason>) -> Option<Change> {
        let is_face = |held: HeldVerdict| matches!(held, HeldVerdict::Emotion(_) | HeldVerdict::Uncertain);
        let untold = is_face(target) && !is_face(self.held);
        self.untold_ms = untold.then(|| self.untold_ms.unwrap_or(now_ms));
        let known = target == self.held;
        if known && reason == self.reason {
            self.candidate = None;
            return None;
        }
        let same = |candidate: &Candidate| candidate.held == target && (!known || candidate.reason == reason);
        let since_ms = self
            .candidate
            .filter(same)
            .map_or(now_ms, |candidate| candidate.since_ms);
        self.candidate = Some(Candidate {
            held: target,
            reason,
            since_ms,
        });
        if now_ms - since_ms >= self.config.dwell_ms {
            return Some(self.hold(now_ms, target, reason));
        }
        let untold_ms = self.untold_ms.map_or(0, |since_ms| now_ms - since_ms);
        (untold && untold_ms >= 2 * self.config.dwell_ms).then(|| self.hold(now_ms, HeldVerdict::Uncertain, None))
    }

    fn hold(&mut self, now_ms: u64, held: HeldVerdict, reason: Option<RejectReason>) -> Change {
        (self.held, self.reason) = (held, reason);
        (self.candidate, self.untold_ms) = (None, None);
        let confidence = match held {
            HeldVerdict::Emotion(class) => self.probability(class),
            HeldVerdict::NoFace => {
                // The next face is another one: its scores start anew.
                self.smoothed = None;
                0.0
            }
            HeldVerdict::Uncertain | HeldVerdict::Unknown => 0.0,
        };
        Change {
            time_ms: now_ms,
            verdict: self.verdict(),
            confidence,
            reason,
        }
    }
}

#[cfg(test)]
mod tests;
