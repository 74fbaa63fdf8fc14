//! The bundle: whether it loads, and has the classes that the configuration names.

use std::path::Path;

use inference::bundle::Bundle;
use update::{Choice, Networks, Store, factory_version};

use super::trust::others_can_write;
use super::{Finding, IN_VAIN};
use crate::config::{Config, FaceMode};
use crate::decide::Decider;
use crate::owner::as_owner;
use crate::sink::when::Holds;
use vision::face::HAS_CASCADE;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Networks::load(&config.bundle, config.precision) {
        Err(error) => findings.push(Finding::bad(
            "bundle",
            error.to_string(),
            "install the package anew, or set `bundle`",
        )),
        Ok(networks) => {
            let detector = networks.predictor.detector().is_some();
            findings.push(match blind(config.face.mode, detector, HAS_CASCADE) {
                Some(finding) => finding,
                None => whole(&networks.bundle),
            });
            let note = config.face.without_effect(detector);
            findings.extend(note.map(|note| Finding::good(IN_VAIN, note)));
            findings.extend(misfits(config, &networks.bundle));
        }
    }
    findings
}

/// What is wrong where nothing can find a face.
fn blind(mode: FaceMode, detector: bool, cascade: bool) -> Option<Finding> {
    let blind = mode == FaceMode::Detect && !detector && !cascade;
    blind.then(|| {
        Finding::bad(
            "bundle",
            "it has no detector, and this program was built without the cascade",
            "give it one with `host-trainer bundle --detector`, or build with `--features cascade`",
        )
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_find_no_face_is_told_so() {
        assert!(!blind(FaceMode::Detect, false, false).unwrap().ok);
        for (mode, detector, cascade) in [
            (FaceMode::Detect, true, false),
            (FaceMode::Detect, false, true),
            (FaceMode::Whole, false, false),
        ] {
            assert!(blind(mode, detector, cascade).is_none());
        }
    }
}
