//! The command line.

mod bench;
mod bundle;
mod commit;
mod compare;
mod data;
mod detector;
mod evaluate;
pub(crate) mod exit;
mod export;
mod find_rate;
mod finder;
mod frame;
mod plan;
mod predict;
mod progress;
mod quantise;
mod report;
#[cfg(feature = "remote")]
mod serve;
mod sign;
mod survey;
mod suspects;
mod train;
mod words;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
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
    /// Look at a data set before anything is trained on it.
    Data(Box<survey::LookAtData>),
    /// Train a network, or go on with a training.
    Train(Box<train::Train>),
    /// Train the network that finds faces: `train detector`.
    TrainDetector(Box<detector::TrainDetector>),
    /// List the keys of a recipe: `train --keys`.
    TrainKeys(plan::Keys),
    /// Measure a trained network on the faces held out.
    Evaluate(Box<evaluate::Evaluate>),
    /// Measure the network that finds faces: `evaluate detector`.
    EvaluateDetector(detector::EvaluateDetector),
    /// Count false alarms on pictures without a face: `evaluate alarms`.
    EvaluateAlarms(detector::EvaluateAlarms),
    /// Compare runs: settings that differ, curves, figures, and a test on the same faces.
    Compare(compare::Compare),
    /// Write what trained networks say about faces: a table with a line for each.
    Predict(Box<predict::Predict>),
    /// Write a page about a trained network: curves, figures, faces, data, settings.
    Report(report::Report),
    /// Write a page about the network that finds faces: `report detector`.
    ReportDetector(detector::ReportDetector),
    /// Measure how data sets frame their faces, and which `frame` makes them alike.
    Frame(frame::Frame),
    /// Write a trained network as an ONNX file.
    Export(export::Export),
    /// Write the network that finds faces as an ONNX file: `export detector`.
    ExportDetector(detector::ExportDetector),
    /// Quantise a trained network to 8-bit integers.
    Quantise(quantise::Quantise),
    /// Quantise the network that finds faces: `quantise detector`.
    QuantiseDetector(detector::QuantiseDetector),
    /// Measure how fast this machine trains.
    #[command(subcommand)]
    Bench(bench::Bench),
    #[cfg(feature = "remote")]
    Serve(serve::Serve),
    /// Put trained networks into the directory that the runtime loads.
    Bundle(Box<bundle::Bundle>),
    /// Sign what devices accept as an update.
    #[command(subcommand)]
    Sign(sign::Sign),
}

/// Writes a line of data to standard output.
fn write_line(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").context("write to standard output")
}

/// Writes a line of JSON to standard output, unless a person sits there, who has been told the same in words.
fn write_json(line: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        return Ok(());
    }
    write_line(line)
}

/// Words that make commands of their own with the verbs before them.
const SUBJECTS: [(&str, &[&str]); 2] = [
    ("detector", &["train", "evaluate", "export", "quantise", "report"]),
    ("alarms", &["evaluate"]),
];

/// What was typed, with `train detector` as the one command that it is; likewise the others about a
/// detector, `evaluate alarms`, and `train --keys`.
pub(crate) fn typed(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut typed: Vec<OsString> = arguments.into_iter().collect();
    if typed.len() == 3 && typed[1] == "train" && typed[2] == "--keys" {
        typed.splice(1..3, [OsString::from("train-keys")]);
    }
    if let [_, verb, subject, ..] = typed.as_slice()
        && SUBJECTS
            .iter()
            .any(|(known, verbs)| subject == known && verbs.iter().any(|known| verb == known))
    {
        let mut command = verb.clone();
        command.push("-");
        command.push(subject);
        typed.splice(1..3, [command]);
    }
    typed
}

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Data(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::TrainDetector(command) => command.run(),
        Command::TrainKeys(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::EvaluateDetector(command) => command.run(),
        Command::EvaluateAlarms(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::ReportDetector(command) => command.run(),
        Command::Frame(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::ExportDetector(command) => command.run(),
        Command::Quantise(command) => command.run(),
        Command::QuantiseDetector(command) => command.run(),
        Command::Bench(command) => command.run(),
        #[cfg(feature = "remote")]
        Command::Serve(command) => command.run(),
        Command::Bundle(command) => command.run(),
        Command::Sign(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, clap::Error> {
        let words = line.split(' ').map(OsString::from);
        Arguments::try_parse_from(typed(words)).map(|arguments| arguments.command)
    }

    #[test]
    fn the_word_detector_chooses_the_network_that_finds_faces() {
        let train = parsed("host-trainer train detector --data a.zip --faces a.csv --out run").unwrap();
        assert!(matches!(train, Command::TrainDetector(_)), "{train:?}");
        let train = parsed("host-trainer train keypoints --epochs 2 --data a.csv --out run").unwrap();
        assert!(matches!(train, Command::Train(_)), "{train:?}");
        for (line, wanted) in [
            ("evaluate detector --data a.zip --faces a.csv --onnx a.onnx", true),
            (
                "evaluate detector --data a.zip --faces a.csv --run r --onnx a.onnx",
                false,
            ),
            ("evaluate detector --data a.zip --faces a.csv", false),
            ("evaluate alarms --bundle b --data a.zip --faces a.csv", true),
            ("evaluate alarms --bundle b --data rooms --detector-px 320", true),
            ("train alarms --bundle b --data rooms", false),
            (
                "quantise detector --data a.zip --faces a.csv --run r --out a.onnx",
                true,
            ),
            ("report detector --data a.zip --faces a.csv --run r --out report", true),
            ("export detector --run r --out a.onnx", true),
        ] {
            let command = parsed(&format!("host-trainer {line}"));
            assert_eq!(command.is_ok(), wanted, "{line}: {command:?}");
        }
        let keys = parsed("host-trainer train --keys").unwrap();
        assert!(matches!(keys, Command::TrainKeys(_)), "{keys:?}");
        let resumed = parsed("host-trainer train emotion --resume --out run").unwrap();
        assert!(matches!(resumed, Command::Train(_)), "{resumed:?}");
        let export = parsed("host-trainer export run --out a.onnx").unwrap();
        assert!(matches!(export, Command::Export(_)), "{export:?}");
    }

    #[test]
    fn a_detector_joins_a_bundle_whose_networks_need_no_data() {
        let bundle = "host-trainer bundle --keypoints b --emotion b --out n";
        for (options, wanted) in [
            ("--detector r --detector-data a.zip --detector-faces a.csv", true),
            ("--detector other-bundle", true),
            ("--detector r --detector-data a.zip", false),
            ("--detector-int8 a.onnx", false),
            ("--keypoints-data a.csv", false),
        ] {
            let command = parsed(&format!("{bundle} {options}"));
            assert_eq!(command.is_ok(), wanted, "{options}: {command:?}");
        }
    }
}
