//! From a source to the sinks: frame, face, networks, verdict, signal.
//!
//! The source runs on a thread of its own, so that one that stalls keeps neither a stop signal waiting
//! nor an old verdict alive; of a camera only the newest frame is kept. A bad frame is counted and skipped; a sink that
//! fails is tried again with each frame and ends the run when it keeps failing.

mod error;
mod light;
mod outputs;
mod pacer;
mod progress;
mod reader;
mod slot;
mod swap;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::message::{Face, FaceLine, State};

use crate::decide::{Change, Decider, Observation};
use crate::sink::{FrameFacts, SignalSink};
use crate::source::{Frame, FrameSource};
use crate::switches::{Switch, Switches};
use inference::Predictor;
use vision::clock::Clock;
use vision::track::FollowError;

use outputs::Outputs;
use pacer::{Pacer, Turn};
use reader::Reader;
use slot::{Keep, Taken};

pub use error::{PipelineError, Trouble};
pub use progress::Progress;
pub use swap::Swap;
pub use vision::stats::{Latencies, Stats};
pub use watch::Watch;

/// Longest wait before the stop signal and the age of the verdict are looked at again.
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
    /// Finds the faces.
    pub watch: Watch,
    /// Runs the networks.
    pub predictor: Predictor,
    /// Names what they give.
    pub classes: ClassSet,
    /// Forms the verdict.
    pub decider: Decider,
    /// Show it.
    pub sinks: Vec<Box<dyn SignalSink>>,
    /// Identifies this start of the program.
    pub boot: Text<32>,
    /// Is told how far the run has come.
    pub progress: Arc<Progress>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The source had no more frames.
    Exhausted,
    /// The stop signal came.
    Stopped,
    /// Nobody reads the output any more.
    Closed,
}

/// What a run goes by; lent to it by the program.
pub struct Surroundings<'a> {
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Ends the run when it becomes true.
    pub stop: &'a AtomicBool,
    /// Is told what goes wrong.
    pub report: &'a mut dyn FnMut(&Trouble),
}

/// Takes frames to the sinks.
pub struct Pipeline {
    watch: Watch,
    predictor: Predictor,
    classes: ClassSet,
    decider: Decider,
    outputs: Outputs,
    boot: Text<32>,
    progress: Arc<Progress>,
    sequence: u64,
    /// Number of the face that the verdict is about.
    face: Option<u32>,
    stats: Stats,
    swaps: Option<Receiver<Swap>>,
    /// While its pause is on, no frame is judged.
    switches: Option<Arc<Switches>>,
}

/// Why the loop was left.
enum Leave {
    End(End),
    Error(PipelineError),
}

impl Pipeline {
    /// A pipeline of these stages.
    pub fn new(stages: Stages) -> Self {
        Self {
            watch: stages.watch,
            face: None,
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

    /// The same pipeline, which takes up what comes here, between two frames.
    #[must_use]
    pub fn swapping(mut self, swaps: Receiver<Swap>) -> Self {
        self.swaps = Some(swaps);
        self
    }

    /// What has been counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes frames until the source ends or the stop signal comes, then leaves every sink safe.
    pub fn run(
        &mut self,
        source: Box<dyn FrameSource>,
        timing: Timing,
        around: &mut Surroundings<'_>,
    ) -> Result<End, PipelineError> {
        let reader = Reader::start(source, timing.keep(), Arc::clone(&self.progress))?;
        let left = self.pump(&reader, timing, around);
        self.outputs.close(around.report);
        self.stats.sink_errors = self.outputs.errors();
        let replaced = reader.dropped();
        self.stats.frames += replaced;
        self.stats.dropped += replaced;
        match left {
            // The thread is over: whether it ended or broke down shows only now.
            Leave::End(End::Exhausted) => reader.join().map(|()| End::Exhausted),
            Leave::End(end) => {
                reader.leave(around.clock);
                Ok(end)
            }
            Leave::Error(error) => {
                reader.leave(around.clock);
                Err(error)
            }
        }
    }

    fn pump(&mut self, reader: &Reader, timing: Timing, around: &mut Surroundings<'_>) -> Leave {
        let start = around.clock.now();
        let mut pacer = Pacer::new(timing);
        let mut frame = Frame::default();
        // Whoever reads along knows from the first moment that nothing is known yet.
        let nothing = self.decider.beginning();
        if let Err(leave) = self.tell(Some(nothing), around) {
            return leave;
        }
        loop {
            self.stats.elapsed = around.clock.now().saturating_sub(start);
            if around.stop.load(Ordering::Relaxed) {
                return Leave::End(End::Stopped);
            }
            self.swap();
            if self.is_paused() {
                if let Err(leave) = self.pause(timing, &mut pacer, reader, &mut frame, around) {
                    return leave;
                }
                continue;
            }
            let step = match reader.take(&mut frame, POLL) {
                Taken::Frame => self.take(&frame, &mut pacer, around),
                Taken::Error(error) => {
                    self.skip(&error.into(), around);
                    self.idle(&pacer, around)
                }
                Taken::Nothing => self.idle(&pacer, around),
                Taken::End => return Leave::End(End::Exhausted),
            };
            if let Err(leave) = step {
                return leave;
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
        around: &mut Surroundings<'_>,
    ) -> Result<(), Leave> {
        let start = around.clock.now();
        let change = self.decider.interrupt(pacer.time_ms(start));
        self.tell(change, around)?;
        if timing.keep() == Keep::Newest {
            match reader.take(frame, POLL) {
                Taken::Frame => self.stats.dropped += 1,
                Taken::Error(error) => self.skip(&error.into(), around),
                Taken::Nothing => {}
                Taken::End => return Err(Leave::End(End::Exhausted)),
            }
        } else {
            around.clock.sleep(POLL);
            pacer.wait(around.clock.now().saturating_sub(start));
        }
        Ok(())
    }

    /// Waits for the time of a frame, then judges it, unless that time is over.
    fn take(&mut self, frame: &Frame, pacer: &mut Pacer, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        self.stats.frames += 1;
        self.stats.capture.record(frame.capture);
        while let Turn::After(wait) = pacer.turn(frame, around.clock.now()) {
            if around.stop.load(Ordering::Relaxed) || self.is_paused() {
                return Ok(());
            }
            self.idle(pacer, around)?;
            around.clock.sleep(wait.min(POLL));
        }
        if pacer.turn(frame, around.clock.now()) == Turn::Over {
            self.stats.dropped += 1;
            return self.idle(pacer, around);
        }
        pacer.took(frame, around.clock.now());
        self.judge(frame, around)
    }

    fn judge(&mut self, frame: &Frame, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        let start = around.clock.now();
        if let Err(trouble) = self.look(frame, around.clock) {
            if matches!(trouble, Trouble::Predict(_) | Trouble::Follow(FollowError::Predict(_))) {
                self.progress.fail();
            }
            self.skip(&trouble, around);
            let change = self.decider.tick(frame.time_ms);
            return self.tell(change, around);
        }
        self.stats.judged += 1;
        if self.watch.has_searched() {
            self.progress.search();
        }
        let judged = around.clock.now();
        self.progress.infer(judged.saturating_sub(start));
        self.tell_faces(frame, around)?;
        let change = self.decide(frame.time_ms);
        self.tell(change, around)?;
        self.progress.put_out();
        let end = around.clock.now();
        self.stats.decide.record(end.saturating_sub(judged));
        self.stats.total.record(end.saturating_sub(start));
        self.measure(frame, around)
    }

    /// Tells the sinks what else is known of a judged frame.
    fn measure(&mut self, frame: &Frame, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        let Ok(picture) = frame.picture.gray() else {
            return Ok(());
        };
        let counting = self.watch.counting().map(|seen| seen.id);
        let facts = FrameFacts {
            number: frame.number,
            time_ms: frame.time_ms,
            width: frame.picture.width(),
            height: frame.picture.height(),
            light: light::mean(picture),
            counting: counting.filter(|id| *id > 0),
            stats: &self.stats,
        };
        self.outputs.measured(&facts, around.report)
    }

    fn look(&mut self, frame: &Frame, clock: &dyn Clock) -> Result<(), Trouble> {
        let picture = frame.picture.gray()?;
        let (predictor, stats) = (&mut self.predictor, &mut self.stats);
        self.watch.look(picture, frame.time_ms, predictor, clock, stats)
    }

    /// Gives the sinks a line for each face, or one that says that there is none.
    fn tell_faces(&mut self, frame: &Frame, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        let mut line = FaceLine {
            input: &frame.input,
            frame: frame.number,
            time_ms: Some(frame.time_ms),
            face: None,
        };
        for seen in self.watch.seen() {
            line.face = Some(Face {
                bounds: seen.bounds,
                id: (seen.id > 0).then_some(seen.id),
                withheld: seen.withheld,
                classes: &self.classes,
                scores: seen.prediction.scores.clone(),
                keypoints: seen.prediction.keypoints,
            });
            self.outputs.frame(&line, around.report)?;
        }
        if line.face.is_none() {
            self.outputs.frame(&line, around.report)?;
        }
        Ok(())
    }

    /// Forms the verdict about the face that counts; another face's scores start anew.
    fn decide(&mut self, time_ms: u64) -> Option<Change> {
        let seen = self.watch.counting();
        let id = seen.map(|seen| seen.id);
        if id.is_some() && self.face.is_some() && id != self.face {
            self.decider.another_face();
        }
        self.face = id.or(self.face);
        let observation = match seen {
            None => Observation::NoFace,
            Some(seen) => match seen.withheld {
                Some(why) => Observation::Unjudged(why),
                None => Observation::Face(seen.prediction.scores.clone()),
            },
        };
        self.decider.observe(time_ms, &observation)
    }

    /// While no frame comes: the verdict grows old.
    fn idle(&mut self, pacer: &Pacer, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        let change = pacer
            .time_ms(around.clock.now())
            .and_then(|now_ms| self.decider.tick(now_ms));
        self.tell(change, around)
    }

    fn skip(&mut self, trouble: &Trouble, around: &mut Surroundings<'_>) {
        self.stats.bad += 1;
        (around.report)(trouble);
    }

    /// Gives a change to the sinks, and the newest state to those that lack it.
    fn tell(&mut self, change: Option<Change>, around: &mut Surroundings<'_>) -> Result<(), Leave> {
        let Some(change) = change else {
            return self.outputs.catch_up(around.report);
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
        self.outputs.show(state, around.report)
    }
}
