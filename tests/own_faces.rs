//! The commands of the chapter "Teach it your own faces", run one after another as they stand there.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::faces;
use crate::support::programs::{Ran, program, root, run};

/// FER2013's numbers, and the folders of these classes.
const CLASSES: [(&str, &str); 5] = [
    ("0", "angry"),
    ("1", "disgust"),
    ("3", "happy"),
    ("4", "sad"),
    ("5", "surprise"),
];

/// The commands of a chapter, block by block.
fn blocks(chapter: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/src").join(chapter)).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|rest| rest.split_once("```").unwrap().0.to_owned())
        .collect()
}

/// Where a reader of the chapter stands: the default bundle, the recipe, faces of their own and a picture.
fn prepare(place: &Path) {
    let at = |name: &str| place.join(name);
    let csv = faces::write(place);
    faces::folders(&csv.emotion, &at("my-faces"), &CLASSES);
    // What a group photograph shows is a portrait to it; the content tells the format.
    fs::copy(faces::photograph(), at("portrait.jpg")).unwrap();
    fs::create_dir_all(at("edge-runtime/models")).unwrap();
    let models = "edge-runtime/models/default";
    std::os::unix::fs::symlink(root().join(models), at(models)).unwrap();
    fs::create_dir_all(at("host-trainer/recipes")).unwrap();
    let name = "host-trainer/recipes/own-faces.toml";
    let recipe = fs::read_to_string(root().join(name)).unwrap();
    // Fewer classes, as the chapter says, and one epoch.
    let (above, tables) = recipe.split_once("\n[").unwrap();
    assert!(above.contains("\nepochs = 20\n"), "{above}");
    let above = above.replace("epochs = 20", "epochs = 1");
    let classes = "classes = [\"Angry\", \"Disgust\", \"Happy\", \"Sad\", \"Surprise\"]";
    fs::write(at(name), format!("{above}\n{classes}\n\n[{tables}")).unwrap();
}

/// Runs a block in a shell that finds the programs, and stops where one of them fails.
fn shell(block: &str, place: &Path) -> Ran {
    let programs = program("host-trainer");
    let folder = Path::new(programs.get_program()).parent().unwrap();
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-euc", block]).env("PATH", path).current_dir(place);
    run(&mut command, 0)
}

#[test]
fn the_commands_of_the_chapter_teach_the_default_bundle_ones_own_faces() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    prepare(place);
    let blocks = blocks("own-faces.md");
    let all = blocks.concat();
    for command in ["data", "train", "evaluate", "quantise", "bundle"] {
        assert!(all.contains(&format!("host-trainer {command} ")), "{command}: {all}");
    }
    let ran: Vec<Ran> = blocks.iter().map(|block| shell(block, place)).collect();
    let errors: String = ran.iter().map(|ran| ran.errors.as_str()).collect();
    for told in [
        "taken over: Angry, Disgust, Happy, Sad, Surprise; that begin with random weights: none",
        "epoch   1 of 1",
        "Whoever always says",
    ] {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert!(
        fs::read_to_string(place.join("data.html"))
            .unwrap()
            .contains("<figure>")
    );
    let manifest: Value = serde_json::from_slice(&fs::read(place.join("my-bundle/manifest.json")).unwrap()).unwrap();
    let classes = ["Angry", "Disgust", "Happy", "Sad", "Surprise"];
    assert_eq!(manifest["classes"], serde_json::json!(classes));
    assert_eq!(
        manifest["emotion"]["files"].as_array().unwrap().len(),
        2,
        "floats and integers"
    );
    assert!(manifest["detector"].is_object());
    let classified = ran
        .iter()
        .flat_map(|ran| ran.out.lines())
        .find(|line| line.contains("\"scores\""));
    let line: Value = serde_json::from_str(classified.unwrap()).unwrap();
    assert_eq!(line["scores"].as_object().unwrap().len(), classes.len(), "{line}");
}
