//! Films whose visitors are known, through the program itself: composed of portraits of people and of one who looks aside.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use inference::picture::Picture;
use serde_json::Value;
use shared_model::image::{GrayView, Rect, sample};

use crate::support::program::command;

/// Size of a frame, frames a second, and its plain grey.
const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const RATE: u64 = 10;
const WALL: u8 = 128;

/// Portraits of two people, as they look into the camera, and of one who looks past it.
const CALM: &str = "neutral/010.jpg";
const SMILING: &str = "smiling/022.jpg";
const ASIDE: &str = "us_colton-sturgeon-C2uzaHcTRBU-unsplash.jpg";
const ASIDE_PART: Rect = Rect {
    x: 30.0,
    y: 160.0,
    w: 640.0,
    h: 640.0,
};

/// Somebody in the film.
struct Guest<'a> {
    portrait: &'a Picture,
    /// The part of the portrait that is shown.
    part: Rect,
    /// Left edge, top edge and side, in pixels of the frame.
    place: [usize; 3],
    /// From when to when, in tenths of a second.
    tenths: [u64; 2],
}

fn portrait(path: &Path) -> Picture {
    Picture::decode(&fs::read(path).unwrap()).unwrap()
}

fn whole(picture: &Picture) -> Rect {
    Rect {
        x: 0.0,
        y: 0.0,
        w: picture.width() as f32,
        h: picture.height() as f32,
    }
}

/// A part of a picture as a square of this side.
fn square(view: GrayView<'_>, part: &Rect, side: usize) -> Vec<u8> {
    let mut values = vec![0.0; side * side];
    sample(view, part, side, &mut values);
    values.iter().map(|value| (value * 255.0).round() as u8).collect()
}

/// A film of so many seconds.
fn film(guests: &[Guest<'_>], seconds: u64) -> Vec<u8> {
    let shown: Vec<Vec<u8>> = (guests.iter())
        .map(|guest| square(guest.portrait.gray().unwrap(), &guest.part, guest.place[2]))
        .collect();
    let mut film = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip Cmono\n").into_bytes();
    for number in 0..seconds * RATE {
        let mut frame = vec![WALL; WIDTH * HEIGHT];
        for (guest, pixels) in guests.iter().zip(&shown) {
            let [from, to] = guest.tenths.map(|tenth| tenth * RATE / 10);
            if !(from..to).contains(&number) {
                continue;
            }
            let [left, top, side] = guest.place;
            for (row, line) in pixels.chunks_exact(side).enumerate() {
                frame[(top + row) * WIDTH + left..][..side].copy_from_slice(line);
            }
        }
        film.extend_from_slice(b"FRAME\n");
        film.extend_from_slice(&frame);
    }
    film
}

/// What is counted in the [film of known visitors](known_visitors).
pub(crate) const VISITORS: u64 = 4;
pub(crate) const ATTENTIVE: u64 = 3;
pub(crate) const SMILES: u64 = 1;

/// Frames of that film, and the lines of a section `[face]` that finds whoever is in it.
pub(crate) const FRAMES: u64 = 26 * RATE;
pub(crate) const FACE: &str = "min_face_px = 60\npolicy = \"all\"\n";

/// Three people, of whom one comes back and one passes in profile, and somebody who is gone too soon to be a visitor; `None`,
/// said loudly, where the portraits are not at hand.
pub(crate) fn known_visitors() -> Option<Vec<u8>> {
    let london = testing::shared_data("london")?;
    let photos = testing::shared_data("photos")?;
    let calm = portrait(&london.join(CALM));
    let smiling = portrait(&london.join(SMILING));
    let aside = portrait(&photos.join(ASIDE));
    let guest = |portrait, part, place, tenths| Guest {
        portrait,
        part,
        place,
        tenths,
    };
    let guests = [
        // Looks, goes, and comes back to another place: two visits.
        guest(&calm, whole(&calm), [20, 60, 240], [10, 60]),
        guest(&calm, whole(&calm), [380, 80, 240], [160, 200]),
        // Smiles.
        guest(&smiling, whole(&smiling), [380, 60, 240], [30, 90]),
        // Passes, and never looks at the camera.
        guest(&aside, ASIDE_PART, [200, 60, 240], [110, 140]),
        // Is there for half a second: no visitor.
        guest(&smiling, whole(&smiling), [20, 60, 240], [220, 225]),
    ];
    Some(film(&guests, FRAMES / RATE))
}

/// A film in a pipe that does not end: whoever reads it waits for more, until this is dropped.
pub(crate) struct OpenFilm(#[expect(dead_code, reason = "its end ends the film")] Sender<()>);

impl OpenFilm {
    /// Makes the pipe, and fills it as fast as somebody reads.
    pub(crate) fn pour(film: Vec<u8>, path: &Path) -> Self {
        testing::pipe(path);
        let (held, ended) = channel::<()>();
        let path = path.to_path_buf();
        thread::spawn(move || {
            let mut pipe = File::options().write(true).open(path).unwrap();
            // Whoever reads may end first.
            if pipe.write_all(&film).is_ok() {
                let _ = ended.recv();
            }
        });
        Self(held)
    }
}

pub(super) fn configure(dir: &Path) -> PathBuf {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    let text = format!(
        "schema = 1\nbundle = '{}'\n[source]\nuri = \"film.y4m\"\n[face]\n{FACE}\
         [counts]\ndir = \"counts\"\nmin_visitors = 1\n",
        bundle.display()
    );
    fs::write(dir.join("config.toml"), text).unwrap();
    dir.join("config.toml")
}

/// The sums of all rows that are exported.
fn counted(config: &Path) -> Value {
    let ran = command(&["run", "--config"]).arg(config).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = command(&["counts", "--format", "json", "--config"])
        .arg(config)
        .output()
        .unwrap();
    let rows: Vec<Value> = String::from_utf8(told.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // A quarter of an hour may end meanwhile.
    let sum = |of: &dyn Fn(&Value) -> f64| rows.iter().map(of).sum::<f64>();
    let number = |value: &Value| value.as_f64().unwrap();
    serde_json::json!({
        "visitors": sum(&|row| number(&row["visitors"])),
        "attentive": sum(&|row| number(&row["attentive"])),
        "smiles": sum(&|row| number(&row["smiles"])),
        "visits": sum(&|row| number(&row["dwell"]["visits"])),
        "dwell_s": sum(&|row| number(&row["dwell"]["seconds"])),
    })
}

#[test]
fn three_people_are_counted_of_whom_one_comes_back_and_one_passes_in_profile() {
    let Some(film) = known_visitors() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("film.y4m"), film).unwrap();
    let sums = counted(&configure(dir.path()));
    let number = |name: &str| sums[name].as_f64().unwrap();
    let exact = ["visitors", "attentive", "smiles", "visits"].map(number);
    let expected = [VISITORS, ATTENTIVE, SMILES, VISITORS].map(|count| count as f64);
    assert_eq!(exact, expected, "{sums}");
    // Five, four, six and three seconds. Who comes while somebody is followed may be found up to three seconds later, by a
    // bundle without a detector of its own.
    let dwell_s = number("dwell_s");
    assert!((18.0 - 3.0 - 4.0 * 0.3..=18.0).contains(&dwell_s), "{sums}");
}
