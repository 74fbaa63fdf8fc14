//! Which faces a network has seen, so that nobody measures it on them by mistake.
//!
//! Seen are the faces of the training part and of the validation part, by which an epoch was chosen. A face
//! is known by the digest of the picture that its file holds, however it was framed; a run's directory holds
//! those, sorted. That finds exact copies, not other pictures of the same person.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use durable::replace_file;

use super::prepare::Prepared;
use super::run_of;
use crate::data::{FaceDigest, Faces};

const FILE: &str = "seen-faces.bin";

/// Digests of the faces that a network has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenFaces(BTreeSet<FaceDigest>);

impl SeenFaces {
    /// The faces that a training on this data sees.
    pub(crate) fn of(prepared: &Prepared) -> Self {
        let faces = prepared.samples.data().faces();
        let rows = prepared.split.train.iter().chain(&prepared.split.validation);
        // Rows are variants of faces in the original's protocol.
        Self(rows.map(|row| faces.digest(*row as usize % faces.len())).collect())
    }

    /// These and those.
    #[must_use]
    pub(crate) fn and(mut self, others: &Self) -> Self {
        self.0.extend(&others.0);
        self
    }

    /// Notes them in the run's directory.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(FILE);
        let bytes: Vec<u8> = self.0.iter().flatten().copied().collect();
        replace_file(&path, &bytes).with_context(|| format!("write {}", path.display()))
    }

    /// What a run's directory says, or that of a checkpoint's run; `None` where it says nothing, as those of older versions.
    pub fn of_run(run: &Path) -> Result<Option<Self>> {
        let path = run_of(run).join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = crate::files::read(&path).with_context(|| format!("read {}", path.display()))?;
        let (digests, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            bail!("{} is damaged: it is no whole number of digests", path.display());
        }
        Ok(Some(Self(digests.iter().copied().collect())))
    }

    /// Which of these faces were seen.
    pub fn among(&self, faces: &Faces) -> Vec<u32> {
        let seen = (0..faces.len()).filter(|row| self.0.contains(&faces.digest(*row)));
        seen.map(|row| row as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_seen_faces_are_found_wherever_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let seen = SeenFaces([Faces::new(2, vec![1, 2, 3, 4]).unwrap().digest(0)].into());
        assert_eq!(SeenFaces::of_run(folder.path()).unwrap(), None);
        seen.write(folder.path()).unwrap();
        let read = SeenFaces::of_run(folder.path()).unwrap().unwrap();
        assert_eq!(read, seen);
        let others = Faces::new(2, vec![1, 2, 3, 5, 1, 2, 3, 4]).unwrap();
        assert_eq!(read.among(&others), [1]);
        // The same bytes in another shape are another face.
        assert_eq!(read.among(&Faces::new(1, vec![1, 2, 3, 4]).unwrap()), [0u32; 0]);
        std::fs::write(folder.path().join(FILE), [0; 9]).unwrap();
        assert!(
            SeenFaces::of_run(folder.path())
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
    }
}
