//! `edge-runtime classify`: one JSON line a face.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::annotate::Annotation;
use edge_runtime::sink::{self, JsonLines, SinkError};
use edge_runtime::source::{Files, Frame, FrameSource, Input, Next, Repeat};
use inference::{PrecisionChoice, PredictError, Predictor};
use shared_model::emotion::ClassSet;
use shared_model::image::{GrayView, Rect};
use shared_model::message::{Face, FaceLine};
use vision::face::DetectorConfig;
use vision::locate::{Faces, Located, Locator};

use super::failure::{Failure, code, io_code, source_code};
use super::open_bundle;

const AFTER: &str = "\
Each line of the output is one face:
  {\"input\": \"a.png\", \"frame\": 0, \"face\": {\"x\", \"y\", \"w\", \"h\"}, \"emotion\": \"Happy\", \"confidence\": 0.93,
   \"scores\": {\"Angry\": …}, \"keypoints\": [[x, y] × 15]}
with coordinates in pixels of the picture; a picture without a face gives {\"input\", \"frame\", \"face\": null}.
A picture that cannot be read is named on standard error, the others go on, and the program ends with 65
(66 if it is not there).";

/// Tells the faces of pictures and streams, one JSON line each
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Directory of the bundle with the networks [default: /usr/share/edge-runtime/models/default]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Which of the bundle's networks run; `auto` prefers 8-bit integers where the bundle has them
    #[arg(long, value_enum, default_value_t = PrecisionChoice::Auto)]
    precision: PrecisionChoice,
    /// Where the faces are: `detect` finds them, `whole` takes each picture as one cut face, and a box
    /// x,y,w,h in pixels stands for what the detector would find
    #[arg(long, value_name = "detect|whole|x,y,w,h", default_value = "detect", value_parser = parse_face, allow_hyphen_values = true)]
    face: FaceArg,
    /// Side of the smallest face that is searched, in pixels, at least 20; larger is faster
    #[arg(long, value_name = "PX", default_value_t = DetectorConfig::default().min_face_px, value_parser = parse_min_face)]
    min_face: f32,
    /// What finds faces [default: detector, or cascade where the bundle has no detector]
    #[arg(long, value_enum)]
    finder: Option<FinderArg>,
    /// Writes each picture with its faces drawn in as a PNG into this directory
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// Pictures (PNG, JPEG, WebP, BMP, GIF, PGM), directories, .y4m and .mjpeg streams, or - for a .y4m stream on standard
    /// input
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FinderArg {
    /// The detector of the bundle, which sees each picture at several sizes
    Detector,
    /// The detector at one size, as `run` and `track` search a frame: fewer of the small faces, and the same boxes
    Run,
    /// SeetaFace's cascade, in programs with the feature `cascade`: upright faces that look towards the camera
    Cascade,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum FaceArg {
    Detect,
    Whole,
    Box(Rect),
}

fn parse_face(text: &str) -> Result<FaceArg, String> {
    match text {
        "detect" => Ok(FaceArg::Detect),
        "whole" => Ok(FaceArg::Whole),
        text => {
            let numbers: Option<Vec<f32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
            let rect = match numbers.as_deref() {
                Some(&[x, y, w, h]) => Some(Rect { x, y, w, h }),
                _ => None,
            };
            let rect = rect.filter(Rect::is_valid);
            rect.map(FaceArg::Box)
                .ok_or_else(|| "neither detect nor whole nor a box x,y,w,h with w and h above 0".into())
        }
    }
}

pub(super) fn parse_min_face(text: &str) -> Result<f32, String> {
    let value = text
        .parse()
        .ok()
        .filter(|value: &f32| (20.0..=100_000.0).contains(value));
    value.ok_or_else(|| "not a number of pixels from 20 on".into())
}

impl Args {
    fn faces(&self, predictor: &Predictor) -> Result<Faces, Failure> {
        let cascade = DetectorConfig {
            min_face_px: self.min_face,
            ..DetectorConfig::default()
        };
        let by_bundle = matches!(self.finder, Some(FinderArg::Detector | FinderArg::Run));
        if self.face == FaceArg::Detect && by_bundle && predictor.detector().is_none() {
            let message = "the bundle has no detector: use one that has, or leave --finder out";
            return Err(Failure::new(code::USAGE, anyhow::Error::msg(message)));
        }
        Ok(match self.face {
            FaceArg::Whole => Faces::Whole,
            FaceArg::Box(bounds) => Faces::Box(bounds),
            FaceArg::Detect => match self.finder {
                None => Faces::of_bundle(predictor, cascade),
                Some(FinderArg::Detector) => Faces::DetectByBundle(self.min_face),
                Some(FinderArg::Run) => Faces::DetectAsRun(self.min_face),
                Some(FinderArg::Cascade) => Faces::Detect(cascade),
            },
        })
    }
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let bundle = open_bundle(args.bundle.as_deref())?;
    if let Some(dir) = &args.annotate {
        fs::create_dir_all(dir).map_err(|error| annotate_error(dir, &error))?;
    }
    let predictor = Predictor::load_with_precision(&bundle, args.precision)?;
    let mut classifier = Classifier {
        locator: Locator::new(args.faces(&predictor)?)?,
        predictor,
        classes: bundle.manifest().classes.clone(),
        lines: JsonLines::new(io::stdout().lock(), sink::Faces::Show),
        pages: args.annotate.clone().map(Pages::new),
    };
    let inputs = args.inputs.iter().map(Input::parse).collect();
    let mut source = Files::new(inputs, Repeat::Once, 0).with_log(|message| tracing::info!("{message}"));
    let (mut tally, mut frame) = (Tally::default(), Frame::default());
    loop {
        let result = match source.read(&mut frame) {
            Ok(Next::End) => break,
            Ok(Next::Nothing) => continue,
            Ok(Next::Frame) => classifier.classify(&frame),
            Err(error) => Err(Failure::new(source_code(&error), error)),
        };
        match result {
            Ok(faces) => tally.count(faces),
            Err(failure) => match failure.error.downcast_ref() {
                // Nobody reads the output any more: no error, but the end.
                Some(SinkError::Closed) => return Ok(ExitCode::SUCCESS),
                Some(_) => return Err(failure),
                None => tally.fail(&failure),
            },
        }
    }
    tracing::info!(
        "{} pictures, {} faces, {} errors",
        tally.frames,
        tally.faces,
        tally.errors
    );
    Ok(ExitCode::from(tally.code.unwrap_or(0)))
}

/// What has been done, and the exit code of the first error.
#[derive(Default)]
struct Tally {
    frames: u64,
    faces: usize,
    errors: u64,
    code: Option<u8>,
}

impl Tally {
    fn count(&mut self, faces: usize) {
        self.frames += 1;
        self.faces += faces;
    }

    fn fail(&mut self, failure: &Failure) {
        // Each input that cannot be read is named.
        tracing::error!(about = %failure.error, "{}", failure.error);
        self.errors += 1;
        self.code.get_or_insert(failure.code);
    }
}

struct Classifier<W> {
    locator: Locator,
    predictor: Predictor,
    classes: ClassSet,
    lines: JsonLines<W>,
    pages: Option<Pages>,
}

impl<W: io::Write> Classifier<W> {
    /// Writes the lines of one frame; gives the number of its faces.
    fn classify(&mut self, frame: &Frame) -> Result<usize, Failure> {
        let bad = |error: &dyn Display| {
            let message = format!("{} frame {}: {error}", frame.input, frame.number);
            Failure::new(code::DATA, anyhow::Error::msg(message))
        };
        let picture = frame.picture.gray().map_err(|error| bad(&error))?;
        let located = self
            .locator
            .all(picture, &mut self.predictor)
            .map_err(|error| bad(&error))?;
        let mut faces = Vec::with_capacity(located.len());
        for located in &located {
            faces.push(predict(&mut self.predictor, picture, located, &self.classes).map_err(|error| bad(&error))?);
        }
        for face in lines(&faces) {
            self.lines.write(&FaceLine {
                input: &frame.input,
                frame: frame.number,
                time_ms: None,
                face,
            })?;
        }
        if let Some(pages) = &mut self.pages {
            pages.write(frame, &faces)?;
        }
        Ok(faces.len())
    }
}

fn predict<'a>(
    predictor: &mut Predictor,
    picture: GrayView<'_>,
    located: &Located,
    classes: &'a ClassSet,
) -> Result<Face<'a>, PredictError> {
    let prediction = predictor.predict(picture, &located.crops)?;
    Ok(Face {
        bounds: located.bounds,
        id: None,
        reject_reason: None,
        classes,
        scores: prediction.scores,
        keypoints: prediction.keypoints,
    })
}

/// One line for each face, and one for a picture without any.
fn lines<'a>(faces: &[Face<'a>]) -> Vec<Option<Face<'a>>> {
    if faces.is_empty() {
        vec![None]
    } else {
        faces.iter().cloned().map(Some).collect()
    }
}

/// Annotated pictures in a directory.
struct Pages {
    dir: PathBuf,
    /// Names that have been given, so that `a/x.png` and `b/x.png` do not overwrite each other.
    taken: HashSet<String>,
}

impl Pages {
    fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            taken: HashSet::new(),
        }
    }

    fn write(&mut self, frame: &Frame, faces: &[Face<'_>]) -> Result<(), Failure> {
        let mut annotation = Annotation::new(&frame.picture);
        for face in faces {
            annotation.draw(face);
        }
        let name = self.name(frame);
        let path = self.dir.join(name);
        let png = annotation
            .to_png()
            .map_err(|error| Failure::new(code::INTERNAL, error))?;
        fs::write(&path, png).map_err(|error| annotate_error(&path, &error))
    }

    /// `x-annotated.png` for a picture, `x-000012-annotated.png` for a frame of a stream.
    fn name(&mut self, frame: &Frame) -> String {
        let input = Path::new(&*frame.input);
        let stem = match input.file_stem() {
            Some(stem) if &*frame.input != "-" => stem.to_string_lossy().into_owned(),
            _ => "stdin".to_owned(),
        };
        let stream = frame.number > 0
            || &*frame.input == "-"
            || input
                .extension()
                .is_some_and(|end| end == "y4m" || end == "mjpeg" || end == "mjpg");
        let base = if stream {
            format!("{stem}-{:06}", frame.number)
        } else {
            stem
        };
        let mut name = format!("{base}-annotated.png");
        let mut copy = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{base}-{copy}-annotated.png");
            copy += 1;
        }
        name
    }
}

fn annotate_error(path: &Path, error: &io::Error) -> Failure {
    Failure::new(io_code(error), anyhow::anyhow!("write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_kinds_of_faces() {
        assert_eq!(parse_face("detect"), Ok(FaceArg::Detect));
        assert_eq!(parse_face("whole"), Ok(FaceArg::Whole));
        let rect = Rect {
            x: -1.0,
            y: 2.5,
            w: 30.0,
            h: 40.0,
        };
        assert_eq!(parse_face("-1,2.5, 30,40"), Ok(FaceArg::Box(rect)));
        for bad in ["", "all", "1,2,3", "1,2,0,4", "1,2,3,-4", "1,2,nan,4", "1,2,3,4,5"] {
            assert!(parse_face(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn smallest_face_is_a_number_of_pixels() {
        assert_eq!(parse_min_face("20"), Ok(20.0));
        for bad in ["19.9", "-40", "nan", "inf", "x"] {
            assert!(parse_min_face(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn annotated_pictures_never_share_a_name() {
        let mut pages = Pages::new(PathBuf::new());
        let mut name = |input: &str, number| {
            pages.name(&Frame {
                input: input.into(),
                number,
                ..Frame::default()
            })
        };
        assert_eq!(name("a/x.png", 0), "x-annotated.png");
        assert_eq!(name("b/x.jpg", 0), "x-2-annotated.png");
        assert_eq!(name("clip.y4m", 0), "clip-000000-annotated.png");
        assert_eq!(name("-", 12), "stdin-000012-annotated.png");
    }
}
