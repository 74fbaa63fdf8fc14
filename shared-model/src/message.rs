//! What the runtime tells the world.
//!
//! [`FaceLine`] is one line of `classify`: a face in one picture, nothing decided over time.
//! [`State`] is what `run` holds true right now, after smoothing and dwell; it goes out when it changes.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::Text;
use crate::emotion::{ClassSet, Label, Scores};
use crate::image::Rect;
use crate::keypoints::Keypoints;

/// One face in one picture, or the news that there is none.
///
/// In JSON: `{"input", "frame", "face": {"x", "y", "w", "h"}, "emotion", "confidence",
/// "scores": {…}, "keypoints": [[x, y] × 15]}` with coordinates in pixels of the input; without a face
/// `{"input", "frame", "face": null}`. A face that is followed has an `"id"` behind `"face"`; one that is
/// not judged has `"emotion": null, "confidence": null, "scores": {}` and a `"reason"` behind them.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceLine<'a> {
    /// Name of the picture or stream as it was given.
    pub input: &'a str,
    /// Number of the picture in a stream, from 0; 0 for a single picture.
    pub frame: u64,
    /// When the frame was taken, in milliseconds since the source began; `None` for pictures that have no time.
    pub time_ms: Option<u64>,
    /// The face, if there is one.
    pub face: Option<Face<'a>>,
}

/// What is known of one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Face<'a> {
    /// Where it is, in pixels of the input.
    pub bounds: Rect,
    /// The same from frame to frame while the face is followed; `None` where nobody is.
    pub id: Option<u32>,
    /// Why the face is not judged; its scores do not count then.
    pub reject_reason: Option<RejectReason>,
    /// The classes, for the names of the scores.
    pub classes: &'a ClassSet,
    /// A probability for each class.
    pub scores: Scores,
    /// In pixels of the input.
    pub keypoints: Keypoints,
}

/// Why a face that is there is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// It looks to the side.
    TurnedAway,
    /// The face is too dark.
    Dark,
    /// Light and shade hardly differ.
    LowContrast,
    /// It is out of focus, or moves too fast.
    Blurred,
    /// Mouth and nose are hidden, as by a mask.
    Covered,
    /// The detector has not seen it for a while, nor does it look as it did then: it may be gone.
    Unconfirmed,
}

impl RejectReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TurnedAway => "turned_away",
            Self::Dark => "dark",
            Self::LowContrast => "low_contrast",
            Self::Blurred => "blurred",
            Self::Covered => "covered",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

impl Face<'_> {
    /// Label and probability of the most probable class.
    ///
    /// `None` if the face is not judged, or if there are no scores, or more than classes.
    pub fn top(&self) -> Option<(&str, f32)> {
        if self.reject_reason.is_some() {
            return None;
        }
        let (class, score) = self.scores.top()?;
        Some((self.classes.label(class)?, score))
    }

    /// Writes the fields of a face into a map of JSON, in the order of a [`FaceLine`].
    ///
    /// # Errors
    ///
    /// When `map` refuses an entry.
    pub fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("face", &self.bounds)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", &id)?;
        }
        let top = self.top();
        map.serialize_entry("emotion", &top.map(|(label, _)| label))?;
        map.serialize_entry("confidence", &top.map(|(_, score)| score))?;
        map.serialize_entry("scores", &ByLabel(self))?;
        if let Some(reject_reason) = self.reject_reason {
            map.serialize_entry("reason", &reject_reason)?;
        }
        map.serialize_entry("keypoints", &self.keypoints.0)
    }
}

impl Serialize for FaceLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("input", self.input)?;
        line.serialize_entry("frame", &self.frame)?;
        if let Some(time_ms) = self.time_ms {
            line.serialize_entry("time_ms", &time_ms)?;
        }
        let Some(face) = &self.face else {
            line.serialize_entry("face", &None::<Rect>)?;
            return line.end();
        };
        face.entries(&mut line)?;
        line.end()
    }
}

/// The scores of a face as a map from label to probability.
struct ByLabel<'a>(&'a Face<'a>);

impl Serialize for ByLabel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let judged = if self.0.reject_reason.is_none() {
            self.0.scores.as_slice()
        } else {
            &[]
        };
        serializer.collect_map(self.0.classes.iter().zip(judged))
    }
}

/// What is held true now.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// A face shows this emotion.
    Emotion(Label),
    /// A face is there, but no emotion is certain enough.
    Uncertain,
    /// No face is in the frame.
    NoFace,
    /// Nothing recent is known: no frame has been judged for too long.
    Unknown,
}

impl Verdict {
    /// The word on the wire: the label, `uncertain`, `no_face` or `unknown`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Emotion(label) => label,
            Self::Uncertain => "uncertain",
            Self::NoFace => "no_face",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the device says: the verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// Identifies the start of the program, so that `sequence` may begin anew.
    pub boot: Text<32>,
    /// Number of this state since the start, from 0, without gaps.
    pub sequence: u64,
    /// Milliseconds since the start of the source at which the state became true.
    pub time_ms: u64,
    /// The verdict that is held true.
    pub emotion: Verdict,
    /// Smoothed probability of the emotion, 0 to 1; 0 where there is none.
    pub confidence: f32,
    /// Whether a face is there.
    pub face: bool,
    /// Why the face that is there is not judged, if it is not; left out in JSON otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<RejectReason>,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::*;
    use crate::keypoints::COUNT;

    #[test]
    fn face_line_has_the_documented_fields() {
        let classes = ClassSet::new(&["Sad", "Happy"]).unwrap();
        let line = FaceLine {
            input: "a.png",
            frame: 3,
            time_ms: None,
            face: Some(Face {
                bounds: Rect {
                    x: 1.0,
                    y: 2.0,
                    w: 3.0,
                    h: 4.0,
                },
                id: None,
                reject_reason: None,
                classes: &classes,
                scores: Scores::from_logits(&[0.0, 0.0], 1.0).unwrap(),
                keypoints: Keypoints([[5.0, 6.5]; COUNT]),
            }),
        };
        let json: serde_json::Value = serde_json::to_value(&line).unwrap();
        assert_eq!(json["input"], "a.png");
        assert_eq!(json["frame"], 3);
        assert_eq!(
            json["face"],
            serde_json::json!({"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0})
        );
        assert_eq!(json["emotion"], "Sad");
        assert_eq!(json["confidence"], 0.5);
        assert_eq!(json["scores"], serde_json::json!({"Sad": 0.5, "Happy": 0.5}));
        assert_eq!(json["keypoints"].as_array().map(std::vec::Vec::len), Some(COUNT));
        assert_eq!(json["keypoints"][14], serde_json::json!([5.0, 6.5]));
    }

    #[test]
    fn followed_faces_have_an_id_and_unjudged_ones_a_reason_and_no_emotion() {
        let classes = ClassSet::new(&["Sad", "Happy"]).unwrap();
        let mut face = Face {
            bounds: Rect {
                x: 1.0,
                y: 2.0,
                w: 3.0,
                h: 4.0,
            },
            id: Some(7),
            reject_reason: None,
            classes: &classes,
            scores: Scores::from_logits(&[0.0, 0.0], 1.0).unwrap(),
            keypoints: Keypoints([[5.0, 6.5]; COUNT]),
        };
        let line = |face: &Face| {
            serde_json::to_value(FaceLine {
                input: "a",
                frame: 0,
                time_ms: None,
                face: Some(face.clone()),
            })
            .unwrap()
        };
        let json = line(&face);
        assert_eq!((&json["id"], &json["emotion"]), (&7.into(), &"Sad".into()));
        assert!(json.get("reason").is_none());
        for reject_reason in [
            RejectReason::TurnedAway,
            RejectReason::Dark,
            RejectReason::LowContrast,
            RejectReason::Blurred,
            RejectReason::Covered,
            RejectReason::Unconfirmed,
        ] {
            face.reject_reason = Some(reject_reason);
            let json = line(&face);
            assert_eq!(json["reason"], reject_reason.as_str());
            assert!(json["emotion"].is_null() && json["confidence"].is_null());
            assert_eq!(json["scores"], serde_json::json!({}));
            assert!(json["keypoints"].is_array());
        }
    }

    #[test]
    fn line_without_a_face_says_so_and_no_more() {
        let line = FaceLine {
            input: "-",
            frame: 0,
            time_ms: None,
            face: None,
        };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"input":"-","frame":0,"face":null}"#
        );
    }

    #[test]
    fn state_names_the_verdict() {
        let state = State {
            boot: Text::try_from("b1").unwrap(),
            sequence: 7,
            time_ms: 1500,
            emotion: Verdict::NoFace,
            confidence: 0.0,
            face: false,
            reason: None,
        };
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(
            json,
            r#"{"boot":"b1","sequence":7,"time_ms":1500,"emotion":"no_face","confidence":0.0,"face":false}"#
        );
        assert_eq!(
            Verdict::Emotion(Label::try_from("Happy").unwrap()).as_str().to_string(),
            "Happy"
        );
    }
}
