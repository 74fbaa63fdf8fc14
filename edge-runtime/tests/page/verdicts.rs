//! How soon the page says what a state says: from its line on standard output to the new words in Chromium.
//!
//! `scripts/test-page-latency` holds each change to [`SOON_MS`], on a machine that does nothing else.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{kiosk, reconfigure, start};
use crate::support::chromium::Chromium;
use crate::support::http::get;
use crate::support::program;
use crate::update::kiosk::{edit_manifest, stop};

/// Longest time from the state line to the new words, in milliseconds.
const SOON_MS: f64 = 200.0;

/// Whether this machine does nothing else, so that times say something.
fn is_measured() -> bool {
    std::env::var_os("PAGE_LATENCY").is_some_and(|value| value == "1")
}

/// Lines of standard output, each with the milliseconds since 1970 at which it came.
type Lines = Arc<Mutex<Vec<(f64, Value)>>>;

fn read(stdout: ChildStdout) -> Lines {
    let lines = Lines::default();
    let shared = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            let state = serde_json::from_str(&line).unwrap();
            shared.lock().unwrap().push((1000.0 * at, state));
        }
    });
    lines
}

/// Notes when a state comes, what the page says once it has dealt with it, and when its words change.
const NOTES: &str = "
window.heard = [];
window.changed = [];
window.EventSource = class extends EventSource {
  addEventListener(name, listener) {
    super.addEventListener(name, (event) => {
      const at = performance.timeOrigin + performance.now();
      listener(event);
      if (name === 'state') {
        const word = document.getElementById('word').textContent;
        window.heard.push({ at, word, phase: document.body.dataset.phase, state: JSON.parse(event.data) });
      }
    });
  }
};
addEventListener('DOMContentLoaded', () => {
  const word = document.getElementById('word');
  const note = () => window.changed.push({ at: performance.timeOrigin + performance.now(), word: word.textContent });
  new MutationObserver(note).observe(word, { childList: true, characterData: true, subtree: true });
});";

/// Writes a pattern of this number, and gives its place.
fn pattern(dir: &Path, number: u32) -> PathBuf {
    let pixels = (0..96 * 96_u32).map(|at| (at * (number + 3) % 251) as u8);
    let pgm: Vec<u8> = b"P5 96 96 255\n".iter().copied().chain(pixels).collect();
    let path = dir.join(format!("{number:02}.pgm"));
    fs::write(&path, pgm).unwrap();
    path
}

/// Two patterns of which a bundle says different things, whatever it says.
fn two_patterns(bundle: &Path, dir: &Path) -> [PathBuf; 2] {
    let patterns: Vec<PathBuf> = (0..40).map(|number| pattern(dir, number)).collect();
    let mut classify = program::command(&["classify", "--face", "whole", "--bundle"]);
    let output = classify.arg(bundle).args(&patterns).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let best = |line: &str| -> String {
        let line: Value = serde_json::from_str(line).unwrap();
        let scores = line["scores"].as_object().unwrap().iter();
        let score = |(_, score): &(&String, &Value)| score.as_f64().unwrap();
        scores.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap().0.clone()
    };
    let labels: Vec<String> = lines.lines().map(best).collect();
    let other = labels.iter().position(|label| *label != labels[0]);
    let other = other.unwrap_or_else(|| panic!("all patterns look alike: {}", labels[0]));
    [patterns[0].clone(), patterns[other].clone()]
}

#[test]
fn the_words_change_in_the_moment_in_which_the_state_comes_and_soon_after_its_line() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let world = kiosk("[decide]\nenter = 0.0\nleave = 0.0\nneutral_margin = 0.0\ndwell_ms = 0\nsmoothing_ms = 0\n");
    edit_manifest(&world.kiosk.path("factory"), |manifest| {
        manifest["decision"]["abstain_below"] = 0.0.into();
    });
    let (frames, patterns) = (world.kiosk.path("frames"), tempfile::tempdir().unwrap());
    let two = two_patterns(&world.kiosk.path("factory"), patterns.path());
    fs::remove_dir_all(&frames).unwrap();
    fs::create_dir(&frames).unwrap();
    // Each for half a second.
    for number in 0..10 {
        fs::copy(&two[number / 5], frames.join(format!("{number}.pgm"))).unwrap();
    }
    reconfigure(&world, "realtime = true", "realtime = true\nfps = 10");
    let (mut child, address) = start(&world.kiosk, Stdio::piped());
    let lines = read(child.stdout.take().unwrap());
    window.before_pages(NOTES);
    window.go(&format!("http://{address}/"));
    let words = get(address, "/words.json").json();
    let states = if is_measured() { 100 } else { 8 };
    // More than a minute may pass.
    for number in (0..=states).step_by(4) {
        window.until(&format!("heard.filter((it) => it.phase === 'show').length >= {number}"));
    }
    let (heard, changed) = (window.value("heard"), window.value("changed"));
    stop(child);
    let mut times = Vec::new();
    for note in heard.as_array().unwrap().iter().filter(|note| note["phase"] == "show") {
        // In the very task that dealt with the message.
        let label = note["state"]["emotion"].as_str().unwrap();
        assert_eq!(
            note["word"],
            words["emotion"]["verdicts"][label.to_lowercase()],
            "{note}"
        );
        let at = note["at"].as_f64().unwrap();
        let seen = changed.as_array().unwrap().iter().map(|it| it["at"].as_f64().unwrap());
        let seen = seen.filter(|seen| *seen >= at).fold(f64::INFINITY, f64::min);
        let lines = lines.lock().unwrap();
        let line = lines.iter().find(|(_, state)| *state == note["state"]);
        let (told, _) = line.unwrap_or_else(|| panic!("no line for {note}"));
        eprintln!("{label}: {:.1} ms", seen - told);
        times.push(seen - told);
    }
    times.sort_unstable_by(f64::total_cmp);
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{} changes: {:.1} ms in the middle, {last:.1} ms at most",
        times.len(),
        middle
    );
    // How long it takes says something only where nothing else runs.
    assert!(!is_measured() || last <= SOON_MS, "more than {SOON_MS} ms: {last:.1}");
}
