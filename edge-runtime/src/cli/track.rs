//! `edge-runtime track`: how well faces are tracked in a film.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::sink::{self, JsonLines};
use edge_runtime::source::{Files, Frame, FrameSource, Input, Next, Repeat};
use inference::bundle::Bundle;
use inference::{Predictor, Threads};
use serde::Serialize;
use shared_model::emotion::ClassSet;
use shared_model::image::Rect;
use shared_model::message::Face;
use vision::clock::Clock;
use vision::face::DetectorConfig;
use vision::stats::{Latencies, Stats};
use vision::tracker::Policy;
use vision::tracking::quality::{Quality, Totals, TrackedBox};
use vision::tracking::{FaceTracker, TrackConfig, TrackedFace};

use super::cpu_clock::CpuClock;
use super::failure::{Failure, code, source_code};
use super::film::Film;
use super::open_bundle;
use super::verdicts::{VerdictTotals, Verdicts};
use super::witness::Witness;

const AFTER: &str = "\
One JSON line for each number that a face was given,
  {\"id\": 1, \"from\": 0, \"to\": 23, \"frames\": 24, \"rejected\": 0, \"breaks\": 0}
one for each break, with the place to look at in the annotated film,
  {\"broken_id\": 1, \"frame\": 24, \"time_ms\": 960, \"bounds\": [939.0, 753.0, 118.0]}
and one for the film. There, `breaks` and `swaps` are measured against --truth, or without it against what `classify`
finds in every frame on its own: a face that it goes on to find must stay tracked and keep its number, unless the policy
tracks one face and chose another (`handovers`), or it was not judged and then taken for another person than was hidden
there (`renewed`). `cuts` counts the frames that begin another scene: the whole picture changes, and whoever is there
is somebody else. `found_after_ms` is the longest that somebody was there and nobody tracked. With --truth, `recall` is
the share of the true faces that were tracked, `precision` the share of the tracked ones that are true. Costs are means
in milliseconds of the processor's time, on all cores together: `frame_ms` and its part `networks_ms` over the frames
into which somebody was tracked from the one before, the search included, `cost` is their ratio; `search_ms` over those
into which nobody was tracked. `verdict_changes` counts how often the verdict, as `run` forms it without a [decide] of
its own, gave way to another; `emotion_share` is the share of the film's time in which it was an emotion, Neutral not
counted.

A file of truth has a JSON line for each frame with faces, numbered from 0, with left, top, width and height in pixels:
  {\"frame\": 0, \"faces\": [{\"bounds\": [12, 30, 40, 40]}]}";

/// Measures how faces are tracked in a film
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Directory of the bundle with the networks [default: /usr/share/edge-runtime/models/default]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Side of the smallest face that is searched, in pixels, at least 20
    #[arg(long, value_name = "PX", default_value_t = DetectorConfig::default().min_face_px, value_parser = super::classify::parse_min_face)]
    min_face: f32,
    /// Which of several faces is tracked
    #[arg(long, value_name = "largest|centre|first|all", default_value = "all", value_parser = parse_policy)]
    policy: Policy,
    /// Longer side of the picture that the bundle's detector sees, in pixels [default: one that suits the smallest face]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(64..=1024))]
    detector_px: Option<u32>,
    /// A file that says which faces each frame shows [default: what `classify` finds]
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Writes the annotated film (y4m) and a contact sheet (PNG) into this directory
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// A .y4m or .mjpeg film, a directory of pictures, or - for a .y4m stream on standard input
    #[arg(value_name = "INPUT")]
    input: OsString,
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    match text {
        "largest" => Ok(Policy::Largest),
        "centre" => Ok(Policy::Centre),
        "first" => Ok(Policy::First),
        "all" => Ok(Policy::All),
        _ => Err("none of largest, centre, first, all".into()),
    }
}

/// The line about the whole film.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    totals: Totals,
    /// Share of the true faces that were tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    recall: Option<f64>,
    /// Share of the tracked faces that are true.
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<f64>,
    ids: usize,
    /// Frames in which somebody was tracked from the frame before.
    followed_frames: usize,
    frame_ms: f64,
    networks_ms: f64,
    /// Mean cost of such a frame over that of its networks.
    cost: f64,
    /// Mean of the whole search in the other frames.
    search_ms: f64,
    #[serde(flatten)]
    verdicts: VerdictTotals,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let bundle = open_bundle(args.bundle.as_deref())?;
    let mut study = Study::new(args, &bundle)?;
    let mut source =
        Files::new(vec![Input::parse(&args.input)], Repeat::Once, 100).with_log(|message| tracing::info!("{message}"));
    let mut frame = Frame::default();
    loop {
        match source.read(&mut frame) {
            Ok(Next::Frame) => study.frame(&frame)?,
            Ok(Next::Nothing) => {}
            Ok(Next::End) => break,
            Err(error) => return Err(Failure::new(source_code(&error), error)),
        }
    }
    let mut lines = JsonLines::new(io::stdout().lock(), sink::Faces::Hide);
    for span in study.quality.spans() {
        lines.write(span)?;
    }
    for broken in study.quality.breaks() {
        lines.write(broken)?;
    }
    lines.write(&study.summary())?;
    if let Some(film) = study.film {
        tracing::info!("{}", film.finish()?);
    }
    Ok(ExitCode::SUCCESS)
}

struct Study {
    tracking: FaceTracker,
    predictor: Predictor,
    classes: ClassSet,
    /// Says what every frame shows.
    witness: Witness,
    /// Faces that were tracked, over all frames.
    tracked: u64,
    quality: Quality,
    verdicts: Verdicts,
    clock: CpuClock,
    /// Whole frames in which somebody was tracked from the frame before, and their networks alone.
    costs: (Latencies, Latencies),
    /// Searches for whoever is there.
    searches: Latencies,
    film: Option<Film>,
    frames: u64,
}

impl Study {
    fn new(args: &Args, bundle: &Bundle) -> Result<Self, Failure> {
        let config = TrackConfig {
            detector: DetectorConfig {
                min_face_px: args.min_face,
                ..DetectorConfig::default()
            },
            policy: args.policy,
            detector_px: args.detector_px,
            ..TrackConfig::default()
        };
        let manifest = bundle.manifest();
        let predictor = Predictor::load(bundle)?.with_threads(Threads::One);
        if args.detector_px.is_some() && predictor.detector().is_none() {
            tracing::warn!("--detector-px has no effect: the bundle has no detector of its own");
        }
        Ok(Self {
            tracking: FaceTracker::new(config, &predictor)?,
            predictor,
            classes: manifest.classes.clone(),
            witness: Witness::new(args.truth.as_deref(), bundle, config.detector)?,
            tracked: 0,
            quality: Quality::new(args.policy),
            verdicts: Verdicts::new(&manifest.classes, manifest.decision.abstain_below)
                .map_err(|error| Failure::new(code::CONFIG, error))?,
            clock: CpuClock,
            costs: Default::default(),
            searches: Latencies::default(),
            film: args
                .annotate
                .as_deref()
                .map(|dir| Film::create(dir, &args.input))
                .transpose()?,
            frames: 0,
        })
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Failure> {
        let picture = frame.picture.gray().map_err(|error| Failure::new(code::DATA, error))?;
        let before: Vec<u32> = self.tracking.seen().iter().map(|seen| seen.id).collect();
        // Counted for this frame alone, then added up.
        let mut stats = Stats::default();
        let start = self.clock.now();
        self.tracking
            .track(picture, frame.time_ms, &mut self.predictor, &self.clock, &mut stats)?;
        let took = self.clock.now().saturating_sub(start);
        let seen = self.tracking.seen();
        let [networks, crop] = [&stats.networks, &stats.crop].map(|all| all.mean() * all.count() as u32);
        if seen.iter().any(|seen| before.contains(&seen.id)) {
            self.costs.0.record(took);
            self.costs.1.record(networks);
        } else {
            self.searches.record(took.saturating_sub(networks + crop));
        }
        let followed: Vec<TrackedBox> = seen.iter().map(tracked_box).collect();
        let visible: Vec<Rect> = self.witness.faces(self.frames, picture)?;
        self.tracked += followed.len() as u64;
        if self.tracking.is_cut() {
            self.quality.cut();
        }
        self.quality.frame((self.frames, frame.time_ms), &followed, &visible);
        self.verdicts.frame(frame.time_ms, self.tracking.counting());
        self.frames += 1;
        if let Some(film) = &mut self.film {
            let faces = seen.iter().map(|seen| face(seen, &self.classes));
            film.frame(frame, faces)?;
        }
        Ok(())
    }

    fn summary(&self) -> Summary {
        let ms = |latencies: &Latencies| latencies.mean().as_secs_f64() * 1000.0;
        let (frame_ms, networks_ms) = (ms(&self.costs.0), ms(&self.costs.1));
        let totals = self.quality.totals();
        let share = |part: u64, of: u64| (self.witness.knows() && of > 0).then(|| part as f64 / of as f64);
        Summary {
            recall: share(totals.followed, totals.visible),
            precision: share(self.tracked.saturating_sub(totals.unseen), self.tracked),
            totals,
            ids: self.quality.spans().count(),
            followed_frames: self.costs.0.count(),
            frame_ms,
            networks_ms,
            cost: if networks_ms > 0.0 { frame_ms / networks_ms } else { 0.0 },
            search_ms: ms(&self.searches),
            verdicts: self.verdicts.totals(),
        }
    }
}

fn tracked_box(seen: &TrackedFace) -> TrackedBox {
    TrackedBox {
        id: seen.id,
        bounds: seen.bounds,
        judged: seen.reject_reason.is_none(),
    }
}

fn face<'a>(seen: &TrackedFace, classes: &'a ClassSet) -> Face<'a> {
    Face {
        bounds: seen.bounds,
        id: Some(seen.id),
        reject_reason: seen.reject_reason,
        classes,
        scores: seen.prediction.scores.clone(),
        keypoints: seen.prediction.keypoints,
    }
}
