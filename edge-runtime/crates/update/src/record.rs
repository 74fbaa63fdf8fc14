//! The one file that says what a device has: `record.json`.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::channel::SeenChannel;
use super::{Event, Signed, State, UpdateError};
use durable::{Disk, replace};

/// Form of the record that this code reads and writes.
const SCHEMA: u32 = 1;
/// Most bytes that a record may have; a key list is the largest part.
const MAX_RECORD_BYTES: u64 = 256 * 1024;

/// Everything that a device remembers about updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    schema: u32,
    /// Which bundles the device has, and which of them runs.
    pub state: State,
    /// The newest channel that was seen.
    #[serde(default)]
    pub(super) channel: SeenChannel,
    /// The newest key list; its signature is checked whenever it is read.
    #[serde(default)]
    pub(super) keys: Option<Signed>,
    /// What the channel offers this device and is not installed yet.
    #[serde(default)]
    pub found: Option<Found>,
}

/// An update that a device found by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Version of the bundle that was found.
    pub version: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            state: State::default(),
            channel: SeenChannel::default(),
            keys: None,
            found: None,
        }
    }
}

/// What people and Home Assistant want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of the confirmed bundle; `null` is the factory bundle.
    pub installed: Option<u32>,
    /// Version of the bundle on trial, and the starts that it has left.
    pub trial: Option<(u32, u8)>,
    /// Version that the channel offers.
    pub found: Option<u32>,
    /// Versions that were rolled back.
    pub rolled_back: Vec<u32>,
    /// Nothing up to this version is installed any more.
    pub floor: u32,
}

impl Record {
    /// What people and Home Assistant want to know.
    pub fn status(&self) -> Status {
        let state = &self.state;
        Status {
            installed: state.current.as_ref().map(|slot| slot.version),
            trial: (state.trial.as_ref()).map(|trial| (trial.slot.version, trial.tries_left)),
            found: self.found.as_ref().map(|found| found.version),
            rolled_back: state.rejected.iter().map(|slot| slot.version).collect(),
            floor: state.floor,
        }
    }

    pub(super) fn apply(&mut self, event: Event) {
        self.state = std::mem::take(&mut self.state).after(event);
    }

    /// Reads the record; a device that has none is new.
    pub(super) fn read(disk: &mut impl Disk, path: &Path) -> Result<Self, UpdateError> {
        let refused = |reason: String| UpdateError::Record {
            path: path.to_path_buf(),
            reason,
        };
        let json = match disk.read(path, MAX_RECORD_BYTES) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            // What is no file, or far too large, is no record.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge) => {
                return Err(refused(error.to_string()));
            }
            Err(source) => {
                return Err(UpdateError::Disk {
                    path: path.to_path_buf(),
                    source,
                });
            }
        };
        let record: Self = serde_json::from_slice(&json).map_err(|error| refused(error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(refused(format!(
                "it has schema {}, this program reads {SCHEMA}",
                record.schema
            )));
        }
        Ok(record)
    }

    /// Reads the record; one that cannot be understood is put aside, so that it blocks nothing, and the device begins anew
    /// from its factory bundle. Gives what was put aside, and why.
    pub(super) fn read_or_put_aside(disk: &mut impl Disk, path: &Path) -> Result<(Self, Option<String>), UpdateError> {
        let error = match Self::read(disk, path) {
            Ok(record) => return Ok((record, None)),
            Err(error @ UpdateError::Record { .. }) => error,
            Err(error) => return Err(error),
        };
        let aside = path.with_extension("json.damaged");
        let moved = disk
            .rename(path, &aside)
            .and_then(|()| disk.sync_dir(durable::parent(path)));
        moved.map_err(|source| UpdateError::Disk {
            path: aside.clone(),
            source,
        })?;
        let warning = format!(
            "{error}; put aside as {}, beginning anew from the packaged bundle",
            aside.display()
        );
        Ok((Self::default(), Some(warning)))
    }

    pub(super) fn write(&self, disk: &mut impl Disk, path: &Path) -> Result<(), UpdateError> {
        let failed = |source| UpdateError::Disk {
            path: path.to_path_buf(),
            source,
        };
        let json = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        replace(disk, path, &json).map_err(failed)
    }
}
