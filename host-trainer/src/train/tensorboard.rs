//! Event files for TensorBoard: the curves of a training while it runs, beside those of others.
//!
//! An event file is a sequence of TFRecords, each of them one message of Protocol Buffers. The two files of a run lie in
//! `train/` and `validation/`, as Keras has them, so that values with the same name share a chart. Written here instead of
//! by a library: the one that there is rests on versions of `image` and `protobuf` that are no longer mended.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use prost::Message;

use super::history::EpochRecord;
use super::{Event, metric_name};
use crate::config::{Loss, TrainConfig};

/// Part of a file's name by which TensorBoard knows what it holds.
const NAME: &str = "events.out.tfevents";

/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// A message of TensorFlow's `event.proto`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Logged {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event files of one run.
pub struct TensorBoard {
    place: PathBuf,
    /// Of training and validation, once the training has begun; none any more where one could not be written.
    files: Option<[File; 2]>,
    /// Name of the training loss, which has a chart of its own where its unit is another one than the validation's.
    loss: &'static str,
    metric: String,
}

impl TensorBoard {
    /// Files of the run `run` in `logs/NAME`, where NAME is the run's own; older files of it are kept, and TensorBoard puts
    /// them together.
    pub fn new(logs: &Path, run: &Path, config: &TrainConfig) -> Self {
        Self {
            place: logs.join(run.file_name().unwrap_or_default()),
            files: None,
            loss: if matches!(config.loss, Loss::SmoothL1 { .. }) {
                "epoch_smooth_l1"
            } else {
                "epoch_loss"
            },
            metric: format!("epoch_{}", metric_name(config.task)),
        }
    }

    /// Writes what an event says. Where that fails it says so, and the training goes on without.
    pub fn tell(&mut self, event: &Event<'_>) {
        let written = match event {
            Event::Begins { history, .. } => self.begin(history),
            Event::Epoch { record, .. } => self.epoch(record),
            _ => Ok(()),
        };
        if let Err(error) = written {
            self.files = None;
            tracing::warn!(
                about = "tensorboard",
                "{error:#}; the training goes on without event files"
            );
        }
    }

    /// Begins the files; the first ones of a run get the epochs that were done before.
    fn begin(&mut self, history: &[EpochRecord]) -> Result<()> {
        let [training, validation] = ["train", "validation"].map(|part| self.place.join(part));
        let first = !has_files(&training)?;
        self.files = Some([create(&training)?, create(&validation)?]);
        let missing = if first { history } else { &[] };
        missing.iter().try_for_each(|record| self.epoch(record))
    }

    fn epoch(&mut self, record: &EpochRecord) -> Result<()> {
        let Some([training, validation]) = &mut self.files else {
            return Ok(());
        };
        let metric = self.metric.as_str();
        let trained = [
            Some((self.loss, record.loss)),
            record.metric.map(|value| (metric, value)),
            Some(("epoch_learning_rate", record.learning_rate)),
        ];
        let trained: Vec<_> = trained.into_iter().flatten().collect();
        let validated = [
            ("epoch_loss", record.validation_loss),
            (metric, record.validation_metric),
        ];
        let context = || format!("write event files in {}", self.place.display());
        write(training, record.epoch, &trained).with_context(context)?;
        write(validation, record.epoch, &validated).with_context(context)
    }
}

/// Whether a directory holds event files.
fn has_files(folder: &Path) -> Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().starts_with(NAME)));
    Ok(names.collect::<Result<Vec<_>>>()?.contains(&true))
}

/// A new event file in `folder`, with its first event.
fn create(folder: &Path) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    // By the second, as TensorBoard sorts them, then by number.
    let second = now() as u64;
    let mut numbers = 0..;
    let (path, mut file) = loop {
        let number: u32 = numbers.next().context("too many event files")?;
        let path = folder.join(format!("{NAME}.{second:010}.host-trainer.{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            opened => {
                break (
                    path.clone(),
                    opened.with_context(|| format!("create {}", path.display()))?,
                );
            }
        }
    };
    let first = Logged {
        wall_time: now(),
        file_version: Some(VERSION.to_owned()),
        ..Logged::default()
    };
    let written = file.write_all(&record(&first.encode_to_vec()));
    written.with_context(|| format!("write {}", path.display()))?;
    Ok(file)
}

fn write(file: &mut File, epoch: u32, values: &[(&str, f64)]) -> std::io::Result<()> {
    let value = |(tag, value): &(&str, f64)| Value {
        tag: (*tag).to_owned(),
        simple_value: Some(*value as f32),
    };
    let event = Logged {
        wall_time: now(),
        step: i64::from(epoch),
        summary: Some(Summary {
            value: values.iter().map(value).collect(),
        }),
        ..Logged::default()
    };
    file.write_all(&record(&event.encode_to_vec()))
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// One TFRecord: length, its checksum, the data, its checksum, all little-endian.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), data, &checksum(data)].concat()
}

/// CRC-32C, turned and shifted, so that the checksum of data which holds checksums says something.
fn checksum(data: &[u8]) -> [u8; 4] {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
        .to_le_bytes()
}

#[cfg(test)]
mod tests;
