//! What a long run costs in memory: nothing that grows, and nothing of our own for each frame.
//!
//! The allocator of the tests counts what a thread takes. tract takes a constant number of pieces for each
//! run of a network, the detector some for each search, and a second thread for the networks some to start;
//! all else must take none.

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use allocation_counter::measure;
use shared_model::image::GrayView;

use edge_runtime::decide::{DecideConfig, Decider};
use edge_runtime::pipeline::{End, FaceSource, Pipeline, PipelineContext, Stages, Stats, Timing};
use edge_runtime::sink::{self, JsonLines, SignalSink, SinkError};
use edge_runtime::source::{Files, Frame, FrameSource, Input, Next, Repeat, SourceError};
use inference::bundle::Bundle;
use inference::{Crops, Predictor, Threads};
use shared_model::Text;
use shared_model::message::{FaceLine, State};
use testing::bundle::write_bundle;
use testing::{rounds, shared_data};
use vision::clock::SystemClock;
use vision::face::DetectorConfig;
use vision::locate::{Faces, Locator};
use vision::tracking::{FaceTracker, TrackConfig};

/// Names the frames that a child of the tests is to run over.
const CHILD: &str = "EDGE_RUNTIME_TEST_FRAMES";
/// And its bundle; the tiny one of the tests where it is missing.
const BUNDLE: &str = "EDGE_RUNTIME_TEST_BUNDLE";

/// So many frames, each another grey picture, without taking memory.
struct Counted(u64, u64);

impl FrameSource for Counted {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        if self.0 == self.1 {
            return Ok(Next::End);
        }
        frame.number = self.0;
        frame.time_ms = self.0 * 33;
        for (at, value) in (0u64..).zip(frame.picture.rewrite(96, 96).unwrap()) {
            *value = (at * 7 + self.0 * 13) as u8;
        }
        self.0 += 1;
        Ok(Next::Frame)
    }
}

/// Memory that this process has taken, in bytes. Parts of the program's own file do not count: they come in as they are used,
/// and the system can drop them.
fn taken() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<i64>().unwrap() * 1024
}

/// Takes the process's memory at some frames.
struct Scale {
    at: Vec<u64>,
    taken: Rc<RefCell<Vec<i64>>>,
}

impl SignalSink for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn show(&mut self, _: &State) -> Result<(), SinkError> {
        Ok(())
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        if self.at.contains(&line.frame) {
            self.taken.borrow_mut().push(taken());
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn bundle() -> (Bundle, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    (Bundle::open(dir.path()).unwrap(), dir)
}

fn run(bundle: &Bundle, frames: u64, sinks: Vec<Box<dyn SignalSink>>) -> Stats {
    let classes = bundle.manifest().classes.clone();
    let mut pipeline = Pipeline::new(Stages {
        faces: FaceSource::fixed(Locator::new(Faces::Whole).unwrap()),
        predictor: Predictor::load(bundle).unwrap().with_threads(Threads::One),
        decider: Decider::new(DecideConfig::default(), classes.clone(), 0.0).unwrap(),
        classes,
        sinks,
        boot: Text::new(),
        progress: Arc::default(),
    });
    let (clock, stop) = (SystemClock::start(), AtomicBool::new(false));
    let mut run = PipelineContext {
        clock: &clock,
        stop: &stop,
        report: &mut |error| panic!("{error}"),
    };
    let end = pipeline.run(Box::new(Counted(0, frames)), Timing::Recorded, &mut run);
    assert_eq!(end.unwrap(), End::Exhausted);
    pipeline.stats().clone()
}

#[test]
fn the_loop_takes_no_memory_of_its_own_for_a_frame() {
    let (bundle, _dir) = bundle();
    let taken = |frames| {
        let lines = JsonLines::new(std::io::sink(), sink::Faces::Show);
        measure(|| drop(run(&bundle, frames, vec![Box::new(lines)]))).count_total
    };
    let data = vec![7; 96 * 96];
    let picture = GrayView::new(&data, 96, 96).unwrap();
    // The same number of runs from a fresh start: what a library takes once cancels out.
    let library = |runs| {
        let mut predictor = Predictor::load(&bundle).unwrap().with_threads(Threads::One);
        let mut predict = || drop(predictor.predict(picture, &Crops::both(picture.bounds())));
        measure(|| (0..runs).for_each(|_| predict())).count_total
    };
    // Tables that the process builds once.
    taken(1);
    let all = taken(250) - taken(50);
    let tract = library(250) - library(50);
    eprintln!("200 frames: {all} pieces of memory, {tract} of them by tract");
    assert_eq!(all, tract);
}

#[test]
fn reading_a_stream_takes_no_memory_for_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.y4m");
    let mut stream = b"YUV4MPEG2 W64 H48 F30:1 C420\n".to_vec();
    for frame in 0..200u8 {
        stream.extend(b"FRAME\n");
        stream.extend([frame; 64 * 48 * 3 / 2]);
    }
    std::fs::write(&path, stream).unwrap();
    let mut source = Files::new(vec![Input::Path(path)], Repeat::Once, 1);
    let mut frame = Frame::default();
    for _ in 0..10 {
        source.read(&mut frame).unwrap();
    }
    let taken = measure(|| {
        for _ in 0..150 {
            assert!(matches!(source.read(&mut frame), Ok(Next::Frame)));
        }
    });
    assert_eq!(taken.count_total, 0);
}

#[test]
fn tracking_a_face_takes_no_memory_of_its_own_for_a_frame() {
    let Some(dir) = shared_data("photos") else { return };
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    let predictor = Predictor::load(&Bundle::open(&models).unwrap()).unwrap();
    let mut predictor = predictor.with_threads(Threads::One);
    let file = std::fs::read(dir.join("fr_obama.jpg")).unwrap();
    let picture = inference::picture::Picture::decode(&file).unwrap();
    let frame = picture.gray().unwrap();
    let config = TrackConfig {
        detector: DetectorConfig {
            min_face_px: 80.0,
            ..DetectorConfig::default()
        },
        ..TrackConfig::default()
    };
    let mut tracking = FaceTracker::new(config, &predictor).unwrap();
    let (clock, mut stats) = (SystemClock::start(), Stats::default());
    let mut look = |time_ms| {
        tracking
            .track(frame, time_ms, &mut predictor, &clock, &mut stats)
            .unwrap();
    };
    // So often that every buffer has its size.
    (0..12).for_each(|at| look(at * 100));
    let total = measure(|| (12..18).for_each(|at| look(at * 100))).count_total;
    assert_eq!(tracking.seen().len(), 1);
    let crops = predictor.crops(&tracking.seen()[0].bounds);
    let library = measure(|| drop(predictor.predict(frame, &crops))).count_total;
    assert_eq!(total, 6 * library);
}

#[test]
fn memory_stays_the_same_over_many_frames() {
    if let Ok(frames) = std::env::var(CHILD) {
        weigh(frames.parse().unwrap());
        return;
    }
    // A process of its own: other tests run beside this one.
    let frames = rounds(3_000);
    let name = "endurance::memory_stays_the_same_over_many_frames";
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, frames.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    eprintln!("{text}");
    assert!(output.status.success(), "{text}");
}

/// Runs over so many frames and compares the memory after a third with that at the end.
fn weigh(frames: u64) {
    let (tiny, _dir) = bundle();
    let bundle = std::env::var_os(BUNDLE).map_or(tiny, |dir| Bundle::open(Path::new(&dir)).unwrap());
    let taken = Rc::<RefCell<Vec<i64>>>::default();
    let scale = Scale {
        at: vec![frames / 3, frames - 1],
        taken: Rc::clone(&taken),
    };
    let stats = run(&bundle, frames, vec![Box::new(scale)]);
    assert_eq!((stats.judged, stats.dropped), (frames, 0));
    let taken = taken.borrow();
    let slope = taken[1] - taken[0];
    eprintln!(
        "memory: {} KiB after {} frames, {slope:+} bytes until frame {frames}",
        taken[0] / 1024,
        frames / 3
    );
    assert!(slope.abs() <= 1 << 18, "{slope} bytes more");
}
