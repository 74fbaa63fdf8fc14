//! Emotion classes and their scores.
//!
//! The set of classes is data: it is trained, exported and stored in the bundle's manifest, and the
//! runtime reads it from there. The product's own five are [`ClassSet::product`].

use core::fmt;

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::Text;

/// Most labels that a class set can hold.
pub const MAX_CLASSES: usize = 8;

/// Longest label of a class, in bytes.
pub const MAX_LABEL: usize = 16;

/// The name of one class: ASCII letters, digits, `-` or `_`.
pub type Label = Text<MAX_LABEL>;

/// The product's classes, in the order of the networks' outputs.
pub const PRODUCT_CLASSES: [&str; 5] = ["Angry", "Disgust", "Sad", "Happy", "Surprise"];

/// The class of a face that shows no emotion in particular. A class set need not have it.
pub const NEUTRAL: &str = "Neutral";

/// The class of a face that smiles. A class set need not have it.
pub const HAPPY: &str = "Happy";

/// An ordered set of 2 to [`MAX_CLASSES`] distinct labels; a class is an index into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Label, MAX_CLASSES>", into = "Vec<Label, MAX_CLASSES>")]
pub struct ClassSet(Vec<Label, MAX_CLASSES>);

/// Why a list of labels is no class set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassSetError {
    /// Fewer than two labels, or more than [`MAX_CLASSES`].
    Count,
    /// A label is empty, longer than [`MAX_LABEL`] bytes or has other characters than ASCII letters,
    /// digits, `-` and `_`.
    Label,
    /// A label stands twice, letter case aside.
    Duplicate,
}

impl fmt::Display for ClassSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => write!(f, "a class set needs 2 to {MAX_CLASSES} labels"),
            Self::Label => {
                write!(f, "a label needs 1 to {MAX_LABEL} ASCII letters, digits, '-' or '_'")
            }
            Self::Duplicate => f.write_str("a label stands twice in the class set"),
        }
    }
}

impl core::error::Error for ClassSetError {}

impl ClassSet {
    /// The five classes of the product: Angry, Disgust, Sad, Happy, Surprise.
    pub fn product() -> Self {
        let mut labels = Vec::new();
        for name in PRODUCT_CLASSES {
            let mut label = Label::new();
            // Both capacities hold the product's own labels; a test compares the result.
            let _ = label.push_str(name);
            let _ = labels.push(label);
        }
        Self(labels)
    }

    /// A class set of these labels.
    ///
    /// # Errors
    ///
    /// When there are none or too many labels, one stands twice, or one is too long.
    pub fn new(labels: &[&str]) -> Result<Self, ClassSetError> {
        let mut set = Vec::new();
        for name in labels {
            let label = Label::try_from(*name).map_err(|_| ClassSetError::Label)?;
            set.push(label).map_err(|_| ClassSetError::Count)?;
        }
        Self::try_from(set)
    }

    /// Number of classes, 2 to [`MAX_CLASSES`].
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The label of class `index`, if there is one.
    pub fn label(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(Label::as_str)
    }

    /// The class called `label`, letter case aside.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.0.iter().position(|own| own.eq_ignore_ascii_case(label))
    }

    /// The class [`NEUTRAL`], where the set has it.
    pub fn neutral(&self) -> Option<usize> {
        self.index(NEUTRAL)
    }

    /// The labels in the order of the scores.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Label::as_str)
    }
}

impl TryFrom<Vec<Label, MAX_CLASSES>> for ClassSet {
    type Error = ClassSetError;

    fn try_from(labels: Vec<Label, MAX_CLASSES>) -> Result<Self, Self::Error> {
        if labels.len() < 2 {
            return Err(ClassSetError::Count);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        for (at, label) in labels.iter().enumerate() {
            if label.is_empty() || !label.chars().all(plain) {
                return Err(ClassSetError::Label);
            }
            if labels[..at].iter().any(|other| other.eq_ignore_ascii_case(label)) {
                return Err(ClassSetError::Duplicate);
            }
        }
        Ok(Self(labels))
    }
}

impl From<ClassSet> for Vec<Label, MAX_CLASSES> {
    fn from(set: ClassSet) -> Self {
        set.0
    }
}

/// One probability per class, in the order of the class set; they add up to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores(Vec<f32, MAX_CLASSES>);

impl Scores {
    /// The softmax of `logits / temperature`.
    ///
    /// `None` if there are no logits or more than [`MAX_CLASSES`], if one is not finite, or if the
    /// temperature is not a positive number.
    pub fn from_logits(logits: &[f32], temperature: f32) -> Option<Self> {
        if logits.is_empty() || !(temperature.is_finite() && temperature > 0.0) {
            return None;
        }
        if !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut scores = Vec::new();
        for logit in logits {
            scores.push(libm::expf((logit - top) / temperature)).ok()?;
        }
        let sum: f32 = scores.iter().sum();
        for score in &mut scores {
            *score /= sum;
        }
        Some(Self(scores))
    }

    /// The softmax of the mean of the logits of two views, where both had the same temperature: the geometric mean, scaled to
    /// a sum of 1.
    ///
    /// `None` if the numbers of classes differ, or if no class is possible for both.
    pub fn mean_logits(&self, other: &Self) -> Option<Self> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let mut scores: Vec<f32, MAX_CLASSES> = (self.0.iter().zip(&other.0))
            .map(|(own, other)| libm::sqrtf(own * other))
            .collect();
        let sum: f32 = scores.iter().sum();
        if sum <= 0.0 {
            return None;
        }
        for score in &mut scores {
            *score /= sum;
        }
        Some(Self(scores))
    }

    /// The probabilities, in the order of the class set.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The most probable class and its probability; the first of equals.
    pub fn top(&self) -> Option<(usize, f32)> {
        let mut best = None;
        for (class, &score) in self.0.iter().enumerate() {
            if best.is_none_or(|(_, top)| score > top) {
                best = Some((class, score));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_mean_is_the_softmax_of_the_mean_of_the_logits() {
        let of = |logits: &[f32]| Scores::from_logits(logits, 1.4).unwrap();
        let mean = of(&[1.0, -2.0, 0.5]).mean_logits(&of(&[3.0, 0.0, 0.5])).unwrap();
        let expected = of(&[2.0, -1.0, 0.5]);
        for (mean, expected) in mean.as_slice().iter().zip(expected.as_slice()) {
            assert!((mean - expected).abs() < 1e-6, "{mean} instead of {expected}");
        }
        assert_eq!(of(&[1.0]).mean_logits(&of(&[1.0, 2.0])), None);
        assert_eq!(of(&[1000.0, 0.0]).mean_logits(&of(&[0.0, 1000.0])), None);
    }

    #[test]
    fn product_classes_are_the_five_in_order() {
        let set = ClassSet::product();
        assert_eq!(
            set,
            ClassSet::new(&["Angry", "Disgust", "Sad", "Happy", "Surprise"]).unwrap()
        );
        assert_eq!(set.index("happy"), Some(3));
        assert_eq!(set.label(5), None);
    }

    #[test]
    fn refuses_labels_that_make_no_class_set() {
        let cases: [(&[&str], ClassSetError); 6] = [
            (&["Happy"], ClassSetError::Count),
            (&["a", "b", "c", "d", "e", "f", "g", "h", "i"], ClassSetError::Count),
            (&["Happy", ""], ClassSetError::Label),
            (&["Happy", "a b"], ClassSetError::Label),
            (&["Happy", "12345678901234567"], ClassSetError::Label),
            (&["Happy", "happy"], ClassSetError::Duplicate),
        ];
        for (labels, error) in cases {
            assert_eq!(ClassSet::new(labels), Err(error), "{labels:?}");
        }
    }

    #[test]
    fn class_set_is_a_list_of_labels_in_json() {
        let json = serde_json::to_string(&ClassSet::product()).unwrap();
        assert_eq!(json, r#"["Angry","Disgust","Sad","Happy","Surprise"]"#);
        assert_eq!(serde_json::from_str::<ClassSet>(&json).unwrap(), ClassSet::product());
        assert!(serde_json::from_str::<ClassSet>(r#"["one"]"#).is_err());
    }

    #[test]
    fn softmax_of_known_logits() {
        // 1/(1+e) and e/(1+e).
        let scores = Scores::from_logits(&[1.0, 2.0], 1.0).unwrap();
        assert!((scores.as_slice()[0] - 0.268_941_4).abs() < 1e-6);
        assert_eq!(scores.top().map(|(class, _)| class), Some(1));
        // Twice the temperature halves the logits: 1/(1+e^0.5).
        let warm = Scores::from_logits(&[1.0, 2.0], 2.0).unwrap();
        assert!((warm.as_slice()[0] - 0.377_540_7).abs() < 1e-6);
    }

    #[test]
    fn softmax_survives_large_logits_and_refuses_what_is_no_number() {
        let scores = Scores::from_logits(&[1000.0, 0.0], 1.0).unwrap();
        assert_eq!(scores.as_slice(), &[1.0, 0.0]);
        for logits in [&[f32::NAN, 1.0][..], &[f32::INFINITY, 1.0], &[], &[0.0; 9]] {
            assert_eq!(Scores::from_logits(logits, 1.0), None);
        }
        for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(Scores::from_logits(&[0.0, 1.0], temperature), None);
        }
    }
}
