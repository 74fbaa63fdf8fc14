//! How restless the verdict is about people who talk, in films composed of several stills of a person in each scene.
//!
//! The stills are those of `../shared/data/kp15_ytf_public`, frames of films of public people. No emotion network was trained
//! on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::faces::{pixels, shared};
use crate::support::programs::{measured_bundle, program, run};
use crate::support::visitors::talking;

/// Side of the stills in pixels.
const SIDE: usize = 96;
/// Fewest stills of a scene, and fewest scenes with a person.
const STILLS: usize = 2;
const SCENES: usize = 4;
/// How many people talk, half a minute each.
const TALKERS: usize = 20;

/// Scenes of each person, a few stills each, in the order of the names.
type People = BTreeMap<String, Vec<Vec<Vec<u8>>>>;

/// The first people with enough scenes.
fn people(data: &Path) -> People {
    let index = fs::read_to_string(data.join("kp15_ytf_public.csv")).unwrap();
    // `training/First_Last_21.jpg` is taken for a still of scene 2 with that person.
    let mut found: BTreeMap<(String, String), Vec<Vec<u8>>> = BTreeMap::new();
    let stills = pixels(&data.join("kp15_ytf_public.u8.zst"), SIDE * SIDE);
    for (line, still) in index.lines().skip(1).zip(stills) {
        let mut cells = line.split(',').skip(1);
        let (source, person) = (cells.next().unwrap(), cells.next().unwrap());
        let number = source.rsplit_once('_').unwrap().1.trim_end_matches(".jpg");
        let scene = number[..number.len() - 1].to_owned();
        found.entry((person.to_owned(), scene)).or_default().push(still);
    }
    let mut people = People::new();
    for ((person, _), stills) in found.into_iter().filter(|(_, stills)| stills.len() >= STILLS) {
        people.entry(person).or_default().push(stills);
    }
    people.retain(|_, own| own.len() >= SCENES);
    people.into_iter().take(TALKERS).collect()
}

/// What `track` tells of a film.
fn tracked(bundle: &Path, film: &Path) -> Value {
    let mut track = program("edge-runtime");
    track.args(["track", "--policy", "largest", "--min-face", "60", "--bundle"]);
    run(track.arg(bundle).arg(film), 0).lines().pop().unwrap()
}

#[test]
#[ignore = "takes minutes: the figures in docs/src/performance.md; BUNDLE names another bundle"]
fn the_verdict_changes_of_talkers_are_measured() {
    let Some(data) = shared() else {
        return testing::skip_faces("films of talkers: there is no ../shared/data");
    };
    let folder = tempfile::tempdir().unwrap();
    let mut sums = [0.0; 2];
    let people = people(&data);
    assert_eq!(people.len(), TALKERS);
    for (seed, (person, scenes)) in people.iter().enumerate() {
        let film = folder.path().join(format!("{person}.y4m"));
        fs::write(&film, talking(scenes, SIDE, seed as u64)).unwrap();
        let told = tracked(&measured_bundle(), &film);
        fs::remove_file(&film).unwrap();
        println!("{person}: {told}");
        for (sum, name) in sums.iter_mut().zip(["changes_per_minute", "emotion_share"]) {
            *sum += told[name].as_f64().unwrap() / TALKERS as f64;
        }
    }
    let [changes, emotion] = sums;
    println!("{TALKERS} talkers: {changes:.1} verdict changes a minute, told an emotion {emotion:.2} of the time");
}
