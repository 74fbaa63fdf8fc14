//! Which photos and faces a sample takes.

use std::collections::BTreeMap;

use rand::RngExt;

use super::Rng;
use crate::detector::alarm::Alarm;
use crate::detector::data::{CLOSE, Face, Kind, Photo};

/// Shares of sources known to differ in what they teach; any other source has [`OTHER`].
const SHARES: [(&str, f32); 12] = [
    ("lfw", 0.20),
    ("flickr8k", 0.15),
    ("facemask853", 0.16),
    ("prajna", 0.11),
    ("maskcrop", 0.07),
    ("webmorph", 0.05),
    ("tudped", 0.08),
    ("bikehelmet", 0.07),
    ("imagenet1k", 0.06),
    ("bsds", 0.05),
    ("dtd", 0.0),
    (CLOSE, 0.10),
];
const OTHER: f32 = 0.2;
/// How often a face of another source is tried when the one found is too small.
const TRIES: usize = 12;
/// Smallest face that is taken, in pixels of its photo.
const SMALLEST: f32 = 6.0;
/// Yaw in degrees from which on a face looks aside, and the size in pixels of its photo from which on its points tell that.
const SIDEWAYS: f32 = 35.0;
const TELLING: f32 = 20.0;

/// Faces of one source: photo, face.
struct Source {
    share: f32,
    faces: Vec<(usize, usize)>,
}

/// What may be taken.
pub(super) struct Pool<'a> {
    photos: &'a [Photo],
    sources: Vec<Source>,
    /// The faces that look aside, of all sources, and the share of the faces that is taken of them.
    sideways: Vec<(usize, usize)>,
    sideways_share: f64,
    /// Photos with faces by source, for parts taken as they are.
    scenes: Vec<(f32, Vec<usize>)>,
    /// Photos without a face.
    empty: Vec<usize>,
    /// What was taken for a face and is none.
    pub(super) alarms: Vec<Alarm>,
}

impl<'a> Pool<'a> {
    /// Of `photos`, with a share of faces that look aside beside those that come by chance.
    pub(super) fn new(photos: &'a [Photo], sideways_share: f64) -> Self {
        let mut faces: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        let mut scenes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut empty = Vec::new();
        for (at, photo) in photos.iter().enumerate().filter(|(_, photo)| !photo.held) {
            if photo.is_empty() {
                empty.push(at);
                continue;
            }
            let usable = |face: &Face| face.kind == Kind::Face && face.size() >= SMALLEST;
            let found = photo
                .faces
                .iter()
                .enumerate()
                .filter(|(_, face)| usable(face))
                .map(|(face, _)| (at, face));
            let before = faces.entry(&photo.source).or_default();
            let count = before.len();
            before.extend(found);
            if before.len() > count {
                scenes.entry(&photo.source).or_default().push(at);
            }
        }
        faces.retain(|_, found| !found.is_empty());
        let looks_aside = |(photo, face): &(usize, usize)| {
            let face = &photos[*photo].faces[*face];
            face.size() >= TELLING && face.yaw().is_some_and(|yaw| yaw >= SIDEWAYS)
        };
        let sideways = faces.values().flatten().copied().filter(looks_aside).collect();
        let sources = faces
            .into_iter()
            .map(|(name, faces)| Source {
                share: share(name),
                faces,
            })
            .collect();
        let scenes = scenes
            .into_iter()
            .map(|(name, photos)| (scene_share(name, photos.len()), photos))
            .collect();
        Self {
            photos,
            sources,
            sideways,
            sideways_share,
            scenes,
            empty,
            alarms: Vec::new(),
        }
    }

    pub(super) fn has_faces(&self) -> bool {
        !self.sources.is_empty()
    }

    pub(super) fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }

    /// A photo without a face.
    pub(super) fn empty(&self, rng: &mut Rng) -> &'a Photo {
        &self.photos[self.empty[rng.random_range(0..self.empty.len())]]
    }

    /// A false alarm with its photo, where there are any.
    pub(super) fn alarm(&self, rng: &mut Rng) -> Option<(&'a Photo, &Alarm)> {
        if self.alarms.is_empty() {
            return None;
        }
        let alarm = &self.alarms[rng.random_range(0..self.alarms.len())];
        self.photos.get(alarm.photo).map(|photo| (photo, alarm))
    }

    /// A photo with faces.
    pub(super) fn scene(&self, rng: &mut Rng) -> &'a Photo {
        let (_, photos) = weighted(&self.scenes, |(share, _)| *share, rng);
        &self.photos[photos[rng.random_range(0..photos.len())]]
    }

    /// A face that need not be enlarged much to have this size.
    pub(super) fn face(&self, size: f32, rng: &mut Rng) -> (&'a Photo, &'a Face) {
        // Without a share no number is drawn: samples are those from before there was one.
        let may_be = self.sideways_share > 0.0 && !self.sideways.is_empty();
        let sideways = may_be && rng.random::<f64>() < self.sideways_share;
        let mut best: Option<(&Photo, &Face)> = None;
        for _ in 0..TRIES {
            let faces = if sideways {
                &self.sideways
            } else {
                &weighted(&self.sources, |source| source.share, rng).faces
            };
            let (photo, face) = faces[rng.random_range(0..faces.len())];
            let (photo, face) = (&self.photos[photo], &self.photos[photo].faces[face]);
            if best.is_none_or(|(_, best)| face.size() > best.size()) {
                best = Some((photo, face));
            }
            if face.size() >= 0.7 * size {
                return (photo, face);
            }
        }
        // A pool has faces; the loop ran.
        best.unwrap_or((&self.photos[0], &self.photos[0].faces[0]))
    }
}

fn share(source: &str) -> f32 {
    SHARES
        .iter()
        .find(|(name, _)| *name == source)
        .map_or(OTHER, |(_, share)| *share)
}

/// Real groups and streets count by their number of photos, portraits by little, and faces without surroundings by nothing.
fn scene_share(source: &str, photos: usize) -> f32 {
    let weight = match source {
        "facemask853" => 1.0,
        "tudped" | "bikehelmet" | "flickr8k" => 0.8,
        "lfw" | "prajna" => 0.25,
        CLOSE => 0.0,
        _ => 0.5,
    };
    weight * photos as f32
}

fn weighted<'a, T>(items: &'a [T], weight: impl Fn(&T) -> f32, rng: &mut Rng) -> &'a T {
    let all: f32 = items.iter().map(&weight).sum();
    let mut left = rng.random::<f32>() * all;
    for item in items {
        left -= weight(item);
        if left < 0.0 {
            return item;
        }
    }
    &items[items.len() - 1]
}
