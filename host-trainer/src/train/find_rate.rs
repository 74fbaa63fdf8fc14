//! The learning-rate range test (Smith, 2015): some steps with a rate that grows, and what the loss makes of it.
//!
//! The steps are those of a training, on the same faces in the same order; nothing is saved.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use serde::Serialize;

use super::learner::{Learner, NotANumber};
use super::prepare::Prepared;
use super::pretrained::Pretrained;
use super::steps_per_epoch;
use crate::config::{Rule, Schedule, TrainConfig};
use crate::device::Devices;

/// Share of the mean loss so far in the next one; the noise of single steps would hide the course.
const SMOOTH: f64 = 0.9;
/// The loss has run away where it is this many times its least.
const RUN_AWAY: f64 = 4.0;
/// Steps before a loss can run away, or a rate be suggested: of fewer, the mean says nothing.
const SETTLED: usize = 10;

/// The rates that are tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Rate of the first step.
    pub lowest: f64,
    /// Rate of the last step.
    pub highest: f64,
    /// Number of steps, each with a rate that is higher by the same factor.
    pub steps: u32,
}

/// One step with its rate and losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tried {
    /// Learning rate of the step, above 0.
    pub rate: f64,
    /// Mean loss of its faces, before the weights moved.
    pub loss: f64,
    /// The same, smoothed over the steps before.
    pub smoothed: f64,
}

/// Why no higher rate was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was the last of the range.
    End,
    /// The loss ran away, or was no number any more.
    RanAway,
    /// Asked to stop.
    Interrupted,
}

/// What became of the loss.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RateTest {
    /// The steps in their order.
    pub tried: Vec<Tried>,
    /// Why there are no more of them.
    pub ended: Reason,
}

/// Rates that the course of the loss speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suggestion {
    /// The rate to begin with: a tenth of `lowest_loss`.
    pub rate: f64,
    /// Where the smoothed loss falls fastest.
    pub fastest_fall: f64,
    /// Where the smoothed loss is least; a training at this rate is about to run away.
    pub lowest_loss: f64,
}

impl Range {
    /// Rates that hold all that are in use with this rule.
    pub fn of(rule: Rule, steps: u32) -> Self {
        let (lowest, highest) = match rule {
            Rule::Adam => (1e-7, 1.0),
            Rule::Sgd => (1e-6, 10.0),
        };
        Self { lowest, highest, steps }
    }

    /// The rate of a step, counted from 0.
    fn rate(&self, step: u32) -> f64 {
        let position = f64::from(step) / f64::from(self.steps.max(2) - 1);
        self.lowest * (self.highest / self.lowest).powf(position)
    }
}

/// Trains with ever higher rates until the range ends, the loss runs away, or `stop` is set; `tell` hears of each step.
pub fn find_rate(
    config: &TrainConfig,
    prepared: &Prepared,
    pretrained: Option<&Pretrained>,
    devices: &Devices,
    range: Range,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(&Tried),
) -> Result<RateTest> {
    config.check()?;
    config.check_frozen()?;
    prepared.check_classes()?;
    let config = TrainConfig {
        // Takes the rate from the state.
        schedule: Schedule::Plateau {
            factor: 0.5,
            patience: u32::MAX,
            minimum: 0.0,
        },
        average: 0.0,
        ..config.clone()
    };
    let mut learner = Learner::new(&config, prepared, pretrained, devices)?;
    let steps = steps_per_epoch(prepared.sampling.len(), config.batch);
    let mut test = RateTest {
        tried: Vec::new(),
        ended: Reason::End,
    };
    let mut order = Vec::new();
    for step in 0..range.steps {
        if stop.load(Ordering::Relaxed) {
            test.ended = Reason::Interrupted;
            break;
        }
        let at = u64::from(step) % steps;
        if at == 0 {
            learner.state.epoch = (u64::from(step) / steps) as u32;
            order = prepared.sampling.epoch(config.seed, learner.state.epoch);
        }
        let rows = order.chunks(config.batch).nth(at as usize).unwrap_or(&order);
        let rate = range.rate(step);
        (learner.state.learning_rate, learner.state.running_loss) = (rate, [0.0; 2]);
        match learner.step(prepared, rows, u64::from(range.steps)) {
            Err(error) if error.is::<NotANumber>() => test.ended = Reason::RanAway,
            done => {
                done?;
                test.add(rate, learner.mean_loss());
                test.tried.last().into_iter().for_each(&mut *tell);
            }
        }
        if test.ended == Reason::RanAway {
            break;
        }
    }
    Ok(test)
}

impl RateTest {
    fn add(&mut self, rate: f64, loss: f64) {
        // The mean of few steps begins without the ballast of a first value.
        let steps = self.tried.len() as f64;
        let keep = SMOOTH.min(steps / (steps + 1.0));
        let before = self.tried.last().map_or(loss, |last| last.smoothed);
        let smoothed = before * keep + loss * (1.0 - keep);
        self.tried.push(Tried { rate, loss, smoothed });
        if self.tried.len() > SETTLED && smoothed > RUN_AWAY * self.least().smoothed {
            self.ended = Reason::RanAway;
        }
    }

    /// The step with the least smoothed loss.
    fn least(&self) -> Tried {
        let none = Tried {
            rate: 0.0,
            loss: 0.0,
            smoothed: 0.0,
        };
        let steps = self.tried.iter().copied();
        steps.min_by(|a, b| a.smoothed.total_cmp(&b.smoothed)).unwrap_or(none)
    }

    /// What the course speaks for; `None` where there are too few steps, or the loss never fell.
    pub fn suggestion(&self) -> Option<Suggestion> {
        let settled = self.tried.get(SETTLED..)?;
        let least = self.least();
        let fell = settled.first().is_some_and(|first| least.rate > first.rate);
        // Over five steps, each as far from the next as any other.
        let slope = |window: &[Tried]| window[4].smoothed - window[0].smoothed;
        let steepest = settled.windows(5).min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        (fell && slope(steepest) < 0.0).then(|| Suggestion {
            rate: least.rate / 10.0,
            fastest_fall: steepest[2].rate,
            lowest_loss: least.rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range {
        lowest: 1e-6,
        highest: 1.0,
        steps: 61,
    };

    /// A test whose loss is given by the logarithm of the rate.
    fn made(loss: impl Fn(f64) -> f64) -> RateTest {
        let mut test = RateTest {
            tried: Vec::new(),
            ended: Reason::End,
        };
        for step in 0..RANGE.steps {
            let rate = RANGE.rate(step);
            if test.ended == Reason::End {
                test.add(rate, loss(rate.log10()));
            }
        }
        test
    }

    #[test]
    fn rates_rise_by_the_same_factor_from_the_lowest_to_the_highest() {
        let near = |step, rate: f64| (RANGE.rate(step) / rate - 1.0).abs() < 1e-9;
        assert!(near(0, 1e-6) && near(10, 1e-5) && near(60, 1.0));
        assert_eq!(Range::of(Rule::Sgd, 100).rate(0), 1e-6);
    }

    #[test]
    fn a_tenth_of_the_rate_with_the_least_loss_is_suggested() {
        // Falls between 1e-4 and 1e-2, then runs away.
        let test = made(|power| {
            if power < -4.0 {
                2.0
            } else if power < -2.0 {
                2.0 - 0.75 * (power + 4.0)
            } else {
                0.5 + 40.0 * (power + 2.0)
            }
        });
        assert_eq!(test.ended, Reason::RanAway);
        let found = test.suggestion().unwrap();
        // The smoothed loss follows a few steps of a tenth of a decade behind.
        assert!((9e-3..3e-2).contains(&found.lowest_loss), "{found:?}");
        assert!((found.rate * 10.0 / found.lowest_loss - 1.0).abs() < 1e-9, "{found:?}");
        assert!((1e-4..1e-2).contains(&found.fastest_fall), "{found:?}");
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        assert_eq!(made(|_| 1.0).suggestion(), None);
        assert_eq!(made(|power| 10.0 + power).suggestion(), None, "it rises");
        assert_eq!(made(|power| -power).tried.len(), 61);
        let short = RateTest {
            tried: made(|power| -power).tried[..8].to_vec(),
            ended: Reason::Interrupted,
        };
        assert_eq!(short.suggestion(), None);
    }
}
