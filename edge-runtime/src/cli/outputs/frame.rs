//! The work of a frame, and what a sink adds to it.

use std::time::{Duration, Instant};

use edge_runtime::sink::{FrameFacts, SignalSink};
use inference::bundle::Bundle;
use inference::{Crops, Predictor};
use shared_model::emotion::ClassSet;
use shared_model::image::{GrayView, SIDE};
use vision::stats::Stats;

use super::change::{Change, Finding};
use crate::cli::failure::{Failure, code};
use crate::cli::sample;

/// Frames one behind the other of which all are told, or none. The first is not counted: it meets what the row before left
/// to do.
const ROW: usize = 11;

/// Rows of a block that are told, and as many that are not: a hundred frames that count.
const ROWS: usize = 10;

/// A frame's work: both networks on a pattern.
pub(super) struct Frame {
    predictor: Predictor,
    classes: ClassSet,
    stats: Stats,
    number: u64,
}

/// What telling a sink adds to frames.
#[derive(Default)]
pub(super) struct Costs {
    /// How long frames took that were not told.
    pub(super) without: Vec<Duration>,
    /// How long frames took that were.
    pub(super) with: Vec<Duration>,
    /// How much of that was the telling, on the thread of the frame.
    pub(super) telling: Vec<Duration>,
    /// By how much it changes the p99 of a frame.
    pub(super) change: Change,
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

    /// Compares frames that are told with frames that are not, in turn, until the change is told from the limit.
    pub(super) fn costs(&mut self, sink: &mut dyn SignalSink, limit: f64) -> Result<(Costs, Finding), Failure> {
        let mut costs = Costs::default();
        loop {
            let start = costs.with.len();
            for row in 0..ROWS {
                // What comes second may find a warmer or a more tired machine.
                for is_told in [row % 2 == 0, row % 2 == 1] {
                    self.row(is_told.then_some(&mut *sink), &mut costs)?;
                }
            }
            costs.change.add(&costs.without[start..], &costs.with[start..]);
            if let Some(finding) = costs.change.finding(limit) {
                return Ok((costs, finding));
            }
        }
    }

    /// Frames at once one behind the other: what a frame leaves to do for other threads meets the next.
    fn row(&mut self, mut sink: Option<&mut dyn SignalSink>, costs: &mut Costs) -> Result<(), Failure> {
        for at in 0..ROW {
            let [whole, told] = self.take(sink.as_deref_mut())?;
            if at == 0 {
                continue;
            }
            if sink.is_some() {
                costs.with.push(whole);
                costs.telling.push(told);
            } else {
                costs.without.push(whole);
            }
        }
        Ok(())
    }

    /// Judges once, and tells the sink where there is one: gives how long all of it took, and the telling.
    fn take(&mut self, sink: Option<&mut (dyn SignalSink + '_)>) -> Result<[Duration; 2], Failure> {
        let start = Instant::now();
        self.predictor.run()?;
        let judged = Instant::now();
        self.number += 1;
        if let Some(sink) = sink {
            sink.beat()?;
            sink.show(&sample::state(self.number, 0))?;
            tell(sink, &self.classes, &self.stats, self.number)?;
            sink.flush();
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
