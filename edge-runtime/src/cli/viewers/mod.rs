//! `edge-runtime bench --viewers`: what pages and counts cost, and that no viewer is felt.
//!
//! Terms: a *block* is a row of frames under the same conditions; a *round* is four of them, without the crowd of viewers,
//! with it twice, and without it again, so that whatever else changes on the machine meets both sides.

mod crowd;
mod kiosk;
mod report;

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use inference::bundle::Bundle;
use inference::{Crops, Predictor, Threads};
use rustix::time::{ClockId, clock_gettime};
use shared_model::image::{GrayView, Rect};
use vision::detector::finder::{Finder, FinderConfig};

use super::failure::{Failure, code, io_code};
use super::write_line;
use crowd::{Crowd, Size};
use kiosk::Kiosk;
use report::{Cost, Load, Memory, Report};

/// The viewers of the load: as many as are served, and connections that only begin.
const CROWD: Size = Size {
    readers: 22,
    deaf: 10,
    dribblers: 100,
};

/// One page that somebody looks at.
const ONE: Size = Size {
    readers: 1,
    deaf: 0,
    dribblers: 0,
};

/// Width and height of frames in pixels, and side of the smallest face that is searched: the defaults of a run.
const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const MIN_FACE_PX: f32 = 80.0;

/// Frames a second while costs are taken; a viewer gets five of them.
const COST_RATE: u32 = 15;

/// Frames a second while the time of frames is taken.
const LOAD_RATE: u32 = 30;

/// Frames whose memory is watched come this fast; none of them is judged.
const MEMORY_RATE: u32 = 2000;

/// From one new verdict to the next, in frames.
const VERDICT_EVERY: u64 = 15;

/// Time for connections to settle.
const SETTLE: Duration = Duration::from_millis(300);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Plan {
    cost_rounds: usize,
    cost_frames: u64,
    load_rounds: usize,
    load_frames: u64,
    /// Frames whose memory is watched; an hour at 15 a second.
    memory_frames: u64,
}

const WHOLE: Plan = Plan {
    cost_rounds: 4,
    cost_frames: 60,
    load_rounds: 8,
    load_frames: 90,
    memory_frames: 54_000,
};

/// Measures for less than three minutes, and writes a table. Ends with 69 if a limit is broken.
pub(super) fn main(bundle: &Bundle) -> Result<ExitCode, Failure> {
    tracing::info!("this takes about three minutes; on a machine that does something else, the times are its too");
    let report = measure(bundle, WHOLE)?;
    write_line(report.to_string().trim_end())?;
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(code::UNAVAILABLE)
    })
}

fn measure(bundle: &Bundle, plan: Plan) -> Result<Report, Failure> {
    let [nobody, viewer] = costs(bundle, plan)?;
    Ok(Report {
        nobody,
        viewer,
        load: load(bundle, plan)?,
        memory: memory(bundle, plan)?,
    })
}

fn failed(error: io::Error) -> Failure {
    Failure::new(io_code(&error), error)
}

/// What one frame took.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    /// The processor's time of this thread for the search and the networks.
    judged: Duration,
    /// The same for telling pages and counts.
    told: Duration,
    /// From its beginning to its end, on the clock.
    whole: Duration,
}

/// Frames that come at a pace: as in a run, the bundle's detector searches each, both networks judge a face, and pages and
/// counts are told.
struct Frames {
    predictor: Predictor,
    finder: Option<Finder>,
    picture: Vec<u8>,
    kiosk: Kiosk,
    period: Duration,
    due: Instant,
    number: u64,
    /// Frames that were not done when the next one came: a camera would have dropped it.
    late: u64,
}

impl Frames {
    fn start(bundle: &Bundle, threads: Threads, rate: u32) -> Result<Self, Failure> {
        let mut predictor = Predictor::load(bundle)?.with_threads(threads);
        let picture: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(|at| (at % WIDTH * (at / WIDTH)) as u8)
            .collect();
        let face = Rect {
            x: 200.0,
            y: 150.0,
            w: 96.0,
            h: 96.0,
        };
        predictor.crop(view(&picture)?, &Crops::both(face))?;
        let config = FinderConfig {
            min_face_px: MIN_FACE_PX,
            detector_px: None,
        };
        let finder = predictor.detector().map(|network| Finder::new(config, network.entry()));
        let mut frames = Self {
            predictor,
            finder,
            picture,
            kiosk: Kiosk::start(bundle)?,
            period: Duration::from_secs(1) / rate,
            due: Instant::now(),
            number: 0,
            late: 0,
        };
        // The first ones take memory, and fill the caches.
        frames.block(10)?;
        Ok(frames)
    }

    fn block(&mut self, count: u64) -> Result<Vec<Taken>, Failure> {
        self.due = Instant::now();
        self.late = 0;
        (0..count).map(|_| self.take()).collect()
    }

    fn judge(&mut self) -> Result<(), Failure> {
        if let (Some(finder), Some(network)) = (&mut self.finder, self.predictor.detector_mut()) {
            finder.take(view(&self.picture)?);
            finder.find(network)?;
        }
        self.predictor.run()?;
        Ok(())
    }

    fn take(&mut self) -> Result<Taken, Failure> {
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        let before = own_time();
        self.judge()?;
        let judged = own_time();
        self.number += 1;
        let told = (self.kiosk).tell(self.number, self.number.is_multiple_of(VERDICT_EVERY))?;
        let taken = Taken {
            judged: judged.saturating_sub(before),
            told,
            whole: begin.elapsed(),
        };
        self.due += self.period;
        if Instant::now() > self.due {
            self.late += 1;
            self.due = Instant::now();
        }
        Ok(taken)
    }
}

/// The whole of a picture.
fn view(pixels: &[u8]) -> Result<GrayView<'_>, Failure> {
    let view = GrayView::new(pixels, WIDTH, HEIGHT);
    view.map_err(|error| Failure::new(code::INTERNAL, anyhow::anyhow!("{error:?}")))
}

/// The processor's time of this thread.
fn own_time() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    // A thread has never used less than no time, and no second has more than 1e9 nanoseconds.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What pages and counts take of the processor, with nobody at the pages and with one viewer.
fn costs(bundle: &Bundle, plan: Plan) -> Result<[Cost; 2], Failure> {
    // All of a frame on this thread, so that what other threads take is pages and counts alone.
    let mut frames = Frames::start(bundle, Threads::One, COST_RATE)?;
    // Whoever comes first has the time zone looked up, which then holds for minutes.
    drop(Crowd::gather(frames.kiosk.address(), ONE).map_err(failed)?);
    let mut costs = [Cost::default(), Cost::default()];
    for _ in 0..plan.cost_rounds {
        for (cost, size) in costs.iter_mut().zip([None, Some(ONE)]) {
            let crowd = size.map(|size| Crowd::gather(frames.kiosk.address(), size)).transpose();
            let crowd = crowd.map_err(failed)?;
            thread::sleep(SETTLE);
            let theirs = || crowd.as_ref().map_or(Duration::ZERO, Crowd::time);
            let (all, own, viewers) = (clock(ClockId::ProcessCPUTime), own_time(), theirs());
            for taken in frames.block(plan.cost_frames)? {
                cost.judged += taken.judged;
                cost.told += taken.told;
                cost.frames += 1;
            }
            let others = own_time().saturating_sub(own) + theirs().saturating_sub(viewers);
            let all = clock(ClockId::ProcessCPUTime).saturating_sub(all);
            cost.threads += all.saturating_sub(others);
            cost.messages += crowd.as_ref().map_or(0, Crowd::messages);
        }
    }
    Ok(costs)
}

/// The time of frames without the crowd and with it, in turn.
fn load(bundle: &Bundle, plan: Plan) -> Result<Load, Failure> {
    let mut frames = Frames::start(bundle, Threads::default(), LOAD_RATE)?;
    let mut load = Load::default();
    for _ in 0..plan.load_rounds {
        let mut round = [Vec::new(), Vec::new(), Vec::new()];
        round[0] = without(&mut frames, plan, &mut load)?;
        {
            let crowd = Crowd::gather(frames.kiosk.address(), CROWD).map_err(failed)?;
            thread::sleep(SETTLE);
            for _ in 0..2 {
                let taken = frames.block(plan.load_frames)?;
                round[1].extend(taken.iter().map(|taken| taken.whole));
                load.late_with += frames.late;
            }
            load.messages += crowd.messages();
        }
        thread::sleep(SETTLE);
        round[2] = without(&mut frames, plan, &mut load)?;
        load.add(round);
    }
    Ok(load)
}

fn without(frames: &mut Frames, plan: Plan, load: &mut Load) -> Result<Vec<Duration>, Failure> {
    let taken = frames.block(plan.load_frames)?;
    load.late_without += frames.late;
    Ok(taken.iter().map(|taken| taken.whole).collect())
}

/// The memory of the program while an hour's frames are told to the crowd in less than a minute.
fn memory(bundle: &Bundle, plan: Plan) -> Result<Memory, Failure> {
    let mut kiosk = Kiosk::start(bundle)?;
    let _crowd = Crowd::gather(kiosk.address(), CROWD).map_err(failed)?;
    let mut early_kib = 0;
    for number in 0..plan.memory_frames {
        if number == plan.memory_frames / 10 {
            early_kib = resident_kib();
        }
        kiosk.tell(number, number.is_multiple_of(VERDICT_EVERY))?;
        thread::sleep(Duration::from_secs(1) / MEMORY_RATE);
    }
    Ok(Memory {
        frames: plan.memory_frames,
        early_kib,
        late_kib: resident_kib(),
    })
}

/// Memory of this process that is in use, as Linux counts it; 0 where it is not told.
fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_short_measurement_meets_viewers_and_tells_what_they_cost() {
        let bundle = Bundle::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default")).unwrap();
        let plan = Plan {
            cost_rounds: 1,
            cost_frames: 10,
            load_rounds: 1,
            load_frames: 15,
            memory_frames: 500,
        };
        let report = measure(&bundle, plan).unwrap();
        assert_eq!((report.nobody.frames, report.nobody.messages), (10, 0));
        assert!(report.nobody.judged > report.nobody.told && report.nobody.told > Duration::ZERO);
        // A snapshot and frames; every one of the crowd got some.
        assert!(report.viewer.messages > 3, "{report:?}");
        assert!(report.load.messages > 22, "{report:?}");
        assert!(report.memory.early_kib > 0 && report.memory.late_kib > 0);
        assert!(report.to_string().contains("one viewer"));
    }
}
