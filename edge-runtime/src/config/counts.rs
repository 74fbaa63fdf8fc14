//! `[counts]`: how many people came, looked and smiled, kept on disk.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::ranges::held;
use crate::counts::CountsSettings;

/// Where counts are kept by default.
const DIR: &str = "/var/lib/edge-runtime/counts";

/// `[counts]`, read into the settings of counting.
pub(super) fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CountsSettings>, D::Error> {
    let raw = Option::<RawCounts>::deserialize(deserializer)?;
    Ok(raw.map(CountsSettings::from))
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCounts {
    /// Directory of the sums, one file a day.
    dir: PathBuf,
    /// Most days with visitors that are kept; the oldest goes first.
    #[serde(deserialize_with = "keep_days")]
    #[schemars(range(min = 1, max = 4000))]
    keep_days: usize,
    /// Fewest visitors of a row of `edge-runtime counts`: quarters of an hour with fewer are merged with others.
    #[serde(deserialize_with = "min_visitors")]
    #[schemars(range(min = 1, max = 1000))]
    min_visitors: u64,
}

impl Default for RawCounts {
    fn default() -> Self {
        Self {
            dir: PathBuf::from(DIR),
            keep_days: 400,
            min_visitors: 3,
        }
    }
}

impl From<RawCounts> for CountsSettings {
    fn from(raw: RawCounts) -> Self {
        Self {
            dir: raw.dir,
            keep_days: raw.keep_days,
            min_visitors: raw.min_visitors,
        }
    }
}

/// With a relative directory that starts from this one.
pub(super) fn beside(mut counts: CountsSettings, dir: &Path) -> CountsSettings {
    counts.dir = dir.join(counts.dir);
    counts
}

fn keep_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    held(
        deserializer,
        |days| (1..=4000).contains(days),
        "a number of days from 1 to 4000",
    )
}

fn min_visitors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    held(
        deserializer,
        |visitors| (1..=1000).contains(visitors),
        "a number from 1 to 1000",
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(more: &str) -> Result<Config, String> {
        Config::parse(&format!("schema = 1\nsource.uri = \"-\"\n{more}")).map_err(|place| place.to_string())
    }

    #[test]
    fn nothing_is_counted_unless_the_section_is_there() {
        assert_eq!(parse("").unwrap().counts, None);
        let counts = parse("[counts]\n").unwrap().counts.unwrap();
        assert_eq!(counts.dir, Path::new("/var/lib/edge-runtime/counts"));
        assert_eq!((counts.keep_days, counts.min_visitors), (400, 3));
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (line, expected) in [
            ("keep_days = 0", "`keep_days`: must be a number of days from 1 to 4000"),
            ("keep_days = 4001", "`keep_days`"),
            ("min_visitors = 0", "`min_visitors`: must be a number from 1 to 1000"),
            ("min_visitor = 3", "did you mean `min_visitors`?"),
        ] {
            let error = parse(&format!("[counts]\n{line}\n")).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }
}
