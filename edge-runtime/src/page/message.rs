//! What viewers are told, in the fields of the lines on standard output.

use std::collections::BTreeMap;

use serde::Serialize;
use shared_model::message::State;

use super::facts::{BundleFacts, CameraFacts, UpdateFacts};
use crate::counts;
use crate::sink::gathered::FrameFaces;

/// A state, and when it became true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    pub(super) state: State,
    /// Milliseconds since 1970, by the clock of this machine.
    pub(super) at_ms: u64,
}

/// The media of a name are shown for a while: the message `trigger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Trigger {
    pub(super) name: String,
    /// For how long, in milliseconds.
    pub(super) show_ms: u64,
}

/// Everything at once: the message `snapshot`.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    pub(super) boot: String,
    pub(super) device: String,
    pub(super) version: &'static str,
    pub(super) uptime_s: u64,
    pub(super) classes: Vec<String>,
    pub(super) state: Option<State>,
    pub(super) faces: Option<FrameFaces>,
    pub(super) page: Page,
    pub(super) switches: BTreeMap<&'static str, bool>,
    /// The last states, the newest first.
    pub(super) recent: Vec<Told>,
    pub(super) camera: CameraFacts,
    pub(super) rates: Rates,
    pub(super) latency_ms: Vec<Latency>,
    pub(super) parts: Vec<Part>,
    pub(super) checks: Vec<Check>,
    pub(super) broker: Option<Broker>,
    pub(super) outbox: Option<Outbox>,
    pub(super) bundle: BundleFacts,
    pub(super) update: Option<UpdateFacts>,
    pub(super) counts: Option<Today>,
    pub(super) warnings: Vec<Warning>,
    /// Seconds until the pages end by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_s: Option<u64>,
}

/// How the visitor's page is set up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Page {
    pub(super) language: String,
    pub(super) vocabulary: &'static str,
    /// By verdict in small letters.
    pub(super) media: BTreeMap<String, Shown>,
}

/// What is shown for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) film: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

/// Frames a second, and frames that were not judged.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Rates {
    pub(super) captured: f64,
    pub(super) judged: f64,
    pub(super) skipped: u64,
    pub(super) bad: u64,
}

/// How long a stage takes: half, 95 and 99 of 100 frames are no slower, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) stage: &'static str,
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

/// Whether a part of the program works.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// Seconds since its last sign of life.
    pub(super) silent_s: u64,
}

/// What was checked, what was found, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Name of the check, in a word.
    pub check: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What the check found, in a sentence.
    pub found: String,
    /// What helps, where all is not well.
    pub cure: Option<String>,
}

/// Whether the broker is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Broker {
    pub(super) connected: bool,
}

/// Events on their way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outbox {
    /// Whether the broker is there.
    #[serde(skip)]
    pub connected: bool,
    /// Events that were not confirmed yet.
    pub waiting: u64,
    /// Events that made room for newer ones.
    pub dropped: u64,
}

/// The visitors of today, by hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Today {
    /// The hour that it is, 0 to 23, by the clock of the kiosk's place.
    pub now_hour: u8,
    /// Hours with a count, in their order.
    pub hours: Vec<Hour>,
}

impl From<&counts::Today> for Today {
    fn from(counted: &counts::Today) -> Self {
        let hour = |hour: &counts::Hour| Hour {
            hour: hour.hour,
            visitors: hour.visitors,
            attentive: hour.attentive,
            smiles: hour.smiles,
        };
        Self {
            now_hour: counted.now_hour,
            hours: counted.hours.iter().map(hour).collect(),
        }
    }
}

/// The visitors of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Hour {
    /// Hour of the local day, from 0 to 23.
    pub hour: u8,
    /// Visitors who were there for a second or longer.
    pub visitors: u64,
    /// Those of them that looked at the screen for a second or longer.
    pub attentive: u64,
    /// Those that were told the emotion Happy.
    pub smiles: u64,
}

/// Something that went wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Warning {
    pub(super) text: String,
    pub(super) cure: Option<String>,
    /// How often the same warning came.
    pub(super) times: u64,
    /// Seconds since the last time.
    pub(super) age_s: u64,
}
