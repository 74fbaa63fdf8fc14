//! `host-trainer evaluate alarms`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use host_trainer::detector::data::{Part, Photo, Set, pictures};
use host_trainer::detector::film::{FalseAlarms, TrackedFaces, false_alarms, tracked_faces};
use inference::bundle::Bundle;
use serde_json::json;

/// Count what a bundle's detector takes for a face on pictures that show none, and what of it lasts.
///
/// Each picture is searched by itself, and then as a film of three seconds in which it sways and has noise, through the
/// runtime's tracker. Figures go to stdout as JSON, a line for each size, with the names of the pictures.
#[derive(Debug, Args)]
pub(crate) struct EvaluateAlarms {
    /// Directory of the bundle.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Archive or directory with pictures; without `--faces`, a directory none of whose pictures shows a face.
    #[arg(long, value_name = "ZIP|DIR")]
    data: PathBuf,
    /// Annotations, in the forms of `evaluate detector`: looked at are the held-out pictures without any box, and of the
    /// others the largest part beside all boxes.
    #[arg(long, value_name = "CSV|TXT|DIR")]
    faces: Option<PathBuf>,
    /// Longer side of the picture that the detector sees, in pixels; may be given several times.
    #[arg(long, value_name = "PX", default_value = "160", value_parser = clap::value_parser!(u32).range(64..=1024))]
    detector_px: Vec<u32>,
    /// Films that are made of each picture without a face, each with another sway and other noise.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    films: u16,
}

impl EvaluateAlarms {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let bundle = Bundle::open(&self.bundle)?;
        let photos = match &self.faces {
            Some(faces) => Set::read(&self.data, faces, Part::HeldOut)?.photos,
            None => pictures(&self.data)?,
        };
        let whole = photos.iter().filter(|photo| photo.is_empty()).count();
        let empty: Vec<Photo> = photos.iter().filter_map(Photo::beside_faces).collect();
        if empty.is_empty() {
            bail!("evaluate: none of the pictures has a part without a face that is large enough");
        }
        tracing::info!(
            "{whole} pictures without a face, and parts of {} others",
            empty.len() - whole
        );
        let empty: Vec<&Photo> = empty.iter().collect();
        let faces: Vec<&Photo> = photos.iter().filter(|photo| !photo.is_empty()).collect();
        for longer_px in &self.detector_px {
            let found = false_alarms(&bundle, &empty, *longer_px, usize::from(self.films))?;
            let tracked = tracked_faces(&bundle, &faces, *longer_px)?;
            tell(*longer_px, &found, &tracked)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tell(longer_px: u32, found: &FalseAlarms, tracked: &TrackedFaces) -> Result<()> {
    let line = json!({ "detector_px": longer_px, "found": found, "faces": tracked });
    super::super::write_line(&line.to_string())?;
    tracing::info!(
        about = longer_px,
        "{longer_px} pixels: {} pictures without a face: {} alarms on {} of them; of {} films, {} have one \
         that lasts two frames, {} one that is judged",
        found.pictures,
        found.alarms,
        found.single.len(),
        found.films,
        found.lasting.len(),
        found.judged.len()
    );
    let size = "of all, from 16, 32, 64, 128 pixels on";
    let yaw = "of those from 32 pixels on, by yaw from 0, 30, 45, 60 degrees on";
    let counts = [
        (size, tracked.tracked, tracked.all),
        (yaw, tracked.tracked_by_yaw, tracked.all_by_yaw),
    ];
    for (of, tracked, all) in counts.into_iter().filter(|(.., all)| *all != [0; 4]) {
        tracing::info!(
            about = longer_px,
            "{longer_px} pixels: faces that are tracked, {of}: {tracked:?} of {all:?}"
        );
    }
    Ok(())
}
