//! What is kept of each face that is followed, or was a moment ago, beside its box; and by that, whether it still is the
//! same one.
//!
//! Nobody is recognised. A face that the detector has not found for a while may be hidden, and who then comes forth near by
//! may be another person: whether the picture went on as it was, and is like before, tells that often and not always.

use shared_model::image::{GrayView, Rect};

use super::look::Look;
use super::motion::{Motion, Shift};
use super::place::shifted;
use super::policy::MAX_FACES;
use super::tracks::{Track, Tracks};

/// A face that the detector has not found for longer, and that does not look as it did then, is not judged.
pub(super) const UNCONFIRMED_MS: u64 = 600;

/// Correlation with how a face looked when it was sure last, below which one that was lost in between is another one. After
/// 0.6 to 2 s it is lower for a third to half of the faces on the project's films that go on to be seen, since they turn and
/// the light changes, and for two thirds to nine tenths of other people's: a new number for the same face is the lesser
/// evil.
const ALIKE: f32 = 0.7;

/// The same, for lost ones and others, times what the picture kept from frame to frame for as long as it was followed: 0.04
/// to 0.1 where another one had come, 0.12 to 0.9 elsewhere.
const KEPT: f32 = 0.1;

/// Correlation with how a face looked when the detector found it last, and the farthest that it lies from there in its box,
/// in sides, with which it still is one. On the project's films that holds for nearly half of the faces that the detector
/// goes on to find, and for none of those that it does not.
const AS_FOUND: f32 = 0.7;
const BESIDE: f32 = 0.12;

/// How a face looks.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    /// Number of the face; 0 for nobody.
    id: u32,
    pub(super) look: Look,
    pub(super) motion: Motion,
    /// As it was when it was sure last: when the detector found it, or it looked as it had then.
    sure: Motion,
    /// When that was; `None` for a face that is new.
    sure_ms: Option<u64>,
    /// What its picture has kept since then: the product of the likenesses from each frame to the next, 0 to 1.
    pub(super) kept: f32,
}

impl Memory {
    fn new() -> Self {
        Self {
            id: 0,
            look: Look::new(),
            motion: Motion::new(),
            sure: Motion::new(),
            sure_ms: None,
            kept: 1.0,
        }
    }

    /// The next face is another one.
    fn begin(&mut self, id: u32) {
        self.id = id;
        self.motion.forget();
        (self.sure_ms, self.kept) = (None, 1.0);
    }

    /// Takes in how like the frame before its picture is.
    pub(super) fn keep(&mut self, likeness: f32) {
        self.kept *= likeness.max(0.0);
    }

    /// Whether a face still looks as when the detector found it last; if so, what comes next is compared with how it looks
    /// now.
    pub(super) fn trust(&mut self, frame: GrayView<'_>, face: &Rect, now_ms: u64) -> bool {
        let near = |shift: &Shift| shift.by[0].hypot(shift.by[1]) <= BESIDE * face.w;
        let shift = self.sure.find(frame, face);
        let Some(shift) = shift.filter(|shift| shift.likeness >= AS_FOUND && near(shift)) else {
            return false;
        };
        self.sure.remember(frame, &shifted(face, shift.by));
        (self.sure_ms, self.kept) = (Some(now_ms), 1.0);
        true
    }

    /// Takes in a face where the detector has just found it; gives whether it can be the same as before. That is in doubt
    /// after the time for which a face is judged that the detector does not find: what was judged in it had just been found,
    /// and what comes next is not judged before this answer.
    pub(super) fn confirm(&mut self, frame: GrayView<'_>, face: &Rect, track: &Track) -> bool {
        let now_ms = track.confirmed_ms;
        let gap_ms = self.sure_ms.map_or(0, |before| now_ms.saturating_sub(before));
        let same = gap_ms <= UNCONFIRMED_MS || self.is_same(frame, face, track);
        if same && self.sure_ms.replace(now_ms) != Some(now_ms) {
            self.sure.remember(frame, face);
            self.kept = 1.0;
        }
        same
    }

    fn is_same(&mut self, frame: GrayView<'_>, face: &Rect, track: &Track) -> bool {
        let Some(shift) = self.sure.find(frame, face) else {
            return true;
        };
        let was_lost = track.began_ms == track.confirmed_ms;
        (!was_lost || shift.likeness >= ALIKE) && shift.likeness * self.kept >= KEPT
    }
}

/// One memory for each face that is followed, and each that was lost; they are used again.
#[derive(Debug, Clone)]
pub(super) struct Memories(Vec<Memory>);

impl Memories {
    pub(super) fn new() -> Self {
        Self(vec![Memory::new(); 2 * MAX_FACES])
    }

    /// That of the face with this number; for a new one that of a face which cannot come back.
    pub(super) fn of(&mut self, id: u32, tracks: &Tracks) -> &mut Memory {
        let known = self.0.iter().position(|memory| memory.id == id);
        let at = known.unwrap_or_else(|| {
            let free = self.0.iter().position(|memory| !tracks.knows(memory.id));
            // There is one for each face that is followed or lost.
            let at = free.unwrap_or(0);
            self.0[at].begin(id);
            at
        });
        &mut self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Detection;
    use crate::track::Policy;
    use crate::track::motion::tests::{FACE_AT, noise, pattern};

    const WHOLE: Rect = Rect {
        x: 0.0,
        y: 0.0,
        w: 160.0,
        h: 160.0,
    };

    /// A face that is found now, and was lost or not.
    fn again(was_lost: bool, now_ms: u64) -> Track {
        let mut tracks = Tracks::new(Policy::Largest);
        let face = Detection {
            bounds: FACE_AT,
            score: 5.0,
        };
        tracks.found(&[face], &WHOLE, now_ms - 500);
        if was_lost {
            tracks.lose(1, now_ms - 500);
        }
        tracks.found(&[face], &WHOLE, now_ms);
        *tracks.get(1).unwrap()
    }

    fn confirm(memory: &mut Memory, pixels: &[u8], track: &Track) -> bool {
        memory.confirm(GrayView::new(pixels, 160, 160).unwrap(), &FACE_AT, track)
    }

    /// The memory of a face that was found at 1000 ms.
    fn found() -> Memory {
        let mut memory = Memory::new();
        assert!(confirm(&mut memory, &pattern([0.0; 2]), &again(false, 1000)));
        memory
    }

    #[test]
    fn who_comes_back_after_long_is_the_same_if_the_picture_went_on_or_is_like_before() {
        let same = pattern([4.0, -3.0]);
        let other = noise();
        for (picture, was_lost, gap_ms, kept, expected) in [
            (&same, false, 960, 0.9, true),
            (&same, false, 960, 0.08, false),
            (&same, true, 960, 0.08, false),
            (&same, true, 960, 0.12, true),
            (&other, false, 960, 0.12, false),
            (&other, true, 960, 0.9, false),
            (&other, false, 601, 0.12, false),
            (&other, false, 600, 0.12, true),
            (&other, true, 600, 0.12, true),
        ] {
            let mut memory = found();
            memory.keep(kept);
            let confirmed = confirm(&mut memory, picture, &again(was_lost, 1000 + gap_ms));
            assert_eq!(confirmed, expected, "lost {was_lost}, {gap_ms} ms, {kept}");
        }
    }

    #[test]
    fn each_find_is_what_the_next_is_compared_with() {
        let other = noise();
        let mut memory = found();
        assert!(confirm(&mut memory, &other, &again(false, 1400)));
        memory.keep(0.2);
        assert!(confirm(&mut memory, &other, &again(false, 2200)));
        // Half is left of it from there on.
        memory.keep(0.5);
        assert!(confirm(&mut memory, &other, &again(false, 3000)));
        assert!(!confirm(&mut memory, &pattern([0.0; 2]), &again(true, 3900)));
        assert!(confirm(&mut memory, &other, &again(true, 3900)));
    }

    #[test]
    fn a_face_is_trusted_that_looks_as_when_it_was_found_and_where() {
        let trusts = |memory: &mut Memory, pixels: &[u8]| {
            let frame = GrayView::new(pixels, 160, 160).unwrap();
            memory.trust(frame, &FACE_AT, 1500)
        };
        assert!(!trusts(&mut Memory::new(), &pattern([0.0; 2])), "never found");
        for (picture, expected) in [
            (pattern([0.0; 2]), true),
            (pattern([4.0, -3.0]), true),
            (pattern([8.0, -3.0]), false),
            (noise(), false),
        ] {
            assert_eq!(trusts(&mut found(), &picture), expected);
        }
    }

    #[test]
    fn what_comes_after_a_face_was_trusted_is_compared_from_there() {
        let mut memory = found();
        memory.keep(0.05);
        let same = pattern([4.0, -3.0]);
        assert!(memory.trust(GrayView::new(&same, 160, 160).unwrap(), &FACE_AT, 1500));
        assert_eq!(memory.kept, 1.0);
        // Another one, so soon that what was seen in between cannot have been judged.
        assert!(confirm(&mut memory, &noise(), &again(true, 2100)));
        let mut memory = found();
        assert!(memory.trust(GrayView::new(&same, 160, 160).unwrap(), &FACE_AT, 1500));
        assert!(!confirm(&mut memory, &noise(), &again(true, 2101)));
    }

    #[test]
    fn memories_of_lost_faces_outlast_as_many_new_ones() {
        let row = |y: f32| {
            let face = |x: f32| Detection {
                bounds: Rect { x, y, ..FACE_AT },
                score: 5.0,
            };
            [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0].map(face)
        };
        let region = Rect {
            w: 1000.0,
            h: 1000.0,
            ..WHOLE
        };
        let mut tracks = Tracks::new(Policy::All);
        let mut memories = Memories::new();
        tracks.found(&row(0.0), &region, 0);
        (1..=8).for_each(|id| memories.of(id, &tracks).keep(0.5));
        (1..=8).for_each(|id| tracks.lose(id, 0));
        tracks.found(&row(900.0), &region, 0);
        (9..=16).for_each(|id| memories.of(id, &tracks).keep(0.9));
        let kept: Vec<f32> = (1..=16).map(|id| memories.of(id, &tracks).kept).collect();
        assert_eq!(kept, [[0.5; 8], [0.9; 8]].concat());
    }
}
