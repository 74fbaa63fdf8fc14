//! The pages in Chromium: what is drawn is what the networks found, and nothing is asked for elsewhere.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use inference::picture::Picture;
use serde_json::Value;

use super::{kiosk, reconfigure, visit};
use crate::daemon::world::World;
use crate::support::chromium::Chromium;
use crate::support::http::{get, post};
use crate::support::{program, until};

/// Longest distance between what is drawn and what was found, in pixels of a frame 640 wide.
const NEAR: f64 = 1.0;

/// The same where the run may have found the face in the mirror image: the detector's boxes are some percent apart there. Of the
/// face of 65 pixels it is one in fifteen.
const NEAR_IN_TURNS: f64 = 4.4;

/// A kiosk that sees one picture again and again: a face out of the photograph that comes with the face detector.
pub(super) fn portrait() -> (World, PathBuf) {
    part_of_photograph([400, 190], [200, 200])
}

/// The same for any part of the photograph.
fn part_of_photograph([left, top]: [usize; 2], [width, height]: [usize; 2]) -> (World, PathBuf) {
    let world = kiosk("");
    let picture = world.kiosk.path("frames/face.pgm");
    fs::remove_dir_all(world.kiosk.path("frames")).unwrap();
    fs::create_dir(world.kiosk.path("frames")).unwrap();
    let file = fs::read(Path::new(vision::face::PACKAGE).join("test.png")).unwrap();
    let photograph = Picture::decode(&file).unwrap();
    let rows = photograph.gray().unwrap();
    let pixels = (top..top + height).flat_map(|y| rows.row(y)[left..left + width].to_vec());
    let pgm: Vec<u8> = format!("P5 {width} {height} 255\n")
        .into_bytes()
        .into_iter()
        .chain(pixels)
        .collect();
    fs::write(&picture, pgm).unwrap();
    reconfigure(&world, "mode = \"whole\"", "min_face_px = 40");
    (world, picture)
}

/// Boxes as [x, y, w, h], and points as [[x, y] × 15], of every face on the page, in pixels of the frame.
const DRAWN: &str = "[...document.querySelectorAll('.mirror .face')].map(face => ({
    box: (b => [b.x, b.y, b.width, b.height])(face.querySelector('.bounds').getBBox()),
    points: [...face.querySelectorAll('.point')].map(p => [+p.getAttribute('cx'), +p.getAttribute('cy')]),
}))";

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// Box and points of a line, [x, y, w, h, x, y, …].
fn of_line(line: &Value) -> Vec<f64> {
    let sides = ["x", "y", "w", "h"].map(|side| line["face"][side].as_f64().unwrap());
    [sides.to_vec(), numbers(&line["keypoints"])].concat()
}

/// The same of a face that the page draws.
fn of_face(face: &Value) -> Vec<f64> {
    [numbers(&face["box"]), numbers(&face["points"])].concat()
}

fn farthest(some: &[f64], others: &[f64]) -> f64 {
    some.iter().zip(others).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Holds every face that the page draws against the lines, and gives how many there are.
fn compare(window: &mut Chromium, lines: &[Value]) -> usize {
    compare_drawn(&window.value(DRAWN), lines, NEAR)
}

fn compare_drawn(drawn: &Value, lines: &[Value], near: f64) -> usize {
    let drawn = drawn.as_array().unwrap();
    for face in drawn {
        let have = of_face(face);
        let off = |line: &Value| farthest(&have, &of_line(line));
        let nearest = lines.iter().map(off).fold(f64::INFINITY, f64::min);
        assert!(nearest <= near, "{nearest} pixels: {face}\n{lines:?}");
    }
    drawn.len()
}

const FACE_IS_DRAWN: &str = "document.querySelectorAll('.mirror .face .bounds[d]').length > 0";

#[test]
fn points_and_box_on_the_page_are_those_that_classify_finds() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let world = kiosk("");
    for number in 1..4 {
        fs::remove_file(world.kiosk.path(&format!("frames/{number}.pgm"))).unwrap();
    }
    let (bundle, picture) = (world.kiosk.path("factory"), world.kiosk.path("frames/0.pgm"));
    let arguments = [
        "classify",
        "--face",
        "whole",
        "--bundle",
        bundle.to_str().unwrap(),
        picture.to_str().unwrap(),
    ];
    let output = program::command(&arguments).output().unwrap();
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until(FACE_IS_DRAWN);
        assert_eq!(compare(&mut window, &[line]), 1);
        // Mirrored: what is left in the frame is right on the screen.
        let mirrored =
            "(m => m.a === -1 && m.d === 1)(document.querySelector('.mirror g').transform.baseVal[0].matrix)";
        assert_eq!(window.value(mirrored), true);
    });
}

#[test]
fn a_face_that_is_followed_is_drawn_where_the_line_of_its_frame_says() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let (world, _) = portrait();
    reconfigure(&world, "[page]", "[sink]\nstdout = \"faces\"\n[page]");
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until(FACE_IS_DRAWN);
        for _ in 0..5 {
            // First what is drawn, then the lines: whatever is drawn was told before.
            let drawn = window.value(DRAWN);
            let told = world.told("out {\"input\"");
            let lines = told
                .iter()
                .map(|line| serde_json::from_str(line.strip_prefix("out ").unwrap()).unwrap());
            let lines: Vec<Value> = lines.filter(|line: &Value| line["face"].is_object()).collect();
            compare_drawn(&drawn, &lines, NEAR);
        }
    });
}

#[test]
fn who_is_followed_has_the_box_and_the_points_that_classify_finds_as_a_run_searches() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let (world, picture) = part_of_photograph([300, 150], [640, 480]);
    let bundle = world.kiosk.path("factory");
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until(FACE_IS_DRAWN);
        // Until the box has come to rest before a picture that does not change. Frame and mirror image are searched in turns,
        // so it goes on to move by a fraction of a pixel.
        let mut last = window.value(DRAWN);
        until("the box rests", || {
            thread::sleep(Duration::from_millis(250));
            let drawn = window.value(DRAWN);
            let faces =
                [&drawn, &last].map(|drawn| drawn.as_array().unwrap().iter().flat_map(of_face).collect::<Vec<_>>());
            let rests =
                !faces[0].is_empty() && faces[0].len() == faces[1].len() && farthest(&faces[0], &faces[1]) < 0.3;
            last = drawn;
            rests
        });
        let mut classify = program::command(&["classify", "--finder", "run", "--min-face", "40", "--bundle"]);
        let output = classify.arg(&bundle).arg(&picture).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let found: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(compare_drawn(&last, &found, NEAR_IN_TURNS), 1);
    });
}

#[test]
fn the_notice_is_there_before_the_first_face_and_stays() {
    let Some(mut window) = Chromium::open(800, 480) else {
        return;
    };
    let (world, _) = portrait();
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until("document.getElementById('notice-words')?.textContent === 'This screen recognises emotions.'");
        // Nobody is shown yet, though somebody is there.
        assert_eq!(window.value("document.body?.dataset.phase"), "attract");
        window.until("document.body?.dataset.phase !== 'attract'");
        let seen =
            "(b => b.width > 0 && b.bottom <= innerHeight)(document.getElementById('notice').getBoundingClientRect())";
        assert_eq!(window.value(seen), true);
    });
}

#[test]
fn the_page_says_the_verdict_of_the_state_line_in_its_own_words() {
    let Some(mut window) = Chromium::open(1920, 1080) else {
        return;
    };
    let world = kiosk("language = \"de\"\nvocabulary = \"expression\"\n");
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        post(address, "/api/pause", "ON", "");
        window.until("document.getElementById('word')?.textContent === 'Kurze Pause'");
        assert_eq!(window.value("document.documentElement.lang"), "de");
        post(address, "/api/pause", "OFF", "");
        window.until("document.body?.dataset.phase !== 'paused'");
        assert_eq!(
            window.value("document.querySelectorAll('.bars li').length"),
            classes(address)
        );
    });
}

fn classes(address: SocketAddr) -> usize {
    get(address, "/api/snapshot").json()["classes"]
        .as_array()
        .unwrap()
        .len()
}
