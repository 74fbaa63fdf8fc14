//! The bundle: whether it loads, and has the classes that the configuration names.

use std::path::Path;

use inference::bundle::Bundle;
use update::{Choice, Networks, Store, factory_version};

use super::trust::others_can_write;
use super::{Finding, IN_VAIN};
use crate::config::Config;
use crate::decide::Decider;
use crate::owner::as_owner;
use crate::sink::when::Holds;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Networks::load(&config.bundle, config.precision) {
        Err(error) => findings.push(Finding::bad(
            "bundle",
            error.to_string(),
            "install the package anew, or set `bundle`",
        )),
        Ok(networks) => {
            findings.push(whole(&networks.bundle));
            let note = config.face.without_effect(networks.predictor.detector().is_some());
            findings.extend(note.map(|note| Finding::good(IN_VAIN, note)));
            findings.extend(misfits(config, &networks.bundle));
        }
    }
    findings
}

fn whole(bundle: &Bundle) -> Finding {
    let manifest = bundle.manifest();
    closed(bundle.dir(), &format!("{} {}", manifest.name, manifest.version))
}

/// Of the bundle that runs, which is not loaded a second time.
pub(super) fn running(config: &Config, bundle: &str) -> Finding {
    closed(&config.bundle, bundle)
}

/// Whether nobody else can change the bundle in a directory.
fn closed(dir: &Path, name: &str) -> Finding {
    match others_can_write(dir) {
        Some(path) => Finding::bad(
            "bundle",
            format!("{} can be changed by other users", path.display()),
            format!("sudo chmod -R go-w {}", dir.display()),
        ),
        None => Finding::good("bundle", name),
    }
}

/// What the configuration names and the bundle that would run does not have.
fn misfits(config: &Config, factory: &Bundle) -> Vec<Finding> {
    let installed = installed(config);
    let manifest = installed.as_ref().unwrap_or(factory).manifest();
    let lines = config.sink.gpio.iter().flat_map(|gpio| &gpio.lines);
    let whens = config.when.iter().filter_map(|section| match &section.when.holds {
        Holds::Emotion(label) => Some(label),
        Holds::Face | Holds::NoFace | Holds::Uncertain => None,
    });
    let labels = lines.filter_map(|line| line.emotion()).chain(whens);
    let missing = labels.filter(|label| manifest.classes.index(label).is_none());
    let known: Vec<&str> = manifest.classes.iter().collect();
    let mut findings: Vec<Finding> = missing
        .map(|label| {
            Finding::bad(
                "classes",
                format!("the bundle has no emotion `{label}`"),
                format!("name one of {}", known.join(", ")),
            )
        })
        .collect();
    let decider = Decider::new(
        config.decide.0,
        manifest.classes.clone(),
        manifest.decision.abstain_below,
    );
    if let Err(error) = decider {
        findings.push(Finding::bad("decide", error.to_string(), "mend [decide]"));
    }
    findings
}

/// The bundle that an update brought, if it would run.
fn installed(config: &Config) -> Option<Bundle> {
    let factory = factory_version(&config.bundle);
    let open = |root: &Path| {
        let record = Store::peek(root).ok()?;
        match record.state.choice(factory) {
            Choice::Current(slot) => Bundle::open(&Store::slot(root, &slot.id)).ok(),
            _ => None,
        }
    };
    // Whoever owns the directory has put there what is read.
    as_owner(&config.update.as_ref()?.state, open).ok()?
}
