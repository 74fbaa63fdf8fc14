//! Square grey faces in memory, and how a set's pictures become the crop that a network is shown.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use shared_model::image::{CropRule, GrayView, SIDE, sample};

/// Square grey faces of one side in pixels, row by row, face after face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faces {
    /// At least 1.
    side: usize,
    /// A whole number of faces of `side * side` bytes.
    pixels: Vec<u8>,
    /// Of each face as its file has it, where the pixels were made from that.
    originals: Option<Vec<FaceDigest>>,
}

/// The first 8 bytes of a SHA-256 over a face's side, as a little-endian `u64`, and its pixels.
pub type FaceDigest = [u8; 8];

impl Faces {
    /// Faces of `side` x `side` pixels; `None` if `side` is 0 or the pixels are no whole number of faces.
    pub fn new(side: usize, pixels: Vec<u8>) -> Option<Self> {
        let whole = side > 0 && pixels.len().is_multiple_of(side * side);
        whole.then_some(Self {
            side,
            pixels,
            originals: None,
        })
    }

    /// Number of faces; all have the same size.
    pub fn len(&self) -> usize {
        self.pixels.len() / (self.side * self.side)
    }

    /// Whether there is no face.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Width and height of each face in pixels, at least 1.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The `side * side` pixels of face `row`.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn pixels(&self, row: usize) -> &[u8] {
        let size = self.side * self.side;
        &self.pixels[row * size..(row + 1) * size]
    }

    /// Face `row` as a picture.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn view(&self, row: usize) -> GrayView<'_> {
        match GrayView::new(self.pixels(row), self.side, self.side) {
            Ok(view) => view,
            Err(_) => unreachable!("side is at least 1 and the pixels are side * side"),
        }
    }

    /// By what face `row` is known again, however it was framed: the digest of the picture that its file holds.
    ///
    /// # Panics
    /// If there is no such face.
    pub fn digest(&self, row: usize) -> FaceDigest {
        match &self.originals {
            Some(originals) => originals[row],
            None => digest(self.view(row)),
        }
    }

    /// For each face the number of its set of exact pixel copies, counted from 0 in order of appearance.
    pub fn copy_groups(&self) -> Vec<u32> {
        let mut known = HashMap::new();
        self.pixels
            .chunks_exact(self.side * self.side)
            .map(|face| {
                let next = known.len() as u32;
                *known.entry(face).or_insert(next)
            })
            .collect()
    }

    /// These faces as a network is to see them: `frame` says which part of each picture that is.
    pub(super) fn framed(&self, frame: &CropRule) -> Self {
        let mut framed = Framed::default();
        for row in 0..self.len() {
            framed.push(self.view(row), frame);
        }
        framed.finish()
    }

    /// These faces and then those, which must be of the same side.
    pub(super) fn append(&mut self, other: Self) {
        debug_assert_eq!(self.side, other.side);
        let digests = |faces: &Self| (0..faces.len()).map(|row| faces.digest(row)).collect::<Vec<_>>();
        let originals = [digests(self), digests(&other)].concat();
        self.pixels.extend(other.pixels);
        self.originals = Some(originals);
    }
}

/// Faces of the network's side, made from pictures of any size one after the other.
#[derive(Default)]
pub(super) struct Framed {
    pixels: Vec<u8>,
    originals: Vec<FaceDigest>,
    /// Memory for one face.
    values: Vec<f32>,
}

impl Framed {
    /// One more picture; `frame` is relative to it, and what lies beyond its edge repeats the edge.
    pub(super) fn push(&mut self, picture: GrayView<'_>, frame: &CropRule) {
        self.values.resize(SIDE * SIDE, 0.0);
        sample(picture, &frame.apply(&picture.bounds()), SIDE, &mut self.values);
        self.pixels
            .extend(self.values.iter().map(|value| (value * 255.0).round() as u8));
        self.originals.push(digest(picture));
    }

    /// All of them.
    pub(super) fn finish(self) -> Faces {
        Faces {
            side: SIDE,
            pixels: self.pixels,
            originals: Some(self.originals),
        }
    }
}

/// What is known of a picture: the first 8 bytes of a SHA-256 over its width and its pixels.
fn digest(picture: GrayView<'_>) -> FaceDigest {
    let mut hash = Sha256::new();
    hash.update((picture.width() as u64).to_le_bytes());
    for y in 0..picture.height() {
        hash.update(picture.row(y));
    }
    let whole: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|at| whole[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faces(pixels: &[u8]) -> Faces {
        Faces::new(1, pixels.to_vec()).unwrap()
    }

    #[test]
    fn faces_need_whole_squares() {
        assert_eq!(Faces::new(0, vec![]), None);
        assert_eq!(Faces::new(2, vec![0; 7]), None);
        let two = Faces::new(2, (0..8).collect()).unwrap();
        assert_eq!((two.len(), two.is_empty()), (2, false));
        assert_eq!(two.view(1).row(1), &[6, 7]);
        assert!(Faces::new(2, vec![]).unwrap().is_empty());
    }

    #[test]
    fn copies_share_a_group() {
        assert_eq!(faces(&[5, 9, 5, 5, 2]).copy_groups(), [0, 1, 0, 0, 2]);
    }

    #[test]
    fn a_framed_face_is_the_part_that_the_frame_names_and_is_known_by_its_picture() {
        // The left half is black, the right one white.
        let halves: Vec<u8> = (0..48 * 48).map(|at| if at % 48 < 24 { 0 } else { 255 }).collect();
        let original = Faces::new(48, halves).unwrap();
        let right = CropRule {
            scale: 0.5,
            dx: 0.25,
            dy: 0.0,
        };
        let framed = original.framed(&right);
        assert_eq!((framed.side(), framed.len()), (SIDE, 1));
        // Two columns lie between the halves.
        let bright: usize = framed.pixels(0).iter().map(|pixel| usize::from(*pixel == 255)).sum();
        assert!(bright >= 94 * SIDE, "{bright}");
        assert_eq!(framed.digest(0), original.digest(0));
        assert_ne!(framed.digest(0), digest(framed.view(0)));
    }

    #[test]
    fn appended_faces_keep_their_digests() {
        let mut all = faces(&[1, 2]);
        let digests = [all.digest(0), all.digest(1), faces(&[9]).digest(0)];
        all.append(faces(&[9]));
        assert_eq!([0, 1, 2].map(|row| all.digest(row)), digests);
        assert_eq!(all.pixels(2), [9]);
    }
}
