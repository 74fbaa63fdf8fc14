//! Labelled faces in memory.
//!
//! A *row* is an index into the faces of a data set; a *CSV row* is the number of the data row in the
//! file it came from. A *group* holds the faces that must stay on one side of a split: one person's,
//! or exact copies.

pub(crate) mod bounded;
pub mod emotion;
mod error;
mod faces;
pub mod folder;
pub mod keypoints;
mod labels;
pub(crate) mod left_out;
mod merge;
mod pixels;
pub mod split;
mod table;
pub mod unlabelled;
mod unpack;
pub mod votes;

use sha2::{Digest, Sha256};
use shared_model::emotion::ClassSet;
use shared_model::keypoints::{COUNT, Keypoints};

pub use error::{BadRow, BadRows, DataError, Fault, Skipped};
pub use faces::{FaceDigest, Faces};
use votes::Votes;

/// Faces with the 15 Kaggle keypoints; all lists have one entry per face.
#[derive(Debug, Clone, PartialEq)]
pub struct KeypointData {
    /// The faces, 96 x 96 pixels.
    pub faces: Faces,
    /// Points in pixels of the 96 x 96 face; `[0, 0]` where a point is missing.
    pub points: Vec<Keypoints>,
    /// Whether each point of a face is known.
    pub present: Vec<[bool; COUNT]>,
    /// Person or, where the file names none, set of exact copies; counted from 0 in order of appearance.
    pub groups: Vec<u32>,
    /// Number of each face's data row in the CSV file, from 1.
    pub rows: Vec<u64>,
}

impl KeypointData {
    /// SHA-256 of the whole data set.
    ///
    /// Over, in this order: `keypoints 1` and a zero byte; side and number of faces as `u64`; all
    /// pixels; per face its label, that is per point a byte 1 with x and y as `f32`, or a byte 0 where
    /// it is missing; the groups as `u32`. Numbers are little-endian.
    pub fn fingerprint(&self) -> [u8; 32] {
        let all: Vec<u32> = (0..self.faces.len() as u32).collect();
        let mut hash = self.hash_rows(&all);
        hash_groups(&mut hash, &self.groups);
        hash.finalize().into()
    }

    /// SHA-256 of some rows in the given order: as [`Self::fingerprint`], without the groups.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn fingerprint_of(&self, rows: &[u32]) -> [u8; 32] {
        self.hash_rows(rows).finalize().into()
    }

    fn hash_rows(&self, rows: &[u32]) -> Sha256 {
        let mut hash = hash_faces(b"keypoints 1\0", &self.faces, rows);
        for &row in rows {
            let row = row as usize;
            for (point, present) in self.points[row].0.iter().zip(self.present[row]) {
                hash.update([u8::from(present)]);
                if present {
                    hash.update(point[0].to_le_bytes());
                    hash.update(point[1].to_le_bytes());
                }
            }
        }
        hash
    }
}

/// The part of FER2013 that a face belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// `Training`.
    Training,
    /// `PublicTest`.
    PublicTest,
    /// `PrivateTest`.
    PrivateTest,
}

/// Faces with an emotion each; all lists have one entry per face.
#[derive(Debug, Clone, PartialEq)]
pub struct EmotionData {
    /// The classes that the labels count, in the order of the network's outputs.
    pub classes: ClassSet,
    /// The faces: 48 x 48 or 96 x 96 pixels as a file has them, 96 x 96 once they were framed.
    pub faces: Faces,
    /// Index into `classes`; where the file's label is none of them, the class with the most votes, and the
    /// first of them where nobody voted for one.
    pub labels: Vec<u8>,
    /// Whether the file's own label is one of `classes`.
    pub labelled: Vec<bool>,
    /// What the taggers said of each face, `None` of those without votes; `None` for the whole set without
    /// a file of votes.
    pub votes: Option<Vec<Option<Votes>>>,
    /// The row with which each of the sets begins that were put together; `[0]` for one set alone.
    pub sets: Vec<u32>,
    /// Part of FER2013; `None` without a `Usage` column.
    pub usage: Option<Vec<Usage>>,
    /// Set of exact copies, counted from 0 in order of appearance.
    pub groups: Vec<u32>,
    /// Number of each face's data row in the CSV file, from 1.
    pub rows: Vec<u64>,
    /// Data rows of the file, those left out included.
    pub csv_rows: u64,
}

impl EmotionData {
    /// SHA-256 of the whole data set.
    ///
    /// Over, in this order: `emotion 1` and a zero byte; side and number of faces as `u64`; all pixels;
    /// the labels of the class set, each followed by a zero byte; the class of each face as one byte;
    /// the groups as `u32`. Numbers are little-endian. Votes are not part of it.
    pub fn fingerprint(&self) -> [u8; 32] {
        let all: Vec<u32> = (0..self.faces.len() as u32).collect();
        let mut hash = self.hash_rows(&all);
        hash_groups(&mut hash, &self.groups);
        hash.finalize().into()
    }

    /// SHA-256 of some rows in the given order: as [`Self::fingerprint`], without the groups.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn fingerprint_of(&self, rows: &[u32]) -> [u8; 32] {
        self.hash_rows(rows).finalize().into()
    }

    fn hash_rows(&self, rows: &[u32]) -> Sha256 {
        let mut hash = hash_faces(b"emotion 1\0", &self.faces, rows);
        for label in self.classes.iter() {
            hash.update(label.as_bytes());
            hash.update([0]);
        }
        for &row in rows {
            hash.update([self.labels[row as usize]]);
        }
        hash
    }
}

fn hash_faces(kind: &[u8], faces: &Faces, rows: &[u32]) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update((faces.side() as u64).to_le_bytes());
    hash.update((rows.len() as u64).to_le_bytes());
    for &row in rows {
        hash.update(faces.pixels(row as usize));
    }
    hash
}

fn hash_groups(hash: &mut Sha256, groups: &[u32]) {
    for group in groups {
        hash.update(group.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(pixels: &[u8]) -> Faces {
        Faces::new(1, pixels.to_vec()).unwrap()
    }

    fn keypoint_data() -> KeypointData {
        KeypointData {
            faces: faces(&[7, 8]),
            points: vec![Keypoints([[1.0, 2.0]; COUNT]); 2],
            present: vec![[true; COUNT]; 2],
            groups: vec![0, 1],
            rows: vec![1, 2],
        }
    }

    fn emotion_data() -> EmotionData {
        EmotionData {
            classes: ClassSet::product(),
            faces: faces(&[7, 8]),
            labels: vec![0, 4],
            labelled: vec![true; 2],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: vec![0, 1],
            rows: vec![1, 2],
            csv_rows: 2,
        }
    }

    #[test]
    fn keypoint_fingerprint_sees_every_part() {
        let same = keypoint_data().fingerprint();
        assert_eq!(keypoint_data().fingerprint(), same);
        let changes: [fn(&mut KeypointData); 4] = [
            |data| data.faces = faces(&[7, 9]),
            |data| data.points[1].0[14][1] = 2.5,
            |data| data.present[1][0] = false,
            |data| data.groups[1] = 0,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut data = keypoint_data();
            change(&mut data);
            assert_ne!(data.fingerprint(), same, "change {at}");
        }
    }

    #[test]
    fn emotion_fingerprint_sees_every_part() {
        let same = emotion_data().fingerprint();
        let changes: [fn(&mut EmotionData); 4] = [
            |data| data.faces = faces(&[6, 8]),
            |data| data.labels[0] = 1,
            |data| data.classes = ClassSet::new(&["Angry", "Disgust", "Sad", "Happy", "Fear"]).unwrap(),
            |data| data.groups[1] = 0,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut data = emotion_data();
            change(&mut data);
            assert_ne!(data.fingerprint(), same, "change {at}");
        }
    }

    #[test]
    fn fingerprint_is_the_documented_hash() {
        // Written out by hand from the documented order; classes and numbers as bytes.
        let mut bytes = b"emotion 1\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x07\x08".to_vec();
        bytes.extend(b"Angry\0Disgust\0Sad\0Happy\0Surprise\0\x00\x04\0\0\0\0\x01\0\0\0");
        assert_eq!(emotion_data().fingerprint(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    }

    #[test]
    fn fingerprint_of_rows_sees_only_those_in_order() {
        let data = emotion_data();
        assert_ne!(data.fingerprint_of(&[0, 1]), data.fingerprint_of(&[1, 0]));
        let mut other = emotion_data();
        other.labels[0] = 3;
        assert_eq!(data.fingerprint_of(&[1]), other.fingerprint_of(&[1]));
        assert_ne!(data.fingerprint_of(&[0]), other.fingerprint_of(&[0]));
    }
}
