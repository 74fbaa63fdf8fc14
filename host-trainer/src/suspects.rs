//! Labels that an emotion network contradicts: rows whose label may be wrong.
//!
//! Confident learning (Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, 2021):
//! a class has a threshold of its own, the mean probability that the network gives it on the faces labelled so. A face
//! that reaches the threshold of another class than its label is a suspect.

use anyhow::{Context, Result};
use serde::Serialize;
use shared_model::emotion::Scores;

use crate::data::EmotionData;

/// A row whose label the network contradicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suspect {
    /// Number of the data row in its file, from 1.
    pub row: u64,
    /// What the file says it is.
    pub label: String,
    /// Probability of the label, 0 to 1.
    pub label_score: f32,
    /// The class that the network is sure of instead.
    pub class: String,
    /// Probability of that class, 0 to 1.
    pub score: f32,
}

/// Suspects among these rows, the surest first; `logits` are those of the rows, in their order.
pub fn suspects(logits: &[Vec<f32>], data: &EmotionData, rows: &[u32], temperature: f32) -> Result<Vec<Suspect>> {
    let labelled = rows.iter().zip(logits).filter(|(row, _)| data.labelled[**row as usize]);
    let mut faces = Vec::new();
    for (row, logits) in labelled {
        let scores = Scores::from_logits(logits, temperature).context("the network gave no finite logits")?;
        faces.push((*row as usize, scores, data.labels[*row as usize]));
    }
    let judged: Vec<(&[f32], usize)> = faces
        .iter()
        .map(|(_, scores, label)| (scores.as_slice(), usize::from(*label)))
        .collect();
    let name = |class: usize| data.classes.label(class).unwrap_or_default().to_owned();
    let found = contradicted(&judged, data.classes.len()).into_iter();
    Ok(found
        .map(|(face, class)| {
            let (scores, label) = judged[face];
            Suspect {
                row: data.rows[faces[face].0],
                label: name(label),
                label_score: scores[label],
                class: name(class),
                score: scores[class],
            }
        })
        .collect())
}

/// Faces with the class that contradicts their label, by how much less probable the label is, most first.
fn contradicted(faces: &[(&[f32], usize)], classes: usize) -> Vec<(usize, usize)> {
    let thresholds: Vec<f32> = (0..classes).map(|class| self_confidence(faces, class)).collect();
    let mut found: Vec<(usize, usize, f32)> = Vec::new();
    for (face, (scores, label)) in faces.iter().enumerate() {
        let reached = (0..classes).filter(|class| scores[*class] >= thresholds[*class]);
        let surest = reached.max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        if let Some(class) = surest.filter(|class| class != label) {
            found.push((face, class, scores[class] - scores[*label]));
        }
    }
    found.sort_by(|a, b| b.2.total_cmp(&a.2));
    found.into_iter().map(|(face, class, _)| (face, class)).collect()
}

/// Mean probability of a class on the faces labelled so; beyond any probability where there are none.
fn self_confidence(faces: &[(&[f32], usize)], class: usize) -> f32 {
    let own = faces.iter().filter(|(_, label)| *label == class);
    let (sum, count) = own.fold((0.0, 0u32), |(sum, count), (scores, _)| {
        (sum + f64::from(scores[class]), count + 1)
    });
    if count == 0 {
        f32::INFINITY
    } else {
        (sum / f64::from(count)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_reach_the_self_confidence_of_another_class() {
        // Means on their own faces: class 0 (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 (0.7 + 0.3) / 2 = 0.5.
        let faces: [(&[f32], usize); 5] = [
            (&[0.9, 0.1, 0.0], 0),
            (&[0.8, 0.2, 0.0], 0),
            (&[0.1, 0.9, 0.0], 0),
            (&[0.3, 0.7, 0.0], 1),
            (&[0.55, 0.3, 0.15], 1),
        ];
        // The last face is called 0 by 0.55, but that is less than what faces of class 0 get.
        assert_eq!(contradicted(&faces, 3), [(2, 1)]);
    }

    #[test]
    fn the_surest_suspect_comes_first() {
        let faces: [(&[f32], usize); 6] = [
            (&[0.6, 0.4], 0),
            (&[0.6, 0.4], 0),
            (&[0.2, 0.8], 0),
            (&[0.1, 0.9], 0),
            (&[0.3, 0.7], 1),
            (&[0.45, 0.55], 1),
        ];
        assert_eq!(contradicted(&faces, 2), [(3, 1), (2, 1), (5, 0)]);
    }
}
