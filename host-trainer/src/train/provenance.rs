//! How a run was begun, for those who want to repeat it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use durable::replace_file;
use serde::{Deserialize, Serialize};

use crate::one_or_more;

const FILE: &str = "provenance.json";

/// How a run was begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The command, as a shell takes it.
    pub command: String,
    /// Where the command was given; its relative paths begin there.
    pub directory: String,
    /// Version of the trainer, as `--version` prints it.
    pub version: String,
    /// Commit of the trainer, or `unknown`.
    pub commit: String,
    /// What it was begun with; empty in runs of older versions.
    #[serde(default)]
    pub inputs: Inputs,
}

/// The files that a run was begun with, as they were named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Files or directories of the data sets.
    pub data: Vec<PathBuf>,
    /// The file of the taggers' votes, where one was given.
    pub votes: Option<PathBuf>,
    /// Whether rows that cannot be read were left out.
    pub skip_bad_rows: bool,
    /// The run or bundle whose trunk it began with.
    pub network: Option<PathBuf>,
    /// The run or bundle whose network it began with, head and all, or each whose mean it began with.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "one_or_more")]
    pub from: Vec<PathBuf>,
    /// The run or bundle whose network taught it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<PathBuf>,
    /// Where event files for TensorBoard go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<PathBuf>,
}

impl Inputs {
    /// These files, their relative paths beginning at `directory`.
    #[must_use]
    pub fn from(&self, directory: &Path) -> Self {
        let at = |path: &PathBuf| directory.join(path);
        Self {
            data: self.data.iter().map(at).collect(),
            votes: self.votes.as_ref().map(at),
            skip_bad_rows: self.skip_bad_rows,
            network: self.network.as_ref().map(at),
            from: self.from.iter().map(at).collect(),
            teacher: self.teacher.as_ref().map(at),
            tensorboard: self.tensorboard.as_ref().map(at),
        }
    }
}

impl Provenance {
    /// Notes it in the run's directory.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(FILE);
        replace_file(&path, &serde_json::to_vec_pretty(self)?).with_context(|| format!("write {}", path.display()))
    }

    /// What a run's directory says; `None` where it says nothing, as those of older versions.
    pub fn of_run(run: &Path) -> Result<Option<Self>> {
        let path = run.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = crate::files::read(&path).with_context(|| format!("read {}", path.display()))?;
        let found = serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_how_it_was_begun_and_older_runs_tell_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Provenance::of_run(folder.path()).unwrap(), None);
        let begun = Provenance {
            command: "host-trainer train emotion --data 'my faces.csv'".to_owned(),
            ..Provenance::default()
        };
        begun.write(folder.path()).unwrap();
        assert_eq!(Provenance::of_run(folder.path()).unwrap(), Some(begun));
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let error = Provenance::of_run(folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains(FILE), "{error:#}");
    }
}
