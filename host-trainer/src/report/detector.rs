//! What became of a detector's training, as one page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::charts::{self, Curve};
use super::html::{Page, escape};
use super::{Provenance, repeat, save, share};
use crate::detector::checkpoint::{Checkpoint, Measured};
use crate::detector::data::{Gray, Kind, Photo};
use crate::detector::evaluate::{Detected, Detector, Figures, Tally, Task, by_source, measure};

/// Pictures shown of each kind.
const SHOWN: usize = 12;
const TRUTH: &str = "#00e676";
const FOUND: &str = "#ff4081";
const IGNORED: &str = "#888888";

/// A trained detector, and what it is measured on.
pub struct Source<'a> {
    /// The training, as far as it has come.
    pub checkpoint: &'a Checkpoint,
    /// Photos that it was not trained on.
    pub photos: &'a [&'a Photo],
    /// Width and height that they are fitted into.
    pub input: [usize; 2],
}

/// Writes `report.html` and the charts into the directory `out`.
pub fn write(out: &Path, source: &Source<'_>, provenance: &Provenance) -> Result<()> {
    if source.photos.is_empty() {
        bail!("report: no picture is held out, so there is nothing to measure on");
    }
    fs::create_dir_all(out).with_context(|| format!("create {}", out.display()))?;
    let state = &source.checkpoint.state;
    let mut page = Page::new("Face detector: what became of the training");
    page.paragraph(&format!(
        "{} parameters, trained on samples of {}x{} pixels; {} of {} steps of {} samples are done.",
        source.checkpoint.parameters(),
        state.config.input[0],
        state.config.input[1],
        state.step,
        state.config.steps,
        state.config.batch
    ));
    let detector = Detector::of(source.checkpoint);
    let task = Task::plain(source.input);
    let figures = measure(&detector, source.photos, &task)?;
    page.note("This page contains pictures of the data set. Keep and share it only as the data set's terms allow.");
    measured(&mut page, source, &detector, &figures, &task)?;
    course(&mut page, out, &state.history)?;
    pictures(&mut page, source.photos, &detector, &task, figures.scores[1] as f32)?;
    page.section("Settings");
    page.code(&toml::to_string(&state.config).context("write the settings")?);
    repeat(&mut page, provenance);
    save(&out.join("report.html"), page.finish().as_bytes())
}

fn measured(page: &mut Page, source: &Source<'_>, detector: &Detector, all: &Figures, task: &Task) -> Result<()> {
    page.section("On pictures held out");
    let [found, alarms, on_nothing] = all.at_half;
    page.tiles(&[
        ("average precision", share(all.average_precision)),
        ("found at 1 alarm in 100 pictures", share(all.recall[0])),
        ("found at 5 alarms in 100 pictures", share(all.recall[1])),
        ("found at score 0.5", format!("{found} of {}", all.faces)),
        ("false alarms at score 0.5", alarms.to_string()),
        (
            "on pictures without a face",
            format!("{on_nothing} on {}", all.empty_photos),
        ),
    ]);
    page.paragraph(&format!(
        "{} pictures, fitted into {}x{} pixels. Faces of at least {} pixels of a picture of 480 count; a hit overlaps the face \
         by half. Boxes marked to be ignored count neither way.",
        all.photos, source.input[0], source.input[1], task.least
    ));
    let mut rows = vec![row("all", all)];
    for (name, figures) in by_source(detector, source.photos, task)? {
        rows.push(row(&name, &figures));
    }
    page.table(
        &[
            "source",
            "pictures",
            "faces",
            "average precision",
            "at 1 alarm",
            "at 5 alarms",
            "alarms at 0.5",
            "16-32 px",
            "32-64 px",
            "64-128 px",
            "from 128 px",
        ],
        &rows,
    );
    page.paragraph("The last four columns say, by the size of the face in the picture, how many are found at 5 alarms in 100 pictures.");
    Ok(())
}

fn row(name: &str, figures: &Figures) -> Vec<String> {
    let [_, alarms, _] = figures.at_half;
    let mut row = vec![
        name.to_owned(),
        figures.photos.to_string(),
        figures.faces.to_string(),
        share(figures.average_precision),
        share(figures.recall[0]),
        share(figures.recall[1]),
        alarms.to_string(),
    ];
    row.extend(figures.by_size.map(|[found, all]| format!("{found} of {all}")));
    row
}

/// Learning curves.
fn course(page: &mut Page, out: &Path, history: &[Measured]) -> Result<()> {
    page.section("Course of the training");
    if history.is_empty() {
        page.paragraph("Nothing has been measured yet.");
        return Ok(());
    }
    let of = |value: fn(&Measured) -> f64| history.iter().map(|at| (at.step as f64, value(at))).collect::<Vec<_>>();
    let curves = [
        Curve {
            name: "learning-loss",
            title: "Loss",
            points: of(|at| at.loss),
        },
        Curve {
            name: "learning-precision",
            title: "Average precision",
            points: of(|at| at.average_precision),
        },
        Curve {
            name: "learning-recall",
            title: "Found at 5 alarms in 100 pictures",
            points: of(|at| at.recall),
        },
        Curve {
            name: "learning-rate",
            title: "Learning rate",
            points: of(|at| at.learning_rate),
        },
    ];
    let drawn = curves.into_iter().map(charts::course).collect::<Result<Vec<_>>>()?;
    let captions = [
        "Mean since the measurement before.",
        "On a part of the pictures held out of the sources that are trained on.",
        "On the same pictures.",
        "At the step.",
    ];
    page.charts(&drawn.iter().zip(captions).collect::<Vec<_>>());
    for chart in &drawn {
        save(&out.join(format!("{}.svg", chart.name)), chart.file().as_bytes())?;
    }
    Ok(())
}

/// Pictures with most errors at this score, and others.
fn pictures(page: &mut Page, photos: &[&Photo], detector: &Detector, task: &Task, score: f32) -> Result<()> {
    page.section("Pictures");
    page.paragraph(&format!(
        "Green: faces as they are annotated. Grey: boxes to ignore. Pink: what is found with a score of at least {score:.2}, \
         which gives 5 false alarms in 100 pictures."
    ));
    let mut detected = Vec::with_capacity(photos.len());
    for photo in photos {
        let mut seen = detector.detect(photo, task)?;
        seen.found.retain(|face| face.score >= score);
        let errors = errors(photo, &seen, task.least);
        detected.push((*photo, seen, errors));
    }
    detected.sort_by_key(|(_, _, errors)| std::cmp::Reverse(*errors));
    page.subsection("Most errors");
    let worst = detected.iter().take(SHOWN).filter(|(_, _, errors)| *errors > 0);
    figures(page, worst)?;
    page.subsection("Others");
    let rest = detected.get(SHOWN..).unwrap_or_default();
    figures(page, rest.iter().step_by(rest.len().div_ceil(SHOWN).max(1)))
}

/// Faces missed and false alarms.
fn errors(photo: &Photo, seen: &Detected, least: f32) -> usize {
    let mut tally = Tally::default();
    tally.take(seen, photo.is_empty(), least);
    let missed = tally.faces().iter().filter(|face| face.score.is_none()).count();
    missed + tally.at_score(0.0)[1]
}

fn figures<'a>(page: &mut Page, detected: impl Iterator<Item = &'a (&'a Photo, Detected, usize)>) -> Result<()> {
    page.html("<div class=\"charts\">\n");
    for (photo, seen, errors) in detected {
        let caption = escape(&format!(
            "{}: {} found, {errors} wrong or missed",
            photo.name,
            seen.found.len()
        ));
        let svg = svg(photo.gray(), seen, &caption)?;
        page.html(&format!("<figure>{svg}<figcaption>{caption}</figcaption></figure>\n"));
    }
    page.html("</div>\n");
    Ok(())
}

/// A picture with boxes; `label` is escaped already.
fn svg(gray: &Gray, seen: &Detected, label: &str) -> Result<String> {
    let (width, height) = (gray.width, gray.height);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&gray.pixels, width as u32, height as u32, ExtendedColorType::L8)
        .context("write a picture of the report")?;
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\
         <image href=\"data:image/png;base64,{}\" width=\"{width}\" height=\"{height}\"/><g fill=\"none\" stroke-width=\"2\">",
        STANDARD.encode(&png)
    );
    for face in &seen.faces {
        let colour = if face.kind == Kind::Face { TRUTH } else { IGNORED };
        frame(&mut svg, &face.bounds, colour);
    }
    for face in &seen.found {
        frame(&mut svg, &face.bounds, FOUND);
    }
    Ok(svg + "</g></svg>")
}

fn frame(svg: &mut String, [left, top, right, bottom]: &[f32; 4], colour: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<rect stroke=\"{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        right - left,
        bottom - top
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::compose::tests::photos;
    use crate::detector::config::DetectorConfig;

    #[test]
    fn the_page_shows_curves_figures_and_pictures_with_boxes() {
        let config = DetectorConfig {
            input: [64, 48],
            ..DetectorConfig::default()
        };
        let mut checkpoint = Checkpoint::new(config, "a".to_owned());
        checkpoint.state.history = [1, 2]
            .map(|step| Measured {
                step,
                samples: 64 * step,
                loss: 3.0 / step as f64,
                average_precision: 0.5,
                recall: 0.4,
                learning_rate: 1e-3,
            })
            .to_vec();
        let photos = photos();
        let photos: Vec<&Photo> = photos.iter().collect();
        let source = Source {
            checkpoint: &checkpoint,
            photos: &photos,
            input: [64, 48],
        };
        let provenance = Provenance {
            begun: None,
            again: "train again".to_owned(),
            report: "report".to_owned(),
            commit: "unknown".to_owned(),
        };
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &source, &provenance).unwrap();
        let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
        for expected in [
            "average precision",
            TRUTH,
            "data:image/png",
            "train again",
            "learning_rate",
        ] {
            assert!(page.contains(expected), "{expected}");
        }
        assert!(dir.path().join("learning-loss.svg").is_file());
        let none = Source { photos: &[], ..source };
        assert!(write(dir.path(), &none, &provenance).is_err());
    }
}
