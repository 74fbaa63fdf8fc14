//! What a product says about faces: told classes, withheld verdicts, and how often either is right.
//!
//! A face is *told* its top class where the score reaches the abstain threshold. Faces of *other* expressions
//! are of no class of the set; whatever they are told is wrong.

use serde::{Deserialize, Serialize};
use shared_model::emotion::ClassSet;

use super::emotion::Guess;
use super::interval::{Figure, Units};

/// What was said about one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The true class; `None` for other faces.
    pub truth: Option<u8>,
    /// Class with the highest score.
    pub top: u8,
    /// That score, 0 to 1.
    pub score: f32,
    /// Faces with the same number are one person's.
    pub person: u32,
}

/// Figures over a set of faces, each with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerFigures {
    /// Faces of a class of the set.
    pub faces: u64,
    /// Share of them whose top class is the true one.
    pub accuracy: Option<Figure>,
    /// Mean F1 of the classes that have a face.
    pub macro_f1: Option<Figure>,
    /// What always the most frequent class would come to on the same faces; `None` where no face is of a class.
    #[serde(default)]
    pub majority: Option<Guess>,
    /// Class by class, those without a face left out.
    pub classes: Vec<ClassAnswers>,
    /// Share of all faces, others included, that are told a class.
    pub told: Option<Figure>,
    /// Share of what is told that is right; other faces count as wrong.
    pub told_right: Option<Figure>,
    /// Faces that are of none of the classes.
    pub other_faces: u64,
    /// Share of those that are told a class.
    pub other_told: Option<Figure>,
    /// Share of those that are told a class other than Neutral.
    pub other_told_emotion: Option<Figure>,
}

/// Figures of the faces of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassAnswers {
    /// Name of the class, as the bundle has it.
    pub label: String,
    /// Faces that are truly of the class.
    pub faces: u64,
    /// Share of them whose top class it is.
    pub recall: Option<Figure>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<Figure>,
    /// Share of them that are told it.
    pub told: Option<Figure>,
    /// Share of them that are told another class.
    pub told_another: Option<Figure>,
}

/// What is called a face that shows no emotion.
pub const NEUTRAL: &str = "Neutral";

impl AnswerFigures {
    /// Measures answers; a class is told where its score is at least `threshold`.
    pub fn measure(classes: &ClassSet, answers: &[Answer], threshold: f32) -> Self {
        let units = Units::new(answers.iter().map(|answer| answer.person));
        let told = |at: usize| answers[at].score >= threshold;
        let right = |at: usize| answers[at].truth == Some(answers[at].top);
        let of_class = |at: usize| answers[at].truth.is_some();
        let neutral = classes.index(NEUTRAL);
        let with_faces: Vec<u8> = (0..classes.len() as u8)
            .filter(|class| answers.iter().any(|answer| answer.truth == Some(*class)))
            .collect();
        let per_class = with_faces.iter().map(|class| {
            let own = |at: usize| answers[at].truth == Some(*class);
            ClassAnswers {
                label: classes.label(usize::from(*class)).unwrap_or_default().to_owned(),
                faces: answers.iter().filter(|answer| answer.truth == Some(*class)).count() as u64,
                recall: units.share(|at| own(at).then(|| right(at))),
                f1: units.figure(|faces| f1(answers, faces, *class)),
                told: units.share(|at| own(at).then(|| told(at) && right(at))),
                told_another: units.share(|at| own(at).then(|| told(at) && !right(at))),
            }
        });
        let per_class: Vec<ClassAnswers> = per_class.collect();
        Self {
            faces: (0..answers.len()).filter(|at| of_class(*at)).count() as u64,
            accuracy: units.share(|at| of_class(at).then(|| right(at))),
            macro_f1: units.figure(|faces| {
                let scores = with_faces.iter().map(|class| f1(answers, faces, *class).unwrap_or(0.0));
                (!with_faces.is_empty()).then(|| scores.sum::<f64>() / with_faces.len() as f64)
            }),
            majority: Guess::majority(per_class.iter().map(|class| (class.label.as_str(), class.faces))),
            classes: per_class,
            told: units.share(|at| Some(told(at))),
            told_right: units.share(|at| told(at).then(|| right(at))),
            other_faces: (0..answers.len()).filter(|at| !of_class(*at)).count() as u64,
            other_told: units.share(|at| (!of_class(at)).then(|| told(at))),
            other_told_emotion: units.share(|at| {
                let emotion = || Some(usize::from(answers[at].top)) != neutral;
                (!of_class(at)).then(|| told(at) && emotion())
            }),
        }
    }

    /// The figures of a class, where it has a face.
    pub fn class(&self, label: &str) -> Option<&ClassAnswers> {
        self.classes
            .iter()
            .find(|class| class.label.eq_ignore_ascii_case(label))
    }
}

/// F1 of a class among these faces, those of other expressions left out; `None` where none is of it.
fn f1(answers: &[Answer], faces: &[usize], class: u8) -> Option<f64> {
    let (mut hits, mut own, mut predicted) = (0u32, 0u32, 0u32);
    for answer in faces
        .iter()
        .map(|face| &answers[*face])
        .filter(|answer| answer.truth.is_some())
    {
        let (is, said) = (answer.truth == Some(class), answer.top == class);
        own += u32::from(is);
        predicted += u32::from(said);
        hits += u32::from(is && said);
    }
    (own > 0).then(|| f64::from(2 * hits) / f64::from(own + predicted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(truth: Option<u8>, top: u8, score: f32) -> Answer {
        Answer {
            truth,
            top,
            score,
            person: 0,
        }
    }

    /// Angry, Happy, Neutral.
    fn figures(answers: &[Answer]) -> AnswerFigures {
        let mut answers = answers.to_vec();
        (0..)
            .zip(&mut answers)
            .for_each(|(person, answer)| answer.person = person);
        let classes = ClassSet::new(&["Angry", "Happy", "Neutral"]).unwrap();
        AnswerFigures::measure(&classes, &answers, 0.7)
    }

    fn value(figure: Option<Figure>) -> f64 {
        figure.unwrap().value
    }

    #[test]
    fn told_is_what_reaches_the_threshold() {
        let found = figures(&[
            answer(Some(1), 1, 0.9),
            answer(Some(1), 1, 0.6),
            answer(Some(1), 0, 0.8),
            answer(Some(2), 0, 0.7),
            answer(Some(2), 2, 0.9),
            answer(None, 1, 0.8),
            answer(None, 2, 0.9),
            answer(None, 0, 0.2),
        ]);
        assert_eq!((found.faces, found.other_faces), (5, 3));
        assert!((value(found.accuracy) - 0.6).abs() < 1e-9);
        let happy = found.class("happy").unwrap();
        assert!((value(happy.recall) - 2.0 / 3.0).abs() < 1e-9);
        assert!((value(happy.told) - 1.0 / 3.0).abs() < 1e-9);
        assert!((value(happy.told_another) - 1.0 / 3.0).abs() < 1e-9);
        assert!((value(found.class("Neutral").unwrap().told_another) - 0.5).abs() < 1e-9);
        assert!((value(found.told) - 0.75).abs() < 1e-9);
        // Six are told, two of them are right.
        assert!((value(found.told_right) - 2.0 / 6.0).abs() < 1e-9);
        assert!((value(found.other_told) - 2.0 / 3.0).abs() < 1e-9);
        assert!((value(found.other_told_emotion) - 1.0 / 3.0).abs() < 1e-9);
        assert!(found.class("Angry").is_none(), "nobody is");
    }

    #[test]
    fn always_the_most_frequent_class_is_measured_on_the_faces_of_a_class() {
        let found = figures(&[
            answer(Some(2), 0, 0.9),
            answer(Some(1), 1, 0.9),
            answer(Some(2), 1, 0.2),
            answer(None, 0, 0.9),
        ]);
        let guess = found.majority.unwrap();
        assert_eq!(guess.label, "Neutral");
        // Two of three faces; F1 is 2 * 2 / (3 + 2), and 0 of the other class that has a face.
        assert!((guess.accuracy - 2.0 / 3.0).abs() < 1e-9 && (guess.macro_f1 - 0.4).abs() < 1e-9);
        assert_eq!(figures(&[answer(None, 0, 0.9)]).majority, None);
    }

    #[test]
    fn f1_is_that_of_the_classes_that_have_a_face() {
        let found = figures(&[
            answer(Some(0), 0, 0.9),
            answer(Some(0), 1, 0.9),
            answer(Some(1), 1, 0.9),
            answer(None, 1, 0.9),
        ]);
        // Angry: 2 * 1 / (2 + 1), Happy: 2 * 1 / (1 + 2).
        assert!((value(found.macro_f1) - 2.0 / 3.0).abs() < 1e-9);
    }
}
