//! Faces found and tracked by whatever the bundle has: its detector, or the cascade of this program.

use inference::Predictor;
use shared_model::image::GrayView;

use crate::clock::Clock;
use crate::live::LiveFaces;
use crate::stats::Stats;
use crate::track::{FollowError, Follower, Pace, SearchError, Seen, TrackConfig};

/// Finds and tracks the faces of frame after frame.
pub struct FaceTracking {
    config: TrackConfig,
    pace: Pace,
    way: Way,
}

enum Way {
    /// By the detector of the bundle, in every frame.
    Detector(Box<LiveFaces>),
    /// By the cascade, now and then.
    Cascade(Box<Follower>),
}

impl FaceTracking {
    /// Tracks nobody yet; the way is that of the predictor's bundle.
    ///
    /// # Errors
    /// [`SearchError`] where the bundle has no detector and the cascade cannot be set up.
    pub fn new(config: TrackConfig, pace: Pace, predictor: &Predictor) -> Result<Self, SearchError> {
        Ok(Self {
            config,
            pace,
            way: Way::new(config, pace, predictor, 1)?,
        })
    }

    /// Whether every frame is searched, by the bundle's own detector.
    pub fn is_by_detector(&self) -> bool {
        matches!(self.way, Way::Detector(_))
    }

    /// The faces of the last frame, in the order in which they came.
    pub fn seen(&self) -> &[Seen] {
        match &self.way {
            Way::Detector(live) => live.seen(),
            Way::Cascade(follower) => follower.seen(),
        }
    }

    /// The face of the last frame that counts.
    pub fn counting(&self) -> Option<&Seen> {
        match &self.way {
            Way::Detector(live) => live.counting(),
            Way::Cascade(follower) => follower.counting(),
        }
    }

    /// Whether the search is not the same as when this was last asked: the cascade may take long, and frames go on
    /// meanwhile. The detector of a bundle is waited for.
    pub fn has_searched(&mut self) -> bool {
        match &mut self.way {
            Way::Detector(_) => true,
            Way::Cascade(follower) => follower.has_searched(),
        }
    }

    /// Looks at the next frame, taken at `time_ms`. A predictor of another bundle than before may change the way; numbers
    /// go on.
    ///
    /// # Errors
    /// [`FollowError`] where a network or the cascade cannot run.
    pub fn look(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), FollowError> {
        if !self.way.suits(predictor) {
            self.way = Way::new(self.config, self.pace, predictor, self.way.next_number())?;
        }
        match &mut self.way {
            Way::Detector(live) => live.look(frame, time_ms, predictor, clock, stats),
            Way::Cascade(follower) => follower.look(frame, time_ms, predictor, clock, stats),
        }
    }
}

impl Way {
    fn new(config: TrackConfig, pace: Pace, predictor: &Predictor, first: u32) -> Result<Self, SearchError> {
        Ok(match predictor.detector() {
            Some(network) => Self::Detector(Box::new(LiveFaces::new(config, network.entry(), first))),
            None => Self::Cascade(Box::new(Follower::new(config, pace)?.numbering_from(first))),
        })
    }

    fn suits(&self, predictor: &Predictor) -> bool {
        match (self, predictor.detector()) {
            (Self::Detector(live), Some(network)) => live.detector() == network.entry(),
            (Self::Cascade(_), None) => true,
            _ => false,
        }
    }

    fn next_number(&self) -> u32 {
        match self {
            Self::Detector(live) => live.next_number(),
            Self::Cascade(follower) => follower.next_number(),
        }
    }
}
