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
        from: None,
        resume,
        checkpoint_every: Duration::MAX,
    }
}

#[test]
fn going_on_gives_the_weights_of_a_training_that_never_stopped() {
    let set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
        close: None,
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
fn a_training_begins_with_the_weights_of_another_and_says_so() {
    let set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
        close: None,
    };
    let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let stop = AtomicBool::new(false);
    train(&job(&set, first.path(), false), &stop, &mut |_| ()).unwrap();
    let from = Pretrained::open(first.path()).unwrap();
    stop.store(true, Ordering::Relaxed);
    let begun = Job {
        from: Some(&from),
        ..job(&set, second.path(), false)
    };
    train(&begun, &stop, &mut |_| ()).unwrap();
    let before = Checkpoint::load(first.path()).unwrap();
    let begun = Checkpoint::load(second.path()).unwrap();
    assert_eq!(
        (begun.state.step, begun.state.from.as_deref()),
        (0, Some(from.digest()))
    );
    assert!(begun.weights.params == before.weights.average);
    // It looks for false alarms before the first step, and goes on with --from or without.
    stop.store(false, Ordering::Relaxed);
    let mut mined = Vec::new();
    let goes_on = Job {
        from: Some(&from),
        ..job(&set, second.path(), true)
    };
    let mut steps = 0;
    let mut tell = |event: Event| match event {
        Event::Mined(_) => mined.push(steps),
        Event::Step { step, .. } => steps = step,
        _ => {}
    };
    train(&goes_on, &stop, &mut tell).unwrap();
    assert_eq!(mined, [0, 2, 4]);
    train(&job(&set, third.path(), false), &stop, &mut |_| ()).unwrap();
    let other = Job {
        from: Some(&from),
        ..job(&set, third.path(), true)
    };
    let error = train(&other, &stop, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("leave --from out"), "{error}");
}

#[test]
fn refuses_to_go_on_with_other_data_or_settings_or_a_damaged_checkpoint() {
    let mut set = Set {
        photos: photos(),
        fingerprint: "a".to_owned(),
        close: None,
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
    assert!(error.contains("`seed` is 1 in the run and 9 now; give"), "{error}");
    set.close = Some("c".to_owned());
    let error = train(&job(&set, run.path(), true), &stop, &mut told)
        .unwrap_err()
        .to_string();
    assert!(error.contains("begun without --keypoints; leave it out"), "{error}");
    set.close = None;
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
