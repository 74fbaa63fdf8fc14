//! `[sink.gpio]`: the lines, the lamp, and what drives them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use shared_model::emotion::Label;

use super::ranges::{self, held};
use crate::sink::gpio::{GpioBackend, GpioConfig, Input, LampConfig, LineConfig, Polarity, Shows, Signal};

/// `[sink.gpio]`, read into the sink's own settings.
pub(super) fn gpio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<GpioConfig>, D::Error> {
    let section = Option::<Gpio>::deserialize(deserializer)?;
    Ok(section.map(|Gpio(config)| config))
}

#[derive(Deserialize)]
#[serde(try_from = "RawGpio")]
struct Gpio(GpioConfig);

/// The section `[sink.gpio.lamp]`: a lamp that is lit while the camera runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LampConfig")]
struct RawLamp {
    /// Number of the line on its chip.
    #[schemars(range(max = 1023))]
    pin: u32,
    /// Whether the line is low while the lamp is lit.
    #[serde(default, rename = "active_low", deserialize_with = "ranges::polarity")]
    #[schemars(with = "bool", default)]
    polarity: Polarity,
}

/// One entry of `[[sink.gpio.lines]]`: a line, and what it stands for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LineConfig")]
struct RawLine {
    /// Number of the line on its chip.
    #[schemars(range(max = 1023))]
    pin: u32,
    /// Label of a class of the bundle, letter case aside; this or `state`.
    #[schemars(with = "Option<String>", length(min = 1))]
    emotion: Option<Label>,
    /// What else can hold; this or `emotion`.
    state: Option<StateName>,
    /// Whether the line is low while that holds.
    #[serde(default, rename = "active_low", deserialize_with = "ranges::polarity")]
    #[schemars(with = "bool", default)]
    polarity: Polarity,
}

/// What can hold beside emotions.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StateName {
    /// Somebody is there, whatever is seen of them.
    Face,
    /// No face is in the frame.
    NoFace,
    /// Somebody is there, and no emotion is certain.
    Uncertain,
}

/// `[sink.gpio.pause]`: an input, pulled to its inactive level by the chip.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PauseConfig")]
struct RawPause {
    /// Number of the line on its chip.
    #[schemars(range(max = 1023))]
    pin: u32,
    /// Whether the line is low while the switch is on: it connects the line with ground.
    #[serde(default, rename = "active_low", deserialize_with = "ranges::polarity")]
    #[schemars(with = "bool", default)]
    polarity: Polarity,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum BackendName {
    Log,
    Rppal,
    Chip,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SignalName {
    #[default]
    Hold,
    Pulse,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGpio {
    /// The hardware, or the log, that drives the lines.
    backend: BackendName,
    /// Label of the chip, for `backend = "chip"`.
    chip: Option<String>,
    /// How long a line is active.
    #[serde(default)]
    signal: SignalName,
    /// Length of a pulse, in milliseconds.
    #[serde(default = "default_pulse", deserialize_with = "pulse")]
    #[schemars(range(min = 20, max = 60_000))]
    pulse_ms: u64,
    /// Lit while the camera runs.
    lamp: Option<RawLamp>,
    /// A switch that pauses while it is on; not with the backend `log`.
    pause: Option<RawPause>,
    /// What is shown on which line; none where there is a lamp or a switch alone.
    #[serde(default)]
    #[schemars(length(min = 1))]
    lines: Vec<RawLine>,
}

impl TryFrom<RawGpio> for Gpio {
    type Error = String;

    fn try_from(raw: RawGpio) -> Result<Self, Self::Error> {
        let backend = match (raw.backend, raw.chip) {
            (BackendName::Chip, Some(label)) => GpioBackend::Chip(label),
            (BackendName::Chip, None) => return Err("`chip` must name the chip, such as \"pinctrl-rp1\"".to_owned()),
            (_, Some(_)) => return Err("`chip` is for backend = \"chip\" alone".to_owned()),
            (BackendName::Log, None) => GpioBackend::Log,
            (BackendName::Rppal, None) => GpioBackend::Pi,
        };
        let config = GpioConfig {
            backend,
            signal: match raw.signal {
                SignalName::Hold => Signal::Hold,
                SignalName::Pulse => Signal::Pulse(Duration::from_millis(raw.pulse_ms)),
            },
            lamp: raw.lamp.map(|RawLamp { pin, polarity }| LampConfig { pin, polarity }),
            pause: raw.pause.map(|RawPause { pin, polarity }| Input { pin, polarity }),
            lines: raw.lines.into_iter().map(line).collect::<Result<_, _>>()?,
            // Known when all sections are.
            pulses: Vec::new(),
        };
        config.check().map_err(|error| error.to_string())?;
        Ok(Self(config))
    }
}

fn line(raw: RawLine) -> Result<LineConfig, String> {
    let shows = match (raw.emotion, raw.state) {
        (Some(label), None) => Shows::Emotion(label),
        (None, Some(StateName::Face)) => Shows::Face,
        (None, Some(StateName::NoFace)) => Shows::NoFace,
        (None, Some(StateName::Uncertain)) => Shows::Uncertain,
        _ => return Err("a line needs either `emotion` or `state`".to_owned()),
    };
    Ok(LineConfig {
        pin: raw.pin,
        shows,
        polarity: raw.polarity,
    })
}

fn pulse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let expected = "a number of milliseconds from 20 to 60000";
    held(deserializer, |ms| (20..=60_000).contains(ms), expected)
}

fn default_pulse() -> u64 {
    500
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(gpio: &str) -> Result<GpioConfig, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[sink.gpio]\n{gpio}");
        let config = Config::parse(&text).map_err(|place| place.to_string())?;
        Ok(config.sink.gpio.unwrap())
    }

    fn with_pins(backend: &str, line: u32, lamp: u32) -> Result<GpioConfig, String> {
        parse(&format!(
            "backend = {backend}\nlamp = {{ pin = {lamp} }}\nlines = [{{ pin = {line}, emotion = \"Happy\" }}]"
        ))
    }

    #[test]
    fn backends_and_signals_are_read() {
        let chip = parse(
            "backend = \"chip\"\nchip = \"pinctrl-rp1\"\nsignal = \"pulse\"\npulse_ms = 250\n\
             lines = [{ pin = 17, emotion = \"Sad\", active_low = true }]",
        )
        .unwrap();
        assert_eq!(chip.backend, GpioBackend::Chip("pinctrl-rp1".into()));
        assert_eq!(chip.signal, Signal::Pulse(Duration::from_millis(250)));
        assert_eq!(chip.lines[0].polarity, Polarity::ActiveLow);
        assert_eq!(
            with_pins("\"rppal\"", 17, 22).unwrap().lamp(),
            Some((22, Polarity::ActiveHigh))
        );
    }

    #[test]
    fn impossible_and_conflicting_pins_are_refused() {
        for (backend, line, lamp, expected) in [
            ("\"rppal\"", 28, 22, "pin 28 is impossible: lines go up to 27"),
            ("\"rppal\"", 17, 40, "pin 40 is impossible"),
            ("\"rppal\"", 1, 22, "pin 1 belongs to"),
            ("\"rppal\"", 22, 22, "pin 22 stands twice"),
            ("\"log\"", 5000, 22, "pin 5000 is impossible"),
        ] {
            let error = with_pins(backend, line, lamp).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
        assert!(with_pins("\"log\"", 28, 1).is_ok());
    }

    #[test]
    fn lines_stand_for_emotions_and_for_what_else_can_hold() {
        let gpio = parse(
            "backend = \"log\"\nlines = [{ pin = 5, emotion = \"Happy\" }, { pin = 6, state = \"face\" },\n\
             { pin = 7, state = \"no_face\" }, { pin = 8, state = \"uncertain\", active_low = true }]",
        )
        .unwrap();
        let shows: Vec<&Shows> = gpio.lines.iter().map(|line| &line.shows).collect();
        assert_eq!(shows[1..], [&Shows::Face, &Shows::NoFace, &Shows::Uncertain]);
        for (lines, expected) in [
            ("{ pin = 5 }", "either `emotion` or `state`"),
            (
                "{ pin = 5, emotion = \"Sad\", state = \"face\" }",
                "either `emotion` or `state`",
            ),
            (
                "{ pin = 5, state = \"face\" }, { pin = 6, state = \"face\" }",
                "state \"face\" has two lines",
            ),
            (
                "{ pin = 5, emotion = \"sad\" }, { pin = 6, emotion = \"Sad\" }",
                "has two lines",
            ),
            ("{ pin = 5, state = \"fase\" }", "did you mean `face`?"),
        ] {
            let error = parse(&format!("backend = \"log\"\nlines = [{lines}]")).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }

    #[test]
    fn a_lamp_or_a_switch_can_stand_alone() {
        assert!(
            parse("backend = \"log\"\nlamp = { pin = 22 }")
                .unwrap()
                .lines
                .is_empty()
        );
        let gpio = parse("backend = \"rppal\"\npause = { pin = 23, active_low = true }").unwrap();
        assert_eq!(gpio.pins(), [23]);
        for (text, expected) in [
            ("backend = \"log\"", "at least one line"),
            ("backend = \"log\"\npause = { pin = 23 }", "has none"),
            (
                "backend = \"rppal\"\nlamp = { pin = 23 }\npause = { pin = 23 }",
                "pin 23 stands twice",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }

    #[test]
    fn a_chip_and_its_name_need_each_other() {
        let lines = "lines = [{ pin = 17, emotion = \"Sad\" }]";
        for (backend, expected) in [
            ("backend = \"chip\"", "must name the chip"),
            ("backend = \"log\"\nchip = \"x\"", "is for backend"),
            ("backend = \"log\"\npulse_ms = 1", "`pulse_ms`: must be"),
            ("backend = \"rpal\"", "did you mean `rppal`?"),
        ] {
            let error = parse(&format!("{backend}\n{lines}")).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }
}
