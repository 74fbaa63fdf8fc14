//! The model card: what a bundle's networks are, what they can do, and what they must not be used for.
//!
//! The form is that of model cards on public hubs: YAML front matter with the figures, then prose.

use std::fmt::Write;

use shared_model::manifest::{Manifest, Network, Precision};

use super::card_training::training;
use super::{Figures, Measured, Measurements, NetworkFile, Source, Told};
use crate::calibrate::Calibrated;
use crate::evaluate::{EmotionMetrics, KeypointMetrics, NEUTRAL};
use crate::tables;

/// The card of a bundle.
pub(super) fn card(manifest: &Manifest, measured: &Measurements, sources: [&Source<'_>; 2]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = front_matter(&mut text, manifest, measured);
    let _ = body(&mut text, manifest, measured, sources);
    text
}

fn front_matter(text: &mut String, manifest: &Manifest, measured: &Measurements) -> std::fmt::Result {
    let (keypoints, emotion) = (
        &measured.keypoints.preferred().metrics,
        &measured.emotion.preferred().metrics,
    );
    writeln!(text, "---")?;
    writeln!(text, "library_name: onnx")?;
    writeln!(text, "tags: [face, keypoints, emotion, resnet, embedded]")?;
    writeln!(text, "model-index:")?;
    writeln!(text, "- name: {}", manifest.name)?;
    writeln!(text, "  results:")?;
    let results = [
        ("keypoint-detection", "Facial keypoints", "mse_px2", keypoints.mse_px2),
        (
            "keypoint-detection",
            "Facial keypoints",
            "mean_error_px",
            keypoints.mean_error_px,
        ),
        ("image-classification", "Emotion", "accuracy", emotion.accuracy),
        ("image-classification", "Emotion", "macro_f1", emotion.macro_average.f1),
    ];
    for (kind, name, metric, value) in results {
        writeln!(text, "  - task: {{type: {kind}, name: {name}}}")?;
        writeln!(
            text,
            "    dataset: {{type: held-out, name: rows held out of the training data}}"
        )?;
        writeln!(text, "    metrics: [{{type: {metric}, value: {value:.4}}}]")?;
    }
    writeln!(text, "---")
}

fn body(
    text: &mut String,
    manifest: &Manifest,
    measured: &Measurements,
    sources: [&Source<'_>; 2],
) -> std::fmt::Result {
    let classes: Vec<&str> = manifest.classes.iter().collect();
    writeln!(text, "\n# {} (version {})\n", manifest.name, manifest.version)?;
    writeln!(
        text,
        "Two residual networks for 96x96 grey faces: one gives the 15 Kaggle keypoints, the other one of {} \
         classes ({}). The runtime reads `manifest.json`; the networks are plain ONNX.\n",
        classes.len(),
        classes.join(", ")
    )?;
    text.push_str(INTENDED_USE);
    figures(text, manifest, measured, matches!(sources[0].figures, Figures::Keep(_)))?;
    precisions(text, measured)?;
    training(text, manifest, sources)?;
    preprocessing(text, manifest)?;
    text.push_str(LIMITS);
    let neutral = manifest.classes.index(NEUTRAL).is_some();
    text.push_str(if neutral { WITH_NEUTRAL } else { WITHOUT_NEUTRAL });
    Ok(())
}

const WITH_NEUTRAL: &str = "\
- Neutral is a class: a face that shows nothing in particular is told Neutral. What is none of the classes, such as fear,
  is often told one all the same; the figures above say how often.
";

const WITHOUT_NEUTRAL: &str = "\
- **There is no neutral class**: a face that shows nothing in particular is told some emotion, often with a strong score.
  The abstain threshold does not mend that. Use it only where everybody shows one of the classes.
";

const INTENDED_USE: &str = "\
## Intended use

Exhibits, shop windows and kiosks that react to a visitor's expression, on the device alone, with a notice that says so.
The label names the expression that the picture shows, as people who labelled such pictures would call it. It does not
tell what a person feels, and must not decide anything about a person.

**Law.** The EU AI Act forbids inferring emotions at the workplace and in education (Art. 5(1)(f)) and asks deployers to
tell people who are exposed to emotion recognition (Art. 50(3)).

";

const LIMITS: &str = "\
## Limits and bias

- The faces come from the web and from videos of public people: ages, skin tones, glasses, masks and head poses are not
  represented evenly, and nobody labelled them. Figures by group exist for portraits alone, if they were given. Try it on
  the people it will see.
- Labels of expressions are noisy: on the five classes, ten other taggers agree with FER2013's label in about 84 % of the
  pictures. An accuracy far above that would measure the noise.
- Faces turned away, below about 40 pixels, blurred or badly lit are judged worse than these figures say.
- The keypoint figures hold for faces framed as in the training data. On a live picture the detector's framing adds to
  them.
";

fn figures(text: &mut String, manifest: &Manifest, measured: &Measurements, kept: bool) -> std::fmt::Result {
    let (keypoints, emotion) = (
        &measured.keypoints.preferred().metrics,
        &measured.emotion.preferred().metrics,
    );
    writeln!(text, "## Figures on faces never trained on\n")?;
    writeln!(
        text,
        "Keypoints, {} faces, in pixels of the 96x96 crop{}:\n",
        keypoints.faces,
        used(&manifest.keypoints, measured.keypoints.preferred())
    )?;
    let table = if kept { totals(keypoints) } else { keypoints.table() };
    writeln!(text, "```text\n{}\n```\n", table.trim_end())?;
    if kept {
        writeln!(text, "{KEPT}")?;
    }
    writeln!(
        text,
        "Emotion, {} faces{}:\n",
        emotion.faces,
        used(&manifest.emotion, measured.emotion.preferred())
    )?;
    writeln!(text, "```text\n{}\n```\n", emotion.table().trim_end())?;
    if measured.told.panels.len() > 1 {
        writeln!(text, "{TOGETHER}\n")?;
    }
    calibration(text, &measured.told)?;
    writeln!(text, "### What is told, by kind of face\n")?;
    writeln!(text, "{TOLD}")?;
    text.push_str(&tables::panels(&measured.told.panels));
    if let Some(portraits) = &measured.told.portraits {
        writeln!(text, "\n### What is told about portraits\n\n{PORTRAITS}")?;
        text.push_str(&tables::portraits(portraits));
    }
    writeln!(text)
}

const TOGETHER: &str = "\
These are the test faces of all data sets together, against what each was trained on: a majority of taggers where there are
votes, else the label. By kind of face they stand below.";

const KEPT: &str = "\
The keypoint network was taken over from another bundle as it was. These are the figures that it had there; it was not measured
again.
";

/// The figures of a keypoint network of which single points are not known.
fn totals(metrics: &KeypointMetrics) -> String {
    let mut text = format!(
        "mean squared error        {:>10.4} px² of a coordinate\nmean error                {:>10.4} px of a point, as a distance\n",
        metrics.mse_px2, metrics.mean_error_px
    );
    if let Some(error) = metrics.normalised_error {
        let _ = writeln!(text, "mean error / eye distance {error:>10.4}");
    }
    if let Some(shape) = metrics.mean_shape {
        let _ = writeln!(
            text,
            "of the mean shape         {:>10.4} px² of a coordinate",
            shape.mse_px2
        );
    }
    text
}

const TOLD: &str = "\
All figures come with the interval in which they lie in 95 of 100 samples of this size (bootstrap; over persons where
they are known). A face is *told* its top class where the score reaches the threshold. *label*: the file's own label,
Neutral left out and masked; *majority*: the label that more taggers chose than any other; *sure*: at least eight of
them; *photographs*: by person, cut out with the `frame` of the settings below, and not in a detector's box. Faces *of no
class* show something else, such as fear; whatever they are told is wrong. The threshold was chosen on the validation part,
where in each set even the lower end of the interval is high enough: *right of those* tells what came of it. *Always*: whoever tells every face the most frequent class, which a network must beat.";

const PORTRAITS: &str = "\
None of these people was trained on. The face is found by the cascade. The groups are small: look at the intervals.";

fn calibration(text: &mut String, told: &Told) -> std::fmt::Result {
    let Calibrated {
        decision,
        faces,
        wrong,
        told: reached,
        warnings,
    } = &told.calibrated;
    writeln!(
        text,
        "Scores are calibrated with temperature {:.3}, found with {faces} faces of the validation part, {wrong} of them \
         wrong. Below a top score of {:.2} the runtime says `uncertain`; {reached} faces of that part reach it. On the {} \
         faces of the test part:\n",
        decision.temperature, decision.abstain_below, told.calibration.faces
    )?;
    for warning in warnings {
        writeln!(text, "**Warning**: {warning}.\n")?;
    }
    writeln!(text, "| | without the temperature | with it |\n|---|---|---|")?;
    for (bins, [before, after]) in &told.calibration.errors {
        writeln!(text, "| calibration error, {bins} bins | {before:.4} | {after:.4} |")?;
    }
    let [before, after] = told.calibration.log_loss;
    writeln!(text, "| log loss | {before:.4} | {after:.4} |\n")
}

/// How a network is used on the device.
fn used<M>(network: &Network, file: &NetworkFile<M>) -> String {
    let views = if network.mirrored {
        ", mean of the face and its mirror image"
    } else {
        ""
    };
    let numbers = match file.precision {
        Precision::F32 => "",
        Precision::Int8 => ", in 8-bit integers",
    };
    format!("{numbers}{views}")
}

/// What quantisation costs, where the bundle holds integers.
fn precisions(text: &mut String, measured: &Measurements) -> std::fmt::Result {
    let (keypoints, emotion) = (&measured.keypoints, &measured.emotion);
    if keypoints.int8.is_none() && emotion.int8.is_none() {
        return Ok(());
    }
    writeln!(text, "## 8-bit integers beside 32-bit floats\n")?;
    writeln!(
        text,
        "The runtime takes the integers where there are any; `precision = \"f32\"` in its configuration takes the floats. \
         Both on the same faces:\n"
    )?;
    writeln!(text, "| | f32 | int8 | change |\n|---|---|---|---|")?;
    let mut row = |name: &str, [float, int8]: [f64; 2], digits: usize, change: fn(f64, f64) -> String| {
        let change = change(float, int8);
        writeln!(text, "| {name} | {float:.digits$} | {int8:.digits$} | {change} |")
    };
    if let Some(int8) = &keypoints.int8 {
        let pair = |value: fn(&KeypointMetrics) -> f64| [value(&keypoints.float.metrics), value(&int8.metrics)];
        row("keypoints, mean squared error in px²", pair(|m| m.mse_px2), 4, percent)?;
        row("keypoints, mean error in px", pair(|m| m.mean_error_px), 4, percent)?;
        row("keypoints, MB", megabytes(keypoints, int8), 2, percent)?;
    }
    if let Some(int8) = &emotion.int8 {
        let pair = |value: fn(&EmotionMetrics) -> f64| [value(&emotion.float.metrics), value(&int8.metrics)];
        row("emotion, accuracy", pair(|m| m.accuracy), 4, points)?;
        row("emotion, macro F1", pair(|m| m.macro_average.f1), 4, points)?;
        row("emotion, log loss", pair(|m| m.log_loss), 4, percent)?;
        row("emotion, MB", megabytes(emotion, int8), 2, percent)?;
    }
    writeln!(text)
}

fn percent(float: f64, int8: f64) -> String {
    format!("{:+.2} %", 100.0 * (int8 / float - 1.0))
}

fn points(float: f64, int8: f64) -> String {
    format!("{:+.2} points", 100.0 * (int8 - float))
}

/// Sizes of a network's two files.
fn megabytes<M>(measured: &Measured<M>, int8: &NetworkFile<M>) -> [f64; 2] {
    [&measured.float.onnx, &int8.onnx].map(|onnx| onnx.len() as f64 / 1e6)
}

fn preprocessing(text: &mut String, manifest: &Manifest) -> std::fmt::Result {
    writeln!(text, "## Preprocessing\n")?;
    writeln!(
        text,
        "The detector's square box is scaled and moved by the crop rule, sampled bilinearly (half-pixel centres) to 96x96 \
         grey values in 0..=1, and normalised. The rules are the median over training faces:\n"
    )?;
    writeln!(
        text,
        "| | scale | right | down | normalisation | sees |\n|---|---|---|---|---|---|"
    )?;
    for (name, network) in [("keypoints", &manifest.keypoints), ("emotion", &manifest.emotion)] {
        let crop = network.crop;
        writeln!(
            text,
            "| {name} | {} | {:+} | {:+} | {:?} | {} |",
            crop.scale,
            crop.dx,
            crop.dy,
            network.normalisation,
            if network.mirrored {
                "the crop and its mirror image"
            } else {
                "the crop"
            }
        )?;
    }
    writeln!(text)?;
    text.push_str(FORMULAS);
    Ok(())
}

const FORMULAS: &str = "\
- *Sampling*: pixel `i` covers `[i, i + 1)`. An output pixel is the mean of the pixels around its centre, weighted by a
  triangle of one step to either side, at least one pixel; beyond the edge, the edge repeats.
- *`Standardise { epsilon }`*: `(x - mean) / (deviation + epsilon)` over the 9216 values, with the deviation of the whole
  (divided by 9216). *`Unit`*: the values as they are.
- *Mirrored* networks see the crop and its mirror image, and the mean of both outputs counts. Points of the mirror image
  come back by `x -> 96 - x`, left and right exchanged by name.
- *Scores* are the softmax of `logits / temperature`. *Keypoints* are pixels of the crop.

The project's chapter *From Python* has all of this as code.

";
