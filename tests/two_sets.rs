//! One training on two data sets, a table with the taggers' votes and a folder for each class: each is framed, drawn and
//! divided by its own settings, and `evaluate` and the model card tell both apart.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::faces::{numbers, people};
use crate::support::programs::{Ran, program, root, run};

const RECIPE: &str = r#"
task = "emotion"
classes = ["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral"]
batch = 8
epochs = 1
replicas = 2

[loss]
kind = "cross_entropy"
smoothing = 0.0
balance = 0.0
votes = 0.75
outside = 0.25

[optimiser]
learning_rate = 1e-4

[[sets]]
name = "crowd"
weight = 0.5
frame = { scale = 1.0, dx = 0.25, dy = 0.0 }
split = { by = "usage", test = 0.0, validation = 0.25 }

[[sets]]
name = "studio"
weight = 2.0
frame = { scale = 0.5, dx = 0.0, dy = 0.0 }
split = { by = "group", test = 0.25, validation = 0.25 }
"#;
/// Columns of votes, in the order of FER2013's numbers, and what is no label of it.
const VOTES: [&str; 8] = [
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
    "contempt",
];
const FEAR: usize = 2;
const SAD: usize = 4;
const NEUTRAL: usize = 6;
const CONTEMPT: usize = 7;
/// Folders of the studio; the last two are none of the classes.
const FOLDERS: [&str; 8] = [
    "angry", "disgust", "sad", "happy", "surprise", "neutral", "fear", "contempt",
];
const CLASSES: usize = 6;
/// Side of a face, and of a studio's picture, whose middle half is the face.
const SIDE: usize = 96;
const WIDE: usize = 2 * SIDE;
/// Rows of the table, and those of them that are for the test.
const ROWS: usize = 48;
const TESTED: usize = 12;
/// Rows of the table that are trained on: a quarter of the rest validates.
const TRAINED: usize = 27;

/// The files of a training, and its recipe.
struct Sets {
    recipe: PathBuf,
    table: PathBuf,
    votes: PathBuf,
    studio: PathBuf,
}

impl Sets {
    fn new(folder: &Path, recipe: &str) -> Self {
        let sets = Self {
            recipe: folder.join("recipe.toml"),
            table: folder.join("crowd.csv"),
            votes: folder.join("votes.csv"),
            studio: folder.join("studio"),
        };
        fs::create_dir(folder).unwrap();
        fs::write(&sets.recipe, recipe).unwrap();
        sets
    }

    fn train(&self, run_dir: &Path) -> Ran {
        let mut command = program("host-trainer");
        command.args(["train", "emotion", "--recipe"]).arg(&self.recipe);
        run(self.named(&mut command, "").arg("--out").arg(run_dir), 0)
    }

    /// The command with both sets, as options that begin so.
    fn named<'c>(&self, command: &'c mut Command, begin: &str) -> &'c mut Command {
        for (option, path) in [("data", &self.table), ("data", &self.studio), ("votes", &self.votes)] {
            command.arg(format!("--{begin}{option}")).arg(path);
        }
        command
    }

    fn evaluate(&self, run_dir: &Path, code: i32) -> Ran {
        let mut command = program("host-trainer");
        command.arg("evaluate").arg("--run").arg(run_dir);
        run(self.named(&mut command, ""), code)
    }

    /// The table: faces with FER2013's numbers in turn, and votes. `face` makes a row's picture of the photographed one.
    fn write_table(&self, faces: &[Vec<u8>], face: impl Fn(&[u8]) -> Vec<u8>, fear: usize) {
        let mut table = String::from("emotion,pixels,Usage\n");
        let mut votes = format!("Usage,{}\n", VOTES.join(","));
        for (row, own) in faces.iter().cycle().take(ROWS).enumerate() {
            let usage = if row < ROWS - TESTED { "Training" } else { "PublicTest" };
            // In the second round faces are darker, so that no row is a copy of another.
            let own: Vec<u8> = own
                .iter()
                .map(|value| value - value / 8 * u8::from(row >= faces.len()))
                .collect();
            writeln!(table, "{},{},{usage}", row % 7, numbers(&face(&own))).unwrap();
            let counts = counts(row, fear).map(|count| count.to_string());
            writeln!(votes, "{usage},{}", counts.join(",")).unwrap();
        }
        fs::write(&self.table, table).unwrap();
        fs::write(&self.votes, votes).unwrap();
    }

    /// Two pictures of each person, in the folders in turn; those of a folder that is not named are left out. `face` makes a
    /// picture, with its side, of the photographed one.
    fn write_studio(&self, wide: &[Vec<u8>], folders: &[&str], face: impl Fn(&[u8]) -> (usize, Vec<u8>)) {
        for (person, own) in wide.iter().enumerate() {
            let Some(folder) = folders.get(person % FOLDERS.len()) else {
                continue;
            };
            let folder = self.studio.join(folder);
            fs::create_dir_all(&folder).unwrap();
            for number in [1, 2] {
                let darker: Vec<u8> = own.iter().map(|value| value - value / 8 * (number - 1)).collect();
                let (side, pixels) = face(&darker);
                let picture = [format!("P5\n{side} {side}\n255\n").as_bytes(), &pixels].concat();
                fs::write(folder.join(format!("p{person:02}_{number}.pgm")), picture).unwrap();
            }
        }
    }
}

/// Votes for a row: nine for its label and one for contempt. Of those labelled Fear every other one looks sad to most
/// taggers. What is voted for Fear stands in column `fear`, what for contempt in the other one of both.
fn counts(row: usize, fear: usize) -> [u8; 8] {
    let mut counts = [0; 8];
    match row % 7 {
        FEAR if row.is_multiple_of(2) => (counts[SAD], counts[fear]) = (6, 4),
        FEAR => (counts[SAD], counts[fear]) = (2, 8),
        label => (counts[label], counts[FEAR + CONTEMPT - fear]) = (9, 1),
    }
    counts
}

/// What the table's frame shows of a face: moved by a quarter of its side, the last column repeated.
fn moved(face: &[u8]) -> Vec<u8> {
    let row = |row: &[u8]| -> Vec<u8> { (0..SIDE).map(|at| row[(at + SIDE / 4).min(SIDE - 1)]).collect() };
    face.chunks_exact(SIDE).flat_map(row).collect()
}

/// What the studio's frame shows of a picture: the middle half.
fn middle(picture: &[u8]) -> Vec<u8> {
    let rows = picture.chunks_exact(WIDE).skip(SIDE / 2).take(SIDE);
    rows.flat_map(|row| row[SIDE / 2..][..SIDE].to_vec()).collect()
}

/// The number before these words in what was told.
fn number(told: &str, words: &str) -> usize {
    let before = told.split(words).next().unwrap();
    assert_ne!(before.len(), told.len(), "`{words}` is not told: {told}");
    before
        .rsplit(|sign: char| !sign.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn exported(run_dir: &Path) -> Vec<u8> {
    let onnx = run_dir.join("exported.onnx");
    let mut command = program("host-trainer");
    run(command.arg("export").arg(run_dir).arg("--out").arg(&onnx), 0);
    fs::read(onnx).unwrap()
}

fn panel<'a>(told: &'a Value, set: &str, name: &str) -> &'a Value {
    let mut panels = told["panels"].as_array().unwrap().iter();
    &panels
        .find(|panel| panel["set"] == set && panel["name"] == name)
        .unwrap()["figures"]
}

#[test]
fn two_sets_are_each_framed_drawn_divided_and_told_in_their_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let (faces, wide) = (people(SIDE, 1.2), people(WIDE, 2.4));
    let sets = Sets::new(&folder.path().join("as given"), RECIPE);
    sets.write_table(&faces, <[u8]>::to_vec, FEAR);
    sets.write_studio(&wide, &FOLDERS, |picture| (WIDE, picture.to_vec()));
    let run_dir = folder.path().join("run");
    let told = sets.train(&run_dir).errors;

    // Divided: the table by its column, the folder by person, each with two pictures.
    let parts = [" rows for training", " for validation", " for the test"].map(|words| number(&told, words));
    let of_table = [TRAINED, ROWS - TESTED - TRAINED, TESTED];
    let of_folder = [0, 1, 2].map(|part| parts[part] - of_table[part]);
    assert!(of_folder.iter().all(|rows| *rows > 0 && rows % 2 == 0), "{of_folder:?}");
    let known = (0..wide.len())
        .filter(|person| person % FOLDERS.len() < CLASSES)
        .count();
    assert_eq!(
        of_folder.iter().sum::<usize>(),
        2 * known,
        "fear and contempt are left out"
    );
    // Drawn: half of the table's faces in an epoch, each of the folder's twice.
    assert_eq!(number(&told, " shown in each epoch"), TRAINED / 2 + 2 * of_folder[0]);

    // Measured: each with the panels of its kind.
    let figures = sets.evaluate(&run_dir, 0).lines().remove(0);
    let faces_of = |set: &str, name: &str| panel(&figures, set, name)["faces"].as_u64().unwrap() as usize;
    let of_label = |label: usize| (ROWS - TESTED..ROWS).filter(|row| row % 7 == label).count();
    let feared = (ROWS - TESTED..ROWS)
        .filter(|row| row % 7 == FEAR && row % 2 == 1)
        .count();
    assert_eq!(faces_of("crowd", "label"), TESTED - of_label(FEAR) - of_label(NEUTRAL));
    assert_eq!(faces_of("crowd", "majority"), TESTED - feared);
    assert_eq!(panel(&figures, "crowd", "majority")["other_faces"], feared);
    assert_eq!(faces_of("studio", "photographs"), of_folder[2]);

    // Framed and masked: the same faces, cut beforehand, with the votes for Fear and Contempt exchanged and without their
    // folders, give the same network.
    let framed = Sets::new(&folder.path().join("framed"), &without_frames());
    framed.write_table(&faces, moved, CONTEMPT);
    framed.write_studio(&wide, &FOLDERS[..CLASSES], |picture| (SIDE, middle(picture)));
    let same = folder.path().join("same");
    framed.train(&same);
    assert!(
        exported(&run_dir) == exported(&same),
        "the network saw other faces than the frames show, or knows Fear from Contempt"
    );
    // The digest of a training's faces knows the difference.
    let refused = sets.evaluate(&same, 65).errors;
    assert!(
        refused.contains("this is not the data that was trained on"),
        "{refused}"
    );

    card_names_both(&sets, &run_dir, &folder.path().join("bundle"));
}

fn without_frames() -> String {
    let lines = RECIPE.lines().filter(|line| !line.starts_with("frame"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The default bundle's keypoint network makes a bundle of it.
fn card_names_both(sets: &Sets, run_dir: &Path, bundle: &Path) {
    let mut command = program("host-trainer");
    command
        .args(["bundle", "--keypoints"])
        .arg(root().join("edge-runtime/models/default"));
    command.arg("--emotion").arg(run_dir).arg("--out").arg(bundle);
    run(sets.named(&mut command, "emotion-"), 0);
    let card = fs::read_to_string(bundle.join("README.md")).unwrap();
    for words in [
        "one of 6 classes (Angry, Disgust, Sad, Happy, Surprise, Neutral)",
        "| crowd, label |",
        "| crowd, majority |",
        "| studio, photographs |",
        "crowd: the data set's `Usage`, copies of test faces left out; studio: person or exact copy",
        "emotions on the sets crowd and studio with the taggers' votes",
        "--data CROWD --data STUDIO --votes",
    ] {
        assert!(card.contains(words), "`{words}` is missing: {card}");
    }
}
