//! The keys of a recipe: what each means, and what it is without a recipe.

use std::fmt::Write;

use super::TrainConfig;
use crate::model::Task;

/// Each key of a recipe with its meaning.
const KEYS: [(&str, &str); 68] = [
    ("task", "`keypoints` or `emotion`"),
    ("classes", "the classes of an emotion network, 2 to 8 names"),
    (
        "labels",
        "what the numbers in the column `emotion` mean, from 0; empty for those of FER2013",
    ),
    ("seed", "seed of weights, split, order, variation and dropout"),
    ("batch", "faces in one step, 1 to 4096"),
    ("epochs", "epochs at most"),
    (
        "replicas",
        "copies of the network that share each batch; without a recipe one a core",
    ),
    (
        "average",
        "weights are averaged over steps with this decay, 0 to below 1; 0 is off",
    ),
    (
        "mixup",
        "parameter of the beta distribution by which two faces are mixed, 0 to 1; 0 is off",
    ),
    (
        "freeze",
        "`trunk`: the trunk stays as `--from` or `--trunk` gives it, and only the head learns; without `freeze` all does",
    ),
    ("architecture.stages", "residual stages, 1 to 3"),
    (
        "architecture.head.kind",
        "`keypoints_original`, `keypoints_compact` or `emotion`",
    ),
    ("architecture.head.end", "of `keypoints_original`: `relu` or `linear`"),
    (
        "architecture.head.classes",
        "of `emotion`: number of classes; follows `classes`",
    ),
    (
        "architecture.head.dropout",
        "of `emotion`: share of the features that is dropped, 0 to below 1",
    ),
    ("normalisation", "`unit` leaves values in 0..=1"),
    (
        "normalisation.standardise.epsilon",
        "(x - mean) / (deviation + epsilon) over each face",
    ),
    ("split.by", "`group`, `stratified`, `usage` or `variants`"),
    ("split.test", "share of the rows that is tested on"),
    ("split.validation", "share of the other rows that validates each epoch"),
    ("augment.mirror", "probability of changing left and right"),
    ("augment.vertical_flip", "probability of changing top and bottom"),
    (
        "augment.swap_mirrored_points",
        "whether mirrored points change names; off only to repeat old figures",
    ),
    (
        "augment.label_offset",
        "how far labels lie to the right of and below what they mark, in px of the face",
    ),
    ("augment.rotation_degrees", "largest rotation to either side"),
    ("augment.shift", "largest shift along each axis, as a share of the side"),
    ("augment.shear", "largest shear"),
    ("augment.zoom", "largest change of size: 0.1 is 0.9 to 1.1"),
    ("augment.brightness", "largest value added to pixels in 0..=1"),
    ("augment.contrast", "largest change of the distance to the mean grey"),
    ("augment.gamma", "largest exponent of pixels in 0..=1, less 1"),
    (
        "augment.low_resolution",
        "probability that a face seems to come from fewer pixels",
    ),
    ("augment.low_resolution_px", "smallest and largest side of such a face"),
    (
        "augment.noise",
        "largest standard deviation of noise on pixels in 0..=1",
    ),
    ("augment.erase", "probability that a grey box covers a part"),
    ("augment.erase_px", "smallest and largest side of that box"),
    ("loss.kind", "`mean_squared_error`, `smooth_l1` or `cross_entropy`"),
    (
        "loss.beta",
        "of `smooth_l1`: where the quadratic part ends, in units of 10 px",
    ),
    (
        "loss.smoothing",
        "of `cross_entropy`: share of the target that is spread over all classes",
    ),
    (
        "loss.balance",
        "weighs classes by the inverse of their frequency to this power; 0 is off",
    ),
    ("loss.votes", "share of the taggers' votes in the target"),
    (
        "loss.outside",
        "trains by votes alone where a label is none of the classes; the share of votes for none that counts",
    ),
    (
        "loss.adjust",
        "logit adjustment by the classes' frequencies; 0 is off, 1 is full",
    ),
    (
        "teacher.share",
        "share of the target that is what the network of `--teacher` says of a face; without `teacher` none",
    ),
    ("optimiser.rule", "`adam`, which it is unless set, or `sgd`"),
    (
        "optimiser.momentum",
        "of `sgd`: share of the last step that is kept, 0.9 unless set",
    ),
    ("optimiser.learning_rate", "highest learning rate"),
    ("optimiser.beta1", "decay of Adam's first moment"),
    ("optimiser.beta2", "decay of Adam's second moment"),
    ("optimiser.epsilon", "added to the root of the second moment"),
    ("optimiser.amsgrad", "keep the largest second moment"),
    ("optimiser.weight_decay", "weight decay of every parameter; 0 is off"),
    (
        "optimiser.decoupled",
        "whether the decay acts on the weights (AdamW) or on the gradient",
    ),
    ("optimiser.clip", "longest gradient over all parameters; 0 is off"),
    (
        "schedule.kind",
        "`plateau`, `constant`, `step`, `cosine` or `one_cycle`",
    ),
    (
        "schedule.factor",
        "of `plateau` and `step`: what the rate is multiplied with",
    ),
    ("schedule.patience", "of `plateau`: epochs without progress before"),
    ("schedule.minimum", "of `plateau`: lowest rate"),
    ("schedule.every", "of `step`: epochs between two steps"),
    (
        "schedule.warmup",
        "of `cosine` and `one_cycle`: share of all steps in which the rate rises",
    ),
    (
        "stop.patience",
        "epochs without progress after which to stop; 0 is never",
    ),
    ("stop.monitor", "`loss` or, for emotions, `accuracy`"),
    ("sets.name", "one table `[[sets]]` for each `--data`; its name"),
    ("sets.weight", "times that a face of the set is drawn in an epoch; 1"),
    (
        "sets.frame",
        "square of each picture that is shown: `scale`, `dx`, `dy`; the whole",
    ),
    (
        "sets.classes",
        "by what the weight is multiplied for faces of a class, and of `other`",
    ),
    (
        "sets.divided",
        "by what it is multiplied where votes are divided `between` two classes",
    ),
    ("sets.split", "how the set is divided; as `split`"),
];

/// Keys that a training sets by itself.
#[cfg(test)]
const OWN: [&str; 3] = ["trunk", "from", "teacher.network"];

/// All keys as a table in Markdown, with the values that both trainings have without a recipe.
pub fn markdown() -> String {
    let tables = [Task::Keypoints, Task::Emotion].map(|task| {
        let mut values = Vec::new();
        let table = toml::Table::try_from(TrainConfig::original(task)).unwrap_or_default();
        flatten("", &table, &mut values);
        values
    });
    let mut text = String::from("| key | keypoints | emotion | meaning |\n|---|---|---|---|\n");
    for (key, meaning) in KEYS {
        let value = |values: &[(String, String)]| match (key, values.iter().find(|(own, _)| own == key)) {
            ("replicas", _) => "cores".to_owned(),
            (_, Some((_, value))) => format!("`{value}`"),
            (_, None) => "-".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{key}` | {} | {} | {meaning} |",
            value(&tables[0]),
            value(&tables[1])
        );
    }
    text
}

/// Every value that is no table, by its whole key; lists of tables count by the keys of these.
fn flatten(within: &str, table: &toml::Table, out: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = if within.is_empty() {
            name.clone()
        } else {
            format!("{within}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, out),
            value => out.push((key, short(value))),
        }
    }
}

/// A value without the digits that it has as a 32-bit float written with 64.
fn short(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => format!("{}", *number as f32),
        toml::Value::Array(values) => {
            let values: Vec<String> = values.iter().map(short).collect();
            format!("[{}]", values.join(", "))
        }
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_settings_is_explained() {
        let mut found = Vec::new();
        for task in [Task::Keypoints, Task::Emotion] {
            flatten(
                "",
                &toml::Table::try_from(TrainConfig::original(task)).unwrap(),
                &mut found,
            );
        }
        let recipes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        for entry in std::fs::read_dir(recipes).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            flatten("", &toml::from_str(&text).unwrap(), &mut found);
        }
        for (key, _) in found {
            let known = key == "sets" || OWN.contains(&key.as_str()) || KEYS.iter().any(|(own, _)| *own == key);
            assert!(known, "{key} is not explained");
        }
    }

    #[test]
    fn the_chapter_has_the_keys_that_the_program_prints() {
        let chapter = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/recipe-keys.md");
        let chapter = std::fs::read_to_string(chapter).unwrap();
        assert!(
            chapter.ends_with(&markdown()),
            "write it again: host-trainer train --keys\n{}",
            markdown()
        );
    }
}
