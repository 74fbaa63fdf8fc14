mod flush;

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Mutex;

use super::*;
use crate::decide::DecideConfig;
use crate::sink::{GpioError, SinkError};
use crate::source::{FrameSource, Next, SourceError};
use inference::bundle::Bundle;
use inference::picture::Picture;
use shared_model::message::FaceLine;
use testing::bundle::write_bundle;
use vision::locate::{Faces, Locator};

/// Stands still but for sleeping.
#[derive(Default)]
struct Frozen(Cell<Duration>);

impl Clock for Frozen {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }
}

/// Frames that are there already; `None` cannot be read.
struct Ready(VecDeque<Option<Frame>>);

impl FrameSource for Ready {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        match self.0.pop_front() {
            None => Ok(Next::End),
            Some(None) => Err(SourceError::Missing { path: "gone".into() }),
            Some(Some(next)) => {
                *frame = next;
                Ok(Next::Frame)
            }
        }
    }
}

/// Frames every 100 ms; `None` is one that cannot be read.
fn source(values: &[Option<u8>]) -> Box<dyn FrameSource> {
    let frame = |(number, value): (usize, &Option<u8>)| {
        value.map(|value| Frame {
            input: "test".into(),
            number: number as u64,
            time_ms: number as u64 * 100,
            capture: Duration::ZERO,
            picture: Picture::from_gray(vec![value; 96 * 96], 96, 96).unwrap(),
        })
    };
    Box::new(Ready(values.iter().enumerate().map(frame).collect()))
}

/// Writes down what it gets; fails the given number of times.
#[derive(Clone, Default)]
struct Log {
    lines: Rc<RefCell<Vec<String>>>,
    failures: Rc<Cell<u32>>,
    closed: Rc<Cell<bool>>,
}

impl SignalSink for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        if self.failures.get() > 0 {
            self.failures.set(self.failures.get() - 1);
            return Err(GpioError::Set {
                pin: 1,
                reason: "gone".into(),
            }
            .into());
        }
        let line = format!("{} {} {}", state.sequence, state.time_ms, state.emotion.as_str());
        self.lines.borrow_mut().push(line);
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.closed.set(true);
        Ok(())
    }
}

struct Run {
    end: Result<End, PipelineError>,
    troubles: Vec<String>,
    stats: Stats,
    progress: Arc<Progress>,
}

fn run(source: Box<dyn FrameSource>, timing: Timing, sinks: Vec<Box<dyn SignalSink>>, stop: &AtomicBool) -> Run {
    switched(source, timing, sinks, stop, &Arc::default())
}

fn switched(
    source: Box<dyn FrameSource>,
    timing: Timing,
    sinks: Vec<Box<dyn SignalSink>>,
    stop: &AtomicBool,
    switches: &Arc<Switches>,
) -> Run {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    let bundle = Bundle::open(dir.path()).unwrap();
    let classes = bundle.manifest().classes.clone();
    let config = DecideConfig {
        enter: 0.2,
        leave: 0.2,
        dwell_ms: 100,
        smoothing_ms: 0,
        ..DecideConfig::default()
    };
    let progress = Arc::new(Progress::default());
    let mut pipeline = Pipeline::new(Stages {
        progress: Arc::clone(&progress),
        faces: FaceSource::fixed(Locator::new(Faces::Whole).unwrap()),
        predictor: Predictor::load(&bundle).unwrap(),
        decider: Decider::new(config, classes.clone(), 0.0).unwrap(),
        classes,
        sinks,
        boot: Text::new(),
    })
    .pausing(Arc::clone(switches));
    let mut troubles = Vec::new();
    let mut report = |error: &FrameError| troubles.push(error.to_string());
    let clock = Frozen::default();
    let end = pipeline.run(
        source,
        timing,
        &mut PipelineContext {
            clock: &clock,
            stop,
            report: &mut report,
        },
    );
    Run {
        end,
        troubles,
        stats: pipeline.stats().clone(),
        progress,
    }
}

fn logged(source: Box<dyn FrameSource>, timing: Timing, log: &Log) -> Run {
    run(source, timing, vec![Box::new(log.clone())], &AtomicBool::new(false))
}

#[test]
fn frames_become_states_and_the_sinks_are_closed() {
    let log = Log::default();
    let run = logged(source(&[Some(90); 5]), Timing::Recorded, &log);
    assert_eq!(run.end.unwrap(), End::Exhausted);
    // The last class of the test network has the largest bias.
    assert_eq!(*log.lines.borrow(), ["0 0 unknown", "1 100 Surprise"]);
    assert_eq!((run.stats.frames, run.stats.judged, run.stats.bad), (5, 5, 0));
    let progress = &run.progress;
    assert_eq!((progress.captured(), progress.inferred(), progress.output()), (5, 5, 5));
    assert!(log.closed.get());
}

#[test]
fn same_frames_give_the_same_states() {
    let frames: Vec<Option<u8>> = (0..40).map(|at: u32| Some((at * 37 % 256) as u8)).collect();
    let (first, second) = (Log::default(), Log::default());
    logged(source(&frames), Timing::Recorded, &first);
    logged(source(&frames), Timing::Recorded, &second);
    assert!(!first.lines.borrow().is_empty());
    assert_eq!(first.lines, second.lines);
}

#[test]
fn bad_frames_are_counted_and_skipped() {
    let log = Log::default();
    let run = logged(source(&[Some(1), None, Some(1), None, Some(1)]), Timing::Recorded, &log);
    assert_eq!((run.stats.frames, run.stats.judged, run.stats.bad), (3, 3, 2));
    assert_eq!(run.troubles.len(), 2);
    assert!(run.troubles[0].contains("gone"));
    assert_eq!(log.lines.borrow().len(), 2);
}

#[test]
fn what_is_too_old_is_unknown() {
    let log = Log::default();
    let mut frames = [Some(9); 30];
    frames[3..20].fill(None);
    logged(source(&frames), Timing::Recorded, &log);
    assert_eq!(
        *log.lines.borrow(),
        ["0 0 unknown", "1 100 Surprise", "2 2000 unknown", "3 2100 Surprise"]
    );
}

#[test]
fn paced_frames_wait_for_their_time() {
    let log = Log::default();
    let run = logged(source(&[Some(9); 11]), Timing::Paced, &log);
    assert_eq!((run.stats.judged, run.stats.dropped), (11, 0));
    assert_eq!(run.stats.elapsed, Duration::from_secs(1));
}

/// Pauses with frame 4, and ends the pause after a while.
struct Pauses {
    switches: Arc<Switches>,
    log: Log,
    /// Signs of life during the pause.
    beats: u32,
}

impl SignalSink for Pauses {
    fn name(&self) -> &'static str {
        "pauses"
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        assert!(!self.switches.is_on(Switch::Pause), "frame {} was judged", line.frame);
        if line.frame == 4 {
            self.switches.apply(Switch::Pause, b"ON");
        }
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        if self.switches.is_on(Switch::Pause) {
            self.beats += 1;
            if self.beats > 40 {
                self.switches.apply(Switch::Pause, b"OFF");
            }
        }
        Ok(())
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        self.log.show(state)
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

#[test]
fn a_film_waits_during_a_pause_and_nothing_is_known_at_once() {
    for timing in [Timing::Paced, Timing::Recorded] {
        let (log, switches) = (Log::default(), Arc::<Switches>::default());
        let pauses = Pauses {
            switches: Arc::clone(&switches),
            log: log.clone(),
            beats: 0,
        };
        let stop = AtomicBool::new(false);
        let run = switched(source(&[Some(9); 20]), timing, vec![Box::new(pauses)], &stop, &switches);
        assert_eq!(run.end.unwrap(), End::Exhausted);
        // No frame is lost, and none comes late.
        assert_eq!((run.stats.judged, run.stats.dropped), (20, 0), "{timing:?}");
        let lines = log.lines.borrow();
        let said: Vec<&str> = lines.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(said, ["unknown", "Surprise", "unknown", "Surprise"], "{lines:?}");
        assert_eq!(lines[2], "2 400 unknown");
    }
}

#[test]
fn a_sink_that_failed_gets_the_newest_state_later() {
    let log = Log::default();
    log.failures.set(3);
    let run = logged(source(&[Some(9); 9]), Timing::Recorded, &log);
    assert_eq!(run.end.unwrap(), End::Exhausted);
    assert_eq!(*log.lines.borrow(), ["1 100 Surprise"]);
    assert_eq!(run.stats.sink_errors, 3);
}

#[test]
fn a_sink_that_keeps_failing_ends_the_run() {
    let log = Log::default();
    log.failures.set(u32::MAX);
    let run = logged(source(&[Some(9); 200]), Timing::Recorded, &log);
    assert!(matches!(run.end, Err(PipelineError::Sink { .. })));
    assert!(log.closed.get());
}

#[test]
fn the_stop_signal_ends_a_source_that_never_does() {
    struct Endless;
    impl FrameSource for Endless {
        fn read(&mut self, _: &mut Frame) -> Result<Next, SourceError> {
            Err(SourceError::Missing { path: "never".into() })
        }
    }
    let log = Log::default();
    let run = run(
        Box::new(Endless),
        Timing::Live,
        vec![Box::new(log.clone())],
        &AtomicBool::new(true),
    );
    assert_eq!(run.end.unwrap(), End::Stopped);
    assert!(log.closed.get());
}

#[test]
fn a_source_that_breaks_down_is_an_error() {
    struct Broken;
    impl FrameSource for Broken {
        fn read(&mut self, _: &mut Frame) -> Result<Next, SourceError> {
            panic!("the test's own")
        }
    }
    let run = logged(Box::new(Broken), Timing::Live, &Log::default());
    assert!(matches!(run.end, Err(PipelineError::Source)));
}

#[test]
fn live_frames_that_come_too_fast_are_dropped_and_counted() {
    /// Ten frames, then nothing until the last of them has been judged.
    struct Burst {
        next: u64,
        judged: Arc<Mutex<Vec<u64>>>,
    }
    impl FrameSource for Burst {
        fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
            if self.next == 10 {
                let done = self.judged.lock().unwrap().last() == Some(&9);
                return Ok(if done { Next::End } else { Next::Nothing });
            }
            frame.number = self.next;
            frame.time_ms = self.next * 100;
            frame.picture.rewrite(96, 96).unwrap();
            self.next += 1;
            Ok(Next::Frame)
        }
    }
    struct Numbers(Arc<Mutex<Vec<u64>>>);
    impl SignalSink for Numbers {
        fn name(&self) -> &'static str {
            "numbers"
        }
        fn show(&mut self, _: &State) -> Result<(), SinkError> {
            Ok(())
        }
        fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
            self.0.lock().unwrap().push(line.frame);
            Ok(())
        }
        fn close(&mut self) -> Result<(), SinkError> {
            Ok(())
        }
    }
    let judged = Arc::<Mutex<Vec<u64>>>::default();
    let burst = Burst {
        next: 0,
        judged: Arc::clone(&judged),
    };
    let sinks: Vec<Box<dyn SignalSink>> = vec![Box::new(Numbers(Arc::clone(&judged)))];
    let run = run(Box::new(burst), Timing::Live, sinks, &AtomicBool::new(false));
    assert_eq!(run.end.unwrap(), End::Exhausted);
    let judged = judged.lock().unwrap();
    assert_eq!((run.stats.frames, run.stats.judged), (10, judged.len() as u64));
    assert_eq!(run.stats.dropped, 10 - run.stats.judged);
    assert!(judged.is_sorted() && judged.last() == Some(&9), "{judged:?}");
}

#[test]
fn output_that_nobody_reads_ends_the_run_quietly() {
    struct Gone;
    impl SignalSink for Gone {
        fn name(&self) -> &'static str {
            "gone"
        }
        fn show(&mut self, _: &State) -> Result<(), SinkError> {
            Err(SinkError::Closed)
        }
        fn close(&mut self) -> Result<(), SinkError> {
            Err(SinkError::Closed)
        }
    }
    let run = run(
        source(&[Some(9); 9]),
        Timing::Recorded,
        vec![Box::new(Gone)],
        &AtomicBool::new(false),
    );
    assert_eq!(run.end.unwrap(), End::Closed);
    assert_eq!(run.troubles, [""; 0]);
}
