//! What a person who trains gets wrong is told, with the cause; what is right about their data is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shared_model::keypoints::NAMES;

use crate::support::programs::{Ran, program, root, run};
use crate::support::trained::trained;

/// Pixels of a face that no other number gives.
fn pixels(number: usize, side: usize) -> String {
    let shade = |at: usize| (number * 31 + at * (number % 7 + 1)) % 200;
    let all: Vec<String> = (0..side * side).map(|at| shade(at).to_string()).collect();
    all.join(" ")
}

/// Faces with these labels in the column `emotion`.
fn emotions(path: &Path, labels: &[&str], first: usize) {
    let rows = labels
        .iter()
        .zip(first..)
        .map(|(label, at)| format!("{label},{}\n", pixels(at, 48)));
    fs::write(path, format!("emotion,pixels\n{}", rows.collect::<String>())).unwrap();
}

/// Faces whose points were put through `change`.
fn keypoints(path: &Path, faces: usize, change: fn(f32) -> f32) {
    let names: Vec<String> = NAMES
        .iter()
        .flat_map(|name| [format!("{name}_x"), format!("{name}_y")])
        .collect();
    let mut lines = vec![format!("{},Image", names.join(","))];
    for face in 0..faces {
        let points: Vec<String> = (0..30)
            .map(|at| change((20 + 2 * at + face % 5) as f32).to_string())
            .collect();
        lines.push(format!("{},{}", points.join(","), pixels(face, 96)));
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn train(task: &str, data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = program("host-trainer");
    command.args(["train", task, "--epochs", "1", "--batch", "8", "--replicas", "1"]);
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    command
}

fn evaluate(task: &str, data: &Path, part: &str) -> Command {
    let mut command = program("host-trainer");
    command.args([
        "evaluate",
        "--task",
        task,
        "--part",
        part,
        "--precision",
        "f32",
        "--bundle",
    ]);
    command
        .arg(root().join("edge-runtime/models/default"))
        .arg("--data")
        .arg(data);
    command
}

fn told(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.errors.contains(part), "{part}: {}", ran.errors);
    }
}

const FIVE: [&str; 5] = ["0", "1", "3", "4", "5"];

#[test]
fn a_class_without_faces_and_numbers_of_other_classes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [data, out] = ["faces.csv", "run"].map(|name| folder.path().join(name));
    emotions(&data, &["3"; 40], 0);
    let refused = run(&mut train("emotion", &data, &out, &[]), 65);
    told(
        &refused,
        &["no training face is of class Angry, Disgust, Sad, Surprise", "Happy"],
    );
    emotions(&data, &["0", "1", "2", "3", "4"].repeat(8), 0);
    let refused = run(&mut train("emotion", &data, &out, &[]), 65);
    told(
        &refused,
        &[
            "there is no 5 or 6",
            "--labels Angry,Disgust,Sad,Happy,Surprise",
            "Surprise",
        ],
    );
    let labels = ["--labels", "Angry,Disgust,Sad,Happy,Surprise", "--dry-run"];
    let planned = run(&mut train("emotion", &data, &out, &labels), 0);
    assert!(
        planned.out.contains("MACs") && planned.out.contains("steps of 8 faces"),
        "{}",
        planned.out
    );
    assert!(!out.exists(), "nothing is trained");
}

#[test]
fn a_stratified_split_gives_every_class_test_faces_and_evaluate_measures_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let [data, recipe] = ["faces.csv", "recipe.toml"].map(|name| folder.path().join(name));
    emotions(&data, &FIVE.repeat(8), 0);
    fs::write(
        &recipe,
        "[architecture]\nstages = 1\n[split]\nby = \"stratified\"\ntest = 0.25\nvalidation = 0.17\n",
    )
    .unwrap();
    let options = ["--recipe", recipe.to_str().unwrap()];
    for seed in ["1", "2", "3"] {
        let out = folder.path().join(seed);
        run(
            &mut train("emotion", &data, &out, &[&options[..], &["--seed", seed]].concat()),
            0,
        );
        let mut evaluate = program("host-trainer");
        evaluate.args(["evaluate", "--run"]).arg(&out).arg("--data").arg(&data);
        let found = &run(&mut evaluate, 0).lines()[0];
        let support = found["per_class"]
            .as_array()
            .unwrap()
            .iter()
            .map(|class| &class["support"]);
        assert!(support.clone().eq([2; 5].iter()), "seed {seed}: {found}");
    }
    keypoints(&data, 40, |pixels| pixels);
    let refused = run(
        &mut train("keypoints", &data, &folder.path().join("points"), &options),
        78,
    );
    told(&refused, &["`split.by` must be `group` for keypoints"]);
}

#[test]
fn coordinates_that_are_no_pixels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [data, out] = ["faces.csv", "run"].map(|name| folder.path().join(name));
    keypoints(&data, 40, |pixels| pixels / 96.0);
    let refused = run(&mut train("keypoints", &data, &out, &[]), 65);
    told(&refused, &["lie within 0 and 1", "multiply them by 96"]);
    keypoints(&data, 40, |pixels| if pixels > 70.0 { -1.0 } else { pixels });
    let refused = run(&mut train("keypoints", &data, &out, &[]), 65);
    told(&refused, &["row 1 (line 2)", "(-1, -1) is no place in a face"]);
}

#[test]
fn a_test_set_of_ones_own_is_measured_without_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("own.csv");
    emotions(&data, &FIVE, 900);
    for part in ["other", "unseen", "all"] {
        let ran = run(&mut evaluate("emotion", &data, part), 0);
        assert_eq!(ran.lines()[0]["faces"], 5, "{part}");
        assert_eq!(ran.lines()[0]["panels"][0]["set"], "own", "the name of the file");
    }
    let refused = run(&mut evaluate("emotion", &data, "test"), 65);
    told(&refused, &["its parts are not known; use --part other"]);
    keypoints(&data, 7, |pixels| pixels);
    let ran = run(&mut evaluate("keypoints", &data, "other"), 0);
    assert_eq!(ran.lines()[0]["faces"], 7);
}

#[test]
fn a_training_goes_on_with_its_own_files_and_settings_and_becomes_longer() {
    let folder = tempfile::tempdir().unwrap();
    let [data, out] = ["faces.csv", "run"].map(|name| folder.path().join(name));
    emotions(&data, &FIVE.repeat(8), 0);
    let begun = run(&mut train("emotion", &data, &out, &[]), 0);
    told(
        &begun,
        &[
            "Next",
            "evaluate --run",
            "its checkpoints take ",
            "the best so far",
            "lag behind the weights",
        ],
    );
    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    let cells: Vec<Vec<&str>> = history.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cells[0][..3], ["epoch", "loss", "metric"]);
    let accuracy: f64 = cells[1][2].parse().unwrap();
    assert!((0.0..=1.0).contains(&accuracy), "{history}");
    told(
        &begun,
        &[
            &format!(", accuracy {accuracy:.4}, validation loss"),
            ", validation accuracy ",
        ],
    );
    let resume = |more: &[&str]| {
        let mut command = program("host-trainer");
        command
            .args(["train", "emotion", "--resume", "--out"])
            .arg(&out)
            .args(more);
        command
    };
    told(&run(&mut resume(&[]), 0), &["all 1 epochs are done already"]);
    let refused = run(&mut resume(&["--batch", "16", "--seed", "7"]), 65);
    told(
        &refused,
        &[
            "`batch` is 8 in the run and 16 now",
            "`seed` is 42 in the run and 7 now",
        ],
    );
    told(&run(&mut resume(&["--epochs", "2"]), 0), &["epoch   2 of 2"]);
    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    let rows: Vec<Vec<&str>> = history.lines().map(|line| line.split(',').collect()).collect();
    let column = rows[0].iter().position(|name| *name == "validation_loss").unwrap();
    let losses: Vec<f64> = rows[1..].iter().map(|row| row[column].parse().unwrap()).collect();
    // The newest is enough where it is the best.
    let kept = fs::read_dir(out.join("checkpoints")).unwrap().count();
    assert_eq!(kept, if losses[1] < losses[0] { 1 } else { 2 }, "{history}");
    emotions(&data, &FIVE.repeat(9), 0);
    told(
        &run(&mut resume(&[]), 65),
        &["the data differs", "faces for training instead of"],
    );
    let nothing = run(
        program("host-trainer").args(["train", "emotion", "--out", "nowhere"]),
        64,
    );
    told(&nothing, &["--data"]);
}

#[test]
fn a_schedule_that_is_laid_out_for_its_epochs_becomes_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let [data, recipe, out] = ["faces.csv", "recipe.toml", "run"].map(|name| folder.path().join(name));
    emotions(&data, &FIVE.repeat(8), 0);
    let settings = "task = \"emotion\"\n\n[schedule]\nkind = \"cosine\"\nwarmup = 0.1\n";
    fs::write(&recipe, settings).unwrap();
    run(
        &mut train("emotion", &data, &out, &["--recipe", recipe.to_str().unwrap()]),
        0,
    );
    let mut longer = program("host-trainer");
    longer
        .args(["train", "emotion", "--resume", "--epochs", "2", "--out"])
        .arg(&out);
    told(&run(&mut longer, 65), &["`epochs` is 1 in the run and 2 now"]);
}

#[test]
fn a_dry_run_tells_parts_layers_memory_and_time_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("faces.csv");
    emotions(&data, &FIVE.repeat(8), 0);
    let mut command = program("host-trainer");
    command.args(["train", "emotion", "--dry-run", "--data"]).arg(&data);
    let plan = run(&mut command, 0);
    told(&plan, &["for validation", "for the test"]);
    for part in ["MACs", "a step takes", "memory at most"] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_was_held_out_can_be_looked_up_by_its_rows() {
    let data = trained().data("emotion");
    let rows = |part: &str| -> Vec<usize> {
        let mut command = program("host-trainer");
        command
            .arg("predict")
            .arg(data)
            .arg("--run")
            .arg(trained().run("emotion"));
        let table = run(command.args(["--part", part]), 0).out;
        let rows = table
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(1).unwrap().parse());
        rows.map(Result::unwrap).collect()
    };
    let [test, validation, train] = ["test", "validation", "train"].map(rows);
    assert!(!test.is_empty() && !train.is_empty());
    let all = fs::read_to_string(data).unwrap().lines().count() - 1;
    let mut together = [test, validation, train].concat();
    assert_eq!(together.len(), all);
    together.sort_unstable();
    together.dedup();
    assert_eq!(together.len(), all, "a row is in two parts");
}

#[test]
fn a_table_says_what_networks_see_and_a_page_what_a_data_set_holds() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    let test: Vec<String> = (1..4).map(|id| format!("{id},{}\n", pixels(id, 96))).collect();
    fs::write(at("test.csv"), format!("ImageId,Image\n{}", test.concat())).unwrap();
    fs::write(
        at("lookup.csv"),
        "RowId,ImageId,FeatureName,Location\n1,3,nose_tip_x,\n",
    )
    .unwrap();
    let predict = |more: &[&str]| {
        let mut command = program("host-trainer");
        command.arg("predict").arg(at("test.csv")).arg("--bundle");
        command.arg(root().join("edge-runtime/models/default")).args(more);
        run(&mut command, 0).out
    };
    let table = predict(&[]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("file,row,emotion,told,score,Angry,Disgust,Sad,Happy,Surprise,Neutral,left_eye_center_x"),
        "{table}"
    );
    assert!(
        lines.len() == 4 && lines.iter().all(|line| line.split(',').count() == 5 + 6 + 30),
        "{table}"
    );
    let nose = lines[0].split(',').position(|name| name == "nose_tip_x").unwrap();
    let lookup = at("lookup.csv");
    let submission = predict(&["--task", "keypoints", "--kaggle", lookup.to_str().unwrap()]);
    let expected = lines[3].split(',').nth(nose).unwrap();
    assert_eq!(submission, format!("RowId,Location\n1,{expected}\n"));

    emotions(&at("faces.csv"), &FIVE.repeat(2), 0);
    let mut data = program("host-trainer");
    data.args(["data", "emotion", "--data"])
        .arg(at("faces.csv"))
        .arg("--augment");
    data.arg(root().join("host-trainer/recipes/emotion.toml"));
    let told = run(data.arg("--out").arg(at("data.html")), 0).out;
    assert!(told.contains("always tells") && told.contains("Exact copies"), "{told}");
    let page = fs::read_to_string(at("data.html")).unwrap();
    assert!(page.matches("<figure>").count() > 20 && page.contains("<h3>erase</h3>") && !page.contains("<script"));
}
