//! `edge-runtime counts`: what was counted, for people and their tables.

#[cfg(feature = "cascade")]
pub(crate) mod film;
mod killed;
#[cfg(all(feature = "cascade", feature = "mqtt"))]
mod mqtt;

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use durable::SystemDisk;
use edge_runtime::counts::{Book, Delta, Quarter, Tally};
use serde_json::Value;

use crate::support::program::command;

/// Noon of 27 November 2026 in UTC.
const NOON_S: i64 = 1_795_780_800;

/// Three days with a few visitors each, and a configuration that counts them.
fn counted(dir: &Path) {
    fs::write(
        dir.join("config.toml"),
        "schema = 1\nsource.uri = \"-\"\n[counts]\ndir = \"counts\"\n",
    )
    .unwrap();
    fill(&dir.join("counts"));
}

/// Three days with a few visitors each.
pub(crate) fn fill(counts: &Path) {
    fs::create_dir(counts).unwrap();
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
    fs::write(dir.path().join("config.toml"), "schema = 1\nsource.uri = \"-\"\n").unwrap();
    let (code, _, told) = asked(dir.path(), &[]);
    assert!(code == 78 && told.contains("[counts]"), "{code} {told}");
    let text = "schema = 1\nsource.uri = \"-\"\n[counts]\ndir = \"gone\"\n";
    fs::write(dir.path().join("config.toml"), text).unwrap();
    let (code, _, told) = asked(dir.path(), &[]);
    assert!(code == 66 && told.contains("gone"), "{code} {told}");
}

#[test]
fn root_tells_no_counts_that_links_of_the_service_lead_to() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let home = tempfile::tempdir().unwrap();
    let (counts, secret) = (home.path().join("counts"), home.path().join("secret"));
    counted(home.path());
    let own = asked(home.path(), &[]);
    assert!(own.0 == 0 && own.1.lines().count() == 3, "{own:?}");
    fs::rename(&counts, &secret).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
    let give = |path: &Path| lchown(path, Some(61_234), Some(61_234)).unwrap();
    let files = || fs::read_dir(&secret).unwrap().map(|entry| entry.unwrap().file_name());
    // The days are links.
    fs::create_dir(&counts).unwrap();
    for file in files() {
        symlink(secret.join(&file), counts.join(&file)).unwrap();
        give(&counts.join(&file));
    }
    give(&counts);
    let (_, told, why) = asked(home.path(), &[]);
    assert_eq!(told.lines().count(), 1, "{told}{why}");
    assert!(why.contains("it is a link"), "{why}");
    // The directory is one.
    fs::remove_dir_all(&counts).unwrap();
    symlink(&secret, &counts).unwrap();
    give(&counts);
    let (code, told, why) = asked(home.path(), &[]);
    assert!(
        code == 77 && told.is_empty() && why.contains("a link of user"),
        "{code} {told}{why}"
    );
    // The days are pipes, which are not waited for.
    fs::remove_file(&counts).unwrap();
    fs::create_dir(&counts).unwrap();
    for file in files() {
        testing::pipe(&counts.join(&file));
        give(&counts.join(&file));
    }
    give(&counts);
    let (_, told, _) = asked(home.path(), &[]);
    assert_eq!(told.lines().count(), 1, "{told}");
    // What the service may read is told.
    fs::remove_dir_all(&counts).unwrap();
    for file in files() {
        give(&secret.join(&file));
    }
    give(&secret);
    fs::rename(&secret, &counts).unwrap();
    assert_eq!(asked(home.path(), &[]), own);
}
