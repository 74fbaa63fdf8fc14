//! The time of each layer of a network.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use inference::{Input, Layer, Model};

use super::super::failure::Failure;
use super::super::times::milliseconds;
use super::median;

/// Times that the runs took.
pub(super) struct Samples {
    /// Of whole runs, while nothing else was timed.
    totals: Vec<Duration>,
    /// Times of each layer, run by run.
    layers: Vec<Vec<Duration>>,
}

impl Samples {
    /// Runs the network for a time, once as it is and once layer by layer in turn.
    pub(super) fn take(model: &mut Model, input: Input<'_>, duration: Duration) -> Result<Self, Failure> {
        let mut samples = Self {
            totals: Vec::new(),
            layers: vec![Vec::new(); model.layers().len()],
        };
        let mut times = Vec::with_capacity(samples.layers.len());
        let begin = Instant::now();
        while samples.totals.is_empty() || begin.elapsed() < duration {
            let start = Instant::now();
            model.run_on(input)?;
            samples.totals.push(start.elapsed());
            model.run_timed(input, &mut times)?;
            samples
                .layers
                .iter_mut()
                .zip(&times)
                .for_each(|(all, time)| all.push(*time));
        }
        Ok(samples)
    }

    pub(super) fn table(mut self, layers: &[Layer]) -> String {
        let times: Vec<f64> = self
            .layers
            .iter_mut()
            .map(|times| milliseconds(median(times)))
            .collect();
        let sum: f64 = times.iter().sum();
        let width = layers.iter().map(|layer| layer.name.chars().count()).max().unwrap_or(0);
        let head = ["layer", "operation", "output", "ms", "share", "MMAC", "GMAC/s"];
        let mut text = row(width, head.map(str::to_owned));
        for (layer, time) in layers.iter().zip(&times) {
            let shape: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
            text += &row(
                width,
                cells(
                    &layer.name,
                    &layer.operation,
                    &shape.join("x"),
                    (*time, sum),
                    layer.macs,
                ),
            );
        }
        let macs = layers.iter().map(|layer| layer.macs).sum();
        let runs = self.totals.len();
        let total = milliseconds(median(&mut self.totals));
        text += &row(
            width,
            cells("all layers", &format!("{runs} runs"), "", (total, total), macs),
        );
        text + "\n"
    }
}

fn cells(name: &str, operation: &str, output: &str, (time, sum): (f64, f64), macs: u64) -> [String; 7] {
    let products = macs as f64 / 1e6;
    let [products, rate] = if macs == 0 {
        [String::new(), String::new()]
    } else {
        [format!("{products:.2}"), format!("{:.1}", products / time)]
    };
    let share = format!("{:.1} %", 100.0 * time / sum);
    [
        name.to_owned(),
        operation.to_owned(),
        output.to_owned(),
        format!("{time:.3}"),
        share,
        products,
        rate,
    ]
}

fn row(width: usize, [name, operation, output, time, share, macs, rate]: [String; 7]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{name:width$}  {operation:16}  {output:12} {time:>9} {share:>8} {macs:>8} {rate:>8}"
    );
    text.truncate(text.trim_end().len());
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, macs: u64) -> Layer {
        Layer {
            name: name.to_owned(),
            operation: "conv 3x3/1".to_owned(),
            output: vec![4, 4, 16],
            macs,
        }
    }

    #[test]
    fn table_tells_medians_shares_and_rates() {
        let millis = |values: &[u64]| {
            values
                .iter()
                .map(|value| Duration::from_millis(*value))
                .collect::<Vec<_>>()
        };
        let samples = Samples {
            totals: millis(&[9, 4, 5]),
            layers: vec![millis(&[1, 90, 1]), millis(&[3, 3, 0])],
        };
        let table = samples.table(&[layer("input", 0), layer("conv1", 6_000_000)]);
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["input", "conv", "3x3/1", "4x4x16", "1.000", "25.0", "%"]);
        assert_eq!(rows[2][4..], ["3.000", "75.0", "%", "6.00", "2.0"]);
        assert_eq!(
            rows[3],
            ["all", "layers", "3", "runs", "5.000", "100.0", "%", "6.00", "1.2"]
        );
    }
}
