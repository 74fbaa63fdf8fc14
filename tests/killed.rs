//! A training that is killed at random moments, also while it saves, ends with the very weights of one that
//! ran undisturbed.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::Module;
use host_trainer::device::Backend;
use host_trainer::onnx::{Description, export};
use host_trainer::train::checkpoint::{Checkpoint, load};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::support::programs::run;
use crate::support::training::{Training, exported, names, newest, wait};

const KILLS: usize = 30;
/// Of 6 steps each: more than a training gets done between that many kills.
const EPOCHS: &str = "16";
/// The signal that cannot be caught.
const SIGKILL: i32 = 9;

/// When a training is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// A random time after it was started, while it reads or builds the network; at the first checkpoint at
    /// the latest.
    Starting,
    /// A random time after its first checkpoint.
    Training,
    /// As it is seen to write its first or second checkpoint.
    Saving,
}

/// Starts the training and kills it. Any moment is a good one, so nothing hangs on how long the sleeps are.
fn life(training: &Training, run: &Path, moment: Moment, random: &mut ChaCha8Rng, startup: Duration) {
    let (before, left) = (newest(run), names(run, ".writing-"));
    let mut child = training.start(run);
    match moment {
        Moment::Starting => {
            let (started, lives) = (Instant::now(), startup.mul_f64(random.random_range(0.0..1.1)));
            wait(&mut child, || started.elapsed() >= lives || newest(run) > before);
        }
        Moment::Training => {
            wait(&mut child, || newest(run) > before);
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        }
        Moment::Saving => {
            if random.random_bool(0.5) {
                wait(&mut child, || newest(run) > before);
            }
            wait(&mut child, || {
                names(run, ".writing-").iter().any(|name| !left.contains(name))
            });
            std::thread::sleep(Duration::from_micros(random.random_range(0..3000)));
        }
    }
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(ended.signal(), Some(SIGKILL), "the training ended by itself: {ended}");
}

/// The newest weights and their average, as ONNX files: in checkpoints names differ from run to run.
fn last(run: &Path) -> [Vec<u8>; 2] {
    let Checkpoint {
        state,
        weights,
        average,
        ..
    } = load(&run.join("checkpoints").join(newest(run).unwrap())).unwrap();
    let onnx = |record| {
        let network = state.config.architecture.init(&Backend::Flex.device());
        let network = network.try_load_record(record).unwrap();
        export(&network, &state.target, &Description::of(&state.config)).unwrap()
    };
    [onnx(weights), onnx(average.unwrap())]
}

#[test]
fn killed_thirty_times_it_ends_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", EPOCHS]);
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));

    let begun = Instant::now();
    let mut child = training.start(&whole);
    wait(&mut child, || newest(&whole).is_some());
    let startup = begun.elapsed();
    assert!(child.wait().unwrap().success());

    let mut random = ChaCha8Rng::seed_from_u64(30);
    let mut half_written = 0;
    for kill in 0..KILLS {
        let moment = [Moment::Saving, Moment::Starting, Moment::Training][kill % 3];
        life(&training, &killed, moment, &mut random, startup);
        half_written += usize::from(!names(&killed, ".writing-").is_empty());
    }
    assert!(half_written > 0, "no kill came while a checkpoint was written");
    run(&mut training.command(&killed), 0);

    assert!(exported(&whole) == exported(&killed), "the best weights differ");
    assert!(last(&whole) == last(&killed), "the last weights differ");
    assert_eq!(names(&killed, ".writing-"), [""; 0], "nothing half written is left");
}
