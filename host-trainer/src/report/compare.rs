//! Runs side by side, as tables and as one page with their curves.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::charts::side_by_side;
use super::html::Page;
use super::table::{Table, words};
use crate::compare::{Figures, Guessing, Paired, Run, Setting, Test, same_data, settings};
use crate::evaluate::{Guess, MeanShape};
use crate::model::Task;
use crate::train::history::EpochRecord;

/// Letters of a setting's value on a terminal; some are whole tables.
const WIDEST: usize = 24;

/// Trained networks side by side.
pub struct Comparison<'a> {
    runs: &'a [Run],
    settings: Vec<Setting>,
    test: Option<Test>,
    metric: &'static str,
}

impl<'a> Comparison<'a> {
    /// Compares runs of one task; `test` holds their figures on the faces held out, where those were measured.
    pub fn of(runs: &'a [Run], test: Option<Test>) -> Result<Self> {
        let task = |run: &Run| run.shipped.state.config.task;
        if let Some(pair) = runs.windows(2).find(|pair| task(&pair[0]) != task(&pair[1])) {
            bail!(
                "compare: {} was trained for {:?}, {} for {:?}",
                pair[0].name,
                task(&pair[0]),
                pair[1].name,
                task(&pair[1])
            );
        }
        Ok(Self {
            metric: match runs.first().map(task) {
                Some(Task::Keypoints) => "validation RMSE, px",
                Some(Task::Emotion) | None => "validation accuracy",
            },
            settings: settings(runs),
            runs,
            test,
        })
    }

    /// All tables in columns, for a terminal.
    pub fn text(&self) -> String {
        let tables: Vec<String> = self.tables(WIDEST).iter().map(Table::text).collect();
        tables.join("\n")
    }

    /// The same as one object of JSON.
    pub fn json(&self) -> Value {
        let runs = self.runs.iter().map(|run| {
            json!({
                "run": run.name,
                "epochs": run.shipped.history.len(),
                "best_epoch": run.best().map(|at| at.epoch),
                "validation_loss": run.best().map(|at| at.validation_loss),
                "validation_metric": run.best().map(|at| at.validation_metric),
                "seconds_an_epoch": run.seconds_an_epoch(),
                "parameters": run.shipped.network.parameters(),
                "trained_parameters": run.trained_parameters(),
            })
        });
        json!({
            "runs": runs.collect::<Vec<_>>(),
            "same_data": same_data(self.runs),
            "settings": self.settings,
            "test": self.test,
        })
    }

    /// One page of HTML that needs nothing but itself: curves and tables.
    pub fn html(&self) -> Result<String> {
        let mut page = Page::new("Runs side by side");
        let names: Vec<String> = (0..self.runs.len()).map(|run| self.name(run)).collect();
        page.paragraph(&names.join(", "));
        let curves = |value: fn(&EpochRecord) -> f64| {
            let runs = self.runs.iter().enumerate().map(|(number, run)| {
                let points = run.shipped.history.iter().map(|at| (f64::from(at.epoch), value(at)));
                let points = points.filter(|(_, value)| value.is_finite());
                (format!("{}", number + 1), points.collect())
            });
            runs.collect::<Vec<_>>()
        };
        let charts = [
            side_by_side("loss", "Validation loss", curves(|at| at.validation_loss))?,
            side_by_side("metric", self.metric, curves(|at| at.validation_metric))?,
        ];
        let [loss, metric] = &charts;
        let caption = "On the validation part of each run, on faces as they are; the numbers are those of the runs.";
        page.charts(&[(loss, caption), (metric, caption)]);
        for table in self.tables(usize::MAX) {
            table.show(&mut page);
        }
        Ok(page.finish())
    }

    /// A run with its number, by which tables and curves call it.
    fn name(&self, run: usize) -> String {
        format!("{}: {}", run + 1, self.runs[run].name)
    }

    /// All tables; values of settings with more letters than `widest` are cut.
    fn tables(&self, widest: usize) -> Vec<Table> {
        let mut tables = vec![self.course(), self.differences(widest)];
        if let Some(test) = &self.test {
            tables.extend([self.figures(test), self.against_first(test)]);
        }
        tables
    }

    fn course(&self) -> Table {
        let number =
            |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
        let rows = self.runs.iter().enumerate().map(|(at, run)| {
            let best = run.best();
            vec![
                self.name(at),
                run.shipped.history.len().to_string(),
                best.map_or("-".to_owned(), |at| at.epoch.to_string()),
                number(best.map(|at| at.validation_loss), 4),
                number(best.map(|at| at.validation_metric), 4),
                number(run.seconds_an_epoch(), 1),
                run.shipped.network.parameters().to_string(),
                run.trained_parameters().to_string(),
            ]
        });
        Table {
            title: "Course",
            note: if same_data(self.runs) {
                "Validation figures are those of the best epoch, by which it was chosen.".to_owned()
            } else {
                "These runs were trained on different data, or hold other faces out: their figures are of different faces, \
                 and cannot be compared."
                    .to_owned()
            },
            head: words(&[
                "run",
                "epochs",
                "best epoch",
                "validation loss",
                self.metric,
                "s an epoch",
                "parameters",
                "trained",
            ]),
            rows: rows.collect(),
        }
    }

    fn differences(&self, widest: usize) -> Table {
        let mut head = words(&["setting"]);
        head.extend((1..=self.runs.len()).map(|run| run.to_string()));
        let rows = self.settings.iter().map(|setting| {
            let mut row = vec![setting.key.clone()];
            row.extend(setting.values.iter().map(|value| cut(value, widest)));
            row
        });
        Table {
            title: "Settings that differ",
            note: if self.settings.is_empty() {
                "None: all runs have the same settings.".to_owned()
            } else {
                String::new()
            },
            head,
            rows: rows.collect(),
        }
    }

    fn figures(&self, test: &Test) -> Table {
        let head = match test.runs.first() {
            Some(Figures::Keypoints { .. }) => ["run", "MSE, px²", "RMSE, px", "mean error, px"],
            _ => ["run", "accuracy", "macro F1", "log loss"],
        };
        let rows = test.runs.iter().enumerate().map(|(run, figures)| {
            let values = match figures {
                Figures::Emotion {
                    accuracy,
                    macro_f1,
                    log_loss,
                } => [accuracy, macro_f1, log_loss],
                Figures::Keypoints {
                    mse_px2,
                    rmse_px,
                    mean_error_px,
                } => [mse_px2, rmse_px, mean_error_px],
            };
            let mut row = vec![self.name(run)];
            row.extend(values.map(|value| format!("{value:.4}")));
            row
        });
        Table {
            title: "On the faces held out",
            note: format!(
                "{} faces that no run was trained on or chosen by.{}",
                test.faces,
                test.guessing.as_ref().map_or_else(String::new, guessing)
            ),
            head: words(&head),
            rows: rows.collect(),
        }
    }

    fn against_first(&self, test: &Test) -> Table {
        let several = if test.against_first.len() > 1 {
            " Each run is tested by itself: among many, one differs by chance."
        } else {
            ""
        };
        let (note, head) = match test.against_first.first() {
            Some(Paired::Keypoints { .. }) => (
                "The difference of the mean errors with its 95 % interval (paired bootstrap over people). Where that \
                 contains 0, the difference may be chance.",
                words(&["run", "difference, px", "from", "to"]),
            ),
            _ => (
                "McNemar's exact test: p is how often two equally good networks differ at least so much.",
                words(&["run", "accuracy", "right alone", "first right alone", "of faces", "p"]),
            ),
        };
        let rows = test.against_first.iter().enumerate().map(|(at, paired)| {
            let mut row = vec![self.name(at + 1)];
            row.extend(cells(paired));
            row
        });
        Table {
            title: "Against the first run, on the same faces",
            note: format!("{note}{several}"),
            head,
            rows: rows.collect(),
        }
    }
}

/// The beginning of a long text, with a mark that it goes on.
fn cut(text: &str, widest: usize) -> String {
    if text.chars().count() <= widest {
        return text.to_owned();
    }
    let kept = text.chars().take(widest.saturating_sub(1));
    kept.chain(['…']).collect()
}

fn cells(paired: &Paired) -> Vec<String> {
    match paired {
        Paired::Emotion(test) => vec![
            format!("{:+.4}", test.accuracy_difference),
            test.second_only.to_string(),
            test.first_only.to_string(),
            test.faces.to_string(),
            format!("{:.4}", test.p),
        ],
        Paired::Keypoints {
            mean_error_difference_px: figure,
        } => [figure.value, figure.low, figure.high]
            .map(|value| format!("{value:+.4}"))
            .to_vec(),
    }
}

/// A sentence about whoever guesses, with a space before it.
fn guessing(guessing: &Guessing) -> String {
    match guessing {
        Guessing::Majority(Guess {
            label,
            accuracy,
            macro_f1,
        }) => format!(" Whoever always says {label} has accuracy {accuracy:.4} and macro F1 {macro_f1:.4}."),
        Guessing::MeanShape(MeanShape { mse_px2, rmse_px }) => format!(
            " Whoever always gives the mean shape of the training part has MSE {mse_px2:.4} px² and RMSE {rmse_px:.4} px."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_a_short_one_is_not() {
        assert_eq!(cut("é".repeat(24).as_str(), 24), "é".repeat(24));
        assert_eq!(cut("0123456789", 5), "0123…");
    }
}
