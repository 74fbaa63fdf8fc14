//! The work of a frame, and what a sink adds to it.

use std::time::{Duration, Instant};

use edge_runtime::sink::{FrameFacts, SignalSink};
use inference::bundle::Bundle;
use inference::{Crops, Predictor};
use shared_model::emotion::ClassSet;
use shared_model::image::{GrayView, SIDE};
use vision::stats::Stats;

use crate::cli::failure::{Failure, code};
use crate::cli::sample;

/// Frames with a receiver in a block, and as many without.
const PAIRS: usize = 100;

/// Blocks of each receiver; odd, so that one is in the middle.
const BLOCKS: usize = 15;

/// Of 15 sorted values, those between which the median lies with 96 % (binomial distribution).
const BETWEEN: [usize; 2] = [3, 11];

/// A frame's work: both networks on a pattern.
pub(super) struct Frame {
    predictor: Predictor,
    classes: ClassSet,
    stats: Stats,
    number: u64,
}

/// What a sink adds to frames.
#[derive(Default)]
pub(super) struct Costs {
    /// How long frames took.
    pub(super) without: Vec<Duration>,
    /// How long frames took with it.
    pub(super) with: Vec<Duration>,
    /// How much of that was the telling, on the thread of the frame.
    pub(super) telling: Vec<Duration>,
    /// By how much it changes the p99 of a frame, in percent: the median over blocks.
    pub(super) change: f64,
    /// Between which values that median lies with 95 %.
    pub(super) between: [f64; 2],
}

impl Frame {
    pub(super) fn new(bundle: &Bundle) -> Result<Self, Failure> {
        let mut predictor = Predictor::load(bundle)?;
        let pixels: Vec<u8> = (0..SIDE * SIDE).map(|at| (at % SIDE * (at / SIDE)) as u8).collect();
        let picture = GrayView::new(&pixels, SIDE, SIDE);
        let picture = picture.map_err(|error| Failure::new(code::INTERNAL, anyhow::anyhow!("{error:?}")))?;
        predictor.crop(picture, &Crops::both(picture.bounds()))?;
        Ok(Self {
            predictor,
            classes: bundle.manifest().classes.clone(),
            stats: Stats::default(),
            number: 0,
        })
    }

    /// Compares frames with and without a sink, in turn.
    pub(super) fn costs(&mut self, sink: &mut dyn SignalSink) -> Result<Costs, Failure> {
        let mut costs = Costs::default();
        let mut changes = Vec::with_capacity(BLOCKS);
        for _ in 0..BLOCKS {
            let start = costs.with.len();
            for pair in 0..PAIRS {
                // What comes second may find a warmer or a more tired machine.
                for with in [pair % 2 == 0, pair % 2 == 1] {
                    let [whole, told] = self.take(with.then_some(&mut *sink))?;
                    if with {
                        costs.with.push(whole);
                        costs.telling.push(told);
                    } else {
                        costs.without.push(whole);
                    }
                }
            }
            let [without, with] =
                [&costs.without, &costs.with].map(|times| percentile(&times[start..], 0.99).as_secs_f64());
            changes.push(100.0 * (with / without.max(f64::MIN_POSITIVE) - 1.0));
        }
        changes.sort_by(f64::total_cmp);
        costs.change = changes[BLOCKS / 2];
        costs.between = BETWEEN.map(|at| changes[at]);
        Ok(costs)
    }

    /// Judges once, and tells the sink where there is one: gives how long all of it took, and the telling.
    fn take(&mut self, sink: Option<&mut dyn SignalSink>) -> Result<[Duration; 2], Failure> {
        let start = Instant::now();
        self.predictor.run()?;
        let judged = Instant::now();
        self.number += 1;
        if let Some(sink) = sink {
            tell(sink, &self.classes, &self.stats, self.number)?;
            sink.show(&sample::state(self.number, 0))?;
            sink.beat()?;
        }
        Ok([start.elapsed(), judged.elapsed()])
    }
}

/// Tells a frame with one face.
pub(super) fn tell(sink: &mut dyn SignalSink, classes: &ClassSet, stats: &Stats, number: u64) -> Result<(), Failure> {
    sink.frame(&sample::line(classes, number, number, [0.0, 0.0]))?;
    sink.measured(&FrameFacts {
        number,
        time_ms: number,
        width: 96,
        height: 96,
        light: 0.5,
        counting: Some(1),
        stats,
    })?;
    Ok(())
}

/// Of sorted or unsorted times, the smallest that this share does not exceed.
pub(super) fn percentile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = ((sorted.len() as f64 * share).ceil() as usize).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
