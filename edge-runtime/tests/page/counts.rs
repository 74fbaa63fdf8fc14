//! Counts over the pages: the rows of `edge-runtime counts`.

use std::fs;

use serde_json::Value;

use super::{kiosk, visit};
use crate::counts::fill;
use crate::support::http::{ask, get};

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
