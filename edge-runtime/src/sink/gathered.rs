//! The faces of one frame, gathered from what the loop tells of it, and the message `faces` that they make.
//!
//! Whoever sends faces on gathers them in the loop, which takes no memory after the first frames, and computes
//! [gestures](vision::gesture) on a thread of its own.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::Rect;
use shared_model::keypoints::Keypoints;
use shared_model::message::{Face, FaceLine, RejectReason};
use vision::gesture::Gestures;

use super::FrameFacts;

/// The faces of one frame: the message `faces`.
#[derive(Debug, Clone, Default)]
pub struct FrameFaces {
    /// Name of the source that the frame is of.
    pub input: Arc<str>,
    /// Number of the frame in its input, from 0.
    pub frame: u64,
    /// When it was taken, in milliseconds since the source began.
    pub time_ms: u64,
    /// Width of the frame in pixels.
    pub width: usize,
    /// Height of the frame in pixels.
    pub height: usize,
    /// Mean of its grey values, 0 to 1.
    pub light: f32,
    /// What was seen in it.
    pub faces: Vec<SeenFace>,
    /// Names the scores; `None` before the first frame.
    pub classes: Option<Arc<ClassSet>>,
}

/// One face of a frame.
#[derive(Debug, Clone)]
pub struct SeenFace {
    /// Where it is, in pixels of the frame.
    pub bounds: Rect,
    /// The same from frame to frame while the face is tracked.
    pub id: Option<u32>,
    /// Why it is not judged, if it is not.
    pub reject_reason: Option<RejectReason>,
    /// A probability for each class.
    pub scores: Scores,
    /// In pixels of the frame.
    pub keypoints: Keypoints,
    /// Whether the verdict is about this face.
    pub counts: bool,
}

impl FrameFaces {
    /// The face that the verdict is about, if one is there.
    pub fn counting(&self) -> Option<&SeenFace> {
        self.faces.iter().find(|face| face.counts)
    }
}

/// Gathers the faces of frame after frame.
#[derive(Debug)]
pub struct Gatherer {
    classes: Arc<ClassSet>,
    /// Faces of the frame that is being told.
    faces: Vec<SeenFace>,
    input: Arc<str>,
    frame: u64,
}

impl Gatherer {
    /// Gathers nothing yet; `classes` name the scores, in their order.
    pub fn new(classes: &ClassSet) -> Self {
        Self {
            classes: Arc::new(classes.clone()),
            faces: Vec::new(),
            input: Arc::default(),
            frame: 0,
        }
    }

    /// Takes in one face of a frame, or the news that there is none.
    pub fn face(&mut self, line: &FaceLine<'_>) {
        if self.frame != line.frame || line.face.is_none() {
            self.faces.clear();
        }
        self.frame = line.frame;
        if *self.input != *line.input {
            self.input = line.input.into();
        }
        self.faces.extend(line.face.as_ref().map(|face| SeenFace {
            bounds: face.bounds,
            id: face.id,
            reject_reason: face.reject_reason,
            scores: face.scores.clone(),
            keypoints: face.keypoints,
            counts: false,
        }));
    }

    /// Hands the frame over whose faces were told, with what else is known of it.
    pub fn finish(&mut self, facts: &FrameFacts<'_>, message: &mut FrameFaces) {
        let one = self.faces.len() == 1;
        for face in &mut self.faces {
            face.counts = one || (face.id.is_some() && face.id == facts.counting);
        }
        if !Arc::ptr_eq(&message.input, &self.input) {
            message.input = Arc::clone(&self.input);
        }
        message.classes.get_or_insert_with(|| Arc::clone(&self.classes));
        (message.frame, message.time_ms) = (facts.number, facts.time_ms);
        (message.width, message.height, message.light) = (facts.width, facts.height, facts.light);
        message.faces.clear();
        message.faces.append(&mut self.faces);
    }

    /// Leaves the faces of the current frame out.
    pub fn discard(&mut self) {
        self.faces.clear();
    }
}

impl Serialize for FrameFaces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut message = serializer.serialize_map(None)?;
        message.serialize_entry("input", &*self.input)?;
        message.serialize_entry("frame", &self.frame)?;
        message.serialize_entry("time_ms", &self.time_ms)?;
        message.serialize_entry("width", &self.width)?;
        message.serialize_entry("height", &self.height)?;
        message.serialize_entry("light", &self.light)?;
        let named = |classes| -> Vec<Named<'_>> { self.faces.iter().map(|face| Named { face, classes }).collect() };
        let faces = self.classes.as_deref().map(named).unwrap_or_default();
        message.serialize_entry("faces", &faces)?;
        message.end()
    }
}

/// A face with the names of its scores.
struct Named<'a> {
    face: &'a SeenFace,
    classes: &'a ClassSet,
}

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let face = Face {
            bounds: self.face.bounds,
            id: self.face.id,
            reject_reason: self.face.reject_reason,
            classes: self.classes,
            scores: self.face.scores.clone(),
            keypoints: self.face.keypoints,
        };
        let mut map = serializer.serialize_map(None)?;
        face.entries(&mut map)?;
        map.serialize_entry("counts", &self.face.counts)?;
        map.serialize_entry("gestures", &Gestures::of(&self.face.keypoints).map(Shown::of))?;
        map.end()
    }
}

/// Gestures as they are sent: angles in degrees, lengths in distances of the eyes, to three decimals.
#[derive(Serialize)]
struct Shown {
    yaw: f32,
    pitch: f32,
    roll: f32,
    mouth_width: f32,
    mouth_height: f32,
    brow_left: f32,
    brow_right: f32,
}

impl Shown {
    fn of(gestures: Gestures) -> Self {
        let rounded = |value: f32| (value * 1000.0).round() / 1000.0;
        Self {
            yaw: rounded(gestures.pose.yaw),
            pitch: rounded(gestures.pose.pitch),
            roll: rounded(gestures.pose.roll),
            mouth_width: rounded(gestures.mouth_width),
            mouth_height: rounded(gestures.mouth_height),
            brow_left: rounded(gestures.brow_left),
            brow_right: rounded(gestures.brow_right),
        }
    }
}
