//! One network, in floats or in integers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use prost::Message;
use shared_model::manifest::INPUT_NAME;
use tract_onnx::pb::ModelProto;

use super::signature::{Form, InputSize, OutputMap, Signature};
use super::{Layer, PredictError, Unsupported, floats, quantised, structure, tract_backend};
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
    Tract(Unsupported),
}

impl Model {
    /// Builds the network from an ONNX file, with these outputs (name and length) in this order.
    ///
    /// Quantised files run in integers, others in floats, with the fastest instructions of this processor; what this
    /// program does not know itself is left to tract ([`Model::engine`]). The structure is checked
    /// before anything is built, a panic of tract becomes an error, and the network runs once, so that one that
    /// cannot run is refused here.
    ///
    /// # Errors
    /// [`PredictError::NotOnnx`] and [`PredictError::Structure`] for a file that is damaged,
    /// [`PredictError::Unsupported`], [`PredictError::Load`] and [`PredictError::Panic`] for one that cannot be built,
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
            Self::build(Isa::detect(), proto, &Signature::crop(outputs))
        })
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
        catch_panic(|| Self::build(isa, decode(onnx)?, &Signature::maps(input, outputs)))
    }

    /// Like [`Model::load`], with these instructions; results are the same bit by bit, as long as the engine is.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load_for(isa: Isa, onnx: &[u8], outputs: &[(&str, usize)]) -> Result<Self, PredictError> {
        catch_panic(|| Self::build(isa, decode(onnx)?, &Signature::crop(outputs)))
    }

    fn build(isa: Isa, proto: ModelProto, signature: &Signature<'_>) -> Result<Self, PredictError> {
        structure::check(&proto, signature)?;
        let (network, engine) = Network::new(isa, proto, signature)?;
        let mut model = Self {
            network,
            engine,
            names: signature.names().map(str::to_owned).collect(),
            input: signature.input,
            form: signature.form,
        };
        model.run(&vec![0.0; signature.input.pixels()])?;
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
        self.run_observed(input, &mut || {})
    }

    /// Like [`Model::run`]; `times` becomes the wall time of each of the [`Model::layers`], in their order.
    ///
    /// # Errors
    /// Those of [`Model::run`].
    pub fn run_timed(&mut self, input: &[f32], times: &mut Vec<Duration>) -> Result<(), PredictError> {
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
            Network::Tract(network) => network.layers(),
            Network::Integers(network) => network.layers(),
        }
    }

    /// `done` is called after every layer.
    fn run_observed(&mut self, input: &[f32], done: &mut dyn FnMut()) -> Result<(), PredictError> {
        self.check_length(input.len())?;
        let columns = self.input.columns;
        match &mut self.network {
            Network::Floats(network) => network.run(input, columns, done).map_err(PredictError::Kernel)?,
            Network::Tract(network) => network.run(input, done)?,
            Network::Integers(network) if finite(input) => {
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

    fn check_length(&self, found: usize) -> Result<(), PredictError> {
        let expected = self.input.pixels();
        match self.form {
            _ if found == expected => Ok(()),
            Form::Vectors => Err(PredictError::Input(found)),
            Form::Maps => Err(PredictError::InputSize { found, expected }),
        }
    }

    /// The numbers that the network computes with, whatever its file holds.
    pub fn arithmetic(&self) -> Arithmetic {
        match self.network {
            Network::Floats(_) | Network::Tract(_) => Arithmetic::Floats,
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
            Network::Tract(network) => network.output(at),
            Network::Integers(network) => network.output(at),
        }
    }

    /// Output map `at` of the last run, in the order given to [`Model::load_maps`]; `None` where there is none.
    pub fn map(&self, at: usize) -> Option<OutputMap<'_>> {
        let shape = match &self.network {
            _ if self.form == Form::Vectors => None,
            Network::Floats(network) => network.map(at),
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
            Err(reason) => {
                proto.graph = Some(graph);
                let network = tract_backend::Network::new(proto, signature)?;
                Ok((Self::Tract(Box::new(network)), Engine::Tract(reason)))
            }
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
mod tests {
    use super::*;
    use shared_model::image::INPUT_LEN;
    use testing::network;

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
    fn every_layer_is_timed() {
        let mut model = Model::load(&onnx("emotion", 5), &[("emotion", 5)]).unwrap();
        let mut times = vec![Duration::ZERO; 99];
        model.run_timed(&vec![0.5; INPUT_LEN], &mut times).unwrap();
        assert_eq!(times.len(), model.layers().len());
        assert!(model.layers().iter().map(|layer| layer.macs).sum::<u64>() >= 5);
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

    /// The value of a channel of a map, in a row and column.
    fn value(map: &OutputMap<'_>, channel: usize, row: usize, column: usize) -> f32 {
        map.values[(row * map.columns + column) * map.pixel_step + channel * map.channel_step]
    }

    #[test]
    fn maps_of_any_input_size_are_those_of_tract() {
        const OUTPUTS: [(&str, usize); 2] = [("fine", 75), ("coarse_map", 15)];
        let onnx = network::encode(&network::maps(["fine", "coarse_map"], [75, 15]));
        for (rows, columns) in [(64, 96), (30, 41), (120, 160)] {
            let size = InputSize { rows, columns };
            let input: Vec<f32> = (0..size.pixels())
                .map(|at| ((at * 31 + at / columns * 7) % 101) as f32 / 50.0 - 1.0)
                .collect();
            let all = Isa::ALL.into_iter().filter(|isa| isa.is_available());
            let mut tract = Model::load_maps_for(Isa::Portable, &onnx, size, &OUTPUTS).unwrap();
            assert!(matches!(tract.engine(), Engine::Tract(_)));
            tract.run(&input).unwrap();
            for isa in all.filter(|isa| *isa != Isa::Portable) {
                let mut own = Model::load_maps_for(isa, &onnx, size, &OUTPUTS).unwrap();
                assert_eq!(own.engine(), &Engine::Own(isa));
                own.run(&input).unwrap();
                for (at, (_, channels)) in OUTPUTS.iter().enumerate() {
                    let (own, tract) = (own.map(at).unwrap(), tract.map(at).unwrap());
                    let stride = [4, 8][at];
                    assert_eq!(
                        (own.rows, own.columns),
                        (rows.div_ceil(stride), columns.div_ceil(stride))
                    );
                    assert_eq!((own.rows, own.columns), (tract.rows, tract.columns));
                    for (row, column) in (0..own.rows).flat_map(|row| (0..own.columns).map(move |column| (row, column)))
                    {
                        for channel in 0..*channels {
                            let (own, tract) = (value(&own, channel, row, column), value(&tract, channel, row, column));
                            assert!((own - tract).abs() < 1e-4, "{own} {tract}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn maps_of_other_channels_and_inputs_of_other_sizes_are_refused() {
        let onnx = network::encode(&network::maps(["fine", "coarse_map"], [75, 15]));
        let size = InputSize { rows: 24, columns: 32 };
        let refused = Model::load_maps(&onnx, size, &[("fine", 74)]).map(|_| ()).unwrap_err();
        assert!(matches!(refused, PredictError::Output { length: 74, .. }), "{refused}");
        let mut model = Model::load_maps(&onnx, size, &[("fine", 75)]).unwrap();
        let error = model.run(&[0.0; 7]).unwrap_err().to_string();
        assert!(error.contains("7 values instead of 768"), "{error}");
        assert!(model.map(1).is_none());
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
