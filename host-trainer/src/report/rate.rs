//! A learning-rate range test, as a table and as one page with its chart.

use anyhow::Result;
use serde_json::{Value, json};

use super::charts::FIRST;
use super::html::Page;
use super::plot::{Chart, GREY, Line, Plot, Ticks, span};
use super::table::{Table, words};
use crate::train::find_rate::{RateTest, Reason, Suggestion, Tried};

/// Most lines of the table.
const LINES: usize = 20;

/// What a range test found, and where from.
pub struct RateReport<'a> {
    /// The steps, and why there are no more.
    pub test: &'a RateTest,
    /// The command that made it.
    pub command: String,
}

impl RateReport<'_> {
    /// Table and suggestion for a terminal.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.table().text(), self.verdict())
    }

    /// The same as one object of JSON.
    pub fn json(&self) -> Value {
        json!({
            "suggestion": self.test.suggestion(),
            "ended": self.test.ended,
            "steps": self.test.tried,
        })
    }

    /// One page of HTML that needs nothing but itself.
    pub fn html(&self) -> Result<String> {
        let mut page = Page::new("Learning-rate range test");
        if let Some(Suggestion { rate, .. }) = self.test.suggestion() {
            page.tiles(&[("learning rate to begin with", format!("{rate:.1e}"))]);
        }
        page.paragraph(&self.verdict());
        if self.test.tried.len() > 1 {
            let chart = chart(&self.test.tried)?;
            let caption =
                "Mean loss of each step's faces, and the same smoothed over about ten steps, over the learning rate.";
            page.charts(&[(&chart, caption)]);
        }
        self.table().show(&mut page);
        page.section("How to repeat it");
        page.code(&self.command);
        Ok(page.finish())
    }

    fn table(&self) -> Table {
        let tried = &self.test.tried;
        let step = tried.len().div_ceil(LINES).max(1);
        let rows = tried.iter().step_by(step).map(|own| {
            vec![
                format!("{:.1e}", own.rate),
                format!("{:.4}", own.loss),
                format!("{:.4}", own.smoothed),
            ]
        });
        Table {
            title: "Loss over the learning rate",
            note: String::new(),
            head: words(&["rate", "loss", "smoothed"]),
            rows: rows.collect(),
        }
    }

    fn verdict(&self) -> String {
        let ended = match self.test.ended {
            Reason::End => "The loss did not run away up to the highest rate.",
            Reason::RanAway => "Then the loss ran away.",
            Reason::Interrupted => "Then it was interrupted, so higher rates were not tried.",
        };
        let steps = self.test.tried.len();
        match self.test.suggestion() {
            Some(Suggestion {
                rate,
                fastest_fall,
                lowest_loss,
            }) => format!(
                "{steps} steps. The smoothed loss fell fastest at {fastest_fall:.1e}, and was least at {lowest_loss:.1e}. \
                 {ended} A tenth of the latter is a good highest rate to begin with: --learning-rate {rate:.1e}"
            ),
            None => format!(
                "{steps} steps. {ended} The loss never fell clearly, so no rate is suggested: give more steps with \
                 --rate-steps, or look at the data and at the weights that it begins with."
            ),
        }
    }
}

/// Both losses over the rate; what has run away is cut off, since it would flatten the rest.
fn chart(tried: &[Tried]) -> Result<Chart> {
    let highest = tried.iter().map(|own| own.smoothed).fold(f64::MIN, f64::max);
    let line = |label: &'static str, colour, loss: fn(&Tried) -> f64| Line {
        label: label.into(),
        colour,
        points: tried
            .iter()
            .map(|own| (own.rate.log10(), loss(own).min(highest)))
            .collect(),
    };
    let [first, last] = [tried.first(), tried.last()].map(|own| own.map_or(0.0, |own| own.rate.log10()));
    let lines = vec![
        line("each step", GREY, |own| own.loss),
        line("smoothed", FIRST, |own| own.smoothed),
    ];
    Plot {
        name: "rate",
        title: "Loss over the learning rate",
        x: ("learning rate", first..last),
        y: (
            "",
            span(lines.iter().flat_map(|line| &line.points).map(|point| point.1)),
        ),
        ticks: Ticks::Powers,
        bars: Vec::new(),
        lines,
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_chart_and_table_and_the_terminal_a_few_lines() {
        let tried = (0..100_i32).map(|step| Tried {
            rate: 10_f64.powf(f64::from(step) / 20.0 - 6.0),
            loss: 3.0 - f64::from(step) / 50.0,
            smoothed: 3.0 - f64::from(step) / 50.0,
        });
        let test = RateTest {
            tried: tried.collect(),
            ended: Reason::End,
        };
        let report = RateReport {
            test: &test,
            command: "host-trainer train <emotion>".to_owned(),
        };
        let page = report.html().unwrap();
        assert!(page.contains("<svg ") && page.contains("train &lt;emotion&gt;") && !page.contains("<script"));
        assert!(
            page.contains("1e-4") && page.contains("1e-2"),
            "powers of ten on the axis"
        );
        let text = report.text();
        assert!(text.contains("--learning-rate 8.9e-3"), "{text}");
        assert!(text.lines().count() <= LINES + 5, "{text}");
        assert_eq!(report.json()["steps"].as_array().unwrap().len(), 100);
    }
}
