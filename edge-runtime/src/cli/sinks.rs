//! The sinks that a configuration asks for.

use std::io;
use std::sync::Arc;

use edge_runtime::config::{Config, GpioBackend, GpioConfig, MqttConfig, Stdout};
use edge_runtime::pipeline::Progress;
use edge_runtime::sink::gpio::{Line, LogGpio};
use edge_runtime::sink::switches::Switches;
use edge_runtime::sink::{Faces, GpioSink, JsonLines, SignalSink};
use shared_model::Text;
use shared_model::emotion::{ClassSet, Label};

use super::failure::{Failure, code};

/// What sinks share with the rest of a run.
pub(crate) struct Shared {
    /// Identifies this start of the program.
    pub(crate) boot: Text<32>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) switches: Arc<Switches>,
}

/// All sinks, in the order in which they are told and closed: what is fast comes first.
pub(crate) fn sinks(config: &Config, classes: &ClassSet, shared: &Shared) -> Result<Vec<Box<dyn SignalSink>>, Failure> {
    let mut sinks: Vec<Box<dyn SignalSink>> = Vec::new();
    if let Some(gpio) = &config.sink.gpio {
        sinks.push(gpio_sink(gpio, classes)?);
    }
    match config.sink.stdout {
        Stdout::Off => {}
        Stdout::States => sinks.push(Box::new(JsonLines::new(io::stdout(), Faces::Hide))),
        Stdout::Faces => sinks.push(Box::new(JsonLines::new(io::stdout(), Faces::Show))),
    }
    if let Some(mqtt) = &config.sink.mqtt {
        sinks.push(mqtt_sink(mqtt, classes, shared)?);
    }
    Ok(sinks)
}

fn gpio_sink(config: &GpioConfig, classes: &ClassSet) -> Result<Box<dyn SignalSink>, Failure> {
    let lines: Result<Vec<Line>, Failure> = (config.lines.iter())
        .map(|line| {
            let emotion = own_label(classes, &line.emotion)?;
            Ok(Line {
                pin: line.pin,
                emotion,
                polarity: line.polarity,
            })
        })
        .collect();
    let GpioBackend::Log = config.backend;
    let sink = GpioSink::new(LogGpio::new(io::stderr()), lines?);
    Ok(Box::new(sink.map_err(|error| Failure::new(code::UNAVAILABLE, error))?))
}

/// The label as the bundle writes it.
fn own_label(classes: &ClassSet, label: &Label) -> Result<Label, Failure> {
    let own = classes.index(label).and_then(|class| classes.label(class));
    own.and_then(|own| Label::try_from(own).ok()).ok_or_else(|| {
        let known: Vec<&str> = classes.iter().collect();
        let message = format!(
            "set up gpio: the bundle has no emotion `{label}`, only {}",
            known.join(", ")
        );
        Failure::new(code::CONFIG, anyhow::Error::msg(message))
    })
}

#[cfg(feature = "mqtt")]
fn mqtt_sink(config: &MqttConfig, classes: &ClassSet, shared: &Shared) -> Result<Box<dyn SignalSink>, Failure> {
    use edge_runtime::sink::mqtt::{Around, MqttSink};
    use serde_json::{Map, json};

    let (progress, boot) = (Arc::clone(&shared.progress), shared.boot.clone());
    let stats = move || {
        let counts = [
            ("captured", progress.captured()),
            ("judged", progress.inferred()),
            ("output", progress.output()),
        ];
        let mut stats = Map::new();
        stats.insert("boot".to_owned(), json!(boot.as_str()));
        stats.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
        stats
    };
    let around = Around {
        switches: Arc::clone(&shared.switches),
        stats: Box::new(stats),
        report: Box::new(|news| eprintln!("{news}")),
        alive: Box::new(|| {}),
    };
    Ok(Box::new(MqttSink::start(config, &shared.boot, classes, around)?))
}

#[cfg(not(feature = "mqtt"))]
fn mqtt_sink(_: &MqttConfig, _: &ClassSet, _: &Shared) -> Result<Box<dyn SignalSink>, Failure> {
    let message = "set up mqtt: this program was built without it: build with `--features mqtt`";
    Err(Failure::new(code::CONFIG, anyhow::Error::msg(message)))
}
