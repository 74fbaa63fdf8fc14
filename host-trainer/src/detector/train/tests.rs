use std::sync::atomic::AtomicBool;

use super::*;
use crate::detector::compose::tests::photos;

fn config() -> DetectorConfig {
    DetectorConfig {
        input: [64, 48],
        batch: 4,
        steps: 6,
        measure_every: 3,
        mine_every: 2,
        ..DetectorConfig::default()
    }
}

fn job<'a>(set: &'a Set, run: &'a Path, resume: bool) -> Job<'a> {
    Job {
        config: config(),
        set,
        run,
        resume,
        checkpoint_every: Duration::MAX,
    }
}

#[test]
fn going_on_gives_the_weights_of_a_training_that_never_stopped() {
    let set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
    };
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stop = AtomicBool::new(false);
    assert_eq!(
        train(&job(&set, whole.path(), false), &stop, &mut |_| ()).unwrap(),
        Ended::Finished
    );
    for at in [1, 4] {
        let mut interrupt = |event: Event| {
            if matches!(event, Event::Step { step, .. } if step == at) {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let ended = train(&job(&set, parts.path(), at > 1), &stop, &mut interrupt).unwrap();
        assert_eq!(ended, Ended::Interrupted);
        stop.store(false, Ordering::Relaxed);
    }
    assert_eq!(
        train(&job(&set, parts.path(), true), &stop, &mut |_| ()).unwrap(),
        Ended::Finished
    );
    let read = |run: &Path| std::fs::read(run.join(CHECKPOINT)).unwrap();
    assert!(read(whole.path()) == read(parts.path()), "checkpoints differ");
}

#[test]
fn refuses_to_go_on_with_other_data_or_settings_or_a_damaged_checkpoint() {
    let mut set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
    };
    let run = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(true);
    let mut told = |_: Event| ();
    train(&job(&set, run.path(), false), &stop, &mut told).unwrap();
    let error = train(&job(&set, run.path(), false), &stop, &mut told)
        .unwrap_err()
        .to_string();
    assert!(error.contains("--resume"), "{error}");
    let other = Job {
        config: DetectorConfig { seed: 9, ..config() },
        ..job(&set, run.path(), true)
    };
    let error = train(&other, &stop, &mut told).unwrap_err().to_string();
    assert!(error.contains("settings differ"), "{error}");
    set.fingerprint = "b".to_owned();
    let error = train(&job(&set, run.path(), true), &stop, &mut told)
        .unwrap_err()
        .to_string();
    assert!(error.contains("data differ"), "{error}");
    let path = run.path().join(CHECKPOINT);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = train(&job(&set, run.path(), true), &stop, &mut told)
        .unwrap_err()
        .to_string();
    assert!(error.contains("damaged"), "{error}");
}
