//! What the pages look like, against pictures that somebody has looked at.
//!
//! `UPDATE_REFERENCES=1 cargo test -p edge-runtime --test main references` makes the pictures anew; look at each of them
//! before you keep it.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;

use super::{kiosk, visit};
use crate::support::chromium::Chromium;

/// Messages in place of live ones.
const SCENE: &str = include_str!("scene.js");

/// Side in pixels of the squares whose means are compared: edges of letters may differ, letters may not.
const CELL: u32 = 12;

/// Largest difference of a colour's mean that nobody sees, of 255.
const UNSEEN: f32 = 10.0;

/// Squares that may differ, as a share: a letter's edge falls on the other side of a border.
const DIFFERENT: f32 = 0.004;

struct View {
    name: &'static str,
    path: &'static str,
    size: [u32; 2],
    /// The fields of `scene` in `scene.js`.
    scene: &'static str,
    /// When the page is as it will stay.
    ready: &'static str,
}

const NOBODY: &str = "{emotion: 'no_face', faces: 0, language: 'en'}";
const HAPPY: &str = "{emotion: 'Happy', faces: 1, language: 'en'}";
const TWO_GERMAN: &str = "{emotion: 'Happy', faces: 2, language: 'de'}";
const HINT_FRENCH: &str = "{emotion: 'uncertain', reason: 'turned_away', faces: 1, language: 'fr'}";
const WELL: &str = "{emotion: 'Happy', faces: 1, language: 'en'}";
const TROUBLES: &str = "{emotion: 'Happy', faces: 1, language: 'en', troubles: true}";

const PAUSED: &str = "{emotion: 'unknown', faces: 0, language: 'de', paused: true}";
const AIMED: &str = "{emotion: 'Happy', faces: 1, language: 'en', left_s: 581}";

const SHOWN: &str = "document.body?.dataset.phase === 'show'";
const ATTRACT: &str =
    "document.body?.dataset.phase === 'attract' && document.querySelectorAll('.mirror .face').length === 1";
const HINT: &str = "document.body?.dataset.phase === 'hint'";
const BREAK: &str =
    "document.body?.dataset.phase === 'paused' && document.querySelectorAll('.mirror .face').length === 1";
const MEASURED: &str =
    "document.querySelectorAll('#meters dt').length === 3 && document.querySelector('#drawing .bounds[d]')";
const ASKED: &str = "document.querySelector('#form .note')?.textContent";
const FILLED: &str = "document.querySelectorAll('#parts li').length >= 8 && document.querySelector('#verdicts li')";

const fn view(
    name: &'static str,
    path: &'static str,
    size: [u32; 2],
    scene: &'static str,
    ready: &'static str,
) -> View {
    View {
        name,
        path,
        size,
        scene,
        ready,
    }
}

const TOUCH: [u32; 2] = [800, 480];
const UPRIGHT: [u32; 2] = [1080, 1920];
const WALL: [u32; 2] = [1920, 1080];
const PHONE: [u32; 2] = [390, 844];
const LAPTOP: [u32; 2] = [1280, 720];

const VIEWS: [View; 18] = [
    view("visitor-touch-nobody", "/", TOUCH, NOBODY, ATTRACT),
    view("visitor-touch", "/", TOUCH, HAPPY, SHOWN),
    view("visitor-upright-nobody", "/", UPRIGHT, NOBODY, ATTRACT),
    view("visitor-upright", "/", UPRIGHT, TWO_GERMAN, SHOWN),
    view("visitor-wall", "/", WALL, HAPPY, SHOWN),
    view("visitor-wall-hint", "/", WALL, HINT_FRENCH, HINT),
    view("visitor-phone", "/", PHONE, HAPPY, SHOWN),
    view("visitor-wall-paused", "/", WALL, PAUSED, BREAK),
    view("visitor-upright-paused", "/", UPRIGHT, PAUSED, BREAK),
    view("operator-touch", "/operator", TOUCH, WELL, FILLED),
    view("operator-upright", "/operator", UPRIGHT, TROUBLES, FILLED),
    view("operator-wall", "/operator", WALL, WELL, FILLED),
    view("operator-phone", "/operator", PHONE, TROUBLES, FILLED),
    // All that a phone shows, one screen under the other.
    view("operator-phone-whole", "/operator", [390, 3100], TROUBLES, FILLED),
    // Files of the run's own server, which the roots of others show.
    view("aim-laptop", "/assets/aim.html", LAPTOP, AIMED, MEASURED),
    view("aim-phone", "/assets/aim.html", PHONE, AIMED, MEASURED),
    view("signin-laptop", "/assets/signin.html", LAPTOP, WELL, ASKED),
    view("signin-phone", "/assets/signin.html", PHONE, WELL, ASKED),
];

fn reference(view: &View) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/references");
    folder.join(format!("{}.webp", view.name))
}

/// Mean colours of squares.
fn cells(picture: &RgbImage) -> Vec<[f32; 3]> {
    let (across, down) = (picture.width().div_ceil(CELL), picture.height().div_ceil(CELL));
    let mut sums = vec![([0.0; 3], 0.0); (across * down) as usize];
    for (x, y, pixel) in picture.enumerate_pixels() {
        let (sum, count) = &mut sums[(y / CELL * across + x / CELL) as usize];
        for (sum, value) in sum.iter_mut().zip(pixel.0) {
            *sum += f32::from(value);
        }
        *count += 1.0;
    }
    sums.into_iter()
        .map(|(sum, count)| sum.map(|sum| sum / count))
        .collect()
}

/// Whether each square looks different.
fn different(a: &RgbImage, b: &RgbImage) -> Vec<bool> {
    let differ = |(a, b): ([f32; 3], [f32; 3])| a.iter().zip(b).any(|(a, b)| (a - b).abs() > UNSEEN);
    cells(a).into_iter().zip(cells(b)).map(differ).collect()
}

/// The share of squares that look different; everything where the sizes differ.
fn difference(a: &RgbImage, b: &RgbImage) -> f32 {
    if a.dimensions() != b.dimensions() {
        return 1.0;
    }
    let squares = different(a, b);
    squares.iter().filter(|differs| **differs).count() as f32 / squares.len() as f32
}

/// The second picture, red where it looks different.
fn marked(a: &RgbImage, b: &RgbImage) -> RgbImage {
    let (squares, across) = (different(a, b), b.width().div_ceil(CELL));
    let mut marked = b.clone();
    for (x, y, pixel) in marked.enumerate_pixels_mut() {
        if squares.get((y / CELL * across + x / CELL) as usize) == Some(&true) {
            pixel.0[0] = u8::midpoint(pixel.0[0], u8::MAX);
        }
    }
    marked
}

fn open(path: &Path) -> RgbImage {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    image::load_from_memory(&bytes).unwrap().to_rgb8()
}

#[test]
fn the_pages_look_as_in_the_pictures_that_were_looked_at() {
    let renews = std::env::var_os("UPDATE_REFERENCES").is_some();
    let world = kiosk("");
    visit(&world, |address| {
        for view in &VIEWS {
            let Some(mut window) = Chromium::open(view.size[0], view.size[1]) else {
                return;
            };
            window.set_zone("Europe/Berlin");
            window.before_pages(&format!("const scene = {};\n{SCENE}", view.scene));
            window.go(&format!("http://{address}{}", view.path));
            window.until(view.ready);
            window.value("document.fonts.ready.then(() => true)");
            // Two frames of the screen after the last change.
            window.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
            let file = window.picture();
            if renews {
                fs::write(reference(view), &file).unwrap();
                continue;
            }
            let (wanted, shown) = (
                open(&reference(view)),
                image::load_from_memory(&file).unwrap().to_rgb8(),
            );
            let share = difference(&wanted, &shown);
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.webp", view.name));
            fs::write(&kept, &file).unwrap();
            let marks = kept.with_file_name(format!("{}-difference.png", view.name));
            marked(&wanted, &shown).save(&marks).unwrap();
            assert!(
                share <= DIFFERENT,
                "{}: {:.2} % look different: should be {}, is {}, differs where {} is red",
                view.name,
                100.0 * share,
                reference(view).display(),
                kept.display(),
                marks.display()
            );
            assert!(window.complaints.is_empty(), "{:?}", window.complaints);
        }
    });
}

#[test]
fn a_picture_that_misses_a_word_or_a_bar_looks_different_and_a_shift_by_half_a_pixel_does_not() {
    let picture = open(&reference(&VIEWS[1]));
    assert_eq!(difference(&picture, &picture), 0.0);
    // Half of each pixel comes from its neighbour: as letters that begin half a pixel later.
    let mut shifted = picture.clone();
    for (x, y, pixel) in shifted.enumerate_pixels_mut() {
        let left = picture.get_pixel(x.saturating_sub(1), y);
        for (value, other) in pixel.0.iter_mut().zip(left.0) {
            *value = u8::midpoint(*value, other);
        }
    }
    assert!(
        difference(&picture, &shifted) <= DIFFERENT,
        "{}",
        difference(&picture, &shifted)
    );
    // A bar, and a short word.
    for [width, height] in [[120, 8], [70, 30]] {
        let mut damaged = picture.clone();
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            damaged.put_pixel(480 + x, 200 + y, image::Rgb([200, 180, 90]));
        }
        assert!(difference(&picture, &damaged) > DIFFERENT, "{width}x{height}");
        // What is damaged is red, and the rest is as it was.
        let marks = marked(&picture, &damaged);
        assert_eq!(marks.get_pixel(480, 200).0, [227, 180, 90]);
        assert_eq!(marks.get_pixel(0, 0), damaged.get_pixel(0, 0));
    }
    assert!(difference(&picture, &open(&reference(&VIEWS[0]))) > 10.0 * DIFFERENT);
}
