//! One contestant of `scripts/bench-peers`: rten, on one thread and with its weights packed when it loads.
//!
//! ```text
//! rten-peer FILE...
//! ```
//!
//! Speaks as `edge-runtime/crates/inference/examples/peer.rs` does.

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use rten::{Model, ModelOptions, RunOptions, ThreadPool, ValueView};

/// Pixels of a side of the crop.
const SIDE: usize = 96;

fn load(path: &str) -> Result<Model> {
    Ok(ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?)
}

fn main() -> Result<()> {
    let start = Instant::now();
    let models: Vec<Model> = std::env::args()
        .skip(1)
        .map(|path| load(&path))
        .collect::<Result<_>>()?;
    let threads = Arc::new(ThreadPool::with_num_threads(1));
    let mut out = io::stdout().lock();
    writeln!(out, "ready {}", start.elapsed().as_secs_f64())?;
    let image: Vec<f32> = (0..SIDE * SIDE)
        .map(|at| (at % SIDE * (at / SIDE)) as f32 / (SIDE * SIDE) as f32)
        .collect();
    for line in io::stdin().lock().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            for model in &models {
                let start = Instant::now();
                let input = ValueView::from_shape([1, 1, SIDE, SIDE], &image[..])?;
                let options = RunOptions::default().with_thread_pool(Some(threads.clone()));
                model.run_one(input.into(), Some(options))?;
                write!(out, "{} ", start.elapsed().as_secs_f64() * 1e3)?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
