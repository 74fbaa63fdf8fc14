//! `edge-runtime doctor`: is the machine as the configuration wants it?

use std::fs::{self, OpenOptions};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use edge_runtime::bundle::Bundle;
use edge_runtime::config::{Config, GpioBackend, GpioConfig, MqttConfig, Origin};
use edge_runtime::sink::JsonLines;
use serde::Serialize;

use super::Verbosity;
use super::failure::{Failure, code};

/// Memory that the program needs, with room for a picture of a large camera.
const NEEDED_MB: u64 = 200;

/// Temperature at which a Raspberry Pi begins to slow down, less a margin.
const HOT_C: f64 = 75.0;

/// Longest wait for the broker.
const PATIENCE: Duration = Duration::from_secs(3);

/// Looks at bundle, camera, lines, broker, clock, memory and throttling, and names a cure for what is wrong
///
/// Writes a JSON line for each on standard output: {"check", "ok", "found", "cure"}. Ends with 0 if all is well, else
/// with 69. A camera or line that a running service holds cannot be looked at: stop it first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

/// What was looked at, what was found, and what helps.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    found: String,
    cure: Option<String>,
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: true,
        found: found.into(),
        cure: None,
    }
}

fn bad(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: false,
        found: found.into(),
        cure: Some(cure.into()),
    }
}

pub(crate) fn main(args: &Args, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let mut findings = vec![bundle(&config.bundle), camera(&config.source.origin)];
    findings.extend(config.sink.gpio.as_ref().map(lines));
    findings.extend(config.sink.mqtt.as_ref().map(broker));
    findings.extend([clock(), memory(), throttling()]);
    let mut out = JsonLines::new(std::io::stdout(), edge_runtime::sink::Faces::Hide);
    for finding in &findings {
        out.write(finding)?;
    }
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    verbosity.say(&format!("doctor: {wrong} of {} findings need a cure", findings.len()));
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(code::UNAVAILABLE)
    })
}

fn bundle(dir: &Path) -> Finding {
    match Bundle::open(dir) {
        Ok(bundle) => good(
            "bundle",
            format!("{} {}", bundle.manifest().name, bundle.manifest().version),
        ),
        Err(error) => bad("bundle", error.to_string(), "install the package anew, or set `bundle`"),
    }
}

fn camera(origin: &Origin) -> Finding {
    match origin {
        Origin::V4l2(path) => device("camera", path, "video"),
        other => good("camera", format!("no device: {other:?}")),
    }
}

/// Whether a device can be opened.
fn device(check: &'static str, path: &Path, group: &str) -> Finding {
    let shown = path.display();
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => good(
            check,
            format!("{shown} can be opened; `v4l2-ctl --list-formats-ext` shows its formats"),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bad(
            check,
            format!("{shown}: {error}"),
            format!("add the user to the group {group}"),
        ),
        Err(error) => bad(
            check,
            format!("{shown}: {error}"),
            "plug it in; `ls /dev/video*` shows what is there",
        ),
    }
}

fn lines(config: &GpioConfig) -> Finding {
    match &config.backend {
        GpioBackend::Log => good("gpio", "written to a log, no line is driven"),
        GpioBackend::Pi => ["/dev/gpiomem", "/dev/gpiomem0"]
            .map(|path| device("gpio", Path::new(path), "gpio"))
            .into_iter()
            .reduce(|first, second| if first.ok { first } else { second })
            .unwrap_or_else(|| good("gpio", "nothing to look at")),
        GpioBackend::Chip(label) => chip(label),
    }
}

#[cfg(feature = "gpio")]
fn chip(label: &str) -> Finding {
    match edge_runtime::sink::gpio::chips() {
        Ok(chips) if chips.iter().any(|chip| chip.label.as_deref() == Ok(label)) => good("gpio", label),
        Ok(chips) => bad(
            "gpio",
            format!("no chip {label:?} among {chips:?}"),
            "`gpiodetect` shows the labels in []",
        ),
        Err(error) => bad("gpio", error, "add the user to the group gpio"),
    }
}

#[cfg(not(feature = "gpio"))]
fn chip(_: &str) -> Finding {
    bad(
        "gpio",
        "this program was built without it",
        "build with `--features gpio`",
    )
}

fn broker(config: &MqttConfig) -> Finding {
    let place = format!("{}:{}", config.host, config.port);
    let connected = (place.to_socket_addrs())
        .and_then(|mut addresses| addresses.next().ok_or_else(|| std::io::Error::other("no address")))
        .and_then(|address| TcpStream::connect_timeout(&address, PATIENCE));
    match connected {
        Ok(_) => good("broker", format!("{place} takes connections")),
        Err(error) => bad(
            "broker",
            format!("{place}: {error}"),
            "check `host` and `port`, and that the broker runs",
        ),
    }
}

fn clock() -> Finding {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return good("clock", "synchronised");
    }
    bad(
        "clock",
        "nobody says that it is synchronised",
        "`timedatectl set-ntp true`; without, TLS may refuse certificates after a start",
    )
}

fn memory() -> Finding {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<u64> = available.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    match kib.map(|kib| kib / 1024) {
        Some(mb) if mb >= NEEDED_MB => good("memory", format!("{mb} MiB are free")),
        Some(mb) => bad(
            "memory",
            format!("{mb} MiB are free"),
            format!("end other programs: {NEEDED_MB} MiB are needed"),
        ),
        None => bad(
            "memory",
            "/proc/meminfo cannot be read",
            "run the doctor outside the service's sandbox",
        ),
    }
}

fn throttling() -> Finding {
    let read = |path: &str| fs::read_to_string(path).ok();
    let flags = read("/sys/devices/platform/soc/soc:firmware/get_throttled")
        .and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    let degrees = read("/sys/class/thermal/thermal_zone0/temp").and_then(|text| text.trim().parse::<f64>().ok());
    let degrees = degrees.map(|millis| millis / 1000.0);
    match (flags, degrees) {
        // Bits 0 to 3: under voltage, frequency capped, throttled, soft temperature limit.
        (Some(flags), _) if flags & 0xf != 0 => bad(
            "throttling",
            format!("the firmware slows down: {flags:#x}"),
            "use a stronger power supply (bit 0) or a cooler (bits 1 to 3)",
        ),
        (_, Some(degrees)) if degrees >= HOT_C => bad("throttling", format!("{degrees:.0} °C"), "use a cooler"),
        (Some(_), _) => good("throttling", "none"),
        (None, Some(degrees)) => good("throttling", format!("{degrees:.0} °C")),
        (None, None) => good("throttling", "this machine does not tell"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_has_a_cure() {
        let nowhere = Path::new("/nowhere/at/all");
        for finding in [bundle(nowhere), camera(&Origin::V4l2(nowhere.into()))] {
            assert!(!finding.ok && finding.cure.is_some(), "{finding:?}");
        }
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        for finding in [clock(), memory(), throttling()] {
            assert!(
                finding.ok != finding.cure.is_some() && !finding.found.is_empty(),
                "{finding:?}"
            );
        }
    }
}
