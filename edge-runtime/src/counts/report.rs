//! What was counted since a day, as it is told to people and to programs.

use durable::Disk;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::book::read_days;
use super::dating::Quarter;
use super::error::CountsError;
use super::export::{Export, grouped, json_line};
use super::settings::CountsSettings;

/// The rows since a day, and what could not be read.
#[derive(Debug)]
pub struct Report {
    /// Rows, none of which is about too few visitors.
    pub export: Export,
    /// Days that are damaged or cannot be read; the rows lack them.
    pub unread: Vec<CountsError>,
}

impl Report {
    /// Reads the days from `since` on, which is a day of `zone`; otherwise all that are kept. Changes nothing, and may run
    /// beside a program that counts.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn read(
        disk: &mut impl Disk,
        settings: &CountsSettings,
        since: Option<Date>,
        zone: &TimeZone,
    ) -> Result<Self, CountsError> {
        let first = Quarter::of(since.map_or(0, |date| start_s(date, zone)));
        let (mut quarters, unread) = read_days(disk, &settings.dir, first.day())?;
        quarters.retain(|(quarter, _)| *quarter >= first);
        let export = grouped(&quarters, settings.min_visitors, zone);
        Ok(Self { export, unread })
    }

    /// All of it as one JSON object; moments are those of `zone`.
    pub fn json(&self, zone: &TimeZone) -> Value {
        let rows: Vec<Value> = self.export.groups.iter().map(|group| json_line(group, zone)).collect();
        let unread: Vec<String> = self.unread.iter().map(ToString::to_string).collect();
        json!({ "rows": rows, "left_out": self.export.left_out, "unread": unread })
    }
}

/// When a day of this time zone begins, in seconds since 1970.
fn start_s(date: Date, zone: &TimeZone) -> i64 {
    let start = date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp().as_second());
    start.unwrap_or(0)
}
