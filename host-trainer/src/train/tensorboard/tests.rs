//! What is written is read back.

use super::*;
use crate::model::Task;

/// The events of each file in a directory, in the order of the files.
fn events(folder: &Path) -> Vec<Logged> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut events = Vec::new();
    for path in paths {
        let bytes = fs::read(path).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (length, tail) = rest.split_at(8);
            let size = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            assert_eq!(tail[..4], checksum(length));
            let (data, tail) = tail[4..].split_at(size);
            assert_eq!(tail[..4], checksum(data));
            events.push(Logged::decode(data).unwrap());
            rest = &tail[4..];
        }
    }
    events
}

fn epoch(epoch: u32) -> EpochRecord {
    EpochRecord {
        epoch,
        loss: 1.5,
        metric: Some(0.25),
        validation_loss: 0.0,
        validation_metric: 0.5,
        learning_rate: 1e-3,
        seconds: 1.0,
    }
}

#[test]
fn the_checksum_is_that_of_tensorflow() {
    // CRC-32C of nine digits is 0xe3069283, the check value of its definition.
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    // That turned right by 15 bits, and 0xa282ead8 more.
    assert_eq!(checksum(b"123456789"), 0xc78a_b0e5_u32.to_le_bytes());
}

#[test]
fn epochs_stand_in_the_files_once_and_a_training_that_goes_on_adds_its_own() {
    let logs = tempfile::tempdir().unwrap();
    let config = TrainConfig::original(Task::Emotion);
    let go_on = |done: &[EpochRecord], own: u32| {
        let mut board = TensorBoard::new(logs.path(), Path::new("runs/mine"), &config);
        board.tell(&Event::Begins {
            epoch: done.len() as u32,
            step: 0,
            steps: 1,
            history: done,
        });
        board.tell(&Event::Epoch {
            record: &epoch(own),
            best: None,
            steps: 1,
        });
    };
    // The first files get what was done before, later ones do not.
    go_on(&[epoch(1)], 2);
    go_on(&[epoch(1), epoch(2)], 3);
    let read = |part: &str| -> Vec<(i64, Vec<(String, f32)>)> {
        let values = events(&logs.path().join("mine").join(part)).into_iter();
        let values = values.filter_map(|event| Some((event.step, event.summary?.value)));
        let named = |values: Vec<Value>| {
            values
                .into_iter()
                .map(|own| (own.tag, own.simple_value.unwrap()))
                .collect()
        };
        values.map(|(step, values)| (step, named(values))).collect()
    };
    let training = read("train");
    assert_eq!(training.iter().map(|own| own.0).collect::<Vec<_>>(), [1, 2, 3]);
    let expected = [
        ("epoch_loss", 1.5),
        ("epoch_accuracy", 0.25),
        ("epoch_learning_rate", 1e-3),
    ];
    assert_eq!(training[0].1, expected.map(|(tag, value)| (tag.to_owned(), value)));
    let validation = [("epoch_loss", 0.0), ("epoch_accuracy", 0.5)];
    assert_eq!(
        read("validation")[2].1,
        validation.map(|(tag, value)| (tag.to_owned(), value))
    );
    let first = &events(&logs.path().join("mine/train"))[0];
    assert_eq!(first.file_version.as_deref(), Some(VERSION));
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let config = TrainConfig::original(Task::Keypoints);
    let mut board = TensorBoard::new(&file, Path::new("run"), &config);
    board.tell(&Event::Begins {
        epoch: 0,
        step: 0,
        steps: 1,
        history: &[],
    });
    assert!(board.files.is_none());
    board.tell(&Event::Epoch {
        record: &epoch(1),
        best: None,
        steps: 1,
    });
}
