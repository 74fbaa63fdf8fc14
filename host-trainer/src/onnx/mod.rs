//! Networks as ONNX files.
//!
//! burn-onnx records the operations of a forward pass; what it writes is then brought into the form
//! that [`shared_model::manifest::CONTRACT`] promises and that runtimes run fast: batch normalisation
//! folded into the convolutions, ReLU before the pool, one `Gemm` a dense layer, names that do not
//! change from run to run. Both networks can be merged into one file with one input.

mod encode;
mod fold;
pub(crate) mod graph;
mod merge;
mod names;
pub mod quantise;
mod readers;
mod shapes;
pub mod summary;
mod unfold;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use burn_onnx::export::{AxisSpec, InputSpec, OnnxExporter};
use shared_model::emotion::ClassSet;
use shared_model::image::{Normalisation, SIDE};
use shared_model::manifest::{CONTRACT, EMOTION_NAME, INPUT_NAME, KEYPOINTS_NAME};

use crate::config::TrainConfig;
use crate::device::Backend;
use crate::model::{Network, Task};
use crate::target::Target;
use graph::Graph;
pub use merge::merge;
pub(crate) use unfold::{Dense, Folded, dense, unfold};

/// A file that an earlier version may have written, as this one writes it: it computes the same.
///
/// # Errors
/// What is no ONNX protobuf.
pub fn renewed(onnx: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    Ok(encode::encode(prost::Message::decode(onnx)?))
}

/// Why a network cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// burn-onnx cannot express an operation.
    #[error("export: record the network's operations: {0}")]
    Record(#[from] burn_onnx::export::ExportError),
    /// The recorded graph has another form than this program rewrites.
    #[error("export: the recorded graph has {0}; this version of burn-onnx needs another rewrite")]
    Graph(String),
}

/// What is written into the file beside the network.
#[derive(Debug, Clone)]
pub struct Description {
    /// What the network tells: keypoints or emotions.
    pub task: Task,
    /// Classes of the outputs of an emotion network.
    pub classes: ClassSet,
    /// What is done to a crop before.
    pub normalisation: Normalisation,
    /// Name of the architecture, as manifests have it.
    pub architecture: String,
}

impl Description {
    /// What a training's settings say.
    pub fn of(config: &TrainConfig) -> Self {
        Self {
            task: config.task,
            classes: config.classes.clone(),
            normalisation: config.normalisation,
            architecture: config.architecture.name(),
        }
    }

    /// Name of the file's output: `keypoints` or `emotion`.
    pub fn output(&self) -> &'static str {
        match self.task {
            Task::Keypoints => KEYPOINTS_NAME,
            Task::Emotion => EMOTION_NAME,
        }
    }
}

/// Writes a network; `target` says how its outputs become pixels.
///
/// The file takes `input` `[n, 1, 96, 96]` and gives `keypoints` `[n, 30]` in pixels of the crop, or
/// `emotion` `[n, classes]`, logits.
pub fn export(network: &Network, target: &Target, description: &Description) -> Result<Vec<u8>, ExportError> {
    let device = Backend::Flex.device();
    let network = in_pixels(network.clone(), target, description.task);
    let sample = |faces: usize| Tensor::<4>::zeros([faces, 1, SIDE, SIDE], &device);
    let axes = [
        AxisSpec::dynamic("n"),
        AxisSpec::Static,
        AxisSpec::Static,
        AxisSpec::Static,
    ];
    let specs = [InputSpec::new(axes)];
    let recorded = OnnxExporter::new().export_dynamic(&network, sample(2), sample(3), &specs, Network::forward)?;
    let mut graph = Graph::read(recorded.as_bytes())?;
    fold::fold(&mut graph)?;
    names::name(&mut graph, &network.layer_names(), description.output())?;
    Ok(graph.write(&metadata(description)))
}

fn metadata(description: &Description) -> Vec<(&'static str, String)> {
    let classes: Vec<&str> = description.classes.iter().collect();
    let normalisation = match description.normalisation {
        Normalisation::Unit => "unit".to_owned(),
        Normalisation::Standardise { epsilon } => format!("standardise epsilon={epsilon}"),
    };
    vec![
        ("contract", CONTRACT.to_string()),
        ("classes", classes.join(",")),
        ("normalisation", normalisation),
        ("architecture", description.architecture.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "input",
            format!("{INPUT_NAME} [n,1,{SIDE},{SIDE}] grey crop in 0..=1, normalised"),
        ),
    ]
}

/// Folds `pixels = mean + scale * output` into the last dense layer of a keypoint network.
fn in_pixels(mut network: Network, target: &Target, task: Task) -> Network {
    if task == Task::Emotion || *target == Target::pixels() {
        return network;
    }
    let last = network.head.last_mut();
    let device = last.weight.device();
    last.weight = Param::from_tensor(last.weight.val().mul_scalar(target.scale));
    if let Some(bias) = &last.bias {
        let mean = TensorData::new(target.mean.clone(), [target.mean.len()]);
        let shifted = bias.val().mul_scalar(target.scale) + Tensor::from_data(mean, &device);
        last.bias = Some(Param::from_tensor(shifted));
    }
    network
}
