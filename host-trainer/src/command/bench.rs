//! `host-trainer bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use host_trainer::augment::AugmentConfig;
use host_trainer::config::TrainConfig;
use host_trainer::device::{Backend, Devices};
use host_trainer::model::Task;
use host_trainer::train::bench::Bench as Training;
use serde_json::json;

/// Measure how fast this machine trains.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time one training step on random faces.
    Train(Train),
}

/// Time one training step on random faces.
///
/// The step is the one of `train`: batch, forward and backward pass, optimiser. Prints a JSON line for
/// each network and backend on stdout, a table on stderr; times are medians.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Which network; both by default.
    task: Option<Task>,
    /// Settings that differ from the original's, as in `train`; names the network, so give the task too.
    #[arg(long, value_name = "TOML", requires = "task")]
    recipe: Option<PathBuf>,
    /// Faces in one step.
    #[arg(long)]
    batch: Option<usize>,
    /// Copies of the network that share each batch; by default one a core.
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// Steps to take the median of, at least 1.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// Steps before, which are not counted.
    #[arg(long, value_name = "N", default_value_t = 2)]
    warm_up: u32,
    /// Where to compute; everywhere by default.
    #[arg(long, value_enum)]
    device: Option<Backend>,
}

/// What one network comes to on one backend.
struct Measured {
    config: TrainConfig,
    backend: String,
    step: Duration,
    /// Mean time of a step in each kind of the engine's passes.
    passes: Vec<(String, Duration)>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let Self::Train(train) = self;
        train.run()
    }
}

impl Train {
    fn run(&self) -> Result<ExitCode> {
        let tasks = self
            .task
            .map_or(vec![Task::Keypoints, Task::Emotion], |task| vec![task]);
        let backends = self
            .device
            .map_or(Backend::value_variants().to_vec(), |backend| vec![backend]);
        tracing::info!(
            "{:<11}{:<15}{:>6}{:>10}{:>11}{:>10}",
            "network",
            "backend",
            "batch",
            "replicas",
            "step ms",
            "images/s"
        );
        for task in tasks {
            let config = self.config(task)?;
            for backend in &backends {
                let measured = self.measure(&config, *backend)?;
                tracing::info!("{}", measured.row());
                super::write_line(&measured.json().to_string())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Faces as they are, where no recipe says how to vary them.
    fn config(&self, task: Task) -> Result<TrainConfig> {
        let mut config = TrainConfig {
            augment: AugmentConfig::none(),
            ..TrainConfig::original(task)
        };
        if let Some(path) = &self.recipe {
            config = config.with_recipe(path)?;
        }
        config.batch = self.batch.unwrap_or(config.batch);
        config.replicas = self.replicas.unwrap_or(config.replicas);
        config.check()?;
        Ok(config)
    }

    fn measure(&self, config: &TrainConfig, backend: Backend) -> Result<Measured> {
        let mut training = Training::new(config, &Devices::local(backend)?)?;
        for _ in 0..self.warm_up {
            training.step()?;
        }
        let before = training.engine_passes();
        let steps = (0..self.steps).map(|_| training.step()).collect::<Result<Vec<_>>>()?;
        let passes = training.engine_passes().into_iter().zip(before);
        let passes = passes.map(|((pass, after), (_, before))| {
            let spent = after.saturating_sub(before);
            (format!("{pass:?}").to_lowercase(), spent / self.steps)
        });
        Ok(Measured {
            config: config.clone(),
            backend: backend.name(),
            step: median(steps),
            passes: passes.collect(),
        })
    }
}

impl Measured {
    fn images_per_second(&self) -> f64 {
        self.config.batch as f64 / self.step.as_secs_f64()
    }

    fn row(&self) -> String {
        let Self {
            config,
            backend,
            step,
            passes,
        } = self;
        let mut row = format!(
            "{:<11}{backend:<15}{:>6}{:>10}{:>11.1}{:>10.1}",
            name(&config.task),
            config.batch,
            config.replicas,
            milliseconds(*step),
            self.images_per_second()
        );
        if !passes.is_empty() {
            let passes: Vec<String> = passes
                .iter()
                .map(|(pass, time)| format!("{pass} {:.0}", milliseconds(*time)))
                .collect();
            row.push_str("\n    the engine's share, in ms a replica: ");
            row.push_str(&passes.join(", "));
        }
        row
    }

    fn json(&self) -> serde_json::Value {
        let passes: serde_json::Map<_, _> = self
            .passes
            .iter()
            .map(|(pass, time)| (pass.clone(), json!(milliseconds(*time))))
            .collect();
        json!({
            "task": name(&self.config.task),
            "architecture": self.config.architecture.name(),
            "backend": self.backend,
            "batch": self.config.batch,
            "replicas": self.config.replicas,
            "step_ms": milliseconds(self.step),
            "images_per_second": self.images_per_second(),
            "engine_ms": passes,
            "peak_mib": super::plan::peak_memory().map(|bytes| bytes as f64 / (1 << 20) as f64),
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the command line calls a value.
fn name(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

/// The middle one, the later of two; nothing for no time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_time() {
        let of = |times: &[u64]| median(times.iter().copied().map(Duration::from_millis).collect()).as_millis();
        assert_eq!([of(&[9, 1, 5]), of(&[7, 2]), of(&[])], [5, 7, 0]);
    }
}
