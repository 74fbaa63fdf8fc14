//! How the rows of a data set are divided.

use serde::{Deserialize, Serialize};

use crate::data::split::Fractions;

/// How rows are divided into training, validation and test part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// By what rows are kept together.
    pub by: SplitBy,
    /// Share of the rows that is tested on; not used by `usage`, where the data set says it.
    pub test: f64,
    /// Share of the remaining rows that validates each epoch.
    pub validation: f64,
}

/// By what rows are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Person, or exact pixel copies where the data names no person: nobody is on two sides.
    Group,
    /// The same, and each part has its share of every class.
    Stratified,
    /// The `Usage` column of FER2013: `PublicTest` is the test part, copies of its faces are not
    /// trained on.
    Usage,
    /// The original's protocol: faces are varied first, then variants are divided at random. Figures
    /// measured so are too good, since a test face has siblings in the training part.
    Variants,
}

impl SplitConfig {
    /// Shares of all rows.
    pub(crate) fn fractions(self) -> Fractions {
        Fractions {
            validation: self.validation * (1.0 - self.test),
            test: self.test,
        }
    }

    /// The form in which a manifest holds it.
    pub fn to_manifest(self) -> shared_model::manifest::Split {
        let by = match self.by {
            SplitBy::Group => "group",
            SplitBy::Stratified => "stratified",
            SplitBy::Usage => "usage",
            SplitBy::Variants => "variants",
        };
        // The longest word fits.
        let by = shared_model::Text::try_from(by).unwrap_or_default();
        shared_model::manifest::Split {
            by,
            test: self.test,
            validation: self.validation,
        }
    }

    /// From a manifest; `None` if it was divided in a way that this program does not know.
    pub fn from_manifest(split: &shared_model::manifest::Split) -> Option<Self> {
        let by = match split.by.as_str() {
            "group" => SplitBy::Group,
            "stratified" => SplitBy::Stratified,
            "usage" => SplitBy::Usage,
            "variants" => SplitBy::Variants,
            _ => return None,
        };
        Some(Self {
            by,
            test: split.test,
            validation: split.validation,
        })
    }
}
