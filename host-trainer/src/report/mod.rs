//! What became of a training, as one page of HTML with its pictures.
//!
//! The page needs nothing but itself: no file beside it, no network, no script. The same pictures lie
//! beside it as files. Figures are those of the faces held out, measured as `evaluate` does: by the
//! exported network and the runtime's code.

mod charts;
mod compare;
pub mod detector;
mod emotion;
mod faces;
mod html;
mod keypoints;
mod plot;
mod rate;
mod sheet;
mod survey;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use durable::replace_file;
use inference::Views;

use crate::config::{Loss, SplitBy};
use crate::data::split::Split;
use crate::data::votes::Shares;
use crate::measure::Exported;
use crate::model::Task;
use crate::train::prepare::Prepared;
use crate::train::provenance;
use crate::train::samples::Data;
use crate::train::shipped::Shipped;
use charts::{Losses, learning};
pub use compare::Comparison;
use faces::FacePicture;
use html::Page;
use plot::Chart;
pub use rate::RateReport;
use sheet::{Agreement, Copies};
pub use survey::Survey;

/// A trained network, and the data that it was trained and is measured on.
pub struct Source<'a> {
    /// Its best weights, and how every epoch went.
    pub shipped: &'a Shipped,
    /// Its data, divided as in training.
    pub prepared: &'a Prepared,
    /// The taggers' votes for each face of an emotion data set, where they are known.
    pub votes: Option<&'a [Option<Shares>]>,
}

impl Source<'_> {
    /// The network as it was trained: it sees each face once.
    fn exported<'a>(&self, onnx: &'a [u8]) -> Exported<'a> {
        Exported {
            onnx,
            normalisation: self.shipped.state.config.normalisation,
            views: Views::Plain,
        }
    }
}

/// How the report came to be.
pub struct Provenance {
    /// How the run was begun, where its directory says so.
    pub begun: Option<provenance::Provenance>,
    /// The command that trains such a network again, from the settings that the run holds.
    pub again: String,
    /// The command that wrote the report.
    pub report: String,
    /// Commit of the trainer that writes the report, or `unknown`.
    pub commit: String,
}

/// What one part of a report adds.
#[derive(Default)]
struct Pictures {
    charts: Vec<Chart>,
    faces: Vec<FacePicture>,
}

/// Writes `report.html`, the charts, and the pictures in `faces/` into the directory `out`.
pub fn write(out: &Path, source: &Source<'_>, provenance: &Provenance) -> Result<()> {
    let state = &source.shipped.state;
    if state.data != source.prepared.data || state.held_out != source.prepared.held_out {
        bail!("report: the data differs from what the run was trained on, so its faces held out are not known");
    }
    let (page, pictures) = compose(source, provenance)?;
    let folder = out.join("faces");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for chart in &pictures.charts {
        save(&out.join(format!("{}.svg", chart.name)), chart.file().as_bytes())?;
    }
    for face in &pictures.faces {
        let (name, content) = face.file();
        save(&folder.join(name), &content)?;
    }
    save(&out.join("report.html"), page.as_bytes())
}

fn save(path: &Path, content: &[u8]) -> Result<()> {
    replace_file(path, content).with_context(|| format!("write {}", path.display()))
}

fn compose(source: &Source<'_>, provenance: &Provenance) -> Result<(String, Pictures)> {
    let config = &source.shipped.state.config;
    let mut page = Page::new(match config.task {
        Task::Keypoints => "Keypoint network: what became of the training",
        Task::Emotion => "Emotion network: what became of the training",
    });
    let network = &source.shipped.network;
    page.paragraph(&format!(
        "{}, {} parameters{}, weights of epoch {} of {} trained.",
        config.architecture.name(),
        network.parameters(),
        config.freeze.map_or_else(String::new, |freeze| format!(
            " (the trunk was frozen: {} of them were trained)",
            network.trained_parameters(Some(freeze))
        )),
        source.shipped.epoch,
        source.shipped.history.len(),
    ));
    let mut pictures = Pictures::default();
    measured(&mut page, &mut pictures, source)?;
    course(&mut page, &mut pictures, source)?;
    data_sheet(&mut page, source);
    split(&mut page, source);
    settings(&mut page, source, provenance)?;
    Ok((page.finish(), pictures))
}

/// Figures and faces of the test part, where the network can be measured on it.
fn measured(page: &mut Page, pictures: &mut Pictures, source: &Source<'_>) -> Result<()> {
    let data = source.prepared.samples.data();
    let rows = &source.prepared.split.test;
    let by_variants = source.shipped.state.config.split.by == SplitBy::Variants;
    if rows.iter().any(|row| *row as usize >= data.faces().len()) {
        page.note(
            "This training varied the faces first and divided the variants, as the original notebook does. Most faces of \
             its test part have siblings in the training part, so there are no faces held out to show; the validation \
             figures below are too good for the same reason.",
        );
        return Ok(());
    }
    if rows.is_empty() {
        page.note("This training held no faces out for a test, so there is nothing to measure on.");
        return Ok(());
    }
    if by_variants {
        page.note("Rows were divided at random, copies and all: faces held out have copies in training, and figures are too good.");
    }
    page.note(
        "This page contains pictures of the data set's faces. Keep and share it only as the data set's terms allow.",
    );
    match data {
        Data::Emotion(data) => emotion::section(page, pictures, source, data),
        Data::Keypoints(data) => keypoints::section(page, pictures, source, data),
    }
}

/// Learning curves.
fn course(page: &mut Page, pictures: &mut Pictures, source: &Source<'_>) -> Result<()> {
    let history = &source.shipped.history;
    page.section("Course of the training");
    if history.is_empty() {
        page.paragraph("No epoch was finished.");
        return Ok(());
    }
    let config = &source.shipped.state.config;
    let losses = if matches!(config.loss, Loss::SmoothL1 { .. }) {
        Losses::OtherUnits
    } else {
        Losses::Alike
    };
    let metric = match config.task {
        Task::Keypoints => "Root mean squared error, px",
        Task::Emotion => "Accuracy",
    };
    let drawn = learning(history, metric, losses)?;
    let loss = match losses {
        Losses::Alike => "Mean loss of each epoch. Training faces are varied, so their loss can be the higher one.",
        Losses::OtherUnits => "Mean training loss of each epoch, in the units of the smooth L1 loss.",
    };
    let captions = [
        loss,
        "Training: over the steps of the epoch, on varied faces, while the weights move. Validation: after the epoch, on faces \
         as they are.",
        "At the last step of each epoch.",
    ];
    page.charts(&drawn.iter().zip(captions).collect::<Vec<_>>());
    let seconds: f64 = history.iter().map(|at| at.seconds).sum();
    page.paragraph(&format!(
        "{} epochs in {}; the weights shown are those of epoch {}.",
        history.len(),
        if seconds < 90.0 {
            format!("{seconds:.0} seconds")
        } else {
            format!("{:.0} minutes", seconds / 60.0)
        },
        source.shipped.epoch
    ));
    pictures.charts.extend(drawn);
    Ok(())
}

fn data_sheet(page: &mut Page, source: &Source<'_>) {
    page.section("Data");
    let faces = source.prepared.samples.data().faces();
    page.paragraph(&format!(
        "{} faces of {side} x {side} pixels.",
        faces.len(),
        side = faces.side()
    ));
    match source.prepared.samples.data() {
        Data::Emotion(data) => {
            let left_out = data.csv_rows - data.labels.len() as u64;
            page.paragraph(&format!(
                "{} rows of the file, {left_out} of them left out (other classes, or bad).",
                data.csv_rows
            ));
            let classes = sheet::per_class(data, source.votes);
            let rows = data.classes.iter().zip(&classes);
            let rows = rows.map(|(label, (count, votes))| {
                vec![
                    label.to_owned(),
                    count.to_string(),
                    percent(*count, data.labels.len()),
                    agreement(*votes),
                ]
            });
            page.table(
                &["class", "faces", "share", "labels that the votes confirm"],
                &rows.collect::<Vec<_>>(),
            );
            votes(page, source.votes.is_some(), classes.iter().map(|(_, votes)| *votes));
            copies(page, sheet::emotion_copies(data));
        }
        Data::Keypoints(data) => {
            let (points, whole) = sheet::known_points(data);
            let people = data.groups.iter().max().map_or(0, |last| last + 1);
            page.paragraph(&format!(
                "All 15 points are known on {whole} faces. The faces form {people} groups (people, or sets of exact copies) \
                 that the split keeps together."
            ));
            let rows = points.iter().map(|(name, count)| {
                vec![
                    name.replace('_', " "),
                    count.to_string(),
                    percent(*count, data.faces.len()),
                ]
            });
            page.table(&["point", "known on", "share"], &rows.collect::<Vec<_>>());
            copies(page, sheet::keypoint_copies(data));
        }
    }
}

/// How far labels agree with the taggers' votes.
fn votes(page: &mut Page, given: bool, classes: impl Iterator<Item = Agreement>) {
    if !given {
        page.paragraph("No votes were given (--votes), so nothing is said about how sure the labels are.");
        return;
    }
    let all = classes.fold(Agreement::default(), |sum, own| Agreement {
        voted: sum.voted + own.voted,
        agree: sum.agree + own.agree,
    });
    page.paragraph(&format!(
        "{} faces have votes for one of these classes; on {} ({}) the label is the class with the most votes, or one of \
         several. A network cannot be expected to agree with the other labels.",
        all.voted,
        all.agree,
        percent(all.agree, all.voted)
    ));
}

fn agreement(votes: Agreement) -> String {
    if votes.voted == 0 {
        "-".to_owned()
    } else {
        percent(votes.agree, votes.voted)
    }
}

fn copies(page: &mut Page, found: Copies) {
    page.paragraph(&format!(
        "Exact copies: {} faces are there more than once, in {} rows; {} of them ({} rows) are labelled differently from \
         copy to copy.",
        found.sets, found.rows, found.conflicting_sets, found.conflicting_rows
    ));
}

fn split(page: &mut Page, source: &Source<'_>) {
    let Prepared {
        samples,
        split,
        data,
        held_out,
        ..
    } = source.prepared;
    page.section("Split");
    let Split {
        train,
        validation,
        test,
        copies_of_test,
        unused,
    } = split;
    let parts = [("training", train), ("validation", validation), ("test", test)];
    let rest = [
        ("copies of test faces, left out", copies_of_test),
        ("not asked for, left out", unused),
    ];
    let parts = parts
        .into_iter()
        .chain(rest.into_iter().filter(|(_, rows)| !rows.is_empty()));
    let mut head = vec!["part", "rows"];
    if let Data::Emotion(data) = samples.data() {
        head.extend(data.classes.iter());
    }
    let rows = parts.map(|(name, rows)| {
        let mut cells = vec![name.to_owned(), rows.len().to_string()];
        if let Data::Emotion(data) = samples.data() {
            cells.extend(sheet::labels_among(data, rows).iter().map(usize::to_string));
        }
        cells
    });
    page.table(&head, &rows.collect::<Vec<_>>());
    page.paragraph(&format!("Fingerprint of the data (SHA-256): {data}"));
    page.paragraph(&format!("Fingerprint of the faces held out: {held_out}"));
}

fn settings(page: &mut Page, source: &Source<'_>, provenance: &Provenance) -> Result<()> {
    page.section("Settings");
    page.code(&toml::to_string(&source.shipped.state.config).context("write the settings")?);
    repeat(page, provenance);
    Ok(())
}

fn repeat(page: &mut Page, provenance: &Provenance) {
    page.section("How to repeat it");
    if let Some(begun) = &provenance.begun {
        page.paragraph(&format!(
            "The training was begun in {} by host-trainer {}, commit {}, with",
            begun.directory, begun.version, begun.commit
        ));
        page.code(&begun.command);
    }
    page.paragraph("Train again with the settings, data and seed of this run:");
    page.code(&provenance.again);
    page.paragraph(&format!(
        "This report was written by host-trainer {}, commit {}, with",
        env!("CARGO_PKG_VERSION"),
        provenance.commit
    ));
    page.code(&provenance.report);
}

fn percent(part: usize, whole: usize) -> String {
    share(part as f64 / whole.max(1) as f64)
}

fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
