//! The program itself, killed while it counts.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::http::get;
use crate::support::program::{Program, Scene, command};
use crate::support::until;

/// Times that the program is killed.
const KILLS: u64 = 4;

/// What the program says that it has counted, once it answers.
fn told(address: SocketAddr) -> Option<u64> {
    std::net::TcpStream::connect(address).ok()?;
    let page = get(address, "/metrics").text();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("edge_visitors_total "))?;
    line.parse().ok()
}

#[test]
fn what_a_killed_program_has_told_is_not_lost_and_nobody_is_counted_twice() {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("counts");
    let section = format!("[counts]\ndir = '{}'\nmin_visitors = 1\n", counts.display());
    for round in 0..KILLS {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sinks = format!("{section}[metrics]\nlisten = \"{port}\"\n");
        let mut program = Program::before(&Scene::face(), &sinks, Stdio::null(), &[]);
        // Each start meets the same person again, whom nobody recognises.
        until("the visitor is told", || {
            let told = told(port);
            assert!(
                told.is_none_or(|told| told == round || told == round + 1),
                "{told:?} in round {round}"
            );
            told == Some(round + 1)
        });
        program.signal(Signal::KILL);
        program.ended();
    }
    let config = dir.path().join("config.toml");
    std::fs::write(&config, format!("schema = 1\nsource.uri = \"-\"\n{section}")).unwrap();
    let output = command(&["counts", "--format", "json", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let visitors = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["visitors"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(lines.lines().map(visitors).sum::<u64>(), KILLS, "{lines}");
}
