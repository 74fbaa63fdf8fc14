//! What trained networks say about faces, as a table: the last step of a notebook.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use inference::Output;
use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::SIDE;
use shared_model::keypoints::{COUNT, Keypoints, NAMES};
use shared_model::manifest::Decision;

use crate::data::unlabelled::Face;
use crate::measure::Exported;
use crate::train::prepare::Prepared;
use crate::train::samples::Data;

/// What is told where a score lies below the threshold.
const UNCERTAIN: &str = "uncertain";

/// The networks that are asked.
#[derive(Default)]
pub struct Networks<'a> {
    /// The network for the 15 points, where points are asked for.
    pub keypoints: Option<Exported<'a>>,
    /// The network for the class, where classes are asked for.
    pub emotion: Option<Classifier<'a>>,
}

/// An emotion network, and how its logits are read.
pub struct Classifier<'a> {
    /// The network, with what is done to a face before.
    pub network: Exported<'a>,
    /// The classes of its outputs, in their order.
    pub classes: &'a ClassSet,
    /// The temperature of the scores, and the least score of a verdict.
    pub decision: Decision,
}

/// What was said of each face, in their order; empty where no network was asked.
#[derive(Debug, Default)]
pub struct Predictions {
    /// Points in pixels of the face's own picture.
    pub points: Vec<Keypoints>,
    /// Probabilities of the classes, one entry a face.
    pub scores: Vec<Scores>,
}

impl Predictions {
    /// Asks the networks about these faces.
    pub fn of(networks: &Networks<'_>, faces: &[Face]) -> Result<Self> {
        let view = |at: usize| faces[at].view();
        let mut found = Self::default();
        if let Some(network) = networks.keypoints {
            let outputs = network.each(Output::Keypoints, faces.len(), &view)?;
            for (output, face) in outputs.iter().zip(faces) {
                let mut points = Keypoints::from_coordinates(output).context("a keypoint network gives 30 values")?;
                let factor = face.side as f32 / SIDE as f32;
                points.0.iter_mut().flatten().for_each(|value| *value *= factor);
                found.points.push(points);
            }
        }
        if let Some(Classifier {
            network,
            classes,
            decision,
        }) = &networks.emotion
        {
            let classes = classes.len();
            for logits in network.each(Output::Emotion { classes }, faces.len(), &view)? {
                let scores = Scores::from_logits(&logits, decision.temperature);
                found.scores.push(scores.context("the network gave no finite logits")?);
            }
        }
        Ok(found)
    }
}

/// Writes a line for each face: file, row, what is known of it, label, score and probabilities, the 30 coordinates.
pub fn write(out: impl Write, networks: &Networks<'_>, faces: &[Face], found: &Predictions) -> Result<()> {
    let mut table = csv::Writer::from_writer(out);
    let known = faces.iter().any(|face| face.truth.is_some());
    let mut header: Vec<String> = ["file", "row"].map(str::to_owned).to_vec();
    if known {
        header.push("true".to_owned());
    }
    if let Some(classifier) = &networks.emotion {
        header.extend(["emotion", "told", "score"].map(str::to_owned));
        header.extend(classifier.classes.iter().map(str::to_owned));
    }
    if networks.keypoints.is_some() {
        header.extend(NAMES.iter().flat_map(|name| [format!("{name}_x"), format!("{name}_y")]));
    }
    table.write_record(&header)?;
    for (at, face) in faces.iter().enumerate() {
        let mut line = vec![face.file.display().to_string(), face.row.to_string()];
        if known {
            line.push(face.truth.clone().unwrap_or_default());
        }
        if let (Some(classifier), Some(scores)) = (&networks.emotion, found.scores.get(at)) {
            line.extend(verdict(classifier, scores));
        }
        if let Some(points) = found.points.get(at) {
            line.extend(points.0.iter().flatten().map(|value| format!("{value:.4}")));
        }
        table.write_record(&line)?;
    }
    Ok(table.flush()?)
}

/// Label, what a kiosk tells, score, and each probability.
fn verdict(classifier: &Classifier<'_>, scores: &Scores) -> Vec<String> {
    let (class, score) = scores.top().unwrap_or_default();
    let label = classifier.classes.label(class).unwrap_or_default();
    let told = if score >= classifier.decision.abstain_below {
        label
    } else {
        UNCERTAIN
    };
    let mut cells = vec![label.to_owned(), told.to_owned(), format!("{score:.6}")];
    cells.extend(scores.as_slice().iter().map(|score| format!("{score:.6}")));
    cells
}

/// Writes the submission that Kaggle's keypoint competition asks for: `lookup` is its `IdLookupTable.csv`.
pub fn kaggle(out: impl Write, lookup: &Path, faces: &[Face], points: &[Keypoints]) -> Result<()> {
    let known: HashMap<&str, &Keypoints> = faces
        .iter()
        .zip(points)
        .filter_map(|(face, points)| Some((face.id.as_deref()?, points)))
        .collect();
    if known.is_empty() {
        bail!("kaggle: the faces have no column ImageId; give the competition's test.csv");
    }
    let mut wanted = csv::Reader::from_path(lookup).with_context(|| format!("read {}", lookup.display()))?;
    let header = wanted
        .headers()
        .with_context(|| format!("read {}", lookup.display()))?
        .clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|own| own.eq_ignore_ascii_case(name))
            .with_context(|| {
                format!(
                    "read {}: no column '{name}'; expected RowId, ImageId, FeatureName",
                    lookup.display()
                )
            })
    };
    let [row_id, image, feature] = [column("RowId")?, column("ImageId")?, column("FeatureName")?];
    let mut table = csv::Writer::from_writer(out);
    table.write_record(["RowId", "Location"])?;
    for (record, number) in wanted.records().zip(1..) {
        let record = record.with_context(|| format!("read {}", lookup.display()))?;
        let place = || format!("read {}: row {number}", lookup.display());
        let points = known
            .get(&record[image])
            .with_context(|| format!("{}: no face has ImageId {}", place(), &record[image]))?;
        let value = coordinate(points, &record[feature])
            .with_context(|| format!("{}: '{}' is no coordinate of a keypoint", place(), &record[feature]))?;
        let value = value.clamp(0.0, SIDE as f32);
        table.write_record([&record[row_id], &format!("{value:.4}")])?;
    }
    Ok(table.flush()?)
}

/// The coordinate that a name such as `nose_tip_x` stands for.
fn coordinate(points: &Keypoints, feature: &str) -> Option<f32> {
    let (name, axis) = feature.rsplit_once('_')?;
    let at = (0..COUNT).find(|at| NAMES[*at] == name)?;
    match axis {
        "x" => Some(points.0[at][0]),
        "y" => Some(points.0[at][1]),
        _ => None,
    }
}

/// Rows of a divided data set as faces; `files` are those that it was read from.
pub fn faces_of(prepared: &Prepared, rows: &[u32], files: &[PathBuf]) -> Vec<Face> {
    let data = prepared.samples.data();
    let faces = data.faces();
    let rows = rows.iter().map(|row| *row as usize).filter(|row| *row < faces.len());
    rows.map(|row| {
        let (set, truth) = match data {
            Data::Keypoints(_) => (0, None),
            Data::Emotion(data) => {
                let set = data.sets.iter().filter(|start| **start as usize <= row).count();
                let class = data.labelled[row].then(|| data.classes.label(usize::from(data.labels[row])));
                (set.saturating_sub(1), class.flatten().map(str::to_owned))
            }
        };
        Face {
            file: files.get(set).cloned().unwrap_or_default(),
            row: data.file_rows(&[row as u32])[0],
            id: None,
            truth,
            side: faces.side(),
            pixels: faces.pixels(row).to_vec(),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(id: &str) -> Face {
        Face {
            file: "test.csv".into(),
            row: 1,
            id: Some(id.to_owned()),
            truth: None,
            side: 1,
            pixels: vec![0],
        }
    }

    fn submitted(lookup: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("IdLookupTable.csv");
        std::fs::write(&path, lookup).unwrap();
        let mut points = [Keypoints([[1.0, 2.0]; COUNT]); 2];
        points[1].0[10] = [200.0, -3.0];
        let mut out = Vec::new();
        kaggle(&mut out, &path, &[face("1"), face("2")], &points)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_submission_has_a_line_for_each_wanted_coordinate_within_the_picture() {
        let header = "RowId,ImageId,FeatureName,Location\n";
        let lookup = format!("{header}1,1,left_eye_center_y,\n2,2,nose_tip_x,\n3,2,nose_tip_y,\n");
        assert_eq!(
            submitted(&lookup).unwrap(),
            "RowId,Location\n1,2.0000\n2,96.0000\n3,0.0000\n"
        );
        for (row, named) in [("1,9,nose_tip_x,", "ImageId 9"), ("1,1,tail_x,", "'tail_x'")] {
            let error = format!("{:#}", submitted(&format!("{header}{row}\n")).unwrap_err());
            assert!(error.contains(named) && error.contains("row 1"), "{error}");
        }
    }

    #[test]
    fn a_weak_score_is_told_as_uncertain() {
        let classes = ClassSet::new(&["Angry", "Happy"]).unwrap();
        let network = Exported {
            onnx: &[],
            normalisation: shared_model::image::Normalisation::Unit,
            views: inference::Views::Plain,
        };
        let classifier = Classifier {
            network,
            classes: &classes,
            decision: Decision {
                temperature: 1.0,
                abstain_below: 0.7,
            },
        };
        let told = |logits: [f32; 2]| verdict(&classifier, &Scores::from_logits(&logits, 1.0).unwrap())[..2].to_vec();
        assert_eq!(told([0.0, 2.0]), ["Happy", "Happy"]);
        assert_eq!(told([0.1, 0.0]), ["Angry", "uncertain"]);
    }
}
