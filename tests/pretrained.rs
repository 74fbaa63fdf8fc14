//! A training begins with the trunk of another one, and what that one has seen is not tested on.

use std::path::Path;
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, root, run};

fn train(task: &str, data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = program("host-trainer");
    command.args(["train", task, "--epochs", "1", "--batch", "8", "--replicas", "2"]);
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    command
}

#[test]
fn a_trunk_of_another_run_is_begun_with_and_its_faces_count_as_seen() {
    if faces::shared().is_none() {
        // Points and emotions of the photograph are of the same people, and that is refused.
        testing::skip_faces("a trunk that saw other faces: there is no ../shared/data");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let first = place("first");
    run(&mut train("emotion", &csv.emotion, &first, &[]), 0);
    let trunk = ["--trunk", first.to_str().unwrap()];

    run(&mut train("keypoints", &csv.keypoints, &place("random"), &[]), 0);
    run(&mut train("keypoints", &csv.keypoints, &place("other"), &trunk), 0);
    let settings = |run: &str| std::fs::read_to_string(place(run).join("config.toml")).unwrap();
    assert!(!settings("random").contains("trunk ="));
    assert!(settings("other").contains("trunk ="), "{}", settings("other"));
    let losses = |run: &str| std::fs::read_to_string(place(run).join("history.csv")).unwrap();
    assert_ne!(losses("random"), losses("other"));

    // Another seed divides otherwise: the test part holds faces that the first run was trained on.
    let more = [&trunk[..], &["--seed", "7"]].concat();
    let refused = run(&mut train("emotion", &csv.emotion, &place("leak"), &more), 65);
    assert!(
        refused.errors.contains("were seen by the network"),
        "{}",
        refused.errors
    );
    let mut nowhere = train("keypoints", &csv.keypoints, &place("nowhere"), &[]);
    let refused = run(nowhere.arg("--trunk").arg(place("missing")), 65);
    assert!(
        refused.errors.contains("read the network of --trunk"),
        "{}",
        refused.errors
    );
}

#[test]
fn a_teacher_has_its_share_of_the_targets_and_must_know_the_same_faces_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let recipe = place("taught.toml");
    std::fs::write(&recipe, "[teacher]\nshare = 0.5\n").unwrap();
    let recipe = ["--recipe", recipe.to_str().unwrap()];
    let first = place("first");
    run(&mut train("emotion", &csv.emotion, &first, &[]), 0);
    let teacher = ["--teacher", first.to_str().unwrap()];
    let taught = [&recipe[..], &teacher[..]].concat();

    let told = run(&mut train("emotion", &csv.emotion, &place("taught"), &taught), 0);
    assert!(told.errors.contains("the teacher looks at"), "{}", told.errors);
    let history = |run: &str| std::fs::read_to_string(place(run).join("history.csv")).unwrap();
    let loss = |run: &str| {
        history(run)
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_ne!(loss("first"), loss("taught"), "other targets, another loss");
    let settings = std::fs::read_to_string(place("taught/config.toml")).unwrap();
    assert!(settings.contains("[teacher]\nshare = 0.5\nnetwork = "), "{settings}");

    // A training that goes on needs its teacher again, wherever that is noted.
    let noted = place("taught/provenance.json");
    let mut begun: serde_json::Value = serde_json::from_slice(&std::fs::read(&noted).unwrap()).unwrap();
    assert!(begun["inputs"].as_object_mut().unwrap().remove("teacher").is_some());
    std::fs::write(&noted, begun.to_string()).unwrap();
    let mut again = program("host-trainer");
    again
        .args(["train", "emotion", "--resume", "--out"])
        .arg(place("taught"));
    let alone = run(&mut again, 65);
    assert!(
        alone.errors.contains("name its network with --teacher"),
        "{}",
        alone.errors
    );

    let refused = |name: &str, more: &[&str], why: &str| {
        let told = run(&mut train("emotion", &csv.emotion, &place(name), more), 65);
        assert!(told.errors.contains(why), "{}", told.errors);
        assert!(!place(name).exists(), "what is refused leaves no directory");
    };
    refused("unnamed", &recipe, "name its network with --teacher");
    refused("no-share", &teacher, "gives it no share of the target");
    // Another seed divides otherwise.
    refused("leak", &[&taught[..], &["--seed", "7"]].concat(), "another split");
    let four = place("four.toml");
    let classes = "classes = [\"Angry\", \"Sad\", \"Happy\", \"Surprise\"]\n[teacher]\nshare = 0.5\n";
    std::fs::write(&four, classes).unwrap();
    let four = ["--recipe", four.to_str().unwrap()];
    refused("classes", &[&four[..], &teacher[..]].concat(), "it knows the classes");
}

#[test]
fn the_last_epoch_can_be_begun_with_where_the_run_ships_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let first = place("first");
    run(&mut train("emotion", &csv.emotion, &first, &[]), 0);
    let from = |name: &str, begun: &Path, more: &[&str]| {
        let more = [&["--from", begun.to_str().unwrap()], more].concat();
        run(&mut train("emotion", &csv.emotion, &place(name), &more), 0);
    };
    // At such a rate every step makes it worse: the run ships what it began with.
    from("worse", &first, &["--learning-rate", "3"]);
    let checkpoints = std::fs::read_dir(place("worse/checkpoints")).unwrap();
    let last = checkpoints.map(|entry| entry.unwrap().path()).max().unwrap();
    let network = |begun: &Path| {
        let onnx = place("network.onnx");
        let mut export = program("host-trainer");
        run(export.arg("export").arg(begun).arg("--out").arg(&onnx), 0);
        std::fs::read(&onnx).unwrap()
    };
    let [shipped, newest] = [network(&place("worse")), network(&last)];
    assert_eq!(shipped, network(&place("worse/checkpoints/step-00000000")));
    assert_ne!(shipped, newest);

    from("on", &last, &[]);
    from("again", &place("worse"), &[]);
    let begun = |name: &str| {
        let text = std::fs::read_to_string(place(name).join("config.toml")).unwrap();
        text.lines()
            .find(|line| line.starts_with("from = "))
            .unwrap()
            .to_owned()
    };
    assert_ne!(begun("on"), begun("again"));
    let faces = |name: &str| std::fs::read(place(name).join("seen-faces.bin")).unwrap();
    assert_eq!(
        faces("on"),
        faces("again"),
        "of a checkpoint, too, it is known what it has seen"
    );
}

/// Losses of training and validation in the first epoch.
fn first_losses(run: &Path) -> (f64, f64) {
    let text = std::fs::read_to_string(run.join("history.csv")).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row: Vec<&str> = lines.next().unwrap().split(',').collect();
    let value = |name: &str| {
        row[header.iter().position(|own| *own == name).unwrap()]
            .parse()
            .unwrap()
    };
    (value("loss"), value("validation_loss"))
}

#[test]
fn own_faces_fine_tune_the_network_of_a_run_or_of_the_default_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let mine = place("mine");
    let classes = [
        ("0", "angry"),
        ("1", "bored"),
        ("3", "happy"),
        ("4", "sad"),
        ("5", "surprise"),
    ];
    faces::folders(&csv.emotion, &mine, &classes);
    let recipe = place("own.toml");
    std::fs::write(
        &recipe,
        "classes = [\"Happy\", \"Bored\", \"Angry\", \"Sad\", \"Surprise\"]\n",
    )
    .unwrap();
    let gentle = ["--recipe", recipe.to_str().unwrap(), "--learning-rate", "1e-5"];

    let bundle = root().join("edge-runtime/models/default");
    let from = ["--from", bundle.to_str().unwrap()];
    let told = run(
        &mut train("emotion", &mine, &place("tuned"), &[&from[..], &gentle[..]].concat()),
        0,
    );
    let said = |what: &str| assert!(told.errors.contains(what), "{}", told.errors);
    said("nobody can tell which faces");
    said("taken over: Happy, Angry, Sad, Surprise; that begin with random weights: Bored");
    let settings = std::fs::read_to_string(place("tuned/config.toml")).unwrap();
    assert!(
        settings.contains("\nfrom = ") && settings.contains("[normalisation.standardise]"),
        "{settings}"
    );
    run(&mut train("emotion", &mine, &place("random"), &gentle), 0);
    let losses = [first_losses(&place("tuned")), first_losses(&place("random"))];
    assert!(losses[0].0 < losses[1].0, "{losses:?}");
    // The trunk alone still needs the bundle's own data.
    let trunk = ["--trunk", bundle.to_str().unwrap()];
    let refused = run(&mut train("emotion", &mine, &place("trunk"), &trunk), 65);
    assert!(refused.errors.contains("give that data, too"), "{}", refused.errors);

    // A learning rate of almost nothing leaves the network of a run as it was.
    let tuned = place("tuned");
    let from = ["--from", tuned.to_str().unwrap()];
    run(
        &mut train(
            "emotion",
            &mine,
            &place("again"),
            &[&from[..], &["--learning-rate", "1e-12"]].concat(),
        ),
        0,
    );
    let classes = |run: &str| {
        let settings = std::fs::read_to_string(place(run).join("config.toml")).unwrap();
        settings
            .lines()
            .find(|line| line.starts_with("classes"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(classes("again"), classes("tuned"));
    // Only the running averages of batch normalisation move.
    let [before, after] = ["tuned", "again"].map(|run| first_losses(&place(run)).1);
    assert!((before - after).abs() < 0.1, "{before} became {after}");

    let both = run(
        &mut train("emotion", &mine, &place("both"), &[&from[..], &trunk[..]].concat()),
        64,
    );
    assert!(both.errors.contains("cannot be used with"), "{}", both.errors);
    assert!(!place("both").exists());
    let other = run(&mut train("keypoints", &csv.keypoints, &place("other"), &from), 65);
    assert!(other.errors.contains("begin with another network"), "{}", other.errors);
}

#[test]
fn a_training_begins_with_the_mean_of_two_networks_and_keeps_it_where_each_epoch_is_worse() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let more = |words: &[&str], name: &str| run(&mut train("emotion", &csv.emotion, &place(name), words), 0);
    more(&[], "first");
    let [first, second] = ["first", "second"].map(|name| place(name).display().to_string());
    more(&["--from", &first, "--learning-rate", "1e-4"], "second");

    // A rate at which nothing can get better.
    let both = ["--from", &first, "--from", &second];
    let told = more(&[&both[..], &["--learning-rate", "0.5"]].concat(), "mean");
    for part in [
        "the mean of the weights of 2 networks",
        "what it begins with: validation loss",
    ] {
        assert!(told.errors.contains(part), "{}", told.errors);
    }
    assert!(
        told.errors.contains("before the first epoch"),
        "the mean is the best one: {}",
        told.errors
    );
    assert!(place("mean/checkpoints/step-00000000").is_dir());
    let settings = std::fs::read_to_string(place("mean/config.toml")).unwrap();
    assert!(settings.contains("\nfrom = [\""), "{settings}");
    let begun = std::fs::read_to_string(place("mean/provenance.json")).unwrap();
    assert!(begun.contains(&first) && begun.contains(&second), "{begun}");
    // Its networks are known from there.
    let mut again = program("host-trainer");
    run(
        again.args(["train", "emotion", "--resume", "--out"]).arg(place("mean")),
        0,
    );

    let bundle = root().join("edge-runtime/models/default");
    let other = ["--from", &first, "--from", bundle.to_str().unwrap()];
    let refused = run(&mut train("emotion", &csv.emotion, &place("other"), &other), 65);
    for part in ["read the networks of --from", "have no mean", "one knows the classes"] {
        assert!(refused.errors.contains(part), "{}", refused.errors);
    }
    assert!(!place("other").exists(), "what is refused leaves no directory");
}
