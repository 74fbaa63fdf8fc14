//! The faces on which an emotion network is looked at, and what it says about each kind of them.
//!
//! | panel | faces | true class |
//! |---|---|---|
//! | label | of a set in the form of FER2013 | the file's label, Neutral left out and masked in the network |
//! | majority | the same, with votes | the label with more votes than any other; where that is no class, an *other* face |
//! | sure | those with at least eight equal votes | the same |
//! | photographs | of a folder for each class | the folder; figures by person |

use anyhow::{Context, Result};
use serde::Serialize;
use shared_model::emotion::{ClassSet, Scores};
use shared_model::manifest::Decision;

use crate::data::EmotionData;
use crate::evaluate::{Answer, AnswerFigures, NEUTRAL};

/// Equal votes with which a face counts as sure.
const SURE: f32 = 8.0;

/// Figures of one kind of faces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// Name of the data set that the faces are of.
    pub set: String,
    /// Which of its faces, by which truth.
    pub name: &'static str,
    /// What was said about them.
    pub figures: AnswerFigures,
}

/// What is said about a face with these logits; `truth` and `person` are passed on.
pub fn answer(logits: &[f32], temperature: f32, truth: Option<u8>, person: u32) -> Result<Answer> {
    let scores = Scores::from_logits(logits, temperature).context("the network gave no finite logits")?;
    let (top, score) = scores.top().context("the network gave no logits")?;
    Ok(Answer {
        truth,
        top: top as u8,
        score,
        person,
    })
}

/// The panels of these rows, set by set; `logits` are those of the rows, in their order. `names` are the sets'.
pub fn panels(
    logits: &[Vec<f32>],
    data: &EmotionData,
    rows: &[u32],
    names: &[String],
    decision: Decision,
) -> Result<Vec<Panel>> {
    let mut panels = Vec::new();
    for (set, range) in data.set_ranges().into_iter().enumerate() {
        let set_name = names.get(set).cloned().unwrap_or_else(|| (set + 1).to_string());
        let own = rows
            .iter()
            .zip(logits)
            .map(|(row, logits)| (*row as usize, logits.as_slice()));
        let own: Vec<(usize, &[f32])> = own.filter(|(row, _)| range.contains(row)).collect();
        let mut add = |name, classes: &ClassSet, answers: Vec<Answer>| {
            if !answers.is_empty() {
                panels.push(Panel {
                    set: set_name.clone(),
                    name,
                    figures: AnswerFigures::measure(classes, &answers, decision.abstain_below),
                });
            }
        };
        let voted = own.iter().any(|(row, _)| votes(data, *row).is_some());
        if !voted && (data.usage.is_none() || set > 0) {
            add(
                "photographs",
                &data.classes,
                answers(&own, data, decision, |row| Some(Some(data.labels[row])))?,
            );
            continue;
        }
        let (classes, labelled) = by_label(&own, data, decision)?;
        add("label", &classes, labelled);
        if voted {
            add(
                "majority",
                &data.classes,
                answers(&own, data, decision, |row| majority(data, row, 0.0))?,
            );
            add(
                "sure",
                &data.classes,
                answers(&own, data, decision, |row| majority(data, row, SURE))?,
            );
        }
    }
    Ok(panels)
}

/// The classes that a face of this row may be judged by: `Some(None)` for other faces, `None` where nobody knows.
pub fn majority(data: &EmotionData, row: usize, least: f32) -> Option<Option<u8>> {
    let votes = votes(data, row)?;
    let (_, most) = votes.top();
    if votes.outside_top > most && votes.outside_top >= least {
        return Some(None);
    }
    let class = votes.majority().filter(|_| most >= least)?;
    Some(Some(class as u8))
}

fn votes(data: &EmotionData, row: usize) -> Option<crate::data::votes::Votes> {
    data.votes.as_ref().and_then(|votes| votes[row])
}

fn answers(
    faces: &[(usize, &[f32])],
    data: &EmotionData,
    decision: Decision,
    truth: impl Fn(usize) -> Option<Option<u8>>,
) -> Result<Vec<Answer>> {
    let known = faces
        .iter()
        .filter_map(|(row, logits)| Some((*row, logits, truth(*row)?)));
    known
        .map(|(row, logits, truth)| answer(logits, decision.temperature, truth, data.groups[row]))
        .collect()
}

/// By the file's label, as if there were no Neutral.
fn by_label(faces: &[(usize, &[f32])], data: &EmotionData, decision: Decision) -> Result<(ClassSet, Vec<Answer>)> {
    let kept: Vec<usize> = (0..data.classes.len())
        .filter(|class| data.classes.label(*class) != Some(NEUTRAL))
        .collect();
    let labels: Vec<&str> = kept.iter().filter_map(|class| data.classes.label(*class)).collect();
    let classes = ClassSet::new(&labels).context("classes without Neutral")?;
    let place = |label: u8| kept.iter().position(|class| *class == usize::from(label));
    let known = faces.iter().filter(|(row, _)| data.labelled[*row]);
    let answers = known.filter_map(|(row, logits)| {
        let truth = place(data.labels[*row])? as u8;
        let masked: Vec<f32> = kept.iter().map(|class| logits[*class]).collect();
        Some(answer(&masked, decision.temperature, Some(truth), data.groups[*row]))
    });
    Ok((classes, answers.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::votes::Votes;
    use crate::data::{Faces, Usage};

    /// Angry, Happy, Neutral; two sets, the second without votes.
    fn data() -> EmotionData {
        let votes = |classes: [f32; 3], outside| {
            let mut all = [0.0; 8];
            all[..3].copy_from_slice(&classes);
            Some(Votes {
                classes: all,
                outside,
                outside_top: outside,
            })
        };
        EmotionData {
            classes: ClassSet::new(&["Angry", "Happy", "Neutral"]).unwrap(),
            faces: Faces::new(1, vec![0; 6]).unwrap(),
            labels: vec![0, 1, 2, 0, 1, 2],
            labelled: vec![true, true, true, false, true, true],
            votes: Some(vec![
                votes([2.0, 2.0, 6.0], 0.0),
                votes([0.0, 9.0, 1.0], 0.0),
                votes([0.0, 5.0, 5.0], 0.0),
                votes([1.0, 0.0, 0.0], 9.0),
                None,
                None,
            ]),
            sets: vec![0, 4],
            usage: Some(vec![Usage::PublicTest; 6]),
            groups: (0..6).collect(),
            rows: vec![1, 2, 3, 4, 1, 2],
            csv_rows: 6,
        }
    }

    #[test]
    fn each_panel_has_its_own_truth() {
        let logits = vec![vec![1.0, 0.0, 3.0]; 6];
        let decision = Decision {
            temperature: 1.0,
            abstain_below: 0.5,
        };
        let rows: Vec<u32> = (0..6).collect();
        let names = ["fer".to_owned(), "press".to_owned()];
        let found = panels(&logits, &data(), &rows, &names, decision).unwrap();
        let named: Vec<(&str, &str)> = found.iter().map(|panel| (panel.set.as_str(), panel.name)).collect();
        assert_eq!(
            named,
            [
                ("fer", "label"),
                ("fer", "majority"),
                ("fer", "sure"),
                ("press", "photographs")
            ]
        );
        let counts: Vec<(u64, u64)> = found
            .iter()
            .map(|panel| (panel.figures.faces, panel.figures.other_faces))
            .collect();
        // Label: the Neutral and the unlabelled face are out. Majority: the tie is out, Fear is other.
        assert_eq!(counts, [(2, 0), (2, 1), (1, 1), (2, 0)]);
        // Without Neutral the network says Angry, which is right once; with it, it is always Neutral.
        let accuracy: Vec<f64> = found
            .iter()
            .map(|panel| panel.figures.accuracy.unwrap().value)
            .collect();
        assert_eq!(accuracy, [0.5, 0.5, 0.0, 0.5]);
    }
}
