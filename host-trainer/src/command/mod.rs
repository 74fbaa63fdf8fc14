//! The command line.

mod bench;
mod bundle;
mod commit;
mod data;
mod detector;
mod evaluate;
pub(crate) mod exit;
mod export;
mod frame;
mod progress;
mod quantise;
mod report;
#[cfg(feature = "remote")]
mod serve;
mod sign;
mod train;
mod words;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

/// Train, evaluate, export and bundle the keypoint and emotion networks of an emotion kiosk.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network, or go on with a training.
    Train(Box<Choice<train::Train, detector::TrainDetector>>),
    /// Measure a trained network on the faces held out.
    Evaluate(Box<Choice<evaluate::Evaluate, detector::EvaluateDetector>>),
    /// Write a page about a trained network: curves, figures, faces, data, settings.
    Report(report::Report),
    /// Measure how data sets frame their faces, and which `frame` makes them alike.
    Frame(frame::Frame),
    /// Write a trained network as an ONNX file.
    Export(Box<Choice<export::Export, detector::ExportDetector>>),
    /// Quantise a trained network to 8-bit integers.
    Quantise(quantise::Quantise),
    /// Measure how fast this machine trains.
    #[command(subcommand)]
    Bench(bench::Bench),
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
    /// Put two trained networks into the directory that the runtime loads.
    Bundle(bundle::Bundle),
    /// Sign what devices accept as an update.
    #[command(subcommand)]
    Sign(sign::Sign),
}

/// Writes a line of data to standard output.
fn write_line(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}

/// A command for the networks of faces, or, behind the word `detector`, for the one that finds them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Choice<N: Args, D: Args> {
    #[command(flatten)]
    networks: Option<N>,
    #[command(subcommand)]
    detector: Option<Word<D>>,
}

#[derive(Debug, Subcommand)]
enum Word<D: Args> {
    /// The network that finds faces in a picture.
    Detector(D),
}

impl<N: Args, D: Args> Choice<N, D> {
    fn either(
        &self,
        networks: impl Fn(&N) -> Result<ExitCode>,
        detector: impl Fn(&D) -> Result<ExitCode>,
    ) -> Result<ExitCode> {
        match (&self.detector, &self.networks) {
            (Some(Word::Detector(command)), _) => detector(command),
            (None, Some(command)) => networks(command),
            (None, None) => anyhow::bail!("name what to work on; see --help"),
        }
    }
}

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Train(command) => command.either(train::Train::run, detector::TrainDetector::run),
        Command::Evaluate(command) => command.either(evaluate::Evaluate::run, detector::EvaluateDetector::run),
        Command::Report(command) => command.run(),
        Command::Frame(command) => command.run(),
        Command::Export(command) => command.either(export::Export::run, detector::ExportDetector::run),
        Command::Quantise(command) => command.run(),
        Command::Bench(command) => command.run(),
        #[cfg(feature = "remote")]
        Command::Serve(command) => command.run(),
        Command::Bundle(command) => command.run(),
        Command::Sign(command) => command.run(),
    }
}
