//! From the faces of one frame after another to what is counted of them.

use shared_model::emotion::{ClassSet, Label, MAX_CLASSES};
use shared_model::message::{RejectReason, Verdict};
use vision::tracker::{MAX_FACES, REMEMBERED_MS};

use super::tally::{Share, Tally};
use crate::decide::{DecideConfig, DecideError, Decider, MAX_STALE_MS, Observation};

/// Who counts, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct VisitSettings {
    /// Shortest time from first to last sight that makes a track a visitor, in milliseconds: who walks past is none.
    pub visitor_ms: u64,
    /// Shortest time of a face towards the camera that makes a visitor attentive, in milliseconds.
    pub attention_ms: u64,
    /// The farthest that a face towards the camera is turned, in degrees of yaw and of pitch.
    pub facing_degrees: f32,
    /// Time without a sight after which a visit is over, in milliseconds: the tracker has let go of the number by then.
    pub(super) gone_ms: u64,
    /// The longest step from one sight to the next over which what was held is taken to have lasted, in milliseconds.
    longest_step_ms: u64,
    /// Most visits at once: those in sight, and as many whose number is still kept.
    visits: usize,
}

/// The settings that all counts are made by, so that those of different kiosks can be compared.
pub(super) const SETTINGS: VisitSettings = VisitSettings {
    visitor_ms: 1000,
    attention_ms: 1000,
    facing_degrees: 20.0,
    gone_ms: 2 * REMEMBERED_MS,
    longest_step_ms: MAX_STALE_MS,
    visits: 4 * MAX_FACES,
};

/// A face of a frame that is tracked.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Number of the track that the face belongs to.
    pub id: u32,
    /// Whether it is towards the camera; `None` where the keypoints cannot be relied on.
    pub towards: Option<bool>,
    /// What the networks say of the face.
    pub observation: Observation,
}

/// By which limits a visit's emotions are decided.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The settings of the verdict.
    pub decide: DecideConfig,
    /// Names of the bundle's classes, in its order.
    pub classes: ClassSet,
    /// The bundle's limit below which nothing is told, a probability.
    pub abstain_below: f32,
}

impl Rules {
    fn decider(&self) -> Result<Decider, DecideError> {
        Decider::new(self.decide, self.classes.clone(), self.abstain_below)
    }
}

/// One track in sight; gone with it.
#[derive(Debug, Clone)]
struct Visit {
    id: u32,
    first_ms: u64,
    /// Last sight of a face that the detector vouches for.
    last_ms: u64,
    /// Last frame in which the track was there at all.
    present_ms: u64,
    decider: Decider,
    /// The emotion that is held.
    held: Option<Label>,
    /// Emotions that were held, each once.
    told: heapless::Vec<Label, MAX_CLASSES>,
    /// Whether it was towards the camera at last sight.
    towards: bool,
    /// How long it has been so without looking away.
    towards_ms: u64,
    attentive: bool,
    /// What counts once this is a visitor; empty from then on.
    waiting: Option<Tally>,
}

impl Visit {
    fn new(id: u32, now_ms: u64, decider: Decider) -> Self {
        Self {
            id,
            first_ms: now_ms,
            last_ms: now_ms,
            present_ms: now_ms,
            decider,
            held: None,
            told: heapless::Vec::new(),
            towards: false,
            towards_ms: 0,
            attentive: false,
            waiting: Some(Tally::default()),
        }
    }

    fn see(&mut self, now_ms: u64, sight: &Sight, out: &mut Tally) {
        self.present_ms = now_ms;
        self.decider.observe(now_ms, &sight.observation);
        if sight.observation == Observation::Rejected(RejectReason::Unconfirmed) {
            return;
        }
        let step_ms = now_ms.saturating_sub(self.last_ms);
        self.last_ms = now_ms;
        if self.waiting.is_some() && now_ms.saturating_sub(self.first_ms) >= SETTINGS.visitor_ms {
            out.visitors += 1;
            out.add(&self.waiting.take().unwrap_or_default());
        }
        let attentive = self.attend(step_ms, sight.towards);
        let mut waiting = self.waiting.take();
        let counted = waiting.as_mut().unwrap_or(out);
        counted.attentive += u64::from(attentive);
        self.settle(step_ms, counted);
        self.waiting = waiting;
    }

    /// Whether this is the moment in which the visitor becomes attentive.
    fn attend(&mut self, step_ms: u64, towards: Option<bool>) -> bool {
        match towards {
            Some(true) if self.towards && step_ms <= SETTINGS.longest_step_ms => self.towards_ms += step_ms,
            Some(false) => self.towards_ms = 0,
            Some(true) | None => {}
        }
        self.towards = towards == Some(true);
        let new = !self.attentive && self.towards_ms >= SETTINGS.attention_ms;
        self.attentive |= new;
        new
    }

    /// Counts the time since the last sight for what was held over it, and takes up what is held now.
    fn settle(&mut self, step_ms: u64, counted: &mut Tally) {
        match &self.held {
            Some(label) if step_ms <= SETTINGS.longest_step_ms => counted.add_share(
                label,
                Share {
                    visitors: 0,
                    ms: step_ms,
                },
            ),
            _ => counted.abstained.ms += step_ms,
        }
        self.held = match self.decider.verdict() {
            Verdict::Emotion(label) => Some(label),
            Verdict::Uncertain | Verdict::NoFace | Verdict::Unknown => None,
        };
        let Some(label) = self.held.as_ref().filter(|label| !self.told.contains(label)) else {
            return;
        };
        // A label for each class at most.
        if self.told.push(label.clone()).is_ok() {
            counted.add_share(label, Share { visitors: 1, ms: 0 });
        }
    }

    fn end(self, out: &mut Tally) {
        if self.waiting.is_some() {
            return;
        }
        out.dwell.record(self.last_ms - self.first_ms);
        out.abstained.visitors += u64::from(self.told.is_empty());
    }
}

/// The visits of everybody who is there.
#[derive(Debug, Clone)]
pub struct Visits {
    rules: Rules,
    now: Vec<Visit>,
    now_ms: u64,
}

impl Visits {
    /// Nobody yet.
    ///
    /// # Errors
    /// Settings of the verdict out of their range.
    pub fn new(rules: Rules) -> Result<Self, DecideError> {
        rules.decide.check()?;
        Ok(Self {
            rules,
            now: Vec::with_capacity(SETTINGS.visits),
            now_ms: 0,
        })
    }

    /// Takes in the faces of the frame of this time, in milliseconds of the source; what is to be counted goes to `out`.
    ///
    /// A time before the last one ends all visits.
    pub fn see(&mut self, now_ms: u64, faces: &[Sight], out: &mut Tally) {
        if now_ms < self.now_ms {
            self.end_all(out);
        }
        self.now_ms = now_ms;
        self.end(out, |visit| now_ms.saturating_sub(visit.present_ms) > SETTINGS.gone_ms);
        for face in faces {
            if let Some(visit) = self.visit(now_ms, face.id, out) {
                visit.see(now_ms, face, out);
            }
        }
    }

    /// Ends every visit and adds it to `out`.
    pub fn end_all(&mut self, out: &mut Tally) {
        self.end(out, |_| true);
    }

    /// Tells emotions by other limits from now on.
    pub fn adopt(&mut self, decide: DecideConfig, abstain_below: f32) {
        (self.rules.decide, self.rules.abstain_below) = (decide, abstain_below);
        for visit in &mut self.now {
            visit.decider.adopt(decide, abstain_below);
        }
    }

    /// Whether no visit is under way.
    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    fn visit(&mut self, now_ms: u64, id: u32, out: &mut Tally) -> Option<&mut Visit> {
        if let Some(at) = self.now.iter().position(|visit| visit.id == id) {
            return self.now.get_mut(at);
        }
        if self.now.len() == SETTINGS.visits {
            let oldest = self.now.iter().map(|visit| visit.present_ms).min()?;
            self.end(out, |visit| visit.present_ms == oldest);
        }
        // The settings were checked.
        let decider = self.rules.decider().ok()?;
        self.now.push(Visit::new(id, now_ms, decider));
        self.now.last_mut()
    }

    fn end(&mut self, out: &mut Tally, over: impl Fn(&Visit) -> bool) {
        while let Some(at) = self.now.iter().position(&over) {
            self.now.swap_remove(at).end(out);
        }
    }
}
