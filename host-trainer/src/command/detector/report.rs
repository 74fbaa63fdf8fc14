//! `host-trainer report detector`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use host_trainer::detector::checkpoint::Checkpoint;
use host_trainer::detector::data::{Part, Photo, Set};
use host_trainer::report::Provenance;
use host_trainer::report::detector::{Source, write};

use super::{Pictures, Size, size};
use crate::command::commit::commit;
use crate::command::words;

/// Write a page about a trained detector: curves, figures by size and source, pictures with boxes.
///
/// One HTML file that needs nothing but itself. It shows pictures of the data that it is given.
#[derive(Debug, Args)]
pub(crate) struct ReportDetector {
    #[command(flatten)]
    pictures: Pictures,
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Width and height that pictures are fitted into; by default those of the training.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size)]
    input: Option<Size>,
    /// Where the report goes; an older one is written over.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl ReportDetector {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let checkpoint = Checkpoint::load(&self.run)?;
        let set = Set::read(&self.pictures.data, &self.pictures.faces, Part::HeldOut)?;
        let photos: Vec<&Photo> = set.photos.iter().collect();
        let provenance = Provenance {
            begun: None,
            again: self.training(&checkpoint),
            report: words::own(),
            commit: commit(),
        };
        let source = Source {
            input: self.input.map_or(checkpoint.state.config.input, |size| size.0),
            checkpoint: &checkpoint,
            photos: &photos,
        };
        write(&self.out, &source, &provenance)?;
        tracing::info!(
            "{} is ready; it shows pictures of the data set",
            self.out.join("report.html").display()
        );
        Ok(ExitCode::SUCCESS)
    }

    /// The command that trains with the settings of the run.
    fn training(&self, checkpoint: &Checkpoint) -> String {
        let config = &checkpoint.state.config;
        let path = |path: &Path| path.display().to_string();
        let words = [
            ("--data", path(&self.pictures.data)),
            ("--faces", path(&self.pictures.faces)),
            ("--out", path(&self.run.with_extension("again"))),
            ("--input", format!("{}x{}", config.input[0], config.input[1])),
            ("--batch", config.batch.to_string()),
            ("--steps", config.steps.to_string()),
            ("--seed", config.seed.to_string()),
            ("--learning-rate", config.learning_rate.to_string()),
        ];
        let options = words.into_iter().flat_map(|(option, value)| [option.to_owned(), value]);
        words::shell(
            ["host-trainer", "train", "detector"]
                .map(str::to_owned)
                .into_iter()
                .chain(options),
        )
    }
}
