//! Shows how a training goes: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use host_trainer::model::Task;
use host_trainer::train::{Event, history::EpochRecord, metric_name};
use indicatif::{ProgressBar, ProgressStyle};

/// Between two plain lines within an epoch.
const QUIET: Duration = Duration::from_mins(1);

pub(crate) struct Progress {
    task: Task,
    epochs: u32,
    steps: u64,
    /// Hidden where stderr is no terminal.
    bar: ProgressBar,
    last_line: Instant,
}

impl Progress {
    pub(crate) fn new(task: Task, epochs: u32) -> Self {
        Self {
            task,
            epochs,
            steps: 0,
            bar: ProgressBar::hidden(),
            last_line: Instant::now(),
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        match *event {
            Event::Damaged(what) => tracing::warn!(about = what, "passed over: {what}"),
            Event::TestFacesSeen(count) => {
                tracing::info!(
                    "{count} faces of the test part were seen by the network whose trunk this one begins with"
                );
            }
            Event::Begins { epoch, step, steps } => self.begin(epoch, step, steps),
            Event::Step { epoch, step, loss } => self.step(epoch, step, loss),
            Event::Epoch(record) => self.epoch(record),
        }
    }

    fn begin(&mut self, epoch: u32, step: u64, steps: u64) {
        self.steps = steps;
        let all = steps * u64::from(self.epochs);
        let done = steps * u64::from(epoch) + step;
        if done > 0 {
            tracing::info!("going on at epoch {}, step {}", epoch + 1, step + 1);
        }
        if std::io::stderr().is_terminal() {
            let form = "{wide_bar} {pos}/{len} steps, {msg}, {eta} left";
            let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = ProgressBar::new(all).with_style(style).with_position(done);
        }
    }

    fn step(&mut self, epoch: u32, step: u64, loss: f64) {
        self.bar.set_position(self.steps * u64::from(epoch) + step);
        self.bar.set_message(format!("loss {loss:.4}"));
        if self.bar.is_hidden() && self.last_line.elapsed() > QUIET {
            tracing::info!(
                "epoch {} of {}, step {step} of {}: loss {loss:.4}",
                epoch + 1,
                self.epochs,
                self.steps
            );
            self.last_line = Instant::now();
        }
    }

    fn epoch(&mut self, record: &EpochRecord) {
        let line = format!(
            "epoch {:3} of {}: loss {:.4}, validation loss {:.4}, {} {:.4}, learning rate {:.2e}, {:.0} s",
            record.epoch,
            self.epochs,
            record.loss,
            record.validation_loss,
            metric_name(self.task),
            record.validation_metric,
            record.learning_rate,
            record.seconds
        );
        if self.bar.is_hidden() {
            tracing::info!("{line}");
        } else {
            self.bar.println(line);
        }
        self.last_line = Instant::now();
    }
}
