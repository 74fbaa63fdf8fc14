//! How well faces are followed in a film: spans, breaks, and numbers that change places.
//!
//! The measure is the detector itself, run over every frame on its own: its finds are linked from frame to
//! frame by overlap alone, one to one, into *chains*. A chain that somebody follows should keep one number, and a number
//! one chain. A cut ends all chains: whoever is where somebody was before it is somebody else.

use std::collections::BTreeMap;

use serde::Serialize;
use shared_model::image::Rect;

use crate::SAME_FACE;
use crate::tracker::Policy;

/// Frames in which one number was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// The number that the face was given.
    pub id: u32,
    /// Number of the first frame with it, from 0.
    pub from: u64,
    /// Number of the last frame with it, from 0.
    pub to: u64,
    /// Frames in which it was seen.
    pub frames: u64,
    /// Frames in which it was not judged.
    pub rejected: u64,
    /// Times that it was gone and came back.
    pub breaks: u64,
}

/// A face that was followed no longer though the detector went on to find it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Break {
    /// The number that it had.
    #[serde(rename = "broken_id")]
    pub id: u32,
    /// The first frame in which nobody followed it.
    pub frame: u64,
    /// Its time in the film, in milliseconds.
    pub time_ms: u64,
    /// Left edge, upper edge and side of where the detector found it there, in pixels.
    pub bounds: [f32; 3],
}

/// A face of one frame, as it was followed.
#[derive(Debug, Clone, Copy)]
pub struct TrackedBox {
    /// The number that the face was given.
    pub id: u32,
    /// Box of the face, in pixels of the frame.
    pub bounds: Rect,
    /// Whether the networks judged it in this frame.
    pub judged: bool,
}

/// Counts over a whole film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Number of frames of the film.
    pub frames: u64,
    /// Those of them that began another scene.
    pub cuts: u64,
    /// Finds of the detector over all frames.
    pub visible: u64,
    /// Those of them that were followed.
    pub followed: u64,
    /// Times that the detector went on to find a face which was no longer followed.
    pub breaks: u64,
    /// Times that a policy which follows one face chose another one.
    pub handovers: u64,
    /// Times that a face got another number while the detector went on to find it.
    pub swaps: u64,
    /// Times that a face which was just not judged got a number that nobody had had: after long without a find it was taken
    /// for another person than before.
    pub renewed: u64,
    /// Faces that were followed where the detector found none: turned away, half hidden, or gone.
    pub unseen: u64,
    /// Longest time in milliseconds of the film from a frame in which the detector found somebody while nobody
    /// was followed to the frame from which somebody was.
    pub found_after_ms: u64,
}

/// Takes in one frame after another.
#[derive(Debug, Default)]
pub struct Quality {
    spans: BTreeMap<u32, Span>,
    policy: Policy,
    chains: Vec<Chain>,
    totals: Totals,
    breaks: Vec<Break>,
    /// Since when somebody is there whom nobody follows.
    waiting_ms: Option<u64>,
}

/// A face that the detector found in every frame so far.
#[derive(Debug, Clone, Copy)]
struct Chain {
    bounds: Rect,
    /// Who it was in the frame before.
    id: Option<u32>,
    /// Whether it was judged there.
    judged: bool,
}

impl Quality {
    /// Nothing yet of faces that are followed by this policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }

    /// The next frame begins another scene.
    pub fn cut(&mut self) {
        self.totals.cuts += 1;
        self.chains.clear();
    }

    /// Takes in a frame: its number and time, what was followed, and what the detector finds in it on its own.
    pub fn frame(&mut self, (number, time_ms): (u64, u64), followed: &[TrackedBox], visible: &[Rect]) {
        self.totals.frames += 1;
        self.wait(time_ms, followed, visible);
        for face in followed {
            self.extend(number, face);
        }
        let alone = |face: &&TrackedBox| visible.iter().all(|bounds| bounds.overlap(&face.bounds) < SAME_FACE);
        self.totals.unseen += followed.iter().filter(alone).count() as u64;
        let chains = one_to_one(visible, self.chains.iter().map(|chain| chain.bounds));
        let faces = one_to_one(visible, followed.iter().map(|face| face.bounds));
        let links = visible.iter().zip(chains).zip(faces).map(|((bounds, chain), face)| {
            let chain = chain.map(|at| self.chains[at]);
            // Of two finds on one face, one has no box of its own. Nobody is lost while the box overlaps it.
            let goes_on = |face: &&TrackedBox| {
                let same = chain.is_some_and(|chain| chain.id == Some(face.id));
                same && bounds.overlap(&face.bounds) >= SAME_FACE
            };
            let face = face.map_or_else(|| followed.iter().find(goes_on), |at| Some(&followed[at]));
            self.compare((number, time_ms), bounds, (chain, face), followed);
            // A break is counted once, and a number that came back is compared with the one before it.
            Chain {
                bounds: *bounds,
                id: face.map(|face| face.id),
                judged: face.is_some_and(|face| face.judged),
            }
        });
        self.chains = links.collect();
    }

    /// One span for each number, in their order.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.values()
    }

    /// Each break, in their order.
    pub fn breaks(&self) -> &[Break] {
        &self.breaks
    }

    /// The counts over all frames so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn wait(&mut self, time_ms: u64, followed: &[TrackedBox], visible: &[Rect]) {
        if let Some(since) = self.waiting_ms.filter(|_| !followed.is_empty()) {
            self.totals.found_after_ms = self.totals.found_after_ms.max(time_ms.saturating_sub(since));
        }
        let alone = followed.is_empty() && !visible.is_empty();
        self.waiting_ms = alone.then(|| self.waiting_ms.unwrap_or(time_ms));
    }

    fn extend(&mut self, number: u64, face: &TrackedBox) {
        let span = self.spans.entry(face.id).or_insert(Span {
            id: face.id,
            from: number,
            to: number,
            frames: 0,
            rejected: 0,
            breaks: 0,
        });
        span.breaks += u64::from(number > span.to + 1);
        span.to = number;
        span.frames += 1;
        span.rejected += u64::from(!face.judged);
    }

    /// Compares who a find is with who it was in the frame before.
    fn compare(
        &mut self,
        (frame, time_ms): (u64, u64),
        bounds: &Rect,
        (chain, face): (Option<Chain>, Option<&TrackedBox>),
        followed: &[TrackedBox],
    ) {
        let (before, id) = (chain.and_then(|chain| chain.id), face.map(|face| face.id));
        self.totals.visible += 1;
        self.totals.followed += u64::from(id.is_some());
        match (before, id) {
            (Some(_), None) if self.policy != Policy::All && !followed.is_empty() => self.totals.handovers += 1,
            (Some(before), None) => {
                self.totals.breaks += 1;
                self.breaks.push(Break {
                    id: before,
                    frame,
                    time_ms,
                    bounds: [bounds.x, bounds.y, bounds.w],
                });
            }
            (Some(before), Some(id)) if before != id => {
                let is_new = self.spans.get(&id).is_some_and(|span| span.from == frame);
                if is_new && chain.is_some_and(|chain| !chain.judged) {
                    self.totals.renewed += 1;
                } else {
                    self.totals.swaps += 1;
                }
            }
            _ => {}
        }
    }
}

/// Which of the boxes each find belongs to. A box has one find at most, and those that overlap most belong together: whoever
/// comes up close beside somebody is somebody else.
fn one_to_one(finds: &[Rect], boxes: impl Iterator<Item = Rect>) -> Vec<Option<usize>> {
    let boxes: Vec<Rect> = boxes.collect();
    let all = (0..finds.len()).flat_map(|find| (0..boxes.len()).map(move |at| (find, at)));
    let mut pairs: Vec<(f32, usize, usize)> = all
        .map(|(find, at)| (finds[find].overlap(&boxes[at]), find, at))
        .filter(|(share, ..)| *share >= SAME_FACE)
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut belongs, mut taken) = (vec![None; finds.len()], vec![false; boxes.len()]);
    for (_, find, at) in pairs {
        if belongs[find].is_none() && !taken[at] {
            (belongs[find], taken[at]) = (Some(at), true);
        }
    }
    belongs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(x: f32) -> Rect {
        Rect {
            x,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        }
    }

    fn face(id: u32, x: f32) -> TrackedBox {
        TrackedBox {
            id,
            bounds: bounds(x),
            judged: id != 9,
        }
    }

    #[test]
    fn moving_faces_that_keep_their_numbers_have_neither_breaks_nor_swaps() {
        let mut quality = Quality::new(Policy::All);
        for frame in 0..20u8 {
            let (a, b) = (f32::from(frame), 100.0 - f32::from(frame));
            quality.frame(
                (u64::from(frame), 0),
                &[face(1, a), face(9, b)],
                &[bounds(a), bounds(b)],
            );
        }
        let totals = quality.totals();
        assert_eq!(
            (totals.visible, totals.followed, totals.breaks, totals.swaps),
            (40, 40, 0, 0)
        );
        let spans: Vec<(u32, u64, u64)> = quality.spans().map(|s| (s.id, s.frames, s.rejected)).collect();
        assert_eq!(spans, [(1, 20, 0), (9, 20, 20)]);
    }

    #[test]
    fn numbers_that_change_places_are_two_swaps() {
        let mut quality = Quality::new(Policy::All);
        let visible = [bounds(0.0), bounds(50.0)];
        quality.frame((0, 0), &[face(1, 0.0), face(2, 50.0)], &visible);
        quality.frame((1, 100), &[face(2, 0.0), face(1, 50.0)], &visible);
        assert_eq!(quality.totals().swaps, 2);
    }

    #[test]
    fn a_new_number_for_a_face_that_was_not_judged_is_no_swap() {
        for (before, after, known, expected) in [
            (9, 3, false, (0, 1)),
            (1, 3, false, (1, 0)),
            // Somebody else's.
            (9, 3, true, (1, 0)),
        ] {
            let mut quality = Quality::new(Policy::All);
            let mut first = vec![face(before, 0.0)];
            first.extend(known.then(|| face(after, 50.0)));
            quality.frame((0, 0), &first, &[bounds(0.0)]);
            quality.frame((1, 40), &[face(after, 0.0)], &[bounds(1.0)]);
            quality.frame((2, 80), &[face(after, 0.0)], &[bounds(1.0)]);
            let totals = quality.totals();
            assert_eq!((totals.swaps, totals.renewed), expected, "{before} to {after}");
        }
    }

    #[test]
    fn a_face_that_is_no_longer_followed_is_a_break_and_one_nobody_sees_is_told() {
        let mut quality = Quality::new(Policy::All);
        quality.frame((0, 0), &[face(1, 0.0)], &[bounds(0.0)]);
        quality.frame((1, 100), &[], &[bounds(0.0)]);
        quality.frame((2, 200), &[], &[bounds(0.0)]);
        quality.frame((3, 300), &[face(1, 0.0)], &[bounds(1.0)]);
        quality.frame((4, 400), &[face(1, 0.0)], &[]);
        let totals = quality.totals();
        assert_eq!((totals.breaks, totals.swaps, totals.unseen), (1, 0, 1));
        let told = Break {
            id: 1,
            frame: 1,
            time_ms: 100,
            bounds: [0.0, 0.0, 10.0],
        };
        assert_eq!(quality.breaks(), [told]);
        assert_eq!((totals.handovers, totals.found_after_ms), (0, 200));
        let span = quality.spans().next().unwrap();
        assert_eq!((span.from, span.to, span.frames, span.breaks), (0, 4, 3, 1));
    }

    #[test]
    fn whoever_comes_up_close_beside_somebody_is_not_taken_for_them() {
        let mut quality = Quality::new(Policy::All);
        let beside = bounds(5.0);
        assert!(beside.overlap(&bounds(0.0)) >= SAME_FACE);
        quality.frame((0, 0), &[face(1, 0.0)], &[bounds(0.0)]);
        for visible in [[bounds(0.0), beside], [beside, bounds(0.0)]] {
            quality.frame((1, 100), &[face(1, 0.0)], &visible);
        }
        quality.frame((3, 300), &[face(1, 0.0), face(2, 5.0)], &[beside, bounds(0.0)]);
        let totals = quality.totals();
        assert_eq!(
            (totals.breaks, totals.swaps, totals.visible, totals.followed),
            (0, 0, 7, 5)
        );
    }

    #[test]
    fn two_finds_on_one_face_are_no_break() {
        let mut quality = Quality::new(Policy::All);
        quality.frame((0, 0), &[face(1, 0.0)], &[bounds(0.0)]);
        // The one that goes on the chain lies further from the box than the other one.
        quality.frame((1, 100), &[face(1, 4.0)], &[bounds(0.0), bounds(7.0)]);
        assert_eq!((quality.totals().breaks, quality.totals().swaps), (0, 0));
        quality.frame((2, 200), &[face(1, 40.0)], &[bounds(0.0)]);
        assert_eq!(quality.totals().breaks, 1);
    }

    #[test]
    fn whoever_is_where_somebody_was_before_a_cut_is_somebody_else() {
        for (cut, lost) in [(true, (0, 0)), (false, (1, 1))] {
            let mut quality = Quality::new(Policy::All);
            let visible = [bounds(0.0), bounds(50.0)];
            quality.frame((0, 0), &[face(1, 0.0), face(2, 50.0)], &visible);
            if cut {
                quality.cut();
            }
            // One is tracked only in the next frame, the other has a new number.
            quality.frame((1, 100), &[face(3, 50.0)], &visible);
            quality.frame((2, 200), &[face(4, 0.0), face(3, 50.0)], &visible);
            let totals = quality.totals();
            assert_eq!((totals.breaks, totals.swaps), lost);
            assert_eq!(totals.cuts, u64::from(cut));
        }
    }

    #[test]
    fn a_policy_of_one_face_that_chooses_another_hands_over_and_breaks_when_it_follows_nobody() {
        let visible = [bounds(0.0), bounds(50.0)];
        for (policy, expected) in [(Policy::Largest, (1, 1)), (Policy::All, (2, 0))] {
            let mut quality = Quality::new(policy);
            quality.frame((0, 0), &[face(1, 0.0)], &visible);
            quality.frame((1, 100), &[face(2, 50.0)], &visible);
            quality.frame((2, 200), &[], &visible);
            let totals = quality.totals();
            assert_eq!((totals.breaks, totals.handovers), expected, "{policy:?}");
        }
    }
}
