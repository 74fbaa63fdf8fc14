//! Both networks, trained once for all tests of this binary, with their quantised files and the bundle of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::OnceLock;

use burn::tensor::{Device, Tensor, TensorData};
use host_trainer::train::shipped::Shipped;
use inference::picture::Picture;
use serde_json::Value;
use shared_model::image::{INPUT_LEN, SIDE, sample};

use super::faces::{self, Csv};
use super::programs::{program, run};

/// The tasks, each with a network of its own.
pub(crate) const TASKS: [&str; 2] = ["keypoints", "emotion"];

/// What the command line trained, exported, quantised and bundled. Tests that change a file work on a copy.
pub(crate) struct Trained {
    folder: PathBuf,
    pub(crate) csv: Csv,
    /// A face of the emotion file, which already is the crop.
    pub(crate) picture: Picture,
    /// Line of the command that made the bundle.
    pub(crate) manifest: Value,
    /// What each command of a training told.
    told: Vec<String>,
}

/// Trains with the first call; everyone else waits for it.
pub(crate) fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(Trained::make)
}

impl Trained {
    fn make() -> Self {
        let folder = folder();
        let csv = faces::write(&folder);
        let told = vec![
            train("keypoints", &csv.keypoints, &folder.join("keypoints")),
            train("emotion", &csv.emotion, &folder.join("emotion")),
        ];
        let picture = first_face(&csv.emotion);
        fs::write(folder.join("face.pgm"), pgm(&picture)).unwrap();
        let mut trained = Self {
            folder,
            csv,
            picture,
            manifest: Value::Null,
            told,
        };
        for task in TASKS {
            trained.export(task);
            trained.quantise(task);
        }
        trained.manifest = run(&mut trained.bundling(), 0).lines().remove(0);
        trained
    }

    /// Everything that the trainings told, by task.
    pub(crate) fn told(&self, task: &str) -> &str {
        let at = TASKS.iter().position(|own| *own == task).unwrap();
        &self.told[at]
    }

    /// The labelled faces of a task.
    pub(crate) fn data(&self, task: &str) -> &Path {
        match task {
            "emotion" => &self.csv.emotion,
            _ => &self.csv.keypoints,
        }
    }

    /// Directory of a task's run.
    pub(crate) fn run(&self, task: &str) -> PathBuf {
        self.folder.join(task)
    }

    /// The network of a task in floats.
    pub(crate) fn onnx(&self, task: &str) -> PathBuf {
        self.folder.join(format!("{task}.onnx"))
    }

    /// The network of a task in 8 bits.
    pub(crate) fn int8(&self, task: &str) -> PathBuf {
        self.folder.join(format!("{task}-int8.onnx"))
    }

    /// The bundle with both networks, in both precisions and in one file.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    /// A copy of the bundle in `folder`, to be changed.
    pub(crate) fn bundle_in(&self, folder: &Path) -> PathBuf {
        let copy = folder.join("bundle");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(self.bundle()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        copy
    }

    /// The picture as a file.
    pub(crate) fn face(&self) -> PathBuf {
        self.folder.join("face.pgm")
    }

    /// What the network of a task gets of the picture, as its training prescribes.
    pub(crate) fn input(&self, task: &str) -> Vec<f32> {
        let mut input = self.crop();
        let shipped = Shipped::of_run(&self.run(task)).unwrap();
        shipped.state.config.normalisation.apply(&mut input);
        input
    }

    /// The picture as the file with both networks takes it.
    pub(crate) fn crop(&self) -> Vec<f32> {
        let mut input = vec![0.0; INPUT_LEN];
        let view = self.picture.gray().unwrap();
        sample(view, &view.bounds(), SIDE, &mut input);
        input
    }

    /// What burn computes for the picture.
    pub(crate) fn by_burn(&self, task: &str) -> Vec<f64> {
        let shipped = Shipped::of_run(&self.run(task)).unwrap();
        let data = TensorData::new(self.input(task), [1, 1, SIDE, SIDE]);
        let tensor = Tensor::<4>::from_data(data, &Device::flex());
        shipped.network.forward(tensor).into_data().iter::<f64>().collect()
    }

    /// `classify` of the picture with the bundle.
    pub(crate) fn classified(&self, precision: &[&str]) -> Value {
        run(classify(&self.bundle()).args(precision).arg(self.face()), 0)
            .lines()
            .remove(0)
    }

    fn export(&self, task: &str) {
        let mut command = program("host-trainer");
        command.arg("export").arg(self.run(task)).arg("--out");
        run(command.arg(self.onnx(task)), 0);
    }

    fn quantise(&self, task: &str) {
        let layers = run(&mut quantising(&self.run(task), self.data(task), &self.int8(task)), 0);
        assert!(layers.lines()[0].as_array().unwrap().len() >= 20, "{}", layers.out);
    }

    fn bundling(&self) -> Command {
        let mut command = bundling(&self.run("keypoints"), &self.run("emotion"), &self.csv);
        command.arg("--int8").args(TASKS.map(|task| self.int8(task)));
        command.args(["--combined", "--out"]).arg(self.bundle());
        command
    }
}

/// The command that bundles two networks, each a run or a bundle; `--out` is still to come.
pub(crate) fn bundling(keypoints: &Path, emotion: &Path, csv: &Csv) -> Command {
    let mut command = program("host-trainer");
    command.arg("bundle").arg("--keypoints").arg(keypoints);
    command.arg("--keypoints-data").arg(&csv.keypoints);
    command.arg("--emotion").arg(emotion);
    command.arg("--emotion-data").arg(&csv.emotion);
    command
}

/// The command that quantises a network to `out`.
pub(crate) fn quantising(network: &Path, data: &Path, out: &Path) -> Command {
    let mut command = program("host-trainer");
    command.arg("quantise").arg(network).arg("--calibrate").arg(data);
    command.args(["--faces", "16", "--out"]).arg(out);
    command
}

/// The command that classifies pictures which are the crop already.
pub(crate) fn classify(bundle: &Path) -> Command {
    let mut command = program("edge-runtime");
    command.args(["classify", "--face", "whole", "--bundle"]).arg(bundle);
    command
}

/// A folder of this process. What processes that have ended left is removed: nobody drops what lasts as long as they.
fn folder() -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in fs::read_dir(all).unwrap().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix("trained-"));
        if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = all.join(format!("trained-{}", id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    folder
}

fn train(task: &str, data: &Path, out: &Path) -> String {
    let mut command = program("host-trainer");
    command.args(["train", task, "--epochs", "2", "--batch", "8", "--replicas", "2"]);
    command.args(["--learning-rate", "1e-4", "--data"]).arg(data);
    run(command.arg("--out").arg(out), 0).errors
}

/// The first face of an emotion file.
fn first_face(csv: &Path) -> Picture {
    let text = fs::read_to_string(csv).unwrap();
    let row = text.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let pixels: Vec<u8> = row.split(' ').map(|value| value.parse().unwrap()).collect();
    let side = (pixels.len() as f64).sqrt() as usize;
    Picture::from_gray(pixels, side, side).unwrap()
}

fn pgm(picture: &Picture) -> Vec<u8> {
    let view = picture.gray().unwrap();
    let (width, height) = (view.width(), view.height());
    let rows: Vec<u8> = (0..height).flat_map(|y| view.row(y).to_vec()).collect();
    [format!("P5\n{width} {height}\n255\n").as_bytes(), &rows].concat()
}
