//! The command line.

mod bench;
mod bundle;
mod commit;
mod data;
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
use clap::{Parser, Subcommand};

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
    Train(Box<train::Train>),
    /// Measure a trained network on the faces held out.
    Evaluate(evaluate::Evaluate),
    /// Write a page about a trained network: curves, figures, faces, data, settings.
    Report(report::Report),
    /// Measure how data sets frame their faces, and which `frame` makes them alike.
    Frame(frame::Frame),
    /// Write a trained network as an ONNX file.
    Export(export::Export),
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

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Train(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Frame(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Quantise(command) => command.run(),
        Command::Bench(command) => command.run(),
        #[cfg(feature = "remote")]
        Command::Serve(command) => command.run(),
        Command::Bundle(command) => command.run(),
        Command::Sign(command) => command.run(),
    }
}
