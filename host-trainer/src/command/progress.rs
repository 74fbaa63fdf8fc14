//! Shows how a training goes: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use host_trainer::config::TrainConfig;
use host_trainer::model::Task;
use host_trainer::train::{Event, history::EpochRecord, metric_name};
use indicatif::{ProgressBar, ProgressStyle};

use super::words;

/// Between two plain lines within an epoch.
const QUIET: Duration = Duration::from_mins(1);

/// Steps after which the running averages of batch normalisation, which keep 0.99 of themselves in each, hold less than
/// a hundredth of what they began with.
const SETTLED: u64 = 460;

pub(crate) struct Progress {
    task: Task,
    epochs: u32,
    batch: usize,
    steps: u64,
    /// Hidden where stderr is no terminal.
    bar: ProgressBar,
    last_line: Instant,
    /// When this process began, and at which step of all.
    begun: (Instant, u64),
    /// The best metric that this process has seen, with its epoch.
    best: Option<(u32, f64)>,
    /// Whether lagging averages were explained.
    explained: bool,
}

impl Progress {
    pub(crate) fn new(config: &TrainConfig) -> Self {
        Self {
            task: config.task,
            epochs: config.epochs,
            batch: config.batch,
            steps: 0,
            bar: ProgressBar::hidden(),
            last_line: Instant::now(),
            begun: (Instant::now(), 0),
            best: None,
            // A frozen trunk has no averages that could lag.
            explained: config.freeze.is_some(),
        }
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        match *event {
            Event::Damaged(what) => tracing::warn!(about = what, "passed over: {what}"),
            Event::TestFacesSeen(count) => {
                tracing::info!("{count} faces of the test part were seen by the network that this one begins with");
            }
            Event::Begins { epoch, step, steps, .. } => self.begin(epoch, step, steps),
            Event::Start {
                validation_loss,
                validation_metric,
            } => self.start(validation_loss, validation_metric),
            Event::Step {
                epoch,
                step,
                loss,
                metric,
            } => self.step(epoch, step, &self.training(loss, metric)),
            Event::Epoch { record, best, steps } => self.epoch(record, best, steps),
        }
    }

    fn start(&mut self, loss: f64, metric: f64) {
        self.best = Some((0, metric));
        let name = metric_name(self.task);
        self.line(&format!(
            "what it begins with: validation loss {loss:.4}, validation {name} {metric:.4}; an epoch must beat that"
        ));
    }

    fn begin(&mut self, epoch: u32, step: u64, steps: u64) {
        self.steps = steps;
        let all = steps * u64::from(self.epochs);
        let done = steps * u64::from(epoch) + step;
        self.begun = (Instant::now(), done);
        if epoch >= self.epochs {
            tracing::info!("all {} epochs are done already; --epochs asks for more", self.epochs);
        } else if done > 0 {
            tracing::info!("going on at epoch {}, step {}", epoch + 1, step + 1);
        }
        if std::io::stderr().is_terminal() {
            let form = "{wide_bar} {pos}/{len} steps, {msg}, {eta} left";
            let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = ProgressBar::new(all).with_style(style).with_position(done);
        }
    }

    /// Loss and metric of the training part.
    fn training(&self, loss: f64, metric: Option<f64>) -> String {
        let name = metric_name(self.task);
        let metric = metric.map_or_else(String::new, |metric| format!(", {name} {metric:.4}"));
        format!("loss {loss:.4}{metric}")
    }

    fn step(&mut self, epoch: u32, step: u64, training: &str) {
        let done = self.steps * u64::from(epoch) + step;
        self.bar.set_position(done);
        self.bar
            .set_message(format!("{training}, {:.0} faces/s", self.faces_a_second(done)));
        if self.bar.is_hidden() && self.last_line.elapsed() > QUIET {
            tracing::info!("{}", self.step_line(epoch, step, training));
            self.last_line = Instant::now();
        }
    }

    /// What is told within an epoch.
    fn step_line(&self, epoch: u32, step: u64, training: &str) -> String {
        let done = self.steps * u64::from(epoch) + step;
        format!(
            "epoch {} of {}, step {step} of {}: {training}, {:.0} faces/s{}",
            epoch + 1,
            self.epochs,
            self.steps,
            self.faces_a_second(done),
            self.left(done)
        )
    }

    fn epoch(&mut self, record: &EpochRecord, best: Option<u32>, steps: u64) {
        let line = self.epoch_line(record, best);
        self.line(&line);
        if steps < SETTLED && !self.explained {
            self.explained = true;
            self.line(&format!(
                "validation uses the running averages of batch normalisation, as the device does; they keep 0.99 of \
                 themselves in each step, as in Keras, so after {steps} steps they lag behind the weights and the \
                 validation figures are still too bad (from about step {SETTLED} on they are not)"
            ));
        }
        self.last_line = Instant::now();
    }

    /// What is told of an epoch that has ended; `best` is the best one so far.
    fn epoch_line(&mut self, record: &EpochRecord, best: Option<u32>) -> String {
        if best == Some(record.epoch) {
            self.best = Some((record.epoch, record.validation_metric));
        }
        let best = match (best, self.best) {
            (Some(epoch), _) if epoch == record.epoch => ", the best so far".to_owned(),
            (_, Some((0, metric))) => format!(", best {metric:.4} before the first epoch"),
            (_, Some((epoch, metric))) => format!(", best {metric:.4} in epoch {epoch}"),
            (Some(0), None) => ", best before the first epoch".to_owned(),
            (Some(epoch), None) => format!(", best in epoch {epoch}"),
            (None, None) => String::new(),
        };
        let done = self.steps * u64::from(record.epoch);
        format!(
            "epoch {:3} of {}: {}, validation loss {:.4}, validation {} {:.4}{best}, learning rate {:.2e}, {:.0} s{}",
            record.epoch,
            self.epochs,
            self.training(record.loss, record.metric),
            record.validation_loss,
            metric_name(self.task),
            record.validation_metric,
            record.learning_rate,
            record.seconds,
            self.left(done)
        )
    }

    fn line(&self, line: &str) {
        if self.bar.is_hidden() {
            tracing::info!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    fn faces_a_second(&self, done: u64) -> f64 {
        let (begun, from) = self.begun;
        (done.saturating_sub(from) * self.batch as u64) as f64 / begun.elapsed().as_secs_f64().max(1e-3)
    }

    /// How long the rest takes at most, at the speed so far.
    fn left(&self, done: u64) -> String {
        let (begun, from) = self.begun;
        let rest = (self.steps * u64::from(self.epochs)).saturating_sub(done);
        let own = done.saturating_sub(from);
        if rest == 0 || own == 0 {
            return String::new();
        }
        let seconds = begun.elapsed().as_secs_f64() * rest as f64 / own as f64;
        format!(", at most {} left", words::duration(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A training of 4 epochs of 10 steps of 800 faces that began at this step, ten minutes ago.
    fn progress(begun_at: u64) -> Progress {
        let mut config = TrainConfig::original(Task::Emotion);
        (config.epochs, config.batch) = (4, 800);
        let mut progress = Progress::new(&config);
        progress.steps = 10;
        progress.begun = (Instant::now().checked_sub(Duration::from_mins(10)).unwrap(), begun_at);
        progress
    }

    fn record(epoch: u32, validation_metric: f64) -> EpochRecord {
        EpochRecord {
            epoch,
            loss: 1.25,
            metric: Some(0.375),
            validation_loss: 1.5,
            validation_metric,
            learning_rate: 1e-3,
            seconds: 2.0,
        }
    }

    #[test]
    fn a_line_within_an_epoch_tells_the_training_faces_a_second_and_the_time_left() {
        let own = progress(0);
        let line = own.step_line(1, 5, &own.training(1.25, Some(0.375)));
        // 15 steps took ten minutes; the other 25 take 16.7.
        assert_eq!(
            line,
            "epoch 2 of 4, step 5 of 10: loss 1.2500, accuracy 0.3750, 20 faces/s, at most 17 min left"
        );
        // Only what this process has done tells its speed.
        let line = progress(10).step_line(1, 5, "loss");
        assert!(line.ends_with("loss, 7 faces/s, at most 50 min left"), "{line}");
        assert!(
            progress(10).step_line(0, 10, "loss").ends_with("loss, 0 faces/s"),
            "nothing is known yet"
        );
    }

    #[test]
    fn a_line_of_an_epoch_tells_the_best_so_far_and_the_time_left() {
        let mut progress = progress(0);
        let first = progress.epoch_line(&record(1, 0.5), Some(1));
        assert_eq!(
            first,
            "epoch   1 of 4: loss 1.2500, accuracy 0.3750, validation loss 1.5000, validation accuracy 0.5000, \
             the best so far, learning rate 1.00e-3, 2 s, at most 30 min left"
        );
        let worse = progress.epoch_line(&record(2, 0.4), Some(1));
        assert!(
            worse.contains("accuracy 0.4000, best 0.5000 in epoch 1, learning rate"),
            "{worse}"
        );
        let last = progress.epoch_line(&record(4, 0.6), Some(4));
        assert!(last.contains("the best so far") && last.ends_with(", 2 s"), "{last}");
    }
}
