//! The configuration file of `edge-runtime run`, in TOML.
//!
//! Unknown keys are refused; an error names file, line, column and key, and the nearest known key. What
//! only the bundle knows (its classes) is checked when the program starts.

mod counts;
mod face;
mod gpio;
mod location;
mod metrics;
mod mqtt;
mod network;
mod page;
mod ranges;
mod schema;
mod serial;
mod source;
mod survey;
mod update;
mod webhook;
mod when;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use diagnostics::Filter;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::counts::CountsSettings;
use crate::decide::DecideConfig;
use crate::page::settings::PageConfig;
use crate::sink::gpio::{GpioConfig, GpioConfigError};
use crate::sink::osc::OscConfig;
use crate::sink::serial::SerialConfig;
use crate::sink::settings::MqttConfig;
use crate::sink::udp::UdpConfig;
use crate::sink::webhook::WebhookConfig;
use inference::bundle;
use inference::{PrecisionChoice, Threads};

pub use face::{FaceConfig, FaceMode, PolicyName};
pub use location::Location;
use location::SectionFault;
pub use metrics::MetricsConfig;
pub use schema::json_schema;
pub use source::{Origin, Pacing, SourceConfig};
pub use update::UpdateConfig;
pub use when::WhenSection;

/// Form of the file that this program reads.
pub const SCHEMA: u32 = 1;

/// Most bytes that the file may have.
const MAX_BYTES: u64 = 256 * 1024;

/// Everything that `run` needs to know.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of the form of this file; must be [`SCHEMA`].
    #[serde(deserialize_with = "ranges::schema")]
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// What is told on standard error: levels (error, warn, info, debug, trace, off), alone or by part of the program.
    #[serde(default, deserialize_with = "ranges::filter")]
    #[schemars(with = "String", extend("default" = "info"))]
    pub log: Filter,
    /// Directory of the bundle with the networks.
    #[serde(default = "default_bundle")]
    pub bundle: PathBuf,
    /// Directory of what outlasts a restart: whether the kiosk is paused.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Which of the bundle's files run.
    #[serde(default)]
    pub precision: PrecisionChoice,
    /// How many threads the networks run on, 1 or 2.
    #[serde(default)]
    #[schemars(with = "u8", range(min = 1, max = 2))]
    pub threads: Threads,
    /// The camera, file or stream that frames come from.
    #[schemars(with = "source::RawSource")]
    pub source: SourceConfig,
    /// How faces are found, and which of them counts.
    #[serde(default)]
    pub face: FaceConfig,
    /// Thresholds and times by which verdicts are formed.
    #[serde(default)]
    #[schemars(with = "RawDecide")]
    pub decide: DecideSection,
    /// The outputs that verdicts go to.
    #[serde(default)]
    pub sink: SinkConfig,
    /// Where counts can be read, if anywhere.
    pub metrics: Option<MetricsConfig>,
    /// How many people came, looked and smiled, kept on disk; nothing is counted where it is absent.
    #[serde(default, deserialize_with = "counts::counts")]
    #[schemars(with = "Option<counts::RawCounts>")]
    pub counts: Option<CountsSettings>,
    /// Where the pages are served, if anywhere.
    #[serde(default, deserialize_with = "page::page")]
    #[schemars(with = "Option<page::RawPage>")]
    pub page: Option<PageConfig>,
    /// What does something, and when.
    #[serde(default)]
    #[schemars(with = "Vec<when::RawWhen>")]
    pub when: Vec<WhenSection>,
    /// Where new bundles come from; none do where it is absent.
    #[serde(default)]
    pub update: Option<UpdateConfig>,
}

/// The section `[decide]`: thresholds and times of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(try_from = "RawDecide")]
pub struct DecideSection(pub DecideConfig);

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawDecide {
    /// Time constant of the smoothing of the scores; 0 turns it off.
    #[serde(deserialize_with = "ranges::minute")]
    #[schemars(range(max = 60_000))]
    smoothing_ms: u64,
    /// An emotion begins at this smoothed probability.
    #[serde(deserialize_with = "ranges::probability")]
    #[schemars(range(min = 0.0, max = 1.0))]
    enter: f32,
    /// And ends below this one.
    #[serde(deserialize_with = "ranges::probability")]
    #[schemars(range(min = 0.0, max = 1.0))]
    leave: f32,
    /// By how much an emotion must be more probable than Neutral to begin, where the bundle knows Neutral.
    #[serde(deserialize_with = "ranges::probability")]
    #[schemars(range(min = 0.0, max = 1.0))]
    neutral_margin: f32,
    /// How long something new must last before it is held true.
    #[serde(deserialize_with = "ranges::minute")]
    #[schemars(range(max = 60_000))]
    dwell_ms: u64,
    /// Age of the last judged frame above which nothing is known.
    #[serde(deserialize_with = "ranges::stale")]
    #[schemars(range(min = 1, max = 1000))]
    stale_ms: u64,
}

impl Default for RawDecide {
    fn default() -> Self {
        let DecideConfig {
            smoothing_ms,
            enter,
            leave,
            neutral_margin,
            dwell_ms,
            stale_ms,
        } = DecideConfig::default();
        Self {
            smoothing_ms,
            enter,
            leave,
            neutral_margin,
            dwell_ms,
            stale_ms,
        }
    }
}

/// The section `[sink]`: the outputs.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SinkConfig {
    /// Which lines go to standard output.
    pub stdout: Stdout,
    /// The GPIO lines, if there are any.
    #[serde(deserialize_with = "gpio::gpio")]
    #[schemars(with = "Option<gpio::RawGpio>")]
    pub gpio: Option<GpioConfig>,
    /// A broker, if there is one.
    #[serde(deserialize_with = "mqtt::mqtt")]
    #[schemars(with = "Option<mqtt::RawMqtt>")]
    pub mqtt: Option<MqttConfig>,
    /// Open Sound Control, if somebody listens to it.
    #[serde(deserialize_with = "network::osc")]
    #[schemars(with = "Option<network::RawOsc>")]
    pub osc: Option<OscConfig>,
    /// JSON in datagrams, if somebody reads them.
    #[serde(deserialize_with = "network::udp")]
    #[schemars(with = "Option<network::RawUdp>")]
    pub udp: Option<UdpConfig>,
    /// A web server that verdicts are posted to, if there is one.
    #[serde(deserialize_with = "webhook::webhook")]
    #[schemars(with = "Option<webhook::RawWebhook>")]
    pub webhook: Option<WebhookConfig>,
    /// A serial port, if a board hangs on one.
    #[serde(deserialize_with = "serial::serial")]
    #[schemars(with = "Option<serial::RawSerial>")]
    pub serial: Option<SerialConfig>,
}

/// What standard output gets, in JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stdout {
    /// A line for every new verdict.
    #[default]
    States,
    /// Every new verdict, and every judged frame.
    Faces,
    /// Nothing goes to standard output.
    Off,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read configuration {path}: {source}")]
    Io {
        /// Path of the file, as configured.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The file is larger than any configuration should be.
    #[error("read configuration {path}: more than {MAX_BYTES} bytes")]
    TooLarge {
        /// Path of the file, as configured.
        path: PathBuf,
    },
    /// Something in the file is wrong.
    #[error("{path}:{location}")]
    Invalid {
        /// Path of the file, as configured.
        path: PathBuf,
        /// Where in the file, and what is wrong there.
        location: Location,
    },
}

impl Config {
    /// Reads and checks a file. Relative paths in it start from its own directory.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is no regular file, or breaks a rule; with line and column where there are some.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let parsed = Self::parse(&text_of(path)?).map_err(invalid(path))?;
        Ok(parsed.beside(path.parent().unwrap_or(Path::new(""))))
    }

    /// Finds everything that is wrong with a file, and reads what is not.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no regular file.
    pub fn survey(path: &Path) -> Result<Survey, ConfigError> {
        let found = survey::survey(&text_of(path)?);
        let dir = path.parent().unwrap_or(Path::new(""));
        Ok(Survey {
            faults: found.faults.into_iter().map(invalid(path)).collect(),
            rest: found.rest.map(|rest| rest.beside(dir)),
            has_source: found.has_source,
        })
    }

    /// Reads a configuration from a text in TOML, and checks every range.
    ///
    /// # Errors
    ///
    /// Where in the text a rule is broken, and which one.
    pub fn parse(text: &str) -> Result<Self, Location> {
        let mut config: Self = toml::from_str(text).map_err(|error| Location::of(text, &error))?;
        config.join().map_err(|fault| Location::in_section(text, fault))?;
        Ok(config)
    }

    /// Joins sections that need each other.
    fn join(&mut self) -> Result<(), SectionFault> {
        for (at, section) in self.when.iter().enumerate() {
            when::fits(&self.sink, self.page.as_ref(), &self.when[..at], section)
                .map_err(|message| SectionFault::new("[[when]]", at, message))?;
            let pin = section.when.actions.pulse.map(|(pin, _)| pin);
            if let (Some(pin), Some(gpio)) = (pin, &mut self.sink.gpio) {
                gpio.pulses.push((pin, section.polarity));
                gpio.check()
                    .map_err(|error| SectionFault::new("[[when]]", at, error.to_string()))?;
            }
        }
        if let (Some(page), Some(metrics)) = (&self.page, &self.metrics)
            && page.listen.port() != 0
            && page.listen.port() == metrics.listen.port()
        {
            let message = "`listen` has the port of [page]: give each its own";
            return Err(SectionFault::new("[metrics]", 0, message.to_owned()));
        }
        if self.sink.gpio.as_ref().is_some_and(|gpio| gpio.pins().is_empty()) {
            return Err(SectionFault::new("[sink.gpio]", 0, GpioConfigError::NoLine.to_string()));
        }
        Ok(())
    }

    fn beside(mut self, dir: &Path) -> Self {
        self.bundle = dir.join(&self.bundle);
        self.state = dir.join(&self.state);
        self.source.origin.beside(dir);
        if let Some(mqtt) = &mut self.sink.mqtt {
            mqtt.beside(dir);
        }
        if let Some(webhook) = &mut self.sink.webhook {
            webhook::beside(webhook, dir);
        }
        self.counts = self.counts.map(|counts| counts::beside(counts, dir));
        if let Some(page) = &mut self.page {
            page::beside(page, dir);
        }
        self.update = self.update.map(|update| update.beside(dir));
        self
    }
}

/// Everything that is wrong with a file, and what it says apart from that.
#[derive(Debug)]
pub struct Survey {
    /// What is wrong, in the order of the lines.
    pub faults: Vec<ConfigError>,
    /// The configuration without what is wrong; `None` where nothing can be read.
    pub rest: Option<Config>,
    /// Whether the source of that configuration is the file's own.
    pub has_source: bool,
}

/// What a configuration file holds.
fn text_of(path: &Path) -> Result<String, ConfigError> {
    let io_error = |source| ConfigError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut text = String::new();
    // A pipe would be waited for, perhaps for ever.
    if !path.metadata().map_err(io_error)?.is_file() {
        return Err(io_error(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no regular file",
        )));
    }
    let mut file = File::open(path).map_err(io_error)?.take(MAX_BYTES + 1);
    file.read_to_string(&mut text).map_err(io_error)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(ConfigError::TooLarge {
            path: path.to_path_buf(),
        });
    }
    Ok(text)
}

fn invalid(path: &Path) -> impl Fn(Location) -> ConfigError + use<> {
    let path = path.to_path_buf();
    move |location| ConfigError::Invalid {
        path: path.clone(),
        location,
    }
}

impl TryFrom<RawDecide> for DecideSection {
    type Error = crate::decide::DecideError;

    fn try_from(raw: RawDecide) -> Result<Self, Self::Error> {
        let RawDecide {
            smoothing_ms,
            enter,
            leave,
            neutral_margin,
            dwell_ms,
            stale_ms,
        } = raw;
        let config = DecideConfig {
            smoothing_ms,
            enter,
            leave,
            neutral_margin,
            dwell_ms,
            stale_ms,
        };
        config.check()?;
        Ok(Self(config))
    }
}

fn default_state() -> PathBuf {
    PathBuf::from("/var/lib/edge-runtime")
}

fn default_bundle() -> PathBuf {
    PathBuf::from(bundle::DEFAULT_DIR)
}

#[cfg(test)]
mod tests;
