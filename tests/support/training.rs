//! A small emotion training as a process that saves after each step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::faces;
use super::programs::{program, run};

/// What is trained, and how long.
pub(crate) struct Training {
    data: PathBuf,
    recipe: PathBuf,
    options: Vec<&'static str>,
}

impl Training {
    /// Writes data and recipe into `folder`; `options` are those of the command line.
    pub(crate) fn new(folder: &Path, options: &[&'static str]) -> Self {
        let recipe = folder.join("small.toml");
        fs::write(&recipe, "average = 0.9\n[architecture]\nstages = 1\n").unwrap();
        Self {
            data: faces::write(folder).emotion,
            recipe,
            options: options.to_vec(),
        }
    }

    /// The command that begins the training in `run`, or goes on with it.
    pub(crate) fn command(&self, run: &Path) -> Command {
        let mut command = program("host-trainer");
        command
            .args([
                "train",
                "emotion",
                "--batch",
                "8",
                "--replicas",
                "2",
                "--checkpoint-every",
                "0",
            ])
            .args(&self.options)
            .arg("--recipe")
            .arg(&self.recipe)
            .arg("--data")
            .arg(&self.data)
            .arg("--out")
            .arg(run);
        if run.join("config.toml").exists() {
            command.arg("--resume");
        }
        command
    }

    pub(crate) fn start(&self, run: &Path) -> Child {
        self.command(run).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Names of a run's checkpoints, or of whatever among them begins so.
pub(crate) fn names(run: &Path, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(beginning)).collect();
    names.sort();
    names
}

/// Name of the newest checkpoint.
pub(crate) fn newest(run: &Path) -> Option<String> {
    names(run, "step-").pop()
}

/// Waits until something holds; the training must not end before.
pub(crate) fn wait(child: &mut Child, holds: impl Fn() -> bool) {
    while !holds() {
        assert_eq!(child.try_wait().unwrap(), None, "the training ended by itself");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The trained network as an ONNX file.
pub(crate) fn exported(run_folder: &Path) -> Vec<u8> {
    let file = run_folder.with_extension("onnx");
    let mut command = program("host-trainer");
    run(command.arg("export").arg(run_folder).arg("--out").arg(&file), 0);
    fs::read(file).unwrap()
}
