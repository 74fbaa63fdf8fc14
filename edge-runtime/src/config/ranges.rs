//! Ranges of the values in a configuration file, checked where each is read, so that an error knows its
//! line.

use std::net::SocketAddr;
use std::time::Duration;

use diagnostics::Filter;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::SCHEMA;
use crate::decide::MAX_STALE_MS;
use crate::sink::gpio::Polarity;
use vision::face::MIN_FACE_PX;
use vision::tracking::Region;

/// A value that a rule holds for.
pub(super) fn held<'de, D, T>(deserializer: D, rule: impl Fn(&T) -> bool, expected: &str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value = T::deserialize(deserializer)?;
    if rule(&value) {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("must be {expected}")))
    }
}

/// An address of this machine, and a port.
pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected =
        "must be an address and a port alone, such as 127.0.0.1:8380: no scheme, and names are not looked up";
    text.parse().map_err(|_| D::Error::custom(expected))
}

pub(super) fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    held(
        deserializer,
        |value| *value == SCHEMA,
        &format!("{SCHEMA}, the form that this program reads"),
    )
}

pub(super) fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

pub(super) fn fps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    held(
        deserializer,
        |value| (0.1..=1000.0).contains(value),
        "a number from 0.1 to 1000",
    )
}

pub(super) fn min_face<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    held(
        deserializer,
        |value| (MIN_FACE_PX..=10_000.0).contains(value),
        "a number of pixels from 20 to 10000",
    )
}

pub(super) fn side<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    held(
        deserializer,
        |value| (16..=8192).contains(value),
        "a number of pixels from 16 to 8192",
    )
}

/// Whatever stands at a key that has no effect any more.
pub(super) fn retired<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

pub(super) fn detector_px<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let expected = "a number of pixels from 64 to 1024";
    held(deserializer, |value| (64..=1024).contains(value), expected).map(Some)
}

pub(super) fn idle_fps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let expected = "a number from 0.5 to 60";
    held(deserializer, |value| (0.5..=60.0).contains(value), expected)
}

pub(super) fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
    let [x, y, w, h] = <[f32; 4]>::deserialize(deserializer)?;
    let region = Region { x, y, w, h };
    if region.is_valid() {
        Ok(region)
    } else {
        let expected = "must be [x, y, width, height] in shares of the frame: 0 to 1, and not beyond its edge";
        Err(D::Error::custom(expected))
    }
}

pub(super) fn probability<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    held(
        deserializer,
        |value| (0.0..=1.0).contains(value),
        "a number from 0 to 1",
    )
}

pub(super) fn minute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    held(
        deserializer,
        |value| *value <= 60_000,
        "a number of milliseconds up to 60000",
    )
}

pub(super) fn stale<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    held(
        deserializer,
        |value| (1..=MAX_STALE_MS).contains(value),
        "a number of milliseconds from 1 to 1000",
    )
}

pub(super) fn polarity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Polarity, D::Error> {
    let low = bool::deserialize(deserializer)?;
    Ok(if low { Polarity::ActiveLow } else { Polarity::ActiveHigh })
}

pub(super) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    seconds(deserializer, 86_400)
}

pub(super) fn month<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    seconds(deserializer, 2_592_000)
}

/// A time in whole seconds, as the schema names it by default.
pub(super) fn as_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_secs())
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D, most: u64) -> Result<Duration, D::Error> {
    let expected = format!("a number of seconds up to {most}");
    held(deserializer, |value| *value <= most, &expected).map(Duration::from_secs)
}
