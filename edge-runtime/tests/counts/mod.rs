//! `edge-runtime counts`: what was counted, for people and their tables.

#[cfg(feature = "cascade")]
pub(crate) mod film;
mod killed;
#[cfg(all(feature = "cascade", feature = "mqtt"))]
mod mqtt;

use std::path::Path;

use durable::SystemDisk;
use edge_runtime::counts::{Book, Delta, Quarter, Tally};
use serde_json::Value;

use crate::support::program::command;

/// Noon of 27 November 2026 in UTC.
const NOON_S: i64 = 1_795_780_800;

/// Three days with a few visitors each, and a configuration that counts them.
fn counted(dir: &Path) {
    std::fs::write(
        dir.join("config.toml"),
        "schema = 1\nsource.uri = \"-\"\n[counts]\ndir = \"counts\"\n",
    )
    .unwrap();
    fill(&dir.join("counts"));
}

/// Three days with a few visitors each.
pub(crate) fn fill(counts: &Path) {
    std::fs::create_dir(counts).unwrap();
    let mut disk = SystemDisk::default();
    let mut book = Book::open(&mut disk, counts, 400).unwrap();
    for (days, visitors) in [(0, 2), (1, 5), (2, 7)] {
        let delta = Delta {
            quarter: Quarter::of(NOON_S + 86_400 * days),
            doubtful: false,
            tally: Tally {
                visitors,
                ..Tally::default()
            },
        };
        book.add(&mut disk, &delta).unwrap();
    }
    book.save(&mut disk).unwrap();
}

fn asked(dir: &Path, more: &[&str]) -> (i32, String, String) {
    let config = dir.join("config.toml");
    let output = command(&["counts", "--config", config.to_str().unwrap()])
        .args(more)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn lines_and_rows_begin_with_the_day_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    counted(dir.path());
    let (code, lines, _) = asked(dir.path(), &["--since", "2026-11-28", "--format", "json"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|line| (&line["start"], &line["visitors"])).collect();
    assert_eq!(code, 0);
    assert_eq!(
        told,
        [
            (&"2026-11-28T12:00:00+00:00".into(), &5.into()),
            (&"2026-11-29T12:00:00+00:00".into(), &7.into())
        ]
    );
    let (_, table, _) = asked(dir.path(), &["--format", "csv"]);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    // Two visitors are too few for a row.
    assert!(rows[1].starts_with("2026-11-27T12:00:00+00:00,2026-11-28T12:15:00+00:00,trusted,7,"));
}

#[test]
fn a_configuration_that_counts_nobody_and_a_directory_that_is_not_there_are_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "schema = 1\nsource.uri = \"-\"\n").unwrap();
    let (code, _, told) = asked(dir.path(), &[]);
    assert!(code == 78 && told.contains("[counts]"), "{code} {told}");
    let text = "schema = 1\nsource.uri = \"-\"\n[counts]\ndir = \"gone\"\n";
    std::fs::write(dir.path().join("config.toml"), text).unwrap();
    let (code, _, told) = asked(dir.path(), &[]);
    assert!(code == 66 && told.contains("gone"), "{code} {told}");
}
