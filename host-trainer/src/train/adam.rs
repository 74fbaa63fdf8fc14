//! Adam on the processor: one pass over the numbers of a parameter, in place and on all cores.
//!
//! burn's own step makes a tensor of each operation. For the original keypoint network, with 18 million parameters, that
//! is a gigabyte of memory written in each step. The operations here, and their order, are burn's: the numbers are the
//! same to the bit, and so are the names in a checkpoint.

use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::spare::Spare;
use crate::config::Optimiser;
use crate::model::trunk::values;

/// Numbers that a thread takes at a time; four arrays of them fit into a core's second cache.
pub(super) const CHUNK: usize = 1 << 14;

/// Adam (Kingma and Ba 2015), with L2 decay or decoupled decay (AdamW, Loshchilov and Hutter 2019), and AMSGrad (Reddi
/// and others 2018).
#[derive(Debug, Clone)]
pub(super) struct Adam {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    decoupled: bool,
    amsgrad: bool,
    /// Gets the memory of gradients.
    spare: Spare,
}

impl Adam {
    pub(super) fn new(config: &Optimiser, spare: Spare) -> Self {
        Self {
            spare,
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
            decoupled: config.decoupled,
            amsgrad: config.amsgrad,
        }
    }

    /// What step number `time`, from 1, multiplies and adds.
    fn factors(&self, rate: LearningRate, time: usize) -> Factors {
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        let first = 1.0 - self.beta1.powi(time);
        let second = 1.0 - self.beta2.powi(time);
        let decay = rate * f64::from(self.weight_decay);
        Factors {
            keep: [self.beta1, self.beta2],
            take: [1.0 - self.beta1, 1.0 - self.beta2],
            correction: if self.decoupled {
                Correction::Each { first, second }
            } else {
                Correction::Combined(second.sqrt() / first)
            },
            epsilon: if self.decoupled {
                self.epsilon
            } else {
                self.epsilon * second.sqrt()
            },
            penalty: (!self.decoupled && self.weight_decay > 0.0).then_some(self.weight_decay),
            shrink: (self.decoupled && decay != 0.0).then_some((1.0 - decay) as f32),
            rate: rate as f32,
        }
    }
}

/// How moments that began at zero are corrected.
#[derive(Clone, Copy)]
enum Correction {
    /// Each moment is divided.
    Each { first: f32, second: f32 },
    /// Both divisions are one factor of the first moment.
    Combined(f32),
}

/// Numbers of one step.
#[derive(Clone, Copy)]
struct Factors {
    keep: [f32; 2],
    take: [f32; 2],
    correction: Correction,
    epsilon: f32,
    penalty: Option<f32>,
    shrink: Option<f32>,
    rate: f32,
}

impl Factors {
    /// One step of some weights. `begins` where there are no moments yet; `largest` holds the largest second moments.
    fn step(
        &self,
        weights: &mut [f32],
        gradients: &[f32],
        moments: [&mut [f32]; 2],
        mut largest: Option<&mut [f32]>,
        begins: bool,
    ) {
        let [first, second] = moments;
        let all = weights.iter_mut().zip(gradients).zip(first).zip(second);
        for (at, (((weight, gradient), first), second)) in all.enumerate() {
            let gradient = self.penalty.map_or(*gradient, |penalty| *weight * penalty + gradient);
            let (new_first, new_second) = (gradient * self.take[0], gradient * gradient * self.take[1]);
            if begins {
                (*first, *second) = (new_first, new_second);
            } else {
                *first = *first * self.keep[0] + new_first;
                *second = *second * self.keep[1] + new_second;
            }
            let mut length = *second;
            if let Some(largest) = largest.as_deref_mut().and_then(|largest| largest.get_mut(at)) {
                *largest = if begins { length } else { largest.max(length) };
                length = *largest;
            }
            let step = match self.correction {
                Correction::Combined(factor) => *first * factor / (length.sqrt() + self.epsilon),
                Correction::Each { first: by, second } => *first / by / ((length / second).sqrt() + self.epsilon),
            };
            let kept = self.shrink.map_or(*weight, |shrink| *weight * shrink);
            *weight = kept - step * self.rate;
        }
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let (shape, device) = (tensor.shape(), tensor.device());
        let begins = state.is_none();
        let (mut weights, gradients) = (values(tensor), values(gradient));
        let zeros = || vec![0.0; weights.len()];
        let (time, mut first, mut second, largest) = match state {
            None => (1, zeros(), zeros(), None),
            Some(AdamState { momentum }) => (
                momentum.time + 1,
                values(momentum.moment_1),
                values(momentum.moment_2),
                momentum.max_moment_2.map(values),
            ),
        };
        let mut largest = self.amsgrad.then(|| largest.unwrap_or_else(|| second.clone()));
        let factors = self.factors(rate, time);
        let jobs: Vec<_> = weights
            .chunks_mut(CHUNK)
            .zip(gradients.chunks(CHUNK))
            .zip(first.chunks_mut(CHUNK).zip(second.chunks_mut(CHUNK)))
            .collect();
        match &mut largest {
            None => jobs
                .into_par_iter()
                .for_each(|((weights, gradients), (first, second))| {
                    factors.step(weights, gradients, [first, second], None, begins);
                }),
            Some(largest) => {
                let largest: Vec<_> = largest.chunks_mut(CHUNK).collect();
                let jobs = jobs.into_par_iter().zip(largest);
                jobs.for_each(|(((weights, gradients), (first, second)), largest)| {
                    factors.step(weights, gradients, [first, second], Some(largest), begins);
                });
            }
        }
        self.spare.put(gradients);
        let tensor = |numbers| Tensor::from_data(TensorData::new(numbers, shape.clone()), &device);
        let mut momentum = AdaptiveMomentumState::new(time, tensor(first), tensor(second));
        momentum.max_moment_2 = largest.map(tensor);
        (tensor(weights), Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param, ParamId};
    use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer};
    use rand::RngExt;

    use super::*;
    use crate::augment::sample_rng;
    use crate::config::TrainConfig;
    use crate::device::Backend;
    use crate::model::Task;

    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<2>>,
    }

    /// More than a chunk, and no multiple of it.
    const SHAPE: [usize; 2] = [3, CHUNK - 5];

    fn random(step: u64) -> Tensor<2> {
        let mut rng = sample_rng(7, 0, step);
        let numbers: Vec<f32> = (0..SHAPE[0] * SHAPE[1]).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_data(TensorData::new(numbers, SHAPE), &Backend::Flex.device())
    }

    /// The weights after four steps, the last two by an optimiser that was saved and loaded.
    fn after(optimiser: impl Fn() -> ModuleOptimizer) -> Vec<u32> {
        let id = ParamId::new();
        let weight = Tensor::from_inner(random(0)).require_grad();
        let mut module = One {
            weight: Param::initialized(id, weight),
        };
        let mut running = optimiser();
        for step in 1..5 {
            let mut gradients = GradientsParams::new();
            gradients.register(id, random(step));
            module = running.step(1e-2, module, gradients);
            if step == 2 {
                running = optimiser().load_record(running.to_record());
            }
        }
        values(module.weight.val().inner())
            .iter()
            .map(|number| number.to_bits())
            .collect()
    }

    #[test]
    fn steps_are_those_of_burn_to_the_bit() {
        let original = TrainConfig::original(Task::Keypoints).optimiser;
        for (weight_decay, decoupled, amsgrad) in [
            (0.0, false, false),
            (0.0, false, true),
            (0.02, false, true),
            (0.02, true, false),
            (0.0, true, true),
        ] {
            let config = Optimiser {
                amsgrad,
                weight_decay,
                decoupled,
                ..original
            };
            let burns = || {
                if decoupled {
                    let own = AdamWConfig::new().with_weight_decay(weight_decay).with_amsgrad(amsgrad);
                    return own.with_epsilon(config.epsilon).init();
                }
                let decay = (weight_decay > 0.0).then(|| burn::optim::decay::WeightDecayConfig::new(weight_decay));
                let own = AdamConfig::new().with_weight_decay(decay).with_amsgrad(amsgrad);
                own.with_epsilon(config.epsilon).init()
            };
            let own = after(|| Adam::new(&config, Spare::default()).into());
            assert!(
                own == after(burns),
                "decay {weight_decay}, decoupled {decoupled}, amsgrad {amsgrad}"
            );
        }
    }
}
