//! A data set before anything is trained on it: figures, copies, conflicts, faces, and the same faces varied.

use anyhow::Result;
use shared_model::image::{GrayView, INPUT_LEN, SIDE};
use shared_model::keypoints::{COUNT, NAMES};

use super::faces::FacePicture;
use super::html::Page;
use super::table::{Table, words};
use super::{percent, sheet};
use crate::augment::{AugmentConfig, augment, sample_rng};
use crate::data::votes::Shares;
use crate::data::{EmotionData, KeypointData};
use crate::train::samples::Data;

/// Faces shown, evenly chosen.
const FACES: usize = 64;
/// Of these, faces shown with each single variation.
const VARIED: usize = 8;
/// Conflicting copies that are named.
const NAMED: usize = 10;

/// What there is to know about a data set.
pub struct Survey {
    tables: Vec<Table>,
    page: String,
}

impl Survey {
    /// Looks at a data set; `votes` are shares for each face, `varied` how a training would vary them.
    pub fn of(data: &Data, votes: Option<&[Option<Shares>]>, varied: Option<&AugmentConfig>) -> Result<Self> {
        let mut tables = vec![faces_table(data)];
        match data {
            Data::Emotion(data) => tables.extend([classes(data, votes), emotion_copies(data)]),
            Data::Keypoints(data) => tables.extend([describe(data), mean_shape(data), keypoint_copies(data)]),
        }
        let page = page(data, &tables, varied)?;
        Ok(Self { tables, page })
    }

    /// One page of HTML that needs nothing but itself; it shows faces.
    pub fn html(&self) -> &str {
        &self.page
    }

    /// The figures for a terminal.
    pub fn text(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::text).collect();
        tables.join("\n")
    }
}

fn faces_table(data: &Data) -> Table {
    let faces = data.faces();
    let means: Vec<f64> = (0..faces.len())
        .map(|row| {
            let pixels = faces.pixels(row);
            pixels.iter().map(|pixel| f64::from(*pixel)).sum::<f64>() / pixels.len() as f64
        })
        .collect();
    let flat = (0..faces.len())
        .filter(|row| faces.pixels(*row).iter().all(|pixel| *pixel == faces.pixels(*row)[0]))
        .count();
    let figures = Description::of(&means);
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    Table {
        title: "Faces",
        note: String::new(),
        head: words(&["", "value"]),
        rows: vec![
            row("faces", faces.len().to_string()),
            row("side in pixels", faces.side().to_string()),
            row("mean grey of 0 to 255", format!("{:.1}", figures.mean)),
            row(
                "darkest and brightest face",
                format!("{:.0} and {:.0}", figures.quartiles[0], figures.quartiles[4]),
            ),
            row("faces of one single grey", flat.to_string()),
        ],
    }
}

fn classes(data: &EmotionData, votes: Option<&[Option<Shares>]>) -> Table {
    let counts = sheet::per_class(data, votes);
    let most = counts.iter().enumerate().max_by_key(|(_, (count, _))| *count);
    let note = most.map_or_else(String::new, |(class, (count, _))| {
        format!(
            "A network that always tells {} is right on {} of these faces.",
            data.classes.label(class).unwrap_or_default(),
            percent(*count, data.labels.len())
        )
    });
    let rows = data.classes.iter().zip(&counts).map(|(label, (count, agreement))| {
        let agree = if agreement.voted == 0 {
            "-".to_owned()
        } else {
            percent(agreement.agree, agreement.voted)
        };
        vec![
            label.to_owned(),
            count.to_string(),
            percent(*count, data.labels.len()),
            agree,
        ]
    });
    Table {
        title: "Classes",
        note,
        head: words(&["class", "faces", "share", "labels that the votes confirm"]),
        rows: rows.collect(),
    }
}

fn emotion_copies(data: &EmotionData) -> Table {
    let label = |row: usize| data.classes.label(usize::from(data.labels[row])).unwrap_or_default();
    let conflict = |first: usize, row: usize| {
        let (a, b) = (label(first), label(row));
        (a != b).then(|| format!("rows {} ({a}) and {} ({b})", data.rows[first], data.rows[row]))
    };
    copies(sheet::emotion_copies(data), &data.faces.copy_groups(), &conflict)
}

fn keypoint_copies(data: &KeypointData) -> Table {
    let conflict = |first: usize, row: usize| {
        let differs = |at: usize| {
            let both = data.present[first][at] && data.present[row][at];
            both && data.points[first].0[at] != data.points[row].0[at]
        };
        let point = (0..COUNT).find(|at| differs(*at))?;
        Some(format!(
            "rows {} and {} ({})",
            data.rows[first], data.rows[row], NAMES[point]
        ))
    };
    copies(sheet::keypoint_copies(data), &data.faces.copy_groups(), &conflict)
}

fn copies(found: sheet::Copies, groups: &[u32], conflict: &dyn Fn(usize, usize) -> Option<String>) -> Table {
    let mut first = std::collections::HashMap::new();
    let mut named = Vec::new();
    for (row, group) in groups.iter().enumerate() {
        let first = *first.entry(*group).or_insert(row);
        if first != row && named.len() < NAMED {
            named.extend(conflict(first, row));
        }
    }
    let row = |name: &str, sets: usize, rows: usize| vec![name.to_owned(), sets.to_string(), rows.to_string()];
    let note = if named.is_empty() {
        String::new()
    } else {
        format!("Copies that are labelled differently: {}.", named.join("; "))
    };
    Table {
        title: "Exact copies",
        note,
        head: words(&["", "faces", "rows"]),
        rows: vec![
            row("there more than once", found.sets, found.rows),
            row("labelled differently", found.conflicting_sets, found.conflicting_rows),
        ],
    }
}

/// Mean, deviation and quartiles, as pandas' `describe` gives them.
struct Description {
    count: usize,
    mean: f64,
    deviation: f64,
    /// Least, quarter, half, three quarters, largest.
    quartiles: [f64; 5],
}

impl Description {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let mean = sorted.iter().sum::<f64>() / count.max(1) as f64;
        let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
        let at = |share: f64| {
            let Some(last) = count.checked_sub(1) else {
                return f64::NAN;
            };
            let place = share * last as f64;
            let (below, above) = (place.floor() as usize, place.ceil() as usize);
            sorted[below] + (sorted[above] - sorted[below]) * place.fract()
        };
        Self {
            count,
            mean,
            deviation: (squares / count.saturating_sub(1).max(1) as f64).sqrt(),
            quartiles: [0.0, 0.25, 0.5, 0.75, 1.0].map(at),
        }
    }
}

/// The coordinates of each point, where it is known.
fn coordinates(data: &KeypointData, point: usize, axis: usize) -> Vec<f64> {
    let known = data
        .points
        .iter()
        .zip(&data.present)
        .filter(|(_, present)| present[point]);
    known.map(|(points, _)| f64::from(points.0[point][axis])).collect()
}

fn describe(data: &KeypointData) -> Table {
    let (_, whole) = sheet::known_points(data);
    let mut rows = Vec::new();
    for (point, name) in NAMES.iter().enumerate() {
        for (axis, letter) in ["x", "y"].iter().enumerate() {
            let own = Description::of(&coordinates(data, point, axis));
            let missing = data.faces.len() - own.count;
            let mut row = vec![format!("{name}_{letter}"), own.count.to_string(), missing.to_string()];
            let figures = [own.mean, own.deviation].into_iter().chain(own.quartiles);
            row.extend(figures.map(|value| {
                if own.count == 0 {
                    "-".to_owned()
                } else {
                    format!("{value:.2}")
                }
            }));
            rows.push(row);
        }
    }
    Table {
        title: "Coordinates in pixels of the 96 x 96 face",
        note: format!("All 15 points are known on {whole} faces."),
        head: words(&["", "count", "missing", "mean", "std", "min", "25%", "50%", "75%", "max"]),
        rows,
    }
}

/// How far off a network is that always gives the mean of each coordinate.
fn mean_shape(data: &KeypointData) -> Table {
    let (mut squares, mut count) = (0.0, 0usize);
    for (point, axis) in (0..COUNT).flat_map(|point| [(point, 0), (point, 1)]) {
        let values = coordinates(data, point, axis);
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        squares += values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        count += values.len();
    }
    let mse = squares / count.max(1) as f64;
    Table {
        title: "What the mean shape alone comes to",
        note: "A network is worth something where it is far below these.".to_owned(),
        head: words(&["", "value"]),
        rows: vec![
            vec!["mean squared error, px²".to_owned(), format!("{mse:.2}")],
            vec!["root mean squared error, px".to_owned(), format!("{:.2}", mse.sqrt())],
        ],
    }
}

fn page(data: &Data, tables: &[Table], varied: Option<&AugmentConfig>) -> Result<String> {
    let mut page = Page::new("A data set before its training");
    page.note(
        "This page contains pictures of the data set's faces. Keep and share it only as the data set's terms allow.",
    );
    for table in tables {
        table.show(&mut page);
    }
    let faces = data.faces().len();
    let rows: Vec<usize> = (0..faces).step_by(faces.div_ceil(FACES).max(1)).collect();
    page.section("Faces");
    show(&mut page, &rows, &|row| plain(data, row))?;
    if let Some(config) = varied {
        page.section("The same faces as a training varies them");
        page.paragraph("All variations of the recipe together; a training draws other ones in each epoch.");
        show(&mut page, &rows, &|row| with(data, row, config))?;
        for (name, own) in config.singles() {
            page.subsection(name);
            show(&mut page, &rows[..rows.len().min(VARIED)], &|row| with(data, row, &own))?;
        }
    }
    Ok(page.finish())
}

fn show(page: &mut Page, rows: &[usize], picture: &dyn Fn(usize) -> Result<FacePicture>) -> Result<()> {
    page.html("<div class=\"faces\">\n");
    for row in rows {
        page.html(&picture(*row)?.html());
    }
    page.html("</div>\n");
    Ok(())
}

fn plain(data: &Data, row: usize) -> Result<FacePicture> {
    let (number, faces) = (data.file_rows(&[row as u32])[0], data.faces());
    match data {
        Data::Emotion(data) => {
            let label = data.classes.label(usize::from(data.labels[row])).unwrap_or_default();
            FacePicture::new(String::new(), format!("{label}, row {number}"), faces.view(row))
        }
        Data::Keypoints(data) => {
            let picture = FacePicture::new(String::new(), format!("row {number}"), faces.view(row))?;
            Ok(picture.with_truth(data.points[row], data.present[row]))
        }
    }
}

fn with(data: &Data, row: usize, config: &AugmentConfig) -> Result<FacePicture> {
    let mut values = vec![0.0; INPUT_LEN];
    let mut rng = sample_rng(0, 0, row as u64);
    let face = data.faces().view(row);
    let mut labels = match data {
        Data::Emotion(_) => None,
        Data::Keypoints(data) => Some((data.points[row], data.present[row])),
    };
    let given = labels.as_mut().map(|(points, present)| (points, present));
    augment(face, given, config, &mut rng, &mut values);
    let pixels: Vec<u8> = values.iter().map(|value| (value * 255.0).round() as u8).collect();
    let view = GrayView::new(&pixels, SIDE, SIDE)?;
    let picture = FacePicture::new(String::new(), format!("row {}", data.file_rows(&[row as u32])[0]), view)?;
    Ok(match labels {
        None => picture,
        Some((points, present)) => picture.with_truth(points, present),
    })
}

#[cfg(test)]
mod tests;
