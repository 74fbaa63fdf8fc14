//! What the package switches on, and the unit that shows the visitor's page.

use std::path::Path;
use std::process::Command;

use edge_runtime::config::Config;
use edge_runtime::page::settings::{PORT, PageConfig};

const SCREEN: &str = include_str!("../../systemd/edge-runtime-screen.service");

/// What the package puts into /etc.
const PACKAGED: &str = include_str!("../../debian/config.toml");

#[test]
fn the_package_serves_the_pages_to_this_machine_and_switches_nothing_else_on() {
    let config = Config::parse(PACKAGED).unwrap();
    assert_eq!(config.page, Some(PageConfig::default()));
    assert!(config.page.unwrap().listen.ip().is_loopback());
    assert!(config.counts.is_none() && config.metrics.is_none() && config.update.is_none() && config.when.is_empty());
    let sink = config.sink;
    assert!(sink.mqtt.is_none() && sink.gpio.is_none() && sink.osc.is_none() && sink.udp.is_none());
    assert!(sink.serial.is_none() && sink.webhook.is_none());
    // The example, which the package shows beside it, names every section without switching it on.
    let example = include_str!("../../config.example.toml");
    for section in ["# [page]", "# [counts]", "# [metrics]", "# [sink.mqtt]"] {
        assert!(example.contains(section), "{section}");
    }
}

#[test]
fn without_a_section_there_is_no_page() {
    let text = PACKAGED.replace("[page]\n", "");
    assert_ne!(text, PACKAGED);
    assert_eq!(Config::parse(&text).unwrap().page, None);
}

#[test]
fn the_screen_shows_the_page_of_this_machine_and_reaches_no_other() {
    let page = format!("http://127.0.0.1:{PORT}/");
    let start = SCREEN.split_once("ExecStart=").unwrap().1;
    let command = start.split_once("\nTimeoutStartSec").unwrap().0.replace("\\\n", "");
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"/usr/bin/cage"));
    assert_eq!(words.last(), Some(&page.as_str()));
    assert!(words.contains(&"--kiosk") && words.contains(&"/usr/bin/chromium"));
    for line in [
        "IPAddressDeny=any",
        "IPAddressAllow=localhost",
        "Restart=always",
        "NoNewPrivileges=yes",
    ] {
        assert!(SCREEN.lines().any(|own| own == line), "{line}");
    }
    assert!(SCREEN.contains(&format!("/dev/tcp/127.0.0.1/{PORT}")));
}

/// systemd reads the unit; that cage is not installed here is all that it may say.
#[test]
fn systemd_understands_the_unit_of_the_screen() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/edge-runtime-screen.service");
    let output = match Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(unit)
        .output()
    {
        Ok(output) => output,
        Err(error) => return testing::skip(&format!("the unit of the screen: systemd-analyze: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let ours = said.lines().filter(|line| line.contains("edge-runtime-screen"));
    let wrong: Vec<&str> = ours
        .filter(|line| !line.contains("/usr/bin/cage is not executable"))
        .collect();
    assert!(wrong.is_empty(), "{said}");
}
