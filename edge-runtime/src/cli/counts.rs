//! `edge-runtime counts`: what was counted, as a table or as lines.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use durable::SystemDisk;
use edge_runtime::config::Config;
use edge_runtime::counts::{CountsError, Export, Report, csv, json_line};
use edge_runtime::owner::{Missing, become_owner};
use edge_runtime::sink::SinkError;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::failure::{Failure, code, io_code};
use super::write_line;

const AFTER: &str = "\
Standard output gets a row for each quarter of an hour, in the machine's time zone. Quarters with fewer visitors than
`min_visitors` of [counts] are merged with others. A row whose clock is \"doubtful\" was counted while the clock was not
set, or jumped: it may belong to another time.";

/// Writes how many people came, looked, stayed and smiled
///
/// Needs the section [counts] in the configuration, and may run beside `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
    /// The first day, as in 2026-11-27; otherwise the first that is kept
    #[arg(long, value_name = "DATE")]
    since: Option<Date>,
    /// The form in which rows are written
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table with a head
    Csv,
    /// A JSON object a line
    Json,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let Some(mut settings) = config.counts else {
        let message = format!(
            "{}: nothing is counted without a section [counts]",
            args.config.display()
        );
        return Err(Failure::new(code::CONFIG, anyhow::Error::msg(message)));
    };
    let zone = TimeZone::system();
    // A link in place of a day may lead to what only root may read.
    settings.dir = become_owner(&settings.dir, Missing::Left).map_err(|source| CountsError::Read {
        path: settings.dir.clone(),
        source,
    })?;
    let report = Report::read(&mut SystemDisk::default(), &settings, args.since, &zone)?;
    for error in &report.unread {
        tracing::warn!("{error}");
    }
    let Export { groups, left_out } = report.export;
    if left_out > 0 {
        let least = settings.min_visitors;
        tracing::warn!("{left_out} visitors are not shown: rows have {least} or more (`min_visitors` in [counts])");
    }
    match args.format {
        Format::Csv => csv(&groups, &zone, io::stdout()).map_err(SinkError::from)?,
        Format::Json => (groups.iter()).try_for_each(|group| write_line(&json_line(group, &zone).to_string()))?,
    }
    Ok(ExitCode::SUCCESS)
}

impl From<CountsError> for Failure {
    fn from(error: CountsError) -> Self {
        let code = match &error {
            CountsError::Read { source, .. } | CountsError::Write { source, .. } | CountsError::Dir { source, .. } => {
                io_code(source)
            }
            CountsError::Busy { .. } => code::TEMPORARY,
            CountsError::Damaged { .. } => code::DATA,
            CountsError::Start(_) => code::INTERNAL,
        };
        Self::new(code, error)
    }
}
