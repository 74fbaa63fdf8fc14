//! The emotion network's figures and faces.

use anyhow::Result;
use shared_model::emotion::Scores;

use super::charts::{confusion, coverage, reliability};
use super::faces::{FacePicture, extremes};
use super::html::Page;
use super::{Pictures, Source, share};
use crate::calibrate::calibrate;
use crate::data::EmotionData;
use crate::evaluate::{self, Averages, EmotionMetrics, Guess, coverage_curve};
use crate::measure::{Judged, Truth};

/// Accuracy of verdicts; only a threshold would depend on it.
const ACCURACY: f64 = 0.9;

/// Best and worst faces shown of each class.
const SHOWN: usize = 6;

/// What was measured on the faces held out.
struct Measured {
    /// Of the scores as trained.
    trained: EmotionMetrics,
    /// Of the calibrated scores, which a bundle gives.
    calibrated: EmotionMetrics,
    temperature: f32,
    /// Rows of the test part that are of a class.
    rows: Vec<u32>,
    /// Of these rows.
    trained_scores: Vec<(Scores, u8)>,
    scores: Vec<(Scores, u8)>,
}

pub(super) fn section(page: &mut Page, pictures: &mut Pictures, source: &Source<'_>, data: &EmotionData) -> Result<()> {
    let measured = Measured::new(source, data)?;
    let metrics = &measured.calibrated;
    page.tiles(&[
        ("accuracy", share(metrics.accuracy)),
        ("macro F1", format!("{:.3}", metrics.macro_average.f1)),
        ("weighted F1", format!("{:.3}", metrics.weighted_average.f1)),
        ("calibration error", format!("{:.3}", metrics.calibration_error)),
        ("faces held out", metrics.faces.to_string()),
    ]);
    page.section("On the faces held out");
    if let Some(Guess {
        label,
        accuracy,
        macro_f1,
    }) = metrics.majority()
    {
        page.paragraph(&format!(
            "Guessing: whoever always says {label}, the most frequent class among these faces, has accuracy {} and {macro_f1:.3} \
             as the macro mean of F1. A network must beat that.",
            share(accuracy)
        ));
    }
    class_table(page, metrics);
    charts(page, pictures, &measured)?;
    thresholds(page, metrics);
    page.section("Best and worst faces");
    page.paragraph(
        "Of each class the faces whose true class got the highest and the lowest probability. Wrong with a high score is \
         often a label that people would dispute.",
    );
    faces(page, pictures, data, &measured)
}

impl Measured {
    fn new(source: &Source<'_>, data: &EmotionData) -> Result<Self> {
        let onnx = source.shipped.onnx()?;
        let truth = Truth::of(source.shipped.state.config.loss);
        let judge = |rows: &[u32]| Judged::by(truth, source.exported(&onnx), data, rows);
        let split = &source.prepared.split;
        // As for a bundle: the temperature comes from the validation part.
        let temperature = if split.validation.is_empty() {
            1.0
        } else {
            calibrate(&judge(&split.validation)?.evidence(), ACCURACY)?
                .decision
                .temperature
        };
        let rows = truth.of_a_class(data, &split.test);
        let test = judge(&rows)?;
        Ok(Self {
            trained: test.metrics(data, 1.0)?,
            calibrated: test.metrics(data, temperature)?,
            temperature,
            rows,
            trained_scores: test.scores(1.0)?,
            scores: test.scores(temperature)?,
        })
    }
}

fn class_table(page: &mut Page, metrics: &EmotionMetrics) {
    let row = |label: &str, figures: [f64; 3], faces: u64| {
        let figures = figures.map(|figure| format!("{figure:.3}"));
        [&[label.to_owned()], &figures[..], &[faces.to_string()]].concat()
    };
    let mean = |label, Averages { precision, recall, f1 }| row(label, [precision, recall, f1], metrics.faces);
    let classes = metrics.per_class.iter();
    let mut rows: Vec<_> = classes
        .map(|class| row(&class.label, [class.precision, class.recall, class.f1], class.support))
        .collect();
    rows.push(mean("macro mean", metrics.macro_average));
    rows.push(mean("weighted mean", metrics.weighted_average));
    page.table(&["class", "precision", "recall", "F1", "faces"], &rows);
}

fn charts(page: &mut Page, pictures: &mut Pictures, measured: &Measured) -> Result<()> {
    let [trained, calibrated] = [&measured.trained_scores, &measured.scores].map(|scores| verdicts(scores));
    let drawn = [
        confusion(&measured.calibrated)?,
        reliability(&evaluate::reliability(&trained), &evaluate::reliability(&calibrated))?,
        coverage(&coverage_curve(
            &calibrated,
            (0..=100).map(|step| f64::from(step) / 100.0),
        ))?,
    ];
    let calibration = format!(
        "How often the network is right at each top probability; on the grey line scores can be taken at their word. A bundle \
         divides logits by {:.2}, which the validation part gave: the calibration error goes from {:.3} to {:.3}, the log loss \
         from {:.3} to {:.3}.",
        measured.temperature,
        measured.trained.calibration_error,
        measured.calibrated.calibration_error,
        measured.trained.log_loss,
        measured.calibrated.log_loss,
    );
    let captions = [
        "Faces by true and predicted class; percentages are of the row.",
        &calibration,
        "What a threshold on the calibrated top probability costs and gains: faces below it stay uncertain.",
    ];
    page.charts(&drawn.iter().zip(captions).collect::<Vec<_>>());
    pictures.charts.extend(drawn);
    Ok(())
}

fn thresholds(page: &mut Page, metrics: &EmotionMetrics) {
    let rows = metrics.coverage.iter().map(|at| {
        let right = at.accuracy.map_or("-".to_owned(), share);
        vec![
            format!("{:.2}", at.threshold),
            share(at.coverage),
            share(1.0 - at.coverage),
            right,
        ]
    });
    page.table(
        &[
            "verdict from",
            "faces with a verdict",
            "uncertain",
            "verdicts that are right",
        ],
        &rows.collect::<Vec<_>>(),
    );
}

/// Top probability of each face, and whether its class is the true one.
fn verdicts(scores: &[(Scores, u8)]) -> Vec<(f64, bool)> {
    let tops = scores
        .iter()
        .filter_map(|(scores, label)| Some((scores.top()?, *label)));
    tops.map(|((class, top), label)| (f64::from(top), class == usize::from(label)))
        .collect()
}

fn faces(page: &mut Page, pictures: &mut Pictures, data: &EmotionData, measured: &Measured) -> Result<()> {
    for (class, label) in data.classes.iter().enumerate() {
        let own: Vec<usize> = (0..measured.scores.len())
            .filter(|at| usize::from(measured.scores[*at].1) == class)
            .collect();
        let of_truth: Vec<f64> = own
            .iter()
            .map(|at| f64::from(measured.scores[*at].0.as_slice()[class]))
            .collect();
        let [worst, best] = extremes(&of_truth, SHOWN);
        for (kind, places) in [("best", best), ("worst", worst)] {
            if places.is_empty() {
                continue;
            }
            page.subsection(&format!("{label}, {kind}"));
            page.html("<div class=\"faces\">\n");
            for (number, place) in (1..).zip(places) {
                let at = own[place];
                let name = format!("{}-{kind}-{number:02}", label.to_lowercase());
                let row = measured.rows[at] as usize;
                let caption = caption(data, row, &measured.scores[at]);
                let picture = FacePicture::new(name, caption, data.faces.view(row))?;
                page.html(&picture.html());
                pictures.faces.push(picture);
            }
            page.html("</div>\n");
        }
    }
    Ok(())
}

fn caption(data: &EmotionData, row: usize, (scores, label): &(Scores, u8)) -> String {
    let name = |class: usize| data.classes.label(class).unwrap_or_default();
    let truth = usize::from(*label);
    let csv_row = data.rows[row];
    match scores.top() {
        Some((class, top)) if class != truth => format!(
            "labelled {}, seen as {} ({:.2}; {:.2} for the label), row {csv_row}",
            name(truth),
            name(class),
            top,
            scores.as_slice()[truth]
        ),
        Some((_, top)) => format!("{} ({top:.2}), row {csv_row}", name(truth)),
        None => format!("{}, row {csv_row}", name(truth)),
    }
}
