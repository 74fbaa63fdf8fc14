//! Tracking in films that nobody chose settings on: two films mirrored, cut, backwards, darker, with noise, and a frame later.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::film::film;
use crate::support::faces::shared;
use crate::support::programs::{measured_bundle, program, run};

/// How a film is varied, and ffmpeg's filter for it. What is cut off at the left and at the top is 1/80 of the width.
const VARIATIONS: [(&str, &str); 7] = [
    ("as they are", "null"),
    ("mirrored", "hflip"),
    (
        "cut off at the left and at the top",
        "crop=iw-iw/80:ih-iw/80:iw/80:iw/80",
    ),
    ("backwards", "reverse"),
    ("three quarters of the light", "lutyuv=y=0.75*val"),
    ("with noise", "noise=c0_seed=1:c0_strength=12:c0_flags=t"),
    ("without the first frame", "trim=start_frame=1,setpts=PTS-STARTPTS"),
];

/// The smallest faces that are tracked, in pixels.
const MIN_FACES: [&str; 5] = ["20", "30", "40", "60", "80"];

/// Sums over films.
#[derive(Default)]
struct Sums {
    runs: usize,
    broken: usize,
    counts: [u64; 4],
    found_after_ms: u64,
}

impl Sums {
    fn add(&mut self, told: &Value) {
        let count = |name: &str| told[name].as_u64().unwrap();
        self.runs += 1;
        self.broken += usize::from(count("breaks") > 0);
        for (sum, name) in (self.counts.iter_mut()).zip(["swaps", "verdict_changes", "followed", "visible"]) {
            *sum += count(name);
        }
        self.found_after_ms = self.found_after_ms.max(count("found_after_ms"));
    }

    fn print(&self, name: &str) {
        let [swaps, changes, followed, visible] = self.counts;
        println!(
            "{name}: breaks in {} of {} runs, {swaps} swaps, {changes} verdict changes, {followed} of {visible} faces tracked, \
             {} ms at most until somebody is",
            self.broken, self.runs, self.found_after_ms
        );
    }
}

/// Writes a film as ffmpeg's filter makes it.
fn varied(from: &Path, filter: &str, to: &Path) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-loglevel", "error", "-y", "-i"]).arg(from);
    run(ffmpeg.args(["-vf", filter, "-pix_fmt", "yuv420p"]).arg(to), 0);
}

#[test]
#[ignore = "takes minutes: the figures in docs/src/detector.md; BUNDLE names another bundle"]
fn tracking_in_varied_films_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (Some(data), Some(stage)) = (shared(), film(folder.path(), 15, 1, 1)) else {
        return testing::skip_faces("varied films: there is no ../shared/data");
    };
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        return testing::skip("varied films: there is no ffmpeg");
    }
    let films: [PathBuf; 2] = [stage, data.join("video/street_1080p.mp4")];
    let mut all = Sums::default();
    for (name, filter) in VARIATIONS {
        let mut sums = Sums::default();
        for from in &films {
            let film = folder.path().join("varied.y4m");
            varied(from, filter, &film);
            for min_face in MIN_FACES {
                let mut track = program("edge-runtime");
                track.args(["track", "--policy", "all", "--min-face", min_face, "--bundle"]);
                let told = run(track.arg(measured_bundle()).arg(&film), 0).lines().pop().unwrap();
                sums.add(&told);
                all.add(&told);
            }
        }
        assert!(sums.counts[3] > 0, "no face is visible");
        sums.print(name);
    }
    all.print("all");
}
