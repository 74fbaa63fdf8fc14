//! Numbers of a step, read from the device that computed them.
//!
//! Where the memory is not the processor's, all of them are read at once: a read waits for a graphics
//! card, and is a round trip to another machine.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Gradients, Tensor};

use crate::device::{DeviceError, ReplicaDevice};

/// Tensors to be read, each as a vector, in the order in which they were added.
#[derive(Default)]
pub(super) struct Readback {
    tensors: Vec<Tensor<1>>,
}

impl Readback {
    /// One more tensor; its graph is not kept.
    pub(super) fn add<const D: usize>(&mut self, tensor: Tensor<D>) {
        let count = tensor.shape().num_elements();
        self.tensors.push(tensor.inner().reshape([count]));
    }

    /// The gradients of a module, in the order of `params::read`; says which of its values have one.
    pub(super) fn add_gradients<M: Module>(&mut self, gradients: Gradients, module: &M) -> Vec<bool> {
        let mut collector = Collector {
            gradients: GradientsParams::from_grads(gradients, module),
            readback: self,
            found: Vec::new(),
        };
        module.visit(&mut collector);
        collector.found
    }

    /// The numbers of each tensor.
    pub(super) fn read(self, on: &ReplicaDevice) -> Result<std::vec::IntoIter<Vec<f32>>, DeviceError> {
        let lost = |reason: String| DeviceError::Lost {
            device: on.name.clone(),
            reason,
        };
        let numbers = |tensor: Tensor<1>| {
            let data = tensor.try_into_data().map_err(|error| lost(error.to_string()))?;
            data.try_into_vec_as::<f32>().map_err(|error| lost(error.to_string()))
        };
        let read = if on.host {
            self.tensors.into_iter().map(numbers).collect::<Result<Vec<_>, _>>()?
        } else {
            let lengths: Vec<usize> = self.tensors.iter().map(|tensor| tensor.dims()[0]).collect();
            split(&numbers(Tensor::cat(self.tensors, 0))?, &lengths)
        };
        Ok(read.into_iter())
    }
}

fn split(mut numbers: &[f32], lengths: &[usize]) -> Vec<Vec<f32>> {
    lengths
        .iter()
        .map(|&length| {
            let (own, rest) = numbers.split_at(length.min(numbers.len()));
            numbers = rest;
            own.to_vec()
        })
        .collect()
}

struct Collector<'a> {
    gradients: GradientsParams,
    readback: &'a mut Readback,
    found: Vec<bool>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.remove::<D>(param.id);
        self.found.push(gradient.is_some());
        if let Some(gradient) = gradient {
            self.readback.add(gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Backend, Devices};

    #[test]
    fn tensors_come_back_alike_one_by_one_and_all_at_once() {
        let device = Backend::Flex.device().autodiff();
        let mut on = Devices::local(Backend::Flex).unwrap().of_replica(0);
        let read = |on: &ReplicaDevice| {
            let mut readback = Readback::default();
            readback.add(Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device));
            readback.add(Tensor::<1>::from_floats([5.0], &device.clone().inner()));
            readback.read(on).unwrap().collect::<Vec<_>>()
        };
        let one_by_one = read(&on);
        on.host = false;
        assert_eq!(one_by_one, [vec![1.0, 2.0, 3.0, 4.0], vec![5.0]]);
        assert_eq!(read(&on), one_by_one);
    }
}
