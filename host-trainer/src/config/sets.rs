//! One of several data sets that are trained on together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_model::emotion::ClassSet;
use shared_model::image::CropRule;

use super::{ConfigError, SplitConfig, require};

/// In [`SetConfig::classes`], the faces whose own label is none of the classes.
pub const OTHER: &str = "other";

/// How one data set is framed, drawn and divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetConfig {
    /// Name of the data set in tables and reports.
    pub name: String,
    /// Times that a training face is drawn in an epoch, on average: 0.5 draws each other face, 2 each twice.
    #[serde(default = "once")]
    pub weight: f32,
    /// Which square of each picture is shown to the network, relative to the picture: side as a multiple of
    /// its side, and how far the middle lies to the right and down, in sides. Beyond the edge it repeats.
    #[serde(default = "whole")]
    pub frame: CropRule,
    /// By what `weight` is multiplied for the faces of a class, and of [`OTHER`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, f32>,
    /// By what it is multiplied for faces on which the taggers are divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub divided: Vec<Divided>,
    /// How its rows are divided; without it as the training's `split` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<SplitConfig>,
}

/// Faces whose votes are divided between two classes: at least a fifth of them for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divided {
    /// The two classes, by name.
    pub between: [String; 2],
    /// By what the weight of such a face is multiplied.
    pub weight: f32,
}

impl SetConfig {
    /// A set that is taken as it is.
    pub fn plain(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            weight: once(),
            frame: whole(),
            classes: BTreeMap::new(),
            divided: Vec::new(),
            split: None,
        }
    }

    /// Checks every range, and that each class is one.
    pub(super) fn check(&self, classes: &ClassSet) -> Result<(), ConfigError> {
        let weight = |weight: f32| (0.0..=100.0).contains(&weight);
        let known = |label: &str| classes.index(label).is_some();
        require(weight(self.weight), "sets.weight", "0 to 100")?;
        require(
            self.frame.is_valid(),
            "sets.frame",
            "a scale of 0.1 to 10 and shifts of -1 to 1",
        )?;
        require(
            self.classes
                .iter()
                .all(|(label, own)| weight(*own) && (known(label) || label == OTHER)),
            "sets.classes",
            "weights of 0 to 100 for classes of the set, or `other`",
        )?;
        require(
            self.divided
                .iter()
                .all(|own| weight(own.weight) && own.between.iter().all(|label| known(label))),
            "sets.divided",
            "weights of 0 to 100 between classes of the set",
        )
    }
}

fn once() -> f32 {
    1.0
}

fn whole() -> CropRule {
    CropRule::IDENTITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> SetConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_set_needs_nothing_but_its_name() {
        assert_eq!(parsed("name = \"press\""), SetConfig::plain("press"));
    }

    #[test]
    fn unknown_classes_and_wild_weights_are_refused_by_key() {
        let cases = [
            ("weight = -1", "sets.weight"),
            ("frame = { scale = 20, dx = 0, dy = 0 }", "sets.frame"),
            ("classes = { Bored = 1 }", "sets.classes"),
            (
                "divided = [{ between = [\"Happy\", \"Neutral\"], weight = 2 }]",
                "sets.divided",
            ),
        ];
        for (line, key) in cases {
            let error = parsed(&format!("name = \"press\"\n{line}")).check(&ClassSet::product());
            assert!(
                matches!(error, Err(ConfigError::Value { key: found, .. }) if found == key),
                "{line}"
            );
        }
        let fine = "name = \"press\"\nclasses = { Happy = 0.5, other = 2 }";
        assert!(parsed(fine).check(&ClassSet::product()).is_ok());
    }
}
