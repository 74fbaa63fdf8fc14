//! One network, run by tract.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shared_model::image::{INPUT_LEN, SIDE};
use tract_core::internal::{
    Arc, Datum, Framework, IntoRunnable, TValue, TVec, Tensor, TractError, TractResult, TypedFact, TypedSimpleState,
    tvec,
};
use tract_onnx::pb::ModelProto;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceModelExt};

use super::{PredictError, structure};

/// A network with the input `[1, 1, 96, 96]` and outputs that are `[1, length]` each, ready to run.
pub struct Model {
    state: TypedSimpleState,
    /// Shared with tract during a run only, so that it can be filled again.
    input: Arc<Tensor>,
    names: Vec<String>,
    /// Values of the last run.
    outputs: TVec<TValue>,
}

impl Model {
    /// Builds the network from an ONNX file, with these outputs (name and length) in this order.
    ///
    /// The structure is checked before tract sees the file, a panic of tract becomes an error, and the
    /// network runs once, so that one that cannot run is refused here.
    pub fn load(onnx: &[u8], outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        caught(|| {
            let proto = tract_onnx::onnx()
                .proto_model_for_read(&mut &*onnx)
                .map_err(|error| PredictError::NotOnnx(error.to_string()))?;
            structure::check(&proto, outputs).map_err(PredictError::Structure)?;
            let mut model = build(&proto, outputs)?;
            model.run(&vec![0.0; INPUT_LEN])?;
            Ok(model)
        })
    }

    /// Runs the network on one input: [`INPUT_LEN`] values, row by row.
    ///
    /// An output that is not finite is an error.
    pub fn run(&mut self, input: &[f32]) -> Result<(), PredictError> {
        self.fill(input)?;
        let inputs = tvec![TValue::from_const(Arc::clone(&self.input))];
        self.outputs = self.state.run(inputs).map_err(|error| run_error(&error))?;
        for (at, name) in self.names.iter().enumerate() {
            if !self.output(at).iter().all(|value| value.is_finite()) {
                return Err(PredictError::NotFinite(name.clone()));
            }
        }
        Ok(())
    }

    /// Output `at` of the last run, in the order given to [`Model::load`]; empty where there is none.
    pub fn output(&self, at: usize) -> &[f32] {
        let plain = self.outputs.get(at).and_then(|value| value.as_plain_ram());
        plain.and_then(|plain| plain.as_slice().ok()).unwrap_or(&[])
    }

    fn fill(&mut self, input: &[f32]) -> Result<(), PredictError> {
        if input.len() != INPUT_LEN {
            return Err(PredictError::Input(input.len()));
        }
        if Arc::get_mut(&mut self.input).is_none() {
            // An output may be the input itself; then the old values are still held.
            self.input = Arc::new(blank().map_err(|error| run_error(&error))?);
        }
        let tensor = Arc::get_mut(&mut self.input).and_then(Tensor::as_plain_ram_mut);
        let mut plain = tensor.ok_or_else(|| PredictError::Run("input tensor is shared".to_owned()))?;
        let values = plain.as_slice_mut().map_err(|error| run_error(&error))?;
        values.copy_from_slice(input);
        Ok(())
    }
}

fn build(proto: &ModelProto, outputs: &[(&str, usize)]) -> Result<Model, PredictError> {
    let load_error = |error: TractError| PredictError::Load(format!("{error:#}"));
    let mut model = tract_onnx::onnx().model_for_proto_model(proto).map_err(load_error)?;
    let declared = proto.graph.iter().flat_map(|graph| &graph.output);
    let declared: Vec<&str> = declared.map(|output| output.name.as_str()).collect();
    let outlets: Vec<_> = outputs
        .iter()
        .filter_map(|(name, _)| declared.iter().position(|other| other == name))
        .filter_map(|at| model.outputs.get(at).copied())
        .collect();
    model.select_output_outlets(&outlets).map_err(load_error)?;
    let fact = InferenceFact::dt_shape(f32::datum_type(), [1, 1, SIDE, SIDE]);
    model.set_input_fact(0, fact).map_err(load_error)?;
    let model = model.into_optimized().map_err(load_error)?;
    for (at, (name, length)) in outputs.iter().enumerate() {
        check_output(model.output_fact(at).map_err(load_error)?, name, *length)?;
    }
    let plan = model.into_runnable().map_err(load_error)?;
    Ok(Model {
        state: plan.spawn().map_err(load_error)?,
        input: Arc::new(blank().map_err(load_error)?),
        names: outputs.iter().map(|(name, _)| (*name).to_owned()).collect(),
        outputs: TVec::new(),
    })
}

fn check_output(fact: &TypedFact, name: &str, length: usize) -> Result<(), PredictError> {
    let shape = fact.shape.as_concrete();
    if fact.datum_type == f32::datum_type() && shape == Some(&[1, length]) {
        return Ok(());
    }
    Err(PredictError::Output {
        name: name.to_owned(),
        length,
        found: format!("{fact:?}"),
    })
}

fn blank() -> TractResult<Tensor> {
    Tensor::zero::<f32>(&[1, 1, SIDE, SIDE])
}

fn run_error(error: &TractError) -> PredictError {
    PredictError::Run(format!("{error:#}"))
}

/// Turns a panic inside tract into an error.
fn caught<T>(load: impl FnOnce() -> Result<T, PredictError>) -> Result<T, PredictError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| Err(PredictError::Panic(message(panic.as_ref()))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network;

    fn onnx(name: &str, length: usize) -> Vec<u8> {
        network::encode(&network::linear(name, length))
    }

    #[test]
    fn computes_what_the_weights_say() {
        let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
        let input: Vec<f32> = (0..INPUT_LEN).map(|at| at as f32 / INPUT_LEN as f32).collect();
        model.run(&input).unwrap();
        let expected = network::expected(&input, 5);
        for (got, expected) in model.output(0).iter().zip(&expected) {
            assert!(
                (got - expected).abs() < 1e-3 * expected.abs().max(1.0),
                "{got} {expected}"
            );
        }
        assert_eq!(model.output(0).len(), 5);
        assert!(model.output(1).is_empty());
    }

    #[test]
    fn gives_outputs_in_the_order_asked_for() {
        let bytes = network::encode(&network::pair("keypoints", 30, "emotion", 5));
        let mut model = Model::load(&bytes, &[("emotion", 5), ("keypoints", 30)]).unwrap();
        model.run(&vec![0.5; INPUT_LEN]).unwrap();
        assert_eq!((model.output(0).len(), model.output(1).len()), (5, 30));
    }

    #[test]
    fn same_input_gives_the_same_output_after_another() {
        let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
        model.run(&vec![0.25; INPUT_LEN]).unwrap();
        let first = model.output(0).to_vec();
        model.run(&vec![0.75; INPUT_LEN]).unwrap();
        assert_ne!(model.output(0), first);
        model.run(&vec![0.25; INPUT_LEN]).unwrap();
        assert_eq!(model.output(0), first);
    }

    #[test]
    fn refuses_other_lengths_and_names() {
        let bytes = onnx("emotion", 5);
        assert!(matches!(
            Model::load(&bytes, &[("emotion", 7)]),
            Err(PredictError::Output { length: 7, .. })
        ));
        assert!(matches!(
            Model::load(&bytes, &[("keypoints", 5)]),
            Err(PredictError::Structure(_))
        ));
    }

    #[test]
    fn refuses_inputs_and_outputs_that_are_no_numbers() {
        let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
        assert!(matches!(model.run(&[0.0; 7]), Err(PredictError::Input(7))));
        assert!(matches!(
            model.run(&vec![f32::NAN; INPUT_LEN]),
            Err(PredictError::NotFinite(_))
        ));
    }

    #[test]
    fn damaged_files_are_errors_or_run_but_never_panic() {
        let bytes = onnx("emotion", 5);
        for at in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
            for bit in [0, 3, 7] {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let _ = Model::load(&damaged, &[("emotion", 5)]);
            }
            assert!(Model::load(&bytes[..at], &[("emotion", 5)]).is_err(), "{at} bytes");
        }
    }
}
