//! The figures of a classifier as plain text in columns, for a terminal.

use std::fmt::Write;

use super::EmotionMetrics;
use super::emotion::Guess;

/// Heading of the confusions, which is wider than most labels.
const CONFUSION: &str = "true \\ predicted";

/// Longest name of a figure.
const LONGEST: &str = "calibration error";

impl EmotionMetrics {
    /// The figures as plain text in columns: per class, means, calibration, confusions, coverage.
    pub fn table(&self) -> String {
        let labels = self.per_class.iter().map(|class| class.label.len());
        let width = labels.fold(LONGEST.len().max(CONFUSION.len()), usize::max);
        [
            self.class_table(width),
            self.summary(width),
            self.confusion_table(width),
            self.coverage_table(width),
        ]
        .join("\n")
    }

    // Writing to a string cannot fail, so the results of `writeln` below are not looked at.

    fn class_table(&self, width: usize) -> String {
        let mut text = format!(
            "{:width$}{:>11}{:>9}{:>9}{:>9}\n",
            "class", "precision", "recall", "f1", "faces"
        );
        let mut row = |name: &str, [precision, recall, f1]: [f64; 3], faces: u64| {
            let _ = writeln!(text, "{name:width$}{precision:>11.4}{recall:>9.4}{f1:>9.4}{faces:>9}");
        };
        for class in &self.per_class {
            row(&class.label, [class.precision, class.recall, class.f1], class.support);
        }
        for (name, mean) in [
            ("macro mean", self.macro_average),
            ("weighted mean", self.weighted_average),
        ] {
            row(name, [mean.precision, mean.recall, mean.f1], self.faces);
        }
        text
    }

    fn summary(&self, width: usize) -> String {
        let mut text = String::new();
        for (name, value) in [
            ("accuracy", self.accuracy),
            ("log loss", self.log_loss),
            ("calibration error", self.calibration_error),
        ] {
            let _ = writeln!(text, "{name:width$}{value:>11.4}");
        }
        if let Some(Guess {
            label,
            accuracy,
            macro_f1,
        }) = self.majority()
        {
            let _ = writeln!(
                text,
                "Whoever always says {label} has accuracy {accuracy:.4}, and {macro_f1:.4} as the macro mean of f1."
            );
        }
        text
    }

    fn confusion_table(&self, width: usize) -> String {
        let columns = || self.per_class.iter().map(|class| class.label.len().max(6) + 2);
        let mut text = format!("{CONFUSION:width$}");
        for (class, column) in self.per_class.iter().zip(columns()) {
            let _ = write!(text, "{:>column$}", class.label);
        }
        for (class, row) in self.per_class.iter().zip(&self.confusion) {
            let _ = write!(text, "\n{:width$}", class.label);
            for (count, column) in row.iter().zip(columns()) {
                let _ = write!(text, "{count:>column$}");
            }
        }
        text.push('\n');
        text
    }

    fn coverage_table(&self, width: usize) -> String {
        let mut text = format!("{:width$}{:>11}{:>10}\n", "verdict from", "coverage", "accuracy");
        for row in &self.coverage {
            let accuracy = row.accuracy.map_or("-".to_owned(), |share| format!("{share:.4}"));
            let _ = writeln!(text, "{:<width$.2}{:>11.4}{accuracy:>10}", row.threshold, row.coverage);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::ClassSet;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let classes = ClassSet::new(&["Angry", "Surprised"]).unwrap();
        let faces = [(&[0.75, 0.25][..], 0), (&[0.75, 0.25][..], 1), (&[0.25, 0.75][..], 1)];
        let table = EmotionMetrics::measure(&classes, faces).unwrap().table();
        let expected = "\
class              precision   recall       f1    faces
Angry                 0.5000   1.0000   0.6667        1
Surprised             1.0000   0.5000   0.6667        2
macro mean            0.7500   0.7500   0.6667        3
weighted mean         0.8333   0.6667   0.6667        3

accuracy              0.6667
log loss              0.6539
calibration error     0.0833
Whoever always says Surprised has accuracy 0.6667, and 0.4000 as the macro mean of f1.

true \\ predicted    Angry  Surprised
Angry                   1          0
Surprised               1          1

verdict from        coverage  accuracy
0.40                  1.0000    0.6667
0.50                  1.0000    0.6667
0.60                  1.0000    0.6667
0.70                  1.0000    0.6667
0.80                  0.0000         -
0.90                  0.0000         -
0.95                  0.0000         -
";
        assert_eq!(table, expected, "got:\n{table}");
    }
}
