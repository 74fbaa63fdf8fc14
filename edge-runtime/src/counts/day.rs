//! A day of quarters as it lies in a file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::dating::QUARTERS;
use super::error::DamagedCounts;
use super::tally::{MAX_LABELS, Tally};

/// Form of the day's file that this code reads and writes.
const SCHEMA: u32 = 1;

/// Ending of the files' names; the day of UTC stands before it.
const SUFFIX: &str = ".json";

/// Seconds of a day of UTC.
const DAY_S: i64 = 86_400;

/// What was counted in a quarter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whether some of it may belong into another quarter: the clock was not to be trusted.
    pub doubtful: bool,
    /// The sums of what was counted.
    pub tally: Tally,
}

/// Quarters by their place in the day, 0 to 95; those without visitors are left out.
pub(super) type Day = BTreeMap<u8, Entry>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    quarters: Day,
}

/// The content of the day's file, with its checksum.
pub(super) fn encode(day: &Day) -> Vec<u8> {
    let file = File {
        schema: SCHEMA,
        quarters: day.clone(),
    };
    // Maps with plain keys, and numbers: always a text.
    serde_json::to_vec(&file).unwrap_or_default()
}

/// Reads a file's content; says what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<Day, DamagedCounts> {
    let file: File = serde_json::from_slice(bytes)?;
    if file.schema != SCHEMA {
        return Err(DamagedCounts::Schema {
            found: file.schema,
            read: SCHEMA,
        });
    }
    let good = |(quarter, entry): (&u8, &Entry)| i64::from(*quarter) < QUARTERS && entry.tally.told.len() <= MAX_LABELS;
    if file.quarters.iter().all(good) {
        Ok(file.quarters)
    } else {
        Err(DamagedCounts::Overfull)
    }
}

/// All of a day in one.
pub(super) fn sum(day: &Day) -> Tally {
    let mut sum = Tally::default();
    for entry in day.values() {
        sum.add(&entry.tally);
    }
    sum
}

/// The name of a day's file; days are counted from 1970.
pub(super) fn name(day: i64) -> String {
    let start = Timestamp::from_second(day * DAY_S).unwrap_or_default();
    format!("{}{SUFFIX}", start.to_zoned(TimeZone::UTC).date())
}

/// The day of a file's name.
pub(super) fn of_name(file: &str) -> Option<i64> {
    let date: Date = file.strip_suffix(SUFFIX)?.parse().ok()?;
    let day = date
        .to_zoned(TimeZone::UTC)
        .ok()?
        .timestamp()
        .as_second()
        .div_euclid(DAY_S);
    (name(day) == file).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dates_and_no_other_file_is_a_day() {
        for (day, file) in [
            (0, "1970-01-01.json"),
            (20_784, "2026-11-27.json"),
            (2_932_000, "9997-07-09.json"),
        ] {
            assert_eq!(of_name(&name(day)), Some(day));
            assert!(day > 30_000 || name(day) == file, "{}", name(day));
        }
        for file in [
            "removed.json",
            "2026-11-27",
            "2026-13-01.json",
            ".new-2026-11-27.json",
            "20261127.json",
        ] {
            assert_eq!(of_name(file), None, "{file}");
        }
    }

    #[test]
    fn a_day_is_read_as_it_was_written_and_nothing_else_is_one() {
        let mut day = Day::new();
        day.entry(41).or_default().tally.visitors = 3;
        day.entry(95).or_default().doubtful = true;
        let bytes = encode(&day);
        assert_eq!(decode(&bytes).unwrap(), day);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        day.entry(96).or_default();
        assert!(decode(&encode(&day)).is_err());
        assert!(
            decode(br#"{"schema":2,"quarters":{}}"#)
                .unwrap_err()
                .to_string()
                .contains("form 2")
        );
    }

    #[test]
    fn the_fullest_day_fits_into_a_file() {
        let mut entry = Entry::default();
        for label in 0..MAX_LABELS {
            let label = format!("{label:016}");
            let share = super::super::tally::Share {
                visitors: u64::MAX,
                ms: u64::MAX,
            };
            entry.tally.told.insert(label.as_str().try_into().unwrap(), share);
        }
        let day: Day = (0..96).map(|quarter| (quarter, entry.clone())).collect();
        assert!((encode(&day).len() as u64) < super::super::book::MAX_BYTES);
    }
}
