//! A training that is stopped and goes on ends with the very weights of one that was not.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use host_trainer::config::TrainConfig;
use host_trainer::data::BadRows;
use host_trainer::device::{Backend, Devices};
use host_trainer::model::Task;
use host_trainer::train::prepare::{Files, Prepared, read};
use host_trainer::train::provenance::Provenance;
use host_trainer::train::shipped::Shipped;
use host_trainer::train::{CHECKPOINT_EVERY, Ended, Event, Job, train};

use crate::support::faces;
use crate::support::programs::{program, run};

const EPOCHS: u32 = 2;

fn config() -> TrainConfig {
    let mut config = TrainConfig::original(Task::Emotion);
    (config.epochs, config.batch, config.replicas, config.average) = (EPOCHS, 8, 2, 0.9);
    config
}

fn prepared(folder: &Path) -> Prepared {
    let files = Files {
        data: vec![faces::write(folder).emotion],
        votes: None,
        bad_rows: BadRows::Refuse,
    };
    let (data, _) = read(&files, &config()).unwrap();
    Prepared::new(data, &config()).unwrap()
}

/// Trains until `stop_after` steps of this call are done.
fn go(prepared: &Prepared, run: &Path, resume: bool, stop_after: u32) -> Ended {
    let job = Job {
        config: config(),
        prepared,
        pretrained: None,
        run,
        devices: Devices::local(Backend::Flex).unwrap(),
        resume,
        checkpoint_every: CHECKPOINT_EVERY,
        begun: Provenance::default(),
    };
    let stop = AtomicBool::new(false);
    let mut steps = 0;
    let mut tell = |event: Event<'_>| {
        steps += u32::from(matches!(event, Event::Step { .. }));
        stop.store(steps >= stop_after, Ordering::Relaxed);
    };
    train(&job, &stop, &mut tell).unwrap()
}

#[test]
fn trainings_that_begin_at_the_same_time_end_with_the_same_weights_as_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(folder.path());
    let weights = |name: &str| {
        let run = folder.path().join(name);
        assert_eq!(go(&prepared, &run, false, u32::MAX), Ended::Finished);
        Shipped::of_run(&run).unwrap().onnx().unwrap()
    };
    let alone = weights("alone");
    let weights = &weights;
    std::thread::scope(|scope| {
        for training in ["a", "b", "c", "d"].map(|name| scope.spawn(move || weights(name))) {
            assert!(training.join().unwrap() == alone, "the weights differ");
        }
    });
}

#[test]
fn resumed_training_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(folder.path());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    assert_eq!(go(&prepared, &whole, false, u32::MAX), Ended::Finished);
    assert_eq!(go(&prepared, &parts, false, 2), Ended::Interrupted);
    // In the middle of an epoch, then at its end.
    assert_eq!(go(&prepared, &parts, true, 1), Ended::Interrupted);
    assert_eq!(go(&prepared, &parts, true, 3), Ended::Interrupted);
    assert_eq!(go(&prepared, &parts, true, u32::MAX), Ended::Finished);
    let weights = |run: &Path| Shipped::of_run(run).unwrap().onnx().unwrap();
    assert!(weights(&whole) == weights(&parts), "the weights differ");
    let epochs = |run: &Path| {
        let text = fs::read_to_string(run.join("history.csv")).unwrap();
        text.lines()
            .map(|line| line.rsplit_once(',').unwrap().0.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(epochs(&whole), epochs(&parts), "histories but for the seconds");
}

#[test]
fn damaged_checkpoints_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let prepared = prepared(folder.path());
    let place = folder.path().join("run");
    go(&prepared, &place, false, u32::MAX);
    let mut sets: Vec<_> = fs::read_dir(place.join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    sets.sort();
    let newest = sets.pop().unwrap();
    let file = newest.join("weights.bpk");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let mut damaged = Vec::new();
    let found = host_trainer::train::checkpoint::newest(&place.join("checkpoints"), &mut damaged).unwrap();
    assert_eq!(found.unwrap().0, sets.pop().unwrap());
    assert!(damaged[0].contains("weights.bpk is damaged"), "{damaged:?}");
}

#[test]
fn a_run_is_neither_overwritten_nor_resumed_with_other_settings() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let command = |more: &[&str]| {
        let mut command = program("host-trainer");
        command
            .args([
                "train",
                "emotion",
                "--epochs",
                "1",
                "--batch",
                "8",
                "--replicas",
                "1",
                "--data",
            ])
            .arg(&csv.emotion);
        command.arg("--out").arg(folder.path().join("run")).args(more);
        command
    };
    let nothing = run(&mut command(&["--resume"]), 65);
    assert!(nothing.errors.contains("start without --resume"), "{}", nothing.errors);
    run(&mut command(&[]), 0);
    let again = run(&mut command(&[]), 65);
    assert!(again.errors.contains("go on with --resume"), "{}", again.errors);
    let other = run(&mut command(&["--resume", "--seed", "7"]), 65);
    assert!(other.errors.contains("differ"), "{}", other.errors);
}
