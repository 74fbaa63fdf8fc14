//! `[[when]]`: what does something, and when.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use shared_model::emotion::Label;

use super::SinkConfig;
use super::gpio::StateName;
use super::ranges::{self, held};
use crate::page::settings::PageConfig;
use crate::sink::gpio::Polarity;
use crate::sink::settings::is_device_id;
use crate::sink::when::{Actions, Holds, Hours, When};

/// A trigger, and the line that it pulses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawWhen")]
pub struct WhenSection {
    /// What it waits for, and what it does.
    pub when: When,
    /// Which level says that its line is active.
    pub polarity: Polarity,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    /// Told in messages; the visitor's page shows the media of this name.
    #[serde(deserialize_with = "name")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    name: String,
    /// Label of a class of the bundle, letter case aside; this or `state`.
    #[schemars(with = "Option<String>", length(min = 1))]
    emotion: Option<Label>,
    /// What else can hold; this or `emotion`.
    state: Option<StateName>,
    /// Seconds that it must last.
    #[serde(default, deserialize_with = "day")]
    #[schemars(range(min = 0.0, max = 86_400.0))]
    for_s: f32,
    /// Fewest seconds from one firing to the next.
    #[serde(default = "default_cooldown", deserialize_with = "day")]
    #[schemars(range(min = 0.0, max = 86_400.0))]
    cooldown_s: f32,
    /// Smallest face that counts: pixels of its longer side.
    #[serde(default, deserialize_with = "pixels")]
    #[schemars(range(min = 1.0, max = 10_000.0))]
    min_face_px: Option<f32>,
    /// Hours of the day in which it counts, such as "09:00-18:00"; a window may span midnight.
    #[serde(default, deserialize_with = "hours")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = r"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$")
    )]
    hours: Option<Hours>,
    /// A line of `[sink.gpio]` that is active for a while.
    pulse: Option<RawPulse>,
    /// Seconds for which the visitor's page shows the media of this name.
    #[serde(default, deserialize_with = "seconds")]
    #[schemars(range(min = 0.1, max = 3600.0))]
    page_s: Option<f32>,
    /// Whether the webhook is told.
    #[serde(default)]
    webhook: bool,
    /// Address that `[sink.osc]` sends to.
    #[serde(default, deserialize_with = "osc")]
    #[schemars(regex(pattern = r"^/[!-~]{1,199}$"))]
    osc: Option<String>,
}

/// `[[when]] pulse`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WhenPulse")]
struct RawPulse {
    /// Number of the line on the chip of `[sink.gpio]`.
    #[schemars(range(max = 1023))]
    pin: u32,
    /// How long it is active.
    #[serde(default = "default_pulse", deserialize_with = "pulse")]
    #[schemars(range(min = 20, max = 60_000))]
    ms: u64,
    /// Whether the line is low while it is active.
    #[serde(default, rename = "active_low", deserialize_with = "ranges::polarity")]
    #[schemars(with = "bool", default)]
    polarity: Polarity,
}

impl TryFrom<RawWhen> for WhenSection {
    type Error = String;

    fn try_from(raw: RawWhen) -> Result<Self, Self::Error> {
        let holds = match (raw.emotion, raw.state) {
            (Some(label), None) => Holds::Emotion(label),
            (None, Some(StateName::Face)) => Holds::Face,
            (None, Some(StateName::NoFace)) => Holds::NoFace,
            (None, Some(StateName::Uncertain)) => Holds::Uncertain,
            _ => return Err("a trigger needs either `emotion` or `state`".to_owned()),
        };
        if holds == Holds::NoFace && raw.min_face_px.is_some() {
            return Err("`min_face_px` is for faces, and `no_face` has none".to_owned());
        }
        let polarity = raw.pulse.as_ref().map(|pulse| pulse.polarity).unwrap_or_default();
        let actions = Actions {
            pulse: raw.pulse.map(|pulse| (pulse.pin, Duration::from_millis(pulse.ms))),
            page: raw.page_s.map(Duration::from_secs_f32),
            webhook: raw.webhook,
            osc: raw.osc.map(Arc::from),
        };
        Ok(Self {
            when: When {
                name: raw.name.into(),
                holds,
                lasts: Duration::from_secs_f32(raw.for_s),
                cooldown: Duration::from_secs_f32(raw.cooldown_s),
                min_face_px: raw.min_face_px,
                hours: raw.hours,
                actions,
            },
            polarity,
        })
    }
}

/// Whether a trigger finds what it needs in the other sections, and none before it has its name.
///
/// # Errors
/// What is missing, in the words of the configuration.
pub(super) fn fits(
    sinks: &SinkConfig,
    page: Option<&PageConfig>,
    before: &[WhenSection],
    section: &WhenSection,
) -> Result<(), String> {
    let (name, actions) = (&section.when.name, &section.when.actions);
    let heard = sinks.udp.is_some() || sinks.serial.is_some();
    let needs = |wanted: bool, there: bool, what: &str| {
        if wanted && !there {
            return Err(format!("{what}, which is not there"));
        }
        Ok(())
    };
    needs(
        actions.pulse.is_some(),
        sinks.gpio.is_some(),
        "`pulse` needs [sink.gpio]",
    )?;
    needs(actions.osc.is_some(), sinks.osc.is_some(), "`osc` needs [sink.osc]")?;
    needs(
        actions.webhook,
        sinks.webhook.is_some(),
        "`webhook` needs [sink.webhook]",
    )?;
    needs(actions.page.is_some(), page.is_some(), "`page_s` needs [page]")?;
    if *actions == Actions::default() && !heard {
        return Err("it does nothing: give it `pulse`, `page_s`, `webhook` or `osc`".to_owned());
    }
    if before.iter().any(|other| other.when.name == *name) {
        return Err(format!("two triggers are called `{name}`"));
    }
    Ok(())
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "1 to 64 ASCII letters, digits, '-' or '_'";
    held(deserializer, |name: &String| is_device_id(name), expected)
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let expected = "a number of seconds from 0 to 86400";
    held(deserializer, |seconds| (0.0..=86_400.0).contains(seconds), expected)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    let expected = "a number of seconds from 0.1 to 3600";
    held(deserializer, |seconds| (0.1..=3600.0).contains(seconds), expected).map(Some)
}

fn pixels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    let expected = "a number of pixels from 1 to 10000";
    held(deserializer, |px| (1.0..=10_000.0).contains(px), expected).map(Some)
}

fn pulse<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let expected = "a number of milliseconds from 20 to 60000";
    held(deserializer, |ms| (20..=60_000).contains(ms), expected)
}

fn osc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let expected = "an address such as \"/kiosk/welcome\", without spaces and the signs #*,?[]{}";
    let good = |address: &String| {
        let plain = |c: char| c.is_ascii_graphic() && !"#*,?[]{}".contains(c);
        (2..=200).contains(&address.len()) && address.starts_with('/') && address.chars().all(plain)
    };
    held(deserializer, good, expected).map(Some)
}

fn hours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hours>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let window = text.split_once('-').and_then(|(from, to)| {
        let (from, to) = (minute(from)?, minute(to)?);
        (from != to && from < 1440).then_some(Hours { from, to })
    });
    let expected = "must be two different hours of the day, such as \"09:00-18:00\"";
    window.map(Some).ok_or_else(|| serde::de::Error::custom(expected))
}

/// `09:30` as a minute of the day; 24:00 is the end of it.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(hour) && digits(minute)) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    let minutes = 60 * hour + minute;
    (minute < 60 && minutes <= 1440).then_some(minutes)
}

fn default_cooldown() -> f32 {
    10.0
}

fn default_pulse() -> u64 {
    500
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    const GPIO: &str = "[sink.gpio]\nbackend = \"log\"\nlamp = { pin = 22 }\n";

    fn parse(sections: &str, when: &str) -> Result<Config, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n{sections}[[when]]\nname = \"welcome\"\n{when}\n");
        Config::parse(&text).map_err(|place| place.to_string())
    }

    #[test]
    fn a_trigger_says_what_holds_for_how_long_and_what_is_done() {
        let config = parse(
            &format!("{GPIO}[sink.osc]\ntarget = \"127.0.0.1:8338\"\n"),
            "emotion = \"Happy\"\nfor_s = 1.5\nmin_face_px = 120\nhours = \"22:00-06:30\"\n\
             pulse = { pin = 24, ms = 250, active_low = true }\nosc = \"/kiosk/welcome\"",
        )
        .unwrap();
        let section = &config.when[0];
        let when = &section.when;
        assert_eq!(
            (when.lasts, when.cooldown),
            (Duration::from_millis(1500), Duration::from_secs(10))
        );
        assert_eq!(when.hours, Some(Hours { from: 1320, to: 390 }));
        assert_eq!(when.actions.pulse, Some((24, Duration::from_millis(250))));
        assert_eq!(when.actions.osc.as_deref(), Some("/kiosk/welcome"));
        let gpio = config.sink.gpio.unwrap();
        assert_eq!(gpio.pulses, [(24, Polarity::ActiveLow)]);
        assert_eq!(gpio.pins(), [22, 24]);
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        for (when, expected) in [
            ("pulse = { pin = 24 }", "either `emotion` or `state`"),
            ("state = \"face\"\nemotion = \"Sad\"", "either `emotion` or `state`"),
            ("state = \"no_face\"\nmin_face_px = 100", "`no_face` has none"),
            (
                "state = \"face\"\nhours = \"9-18\"",
                "`hours`: must be two different hours",
            ),
            ("state = \"face\"\nhours = \"09:00-09:00\"", "two different hours"),
            ("state = \"face\"\nhours = \"25:00-26:00\"", "two different hours"),
            ("state = \"face\"\nfor_s = -1", "`for_s`: must be"),
            ("state = \"face\"\nosc = \"kiosk\"", "`osc`: must be an address"),
            ("state = \"face\"\nosc = \"/a*\"", "`osc`: must be an address"),
            ("state = \"fase\"", "did you mean `face`?"),
            ("state = \"face\"", "it does nothing"),
            ("state = \"face\"\nosc = \"/a\"", "needs [sink.osc]"),
            ("state = \"face\"\nwebhook = true", "needs [sink.webhook]"),
            ("state = \"face\"\npage_s = 5", "needs [page]"),
            ("state = \"face\"\npulse = { pin = 24 }", "needs [sink.gpio]"),
        ] {
            let error = parse("", when).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
        let taken = parse(GPIO, "state = \"face\"\npulse = { pin = 22 }").unwrap_err();
        assert!(
            taken.starts_with("6:1: `when`: ") && taken.contains("pin 22 stands twice"),
            "{taken}"
        );
    }
}
