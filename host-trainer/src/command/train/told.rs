//! What a training tells before it begins and after it ends.

use std::path::Path;

use anyhow::Result;
use host_trainer::config::TrainConfig;
use host_trainer::train::checkpoint;
use host_trainer::train::checkpoints;
use host_trainer::train::metric_name;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::pretrained::{ClassesBegun, Pretrained};
use host_trainer::train::provenance::Inputs;
use host_trainer::train::teacher;
use host_trainer::train::trained::Trained;
use host_trainer::train::validate::{majority, mean_shape};

use crate::command::words;

/// Says what of another network a training begins with, and what nobody knows about it.
pub(super) fn tell(pretrained: &Pretrained, config: &TrainConfig) {
    if let Some(ClassesBegun { taken_over, fresh }) = pretrained.classes_begun(config) {
        let list = |classes: &[String]| match classes {
            [] => "none".to_owned(),
            classes => classes.join(", "),
        };
        tracing::info!(
            "classes that are taken over: {}; that begin with random weights: {}",
            list(&taken_over),
            list(&fresh)
        );
    }
    if pretrained.networks() > 1 {
        tracing::info!(
            "it begins with the mean of the weights of {} networks",
            pretrained.networks()
        );
    }
    if !pretrained.knows_what_it_has_seen() {
        tracing::warn!(
            "nobody can tell which faces the bundle's network has seen. Where faces of the test part are among them, its \
             figures are too good: test on faces that are new to it"
        );
    }
}

/// Targets with the teacher's part in them; says how far it has come.
pub(super) fn taught(prepared: Prepared, teacher: &Trained, config: &TrainConfig) -> Result<Prepared> {
    let all = prepared.split.train.len();
    let every = all.div_ceil(10).max(1);
    tracing::info!("the teacher looks at {all} faces, {} times each", teacher::VIEWS);
    prepared.taught_by(teacher, config, &|done| {
        if done.is_multiple_of(every) {
            tracing::info!("the teacher has judged {done} of {all} faces");
        }
    })
}

/// Says what guessing comes to on the validation part, to be held beside each epoch's figure.
pub(super) fn guessing(prepared: &Prepared, config: &TrainConfig) {
    let [training, rows] = [&prepared.split.train, &prepared.split.validation];
    let metric = metric_name(config.task);
    if let Some((class, accuracy)) = majority(prepared, rows) {
        let label = config.classes.label(class).unwrap_or_default();
        tracing::info!("guessing: always {label} has validation {metric} {accuracy:.4}; a network must beat that");
    }
    if let Some((_, root)) = mean_shape(prepared, training, rows) {
        tracing::info!("guessing: the mean shape has validation {metric} {root:.4}; a network must beat that");
    }
}

/// Says what comes after a training.
pub(super) fn next(run: &Path, inputs: &Inputs) {
    let path = |path: &Path| path.display().to_string();
    let mut data: Vec<String> = Vec::new();
    for own in &inputs.data {
        data.extend(["--data".to_owned(), path(own)]);
    }
    if let Some(votes) = &inputs.votes {
        data.extend(["--votes".to_owned(), path(votes)]);
    }
    let command = |words: &[&str], more: &[String]| {
        let words = words.iter().map(|word| (*word).to_owned()).chain(more.iter().cloned());
        format!(
            "  {}",
            words::shell(["host-trainer".to_owned()].into_iter().chain(words))
        )
    };
    let size = checkpoint::size(&checkpoints(run)).map_or_else(
        |_| String::new(),
        |bytes| format!("; its checkpoints take {:.0} MB", bytes as f64 / 1e6),
    );
    let (run, page) = (path(run), path(&run.join("report")));
    tracing::info!(
        "{run} is trained{size}. Next, its figures on the faces held out, a page about it, and a file for other programs:\n\
         {}\n{}\n{}\nand `host-trainer bundle` puts a keypoint and an emotion network together",
        command(&["evaluate", "--run", &run], &data),
        command(&["report", &run, "--out", &page], &data),
        command(&["export", &run, "--out", &format!("{run}.onnx")], &[]),
    );
}
