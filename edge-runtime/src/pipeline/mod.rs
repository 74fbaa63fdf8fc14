//! From a source to the sinks: frame, face, networks, verdict, signal.
//!
//! The source runs on a thread of its own, so that one that stalls keeps neither a stop signal waiting
//! nor an old verdict alive; of a camera only the newest frame is kept. A bad frame is counted and skipped; a sink that
//! fails is tried again with each frame and ends the run when it keeps failing.

mod error;
mod face_source;
mod frame;
mod light;
mod model_swap;
mod outputs;
mod pacer;
mod progress;
mod reader;
mod slot;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::message::State;

use crate::decide::{Change, Decider};
use crate::sink::SignalSink;
use crate::source::{Frame, FrameSource};
use crate::switches::{Switch, Switches};
use inference::Predictor;
use vision::clock::Clock;

use outputs::Outputs;
use pacer::{Pacer, Turn};
use reader::Reader;
use slot::{Keep, Taken};

pub use error::{FrameError, PipelineError};
pub use face_source::FaceSource;
pub use model_swap::ModelSwap;
pub use progress::Progress;
pub use vision::stats::{Latencies, Stats};

/// Longest wait before the stop signal and the age of the verdict are checked again.
const POLL: Duration = Duration::from_millis(50);

/// How the time of the frames relates to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Not at all: frames are taken as fast as they can be judged, and only their own time counts. The
    /// same frames give the same states.
    Recorded,
    /// Frames of a recording are held back until their time has come, and left out when it is over.
    Paced,
    /// Frames come when they come, and only the newest counts; while none comes, time goes on.
    Live,
}

impl Timing {
    fn keep(self) -> Keep {
        match self {
            Self::Recorded | Self::Paced => Keep::All,
            Self::Live => Keep::Newest,
        }
    }
}

/// Everything that a frame passes through.
pub struct Stages {
    /// Finds the faces of each frame.
    pub faces: FaceSource,
    /// Runs both networks on a face.
    pub predictor: Predictor,
    /// Names the scores that the networks give, in their order.
    pub classes: ClassSet,
    /// Forms the verdict from the scores.
    pub decider: Decider,
    /// Show the verdict, in this order.
    pub sinks: Vec<Box<dyn SignalSink>>,
    /// Identifies this start of the program.
    pub boot: Text<32>,
    /// Is told how far the run has come.
    pub progress: Arc<Progress>,
}

/// How a run ended that no error ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source had no more frames.
    Exhausted,
    /// The stop signal ended it.
    Stopped,
    /// Nobody reads the output any more.
    Closed,
}

/// What the program lends to a run.
pub struct PipelineContext<'a> {
    /// Tells the time; a test moves it by hand.
    pub clock: &'a dyn Clock,
    /// Ends the run when it becomes true.
    pub stop: &'a AtomicBool,
    /// Hears of every frame or sink that failed without ending the run.
    pub report: &'a mut dyn FnMut(&FrameError),
}

/// Takes frames to the sinks.
pub struct Pipeline {
    faces: FaceSource,
    predictor: Predictor,
    classes: ClassSet,
    decider: Decider,
    outputs: Outputs,
    boot: Text<32>,
    progress: Arc<Progress>,
    sequence: u64,
    stats: Stats,
    swaps: Option<Receiver<ModelSwap>>,
    /// While its pause is on, no frame is judged.
    switches: Option<Arc<Switches>>,
}

/// Why the loop was left.
enum Exit {
    End(End),
    Error(PipelineError),
}

impl Pipeline {
    /// A pipeline of these stages, before its first frame.
    pub fn new(stages: Stages) -> Self {
        Self {
            faces: stages.faces,
            predictor: stages.predictor,
            classes: stages.classes,
            decider: stages.decider,
            outputs: Outputs::new(stages.sinks),
            boot: stages.boot,
            progress: stages.progress,
            sequence: 0,
            stats: Stats::default(),
            swaps: None,
            switches: None,
        }
    }

    /// The same pipeline, which judges nothing while these switches pause it: nothing is known at once, and a recording
    /// waits.
    #[must_use]
    pub fn pausing(mut self, switches: Arc<Switches>) -> Self {
        self.switches = Some(switches);
        self
    }

    /// The same pipeline, which takes up the networks that come here, between two frames.
    #[must_use]
    pub fn swapping(mut self, swaps: Receiver<ModelSwap>) -> Self {
        self.swaps = Some(swaps);
        self
    }

    /// The networks that ran last, those included that came at the very end.
    pub fn into_predictor(mut self) -> Predictor {
        self.swap();
        self.predictor
    }

    /// What has been counted and timed so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes frames until the source ends or the stop signal comes, then leaves every sink safe.
    ///
    /// # Errors
    ///
    /// When the thread of the source cannot be started or breaks down, and when a sink keeps failing.
    pub fn run(
        &mut self,
        source: Box<dyn FrameSource>,
        timing: Timing,
        context: &mut PipelineContext<'_>,
    ) -> Result<End, PipelineError> {
        let reader = Reader::start(source, timing.keep(), Arc::clone(&self.progress))?;
        let left = self.pump(&reader, timing, context);
        self.outputs.close(context.report);
        self.stats.sink_errors = self.outputs.errors();
        let replaced = reader.dropped();
        self.stats.frames += replaced;
        self.stats.dropped += replaced;
        match left {
            // The thread is over: whether it ended or broke down shows only now.
            Exit::End(End::Exhausted) => reader.join().map(|()| End::Exhausted),
            Exit::End(end) => {
                reader.leave(context.clock);
                Ok(end)
            }
            Exit::Error(error) => {
                reader.leave(context.clock);
                Err(error)
            }
        }
    }

    fn pump(&mut self, reader: &Reader, timing: Timing, context: &mut PipelineContext<'_>) -> Exit {
        let start = context.clock.now();
        let mut pacer = Pacer::new(timing);
        let mut frame = Frame::default();
        // Whoever reads along knows from the first moment that nothing is known yet.
        let nothing = self.decider.beginning();
        if let Err(exit) = self.show(Some(nothing), context) {
            return exit;
        }
        self.outputs.flush();
        loop {
            self.stats.elapsed = context.clock.now().saturating_sub(start);
            if context.stop.load(Ordering::Relaxed) {
                return Exit::End(End::Stopped);
            }
            self.swap();
            if self.is_paused() {
                if let Err(exit) = self.pause(timing, &mut pacer, reader, &mut frame, context) {
                    return exit;
                }
                continue;
            }
            let step = match reader.take(&mut frame, POLL) {
                Taken::Frame => self.take(&frame, &mut pacer, context),
                Taken::Error(error) => {
                    self.skip(&error.into(), context);
                    self.idle(&pacer, context)
                }
                Taken::Nothing => self.idle(&pacer, context),
                Taken::End => return Exit::End(End::Exhausted),
            };
            if let Err(exit) = step {
                return exit;
            }
        }
    }

    /// Takes up the newest networks that were loaded meanwhile; the verdict goes on.
    fn swap(&mut self) {
        let Some(swap) = self.swaps.as_ref().and_then(|swaps| swaps.try_iter().last()) else {
            return;
        };
        self.predictor = swap.predictor;
        self.decider.adopt(swap.decide, swap.abstain_below);
        self.outputs.adopt(swap.decide, swap.abstain_below);
    }

    fn is_paused(&self) -> bool {
        let switches = self.switches.as_ref();
        switches.is_some_and(|switches| switches.is_on(Switch::Pause))
    }

    /// A moment of a pause. What comes from a camera meanwhile is thrown away; a recording is left where it is.
    fn pause(
        &mut self,
        timing: Timing,
        pacer: &mut Pacer,
        reader: &Reader,
        frame: &mut Frame,
        context: &mut PipelineContext<'_>,
    ) -> Result<(), Exit> {
        let start = context.clock.now();
        let change = self.decider.interrupt(pacer.time_ms(start));
        self.show(change, context)?;
        self.outputs.flush();
        if timing.keep() == Keep::Newest {
            match reader.take(frame, POLL) {
                Taken::Frame => self.stats.dropped += 1,
                Taken::Error(error) => self.skip(&error.into(), context),
                Taken::Nothing => {}
                Taken::End => return Err(Exit::End(End::Exhausted)),
            }
        } else {
            context.clock.sleep(POLL);
            pacer.wait(context.clock.now().saturating_sub(start));
        }
        Ok(())
    }

    /// Waits for the time of a frame, then judges it, unless that time is over.
    fn take(&mut self, frame: &Frame, pacer: &mut Pacer, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        self.stats.frames += 1;
        self.stats.capture.record(frame.capture);
        while let Turn::After(wait) = pacer.turn(frame, context.clock.now()) {
            if context.stop.load(Ordering::Relaxed) || self.is_paused() {
                return Ok(());
            }
            self.idle(pacer, context)?;
            context.clock.sleep(wait.min(POLL));
        }
        if pacer.turn(frame, context.clock.now()) == Turn::Over {
            self.stats.dropped += 1;
            return self.idle(pacer, context);
        }
        pacer.took(frame, context.clock.now());
        self.judge(frame, context)?;
        self.outputs.flush();
        Ok(())
    }

    /// While no frame comes: the verdict grows old.
    fn idle(&mut self, pacer: &Pacer, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        let change = pacer
            .time_ms(context.clock.now())
            .and_then(|now_ms| self.decider.tick(now_ms));
        self.show(change, context)?;
        self.outputs.flush();
        Ok(())
    }

    fn skip(&mut self, error: &FrameError, context: &mut PipelineContext<'_>) {
        self.stats.bad += 1;
        (context.report)(error);
    }

    /// Shows a change to the sinks, and the newest state to those that lack it.
    fn show(&mut self, change: Option<Change>, context: &mut PipelineContext<'_>) -> Result<(), Exit> {
        let Some(change) = change else {
            return self.outputs.catch_up(context.report);
        };
        let state = State {
            boot: self.boot.clone(),
            sequence: self.sequence,
            time_ms: change.time_ms,
            face: change.face(),
            emotion: change.verdict,
            confidence: change.confidence,
            reason: change.reason,
        };
        self.sequence += 1;
        self.outputs.show(state, context.report)
    }
}
