//! Whoever asked their system for less motion gets none; everybody else sees the page live.

use super::{kiosk, visit};
use crate::support::chromium::Chromium;

/// Messages in place of live ones, and a clock that can be set forward.
const SCENE: &str = concat!(
    "const scene = {emotion: 'no_face', faces: 0, language: 'en'};\n",
    "window.later = 0; performance.now = ((now) => () => now() + window.later)(performance.now.bind(performance));\n",
    include_str!("scene.js"),
);

const ATTRACT: &str =
    "document.body?.dataset.phase === 'attract' && document.querySelectorAll('.mirror .face').length === 1";

/// Everything on the page that changes or runs over time.
const MOVES: &str = "[...document.querySelectorAll('*')].filter((element) => {
    const style = getComputedStyle(element);
    const lasts = style.transitionDuration.split(',').some((time) => parseFloat(time) > 0);
    return lasts || style.animationName !== 'none';
}).map((element) => element.className.baseVal ?? element.className)";

/// The face of nobody, as it is drawn.
const DRAWN: &str = "[...document.querySelectorAll('.mirror .face path')].map((line) => line.getAttribute('d')).join()";

/// Two looks at the clock from now on have passed, and two frames of the screen.
const SETTLED: &str = "new Promise((done) => setTimeout(() =>
    requestAnimationFrame(() => requestAnimationFrame(() => done(true))), 600))";

#[test]
fn a_page_moves_for_everybody_but_those_who_asked_for_reduced_motion() {
    let world = kiosk("");
    visit(&world, |address| {
        for moves in [true, false] {
            let opened = if moves {
                Chromium::moving(1280, 720)
            } else {
                Chromium::open(1280, 720)
            };
            let Some(mut window) = opened else { return };
            window.before_pages(SCENE);
            window.go(&format!("http://{address}/"));
            window.until(ATTRACT);
            window.value(SETTLED);
            let moving = window.value(MOVES);
            assert_eq!(moving.as_array().unwrap().len() > 3, moves, "{moving}");
            assert!(moves || moving == serde_json::json!([]), "{moving}");
            // The face of nobody goes through expressions, or keeps the one that it has.
            let before = window.value(DRAWN);
            window.value("window.later = 3600");
            if moves {
                window.until(&format!("{DRAWN} !== {before}"));
            } else {
                window.value(SETTLED);
                assert_eq!(window.value(DRAWN), before);
            }
        }
    });
}
