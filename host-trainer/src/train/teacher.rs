//! Targets from what another network says of the training faces (distillation).
//!
//! Labels and votes know one class, or a few taggers; a trained network has an opinion about every class, and its mean
//! over several views of a face is better than any single one. A share of the target becomes that mean (Hinton et al.,
//! 2015; for a network taught by its own like, Furlanello et al., 2018).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use inference::Model;
use sha2::{Digest, Sha256};
use shared_model::emotion::{MAX_CLASSES, Scores};
use shared_model::image::INPUT_LEN;

use super::prepare::Prepared;
use super::samples::Samples;
use super::trained::Trained;
use crate::augment::AugmentConfig;
use crate::config::{Teacher, TrainConfig};
use crate::fingerprint::hex;
use crate::model::Task;

/// Views of each face that the teacher judges, half of them mirrored.
pub const VIEWS: u64 = 10;

/// How far a view differs from the face as it is: what moves a network's answer, but no person's.
const VIEW: AugmentConfig = AugmentConfig {
    rotation_degrees: 5.0,
    shift: 0.03,
    zoom: 0.06,
    ..AugmentConfig::none()
};

/// SHA-256 of a teacher's file, in hexadecimal.
pub fn digest(teacher: &Trained) -> String {
    hex(&Sha256::digest(&teacher.onnx))
}

impl Prepared {
    /// Lets `teacher` have its share, as the settings say, of the targets of the training part; `tell` hears how many
    /// faces are done.
    ///
    /// # Errors
    /// The settings give a teacher no share; or the teacher is no emotion network, knows other classes, or was trained
    /// on other data or with another split, so that it may have seen faces of the test part.
    pub fn taught_by(mut self, teacher: &Trained, config: &TrainConfig, tell: &(dyn Fn(usize) + Sync)) -> Result<Self> {
        let Some(Teacher { share, .. }) = &config.teacher else {
            bail!("the settings give a teacher no share of the target");
        };
        check(teacher, config, &self)?;
        let mut rows = self.split.train.clone();
        rows.sort_unstable();
        rows.dedup();
        let answers = answers(teacher, &self.samples, &rows, config.replicas, tell)?;
        self.samples.mix_targets(&rows, &answers, *share);
        Ok(self)
    }
}

fn check(teacher: &Trained, config: &TrainConfig, prepared: &Prepared) -> Result<()> {
    if config.task != Task::Emotion || teacher.config.task != Task::Emotion {
        bail!("--teacher: only emotion networks have teachers");
    }
    if teacher.config.classes != config.classes {
        let names = |config: &TrainConfig| config.classes.iter().collect::<Vec<_>>().join(", ");
        bail!(
            "--teacher: it knows the classes {}, this training has {}",
            names(&teacher.config),
            names(config)
        );
    }
    if [&teacher.data, &teacher.held_out] != [&prepared.data, &prepared.held_out] {
        bail!(
            "--teacher: it was trained on other data or with another split, so it may have seen faces of this test part; \
             give one that was trained on these files with this split"
        );
    }
    Ok(())
}

/// The teacher's distribution over the classes for each of these rows.
fn answers(
    teacher: &Trained,
    samples: &Samples,
    rows: &[u32],
    threads: usize,
    tell: &(dyn Fn(usize) + Sync),
) -> Result<Vec<[f32; MAX_CLASSES]>> {
    let done = &AtomicUsize::new(0);
    let one = |rows: &[u32]| -> Result<Vec<[f32; MAX_CLASSES]>> {
        let mut model = Model::load(&teacher.onnx, &[(teacher.description().output(), samples.outputs())])?;
        let answer = |row: &u32| {
            let own = answer(teacher, samples, *row, &mut model);
            tell(done.fetch_add(1, Ordering::Relaxed) + 1);
            own
        };
        rows.iter().map(answer).collect()
    };
    let parts: Vec<Vec<_>> = thread::scope(|scope| {
        let parts = rows.chunks(rows.len().div_ceil(threads).max(1));
        let threads: Vec<_> = parts.map(|rows| scope.spawn(move || one(rows))).collect();
        let threads = threads.into_iter();
        threads
            .map(|thread| thread.join().map_err(|_| anyhow!("the teacher stopped"))?)
            .collect::<Result<_>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// Softmax of the mean logits over all views of a face.
fn answer(teacher: &Trained, samples: &Samples, row: u32, model: &mut Model) -> Result<[f32; MAX_CLASSES]> {
    let mut input = vec![0.0; INPUT_LEN];
    let mut mean = vec![0.0; samples.outputs()];
    for view in 0..VIEWS {
        let config = AugmentConfig {
            mirror: (view % 2) as f32,
            ..VIEW
        };
        samples.view(row, &config, view, &mut input);
        teacher.config.normalisation.apply(&mut input);
        model.run(&input)?;
        for (mean, logit) in mean.iter_mut().zip(model.output(0)) {
            *mean += logit / VIEWS as f32;
        }
    }
    let scores = Scores::from_logits(&mean, 1.0)
        .with_context(|| format!("the teacher's answer to row {row} is not a number"))?;
    let mut answer = [0.0; MAX_CLASSES];
    for (value, score) in answer.iter_mut().zip(scores.as_slice()) {
        *value = *score;
    }
    Ok(answer)
}
