//! What it costs to find the faces of a frame, for `scripts/test-pi instructions`: the frame of 640x480 is reduced to
//! 160x120, the bundle's detector runs on it, and its maps become faces.
//!
//! ```text
//! find BUNDLE f32|int8
//! ```
//!
//! Prints `ready`, then for every line on standard input, which is a number of rounds, one line with the milliseconds of
//! each round.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use inference::DetectorNetwork;
use inference::bundle::Bundle;
use shared_model::image::GrayView;
use vision::detector::finder::{Finder, FinderConfig};

/// Width and height of the frame, and longer side of what the detector sees, in pixels.
const FRAME: [usize; 2] = [640, 480];
const DETECTOR_PX: u32 = 160;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, precision] = &arguments[..] else {
        return Err("usage: find BUNDLE f32|int8".into());
    };
    let bundle = Bundle::open(bundle.as_ref())?;
    let entry = bundle
        .manifest()
        .detector
        .as_ref()
        .ok_or("the bundle has no detector")?;
    let mut files = entry.files.iter();
    let file = files.find(|file| file.precision.name() == precision);
    let file = file.ok_or("the bundle has no detector of this precision")?;
    let mut network = DetectorNetwork::load(bundle.read(file.into())?, entry, file.precision)?;
    let config = FinderConfig {
        min_face_px: 80.0,
        detector_px: Some(DETECTOR_PX),
    };
    let mut finder = Finder::new(config, entry);
    // A smooth pattern; how long a network runs does not depend on what it sees.
    let [width, height] = FRAME;
    let pixels: Vec<u8> = (0..width * height)
        .map(|at| (at % width * (at / width) / 1201) as u8)
        .collect();
    let frame = GrayView::new(&pixels, width, height)?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    for line in io::stdin().lock().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            let start = Instant::now();
            finder.take(frame);
            finder.find(&mut network)?;
            write!(out, "{} ", start.elapsed().as_secs_f64() * 1e3)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
