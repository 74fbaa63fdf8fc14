//! What it costs to judge a face in the frame of a film, for `scripts/test-pi frames`: both networks of a bundle, with what belongs to them.
//!
//! ```text
//! judge BUNDLE
//! ```
//!
//! Prints `ready`, then for every line on standard input, which is a number of rounds, one line with the milliseconds of
//! each round.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use inference::bundle::Bundle;
use inference::{Crops, FrameLook, Look, Predictor, Threads};
use shared_model::image::{GrayView, Rect, SIDE};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle] = &arguments[..] else {
        return Err("usage: judge BUNDLE".into());
    };
    let mut predictor = Predictor::load(&Bundle::open(bundle.as_ref())?)?.with_threads(Threads::One);
    // A smooth pattern; how long a network runs does not depend on what it sees.
    let pixels: Vec<u8> = (0..SIDE * SIDE)
        .map(|at| (at % SIDE * (at / SIDE) / 37) as u8)
        .collect();
    let whole = Rect {
        x: 0.0,
        y: 0.0,
        w: SIDE as f32,
        h: SIDE as f32,
    };
    predictor.crop(GrayView::new(&pixels, SIDE, SIDE)?, &Crops::both(whole))?;
    let look = FrameLook {
        rough_points: false,
        emotion: Look::Crop,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    for line in io::stdin().lock().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            let start = Instant::now();
            predictor.run_frame(look)?;
            write!(out, "{} ", start.elapsed().as_secs_f64() * 1e3)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
