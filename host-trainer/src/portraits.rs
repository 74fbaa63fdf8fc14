//! Pictures of people as a camera takes them, looked at as the runtime does: the face detector finds the face, the
//! bundle's rule cuts the crop.
//!
//! A folder for each class holds one picture a person, called by the person (`DIR/neutral/042.jpg`); a CSV beside
//! it may say more about each (`id,age,gender,...`), so that figures can be given by group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use inference::picture::Picture;
use inference::{FaceNetwork, Output, Setup};
use serde::Serialize;
use shared_model::emotion::ClassSet;
use shared_model::image::CropRule;
use shared_model::manifest::Decision;
use vision::face::{Detector, DetectorConfig};

use crate::data::folder::{class_of, pictures};
use crate::evaluate::{Answer, AnswerFigures, Figure, NEUTRAL, Units};
use crate::measure::Exported;
use crate::panel::answer;

/// Ends of the bands that ages are put into.
const AGES: [(u32, &str); 3] = [(25, "under 25"), (35, "25 to 34"), (u32::MAX, "35 and over")];

/// What stands in a table of people for what is not known; such people are in no group.
const UNKNOWN: [&str; 4] = ["", "NA", "N/A", "unknown"];

/// Logits of the portraits of a folder.
#[derive(Debug, Clone)]
pub struct Portraits {
    classes: ClassSet,
    faces: Vec<Portrait>,
    /// Pictures in which the detector found no face.
    pub missed: usize,
}

#[derive(Debug, Clone)]
struct Portrait {
    truth: u8,
    person: String,
    logits: Vec<f32>,
}

/// What was said about portraits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PortraitFigures {
    /// Pictures in which the detector found no face; they are in no other figure.
    pub missed: usize,
    /// Figures of the pictures in which it found one.
    pub figures: AnswerFigures,
    /// By what is known of the people.
    pub groups: Vec<Grouped>,
}

/// Figures by one attribute of the people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grouped {
    /// The attribute, such as `gender`.
    pub attribute: String,
    /// The class of the portraits.
    pub class: String,
    /// What the shares are of: portraits that are told the class, or, of Neutral, told another.
    pub figure: &'static str,
    /// Value of the attribute, people, share.
    pub shares: Vec<(String, usize, Option<Figure>)>,
    /// Between the highest and the lowest share.
    pub largest_gap: Option<Figure>,
}

/// What is known of people, by their name: attributes with values.
pub type People = BTreeMap<String, Vec<(String, String)>>;

impl Portraits {
    /// Finds and classifies the face of every picture in `dir`; `crop` is the rule of the network.
    pub fn classify(network: Exported<'_>, classes: &ClassSet, crop: &CropRule, dir: &Path) -> Result<Self> {
        let setup = Setup {
            output: Output::Emotion { classes: classes.len() },
            normalisation: network.normalisation,
            views: network.views,
        };
        let mut model = FaceNetwork::load(network.onnx.to_vec(), setup)?;
        let mut detector = Detector::new(DetectorConfig::default())?;
        let (mut faces, mut missed) = (Vec::new(), 0);
        for (path, folder, file) in pictures(dir)? {
            let Some(truth) = class_of(&folder, classes) else {
                continue;
            };
            let bytes = crate::files::read(&path).with_context(|| format!("read {}", path.display()))?;
            let picture = Picture::decode(&bytes).with_context(|| format!("read {}", path.display()))?;
            let gray = picture.gray()?;
            let found = detector.detect(gray);
            let Some(face) = found.into_iter().max_by(|a, b| a.bounds.w.total_cmp(&b.bounds.w)) else {
                missed += 1;
                continue;
            };
            faces.push(Portrait {
                truth,
                person: file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem).to_owned(),
                logits: model.infer(gray, &crop.apply(&face.bounds))?.to_vec(),
            });
        }
        if faces.is_empty() {
            bail!("{} holds no picture with a face in a folder of a class", dir.display());
        }
        Ok(Self {
            classes: classes.clone(),
            faces,
            missed,
        })
    }

    /// Figures with this temperature and threshold.
    pub fn figures(&self, decision: Decision, people: &People) -> Result<PortraitFigures> {
        let names: BTreeSet<&str> = self.faces.iter().map(|face| face.person.as_str()).collect();
        let numbers: BTreeMap<&str, u32> = names.into_iter().zip(0..).collect();
        let answers = self.faces.iter().map(|face| {
            let person = numbers[face.person.as_str()];
            answer(&face.logits, decision.temperature, Some(face.truth), person)
        });
        let answers: Vec<Answer> = answers.collect::<Result<_>>()?;
        Ok(PortraitFigures {
            missed: self.missed,
            figures: AnswerFigures::measure(&self.classes, &answers, decision.abstain_below),
            groups: self.grouped(&answers, decision.abstain_below, people),
        })
    }

    fn grouped(&self, answers: &[Answer], threshold: f32, people: &People) -> Vec<Grouped> {
        let attributes: BTreeSet<&str> = people
            .values()
            .flatten()
            .map(|(attribute, _)| attribute.as_str())
            .collect();
        let classes: BTreeSet<u8> = answers.iter().filter_map(|answer| answer.truth).collect();
        let mut all = Vec::new();
        for (attribute, class) in attributes
            .iter()
            .flat_map(|a| classes.iter().map(move |class| (*a, *class)))
        {
            let groups: Vec<Option<&str>> = self
                .faces
                .iter()
                .map(|face| value(people, &face.person, attribute))
                .collect();
            let label = self.classes.label(usize::from(class)).unwrap_or_default();
            let neutral = label == NEUTRAL;
            let units = Units::new(answers.iter().map(|answer| answer.person));
            let hit = |at: usize| {
                let told = answers[at].score >= threshold;
                let right = answers[at].truth == Some(answers[at].top);
                (answers[at].truth == Some(class)).then_some(told && right != neutral)
            };
            let values: BTreeSet<&str> = groups.iter().flatten().copied().collect();
            let of_group = |group: &str| {
                let in_group = |at: usize| groups[at] == Some(group);
                let people = (0..answers.len())
                    .filter(|at| in_group(*at) && hit(*at).is_some())
                    .count();
                let share = units.share(|at| in_group(at).then(|| hit(at)).flatten());
                (group.to_owned(), people, share)
            };
            all.push(Grouped {
                attribute: attribute.to_owned(),
                class: label.to_owned(),
                figure: if neutral { "told another class" } else { "told it" },
                shares: values.iter().map(|group| of_group(group)).collect(),
                largest_gap: units.figure(|faces| gap(faces, &groups, &values, hit)),
            });
        }
        all
    }
}

/// Highest less lowest share of hits among the groups; `None` with fewer than two groups.
fn gap(
    faces: &[usize],
    groups: &[Option<&str>],
    values: &BTreeSet<&str>,
    hit: impl Fn(usize) -> Option<bool>,
) -> Option<f64> {
    let shares = values.iter().filter_map(|value| {
        let own = faces.iter().filter(|face| groups[**face] == Some(value));
        let hits: Vec<bool> = own.filter_map(|face| hit(*face)).collect();
        let right = hits.iter().filter(|hit| **hit).count();
        (!hits.is_empty()).then(|| right as f64 / hits.len() as f64)
    });
    let shares: Vec<f64> = shares.collect();
    let extreme = |pick: fn(f64, f64) -> f64| shares.iter().copied().reduce(pick);
    (shares.len() > 1)
        .then(|| Some(extreme(f64::max)? - extreme(f64::min)?))
        .flatten()
}

fn value<'a>(people: &'a People, person: &str, attribute: &str) -> Option<&'a str> {
    let known = people.get(person)?.iter().find(|(name, _)| name == attribute);
    let value = known.map(|(_, value)| value.as_str())?;
    (!UNKNOWN.iter().any(|word| value.eq_ignore_ascii_case(word))).then_some(value)
}

/// Reads what is known of people: a CSV whose column `id` is the name of the person's pictures.
///
/// Every other column is an attribute; a column `age` is put into bands. A field that is empty, `NA`, `N/A` or `unknown`
/// puts the person into no group of that attribute.
pub fn people(path: &Path) -> Result<People> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("open {}", path.display()))?;
    let header = reader
        .headers()
        .with_context(|| format!("read {}", path.display()))?
        .clone();
    let id = header.iter().position(|name| name.eq_ignore_ascii_case("id"));
    let id = id.with_context(|| format!("read {}: no column 'id' in the header", path.display()))?;
    let mut people = People::new();
    for record in reader.records() {
        let record = record.with_context(|| format!("read {}", path.display()))?;
        let attributes = header.iter().zip(&record).enumerate().filter(|(at, _)| *at != id);
        let attributes = attributes.map(|(_, (name, value))| (name.to_owned(), banded(name, value)));
        people.insert(record[id].to_owned(), attributes.collect());
    }
    Ok(people)
}

fn banded(name: &str, value: &str) -> String {
    let age = value.parse::<u32>().ok().filter(|_| name.eq_ignore_ascii_case("age"));
    let band = age.and_then(|age| AGES.iter().find(|(end, _)| age < *end));
    band.map_or_else(|| value.to_owned(), |(_, band)| (*band).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portraits() -> (Portraits, People) {
        let classes = ClassSet::new(&["Happy", "Neutral"]).unwrap();
        let face = |person: &str, truth: u8, logit: f32| Portrait {
            truth,
            person: person.to_owned(),
            logits: vec![logit, 0.0],
        };
        let faces = vec![
            face("a", 0, 3.0),
            face("b", 0, -3.0),
            face("c", 0, 3.0),
            face("a", 1, -3.0),
            face("b", 1, 3.0),
            face("c", 1, 0.1),
        ];
        let gender = |value: &str| vec![("gender".to_owned(), value.to_owned())];
        let people = [("a", "f"), ("b", "m"), ("c", "m")].map(|(name, value)| (name.to_owned(), gender(value)));
        let portraits = Portraits {
            classes,
            faces,
            missed: 1,
        };
        (portraits, People::from(people))
    }

    #[test]
    fn shares_are_given_by_group_with_the_gap_between_them() {
        let (portraits, people) = portraits();
        let decision = Decision {
            temperature: 1.0,
            abstain_below: 0.7,
        };
        let found = portraits.figures(decision, &people).unwrap();
        assert_eq!((found.missed, found.figures.faces, found.groups.len()), (1, 6, 2));
        let [happy, neutral] = &found.groups[..] else {
            panic!("two classes")
        };
        let shares = |grouped: &Grouped| -> Vec<(String, usize, f64)> {
            let shares = grouped.shares.iter();
            shares
                .map(|(group, people, share)| (group.clone(), *people, share.unwrap().value))
                .collect()
        };
        assert_eq!((happy.class.as_str(), happy.figure), ("Happy", "told it"));
        assert_eq!(shares(happy), [("f".to_owned(), 1, 1.0), ("m".to_owned(), 2, 0.5)]);
        assert!((happy.largest_gap.unwrap().value - 0.5).abs() < 1e-9);
        assert_eq!(neutral.figure, "told another class");
        // Of b's and c's neutral faces the first is told Happy, the second nothing.
        assert_eq!(shares(neutral), [("f".to_owned(), 1, 0.0), ("m".to_owned(), 2, 0.5)]);
    }

    #[test]
    fn people_are_read_with_their_ages_in_bands() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "id,age,gender\n007,24,f\n9,35,m\n10,,f\n12,NA,m\n").unwrap();
        let people = people(file.path()).unwrap();
        assert_eq!(value(&people, "007", "age"), Some("under 25"));
        assert_eq!(value(&people, "9", "age"), Some("35 and over"));
        assert_eq!(
            (value(&people, "10", "age"), value(&people, "10", "gender")),
            (None, Some("f"))
        );
        assert_eq!(
            (value(&people, "12", "age"), value(&people, "12", "gender")),
            (None, Some("m"))
        );
        assert_eq!(value(&people, "11", "age"), None);
    }
}
