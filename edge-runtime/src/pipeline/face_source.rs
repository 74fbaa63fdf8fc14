//! Where the faces of a frame come from.

use shared_model::image::GrayView;

use super::FrameError;
use inference::Predictor;
use vision::clock::Clock;
use vision::locate::Locator;
use vision::stats::Stats;
use vision::tracking::{FaceTracker, TrackedFace};

/// Finds the faces of frame after frame and runs the networks on them.
pub enum FaceSource {
    /// Every frame has its face in the same place.
    Fixed(FixedPlace),
    /// Faces come, move and go.
    Tracked(Box<FaceTracker>),
}

/// One face a frame, in a known place.
pub struct FixedPlace {
    locator: Locator,
    found: Vec<TrackedFace>,
}

impl FaceSource {
    /// One face in every frame, where the locator says.
    pub fn fixed(locator: Locator) -> Self {
        Self::Fixed(FixedPlace {
            locator,
            found: Vec::with_capacity(1),
        })
    }

    /// Finds the faces of the next frame, taken at `time_ms`, and runs the networks on them.
    pub(super) fn find(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), FrameError> {
        match self {
            Self::Tracked(tracking) => Ok(tracking.track(frame, time_ms, predictor, clock, stats)?),
            Self::Fixed(fixed) => fixed.find(frame, predictor, clock, stats),
        }
    }

    /// The faces of the last frame.
    pub(super) fn found(&self) -> &[TrackedFace] {
        match self {
            Self::Tracked(tracking) => tracking.seen(),
            Self::Fixed(fixed) => &fixed.found,
        }
    }

    /// The one of them that the verdict is about.
    pub(super) fn counting(&self) -> Option<&TrackedFace> {
        match self {
            Self::Tracked(tracking) => tracking.counting(),
            Self::Fixed(fixed) => fixed.found.first(),
        }
    }
}

impl FixedPlace {
    fn find(
        &mut self,
        frame: GrayView<'_>,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), FrameError> {
        self.found.clear();
        let start = clock.now();
        let located = self.locator.largest(frame, predictor)?;
        let found = clock.now();
        stats.find.record(found.saturating_sub(start));
        let Some(located) = located else { return Ok(()) };
        predictor.crop(frame, &located.crops)?;
        let cropped = clock.now();
        stats.crop.record(cropped.saturating_sub(found));
        let prediction = predictor.run()?;
        stats.networks.record(clock.now().saturating_sub(cropped));
        self.found.push(TrackedFace {
            id: 0,
            bounds: located.bounds,
            prediction,
            reject_reason: None,
        });
        Ok(())
    }
}
