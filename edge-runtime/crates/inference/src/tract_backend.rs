//! A network in floats, run by tract: one with operations that [`floats`](super::floats) does not support, or where this
//! processor has no vector instructions that the kernels use.

use onnx::ModelProto;
use prost::Message;
use tract_core::internal::{
    Arc, Cost, Datum, Framework, IntoRunnable, TValue, TVec, Tensor, TractError, TractResult, TypedFact, TypedModel,
    TypedNode, TypedSimpleState, tvec,
};
use tract_core::plan::eval;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceModelExt};

use super::input::Input;
use super::signature::{Form, InputSize, MapShape, Signature};
use super::{Layer, PredictError};

/// A network that is ready to run.
pub(super) struct Network {
    state: TypedSimpleState,
    /// Shared with tract during a run only, so that it can be filled again.
    input: Arc<Tensor>,
    size: InputSize,
    /// Values of the last run.
    outputs: TVec<TValue>,
}

impl Network {
    /// Builds the network from a file that the structure check has accepted.
    pub(super) fn new(proto: ModelProto, signature: &Signature<'_>) -> Result<Self, PredictError> {
        let load_error = |error: TractError| PredictError::Load(format!("{error:#}"));
        // It does not go by the shapes of outputs in the file, which may be those of another input size.
        let mut model = tract_onnx::onnx()
            .model_for_proto_model(&theirs(&proto)?)
            .map_err(load_error)?;
        let declared = proto.graph.iter().flat_map(|graph| &graph.output);
        let declared: Vec<&str> = declared.map(|output| output.name.as_str()).collect();
        let outlets: Vec<_> = signature
            .names()
            .filter_map(|name| declared.iter().position(|other| *other == name))
            .filter_map(|at| model.outputs.get(at).copied())
            .collect();
        // tract has a copy of the weights, and will make another one.
        drop(proto);
        model.select_output_outlets(&outlets).map_err(load_error)?;
        let size = signature.input;
        let fact = InferenceFact::dt_shape(f32::datum_type(), [1, 1, size.rows, size.columns]);
        model.set_input_fact(0, fact).map_err(load_error)?;
        let model = model.into_optimized().map_err(load_error)?;
        for (at, (name, length)) in signature.outputs.iter().enumerate() {
            let fact = model.output_fact(at).map_err(load_error)?;
            check_output(fact, name, *length, signature.form)?;
        }
        let plan = model.into_runnable().map_err(load_error)?;
        Ok(Self {
            state: plan.spawn().map_err(load_error)?,
            input: Arc::new(blank(size).map_err(load_error)?),
            size,
            outputs: TVec::new(),
        })
    }

    /// Runs on an image of the size that it was built for.
    pub(super) fn run(&mut self, input: Input<'_>, done: &mut dyn FnMut()) -> Result<(), PredictError> {
        self.fill(input)?;
        let inputs = tvec![TValue::from_const(Arc::clone(&self.input))];
        let outputs = self.state.run_plan_with_eval(inputs, |context, state, node, inputs| {
            let outputs = eval(context, state, node, inputs);
            done();
            outputs
        });
        self.outputs = outputs.map_err(|error| run_error(&error))?;
        Ok(())
    }

    /// The nodes that run, as tract has made them of the file's.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let plan = self.state.plan();
        let nodes = plan.order_without_consts().iter().map(|id| plan.model().node(*id));
        nodes
            .map(|node| {
                let output = node.outputs.first().and_then(|outlet| outlet.fact.shape.as_concrete());
                Layer {
                    name: node.name.clone(),
                    operation: node.op.name().into_owned(),
                    output: output.unwrap_or_default().to_vec(),
                    macs: macs(plan.model(), node),
                }
            })
            .collect()
    }

    /// Output `at` of the last run; empty where there is none.
    pub(super) fn output(&self, at: usize) -> &[f32] {
        let plain = self.outputs.get(at).and_then(|value| value.as_plain_ram());
        plain.and_then(|plain| plain.as_slice().ok()).unwrap_or(&[])
    }

    /// How output `at` of the last run lies, as a map: a plane for each channel. `None` where it is no map.
    pub(super) fn map(&self, at: usize) -> Option<MapShape> {
        let &[1, _, rows, columns] = self.outputs.get(at)?.shape() else {
            return None;
        };
        Some(MapShape {
            rows,
            columns,
            pixel_step: 1,
            channel_step: rows * columns,
        })
    }

    fn fill(&mut self, input: Input<'_>) -> Result<(), PredictError> {
        if Arc::get_mut(&mut self.input).is_none() {
            // An output may be the input itself; then the old values are still held.
            self.input = Arc::new(blank(self.size).map_err(|error| run_error(&error))?);
        }
        let tensor = Arc::get_mut(&mut self.input).and_then(Tensor::as_plain_ram_mut);
        let mut plain = tensor.ok_or_else(|| PredictError::Run("input tensor is shared".to_owned()))?;
        let values = plain.as_slice_mut().map_err(|error| run_error(&error))?;
        match input {
            Input::Values(input) => values.copy_from_slice(input),
            Input::Grey(picture, levels) => {
                for (row, line) in values.chunks_exact_mut(picture.width()).enumerate() {
                    for (value, pixel) in line.iter_mut().zip(picture.row(row)) {
                        *value = levels[usize::from(*pixel)];
                    }
                }
            }
        }
        Ok(())
    }
}

/// As tract counts them; 0 where it does not know.
fn macs(model: &TypedModel, node: &TypedNode) -> u64 {
    let facts = model.node_input_facts(node.id);
    let costs = facts.and_then(|facts| node.op.as_typed().map_or(Ok(tvec![]), |op| op.cost(&facts)));
    let products = costs.unwrap_or_default().into_iter();
    let products = products.filter(|(cost, _)| matches!(cost, Cost::FMA(_)));
    products
        .filter_map(|(_, count)| count.to_i64().ok())
        .map(|count| count as u64)
        .sum()
}

fn check_output(fact: &TypedFact, name: &str, length: usize, form: Form) -> Result<(), PredictError> {
    let shape = fact.shape.as_concrete();
    let fits = match form {
        Form::Vectors => shape == Some(&[1, length]),
        Form::Maps => shape.is_some_and(|shape| shape.len() == 4 && shape[..2] == [1, length]),
    };
    if fact.datum_type == f32::datum_type() && fits {
        return Ok(());
    }
    Err(PredictError::Output {
        name: name.to_owned(),
        length,
        found: format!("{fact:?}"),
    })
}

/// The messages as tract's own types.
fn theirs(proto: &ModelProto) -> Result<tract_onnx::pb::ModelProto, PredictError> {
    let bytes = proto.encode_to_vec();
    tract_onnx::pb::ModelProto::decode(bytes.as_slice()).map_err(|error| PredictError::NotOnnx(error.to_string()))
}

fn blank(size: InputSize) -> TractResult<Tensor> {
    Tensor::zero::<f32>(&[1, 1, size.rows, size.columns])
}

fn run_error(error: &TractError) -> PredictError {
    PredictError::Run(format!("{error:#}"))
}
