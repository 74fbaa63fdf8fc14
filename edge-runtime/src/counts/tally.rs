//! Sums over visitors, which can be added up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared_model::emotion::{HAPPY, Label};

/// Upper ends of the classes of dwell in seconds, each included; longer visits make up one more class.
pub const DWELL_EDGES_S: [u64; 10] = [2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];

/// Most labels in a tally; a bundle has at most 8.
pub(super) const MAX_LABELS: usize = 32;

/// Of how many visitors something holds, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Number of visitors, each counted once.
    pub visitors: u64,
    /// Time in milliseconds, over all of them.
    pub ms: u64,
}

impl Share {
    fn add(&mut self, other: Self) {
        self.visitors = self.visitors.saturating_add(other.visitors);
        self.ms = self.ms.saturating_add(other.ms);
    }
}

/// How long visits were that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dwell {
    /// Number of visits that have ended.
    pub visits: u64,
    /// Time in milliseconds, over all of them.
    pub ms: u64,
    /// Visits by length, in the classes of [`DWELL_EDGES_S`].
    pub histogram: [u64; DWELL_EDGES_S.len() + 1],
}

impl Dwell {
    /// Takes in a visit of this length.
    pub(super) fn record(&mut self, ms: u64) {
        let class = DWELL_EDGES_S.partition_point(|edge| edge * 1000 < ms);
        self.visits += 1;
        self.ms = self.ms.saturating_add(ms);
        self.histogram[class] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.visits = self.visits.saturating_add(other.visits);
        self.ms = self.ms.saturating_add(other.ms);
        for (own, more) in self.histogram.iter_mut().zip(other.histogram) {
            *own = own.saturating_add(more);
        }
    }
}

/// Sums over visitors; see the [module](super) for what each means.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Visitors, counted when they became such.
    pub visitors: u64,
    /// Attentive ones, counted when they became such.
    pub attentive: u64,
    /// Length of the visits that ended.
    pub dwell: Dwell,
    /// What was told, by label; labels that were not told are left out.
    pub told: BTreeMap<Label, Share>,
    /// Visitors of whom nothing was ever told, counted when the visit ended, and time in which nothing was told.
    pub abstained: Share,
}

impl Tally {
    /// Whether nothing has been counted yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the sums of another tally.
    pub fn add(&mut self, other: &Self) {
        self.visitors = self.visitors.saturating_add(other.visitors);
        self.attentive = self.attentive.saturating_add(other.attentive);
        self.dwell.add(&other.dwell);
        self.abstained.add(other.abstained);
        for (label, share) in &other.told {
            self.add_share(label, *share);
        }
    }

    /// Adds to what was told.
    pub(super) fn add_share(&mut self, label: &Label, share: Share) {
        if let Some(own) = self.told.get_mut(label) {
            own.add(share);
        } else if self.told.len() < MAX_LABELS {
            self.told.insert(label.clone(), share);
        }
    }

    /// What other programs are shown of it: `{"visitors", "attentive", "smiles", "dwell_s", "told": {label: visitors}}`.
    pub fn stats(&self) -> Value {
        let told = self
            .told
            .iter()
            .map(|(label, share)| (label.to_string(), json!(share.visitors)));
        json!({
            "visitors": self.visitors,
            "attentive": self.attentive,
            "smiles": self.smiles(),
            "dwell_s": self.dwell.ms / 1000,
            "told": told.collect::<Map<String, Value>>(),
        })
    }

    /// Visitors who smiled; 0 where the bundle has no class Happy.
    pub fn smiles(&self) -> u64 {
        let happy = |(label, share): (&Label, &Share)| label.eq_ignore_ascii_case(HAPPY).then_some(share.visitors);
        self.told.iter().find_map(happy).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_falls_into_the_class_that_its_length_ends() {
        let mut dwell = Dwell::default();
        for ms in [1000, 2000, 2001, 1_800_000, 1_800_001] {
            dwell.record(ms);
        }
        assert_eq!(dwell.histogram, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((dwell.visits, dwell.ms), (5, 3_605_002));
    }

    #[test]
    fn the_sum_of_two_tallies_has_what_either_has() {
        let label = |name: &str| Label::try_from(name).unwrap();
        let mut tally = Tally {
            visitors: 1,
            attentive: u64::MAX,
            ..Tally::default()
        };
        tally.add_share(&label("Happy"), Share { visitors: 1, ms: 10 });
        let mut other = tally.clone();
        other.add_share(&label("Neutral"), Share { visitors: 0, ms: 5 });
        tally.add(&other);
        assert_eq!((tally.visitors, tally.attentive, tally.smiles()), (2, u64::MAX, 2));
        assert_eq!(tally.told[&label("Happy")], Share { visitors: 2, ms: 20 });
        assert_eq!(tally.told[&label("Neutral")], Share { visitors: 0, ms: 5 });
    }
}
