//! The unit that the package brings.

use std::process::Command;
use std::time::Duration;

use edge_runtime::service::{LONGEST_INTERVAL, WATCHDOG};
use rustix::process::Signal;

const UNIT: &str = include_str!("../../systemd/edge-runtime.service");

/// What the unit sets a key to; the last, where it stands several times.
fn value(key: &str) -> &'static str {
    let mut lines = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.next_back().unwrap_or_else(|| panic!("the unit has no {key}"))
}

/// Seconds that the unit waits: for a sign of life, or before it starts the program again.
pub(super) fn waits(key: &str) -> Duration {
    Duration::from_secs(value(key).parse().unwrap())
}

#[test]
fn the_unit_is_hardened() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/check-unit");
    let output = Command::new(script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}");
}

/// The unit of a second camera differs by names alone.
#[test]
fn the_unit_of_a_second_camera_is_confined_alike() {
    let second = include_str!("../../systemd/edge-runtime@.service");
    let settings = |unit: &str| -> Vec<String> {
        let lines = unit.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let expected = UNIT
        .replace("Description=Emotion kiosk", "Description=Emotion kiosk %i")
        .replace("/etc/edge-runtime/config.toml", "/etc/edge-runtime/%i.toml")
        .replace("StateDirectory=edge-runtime\n", "StateDirectory=edge-runtime-%i\n");
    assert_eq!(settings(second), settings(&expected));
}

#[test]
fn the_slowest_frames_leave_a_second_of_the_watchdog() {
    assert_eq!(waits("WatchdogSec"), WATCHDOG);
    assert!(LONGEST_INTERVAL + Duration::from_secs(1) <= WATCHDOG);
}

#[test]
fn the_unit_calls_what_the_program_has() {
    let config = "--config /etc/edge-runtime/config.toml";
    for (key, expected) in [
        ("Type", "notify".to_owned()),
        ("ExecStart", format!("/usr/bin/edge-runtime run {config}")),
        ("ExecReload", "/bin/kill -HUP $MAINPID".to_owned()),
        ("ExecStopPost", format!("-/usr/bin/edge-runtime safe {config}")),
        ("Restart", "always".to_owned()),
        ("SuccessExitStatus", format!("{}", 128 + Signal::TERM.as_raw())),
        ("StateDirectory", "edge-runtime".to_owned()),
        ("SupplementaryGroups", "video gpio".to_owned()),
        ("LimitCORE", "0".to_owned()),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
}

#[test]
fn a_reload_looks_at_the_configuration_before_it_asks_for_it() {
    let calls: Vec<&str> = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("ExecReload="))
        .collect();
    let expected = [
        "/usr/bin/edge-runtime check-config --deep /etc/edge-runtime/config.toml",
        "/bin/kill -HUP $MAINPID",
    ];
    assert_eq!(calls, expected);
}
