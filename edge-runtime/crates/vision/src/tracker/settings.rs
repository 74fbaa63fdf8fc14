//! What tracking goes by.

/// Longest time without a frame over which a number is kept, in milliseconds: no number is kept for longer without a sight.
pub const REMEMBERED_MS: u64 = 2000;

/// What a [`Tracker`](super::Tracker) goes by. Times are in milliseconds of the frames' own time, so that the frame rate
/// does not matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackerSettings {
    /// Probability, 0 to 1, from which an observation is sure. The bundle says which.
    pub sure_score: f32,
    /// Share of [`TrackerSettings::sure_score`] from which an observation may begin a candidate, 0 to 1. One that is not sure
    /// gets a number only by a second look, and is given up where that fails.
    pub begins: f32,
    /// Share of the way from [`TrackerSettings::sure_score`] to 1 at which one observation confirms a face by itself. What
    /// merely resembles a face is sure for frames on end, and seldom more.
    pub certain: f32,
    /// The same for the mean of a candidate's best observation and a second look at it, weighted: everybody else needs that.
    pub confirmed: f32,
    /// Weight of the second look in that mean, 0 to 1: it sees more of the face than the first one.
    pub second_weight: f32,
    /// How little that mean may lack, 0 to 1, for another look in the next frame: the box lies a little differently there.
    pub nearly: f32,
    /// How long a place whose second look failed gets no other one, in milliseconds: a poster that looks like a face would
    /// cost one in each frame. Whoever comes nearer is found that much later at most.
    pub refused_ms: u64,
    /// How long it takes until what was said of that place counts no more, in milliseconds. Until then the next look is
    /// averaged with it: noise makes one look in some dozens too sure. And nothing doubtful begins a candidate there.
    pub forgotten_ms: u64,
    /// Least intersection over union, 0 to 1, of a sure observation with the prediction of a track. A face that moves by
    /// half of its side from one frame to the next, against its prediction, still has a third.
    pub least_overlap: f32,
    /// The same for a doubtful observation: what only resembles a face must lie just where one was.
    pub least_overlap_doubtful: f32,
    /// Frames in which a face is observed before it has a number. A false alarm seldom lasts for two.
    pub births: u32,
    /// How long a candidate may go without an observation, in milliseconds: two frames at 15 a second. Of fewer frames a second
    /// it may be two.
    pub candidate_ms: u64,
    /// How long a face with a number may, in milliseconds: a hand before the face, a bow, some frames too blurred.
    /// Whoever comes later is another visitor.
    pub death_ms: u64,
    /// How long a face without an observation is still judged where it should be, in milliseconds: two frames at 15 a
    /// second.
    pub judged_ms: u64,
    /// How long a face coasts at its velocity before it stands still, in milliseconds. Heads turn round sooner than they
    /// go on for longer.
    pub coast_ms: u64,
    /// Time constant of the box's place in milliseconds: the detector's boxes of a face that stands still scatter by some
    /// percent of its side, which the networks would see as movement.
    pub place_ms: f32,
    /// Time constant of the box's side in milliseconds: it scatters more, and changes more slowly.
    pub side_ms: f32,
    /// The farthest that a face is expected to go between two observations, in its sides.
    pub farthest: f32,
    /// Intersection over union, 0 to 1, from which a coasting box has the face of another track.
    pub double_overlap: f32,
    /// How much larger than the face that counts another one must be to take its place.
    pub larger: f32,
    /// How much nearer to the middle, in widths of the region.
    pub nearer: f32,
    /// Longest time between two frames over which a number is kept, in milliseconds: a recording of one picture a second
    /// is tracked, whoever is there after a camera's failure is somebody else.
    pub longest_pause_ms: u64,
}

impl Default for TrackerSettings {
    fn default() -> Self {
        Self {
            sure_score: 0.5,
            begins: 0.47,
            certain: 0.52,
            confirmed: 0.33,
            second_weight: 0.8,
            nearly: 0.05,
            refused_ms: 200,
            forgotten_ms: 1000,
            least_overlap: 0.25,
            least_overlap_doubtful: 0.35,
            births: 2,
            candidate_ms: 150,
            death_ms: 700,
            judged_ms: 150,
            coast_ms: 200,
            place_ms: 60.0,
            side_ms: 150.0,
            farthest: 0.6,
            double_overlap: 0.5,
            larger: 1.25,
            nearer: 0.1,
            longest_pause_ms: REMEMBERED_MS,
        }
    }
}

impl TrackerSettings {
    /// Share of [`TrackerSettings::sure_score`] from which an observation counts at all.
    const DOUBTFUL: f32 = 0.42;

    /// Probability, 0 to 1, from which an observation confirms by itself that a candidate is a face.
    pub fn certain_score(&self) -> f32 {
        self.above_sure(self.certain)
    }

    /// Whether a second look of this score confirms a candidate whose best observation had that one.
    pub fn confirms(&self, best: f32, second: f32) -> bool {
        self.lacking(best, second) <= 0.0
    }

    /// Whether it does not by a little.
    pub(super) fn nearly_confirms(&self, best: f32, second: f32) -> bool {
        self.lacking(best, second) <= self.nearly
    }

    /// What their mean lacks.
    fn lacking(&self, best: f32, second: f32) -> f32 {
        self.above_sure(self.confirmed) - (best + self.second_weight * (second - best))
    }

    fn above_sure(&self, share: f32) -> f32 {
        self.sure_score + share * (1.0 - self.sure_score)
    }

    /// Probability, 0 to 1, from which an observation may begin a candidate.
    pub(super) fn beginning_score(&self) -> f32 {
        self.begins * self.sure_score
    }

    /// Probability from which an observation can keep a track: the limit that the detector is to have.
    pub fn doubtful_score(&self) -> f32 {
        Self::DOUBTFUL * self.sure_score
    }
}
