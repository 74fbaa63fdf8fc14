//! `host-trainer train --dry-run`, and `train --keys`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use host_trainer::config::{TrainConfig, keys};
use host_trainer::device::{Backend, Devices};
use host_trainer::model::Freeze;
use host_trainer::onnx::summary::summary;
use host_trainer::onnx::{Description, export};
use host_trainer::target::Target;
use host_trainer::train::bench::Bench;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::steps_per_epoch;

use super::words;

/// Steps that are timed, after one that is not.
const STEPS: u32 = 2;

/// List the keys of a recipe, with what each is without one.
#[derive(Debug, Args)]
pub(crate) struct Keys;

impl Keys {
    #[allow(clippy::unused_self, reason = "as every command has it")]
    pub(crate) fn run(self) -> Result<ExitCode> {
        super::write_line(keys::markdown().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Tells what a training would be, without it: the network's layers, and time and memory by a few real steps.
pub(super) fn tell(config: &TrainConfig, prepared: &Prepared, devices: &Devices) -> Result<ExitCode> {
    prepared.check_classes()?;
    let network = config.architecture.init(&Backend::Flex.device());
    let onnx = export(&network, &Target::pixels(), &Description::of(config))?;
    super::write_line(&format!(
        "{:<24}{:>16}{:>14}{:>14}",
        "layer", "output", "parameters", "MACs"
    ))?;
    let layers = summary(&onnx)?;
    for layer in &layers {
        let sizes: Vec<String> = layer.output.iter().map(usize::to_string).collect();
        super::write_line(&format!(
            "{:<24}{:>16}{:>14}{:>14}",
            layer.name,
            sizes.join(" x "),
            layer.parameters,
            layer.macs
        ))?;
    }
    let macs: u64 = layers.iter().map(|layer| layer.macs).sum();
    super::write_line(&format!(
        "{:<24}{:>16}{:>14}{:>14}   (batch normalisation is counted as part of its layer)",
        config.architecture.name(),
        "",
        layers.iter().map(|layer| layer.parameters).sum::<usize>(),
        macs
    ))?;
    if let Some(frozen) = frozen(config) {
        super::write_line(&frozen)?;
    }
    let mut bench = Bench::new(config, devices)?;
    bench.step()?;
    let mut seconds = 0.0;
    for _ in 0..STEPS {
        seconds += bench.step()?.as_secs_f64() / f64::from(STEPS);
    }
    let steps = steps_per_epoch(prepared.sampling.len(), config.batch);
    let epoch = steps as f64 * seconds;
    super::write_line(&format!(
        "{steps} steps of {} faces in an epoch; a step takes {:.0} ms here, an epoch about {}, {} epochs at most {}, \
         validation not counted",
        config.batch,
        seconds * 1e3,
        words::duration(epoch),
        config.epochs,
        words::duration(epoch * f64::from(config.epochs)),
    ))?;
    if let Some(bytes) = peak_memory() {
        super::write_line(&format!(
            "memory at most, data and these steps included: {:.1} GB",
            bytes as f64 / 1e9
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many parameters are trained, where not all are.
pub(super) fn frozen(config: &TrainConfig) -> Option<String> {
    let Freeze::Trunk = config.freeze?;
    let network = config.architecture.init(&Backend::Flex.device());
    let [own, all] = [config.freeze, None].map(|freeze| network.trained_parameters(freeze));
    Some(format!("the trunk is frozen: {own} of {all} parameters are trained"))
}

/// The most memory that this process has had so far, in bytes, where the system tells.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
