//! Who is followed: numbers, boxes, and which face counts. Pure: detections, keypoints and time come in.

mod track;

use shared_model::image::Rect;
use shared_model::keypoints::Keypoints;
pub(super) use track::Track;

use super::place::{SAME, best, distance, inside, near, next_to};
use super::policy::{MAX_FACES, Policy};
use crate::face::Detection;

/// Two tracks that share more of the union follow the same face.
const DOUBLE: f32 = 0.5;

/// How long the number of a lost face is kept for it.
pub const REMEMBERED_MS: u64 = 1000;

/// How long a face is followed that the detector does not find.
const UNCONFIRMED_MS: u64 = 1000;

/// How much larger than the face that counts another must be to take its place.
const LARGER: f32 = 1.25;

/// How much nearer to the middle, in widths of the region.
const NEARER: f32 = 0.1;

/// A face that was lost a while ago.
#[derive(Debug, Clone, Copy)]
struct Lost {
    id: u32,
    bounds: Rect,
    at_ms: u64,
    /// When the detector was last asked for it.
    asked_ms: u64,
}

/// All faces that are followed.
#[derive(Debug, Clone)]
pub struct Tracks {
    policy: Policy,
    live: heapless::Vec<Track, MAX_FACES>,
    lost: heapless::Vec<Lost, MAX_FACES>,
    counting: Option<u32>,
    next: u32,
}

impl Tracks {
    /// Nobody yet; numbers begin at 1.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            live: heapless::Vec::new(),
            lost: heapless::Vec::new(),
            counting: None,
            next: 1,
        }
    }

    /// Numbers begin here from now on.
    pub(super) fn number_from(&mut self, first: u32) {
        self.next = first.max(1);
    }

    /// The next number that will be given.
    pub(super) fn next_number(&self) -> u32 {
        self.next
    }

    /// Who is followed.
    pub fn live(&self) -> &[Track] {
        &self.live
    }

    /// Side of the smallest face, from `min_face_px` on, that can still change who is followed; `None` if none can. What
    /// cannot matter is not searched: the smaller the faces, the dearer the search.
    pub(super) fn rival_px(&self, min_face_px: f32) -> Option<f32> {
        match (self.policy, self.live.as_slice()) {
            (_, []) | (Policy::Centre, _) => Some(min_face_px),
            (Policy::First, _) => None,
            // Smaller ones than it must be, so that the one that counts is seen as well.
            (Policy::Largest, [track, ..]) => Some(min_face_px.max(0.8 * track.bounds.w)),
            (Policy::All, live) => (live.len() < MAX_FACES).then_some(min_face_px),
        }
    }

    /// The face that counts.
    pub fn counting(&self) -> Option<u32> {
        self.counting
    }

    /// The face with this number.
    pub fn get(&self, id: u32) -> Option<&Track> {
        self.live.iter().find(|track| track.id == id)
    }

    /// Whether somebody was lost a moment ago.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Whether the face with this number is followed, or can come back.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.get(id).is_some() || self.lost.iter().any(|lost| lost.id == id)
    }

    /// [`Track::expect`] of the face with this number.
    pub(super) fn expect(&mut self, id: u32) -> Option<(Rect, bool)> {
        self.get_mut(id).map(Track::expect)
    }

    /// [`Track::shift`] of the face with this number.
    pub(super) fn shift(&mut self, id: u32, by: Option<[f32; 2]>) -> Option<Rect> {
        self.get_mut(id).map(|track| track.shift(by))
    }

    /// Moves the box of a face some of the way to its keypoints; gives the box.
    pub fn moved(&mut self, id: u32, keypoints: &Keypoints, now_ms: u64) -> Option<Rect> {
        self.get_mut(id).map(|track| track.moved(keypoints, now_ms))
    }

    /// Ends a track; its number is kept a while for the same face.
    pub fn lose(&mut self, id: u32, now_ms: u64) {
        if let Some(track) = self.take(id) {
            if self.lost.is_full() {
                self.lost.remove(0);
            }
            // There is room now.
            let _ = self.lost.push(Lost {
                id,
                bounds: track.bounds,
                at_ms: now_ms,
                asked_ms: now_ms,
            });
        }
    }

    /// Ends a track; another one with a number of its own begins where the detector found the face. Gives the number.
    pub(super) fn renew(&mut self, id: u32) -> Option<u32> {
        let Track {
            detected, confirmed_ms, ..
        } = self.take(id)?;
        let new = self.next_id();
        self.follow(new, detected, confirmed_ms);
        Some(new)
    }

    /// Ends the track of somebody who cannot come back: nobody inherits the number.
    pub fn forget(&mut self, id: u32) {
        self.take(id);
    }

    /// The lost face that is to be searched next where it was: one that nobody has asked for during `pause_ms`,
    /// if there is room for it.
    pub(super) fn sought(&self, now_ms: u64, pause_ms: u64) -> Option<u32> {
        let due = |lost: &&Lost| now_ms.saturating_sub(lost.asked_ms) >= pause_ms;
        let lost = self.lost.iter().filter(due).min_by_key(|lost| lost.asked_ms);
        lost.filter(|_| self.live.len() < self.policy.limit())
            .map(|lost| lost.id)
    }

    /// Notes that the detector is asked for a face, followed or lost; gives where it is or was, and how large the
    /// detector saw it last.
    pub(super) fn ask(&mut self, id: u32, now_ms: u64) -> Option<(Rect, f32)> {
        if let Some(track) = self.get_mut(id) {
            track.asked_ms = now_ms;
            return Some((track.bounds, track.detected.w));
        }
        let lost = self.lost.iter_mut().find(|lost| lost.id == id)?;
        lost.asked_ms = now_ms;
        Some((lost.bounds, lost.bounds.w))
    }

    /// Notes that a face looks as it did when the detector found it, which need not be asked.
    pub(super) fn trust(&mut self, id: u32, now_ms: u64) {
        if let Some(track) = self.get_mut(id) {
            (track.confirmed_ms, track.asked_ms) = (now_ms, now_ms);
        }
    }

    /// Sets a box back to where the detector found its face last.
    pub(super) fn set_back(&mut self, id: u32) -> Option<Rect> {
        let track = self.get_mut(id)?;
        track.bounds = track.detected;
        Some(track.bounds)
    }

    /// What the detector found around a face: nothing, or where; gives whether it is there, or near by. Long
    /// unconfirmed ones end. Another one's face is not taken.
    pub fn checked(&mut self, id: u32, faces: &[Detection], now_ms: u64) -> bool {
        let Some(track) = self.get(id).copied() else {
            return false;
        };
        let faces = self.left_to(&track, faces);
        // A box that followed bad keypoints is far off, or has another size.
        let boxes = [track.bounds, track.detected];
        let overlapping = boxes.iter().find_map(|bounds| best(&faces, bounds));
        let face = overlapping.or_else(|| boxes.iter().find_map(|bounds| next_to(&faces, bounds)));
        let Some(track) = self.get_mut(id) else { return false };
        match face {
            Some(face) => track.confirm(face, now_ms),
            None if now_ms.saturating_sub(track.confirmed_ms) > UNCONFIRMED_MS => self.lose(id, now_ms),
            None => {}
        }
        face.is_some()
    }

    /// Those faces that no other track holds more of.
    fn left_to(&self, track: &Track, faces: &[Detection]) -> heapless::Vec<Detection, 32> {
        let free = |face: &&Detection| {
            let own = face.bounds.overlap(&track.bounds).max(SAME);
            let mut others = self.live.iter().filter(|other| other.id != track.id);
            others.all(|other| face.bounds.overlap(&other.bounds) < own)
        };
        faces.iter().filter(free).copied().take(32).collect()
    }

    /// What the detector found in the whole region.
    pub fn found(&mut self, faces: &[Detection], region: &Rect, now_ms: u64) {
        let centre = |face: &&Detection| inside(region, &face.bounds);
        let mut new: heapless::Vec<Detection, 32> = faces.iter().filter(centre).copied().take(32).collect();
        for track in &mut self.live {
            let own = (0..new.len()).max_by(|a, b| {
                let share = |at: usize| new[at].bounds.overlap(&track.bounds);
                share(*a).total_cmp(&share(*b))
            });
            if let Some(at) = own.filter(|at| new[*at].bounds.overlap(&track.bounds) >= SAME) {
                track.confirm(&new.swap_remove(at), now_ms);
            }
        }
        let longer = |track: &Track| now_ms.saturating_sub(track.confirmed_ms) > UNCONFIRMED_MS;
        while let Some(id) = self.live.iter().find(|track| longer(track)).map(|track| track.id) {
            self.lose(id, now_ms);
        }
        self.welcome(&mut new, region, now_ms);
        self.choose(region);
    }

    /// Ends tracks that left the region, and the younger of two on the same face; chooses who counts.
    pub fn tidy(&mut self, region: &Rect, now_ms: u64) {
        while let Some(id) = self
            .live
            .iter()
            .find(|track| !inside(region, &track.bounds))
            .map(|t| t.id)
        {
            self.lose(id, now_ms);
        }
        while let Some(id) = self.double() {
            self.forget(id);
        }
        self.lost
            .retain(|lost| now_ms.saturating_sub(lost.at_ms) <= REMEMBERED_MS);
        self.choose(region);
    }

    fn double(&self) -> Option<u32> {
        let pairs = self.live.iter().flat_map(|a| self.live.iter().map(move |b| (a, b)));
        let double = |(a, b): &(&Track, &Track)| a.id < b.id && a.bounds.overlap(&b.bounds) > DOUBLE;
        pairs.filter(double).map(|(_, younger)| younger.id).next()
    }

    /// Starts tracks of faces that nobody follows, as far as the policy wants them.
    fn welcome(&mut self, new: &mut [Detection], region: &Rect, now_ms: u64) {
        let rank = |face: &Detection| match self.policy {
            Policy::Centre => distance(region, &face.bounds),
            Policy::Largest | Policy::First | Policy::All => -face.bounds.w,
        };
        new.sort_unstable_by(|a, b| rank(a).total_cmp(&rank(b)));
        for face in new.iter() {
            if self.live.len() >= self.policy.limit() && !self.makes_room(face, region, now_ms) {
                return;
            }
            self.start(face, now_ms);
        }
    }

    /// Whether the only face that is followed gives way to this one.
    fn makes_room(&mut self, face: &Detection, region: &Rect, now_ms: u64) -> bool {
        let Some(track) = self.live.first() else { return true };
        let gives_way = match self.policy {
            Policy::Largest => face.bounds.w > LARGER * track.bounds.w,
            Policy::Centre => distance(region, &face.bounds) + NEARER * region.w < distance(region, &track.bounds),
            Policy::First | Policy::All => false,
        };
        if gives_way {
            let id = track.id;
            self.lose(id, now_ms);
        }
        gives_way
    }

    /// Starts a track: with its old number if the face was lost near by a moment ago.
    fn start(&mut self, face: &Detection, now_ms: u64) {
        let known =
            |lost: &Lost| now_ms.saturating_sub(lost.at_ms) <= REMEMBERED_MS && near(&lost.bounds, &face.bounds);
        let id = if let Some(at) = self.lost.iter().position(known) {
            self.lost.remove(at).id
        } else {
            self.next_id()
        };
        self.follow(id, face.bounds, now_ms);
    }

    fn next_id(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn follow(&mut self, id: u32, bounds: Rect, now_ms: u64) {
        // The limit of every policy fits.
        let _ = self.live.push(Track::new(id, bounds, now_ms));
    }

    fn choose(&mut self, region: &Rect) {
        let current = self.counting.and_then(|id| self.get(id)).copied();
        let larger = |a: &&Track, b: &&Track| a.bounds.w.total_cmp(&b.bounds.w);
        let largest = self
            .live
            .iter()
            .filter(|track| inside(region, &track.bounds))
            .max_by(larger);
        self.counting = match (current, largest) {
            (Some(current), Some(largest)) if largest.bounds.w <= LARGER * current.bounds.w => Some(current.id),
            (_, largest) => largest.map(|track| track.id),
        };
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Track> {
        self.live.iter_mut().find(|track| track.id == id)
    }

    fn take(&mut self, id: u32) -> Option<Track> {
        let at = self.live.iter().position(|track| track.id == id)?;
        Some(self.live.remove(at))
    }
}

#[cfg(test)]
mod tests;
