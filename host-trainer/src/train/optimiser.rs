//! From the gradients of a step to the optimiser that takes them.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::iter::ParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::adam::{Adam, CHUNK};
use super::outcome::Outcome;
use super::spare::Spare;
use crate::config::{Optimiser, Rule};
use crate::model::Network;

/// Momentum of gradient descent where the settings name none.
const SGD_MOMENTUM: f32 = 0.9;

/// The optimiser of these settings, for weights that the processor holds or another device does. Long gradients may leave
/// their memory to `spare`.
pub(super) fn optimiser(config: &Optimiser, is_host: bool, spare: Spare) -> ModuleOptimizer {
    if is_host && config.rule == Rule::Adam {
        return Adam::new(config, spare).into();
    }
    if config.decoupled {
        return AdamWConfig::new()
            .with_beta_1(config.beta1)
            .with_beta_2(config.beta2)
            .with_epsilon(config.epsilon)
            .with_amsgrad(config.amsgrad)
            .with_weight_decay(config.weight_decay)
            .init();
    }
    let decay = || (config.weight_decay > 0.0).then(|| burn::optim::decay::WeightDecayConfig::new(config.weight_decay));
    if config.rule == Rule::Sgd {
        let momentum = MomentumConfig::new()
            .with_momentum(f64::from(config.momentum.unwrap_or(SGD_MOMENTUM)))
            .with_dampening(0.0);
        return SgdConfig::new()
            .with_weight_decay(decay())
            .with_momentum(Some(momentum))
            .init();
    }
    AdamConfig::new()
        .with_beta_1(config.beta1)
        .with_beta_2(config.beta2)
        .with_epsilon(config.epsilon)
        .with_amsgrad(config.amsgrad)
        .with_weight_decay(decay())
        .init()
}

/// Divides gradients by the weight of the batch, shortens them to `clip`; false if any is not finite.
pub(super) fn scale(outcome: &mut Outcome, clip: f32) -> bool {
    let squares: f64 = outcome
        .gradients
        .iter()
        .flatten()
        .map(|gradient| squares(gradient))
        .sum();
    let norm = squares.sqrt() / outcome.weight;
    if !(norm.is_finite() && outcome.loss.is_finite()) {
        return false;
    }
    let shorten = if clip > 0.0 {
        (f64::from(clip) / (norm + 1e-6)).min(1.0)
    } else {
        1.0
    };
    let factor = (shorten / outcome.weight) as f32;
    for gradient in outcome.gradients.iter_mut().flatten() {
        gradient
            .par_chunks_mut(CHUNK)
            .for_each(|part| part.iter_mut().for_each(|g| *g *= factor));
    }
    true
}

/// The sum of squares, added up in an order that does not depend on threads.
fn squares(gradient: &[f32]) -> f64 {
    let part = |part: &[f32]| part.iter().map(|g| f64::from(*g) * f64::from(*g)).sum::<f64>();
    let parts: Vec<f64> = gradient.par_chunks(CHUNK).map(part).collect();
    parts.iter().sum()
}

/// Gradients in the form that burn's optimisers take.
pub(super) fn register(network: &Network, gradients: Vec<Option<Vec<f32>>>, device: &Device) -> GradientsParams {
    let mut writer = GradientWriter {
        gradients: gradients.into_iter(),
        registered: GradientsParams::new(),
        device,
    };
    network.visit(&mut writer);
    writer.registered
}

struct GradientWriter<'a> {
    gradients: std::vec::IntoIter<Option<Vec<f32>>>,
    registered: GradientsParams,
    device: &'a Device,
}

impl ModuleVisitor for GradientWriter<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(Some(gradient)) = self.gradients.next() {
            let data = TensorData::new(gradient, param.val().shape());
            self.registered
                .register(param.id, Tensor::<D>::from_data(data, self.device));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;

    use super::*;
    use crate::config::TrainConfig;
    use crate::device::Backend;
    use crate::model::Task;
    use crate::model::trunk::values;

    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<1>>,
    }

    /// A weight of 1 after two steps with a gradient of 2 and a rate of 0.1.
    fn after(rule: Rule) -> f32 {
        let settings = Optimiser {
            rule,
            momentum: (rule == Rule::Sgd).then_some(0.5),
            ..TrainConfig::original(Task::Keypoints).optimiser
        };
        let device = Backend::Flex.device();
        let (id, weight) = (ParamId::new(), Tensor::from_floats([1.0], &device.clone().autodiff()));
        let mut module = One {
            weight: Param::initialized(id, weight.require_grad()),
        };
        let mut optimiser = optimiser(&settings, true, Spare::default());
        for _ in 0..2 {
            let mut gradients = GradientsParams::new();
            gradients.register(id, Tensor::<1>::from_floats([2.0], &device));
            module = optimiser.step(0.1, module, gradients);
        }
        values(module.weight.val().inner())[0]
    }

    #[test]
    fn gradient_descent_goes_by_the_gradient_and_adam_by_the_rate() {
        // 0.2 in the first step; in the second as much, and half of the first again.
        assert!((after(Rule::Sgd) - 0.5).abs() < 1e-6, "{}", after(Rule::Sgd));
        assert!((after(Rule::Adam) - 0.8).abs() < 1e-4, "{}", after(Rule::Adam));
    }
}
