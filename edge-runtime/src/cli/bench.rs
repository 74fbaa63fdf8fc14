//! `edge-runtime bench`: where the time of a bundle's networks goes on this machine.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use inference::bundle::Bundle;
use inference::{Arithmetic, Crops, Engine, FrameLook, Layer, Look, Model, PrecisionChoice, Predictor, Threads};
use kernels::Isa;
use shared_model::image::{GrayView, INPUT_LEN, SIDE};
use shared_model::keypoints::COORDINATES;
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME, Network, Precision};

use super::failure::{Failure, code, io_code};
use super::times::milliseconds;
use super::{open_bundle, outputs};

const AFTER: &str = "\
All times are medians in milliseconds, of a layer on one thread. MMAC are millions of multiplications, as the definition of a
layer counts them; a layer that tract has rewritten may not know them.";

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
    /// Threads of the last line, which times a whole face: 2 run the networks side by side
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
    let networks = [
        (KEYPOINTS_NAME, COORDINATES, &manifest.keypoints),
        (EMOTION_NAME, manifest.classes.len(), &manifest.emotion),
    ];
    let share = Duration::from_secs_f64(args.seconds / (networks.len() + 1) as f64);
    for (name, length, network) in networks {
        let mut subject = Subject::load(&bundle, network, (name, length), args)?;
        let samples = Samples::take(&mut subject.model, share)?;
        print(&(subject.title + &samples.table(&subject.model.layers())))?;
    }
    // The program's own path always takes the fastest instructions.
    if args.isa.is_none() {
        print(&face(&bundle, args, share)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<(), Failure> {
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| Failure::new(io_code(&error), error))
}

/// What both networks need for a face once it is found: in a photograph, where a mirrored network sees it twice, and in the frame
/// of a film, where the emotion network sees it once.
fn face(bundle: &Bundle, args: &Args, duration: Duration) -> Result<String, Failure> {
    let choice = match args.precision {
        None => PrecisionChoice::Auto,
        Some(Precision::F32) => PrecisionChoice::F32,
        Some(Precision::Int8) => PrecisionChoice::Int8,
    };
    let mut predictor = Predictor::load_with_precision(bundle, choice)?.with_threads(args.threads);
    let bytes: Vec<u8> = image().iter().map(|value| (value * 255.0) as u8).collect();
    if let Ok(picture) = GrayView::new(&bytes, SIDE, SIDE) {
        predictor.crop(picture, &Crops::both(picture.bounds()))?;
    }
    let threads = match args.threads {
        Threads::One => "one thread",
        Threads::Two => "two threads",
    };
    let frame = FrameLook {
        rough_points: false,
        emotion: Look::Crop,
    };
    let (mut photographs, mut frames) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    while frames.is_empty() || begin.elapsed() < duration {
        let start = Instant::now();
        predictor.run()?;
        photographs.push(start.elapsed());
        let start = Instant::now();
        predictor.run_frame(frame)?;
        frames.push(start.elapsed());
    }
    let line = |place: &str, times: &mut Vec<Duration>| {
        let (runs, time) = (times.len(), milliseconds(median(times)));
        format!("a face in {place}, on {threads}: {time:.3} ms ({runs} runs)\n")
    };
    Ok(line("a photograph", &mut photographs) + &line("a frame of a film", &mut frames))
}

/// A network, and what is written above its table.
struct Subject {
    model: Model,
    title: String,
}

impl Subject {
    fn load(bundle: &Bundle, network: &Network, output: (&str, usize), args: &Args) -> Result<Self, Failure> {
        let file = match args.precision {
            Some(precision) => network.file(precision),
            None => network.file(Precision::Int8).or_else(|| network.file(Precision::F32)),
        };
        let file = file.ok_or_else(|| {
            let message = format!(
                "the bundle has no such file of `{}`: choose another --precision",
                output.0
            );
            Failure::new(code::USAGE, anyhow::Error::msg(message))
        })?;
        let onnx = bundle.read(file.into())?;
        let isa = args.isa.unwrap_or_else(Isa::detect);
        let start = Instant::now();
        let model = Model::load_for(isa, &onnx, &[output])?;
        let load = milliseconds(start.elapsed());
        let arithmetic = arithmetic(&model);
        let title = format!(
            "{} ({}, {arithmetic}), loaded in {load:.1} ms\n",
            output.0,
            file.path.as_str()
        );
        Ok(Self { model, title })
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

/// Times that the runs took.
struct Samples {
    /// Of whole runs, while nothing else was timed.
    totals: Vec<Duration>,
    /// Times of each layer, run by run.
    layers: Vec<Vec<Duration>>,
}

impl Samples {
    /// Runs the network for a time, once as it is and once layer by layer in turn.
    fn take(model: &mut Model, duration: Duration) -> Result<Self, Failure> {
        let image = image();
        let mut samples = Self {
            totals: Vec::new(),
            layers: vec![Vec::new(); model.layers().len()],
        };
        let mut times = Vec::with_capacity(samples.layers.len());
        let begin = Instant::now();
        while samples.totals.is_empty() || begin.elapsed() < duration {
            let start = Instant::now();
            model.run(&image)?;
            samples.totals.push(start.elapsed());
            model.run_timed(&image, &mut times)?;
            samples
                .layers
                .iter_mut()
                .zip(&times)
                .for_each(|(all, time)| all.push(*time));
        }
        Ok(samples)
    }

    fn table(mut self, layers: &[Layer]) -> String {
        let times: Vec<f64> = self
            .layers
            .iter_mut()
            .map(|times| milliseconds(median(times)))
            .collect();
        let sum: f64 = times.iter().sum();
        let width = layers.iter().map(|layer| layer.name.chars().count()).max().unwrap_or(0);
        let head = ["layer", "operation", "output", "ms", "share", "MMAC", "GMAC/s"];
        let mut text = row(width, head.map(str::to_owned));
        for (layer, time) in layers.iter().zip(&times) {
            let shape: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
            text += &row(
                width,
                cells(
                    &layer.name,
                    &layer.operation,
                    &shape.join("x"),
                    (*time, sum),
                    layer.macs,
                ),
            );
        }
        let macs = layers.iter().map(|layer| layer.macs).sum();
        let runs = self.totals.len();
        let total = milliseconds(median(&mut self.totals));
        text += &row(
            width,
            cells("all layers", &format!("{runs} runs"), "", (total, total), macs),
        );
        text + "\n"
    }
}

fn cells(name: &str, operation: &str, output: &str, (time, sum): (f64, f64), macs: u64) -> [String; 7] {
    let products = macs as f64 / 1e6;
    let [products, rate] = if macs == 0 {
        [String::new(), String::new()]
    } else {
        [format!("{products:.2}"), format!("{:.1}", products / time)]
    };
    let share = format!("{:.1} %", 100.0 * time / sum);
    [
        name.to_owned(),
        operation.to_owned(),
        output.to_owned(),
        format!("{time:.3}"),
        share,
        products,
        rate,
    ]
}

fn row(width: usize, [name, operation, output, time, share, macs, rate]: [String; 7]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{name:width$}  {operation:16}  {output:12} {time:>9} {share:>8} {macs:>8} {rate:>8}"
    );
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A smooth pattern; how long a network runs does not depend on what it sees.
fn image() -> Vec<f32> {
    let product = |at: usize| (at % SIDE * (at / SIDE)) as f32;
    (0..INPUT_LEN).map(|at| product(at) / INPUT_LEN as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, macs: u64) -> Layer {
        Layer {
            name: name.to_owned(),
            operation: "conv 3x3/1".to_owned(),
            output: vec![4, 4, 16],
            macs,
        }
    }

    #[test]
    fn table_tells_medians_shares_and_rates() {
        let millis = |values: &[u64]| {
            values
                .iter()
                .map(|value| Duration::from_millis(*value))
                .collect::<Vec<_>>()
        };
        let samples = Samples {
            totals: millis(&[9, 4, 5]),
            layers: vec![millis(&[1, 90, 1]), millis(&[3, 3, 0])],
        };
        let table = samples.table(&[layer("input", 0), layer("conv1", 6_000_000)]);
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["input", "conv", "3x3/1", "4x4x16", "1.000", "25.0", "%"]);
        assert_eq!(rows[2][4..], ["3.000", "75.0", "%", "6.00", "2.0"]);
        assert_eq!(
            rows[3],
            ["all", "layers", "3", "runs", "5.000", "100.0", "%", "6.00", "1.2"]
        );
    }

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
