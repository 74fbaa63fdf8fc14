//! `host-trainer frame`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use host_trainer::config::TrainConfig;
use host_trainer::data::BadRows;
use host_trainer::framing::Framing;
use host_trainer::model::Task;
use host_trainer::train::prepare::{Files, read};
use inference::Predictor;
use inference::bundle::Bundle;
use serde_json::json;

/// Measure how data sets frame their faces, and which `frame` makes them alike.
///
/// Eyes and mouth are found as on a device, by the face detector and a bundle's keypoint network. The `frame` of each
/// set shows them where the first set has them, or as the bundle's emotion crop does; it goes into the recipe's `sets`.
#[derive(Debug, Args)]
pub(crate) struct Frame {
    /// Emotion data sets; the first is what the others are framed like.
    #[arg(long, value_name = "CSV|DIR", required = true)]
    data: Vec<PathBuf>,
    /// The bundle whose keypoint network and crops are used.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Faces of each set to look at, evenly chosen.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    faces: usize,
}

impl Frame {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let bundle = Bundle::open(&self.bundle)?;
        let mut predictor = Predictor::load(&bundle)?;
        let mut first = None;
        for path in &self.data {
            let files = Files {
                data: vec![path.clone()],
                votes: None,
                bad_rows: BadRows::Skip,
            };
            let (data, _) = read(&files, &TrainConfig::original(Task::Emotion))?;
            let faces = data.faces();
            if self.faces == 0 {
                bail!("frame: look at one face at least");
            }
            let rows = (0..faces.len() as u32).step_by(faces.len().div_ceil(self.faces));
            let framing = Framing::measure(faces, rows, &mut predictor);
            let framing = framing.with_context(|| format!("measure {}", path.display()))?;
            let first = first.get_or_insert(framing);
            let line = json!({
                "data": path,
                "framing": framing,
                "frame_as_the_first": framing.onto(first),
                "frame_as_the_crop": framing.onto_crop(&bundle.manifest().emotion.crop),
            });
            super::write_line(&line.to_string())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
