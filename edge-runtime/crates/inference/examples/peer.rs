//! One contestant of `scripts/bench-peers`: loads networks, then times them whenever it is told to.
//!
//! ```text
//! peer edge-runtime|tract keypoints:30:keypoints.onnx emotion:5:emotion.onnx
//! ```
//!
//! Prints `ready`, the seconds that loading took and nothing else; then for every line on standard input, which is a
//! number of rounds, one line with the milliseconds of each network in each round. `tract` is stock tract in floats, as
//! its documentation loads an ONNX file.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use inference::Model;
use shared_model::image::{INPUT_LEN, SIDE};
use tract_onnx::prelude::*;

enum Network {
    Own(Box<Model>),
    Tract(Box<TypedSimpleState>, TValue),
}

impl Network {
    fn load(engine: &str, argument: &str) -> Result<Self> {
        let [name, length, path] = argument.splitn(3, ':').collect::<Vec<_>>()[..] else {
            bail!("`{argument}` is not NAME:LENGTH:FILE");
        };
        if engine == "tract" {
            return Self::tract(path);
        }
        let bytes = std::fs::read(path).with_context(|| format!("read {path}"))?;
        Ok(Self::Own(Box::new(Model::load_owned(
            bytes,
            &[(name, length.parse()?)],
        )?)))
    }

    fn tract(path: &str) -> Result<Self> {
        let model = tract_onnx::onnx()
            .model_for_path(path)?
            .with_input_fact(0, f32::fact([1, 1, SIDE, SIDE]).into())?
            .into_optimized()?;
        let image = tract_ndarray::Array4::from_shape_vec((1, 1, SIDE, SIDE), image())?;
        Ok(Self::Tract(
            Box::new(model.into_runnable()?.spawn()?),
            Tensor::from(image).into_tvalue(),
        ))
    }

    fn run(&mut self, image: &[f32]) -> Result<()> {
        match self {
            Self::Own(model) => model.run(image)?,
            Self::Tract(state, image) => drop(state.run(tvec![image.clone()])?),
        }
        Ok(())
    }
}

/// A smooth pattern; how long a network runs does not depend on what it sees.
fn image() -> Vec<f32> {
    (0..INPUT_LEN)
        .map(|at| (at % SIDE * (at / SIDE)) as f32 / INPUT_LEN as f32)
        .collect()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, networks @ ..] = &arguments[..] else {
        bail!("usage: peer edge-runtime|tract NAME:LENGTH:FILE...");
    };
    let start = Instant::now();
    let networks: Result<Vec<_>> = networks
        .iter()
        .map(|argument| Network::load(engine, argument))
        .collect();
    let mut networks = networks?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready {}", start.elapsed().as_secs_f64())?;
    let image = image();
    for line in io::stdin().lock().lines() {
        for _ in 0..line?.trim().parse::<u32>()? {
            for network in &mut networks {
                let start = Instant::now();
                network.run(&image)?;
                write!(out, "{} ", start.elapsed().as_secs_f64() * 1e3)?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
