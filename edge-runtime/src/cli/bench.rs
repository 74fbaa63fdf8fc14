//! `edge-runtime bench`: where the time of a bundle's networks goes on this machine.

mod table;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use edge_runtime::config::FaceConfig;
use inference::bundle::Bundle;
use inference::{
    Arithmetic, Crops, DETECTOR_NAME, Engine, FrameLook, Input, LEVELS, Look, Model, PrecisionChoice, PredictError,
    Predictor, Threads,
};
use kernels::Isa;
use shared_model::image::{GrayView, SIDE};
use shared_model::keypoints::COORDINATES;
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME, ModelFile, Precision};
use table::Samples;
use vision::detector::finder::{Finder, FinderConfig};

use super::failure::{Failure, code, io_code};
use super::times::milliseconds;
use super::{open_bundle, outputs};

/// Columns and rows of the frame that is searched, as most cameras give it.
const FRAME: [usize; 2] = [640, 480];

const AFTER: &str = "\
All times are medians in milliseconds, of a layer on one thread. MMAC are millions of multiplications, as the definition of a
layer counts them; a layer that tract has rewritten may not know them. The detector sees a frame of 640x480 as `run` does.";

/// Times each layer of a bundle's networks on this machine, or the ways out
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Directory of the bundle with the networks [default: /usr/share/edge-runtime/models/default]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// How long to measure, in seconds, from 0.1 to 3600
    #[arg(long, value_name = "S", default_value = "5", value_parser = parse_seconds)]
    seconds: f64,
    /// Which files of the bundle [default: 8-bit integers where the bundle has them]
    #[arg(long, value_name = "f32|int8", value_parser = parse_precision)]
    precision: Option<Precision>,
    /// Instructions: portable, avx2, avx512-vnni, neon or neon-dot [default: the fastest that
    /// this processor has]
    #[arg(long, value_name = "NAME", value_parser = parse_isa)]
    isa: Option<Isa>,
    /// Threads of the lines that time a whole face: 2 run the networks side by side
    #[arg(long, value_name = "1|2", default_value = "2", value_parser = parse_threads)]
    threads: Threads,
    /// Times the ways to receivers on this machine instead, and what those that behave badly cost a frame
    #[arg(long, conflicts_with_all = ["seconds", "precision", "isa", "threads"])]
    outputs: bool,
    /// Measures instead what pages and counts cost a frame, and what a crowd of viewers does to it; ends with 69 where a
    /// limit is broken
    #[cfg(feature = "page")]
    #[arg(long, conflicts_with_all = ["seconds", "precision", "isa", "threads", "outputs"])]
    viewers: bool,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|value| (0.1..=3600.0).contains(value));
    seconds.ok_or_else(|| "not a number of seconds from 0.1 to 3600".into())
}

fn parse_precision(text: &str) -> Result<Precision, String> {
    match text {
        "f32" => Ok(Precision::F32),
        "int8" => Ok(Precision::Int8),
        _ => Err("neither f32 nor int8".into()),
    }
}

fn parse_threads(text: &str) -> Result<Threads, String> {
    let count = text.parse::<u8>().map_err(|_| "not a number".to_owned())?;
    Ok(Threads::try_from(count)?)
}

fn parse_isa(text: &str) -> Result<Isa, String> {
    let isa = Isa::ALL.into_iter().find(|isa| isa.name() == text);
    let isa = isa.ok_or("not one of portable, avx2, avx512-vnni, neon and neon-dot")?;
    if isa.is_available() {
        return Ok(isa);
    }
    Err(format!("this processor does not have {}", isa.name()))
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let bundle = open_bundle(args.bundle.as_deref())?;
    if args.outputs {
        outputs::main(&bundle)?;
        return Ok(ExitCode::SUCCESS);
    }
    #[cfg(feature = "page")]
    if args.viewers {
        return super::viewers::main(&bundle);
    }
    let manifest = bundle.manifest();
    let detector = manifest.detector.as_ref();
    let networks = [
        (KEYPOINTS_NAME, COORDINATES, &manifest.keypoints),
        (EMOTION_NAME, manifest.classes.len(), &manifest.emotion),
    ];
    let subjects = networks.len() + usize::from(detector.is_some());
    // The rest is for whole faces and whole frames.
    let share = Duration::from_secs_f64(args.seconds / (subjects + 1) as f64);
    let levels: [f32; LEVELS] = std::array::from_fn(|level| level as f32 / 255.0);
    let crop: Vec<f32> = grey([SIDE, SIDE])
        .into_iter()
        .map(|pixel| levels[usize::from(pixel)])
        .collect();
    for (name, length, network) in networks {
        let file = chosen(args, |precision| network.file(precision));
        let load = |isa, onnx: &[u8]| Model::load_for(isa, onnx, &[(name, length)]);
        let subject = Subject::load(&bundle, (name, file), load, args.isa)?;
        subject.measure(Input::Values(&crop), share)?;
    }
    if let Some(detector) = detector {
        let file = chosen(args, |precision| detector.file(precision));
        let maps = detector.outputs.iter();
        let outputs: Vec<_> = maps.map(|map| (map.name.as_str(), map.channels())).collect();
        let size = finder_config().reduced(FRAME[0], FRAME[1]);
        let load = |isa, onnx: &[u8]| Model::load_maps_for(isa, onnx, size, &outputs);
        let subject = Subject::load(&bundle, (DETECTOR_NAME, file), load, args.isa)?;
        let pixels = grey([size.columns, size.rows]);
        if let Ok(picture) = GrayView::new(&pixels, size.columns, size.rows) {
            subject.measure(Input::Grey(picture, &levels), share)?;
        }
    }
    // The program's own path always takes the fastest instructions.
    if args.isa.is_none() {
        print(&face_and_frame(&bundle, args, share)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| Failure::new(io_code(&error), error))
}

/// What both networks need for a face once it is found: in a photograph, where a mirrored network sees it twice, and in the frame
/// of a film, where the emotion network sees it once. And what the search of that frame needs, all in turn.
fn face_and_frame(bundle: &Bundle, args: &Args, duration: Duration) -> Result<String, Failure> {
    let choice = match args.precision {
        None => PrecisionChoice::Auto,
        Some(Precision::F32) => PrecisionChoice::F32,
        Some(Precision::Int8) => PrecisionChoice::Int8,
    };
    let mut predictor = Predictor::load_with_precision(bundle, choice)?.with_threads(args.threads);
    let crop = grey([SIDE, SIDE]);
    if let Ok(picture) = GrayView::new(&crop, SIDE, SIDE) {
        predictor.crop(picture, &Crops::both(picture.bounds()))?;
    }
    let pixels = grey(FRAME);
    let mut finder = predictor
        .detector()
        .map(|network| Finder::new(finder_config(), network.entry()));
    let threads = match args.threads {
        Threads::One => "one thread",
        Threads::Two => "two threads",
    };
    let look = FrameLook {
        rough_points: false,
        emotion: Look::Crop,
    };
    let (mut photographs, mut frames, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    let begin = Instant::now();
    // The first search makes the detector ready for the size.
    while frames.len() < 2 || begin.elapsed() < duration {
        let start = Instant::now();
        predictor.run()?;
        photographs.push(start.elapsed());
        let start = Instant::now();
        predictor.run_frame(look)?;
        frames.push(start.elapsed());
        let start = Instant::now();
        if let (Some(finder), Ok(frame), Some(network)) = (
            &mut finder,
            GrayView::new(&pixels, FRAME[0], FRAME[1]),
            predictor.detector_mut(),
        ) {
            finder.take(frame);
            finder.find(network)?;
            searches.push(start.elapsed());
        }
    }
    let ready = searches.len().min(1);
    let [photograph, frame, search] =
        [&mut photographs[..], &mut frames[..], &mut searches[ready..]].map(|times| (times.len(), median(times)));
    let line = |what: &str, (runs, time): (usize, Duration), rest: &str| {
        format!("{what}: {:.3} ms{rest} ({runs} runs)\n", milliseconds(time))
    };
    let mut text = line(&format!("a face in a photograph, on {threads}"), photograph, "");
    text += &line(&format!("a face in a frame of a film, on {threads}"), frame, "");
    if search.0 > 0 {
        let share = search.1.as_secs_f64() / frame.1.as_secs_f64();
        // Of two threads, the time is not the processor's.
        let share = match args.threads {
            Threads::One => format!(", {share:.2} times a face in a frame"),
            Threads::Two => String::new(),
        };
        let [width, height] = FRAME;
        let what = format!("the search of a frame of {width}x{height}, on one thread");
        text += &line(&what, search, &share);
    }
    Ok(text)
}

/// How `run` searches a frame unless it is told otherwise.
fn finder_config() -> FinderConfig {
    let track = FaceConfig::default().track();
    FinderConfig {
        min_face_px: track.detector.min_face_px,
        detector_px: track.detector_px,
    }
}

/// The file of a network that is asked for, or its fastest.
fn chosen<'a>(args: &Args, file: impl Fn(Precision) -> Option<&'a ModelFile>) -> Option<&'a ModelFile> {
    match args.precision {
        Some(precision) => file(precision),
        None => file(Precision::Int8).or_else(|| file(Precision::F32)),
    }
}

/// A network, and what is written above its table.
struct Subject {
    model: Model,
    title: String,
}

impl Subject {
    /// The network of this name, from its file.
    fn load(
        bundle: &Bundle,
        (name, file): (&str, Option<&ModelFile>),
        load: impl FnOnce(Isa, &[u8]) -> Result<Model, PredictError>,
        isa: Option<Isa>,
    ) -> Result<Self, Failure> {
        let file = file.ok_or_else(|| {
            let message = format!("the bundle has no such file of `{name}`: choose another --precision");
            Failure::new(code::USAGE, anyhow::Error::msg(message))
        })?;
        let onnx = bundle.read(file.into())?;
        let start = Instant::now();
        let model = load(isa.unwrap_or_else(Isa::detect), &onnx)?;
        let took = milliseconds(start.elapsed());
        let arithmetic = arithmetic(&model);
        let title = format!(
            "{name} ({}, {arithmetic}), loaded in {took:.1} ms\n",
            file.path.as_str()
        );
        Ok(Self { model, title })
    }

    /// Prints the times of its layers, measured for so long.
    fn measure(mut self, input: Input<'_>, duration: Duration) -> Result<(), Failure> {
        let samples = Samples::take(&mut self.model, input, duration)?;
        print(&(self.title + &samples.table(&self.model.layers())))
    }
}

/// What a network is computed with.
fn arithmetic(model: &Model) -> String {
    match (model.engine(), model.arithmetic()) {
        #[cfg(feature = "tract")]
        (Engine::Tract(reason), _) => format!("32-bit floats by tract: {reason}"),
        (Engine::Own(isa), Arithmetic::Floats) => format!("32-bit floats, {}", isa.name()),
        (Engine::Own(isa), Arithmetic::Integers) => isa.name().to_owned() + &peak(*isa),
        // Where another package of the same build has tract, and this one has not.
        #[cfg(not(feature = "tract"))]
        #[allow(unreachable_patterns)]
        _ => "32-bit floats by tract".to_owned(),
    }
}

/// The most that a core can multiply with these instructions.
fn peak(isa: Isa) -> String {
    let rate = |_| {
        let start = Instant::now();
        let products = isa.peak(20_000)?;
        Some(products as f64 / start.elapsed().as_secs_f64() / 1e9)
    };
    match (0..20).filter_map(rate).max_by(f64::total_cmp) {
        Some(peak) => format!(" with at most {peak:.1} GMAC/s"),
        None => String::new(),
    }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A smooth pattern of so many columns and rows; how long a network runs does not depend on what it sees.
fn grey([columns, rows]: [usize; 2]) -> Vec<u8> {
    let value = |at: usize| (at % columns * (at / columns) * 255 / (columns * rows)) as u8;
    (0..columns * rows).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_other_processors_are_refused() {
        assert_eq!(parse_isa("portable"), Ok(Isa::Portable));
        assert!(parse_isa("sse9").is_err());
        let missing = Isa::ALL.into_iter().find(|isa| !isa.is_available()).unwrap();
        assert!(parse_isa(missing.name()).unwrap_err().contains(missing.name()));
    }

    #[test]
    fn measures_for_a_sensible_time() {
        assert_eq!(parse_seconds("0.5"), Ok(0.5));
        for text in ["0", "-1", "nan", "1e9", "x"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
