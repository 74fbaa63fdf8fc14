//! Somebody comes: the page greets before it says anything of a face.

use std::fs;

use serde_json::Value;

use super::browser::portrait;
use super::{reconfigure, visit};
use crate::support::chromium::Chromium;
use crate::support::http::get;

/// Notes each phase of the page, and what is on the screen then.
const NOTES: &str = "
window.phases = [];
addEventListener('DOMContentLoaded', () => {
  const note = () => {
    const phase = document.body.dataset.phase;
    if (phases.at(-1)?.phase === phase) return;
    const word = document.getElementById('word').textContent;
    const notice = document.getElementById('notice').getBoundingClientRect();
    const faces = document.querySelectorAll('.mirror .face .bounds').length;
    phases.push({ phase, word, faces, notice: notice.height > 0 && notice.bottom <= innerHeight });
  };
  new MutationObserver(note).observe(document.body, { attributes: true, attributeFilter: ['data-phase'] });
});";

#[test]
fn whoever_comes_is_greeted_first_and_told_something_only_after_that() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let (world, picture) = portrait();
    let face = fs::read(&picture).unwrap();
    fs::remove_file(&picture).unwrap();
    let wall = [&face[..face.len() - 200 * 200], vec![128; 200 * 200].as_slice()].concat();
    // Nobody for five seconds, longer than the notice stands alone, then somebody for four.
    for number in 0..90 {
        let frame = if number < 50 { &wall } else { &face };
        fs::write(world.kiosk.path(&format!("frames/{number:02}.pgm")), frame).unwrap();
    }
    reconfigure(&world, "realtime = true", "realtime = true\nfps = 10");
    visit(&world, |address| {
        let words = get(address, "/words.json").json()["visitor"].clone();
        window.before_pages(NOTES);
        window.go(&format!("http://{address}/"));
        window.until("phases.some((it, at) => it.phase === 'greet' && at + 1 < phases.length)");
        let phases = window.value("phases");
        let phases: Vec<&Value> = phases.as_array().unwrap().iter().collect();
        let at = phases.iter().position(|it| it["phase"] == "greet").unwrap();
        let greeting = phases[at];
        assert_eq!(
            (&greeting["word"], &greeting["notice"]),
            (&words["hello"], &true.into())
        );
        // Nobody was there before, and whatever is said comes after.
        assert_eq!(phases[at - 1]["phase"], "attract", "{phases:?}");
        let after = phases[at + 1]["phase"].as_str().unwrap();
        assert!(["show", "unsure", "hint"].contains(&after), "{phases:?}");
    });
}
