//! Charts as SVG text, and those with two axes.
//!
//! Nothing is painted behind a chart, and text and axes are black: on a page the black becomes the page's
//! text colour ([`Chart::inline`]), in a file of its own a white ground is laid under it ([`Chart::file`]).

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::evaluate::BINS;

/// Where charts are drawn.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Behind what matters.
pub(super) const GREY: RGBColor = RGBColor(128, 128, 128);

/// Width and height in pixels of the charts with axes.
const SIZE: (u32, u32) = (560, 340);
/// Height of a row above a chart that says which line is which.
const LEGEND: i32 = 22;
/// Where a row of it begins.
const LEGEND_LEFT: i32 = 72;
const OPENING: &str = "xmlns=\"http://www.w3.org/2000/svg\">\n";

/// A drawn chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// Of its file, without ending.
    pub(super) name: &'static str,
    pub(super) svg: String,
}

impl Chart {
    /// Paints on an area of this width and height in pixels.
    pub(super) fn draw(
        name: &'static str,
        size: (u32, u32),
        paint: impl FnOnce(&Area<'_>) -> Result<()>,
    ) -> Result<Self> {
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area).with_context(|| format!("draw the chart {name}"))?;
        area.present().with_context(|| format!("draw the chart {name}"))?;
        drop(area);
        Ok(Self { name, svg })
    }

    /// For a page: in its text colour, with `label` for those who cannot see it (already escaped).
    pub(super) fn inline(&self, label: &str) -> String {
        let svg = self.svg.replace("\"#000000\"", "\"currentColor\"");
        svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1)
    }

    /// For a file of its own: on white.
    pub(super) fn file(&self) -> String {
        self.svg.replacen(
            OPENING,
            &format!("{OPENING}<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n"),
            1,
        )
    }
}

/// One line of a chart.
pub(super) struct Line {
    /// In the legend; empty for a line that needs none.
    pub(super) label: Cow<'static, str>,
    pub(super) colour: RGBColor,
    pub(super) points: Vec<(f64, f64)>,
}

/// What the numbers on an x axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticks {
    /// Any numbers.
    Plain,
    /// Whole numbers: steps, epochs.
    Whole,
    /// Powers of ten; the axis holds their logarithms.
    Powers,
}

/// A chart with two axes.
pub(super) struct Plot<'a> {
    /// Of its file, without ending.
    pub(super) name: &'static str,
    pub(super) title: &'a str,
    /// What the axis shows, and from where to where.
    pub(super) x: (&'a str, Range<f64>),
    /// As `x`.
    pub(super) y: (&'a str, Range<f64>),
    /// What the numbers on the x axis are.
    pub(super) ticks: Ticks,
    /// Rectangles behind the lines, as `[x, y]` of two corners.
    pub(super) bars: Vec<[(f64, f64); 2]>,
    pub(super) lines: Vec<Line>,
}

impl Plot<'_> {
    pub(super) fn draw(self) -> Result<Chart> {
        let legend = self.legend();
        let rows = legend.last().map_or(1, |(row, _)| row + 1);
        let (width, height) = SIZE;
        let size = (width, height + ((rows - 1) * LEGEND) as u32);
        Chart::draw(self.name, size, |area| self.paint(area, rows, &legend))
    }

    /// Row and left end of what stands for each line in the legend.
    fn legend(&self) -> Vec<(i32, i32)> {
        const LETTER: i32 = 8;
        let (mut row, mut left) = (0, LEGEND_LEFT);
        let place = |line: &Line| {
            let width = 24 + LETTER * line.label.chars().count() as i32;
            if left > LEGEND_LEFT && left + width > SIZE.0 as i32 {
                (row, left) = (row + 1, LEGEND_LEFT);
            }
            let place = (row, left);
            left += width + 20;
            place
        };
        self.named().map(place).collect()
    }

    /// Lines that the legend names.
    fn named(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.label.is_empty())
    }

    fn paint(&self, area: &Area<'_>, rows: i32, legend: &[(i32, i32)]) -> Result<()> {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(24)
            .margin_top(10 + rows * LEGEND)
            .caption(self.title, ("sans-serif", 20))
            .x_label_area_size(44)
            .y_label_area_size(62)
            .build_cartesian_2d(self.x.1.clone(), self.y.1.clone())?;
        chart
            .configure_mesh()
            .x_desc(self.x.0)
            .y_desc(self.y.0)
            .x_labels(
                if self.ticks == Ticks::Plain {
                    8
                } else {
                    (self.x.1.end - self.x.1.start) as usize + 1
                }
                .clamp(2, 8),
            )
            .y_labels(6)
            .max_light_lines(0)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style(("sans-serif", 15))
            .axis_desc_style(("sans-serif", 16))
            .x_label_formatter(&|value| match self.ticks {
                Ticks::Whole | Ticks::Powers if value.fract() != 0.0 => String::new(),
                Ticks::Powers => format!("1e{value:.0}"),
                Ticks::Whole | Ticks::Plain => number(*value),
            })
            .y_label_formatter(&|value| number(*value))
            .draw()?;
        chart.draw_series(self.bars.iter().map(|bar| Rectangle::new(*bar, GREY.mix(0.3).filled())))?;
        for line in &self.lines {
            let style = line.colour.stroke_width(2);
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            // A line through one point cannot be seen, and dots crowd a long one.
            if line.points.len() <= 2 * BINS {
                chart.draw_series(
                    line.points
                        .iter()
                        .map(|point| Circle::new(*point, 3, line.colour.filled())),
                )?;
            }
        }
        // Above the chart, where it covers nothing.
        for (line, &(row, left)) in self.named().zip(legend) {
            let middle = 6 + row * LEGEND + LEGEND / 2;
            let stroke = line.colour.stroke_width(2);
            area.draw(&PathElement::new([(left, middle), (left + 18, middle)], stroke))?;
            let style = TextStyle::from(("sans-serif", 15)).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(line.label.as_ref(), (left + 24, middle), style))?;
        }
        Ok(())
    }
}

/// Few digits, but never a wrong zero.
fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        "0".to_owned()
    } else if size < 1e-2 {
        format!("{value:.1e}")
    } else if size < 100.0 {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.0}")
    }
}

/// What lies between the least and the largest value, with some air.
pub(super) fn span(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let air = if high > low {
        (high - low) * 0.05
    } else {
        low.abs().max(1e-6) * 0.5
    };
    low - air..high + air
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_leaves_air_around_the_values() {
        let cases: [(&[f64], Range<f64>); 3] = [(&[1.0, 3.0], 0.9..3.1), (&[2.0], 1.0..3.0), (&[], 0.0..1.0)];
        for (values, expected) in cases {
            let found = span(values.iter().copied());
            assert!(
                (found.start - expected.start).abs() < 1e-9 && (found.end - expected.end).abs() < 1e-9,
                "{values:?}: {found:?}"
            );
        }
    }

    #[test]
    fn axis_numbers_are_short_and_never_a_wrong_zero() {
        let cases = [
            (0.0, "0"),
            (-1e-17, "0"),
            (0.0015, "1.5e-3"),
            (0.2, "0.2"),
            (1.0, "1"),
            (12.345, "12.35"),
            (1234.5, "1234"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }
}
