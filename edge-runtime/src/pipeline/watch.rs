//! Where the faces of a frame come from.

use shared_model::image::GrayView;

use super::Trouble;
use inference::Predictor;
use vision::clock::Clock;
use vision::locate::Locator;
use vision::stats::Stats;
use vision::track::{Follower, Seen};

/// Finds the faces of frame after frame and runs the networks on them.
pub enum Watch {
    /// Every frame has its face in the same place.
    Fixed(Fixed),
    /// Faces come, move and go.
    Follow(Box<Follower>),
}

/// One face a frame, in a known place.
pub struct Fixed {
    locator: Locator,
    seen: Vec<Seen>,
}

impl Watch {
    /// A face in the place that the locator knows.
    pub fn fixed(locator: Locator) -> Self {
        Self::Fixed(Fixed {
            locator,
            seen: Vec::with_capacity(1),
        })
    }

    /// Looks at the next frame.
    pub(super) fn look(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), Trouble> {
        match self {
            Self::Follow(follower) => Ok(follower.look(frame, time_ms, predictor, clock, stats)?),
            Self::Fixed(fixed) => fixed.look(frame, predictor, clock, stats),
        }
    }

    /// Whether the detector, if there is one on a thread of its own, has moved on.
    pub(super) fn has_searched(&mut self) -> bool {
        match self {
            Self::Follow(follower) => follower.has_searched(),
            Self::Fixed(_) => true,
        }
    }

    /// The faces of the last frame.
    pub(super) fn seen(&self) -> &[Seen] {
        match self {
            Self::Follow(follower) => follower.seen(),
            Self::Fixed(fixed) => &fixed.seen,
        }
    }

    /// The one of them that counts.
    pub(super) fn counting(&self) -> Option<&Seen> {
        match self {
            Self::Follow(follower) => follower.counting(),
            Self::Fixed(fixed) => fixed.seen.first(),
        }
    }
}

impl Fixed {
    fn look(
        &mut self,
        frame: GrayView<'_>,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), Trouble> {
        self.seen.clear();
        let start = clock.now();
        let located = self.locator.largest(frame, predictor);
        let found = clock.now();
        stats.find.record(found.saturating_sub(start));
        let Some(located) = located else { return Ok(()) };
        predictor.crop(frame, &located.crops)?;
        let cropped = clock.now();
        stats.crop.record(cropped.saturating_sub(found));
        let prediction = predictor.run()?;
        stats.networks.record(clock.now().saturating_sub(cropped));
        self.seen.push(Seen {
            id: 0,
            bounds: located.bounds,
            prediction,
            withheld: None,
        });
        Ok(())
    }
}
