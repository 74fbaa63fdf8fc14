//! What the column `emotion` and the folders of pictures say: a class by number, or by name.

use std::path::Path;

use shared_model::emotion::ClassSet;

use super::table::shown;
use super::{DataError, Fault};

/// The labels of FER2013 in the order of their numbers.
pub const FER2013_LABELS: [&str; 7] = ["Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral"];

/// The same labels as folders sort them, and programs that number folders.
const ALPHABETICAL: [&str; 7] = ["Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"];

/// The label that FER2013 lacks and FER+ has.
const CONTEMPT: &str = "Contempt";

/// Fewest rows of a label that say something about how frequent it is.
const TELLING: u64 = 100;

/// Other names that classes have in public data sets.
const ALIASES: [(&str, &str); 12] = [
    ("anger", "Angry"),
    ("disgusted", "Disgust"),
    ("sadness", "Sad"),
    ("happiness", "Happy"),
    ("smiling", "Happy"),
    ("surprised", "Surprise"),
    ("fearful", "Fear"),
    ("afraid", "Fear"),
    ("fear", "Fear"),
    ("neutrality", "Neutral"),
    ("calm", "Neutral"),
    ("contemptuous", "Contempt"),
];

/// The class of this name, letter case and common other names aside; `None` for one outside the set.
pub fn class_of(name: &str, classes: &ClassSet) -> Option<u8> {
    classes.index(standard(name)).map(|class| class as u8)
}

/// What a class is called here.
fn standard(name: &str) -> &str {
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
    alias.map_or(name, |(_, name)| name)
}

/// Whether this is the name of a class at all.
fn is_known(name: &str) -> bool {
    let own = standard(name);
    FER2013_LABELS
        .iter()
        .chain(&[CONTEMPT])
        .any(|known| known.eq_ignore_ascii_case(own))
}

/// How the labels of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Numbers,
    Names,
}

/// The labels of one file, of which the first says how all are written.
pub(super) struct Labels<'a> {
    classes: &'a ClassSet,
    /// What the numbers mean, from 0.
    names: Vec<String>,
    /// Whether somebody said so.
    told: bool,
    written: Option<Written>,
    /// Rows of each number.
    counts: Vec<u64>,
}

impl<'a> Labels<'a> {
    /// Labels whose numbers mean what was `told`, or else `usual`.
    pub(super) fn new(classes: &'a ClassSet, told: &[String], usual: &[&str]) -> Self {
        let usual = || usual.iter().map(|name| (*name).to_owned()).collect();
        let names: Vec<String> = if told.is_empty() { usual() } else { told.to_vec() };
        Self {
            classes,
            counts: vec![0; names.len()],
            names,
            told: !told.is_empty(),
            written: None,
        }
    }

    /// Finds out how the labels are written; a file of numbers must be able to hold every class.
    pub(super) fn begin(&mut self, first: &[u8], path: &Path) -> Result<(), DataError> {
        if number(first).is_none() && std::str::from_utf8(first.trim_ascii()).is_ok_and(is_known) {
            self.written = Some(Written::Names);
            return Ok(());
        }
        self.written = Some(Written::Numbers);
        for class in self.classes.iter() {
            if !self.names.iter().any(|own| standard(own).eq_ignore_ascii_case(class)) {
                return Err(DataError::Class {
                    path: path.to_owned(),
                    class: class.to_owned(),
                    known: self.names.clone(),
                });
            }
        }
        Ok(())
    }

    /// The class of a cell; `None` outside the class set.
    pub(super) fn class(&mut self, cell: &[u8]) -> Result<Option<u8>, Fault> {
        if self.written == Some(Written::Names) {
            let name = std::str::from_utf8(cell.trim_ascii()).unwrap_or_default();
            return match class_of(name, self.classes) {
                None if !is_known(name) => Err(Fault::LabelName(shown(cell))),
                class => Ok(class),
            };
        }
        let known = number(cell).and_then(|number| Some((number, self.names.get(number)?)));
        let Some((number, name)) = known else {
            return Err(Fault::Label {
                text: shown(cell),
                max: self.names.len() - 1,
            });
        };
        self.counts[number] += 1;
        Ok(class_of(name, self.classes))
    }

    /// Why the numbers may mean something else than they are read as.
    pub(super) fn doubt(&self) -> Option<String> {
        if self.told || self.written != Some(Written::Numbers) || self.names != FER2013_LABELS {
            return None;
        }
        let read = "the numbers in column 'emotion' are read as FER2013's";
        if self.looks_alphabetical() {
            return Some(format!(
                "{read} (4 Sad, 5 Surprise, 6 Neutral), but there are as few of 6 as FER2013 has of Surprise: they look \
                 alphabetical. If 4 is Neutral, 5 Sad and 6 Surprise, say so with --labels {}",
                ALPHABETICAL.join(",")
            ));
        }
        if self.counts[5..].iter().all(|count| *count == 0) && self.counts[..5].iter().all(|count| *count > 0) {
            return Some(format!(
                "{read} (0 Angry, 1 Disgust, 2 Fear, 3 Happy, 4 Sad), and there is no 5 or 6. If they number other \
                 classes, name these with --labels, such as --labels Angry,Disgust,Sad,Happy,Surprise"
            ));
        }
        None
    }

    /// In FER2013 label 5, Surprise, has two thirds of the rows that each of its neighbours has; in alphabetical order
    /// that is label 6.
    fn looks_alphabetical(&self) -> bool {
        let [four, five, six] = [4, 5, 6].map(|label| self.counts[label]);
        six >= TELLING && five * 4 > six * 5 && four * 4 > six * 5
    }
}

/// A whole number, which pandas writes with `.0` where a column once held a gap.
fn number(cell: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

/// A count, written like a label.
pub(super) fn count(cell: &[u8]) -> Option<u16> {
    u16::try_from(number(cell)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[(&str, u64)]) -> Option<String> {
        let classes = ClassSet::product();
        let mut labels = Labels::new(&classes, &[], &FER2013_LABELS);
        labels.begin(cells[0].0.as_bytes(), Path::new("a.csv")).unwrap();
        for (cell, count) in cells {
            for _ in 0..*count {
                labels.class(cell.as_bytes()).unwrap();
            }
        }
        labels.doubt()
    }

    #[test]
    fn numbers_may_have_a_fraction_of_zero_and_nothing_else() {
        let cases = [
            ("3", Some(3)),
            (" 3.0 ", Some(3)),
            ("3.", Some(3)),
            ("3.5", None),
            ("-1", None),
            ("", None),
        ];
        for (cell, expected) in cases {
            assert_eq!(number(cell.as_bytes()), expected, "{cell}");
        }
    }

    #[test]
    fn names_are_read_by_name_and_unknown_ones_refused() {
        let classes = ClassSet::product();
        let mut labels = Labels::new(&classes, &[], &FER2013_LABELS);
        labels.begin(b"happiness", Path::new("a.csv")).unwrap();
        assert_eq!(labels.class(b" Happy "), Ok(Some(3)));
        assert_eq!(labels.class(b"sadness"), Ok(Some(2)));
        assert_eq!(labels.class(b"contempt"), Ok(None));
        assert_eq!(labels.class(b"hapy"), Err(Fault::LabelName("hapy".to_owned())));
        assert_eq!(labels.doubt(), None);
    }

    #[test]
    fn numbers_mean_what_was_told() {
        let classes = ClassSet::product();
        let told = ALPHABETICAL.map(str::to_owned);
        let mut labels = Labels::new(&classes, &told, &FER2013_LABELS);
        labels.begin(b"5", Path::new("a.csv")).unwrap();
        assert_eq!((labels.class(b"5"), labels.class(b"4")), (Ok(Some(2)), Ok(None)));
        let few = ["Angry".to_owned(), "Sad".to_owned()];
        let error = Labels::new(&classes, &few, &FER2013_LABELS).begin(b"0", Path::new("a.csv"));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("class 'Disgust' is none of its labels (Angry, Sad)")
        );
    }

    #[test]
    fn numbers_in_another_order_than_fer2013s_are_doubted() {
        // FER2013's own training part, and the same with its labels in alphabetical order.
        assert_eq!(of(&[("4", 4830), ("5", 3171), ("6", 4965)]), None);
        let doubt = of(&[("4", 4965), ("5", 4830), ("6", 3171)]).unwrap();
        assert!(
            doubt.contains("--labels Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise"),
            "{doubt}"
        );
        let five = ["0", "1", "2", "3", "4"].map(|cell| (cell, 3));
        assert!(of(&five).unwrap().contains("there is no 5 or 6"));
        assert_eq!(of(&[("0", 3), ("3", 3)]), None);
    }
}
