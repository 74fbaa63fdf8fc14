//! Aiming: the camera's pictures with what is found in them, for a while, while no service runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use update::Networks;

use super::context::RunContext;
use super::error::DaemonError;
use super::input::{face_source, source, timing};
use super::lines;
use super::owner::Owned;
use super::page::{bundle, device};
use super::{Ending, boot_id, ending, log};
use crate::aim::{Sighted, Viewfinder, routes};
use crate::config::Config;
use crate::decide::Decider;
use crate::page::{About, CameraFacts, Frames, PageContext, PageServer};
use crate::pipeline::{FrameError, Pipeline, PipelineContext, Progress, Stages};
use crate::preflight;

/// Longest time that pictures are shown.
pub const LONGEST: Duration = Duration::from_mins(10);

/// Shows the camera's pictures on `listen` until the time is over, the source ends, or the flags say so. The lamp is lit
/// meanwhile.
///
/// # Errors
/// An address beyond the loopback, a camera that a running service has, and what keeps a run from starting.
pub fn aim(
    config: &Config,
    listen: SocketAddr,
    time: Duration,
    context: &RunContext<'_>,
) -> Result<Ending, DaemonError> {
    if !listen.ip().is_loopback() {
        return Err(DaemonError::AimAbroad(listen));
    }
    if let Some(path) = preflight::untrusted_as_root(config) {
        return Err(DaemonError::Untrusted(path));
    }
    // A bundle that is missing is told when it is loaded.
    let owned = Owned::take(&config.bundle);
    if matches!(owned, Ok(None)) {
        return Err(DaemonError::Running);
    }
    let time = time.min(LONGEST);
    let viewfinder = Arc::new(Viewfinder::default());
    let server = PageServer::local(listen, "aim.html", routes(&viewfinder))?;
    // Before the camera, so that it goes out after it.
    let _lamp = lines::lamp_wiring(config)
        .map(|wiring| lines::lamp(wiring, context))
        .transpose()?;
    let camera = source(&config.source, context)?;
    let clock = context.clock.restarted();
    let networks = Networks::load(&config.bundle, config.precision)?;
    let mut pipeline = pipeline(config, networks, &server, time)?;
    tracing::info!("aim: http://{}/", server.address());
    let mut first = None;
    let mut report = |error: &FrameError| {
        log(error);
        if let FrameError::Source(source) = error {
            first.get_or_insert(source.fault());
        }
    };
    let mut run = PipelineContext {
        clock: &context.clock.restarted(),
        stop: &context.flags.stop,
        report: &mut report,
    };
    let sighted = Sighted::new(camera, &viewfinder, clock, time);
    let end = pipeline.run(Box::new(sighted), timing(&config.source), &mut run)?;
    Ok(ending(end, pipeline.stats(), first))
}

/// The pipeline of a run, with the page as its only sink.
fn pipeline(config: &Config, networks: Networks, server: &PageServer, time: Duration) -> Result<Pipeline, DaemonError> {
    let manifest = networks.bundle.manifest();
    let classes = manifest.classes.clone();
    let decider = Decider::new(config.decide.0, classes.clone(), manifest.decision.abstain_below)?;
    let (boot, progress) = (boot_id(), Arc::new(Progress::default()));
    let counted = Arc::clone(&progress);
    server.hub().attach(PageContext {
        about: About {
            boot: boot.to_string(),
            device: device(config),
            classes: classes.iter().map(str::to_owned).collect(),
            camera: CameraFacts {
                source: config.source.origin.to_string(),
                smallest_face_px: config.face.track().detector.min_face_px,
            },
            bundle: bundle(&networks),
        },
        switches: Arc::default(),
        updates: None,
        frames: Box::new(move || Frames {
            captured: counted.captured(),
            judged: counted.inferred(),
        }),
        parts: Box::new(Vec::new),
        outbox: Box::new(|| None),
        today: Box::new(|| None),
        counted: None,
        left: Some(Instant::now() + time),
        checks: Arc::new(Vec::new),
    });
    Ok(Pipeline::new(Stages {
        faces: face_source(config, &networks.predictor)?,
        predictor: networks.predictor.with_threads(config.threads),
        sinks: vec![Box::new(server.hub().sink(&classes))],
        classes,
        decider,
        boot,
        progress,
    }))
}
