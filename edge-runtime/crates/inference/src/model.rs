//! One network, in floats or in integers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use onnx::ModelProto;
use prost::Message;
use shared_model::manifest::INPUT_NAME;

use super::signature::{Form, InputSize, OutputMap, Signature};
use super::{Input, Layer, PredictError, floats, quantised, structure};
#[cfg(feature = "tract")]
use super::{Unsupported, tract_backend};
use kernels::Isa;

/// A network ready to run: with the input `[1, 1, 96, 96]` and outputs that are `[1, length]` each, or with an input of
/// any size and outputs that are maps.
pub struct Model {
    network: Network,
    engine: Engine,
    names: Vec<String>,
    input: InputSize,
    form: Form,
}

enum Network {
    Floats(floats::Network),
    #[cfg(feature = "tract")]
    Tract(Box<tract_backend::Network>),
    Integers(quantised::Network),
}

/// The numbers that a network computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32-bit floats (IEEE 754 binary32).
    Floats,
    /// 8-bit integers, summed in 32 bits.
    Integers,
}

/// The implementation that computes a network.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// The kernels of this program, with this instruction set.
    Own(Isa),
    /// tract, because the kernels do not support this.
    #[cfg(feature = "tract")]
    Tract(Unsupported),
}

impl Model {
    /// Builds the network from an ONNX file, with these outputs (name and length) in this order.
    ///
    /// Quantised files run in integers, others in floats, with the fastest instructions of this processor; what this
    /// program does not know itself is left to tract ([`Model::engine`]), or refused where it was built without. The structure is checked
    /// before anything is built, a panic of tract becomes an error, and the network runs once, so that one that
    /// cannot run is refused here.
    ///
    /// # Errors
    /// [`PredictError::NotOnnx`] and [`PredictError::Structure`] for a file that is damaged,
    /// [`PredictError::Unsupported`], [`PredictError::NeedsTract`], [`PredictError::Load`] and [`PredictError::Panic`] for one that cannot be built,
    /// [`PredictError::Output`] where an output is not `[1, length]`, and the errors of [`Model::run`].
    pub fn load(onnx: &[u8], outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        Self::load_for(Isa::detect(), onnx, outputs)
    }

    /// Like [`Model::load`]; the file is dropped before the network is built, which saves its size where memory is scarce.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load_owned(onnx: Vec<u8>, outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        catch_panic(|| {
            let proto = decode(&onnx)?;
            drop(onnx);
            Self::build(Isa::detect(), proto, &Signature::crop(outputs))?.tried_out()
        })
    }

    /// Like [`Model::load_owned`], for whoever runs it at once: only tract, which may panic, has run the network.
    pub(super) fn build_owned(onnx: Vec<u8>, outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        catch_panic(|| {
            let proto = decode(&onnx)?;
            drop(onnx);
            Self::build_unproven(proto, &Signature::crop(outputs))
        })
    }

    /// Like [`Model::load_maps`], for whoever runs it at once: only tract, which may panic, has run the network.
    pub(super) fn build_maps(onnx: &[u8], input: InputSize, outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        catch_panic(|| Self::build_unproven(decode(onnx)?, &Signature::maps(input, outputs)))
    }

    /// Builds a network of convolutions from an ONNX file for pictures of this size, with these output maps (name and
    /// channels) in this order. The file may have been written for another size.
    ///
    /// # Errors
    /// Those of [`Model::load`]; [`PredictError::Output`] where an output has not these channels.
    pub fn load_maps(onnx: &[u8], input: InputSize, outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        Self::load_maps_for(Isa::detect(), onnx, input, outputs)
    }

    /// Like [`Model::load_maps`], with these instructions.
    ///
    /// # Errors
    /// Those of [`Model::load_maps`].
    pub fn load_maps_for(
        isa: Isa,
        onnx: &[u8],
        input: InputSize,
        outputs: &[(&str, usize)],
    ) -> Result<Self, PredictError> {
        catch_panic(|| Self::build(isa, decode(onnx)?, &Signature::maps(input, outputs))?.tried_out())
    }

    /// Like [`Model::load`], with these instructions; results are the same bit by bit, as long as the engine is.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load_for(isa: Isa, onnx: &[u8], outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        catch_panic(|| Self::build(isa, decode(onnx)?, &Signature::crop(outputs))?.tried_out())
    }

    fn build(isa: Isa, proto: ModelProto, signature: &Signature<'_>) -> Result<Self, PredictError> {
        structure::check(&proto, signature)?;
        let (network, engine) = Network::new(isa, proto, signature)?;
        Ok(Self {
            network,
            engine,
            names: signature.names().map(str::to_owned).collect(),
            input: signature.input,
            form: signature.form,
        })
    }

    /// The network after its first run, which shows whether it can.
    fn tried_out(mut self) -> Result<Self, PredictError> {
        self.run(&vec![0.0; self.input.pixels()])?;
        Ok(self)
    }

    /// A network that only tract, if it computes it, has run.
    fn build_unproven(proto: ModelProto, signature: &Signature<'_>) -> Result<Self, PredictError> {
        let model = Self::build(Isa::detect(), proto, signature)?;
        #[cfg(feature = "tract")]
        if matches!(model.engine, Engine::Tract(_)) {
            return model.tried_out();
        }
        Ok(model)
    }

    /// Rows and columns of its input.
    pub fn input_size(&self) -> InputSize {
        self.input
    }

    /// Runs the network on one input: finite values, row by row, as many as its [`Model::input_size`] has pixels.
    ///
    /// # Errors
    /// [`PredictError::Input`] and [`PredictError::InputSize`] for another length, [`PredictError::NotFinite`] for an input
    /// or output that is not finite (maps are not searched for such values), [`PredictError::Kernel`] and
    /// [`PredictError::Run`] where the engine refuses.
    pub fn run(&mut self, input: &[f32]) -> Result<(), PredictError> {
        self.run_on(Input::Values(input))
    }

    /// Like [`Model::run`], on an input of either form.
    ///
    /// # Errors
    /// Those of [`Model::run`].
    pub fn run_on(&mut self, input: Input<'_>) -> Result<(), PredictError> {
        self.run_observed(input, &mut || {})
    }

    /// Like [`Model::run_on`]; `times` becomes the wall time of each of the [`Model::layers`], in their order.
    ///
    /// # Errors
    /// Those of [`Model::run`].
    pub fn run_timed(&mut self, input: Input<'_>, times: &mut Vec<Duration>) -> Result<(), PredictError> {
        times.clear();
        let mut last = Instant::now();
        self.run_observed(input, &mut || {
            let now = Instant::now();
            times.push(now - last);
            last = now;
        })
    }

    /// The layers of the network, in the order in which they run.
    pub fn layers(&self) -> Vec<Layer> {
        match &self.network {
            Network::Floats(network) => network.layers(),
            #[cfg(feature = "tract")]
            Network::Tract(network) => network.layers(),
            Network::Integers(network) => network.layers(),
        }
    }

    /// `done` is called after every layer.
    fn run_observed(&mut self, input: Input<'_>, done: &mut dyn FnMut()) -> Result<(), PredictError> {
        self.check_size(input)?;
        let columns = self.input.columns;
        match &mut self.network {
            Network::Floats(network) => network.run(input, columns, done).map_err(PredictError::Kernel)?,
            #[cfg(feature = "tract")]
            Network::Tract(network) => network.run(input, done)?,
            Network::Integers(network) if input.is_finite() => {
                network.run(input, columns, done).map_err(PredictError::Kernel)?;
            }
            // Bytes would hide it.
            Network::Integers(_) => return Err(PredictError::NotFinite(INPUT_NAME.to_owned())),
        }
        // A map has many cells, of which each is looked at where it is read.
        let mut vectors = self.names.iter().enumerate().filter(|_| self.form == Form::Vectors);
        match vectors.find(|(at, _)| !finite(self.output(*at))) {
            Some((_, name)) => Err(PredictError::NotFinite(name.clone())),
            None => Ok(()),
        }
    }

    fn check_size(&self, input: Input<'_>) -> Result<(), PredictError> {
        let expected = self.input.pixels();
        let (found, fits) = match input {
            Input::Values(values) => (values.len(), values.len() == expected),
            Input::Grey(picture, _) => {
                let size = InputSize::of(picture.width(), picture.height());
                (size.pixels(), size == self.input)
            }
        };
        match self.form {
            _ if fits => Ok(()),
            Form::Vectors => Err(PredictError::Input(found)),
            Form::Maps => Err(PredictError::InputSize { found, expected }),
        }
    }

    /// The numbers that the network computes with, whatever its file holds.
    pub fn arithmetic(&self) -> Arithmetic {
        match self.network {
            Network::Floats(_) => Arithmetic::Floats,
            #[cfg(feature = "tract")]
            Network::Tract(_) => Arithmetic::Floats,
            Network::Integers(_) => Arithmetic::Integers,
        }
    }

    /// The engine that computes the network, which its speed depends on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Output `at` of the last run, in the order given to [`Model::load`]; empty where there is none.
    pub fn output(&self, at: usize) -> &[f32] {
        match &self.network {
            Network::Floats(network) => network.output(at),
            #[cfg(feature = "tract")]
            Network::Tract(network) => network.output(at),
            Network::Integers(network) => network.output(at),
        }
    }

    /// Output map `at` of the last run, in the order given to [`Model::load_maps`]; `None` where there is none.
    pub fn map(&self, at: usize) -> Option<OutputMap<'_>> {
        let shape = match &self.network {
            _ if self.form == Form::Vectors => None,
            Network::Floats(network) => network.map(at),
            #[cfg(feature = "tract")]
            Network::Tract(network) => network.map(at),
            Network::Integers(network) => network.map(at),
        };
        Some(shape?.of(self.output(at)))
    }
}

impl Network {
    fn new(isa: Isa, mut proto: ModelProto, signature: &Signature<'_>) -> Result<(Self, Engine), PredictError> {
        let graph = proto.graph.take().unwrap_or_default();
        if quantised::is_quantised(&graph) {
            let network = quantised::build(graph, signature, isa)?;
            return Ok((Self::Integers(network), Engine::Own(isa)));
        }
        match floats::Supported::read(&graph, signature, isa) {
            Ok(supported) => {
                let network = floats::build(supported, graph.initializer, signature, isa)?;
                Ok((Self::Floats(network), Engine::Own(isa)))
            }
            #[cfg(not(feature = "tract"))]
            Err(PredictError::Unsupported(reason)) => Err(PredictError::NeedsTract(reason)),
            #[cfg(feature = "tract")]
            Err(PredictError::Unsupported(reason)) => {
                proto.graph = Some(graph);
                let network = tract_backend::Network::new(proto, signature)?;
                Ok((Self::Tract(Box::new(network)), Engine::Tract(reason)))
            }
            Err(error) => Err(error),
        }
    }
}

fn decode(onnx: &[u8]) -> Result<ModelProto, PredictError> {
    // tract's own reader would copy the file first.
    ModelProto::decode(onnx).map_err(|error| PredictError::NotOnnx(error.to_string()))
}

fn finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// Turns a panic inside tract into an error.
fn catch_panic<T>(load: impl FnOnce() -> Result<T, PredictError>) -> Result<T, PredictError> {
    catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| Err(PredictError::Panic(message(panic.as_ref()))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
