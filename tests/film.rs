//! A real film through the programs: nobody is lost, and its rate of frames does not decide.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::support::faces::shared;
use crate::support::programs::{program, root, run};

/// A film of one singer, a pianist and their listeners, with cuts, at 15 frames a second.
const STAGE: &str = "video/stage_320x180_15fps.y4m.zst";

/// Writes the film at this rate, of every `every`th frame, each `times` times; says so if there is none.
pub(crate) fn film(folder: &Path, rate: u32, every: usize, times: usize) -> Option<PathBuf> {
    let Some(data) = shared() else {
        testing::skip_faces("a real film: there is no ../shared/data");
        return None;
    };
    let packed = File::open(data.join(STAGE)).unwrap();
    let mut film = Vec::new();
    let mut stream = ruzstd::decoding::StreamingDecoder::new(packed).unwrap();
    stream.read_to_end(&mut film).unwrap();
    let end = film.iter().position(|byte| *byte == b'\n').unwrap();
    let header = String::from_utf8(film[..=end].to_vec()).unwrap();
    assert!(
        header.contains(" W320 H180 F15:1 ") && header.contains("C420"),
        "{header}"
    );
    let mut out = header.replace("F15:1", &format!("F{rate}:1")).into_bytes();
    let frames = film[end + 1..].chunks_exact("FRAME\n".len() + 320 * 180 * 3 / 2);
    assert_eq!(frames.len(), 150);
    for frame in frames.step_by(every) {
        for _ in 0..times {
            out.extend_from_slice(frame);
        }
    }
    let path = folder.join(format!("{rate}.y4m"));
    fs::write(&path, out).unwrap();
    Some(path)
}

#[test]
fn faces_of_a_film_are_tracked_without_breaks_and_swaps() {
    let folder = tempfile::tempdir().unwrap();
    let Some(film) = film(folder.path(), 15, 1, 1) else {
        return;
    };
    for (policy, min_face, least) in [("all", "40", 75), ("largest", "20", 111)] {
        let mut track = program("edge-runtime");
        track.args(["track", "--policy", policy, "--min-face", min_face, "--bundle"]);
        let ran = run(track.arg(root().join("edge-runtime/models/default")).arg(&film), 0);
        let total = ran.lines().pop().unwrap();
        let count = |name: &str| total[name].as_u64().unwrap();
        assert_eq!(
            (count("breaks"), count("swaps"), count("cuts"), count("frames")),
            (0, 0, 3, 150),
            "{total}"
        );
        assert!(count("followed") >= least, "{total}");
        assert!(count("found_after_ms") <= 150, "two frames: {total}");
    }
}

/// How long something new lasts before it is told, in milliseconds: as kiosks have it.
const DWELL_MS: u64 = 300;

/// The same for few frames. The smile lasts a third of a second, and at 5 frames a second two frames show it, that far apart.
const SHORT_DWELL_MS: u64 = 200;

/// The part of the slow film that is judged. Then the smile fades and the mouth opens wide, and single frames decide.
const SLOW_MS: u64 = 4500;

/// The part of the slow film in which the singer is far away. He is too small to be sure of, and single frames decide whether
/// that is enough for Neutral; for an emotion it never is.
const FAR_MS: u64 = 1800;

/// The part of the film in which faces are clear. Then the singer turns away, and single frames decide when her smile is told.
const CLEAR_MS: u64 = 6000;

/// How far apart two rates may tell the same, in milliseconds: three frames of the slower one. Until a face has its number, until
/// its mirror image was seen as well, and one in which its box comes from the mirror image at one rate alone.
const APART_MS: u64 = 201;

/// Where the film ends, in milliseconds: what one rate tells just before, the other one may tell only after it.
const END_MS: u64 = 10_000;

/// Each new verdict of a run with its time.
fn verdicts(film: &Path, dwell_ms: u64) -> Vec<(String, u64)> {
    let config = film.with_extension("toml");
    let bundle = root().join("edge-runtime/models/default");
    let text = format!(
        "schema = 1\nbundle = '{}'\n[source]\nuri = '{}'\n[face]\nmin_face_px = 40\n[decide]\ndwell_ms = {dwell_ms}\n",
        bundle.display(),
        film.display()
    );
    fs::write(&config, text).unwrap();
    let ran = run(program("edge-runtime").args(["run", "--config"]).arg(&config), 0);
    let lines = ran.lines().into_iter().filter(|line| line.get("sequence").is_some());
    let mut verdicts: Vec<(String, u64)> = lines
        .map(|line| {
            (
                line["emotion"].as_str().unwrap().to_owned(),
                line["time_ms"].as_u64().unwrap(),
            )
        })
        .collect();
    // A verdict is told again when its reason changes.
    verdicts.dedup_by(|new, old| new.0 == old.0);
    verdicts
}

#[test]
fn a_film_decides_the_same_at_5_at_15_and_at_30_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let Some(slow) = film(folder.path(), 5, 3, 1) else {
        return;
    };
    let slow = verdicts(&slow, SHORT_DWELL_MS);
    let films = [(15, 1), (30, 2)].map(|(rate, times)| film(folder.path(), rate, 1, times).unwrap());
    let [fast, faster] = [0, 1].map(|at| verdicts(&films[at], DWELL_MS));
    let words = |verdicts: &[(String, u64)]| {
        let before_the_end = verdicts.iter().filter(|(_, time_ms)| *time_ms < END_MS - APART_MS);
        before_the_end.map(|(word, _)| word.clone()).collect::<Vec<_>>()
    };
    assert!(words(&fast).len() >= 6, "{fast:?}");
    assert_eq!(words(&fast), words(&faster));
    for ((word, fast), (_, faster)) in fast.iter().zip(&faster).filter(|it| it.0.1 < CLEAR_MS) {
        assert!(fast.abs_diff(*faster) <= APART_MS, "{word}: {fast} and {faster} ms");
    }
    // Five frames a second show less of what lasts for a moment alone; what they show is the same, at the same time.
    let judged = |(word, time_ms): &(String, u64)| *time_ms < SLOW_MS && (word != "Neutral" || *time_ms >= FAR_MS);
    let slow: Vec<_> = slow.into_iter().filter(judged).collect();
    // The singer far away, then a listener in profile, then one who smiles.
    assert_eq!(words(&slow), ["unknown", "uncertain", "no_face", "Happy"], "{slow:?}");
    let fast = verdicts(&films[0], SHORT_DWELL_MS);
    let mut rest = fast.iter();
    for (word, time_ms) in &slow {
        // A frame of the slow film until something is seen, and one until its dwell is over.
        let same = |(other, fast): &&(String, u64)| word == other && fast.abs_diff(*time_ms) <= 2 * 200;
        assert!(
            rest.any(|verdict| same(&verdict)),
            "{word} at {time_ms} ms is not in {fast:?}"
        );
    }
}
