//! Where frames meet triggers, and triggers those who act. Nothing here waits: whoever acts has a queue or a thread.

use std::sync::Arc;
use std::time::Duration;

use shared_model::message::{FaceLine, State, Verdict};

use super::{Moment, Trigger, When};
use crate::sink::gpio::CommandSlot;
use crate::sink::outlet::{Bell, Fired};
use crate::sink::{FrameFacts, SignalSink, SinkError};

/// Tells the minute of the day, 0 to 1439.
pub type WallMinute = Box<dyn Fn() -> Option<u16> + Send>;

/// Shows the media of a name on the visitor's page, for so long.
pub type ShowMedia = Box<dyn Fn(&str, Duration) + Send>;

/// Those who act, where the configuration has them.
#[derive(Default)]
pub struct Effects {
    /// Pulses lines, where there are any.
    pub gpio: Option<Arc<CommandSlot>>,
    /// Shows media on the visitor's page.
    pub page: Option<ShowMedia>,
    /// Posts events to the webhook.
    pub webhook: Option<Bell>,
    /// Sends messages of Open Sound Control.
    pub osc: Option<Bell>,
    /// Those who hear of every trigger: datagrams and the serial port.
    pub all: Vec<Bell>,
}

/// Follows verdicts and fires the triggers that they meet.
pub struct WhenSink {
    triggers: Vec<Trigger>,
    effects: Effects,
    minute: WallMinute,
    /// Whether a trigger asks for the hour of the day.
    timed: bool,
    verdict: Verdict,
    confidence: f32,
    /// Longer sides of the faces of the frame that is being told, with their numbers.
    faces: Vec<(Option<u32>, f32)>,
    frame: u64,
}

impl WhenSink {
    /// Nothing has happened yet; `minute` tells the hour of the day where a trigger asks for it.
    pub fn new(whens: &[When], effects: Effects, minute: WallMinute) -> Self {
        Self {
            timed: whens.iter().any(|when| when.hours.is_some()),
            triggers: whens.iter().cloned().map(Trigger::new).collect(),
            effects,
            minute,
            verdict: Verdict::Unknown,
            confidence: 0.0,
            faces: Vec::new(),
            frame: 0,
        }
    }

    fn face_px(&self, counting: Option<u32>) -> Option<f32> {
        let one = self.faces.len() == 1;
        let counts = |(id, _): &&(Option<u32>, f32)| one || (id.is_some() && *id == counting);
        self.faces.iter().find(counts).map(|(_, px)| *px)
    }
}

impl Effects {
    fn act(&self, when: &When, fired: &Fired) {
        let actions = &when.actions;
        if let (Some((pin, length)), Some(gpio)) = (actions.pulse, &self.gpio) {
            gpio.pulse(pin, length);
        }
        if let (Some(length), Some(show)) = (actions.page, &self.page) {
            show(&when.name, length);
        }
        let webhook = self.webhook.iter().filter(|_| actions.webhook);
        let osc = self.osc.iter().filter(|_| actions.osc.is_some());
        for bell in webhook.chain(osc).chain(&self.all) {
            bell.ring(fired.clone());
        }
    }
}

impl SignalSink for WhenSink {
    fn name(&self) -> &'static str {
        "when"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        self.verdict = state.emotion.clone();
        self.confidence = state.confidence;
        Ok(())
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        if self.frame != line.frame || line.face.is_none() {
            self.faces.clear();
        }
        self.frame = line.frame;
        let face = line.face.as_ref();
        self.faces
            .extend(face.map(|face| (face.id, face.bounds.w.max(face.bounds.h))));
        Ok(())
    }

    fn measured(&mut self, facts: &FrameFacts<'_>) -> Result<(), SinkError> {
        let moment = Moment {
            time_ms: facts.time_ms,
            verdict: &self.verdict,
            face_px: self.face_px(facts.counting),
            minute: if self.timed { (self.minute)() } else { None },
        };
        for trigger in &mut self.triggers {
            if trigger.fires(&moment) {
                let when = trigger.when();
                let fired = Fired {
                    name: Arc::clone(&when.name),
                    address: when.actions.osc.clone().unwrap_or_default(),
                    verdict: self.verdict.clone(),
                    confidence: self.confidence,
                    time_ms: facts.time_ms,
                };
                self.effects.act(when, &fired);
                tracing::info!(about = &*when.name, "when: {} fires", when.name);
            }
        }
        self.faces.clear();
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The minute of the day at this place, by the clock of this machine.
pub fn local_minute() -> Option<u16> {
    let now = jiff::Zoned::now();
    u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).ok()
}
