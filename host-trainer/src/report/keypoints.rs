//! The keypoint network's figures and faces.

use anyhow::Result;
use shared_model::keypoints::{COUNT, Keypoints};

use super::charts::{cumulative, points};
use super::faces::{FacePicture, extremes};
use super::html::Page;
use super::{Pictures, Source};
use crate::data::KeypointData;
use crate::evaluate::{MeanShape, normalised_error};
use crate::measure::{keypoint_metrics, mean_shape, predict};

/// Best and worst faces shown.
const SHOWN: usize = 12;

pub(super) fn section(
    page: &mut Page,
    pictures: &mut Pictures,
    source: &Source<'_>,
    data: &KeypointData,
) -> Result<()> {
    let rows = &source.prepared.split.test;
    let onnx = source.shipped.onnx()?;
    let predicted = predict(source.exported(&onnx), data, rows)?;
    let metrics = keypoint_metrics(&predicted, data, rows)?;
    let mut tiles = vec![
        ("mean error", format!("{:.2} px", metrics.mean_error_px)),
        ("root mean squared error", format!("{:.2} px", metrics.rmse_px)),
        ("mean squared error", format!("{:.2} px²", metrics.mse_px2)),
    ];
    tiles.extend(
        metrics
            .normalised_error
            .map(|error| ("of the eye distance", format!("{:.1} %", error * 100.0))),
    );
    tiles.push(("faces held out", metrics.faces.to_string()));
    page.tiles(&tiles);
    page.section("On the faces held out");
    let MeanShape { mse_px2, rmse_px } = mean_shape(data, rows, &source.prepared.split.train)?;
    page.paragraph(&format!(
        "Guessing: whoever always gives the mean shape of the training part has a mean squared error of {mse_px2:.2} px², \
         whose root is {rmse_px:.2} px. A network must beat that."
    ));
    page.paragraph("Pixels are those of the 96 x 96 crop; squared errors are per coordinate. Points whose place is not known do not count.");
    let each = predicted.iter().zip(rows.iter().map(|row| *row as usize));
    let errors: Vec<f64> = each
        .filter_map(|(points, row)| normalised_error(points, &data.points[row], &data.present[row]))
        .collect();
    let charts = [points(&metrics.per_point)?, cumulative(&errors)?];
    let area = metrics.auc_10.unwrap_or(0.0);
    let distribution = format!(
        "Share of the faces whose mean error is at most so much of the distance between the eyes; the area up to 0.1 is \
         {area:.3} of what it can be."
    );
    page.charts(&[
        (&charts[0], "Mean distance between predicted and true point."),
        (&charts[1], &distribution),
    ]);
    pictures.charts.extend(charts);
    let table = metrics.per_point.iter().map(|point| {
        let [mean, root] = [point.mean_error_px, point.rmse_px].map(|value| format!("{value:.2}"));
        vec![point.name.replace('_', " "), mean, root, point.faces.to_string()]
    });
    page.table(
        &["point", "mean error, px", "RMSE, px", "faces"],
        &table.collect::<Vec<_>>(),
    );
    page.section("Best and worst faces");
    page.paragraph("By mean distance over the known points. Green rings are true points, red crosses predicted ones.");
    faces(page, pictures, data, rows, &predicted)
}

fn faces(
    page: &mut Page,
    pictures: &mut Pictures,
    data: &KeypointData,
    rows: &[u32],
    predicted: &[Keypoints],
) -> Result<()> {
    let places = predicted.iter().zip(rows.iter().map(|row| *row as usize));
    let errors: Vec<f64> = places
        .map(|(predicted, row)| mean_error(predicted, &data.points[row], &data.present[row]))
        .collect();
    let [best, worst] = extremes(&errors, SHOWN);
    for (kind, places) in [("best", best), ("worst", worst)] {
        page.subsection(kind);
        page.html("<div class=\"faces\">\n");
        for (number, at) in (1..).zip(places) {
            let row = rows[at] as usize;
            let caption = format!("{:.2} px, row {}", errors[at], data.rows[row]);
            let picture = FacePicture::new(format!("{kind}-{number:02}"), caption, data.faces.view(row))?;
            let picture = picture.with_points(predicted[at], data.points[row], data.present[row]);
            page.html(&picture.html());
            pictures.faces.push(picture);
        }
        page.html("</div>\n");
    }
    Ok(())
}

/// Mean distance over the known points; no number where none is known.
fn mean_error(predicted: &Keypoints, truth: &Keypoints, known: &[bool; COUNT]) -> f64 {
    let distances = (0..COUNT).filter(|at| known[*at]).map(|at| {
        let [x, y] = [0, 1].map(|axis| f64::from(predicted.0[at][axis]) - f64::from(truth.0[at][axis]));
        x.hypot(y)
    });
    let (sum, count) = distances.fold((0.0, 0.0), |(sum, count), distance| (sum + distance, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_points_do_not_count_and_no_point_is_no_number() {
        let truth = Keypoints([[0.0; 2]; COUNT]);
        let mut predicted = truth;
        (predicted.0[2], predicted.0[5]) = ([3.0, 4.0], [90.0, 90.0]);
        let known = |places: &[usize]| std::array::from_fn(|at| places.contains(&at));
        assert!((mean_error(&predicted, &truth, &known(&[1, 2])) - 2.5).abs() < 1e-12);
        assert!(mean_error(&predicted, &truth, &known(&[])).is_nan());
    }
}
