//! The sinks of a run, and how each has been doing.

use shared_model::message::{FaceLine, State};

use super::error::MAX_FAILURES;
use super::{End, Exit, FrameError, PipelineError};
use crate::decide::DecideConfig;
use crate::sink::{FrameFacts, SignalSink, SinkError};

/// Is told what goes wrong without ending the run.
pub(super) type Report<'a> = dyn FnMut(&FrameError) + 'a;

struct Output {
    sink: Box<dyn SignalSink>,
    /// Failures since it last took something.
    failures: u32,
    /// Whether it lacks the newest state.
    behind: bool,
}

/// All sinks of a run, in the order in which they are told.
pub(super) struct Outputs {
    all: Vec<Output>,
    newest: Option<State>,
    errors: u64,
}

impl Outputs {
    pub(super) fn new(sinks: Vec<Box<dyn SignalSink>>) -> Self {
        let output = |sink| Output {
            sink,
            failures: 0,
            behind: false,
        };
        Self {
            all: sinks.into_iter().map(output).collect(),
            newest: None,
            errors: 0,
        }
    }

    /// How often a sink could not take something.
    pub(super) fn errors(&self) -> u64 {
        self.errors
    }

    /// Gives a judged frame to every sink.
    pub(super) fn frame(&mut self, line: &FaceLine<'_>, report: &mut Report<'_>) -> Result<(), Exit> {
        for output in &mut self.all {
            if let Err(error) = output.sink.frame(line) {
                self.errors += 1;
                output.failed(error, report)?;
            }
        }
        Ok(())
    }

    /// Gives what else is known of that frame to every sink.
    pub(super) fn measured(&mut self, facts: &FrameFacts<'_>, report: &mut Report<'_>) -> Result<(), Exit> {
        for output in &mut self.all {
            if let Err(error) = output.sink.measured(facts) {
                self.errors += 1;
                output.failed(error, report)?;
            }
        }
        Ok(())
    }

    /// Tells every sink that verdicts are formed with other limits from now on.
    pub(super) fn adopt(&mut self, decide: DecideConfig, abstain_below: f32) {
        for output in &mut self.all {
            output.sink.adopt(decide, abstain_below);
        }
    }

    /// Gives a new state to every sink.
    pub(super) fn show(&mut self, state: State, report: &mut Report<'_>) -> Result<(), Exit> {
        self.newest = Some(state);
        for output in &mut self.all {
            output.behind = true;
        }
        self.catch_up(report)
    }

    /// Gives every sink a sign of life, and the newest state to those that lack it.
    pub(super) fn catch_up(&mut self, report: &mut Report<'_>) -> Result<(), Exit> {
        for output in &mut self.all {
            if let Err(error) = output.sink.beat() {
                self.errors += 1;
                output.failed(error, report)?;
            }
        }
        let Some(state) = &self.newest else { return Ok(()) };
        for output in self.all.iter_mut().filter(|output| output.behind) {
            match output.sink.show(state) {
                Ok(()) => (output.behind, output.failures) = (false, 0),
                Err(error) => {
                    self.errors += 1;
                    output.failed(error, report)?;
                }
            }
        }
        Ok(())
    }

    /// Lets every sink wake whoever waits for what it was told.
    pub(super) fn flush(&mut self) {
        for output in &mut self.all {
            output.sink.flush();
        }
    }

    /// Leaves every sink in its safe state.
    pub(super) fn close(&mut self, report: &mut Report<'_>) {
        for output in &mut self.all {
            match output.sink.close() {
                Ok(()) | Err(SinkError::Closed) => {}
                Err(source) => {
                    self.errors += 1;
                    report(&output.error(source));
                }
            }
        }
    }
}

impl Output {
    fn failed(&mut self, source: SinkError, report: &mut Report<'_>) -> Result<(), Exit> {
        if matches!(source, SinkError::Closed) {
            return Err(Exit::End(End::Closed));
        }
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            let name = self.sink.name().to_owned();
            return Err(Exit::Error(PipelineError::Sink { name, source }));
        }
        report(&self.error(source));
        Ok(())
    }

    fn error(&self, source: SinkError) -> FrameError {
        FrameError::Sink {
            name: self.sink.name().to_owned(),
            source,
        }
    }
}
