//! The sinks that a configuration asks for.

#[cfg(feature = "mqtt")]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "mqtt")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "mqtt")]
use std::time::Instant;

use crate::config::{Config, FaceMode, Stdout, WhenSection};
use crate::counts::{CountsLock, CountsSink, Rules, Start, SystemWall};
#[cfg(feature = "mqtt")]
use crate::left_behind;
#[cfg(feature = "mqtt")]
use crate::machine;
use crate::pipeline::Progress;
use crate::service::Liveness;
use crate::sink::gpio::{GpioConfig, Input, Line, Panel, Shows, outputs};
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::Broker;
use crate::sink::outlet::Outlet;
#[cfg(feature = "mqtt")]
use crate::sink::updates::Updates;
use crate::sink::when::{Effects, Holds, When, WhenSink, local_minute};
use crate::sink::{Faces, GpioSink, JsonLines, SignalSink, SinkError};
use crate::switches::Switch;
use shared_model::emotion::{ClassSet, Label};
use shared_model::message::State;

use super::context::RunContext;
use super::error::DaemonError;
use super::lines;
use super::outlets::{outlets, watched};
use super::page::Pages;
use super::secrets::SinkResources;
#[cfg(feature = "mqtt")]
use super::shared::BrokerStatus;
use super::shared::{ReadBroker, Shared, Ways};

/// Counts the heartbeats of the loop.
struct LoopHeartbeat(Arc<AtomicU64>);

impl SignalSink for LoopHeartbeat {
    fn name(&self) -> &'static str {
        "watchdog"
    }

    fn show(&mut self, _: &State) -> Result<(), SinkError> {
        Ok(())
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The sinks of a configuration, and what is known of them.
pub(super) struct Sinks {
    pub(super) all: Vec<Box<dyn SignalSink>>,
    pub(super) ways: Ways,
}

/// All sinks, in the order in which they are told and closed: what is fast comes first.
pub(super) fn sinks(
    config: &Config,
    resources: &SinkResources,
    rules: &Rules,
    shared: &Shared,
    pages: &Pages,
    context: &RunContext<'_>,
) -> Result<Sinks, DaemonError> {
    let classes = &rules.classes;
    let mut liveness = stages(shared);
    #[cfg_attr(not(feature = "mqtt"), expect(unused_mut, reason = "only MQTT has a broker"))]
    let mut broker: ReadBroker = Arc::new(|| None);
    let mut sinks: Vec<Box<dyn SignalSink>> = Vec::new();
    let panel = config.sink.gpio.as_ref();
    // Paused until the switch on a line has said otherwise; not held where there is none.
    shared
        .switches
        .hold_pause(panel.is_some_and(|gpio| gpio.pause.is_some()));
    // A lamp alone is lit elsewhere.
    let mut effects = Effects::default();
    let driven = |gpio: &&GpioConfig| !(gpio.lines.is_empty() && gpio.pulses.is_empty()) || gpio.pause.is_some();
    if let Some(gpio) = panel.filter(driven) {
        let sink = gpio_sink(gpio, classes, shared, context)?;
        let commands = sink.commands();
        effects.gpio = Some(Arc::clone(&commands));
        liveness.push(Liveness::new("gpio", move || commands.heartbeat()));
        sinks.push(Box::new(sink));
    }
    match config.sink.stdout {
        Stdout::Off => {}
        Stdout::States => sinks.push(Box::new(JsonLines::new((context.output)(), Faces::Hide))),
        Stdout::Faces => sinks.push(Box::new(JsonLines::new((context.output)(), Faces::Show))),
    }
    // Before those that show counts, so that there are some.
    sinks.extend(counts_sink(config, resources.counts.as_ref(), rules, shared)?);
    #[cfg(feature = "mqtt")]
    if let Some(mqtt) = resources.secrets.broker() {
        let beats = Arc::new(AtomicU64::new(0));
        // Requests are taken only where somebody follows them.
        let looks = config.update.as_ref().is_some_and(|update| update.channel.is_some());
        let updates = looks.then(|| Arc::clone(&shared.updates));
        let former_dirs = left_behind::former(config);
        left_behind::add(config);
        let (sink, read) = mqtt_sink(mqtt, classes, shared, updates, Arc::clone(&beats), pages, former_dirs)?;
        sinks.push(sink);
        broker = read;
        liveness.push(Liveness::new("mqtt", move || beats.load(Ordering::Relaxed)));
    }
    let outlets = outlets(&config.sink, &resources.secrets, classes, &shared.shelves)?;
    if !config.when.is_empty() {
        effects.page = pages.show();
        sinks.push(Box::new(when(&config.when, classes, effects, &outlets)?));
    }
    let told = outlets.iter().map(|outlet| (outlet.label(), outlet.status())).collect();
    for outlet in outlets {
        liveness.push(watched(&outlet));
        sinks.push(Box::new(outlet));
    }
    if let Some(beats) = shared.metrics.clone() {
        liveness.push(Liveness::new("metrics", move || beats.load(Ordering::Relaxed)));
    }
    if let Some((sink, server)) = pages.sink(classes) {
        sinks.push(sink);
        liveness.push(server);
    }
    sinks.push(Box::new(LoopHeartbeat(Arc::clone(&shared.beats))));
    shared.liveness.replace(liveness);
    Ok(Sinks {
        all: sinks,
        ways: Ways { broker, outlets: told },
    })
}

/// Who counts visitors, if anybody does.
fn counts_sink(
    config: &Config,
    lock: Option<&CountsLock>,
    rules: &Rules,
    shared: &Shared,
) -> Result<Option<Box<dyn SignalSink>>, DaemonError> {
    let (Some(settings), Some(lock)) = (&config.counts, lock) else {
        shared.counts.clear();
        return Ok(None);
    };
    if config.face.mode == FaceMode::Whole {
        tracing::warn!("nobody is counted: [counts] needs faces that are tracked, so set face.mode to \"detect\"");
    }
    let sink = CountsSink::start(Start {
        settings: settings.clone(),
        lock: lock.clone(),
        rules: rules.clone(),
        board: Arc::clone(&shared.counts),
        wall: Box::new(SystemWall::start()),
    })?;
    Ok(Some(Box::new(sink)))
}

/// Capture, inference and output; while a switch holds them up, the loop alone.
fn stages(shared: &Shared) -> Vec<Liveness> {
    let stage = |name: &'static str, count: fn(&Progress) -> u64| {
        let (progress, beats) = (Arc::clone(&shared.progress), Arc::clone(&shared.beats));
        let switches = Arc::clone(&shared.switches);
        Liveness::new(name, move || {
            if switches.is_on(Switch::Pause) {
                beats.load(Ordering::Relaxed)
            } else {
                count(&progress)
            }
        })
    };
    vec![
        stage("capture", Progress::captured),
        stage("inference", Progress::inferred),
        stage("output", Progress::output),
    ]
}

fn gpio_sink(
    config: &GpioConfig,
    classes: &ClassSet,
    shared: &Shared,
    context: &RunContext<'_>,
) -> Result<GpioSink, DaemonError> {
    let own_lines: Result<Vec<Line>, DaemonError> = (config.lines.iter())
        .map(|line| {
            let shows = match line.emotion() {
                Some(label) => Shows::Emotion(own_label(classes, label)?),
                None => line.shows.clone(),
            };
            Ok(Line {
                pin: line.pin,
                shows,
                polarity: line.polarity,
            })
        })
        .collect();
    let mut own_lines = own_lines?;
    own_lines.extend(config.pulses.iter().map(|(pin, polarity)| Line {
        pin: *pin,
        shows: Shows::Trigger,
        polarity: *polarity,
    }));
    let pause = config.pause.map(|pause| Input {
        pin: pause.pin,
        polarity: pause.polarity,
    });
    let inputs: Vec<Input> = pause.into_iter().collect();
    let gpio = lines::open(&config.backend, &outputs(&own_lines), &inputs, (context.gpio_log)())?;
    let panel = Panel::new(gpio, own_lines, config.signal);
    let sink = GpioSink::start(panel, Arc::clone(&shared.stop), Arc::clone(&shared.switches), pause)
        .map_err(DaemonError::GpioThread)?;
    sink.mind_panics();
    Ok(sink)
}

/// What fires triggers; every emotion that they wait for is one of the bundle's.
fn when(
    sections: &[WhenSection],
    classes: &ClassSet,
    mut effects: Effects,
    outlets: &[Outlet],
) -> Result<WhenSink, DaemonError> {
    for section in sections {
        if let Holds::Emotion(label) = &section.when.holds {
            own_label(classes, label)?;
        }
    }
    for outlet in outlets {
        match outlet.label() {
            "osc" => effects.osc = Some(outlet.bell()),
            "webhook" => effects.webhook = Some(outlet.bell()),
            _ => effects.all.push(outlet.bell()),
        }
    }
    let whens: Vec<When> = sections.iter().map(|section| section.when.clone()).collect();
    Ok(WhenSink::new(&whens, effects, Box::new(local_minute)))
}

/// The label as the bundle writes it.
fn own_label(classes: &ClassSet, label: &Label) -> Result<Label, DaemonError> {
    let own = classes.index(label).and_then(|class| classes.label(class));
    own.and_then(|own| Label::try_from(own).ok()).ok_or_else(|| {
        let known: Vec<&str> = classes.iter().collect();
        DaemonError::Emotion {
            label: label.to_string(),
            known: known.join(", "),
        }
    })
}

/// Judged frames a second, from one look to the next.
#[cfg(feature = "mqtt")]
struct Rate(Mutex<(Instant, u64)>);

#[cfg(feature = "mqtt")]
impl Rate {
    fn new() -> Self {
        Self(Mutex::new((Instant::now(), 0)))
    }

    /// Since the last look, to one decimal; `frames` are those so far.
    fn of(&self, frames: u64) -> f64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before) = std::mem::replace(&mut *last, (Instant::now(), frames));
        let seconds = since.elapsed().as_secs_f64().max(0.001);
        (10.0 * frames.saturating_sub(before) as f64 / seconds).round() / 10.0
    }
}

#[cfg(feature = "mqtt")]
fn mqtt_sink(
    broker: &Broker,
    classes: &ClassSet,
    shared: &Shared,
    updates: Option<Arc<Updates>>,
    beats: Arc<AtomicU64>,
    pages: &Pages,
    former_dirs: Vec<PathBuf>,
) -> Result<(Box<dyn SignalSink>, ReadBroker), DaemonError> {
    use crate::sink::mqtt::{Counting, MqttContext, MqttSink};
    use serde_json::{Map, json};

    let (progress, boot) = (Arc::clone(&shared.progress), shared.boot.clone());
    let warn = pages.warn();
    let visitors = Arc::clone(&shared.counts);
    let counting = if visitors.total().is_some() {
        Counting::On
    } else {
        Counting::Off
    };
    let (running, rate) = (Arc::clone(&shared.running), Rate::new());
    let stats = move || {
        let counts = [
            ("captured", progress.captured()),
            ("judged", progress.inferred()),
            ("output", progress.output()),
        ];
        let mut stats = Map::new();
        stats.insert("boot".to_owned(), json!(boot.as_str()));
        stats.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
        {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            stats.insert("bundle".to_owned(), json!(running.bundle));
            stats.insert("threshold".to_owned(), json!(running.threshold));
        }
        stats.insert("fps".to_owned(), json!(rate.of(progress.inferred())));
        stats.insert("temperature_c".to_owned(), json!(machine::temperature()));
        stats.extend(visitors.total().map(|total| ("counts".to_owned(), total.stats())));
        stats
    };
    let mqtt_context = MqttContext {
        switches: Arc::clone(&shared.switches),
        updates,
        counting,
        shelf: shared.shelves.mqtt.clone(),
        former_dirs,
        hardware: machine::model(),
        stats: Box::new(stats),
        fault: Box::new(move |fault| warn(&format!("mqtt: {fault}"), Some(fault.cure()))),
        alive: Box::new(move || {
            beats.fetch_add(1, Ordering::Relaxed);
        }),
    };
    let sink = MqttSink::start(broker, &shared.boot, classes, mqtt_context)?;
    let status = sink.status();
    let read = move || {
        Some(BrokerStatus {
            connected: status.connected.load(Ordering::Relaxed),
            waiting: status.waiting.load(Ordering::Relaxed),
            dropped: status.dropped.load(Ordering::Relaxed),
        })
    };
    Ok((Box::new(sink), Arc::new(read)))
}
