//! The detector's options of `host-trainer bundle`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use host_trainer::bundle::{Finder, HeldOut};
use host_trainer::detector::checkpoint::Checkpoint;
use host_trainer::detector::data::{Part, Photo, Set, count};
use inference::bundle::Bundle;
use shared_model::manifest::FILE_NAME;

use super::detector::{Size, size};

/// The network that finds faces.
#[derive(Debug, Args)]
pub(super) struct DetectorOptions {
    /// Directory of a detector's run, or of a bundle whose detector is taken over as it is.
    #[arg(long, value_name = "RUN|BUNDLE")]
    detector: Option<PathBuf>,
    /// What `quantise detector` made of the run; the runtime prefers it.
    #[arg(long, value_name = "ONNX", requires = "detector_data")]
    detector_int8: Option<PathBuf>,
    /// The pictures that the run was trained with: those held out measure it.
    #[arg(long, value_name = "ZIP|DIR", requires_all = ["detector", "detector_faces"])]
    detector_data: Option<PathBuf>,
    /// Their annotations.
    #[arg(long, value_name = "CSV|TXT|DIR", requires = "detector_data")]
    detector_faces: Option<PathBuf>,
    /// Width and height that it is measured at; by default those of the training. May be given several times: the
    /// manifest's figures are those of the first.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, requires = "detector_data")]
    detector_input: Vec<Size>,
    /// Least score of a face; by default the one with 5 false alarms in 100 pictures.
    #[arg(long, value_name = "SCORE", requires = "detector_data")]
    detector_score: Option<f32>,
}

impl DetectorOptions {
    /// The network, measured, where one is given.
    pub(super) fn finder(&self) -> Result<Option<Finder>> {
        let Some(place) = &self.detector else {
            return Ok(None);
        };
        if place.join(FILE_NAME).exists() {
            return Finder::of_bundle(&Bundle::open(place)?).map(Some);
        }
        let needed = "bundle: the detector of a run needs --detector-data and --detector-faces";
        let (data, faces) = (self.detector_data.as_ref(), self.detector_faces.as_ref());
        let (data, faces) = (data.context(needed)?, faces.context(needed)?);
        let checkpoint = Checkpoint::load(place)?;
        let read = |path: &PathBuf| host_trainer::files::read(path).with_context(|| format!("read {}", path.display()));
        let int8 = self.detector_int8.as_ref().map(read).transpose()?;
        let set = Set::read(data, faces, Part::HeldOut)?;
        let photos: Vec<&Photo> = set.photos.iter().collect();
        let mut sizes: Vec<[usize; 2]> = self.detector_input.iter().map(|size| size.0).collect();
        if sizes.is_empty() {
            sizes.push(checkpoint.state.config.input);
        }
        let held = HeldOut {
            photos: &photos,
            sizes: &sizes,
            trained_on: count(faces, Part::TrainedOn)?,
            score: self.detector_score,
        };
        tracing::info!("measuring the detector on {} pictures", photos.len());
        Finder::of_run(&checkpoint, int8, &held).map(Some)
    }
}
