//! `host-trainer train --find-rate`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use durable::replace_file;
use host_trainer::config::TrainConfig;
use host_trainer::device::Devices;
use host_trainer::report::RateReport;
use host_trainer::train::find_rate::{Range, Reason, find_rate};
use host_trainer::train::prepare::Prepared;
use host_trainer::train::pretrained::Pretrained;

use super::{exit, words};

/// Between two lines while it runs.
const QUIET: Duration = Duration::from_secs(20);

/// Runs the test and tells what it found; what there is of an interrupted one is told, too.
pub(super) fn run(
    config: &TrainConfig,
    prepared: &Prepared,
    pretrained: Option<&Pretrained>,
    devices: &Devices,
    page: &Path,
    steps: u32,
    stop: &AtomicBool,
) -> Result<ExitCode> {
    let range = Range::of(config.optimiser.rule, steps);
    tracing::info!(
        "{steps} steps with rates from {:.0e} to {:.0e}",
        range.lowest,
        range.highest
    );
    let (mut done, mut last) = (0, Instant::now());
    let test = find_rate(config, prepared, pretrained, devices, range, stop, &mut |tried| {
        done += 1;
        if last.elapsed() > QUIET {
            tracing::info!(
                "step {done} of {steps}: rate {:.1e}, loss {:.4}",
                tried.rate,
                tried.smoothed
            );
            last = Instant::now();
        }
    })?;
    let report = RateReport {
        test: &test,
        command: words::own(),
    };
    replace_file(page, report.html()?.as_bytes()).with_context(|| format!("write {}", page.display()))?;
    tracing::info!("{}\n{} has the chart", report.text(), page.display());
    super::write_json(&report.json().to_string())?;
    Ok(match test.ended {
        Reason::Interrupted => ExitCode::from(exit::INTERRUPTED),
        Reason::End | Reason::RanAway => ExitCode::SUCCESS,
    })
}
