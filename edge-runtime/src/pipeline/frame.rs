//! One frame: its faces, what the networks say of them, and the verdict.

use shared_model::message::{Face, FaceLine};

use super::{Exit, FrameError, Pipeline, PipelineContext, light};
use crate::sink::FrameFacts;
use crate::source::Frame;
use vision::clock::Clock;
use vision::tracking::TrackError;

impl Pipeline {
    /// Judges a frame whose time has come, and shows the sinks what was found.
    pub(super) fn judge(&mut self, frame: &Frame, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        let start = context.clock.now();
        if let Err(error) = self.find_faces(frame, context.clock) {
            if matches!(
                error,
                FrameError::Predict(_) | FrameError::Track(TrackError::Predict(_))
            ) {
                self.progress.fail();
            }
            self.skip(&error, context);
            let change = self.decider.tick(frame.time_ms);
            return self.show(change, context);
        }
        self.stats.judged += 1;
        let judged = context.clock.now();
        self.progress.infer(judged.saturating_sub(start));
        self.show_faces(frame, context)?;
        let change = self.decider.see(frame.time_ms, self.faces.counting());
        self.show(change, context)?;
        self.progress.put_out();
        let end = context.clock.now();
        self.stats.decide.record(end.saturating_sub(judged));
        self.stats.total.record(end.saturating_sub(start));
        self.measure(frame, context)
    }

    /// Tells the sinks what else is known of a judged frame.
    fn measure(&mut self, frame: &Frame, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        let Ok(picture) = frame.picture.gray() else {
            return Ok(());
        };
        let counting = self.faces.counting().map(|seen| seen.id);
        let facts = FrameFacts {
            number: frame.number,
            time_ms: frame.time_ms,
            width: frame.picture.width(),
            height: frame.picture.height(),
            light: light::mean(picture),
            counting: counting.filter(|id| *id > 0),
            stats: &self.stats,
        };
        self.outputs.measured(&facts, context.report)
    }

    fn find_faces(&mut self, frame: &Frame, clock: &dyn Clock) -> Result<(), FrameError> {
        let picture = frame.picture.gray()?;
        let before = (self.stats.find.recorded(), self.stats.find.total());
        let (predictor, stats) = (&mut self.predictor, &mut self.stats);
        let found = self.faces.find(picture, frame.time_ms, predictor, clock, stats);
        self.progress.found(before, &self.stats.find);
        found
    }

    /// Gives the sinks a line for each face, or one that says that there is none.
    fn show_faces(&mut self, frame: &Frame, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        let mut line = FaceLine {
            input: &frame.input,
            frame: frame.number,
            time_ms: Some(frame.time_ms),
            face: None,
        };
        for seen in self.faces.found() {
            line.face = Some(Face {
                bounds: seen.bounds,
                id: (seen.id > 0).then_some(seen.id),
                reject_reason: seen.reject_reason,
                classes: &self.classes,
                scores: seen.prediction.scores.clone(),
                keypoints: seen.prediction.keypoints,
            });
            self.outputs.frame(&line, context.report)?;
        }
        if line.face.is_none() {
            self.outputs.frame(&line, context.report)?;
        }
        Ok(())
    }
}
