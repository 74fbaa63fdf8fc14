//! Counts for people and their tables, coarse enough that no row is about one person.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use shared_model::emotion::Label;

use super::dating::Quarter;
use super::day::Entry;
use super::tally::{DWELL_EDGES_S, Share, Tally};

/// Quarters in a row that are shown as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The first quarter of the row.
    pub from: Quarter,
    /// The last quarter of the row.
    pub to: Quarter,
    /// Whether some of it may belong to another time.
    pub doubtful: bool,
    /// The sums of what was counted.
    pub tally: Tally,
}

/// Which quarters are exported, and how they are summed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// In the order of time; those whose time is doubtful last.
    pub groups: Vec<Group>,
    /// Visitors that are not shown: all together they were too few.
    pub left_out: u64,
}

/// Merges quarters with fewer than `min_visitors` with those after them, and the last of a day with those before. `quarters`
/// are in order. Those whose time is doubtful are merged among themselves alone.
pub fn grouped(quarters: &[(Quarter, Entry)], min_visitors: u64, zone: &TimeZone) -> Export {
    let mut export = Export::default();
    for doubtful in [false, true] {
        let own = quarters.iter().filter(|(_, entry)| entry.doubtful == doubtful);
        let (groups, left_out) = merged(own, min_visitors, zone);
        export.groups.extend(groups);
        export.left_out += left_out;
    }
    export
}

fn merged<'a>(
    quarters: impl Iterator<Item = &'a (Quarter, Entry)>,
    min_visitors: u64,
    zone: &TimeZone,
) -> (Vec<Group>, u64) {
    let mut done: Vec<Group> = Vec::new();
    let mut open: Option<Group> = None;
    for (quarter, entry) in quarters {
        let day = date(*quarter, zone);
        if let Some(rest) = open.take_if(|open| date(open.to, zone) != day) {
            // A day that had enough visitors keeps its own to itself.
            match done
                .last_mut()
                .filter(|last| date(last.to, zone) == date(rest.to, zone))
            {
                Some(last) => last.take(&rest),
                None => open = Some(rest),
            }
        }
        let new = Group {
            from: *quarter,
            to: *quarter,
            doubtful: entry.doubtful,
            tally: entry.tally.clone(),
        };
        let group = match open.take() {
            Some(mut group) => {
                group.take(&new);
                group
            }
            None => new,
        };
        if group.tally.visitors >= min_visitors {
            done.push(group);
        } else {
            open = Some(group);
        }
    }
    let mut left_out = 0;
    if let Some(rest) = open {
        match done.last_mut() {
            Some(last) => last.take(&rest),
            None => left_out = rest.tally.visitors,
        }
    }
    (done, left_out)
}

impl Group {
    fn take(&mut self, later: &Self) {
        self.to = later.to;
        self.doubtful |= later.doubtful;
        self.tally.add(&later.tally);
    }
}

fn date(quarter: Quarter, zone: &TimeZone) -> Date {
    let start = Timestamp::from_second(quarter.start_s()).unwrap_or_default();
    zone.to_datetime(start).date()
}

/// A moment of a time zone, as in `2026-11-27T10:15:00+01:00`.
fn moment(unix_s: i64, zone: &TimeZone) -> String {
    let moment = Timestamp::from_second(unix_s).unwrap_or_default();
    moment
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

fn clock(group: &Group) -> &'static str {
    if group.doubtful { "doubtful" } else { "trusted" }
}

/// A group as one line of JSON.
pub fn json_line(group: &Group, zone: &TimeZone) -> Value {
    let tally = &group.tally;
    let share = |share: &Share| json!({ "visitors": share.visitors, "seconds": seconds(share.ms) });
    let told: Map<String, Value> = (tally.told.iter())
        .map(|(label, told)| (label.to_string(), share(told)))
        .collect();
    let ends = DWELL_EDGES_S.iter().map(|edge| json!(edge)).chain([Value::Null]);
    let histogram: Vec<Value> = ends
        .zip(tally.dwell.histogram)
        .map(|(end, visits)| json!({ "up_to_s": end, "visits": visits }))
        .collect();
    json!({
        "start": moment(group.from.start_s(), zone),
        "end": moment(group.to.end_s(), zone),
        "clock": clock(group),
        "visitors": tally.visitors,
        "attentive": tally.attentive,
        "smiles": tally.smiles(),
        "dwell": { "visits": tally.dwell.visits, "seconds": seconds(tally.dwell.ms), "histogram": histogram },
        "told": told,
        "abstained": share(&tally.abstained),
    })
}

/// All groups as a table with a head; labels that stand in none have no columns.
///
/// # Errors
/// As the output says.
pub fn csv(groups: &[Group], zone: &TimeZone, out: impl io::Write) -> io::Result<()> {
    let labels: BTreeSet<&Label> = groups.iter().flat_map(|group| group.tally.told.keys()).collect();
    let mut table = csv::Writer::from_writer(out);
    table.write_record(head(&labels)).map_err(io::Error::from)?;
    for group in groups {
        table.write_record(row(group, &labels, zone)).map_err(io::Error::from)?;
    }
    table.flush()
}

fn head(labels: &BTreeSet<&Label>) -> Vec<String> {
    let first = [
        "start",
        "end",
        "clock",
        "visitors",
        "attentive",
        "smiles",
        "visits",
        "dwell_s",
    ];
    let mut head: Vec<String> = first.map(str::to_owned).into();
    head.extend(DWELL_EDGES_S.map(|edge| format!("visits_up_to_{edge}_s")));
    head.push("visits_longer".to_owned());
    for label in labels {
        head.extend([format!("{label}_visitors"), format!("{label}_s")]);
    }
    head.extend(["abstained_visitors", "abstained_s"].map(str::to_owned));
    head
}

fn row(group: &Group, labels: &BTreeSet<&Label>, zone: &TimeZone) -> Vec<String> {
    let tally = &group.tally;
    let mut row = vec![
        moment(group.from.start_s(), zone),
        moment(group.to.end_s(), zone),
        clock(group).to_owned(),
        tally.visitors.to_string(),
        tally.attentive.to_string(),
        tally.smiles().to_string(),
        tally.dwell.visits.to_string(),
        seconds(tally.dwell.ms).to_string(),
    ];
    row.extend(tally.dwell.histogram.map(|visits| visits.to_string()));
    let told = labels
        .iter()
        .map(|label| tally.told.get(*label).copied().unwrap_or_default());
    for share in told.chain([tally.abstained]) {
        row.extend([share.visitors.to_string(), seconds(share.ms).to_string()]);
    }
    row
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
