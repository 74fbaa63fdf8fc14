//! All values of a network as plain numbers, in the order in which burn visits them.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::model::Network;
use crate::model::trunk::values;

/// Values of a convolution with its normalisation: weight, bias, gamma, beta, running mean, running variance.
pub(super) const NORMED: usize = 6;

/// One parameter, or running statistic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    pub(crate) id: ParamId,
    pub(crate) shape: Vec<usize>,
    pub(crate) numbers: Vec<f32>,
}

/// Every parameter and running statistic of a network.
pub(crate) fn read(network: &Network) -> Vec<Value> {
    let mut reader = Reader(Vec::new());
    network.visit(&mut reader);
    reader.0
}

/// The numbers of [`read`] alone.
pub(crate) fn numbers(network: &Network) -> Vec<Vec<f32>> {
    read(network).into_iter().map(|value| value.numbers).collect()
}

/// The network with these numbers, which must come from [`read`] of one of the same architecture.
pub(crate) fn write(network: Network, values: &[Vec<f32>]) -> Network {
    network.map(&mut Writer(values.iter()))
}

struct Reader(Vec<Value>);

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        self.0.push(Value {
            id: param.id,
            shape,
            numbers: values(tensor),
        });
    }
}

struct Writer<'a>(std::slice::Iter<'a, Vec<f32>>);

impl ModuleMapper for Writer<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(numbers) = self.0.next() else { return param };
        let (id, tensor, mapper) = param.consume();
        let trained = tensor.is_require_grad();
        let new = Tensor::from_data(TensorData::new(numbers.clone(), tensor.shape()), &tensor.device());
        Param::from_mapped_value(id, new.set_require_grad(trained), mapper)
    }
}
