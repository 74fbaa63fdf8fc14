//! What each chart shows.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::plot::{Chart, GREY, Line, Plot, Ticks, span};
use crate::evaluate::{BINS, Bin, Coverage, EmotionMetrics, PointMetrics};
use crate::train::history::EpochRecord;

/// Seen well on light and dark ground.
pub(super) const FIRST: RGBColor = RGBColor(37, 120, 220);
const SECOND: RGBColor = RGBColor(230, 110, 20);

/// Of runs side by side: told apart by people with any colour vision (Okabe and Ito).
const RUNS: [RGBColor; 6] = [
    FIRST,
    SECOND,
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(170, 150, 0),
    GREY,
];

/// Text size; plotters writes it divided by 1.24.
const TEXT: u32 = 17;

/// One value over the steps of a training.
pub(super) struct Curve<'a> {
    /// Of its file, without ending.
    pub(super) name: &'static str,
    pub(super) title: &'a str,
    /// Step and value.
    pub(super) points: Vec<(f64, f64)>,
}

/// A value over the steps.
pub(super) fn course(curve: Curve<'_>) -> Result<Chart> {
    let last = curve.points.iter().map(|(step, _)| *step).fold(2.0, f64::max);
    Plot {
        name: curve.name,
        title: curve.title,
        x: ("step", 0.0..last),
        y: ("", span(curve.points.iter().map(|(_, value)| *value))),
        ticks: Ticks::Whole,
        bars: Vec::new(),
        lines: vec![Line {
            label: "".into(),
            colour: FIRST,
            points: curve.points,
        }],
    }
    .draw()
}

/// Losses and metrics of training and validation, and the learning rate, over the epochs.
///
/// Both losses stand in one chart where they have one unit.
pub(super) fn learning(history: &[EpochRecord], metric: &str, losses: Losses) -> Result<Vec<Chart>> {
    let of = |value: fn(&EpochRecord) -> f64| {
        let points = history.iter().map(|at| (f64::from(at.epoch), value(at)));
        points.filter(|(_, value)| value.is_finite()).collect::<Vec<_>>()
    };
    let (train, validation) = (of(|at| at.loss), of(|at| at.validation_loss));
    let line = |label: &'static str, colour, points| Line {
        label: label.into(),
        colour,
        points,
    };
    let loss = match losses {
        Losses::Alike => vec![line("training", FIRST, train), line("validation", SECOND, validation)],
        Losses::OtherUnits => vec![line("", FIRST, train)],
    };
    let (own, validation) = (of(|at| at.metric.unwrap_or(f64::NAN)), of(|at| at.validation_metric));
    let metrics = if own.is_empty() {
        vec![line("validation", SECOND, validation)]
    } else {
        vec![line("training", FIRST, own), line("validation", SECOND, validation)]
    };
    let charts = [
        ("learning-loss", "Loss", loss),
        ("learning-metric", metric, metrics),
        (
            "learning-rate",
            "Learning rate",
            vec![line("", GREY, of(|at| at.learning_rate))],
        ),
    ];
    let last = history.iter().map(|at| f64::from(at.epoch)).fold(2.0, f64::max);
    let drawn = charts
        .into_iter()
        .map(|(name, title, lines)| over_epochs(name, title, last, lines));
    drawn.collect()
}

/// Curves over epochs 1 to `last`.
fn over_epochs(name: &'static str, title: &str, last: f64, lines: Vec<Line>) -> Result<Chart> {
    let y = span(lines.iter().flat_map(|line| &line.points).map(|point| point.1));
    Plot {
        name,
        title,
        x: ("epoch", 1.0..last),
        y: ("", y),
        ticks: Ticks::Whole,
        bars: Vec::new(),
        lines,
    }
    .draw()
}

/// One value of several runs over their epochs, each run with its name in the legend.
pub(super) fn side_by_side(name: &'static str, title: &str, runs: Vec<(String, Vec<(f64, f64)>)>) -> Result<Chart> {
    let epochs = runs.iter().flat_map(|(_, points)| points).map(|(epoch, _)| *epoch);
    let last = epochs.fold(2.0, f64::max);
    let lines = runs.into_iter().zip(RUNS.iter().cycle());
    let lines = lines.map(|((label, points), colour)| Line {
        label: label.into(),
        colour: *colour,
        points,
    });
    over_epochs(name, title, last, lines.collect())
}

/// Whether training and validation loss may be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Losses {
    /// Both have one unit.
    Alike,
    /// The training loss has a unit of its own.
    OtherUnits,
}

/// Faces by true and predicted class; the deeper a cell, the larger its share of the row.
pub(super) fn confusion(metrics: &EmotionMetrics) -> Result<Chart> {
    const CELL: i32 = 76;
    const LEFT: i32 = 130;
    const TOP: i32 = 64;
    let classes = metrics.per_class.len() as i32;
    let size = ((LEFT + classes * CELL + 12) as u32, (TOP + classes * CELL + 12) as u32);
    Chart::draw("confusion", size, |area| {
        let middle = |horizontal| text(Pos::new(horizontal, VPos::Center));
        area.draw(&Text::new(
            "predicted",
            (LEFT + classes * CELL / 2, 16),
            middle(HPos::Center),
        ))?;
        area.draw(&Text::new("true", (LEFT - 10, TOP - 20), middle(HPos::Right)))?;
        for (row, class) in (0..).zip(&metrics.per_class) {
            let centre = |at: i32, from: i32| from + at * CELL + CELL / 2;
            area.draw(&Text::new(
                class.label.clone(),
                (LEFT - 10, centre(row, TOP)),
                middle(HPos::Right),
            ))?;
            area.draw(&Text::new(
                class.label.clone(),
                (centre(row, LEFT), TOP - 20),
                middle(HPos::Center),
            ))?;
            for (column, count) in (0..).zip(&metrics.confusion[row as usize]) {
                let share = *count as f64 / class.support.max(1) as f64;
                let (x, y) = (LEFT + column * CELL, TOP + row * CELL);
                let cell = [(x + 1, y + 1), (x + CELL - 1, y + CELL - 1)];
                area.draw(&Rectangle::new(cell, FIRST.mix(0.06 + 0.74 * share).filled()))?;
                area.draw(&Text::new(
                    count.to_string(),
                    (centre(column, LEFT), centre(row, TOP) - 9),
                    middle(HPos::Center),
                ))?;
                let percent = format!("{:.0} %", share * 100.0);
                area.draw(&Text::new(
                    percent,
                    (centre(column, LEFT), centre(row, TOP) + 12),
                    middle(HPos::Center),
                ))?;
            }
        }
        Ok(())
    })
}

/// Accuracy over top probability, as trained and as calibrated, with the share of faces in each bin.
pub(super) fn reliability(trained: &[Bin], calibrated: &[Bin]) -> Result<Chart> {
    let line = |bins: &[Bin]| bins.iter().map(|bin| (bin.confidence, bin.accuracy)).collect();
    let faces: u64 = calibrated.iter().map(|bin| bin.faces).sum();
    let bars = calibrated.iter().map(|bin| {
        let [from, to] = [bin.index, bin.index + 1].map(|edge| edge as f64 / BINS as f64);
        [(from + 0.004, 0.0), (to - 0.004, bin.faces as f64 / faces as f64)]
    });
    let plot = Plot {
        name: "reliability",
        title: "Reliability",
        x: ("top probability", 0.0..1.0),
        y: ("share right (bars: share of faces)", 0.0..1.0),
        ticks: Ticks::Plain,
        bars: bars.collect(),
        lines: vec![
            Line {
                label: "".into(),
                colour: GREY,
                points: vec![(0.0, 0.0), (1.0, 1.0)],
            },
            Line {
                label: "as trained".into(),
                colour: SECOND,
                points: line(trained),
            },
            Line {
                label: "calibrated".into(),
                colour: FIRST,
                points: line(calibrated),
            },
        ],
    };
    plot.draw()
}

/// Coverage, and accuracy of what is covered, over the threshold.
pub(super) fn coverage(curve: &[Coverage]) -> Result<Chart> {
    let right = curve.iter().filter_map(|at| Some((at.threshold, at.accuracy?)));
    let covered = curve.iter().map(|at| (at.threshold, at.coverage));
    let plot = Plot {
        name: "coverage",
        title: "Coverage and accuracy",
        x: ("lowest top probability that gives a verdict", 0.0..1.0),
        y: ("share of faces", 0.0..1.0),
        ticks: Ticks::Plain,
        bars: Vec::new(),
        lines: vec![
            Line {
                label: "faces with a verdict".into(),
                colour: SECOND,
                points: covered.collect(),
            },
            Line {
                label: "verdicts that are right".into(),
                colour: FIRST,
                points: right.collect(),
            },
        ],
    };
    plot.draw()
}

/// Share of the faces whose normalised error is at most so much.
pub(super) fn cumulative(errors: &[f64]) -> Result<Chart> {
    const MOST: f64 = 0.2;
    let mut sorted: Vec<f64> = errors.iter().copied().filter(|error| *error <= MOST).collect();
    sorted.sort_by(f64::total_cmp);
    let share = |count: usize| count as f64 / errors.len().max(1) as f64;
    let mut points = vec![(0.0, 0.0)];
    points.extend(sorted.iter().zip(1..).map(|(error, count)| (*error, share(count))));
    points.push((MOST, share(sorted.len())));
    let plot = Plot {
        name: "cumulative-error",
        title: "Cumulative error distribution",
        x: ("mean error / eye distance", 0.0..MOST),
        y: ("share of faces", 0.0..1.0),
        ticks: Ticks::Plain,
        bars: Vec::new(),
        lines: vec![Line {
            label: "".into(),
            colour: FIRST,
            points,
        }],
    };
    plot.draw()
}

/// Mean error of each point in pixels of the crop.
pub(super) fn points(points: &[PointMetrics]) -> Result<Chart> {
    const LEFT: i32 = 210;
    const ROW: i32 = 24;
    const WIDTH: i32 = 300;
    let longest = points
        .iter()
        .map(|point| point.mean_error_px)
        .fold(f64::MIN_POSITIVE, f64::max);
    Chart::draw(
        "points",
        ((LEFT + WIDTH + 90) as u32, (points.len() as i32 * ROW + 12) as u32),
        |area| {
            for (at, point) in (0..).zip(points) {
                let top = 6 + at * ROW;
                let end = LEFT + (f64::from(WIDTH) * point.mean_error_px / longest) as i32;
                let place = |x| (x, top + ROW / 2);
                let style = |horizontal| text(Pos::new(horizontal, VPos::Center));
                area.draw(&Text::new(
                    point.name.replace('_', " "),
                    place(LEFT - 8),
                    style(HPos::Right),
                ))?;
                area.draw(&Rectangle::new([(LEFT, top + 4), (end, top + ROW - 4)], FIRST.filled()))?;
                area.draw(&Text::new(
                    format!("{:.2} px", point.mean_error_px),
                    place(end + 8),
                    style(HPos::Left),
                ))?;
            }
            Ok(())
        },
    )
}

fn text(pos: Pos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", TEXT)).pos(pos)
}

#[cfg(test)]
mod tests;
