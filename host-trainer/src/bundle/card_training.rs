//! What the model card says of how the networks were trained.

use std::fmt::Write;

use shared_model::manifest::{Manifest, Network, Precision};

use super::{Figures, Source};
use crate::config::{SetConfig, SplitBy, TrainConfig};

/// The section with each network's training, and its settings.
pub(super) fn training(text: &mut String, manifest: &Manifest, sources: [&Source<'_>; 2]) -> std::fmt::Result {
    writeln!(text, "## Training\n")?;
    let networks = [
        ("keypoints", &manifest.keypoints, sources[0]),
        ("emotion", &manifest.emotion, sources[1]),
    ];
    writeln!(text, "| | keypoints | emotion |\n|---|---|---|")?;
    let mut row = |name: &str, cell: &dyn Fn(usize) -> String| writeln!(text, "| {name} | {} | {} |", cell(0), cell(1));
    row("architecture", &|at| networks[at].1.architecture.to_string())?;
    row("parameters", &|at| networks[at].1.parameters.to_string())?;
    row("size of the 32-bit file", &|at| {
        let bytes = networks[at].1.file(Precision::F32).map_or(0, |file| file.bytes);
        format!("{:.1} MB", bytes as f64 / 1e6)
    })?;
    row("epochs (of these weights)", &|at| {
        networks[at].1.training.epochs.to_string()
    })?;
    row("faces trained on", &|at| networks[at].1.training.rows.to_string())?;
    row("divided by", &|at| divided(&networks[at].2.trained.config))?;
    row("validation / test faces", &|at| {
        let (_, entry, source) = networks[at];
        match source.figures {
            Figures::Measure(prepared) => {
                let split = &prepared.split;
                format!("{} / {}", split.validation.len(), split.test.len())
            }
            Figures::Keep(_) => format!("unknown / {}", tested(entry)),
        }
    })?;
    row("trunk began with", &|at| began_with(&networks[at].2.trained.config))?;
    row("taught by", &|at| taught_by(&networks[at].2.trained.config))?;
    row("seed", &|at| networks[at].1.training.seed.to_string())?;
    row("data (SHA-256)", &|at| short(networks[at].1.training.data.as_str()))?;
    row("held out (SHA-256)", &|at| {
        short(networks[at].1.training.held_out.as_str())
    })?;
    writeln!(
        text,
        "\nTrainer commit: {}. Keypoints were trained on faces in the form of Kaggle's `training.csv`, emotions on {}; no \
         face of either is in this bundle. The test parts were not used for any choice.\n\
         \nThese figures come from\n\n\
         ```sh\n\
         host-trainer evaluate --bundle DIR --task keypoints --data training.csv\n\
         host-trainer evaluate --bundle DIR --task emotion {}\n\
         ```\n\n\
         and the settings of each training are:\n",
        manifest.commit,
        trained_on(&sources[1].trained.config),
        arguments(&sources[1].trained.config)
    )?;
    for (name, _, source) in networks {
        let settings = toml::to_string(&source.trained.config).unwrap_or_default();
        writeln!(
            text,
            "<details><summary>{name}</summary>\n\n```toml\n{}\n```\n\n</details>\n",
            settings.trim_end()
        )?;
    }
    Ok(())
}

/// The emotion sets in words.
fn trained_on(config: &TrainConfig) -> String {
    let votes = config.loss.outside().map_or("", |_| " with the taggers' votes");
    let names: Vec<&str> = config.sets.iter().map(|set| set.name.as_str()).collect();
    if names.is_empty() {
        return format!("FER2013 in the form of `fer2013.csv`{votes}");
    }
    format!(
        "the sets {}{votes}, as the settings below draw them",
        names.join(" and ")
    )
}

/// The emotion data on a command line.
fn arguments(config: &TrainConfig) -> String {
    let votes = config.loss.outside().map_or("", |_| " --votes fer2013new.csv");
    if config.sets.is_empty() {
        return format!("--data fer2013.csv{votes}");
    }
    let sets = config
        .sets
        .iter()
        .map(|set| format!("--data {}", set.name.to_uppercase()));
    format!("{}{votes}", sets.collect::<Vec<_>>().join(" "))
}

/// Faces that a network was measured on, as its entry has it.
fn tested(entry: &Network) -> String {
    let metrics = entry.files.iter().flat_map(|file| &file.metrics);
    let faces = metrics.into_iter().find(|metric| metric.name.as_str() == "faces");
    faces.map_or_else(|| "unknown".to_owned(), |faces| faces.value.to_string())
}

fn divided(config: &TrainConfig) -> String {
    if config.sets.is_empty() {
        return by(config.split.by).to_owned();
    }
    let of_set = |set: &SetConfig| format!("{}: {}", set.name, by(set.split.unwrap_or(config.split).by));
    config.sets.iter().map(of_set).collect::<Vec<_>>().join("; ")
}

fn by(split: SplitBy) -> &'static str {
    match split {
        SplitBy::Group => "person or exact copy",
        SplitBy::Stratified => "person or exact copy, classes in proportion",
        SplitBy::Usage => "the data set's `Usage`, copies of test faces left out",
        SplitBy::Variants => "variants at random (leaks)",
    }
}

fn began_with(config: &TrainConfig) -> String {
    let frozen = if config.freeze.is_some() { ", frozen" } else { "" };
    match (config.from.as_slice(), &config.trunk) {
        ([], None) => "random weights".to_owned(),
        ([], Some(digest)) => format!("a network's, SHA-256 {}{frozen}", short(digest)),
        ([digest], _) => format!("a network's, head included, SHA-256 {}{frozen}", short(digest)),
        (digests, _) => {
            let digests: Vec<String> = digests.iter().map(|digest| short(digest)).collect();
            format!(
                "the mean of {} networks, heads included, SHA-256 {}{frozen}",
                digests.len(),
                digests.join(" and ")
            )
        }
    }
}

fn taught_by(config: &TrainConfig) -> String {
    let Some(teacher) = &config.teacher else {
        return "the labels of its data".to_owned();
    };
    let network = teacher.network.as_deref().map(short).unwrap_or_default();
    format!(
        "a network's answers for {} of the target, SHA-256 {network}",
        teacher.share
    )
}

fn short(hash: &str) -> String {
    format!("`{}…`", &hash[..16.min(hash.len())])
}
