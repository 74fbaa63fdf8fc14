//! Open Sound Control: FaceOSC's addresses, so that patches made for it work, and verdicts beside them.
//!
//! A judged frame is one bundle. FaceOSC measures gestures in a unit of its own; what goes out under its addresses is scaled
//! so that a calm face lies where its patches expect one. Eyes, jaw and nostrils cannot be told from 15 keypoints, and are
//! not sent.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType};
use shared_model::emotion::ClassSet;
use shared_model::image::Rect;
use shared_model::message::State;
use vision::gesture::Gestures;

use super::datagram::Datagrams;
use super::gathered::{FrameFaces, SeenFace};
use super::outlet::{Fired, Outlet, Recipient, Sends};

/// UDP port to which FaceOSC sends.
pub const PORT: u16 = 8338;

/// FaceOSC's unit of length in one distance of the eyes: a calm mouth is about 14 wide.
const UNIT: f32 = 17.0;

/// The same for brows, which FaceOSC measures from the lid to the middle of the brow: about 7.5 in a calm face.
const BROW_UNIT: f32 = 30.0;

/// How often the verdict is told again: datagrams get lost, and patches are started late.
const AGAIN: Duration = Duration::from_secs(1);

/// Where messages of Open Sound Control go, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OscConfig {
    /// Address and port of the receiver.
    pub target: SocketAddr,
}

/// Starts to send verdicts and faces.
///
/// # Errors
/// Where the system gives no socket or no thread.
pub fn start(config: OscConfig, classes: &ClassSet) -> io::Result<Outlet> {
    Outlet::start("osc", Sends::Faces, classes, |_| {
        Ok(Osc {
            datagrams: Datagrams::to(config.target)?,
            verdict: None,
        })
    })
}

/// A message that no patch listens to, to see whether somebody is there.
///
/// # Errors
/// None in practice: a message without arguments can always be written.
pub fn hello() -> io::Result<Vec<u8>> {
    bytes(&OscPacket::Message(message("/hello", Vec::new())))
}

struct Osc {
    datagrams: Datagrams,
    /// The verdict that holds, and when it was told last.
    verdict: Option<(OscPacket, Instant)>,
}

impl Osc {
    fn send(&self, packet: &OscPacket) -> io::Result<()> {
        self.datagrams.send(&bytes(packet)?)
    }
}

impl Recipient for Osc {
    fn state(&mut self, state: &State) -> io::Result<()> {
        let packet = OscPacket::Message(verdict(state));
        let sent = self.send(&packet);
        self.verdict = Some((packet, Instant::now()));
        sent
    }

    fn faces(&mut self, faces: &FrameFaces) -> io::Result<()> {
        self.send(&bundle(face(faces)))
    }

    fn fired(&mut self, fired: &Fired) -> io::Result<()> {
        let arguments = vec![
            OscType::String(fired.name.to_string()),
            OscType::String(fired.verdict.as_str().to_owned()),
            OscType::Float(fired.confidence),
        ];
        self.send(&OscPacket::Message(message(&fired.address, arguments)))
    }

    fn tick(&mut self) -> io::Result<bool> {
        match &mut self.verdict {
            Some((packet, told)) if told.elapsed() >= AGAIN => {
                *told = Instant::now();
                let bytes = bytes(packet)?;
                self.datagrams.send(&bytes).map(|()| true)
            }
            _ => Ok(false),
        }
    }
}

/// `/emotion s f`: the verdict, and the smoothed probability of the emotion.
fn verdict(state: &State) -> OscMessage {
    let arguments = vec![
        OscType::String(state.emotion.as_str().to_owned()),
        OscType::Float(state.confidence),
    ];
    message("/emotion", arguments)
}

/// What FaceOSC tells of a face: the one that the verdict is about.
fn face(faces: &FrameFaces) -> Vec<OscMessage> {
    let found = |yes: i32| message("/found", vec![OscType::Int(yes)]);
    let Some(face) = faces.counting() else {
        return vec![found(0)];
    };
    let mut messages = vec![found(1), floats("/pose/position", centre(face.bounds))];
    if let Some(gestures) = Gestures::of(&face.keypoints) {
        messages.extend(pose_and_gestures(&gestures));
    }
    messages.push(floats("/raw", face.keypoints.0.into_iter().flatten()));
    messages.extend(scores(face));
    messages
}

fn pose_and_gestures(gestures: &Gestures) -> [OscMessage; 6] {
    let pose = &gestures.pose;
    let turn = [pose.pitch, pose.yaw, pose.roll].map(f32::to_radians);
    [
        floats("/pose/scale", [pose.scale / UNIT]),
        floats("/pose/orientation", turn),
        floats("/gesture/mouth/width", [UNIT * gestures.mouth_width]),
        floats("/gesture/mouth/height", [UNIT * gestures.mouth_height]),
        floats("/gesture/eyebrow/left", [BROW_UNIT * gestures.brow_left]),
        floats("/gesture/eyebrow/right", [BROW_UNIT * gestures.brow_right]),
    ]
}

/// `/emotion/scores f…` in the order of the bundle's classes; nothing for a face that is not judged.
fn scores(face: &SeenFace) -> Option<OscMessage> {
    let judged = face.reject_reason.is_none() && !face.scores.as_slice().is_empty();
    judged.then(|| floats("/emotion/scores", face.scores.as_slice().iter().copied()))
}

fn centre(bounds: Rect) -> [f32; 2] {
    [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0]
}

fn floats(address: &str, values: impl IntoIterator<Item = f32>) -> OscMessage {
    message(address, values.into_iter().map(OscType::Float).collect())
}

fn message(address: &str, args: Vec<OscType>) -> OscMessage {
    OscMessage {
        addr: address.to_owned(),
        args,
    }
}

/// All messages at once, to be followed immediately.
fn bundle(messages: Vec<OscMessage>) -> OscPacket {
    let immediately = OscTime {
        seconds: 0,
        fractional: 1,
    };
    OscPacket::Bundle(OscBundle {
        timetag: immediately,
        content: messages.into_iter().map(OscPacket::Message).collect(),
    })
}

fn bytes(packet: &OscPacket) -> io::Result<Vec<u8>> {
    rosc::encoder::encode(packet).map_err(|error| io::Error::other(format!("write osc: {error:?}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared_model::Text;
    use shared_model::emotion::{Label, Scores};
    use shared_model::keypoints::{COUNT, Keypoints};
    use shared_model::message::{RejectReason, Verdict};

    use super::*;

    fn seen(reject_reason: Option<RejectReason>) -> FrameFaces {
        let points: [[f32; 2]; COUNT] = [
            [220.0, 139.52],
            [180.0, 139.52],
            [212.28, 140.08],
            [227.64, 139.76],
            [187.72, 140.08],
            [172.36, 139.76],
            [210.68, 128.16],
            [235.68, 130.56],
            [189.32, 128.16],
            [164.32, 130.56],
            [200.0, 161.44],
            [216.36, 182.4],
            [183.64, 182.4],
            [200.0, 177.64],
            [200.0, 189.84],
        ];
        FrameFaces {
            faces: vec![SeenFace {
                bounds: Rect {
                    x: 150.0,
                    y: 100.0,
                    w: 100.0,
                    h: 120.0,
                },
                id: Some(1),
                reject_reason,
                scores: Scores::from_logits(&[0.0, 1.0, 0.0, 0.0, 0.0], 1.0).unwrap(),
                keypoints: Keypoints(points),
                counts: true,
            }],
            classes: Some(Arc::new(ClassSet::product())),
            ..FrameFaces::default()
        }
    }

    fn value(messages: &[OscMessage], address: &str) -> Vec<f32> {
        let message = messages.iter().find(|message| message.addr == address);
        let args = &message.unwrap_or_else(|| panic!("no {address}: {messages:?}")).args;
        args.iter().map(|arg| arg.clone().float().unwrap()).collect()
    }

    #[test]
    fn a_calm_face_lies_where_patches_for_face_osc_expect_it() {
        let messages = face(&seen(None));
        assert_eq!(messages[0], message("/found", vec![OscType::Int(1)]));
        assert_eq!(value(&messages, "/pose/position"), [200.0, 160.0]);
        for angle in value(&messages, "/pose/orientation") {
            assert!(angle.abs() < 0.01, "{angle}");
        }
        // What patches clamp to: mouth 10 to 18, height 1 to 6, brows 6 to 8.
        for (address, least, most) in [
            ("/gesture/mouth/width", 13.0, 15.0),
            ("/gesture/mouth/height", 3.0, 6.0),
            ("/gesture/eyebrow/left", 7.0, 8.0),
            ("/gesture/eyebrow/right", 7.0, 8.0),
            ("/pose/scale", 2.3, 2.4),
        ] {
            let value = value(&messages, address)[0];
            assert!((least..=most).contains(&value), "{address} {value}");
        }
        assert_eq!(value(&messages, "/raw").len(), 2 * COUNT);
        assert_eq!(value(&messages, "/emotion/scores").len(), 5);
    }

    #[test]
    fn a_face_that_is_not_judged_has_a_pose_and_no_scores_and_nobody_has_neither() {
        let messages = face(&seen(Some(RejectReason::Dark)));
        assert!(messages.iter().all(|message| message.addr != "/emotion/scores"));
        assert_eq!(value(&messages, "/raw").len(), 2 * COUNT);
        let nobody = face(&FrameFaces::default());
        assert_eq!(nobody, [message("/found", vec![OscType::Int(0)])]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let state = State {
            boot: Text::new(),
            sequence: 0,
            time_ms: 0,
            emotion: Verdict::Emotion(Label::try_from("Happy").unwrap()),
            confidence: 0.5,
            face: true,
            reason: None,
        };
        for packet in [OscPacket::Message(verdict(&state)), bundle(face(&seen(None)))] {
            let written = bytes(&packet).unwrap();
            let (rest, read) = rosc::decoder::decode_udp(&written).unwrap();
            assert!(rest.is_empty());
            assert_eq!(read, packet);
        }
        let text = verdict(&state);
        assert_eq!(
            (text.addr.as_str(), text.args[0].clone().string().unwrap().as_str()),
            ("/emotion", "Happy")
        );
    }
}
