//! Counts over the pages: the rows of `edge-runtime counts`.

use std::fs;

use serde_json::Value;

#[cfg(feature = "cascade")]
use super::reconfigure;
use super::{kiosk, visit};
use crate::counts::fill;
#[cfg(feature = "cascade")]
use crate::counts::film::{self, OpenFilm};
#[cfg(feature = "cascade")]
use crate::daemon::world::World;
use crate::support::http::{ask, get};
#[cfg(feature = "cascade")]
use crate::support::until;

#[test]
fn counts_since_a_day_are_those_of_the_command() {
    let world = kiosk("[counts]\ndir = \"counts\"\n");
    fill(&world.kiosk.path("counts"));
    let command = |more: &[&str]| -> Vec<Value> {
        let mut program = world.kiosk.program("counts");
        let output = program.args(["--format", "json"]).args(more).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    visit(&world, |address| {
        for (query, more) in [
            ("", &[][..]),
            ("?", &[]),
            ("?since=2026-11-28", &["--since", "2026-11-28"]),
            ("?since=2030-01-01", &["--since", "2030-01-01"]),
        ] {
            let answer = get(address, &format!("/api/counts{query}"));
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, Some("application/json"))
            );
            let counts = answer.json();
            assert_eq!(counts["rows"].as_array().unwrap(), &command(more), "{query}");
            assert_eq!(
                (&counts["left_out"], &counts["unread"]),
                (&0.into(), &serde_json::json!([])),
                "{query}"
            );
        }
        assert_eq!(
            get(address, "/api/counts?since=2026-11-28").json()["rows"][0]["visitors"],
            5
        );
        for query in [
            "?since=",
            "?since=yesterday",
            "?since=2026-13-01",
            "?from=2026-11-28",
            "?since=2026-11-28&since=2026-11-29",
        ] {
            assert_eq!(get(address, &format!("/api/counts{query}")).status, 400, "{query}");
        }
        let elsewhere = "Host: {host}\r\nX-Forwarded-For: 192.168.1.9\r\nConnection: close\r\n";
        assert_eq!(
            ask(address, &format!("GET /api/counts HTTP/1.1\r\n{elsewhere}\r\n")).status,
            401
        );
        // A day that cannot be read is named, and the others stay.
        fs::write(world.kiosk.path("counts/2026-11-27.json"), "{").unwrap();
        let counts = get(address, "/api/counts").json();
        assert_eq!(counts["rows"].as_array().unwrap().len(), 2);
        assert!(
            counts["unread"][0].as_str().unwrap().contains("2026-11-27.json"),
            "{counts}"
        );
    });
}

#[test]
fn counts_of_a_kiosk_that_counts_nobody_are_not_there() {
    let world = kiosk("");
    visit(&world, |address| {
        let answer = get(address, "/api/counts");
        assert!(
            answer.status == 404 && answer.text().contains("[counts]"),
            "{}",
            answer.text()
        );
    });
}

#[cfg(feature = "cascade")]
#[test]
fn the_snapshot_has_the_visitors_of_today_by_hour() {
    let Some(known) = film::known_visitors() else {
        return;
    };
    let world = World::new("[counts]\ndir = \"counts\"\n[page]\nlisten = \"127.0.0.1:0\"\n");
    reconfigure(&world, "uri = \"frames\"\nloop = true", "uri = \"film.y4m\"");
    reconfigure(&world, "mode = \"whole\"\n", film::FACE);
    let _held = OpenFilm::pour(known, &world.kiosk.path("film.y4m"));
    visit(&world, |address| {
        let mut counts = Value::Null;
        // An hour may end meanwhile.
        let sum = |counts: &Value, name: &str| -> u64 {
            let hours = counts["hours"].as_array().unwrap().iter();
            hours.map(|hour| hour[name].as_u64().unwrap()).sum()
        };
        let expected = [film::VISITORS, film::ATTENTIVE, film::SMILES];
        let sums = |counts: &Value| ["visitors", "attentive", "smiles"].map(|name| sum(counts, name));
        until("the last visitor is counted", || {
            counts = get(address, "/api/snapshot").json()["counts"].clone();
            sums(&counts)
                .iter()
                .zip(expected)
                .all(|(sum, expected)| *sum >= expected)
        });
        assert_eq!(sums(&counts), expected, "{counts}");
        let hour = counts["hours"].as_array().unwrap().last().unwrap()["hour"]
            .as_u64()
            .unwrap();
        let ago = (24 + counts["now_hour"].as_u64().unwrap() - hour) % 24;
        assert!(ago <= 1, "{counts}");
    });
}
