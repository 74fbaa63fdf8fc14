//! Pages and counts as a run has them, without a run.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use edge_runtime::counts::{self, CountsLock, CountsSettings, CountsSink, Rules, Start, SystemWall};
use edge_runtime::decide::DecideConfig;
use edge_runtime::machine;
use edge_runtime::page::settings::PageConfig;
use edge_runtime::page::{About, Check, Frames, PageContext, PageServer, Today};
use edge_runtime::sink::{FrameFacts, SignalSink};
use inference::bundle::Bundle;
use shared_model::emotion::ClassSet;
use vision::stats::Stats;

use super::{failed, own_time};
use crate::cli::failure::Failure;
use crate::cli::sample;

/// Milliseconds of the source from one frame to the next.
const FRAME_MS: u64 = 66;

/// A server, and the sinks that feed it and the counts.
pub(super) struct Kiosk {
    server: PageServer,
    sinks: [Box<dyn SignalSink>; 2],
    classes: ClassSet,
    stats: Stats,
    /// Goes last: the counts are in it.
    _dir: Scratch,
}

impl Kiosk {
    pub(super) fn start(bundle: &Bundle) -> Result<Self, Failure> {
        let (dir, board) = (Scratch::new().map_err(failed)?, Arc::new(counts::Board::default()));
        let (classes, decision) = (&bundle.manifest().classes, bundle.manifest().decision);
        let counts = CountsSink::start(Start {
            settings: CountsSettings {
                dir: dir.0.join("counts"),
                keep_days: 400,
                min_visitors: 3,
            },
            lock: CountsLock::take(&dir.0.join("counts"))?,
            rules: Rules {
                decide: DecideConfig::default(),
                classes: classes.clone(),
                abstain_below: decision.abstain_below,
            },
            board: Arc::clone(&board),
            wall: Box::new(SystemWall::start()),
        })?;
        let server = PageServer::start(&PageConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..PageConfig::default()
        })?;
        server.hub().attach(context(classes, board));
        let page = Box::new(server.hub().sink(classes));
        Ok(Self {
            server,
            sinks: [Box::new(counts), page],
            classes: classes.clone(),
            stats: Stats::default(),
            _dir: dir,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Tells a frame with one face, and a new verdict with it where there is one; gives the time that the processor took.
    pub(super) fn tell(&mut self, number: u64, has_verdict: bool) -> Result<Duration, Failure> {
        let (classes, time_ms) = (&self.classes, FRAME_MS * number);
        // It sways, so that messages differ as they do for somebody who stands there.
        let sway = (number % 16) as f32;
        let line = sample::line(classes, number, time_ms, [200.0 + sway, 150.0]);
        let state = has_verdict.then(|| sample::state(number, time_ms));
        let facts = FrameFacts {
            number,
            time_ms,
            width: 640,
            height: 480,
            light: 0.5,
            counting: Some(1),
            stats: &self.stats,
        };
        let before = own_time();
        for sink in &mut self.sinks {
            sink.frame(&line)?;
            sink.measured(&facts)?;
            if let Some(state) = &state {
                sink.show(state)?;
            }
            sink.beat()?;
            sink.flush();
        }
        Ok(own_time().saturating_sub(before))
    }
}

/// What the pages are given by a run; the machine is checked as it is there.
fn context(classes: &ClassSet, board: Arc<counts::Board>) -> PageContext {
    PageContext {
        about: About {
            classes: classes.iter().map(str::to_owned).collect(),
            ..About::default()
        },
        switches: Arc::default(),
        updates: None,
        frames: Box::new(Frames::default),
        parts: Box::new(Vec::new),
        outbox: Box::new(|| None),
        today: Box::new(move || board.today().as_ref().map(Today::from)),
        counted: None,
        left: None,
        checks: Arc::new(move || machine::check().into_iter().map(Check::from).collect()),
    }
}

/// A directory of this measurement's own.
struct Scratch(PathBuf);

/// Directories so far.
static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    fn new() -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("edge-runtime-viewers-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is small, and named after this program.
        let _ = fs::remove_dir_all(&self.0);
    }
}
