//! The machine itself: clock, memory, throttling.
//!
//! The doctor checks it, and so do the operator's pages, from inside the service.

use std::fs;
use std::path::Path;

use crate::preflight::Finding;

/// Memory that the program needs, with room for a picture of a large camera.
const NEEDED_MB: u64 = 200;

/// Temperature at which a Raspberry Pi begins to slow down, less a margin.
const HOT_C: f64 = 75.0;

/// All of it, from inside the service: what its sandbox hides is left out.
pub fn check() -> Vec<Finding> {
    let mut findings = vec![clock()];
    findings.extend(Path::new(MEMORY).exists().then(memory));
    findings.push(throttling());
    findings
}

/// Whether the clock is synchronised.
pub fn clock() -> Finding {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Finding::good("clock", "synchronised");
    }
    Finding::bad(
        "clock",
        "nobody says that it is synchronised",
        "`timedatectl set-ntp true`; without, TLS may refuse certificates after a start",
    )
}

/// Where the kernel tells how much memory is free.
const MEMORY: &str = "/proc/meminfo";

/// Whether enough memory is free.
pub fn memory() -> Finding {
    let text = fs::read_to_string(MEMORY).unwrap_or_default();
    let available = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: Option<u64> = available.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    match kib.map(|kib| kib / 1024) {
        Some(mb) if mb >= NEEDED_MB => Finding::good("memory", format!("{mb} MiB are free")),
        Some(mb) => Finding::bad(
            "memory",
            format!("{mb} MiB are free"),
            format!("end other programs: {NEEDED_MB} MiB are needed"),
        ),
        None => Finding::bad(
            "memory",
            "/proc/meminfo cannot be read",
            "run the doctor outside the service's sandbox",
        ),
    }
}

/// What kind of machine this is, where it says so.
pub fn model() -> Option<String> {
    let files = ["/sys/firmware/devicetree/base/model", "/sys/class/dmi/id/product_name"];
    let texts = files.iter().filter_map(|path| fs::read_to_string(path).ok());
    // The device tree ends its texts with a zero.
    let mut models = texts.map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned());
    models.find(|model| !model.is_empty())
}

/// Temperature of the processor in degrees Celsius, where a sensor tells it.
pub fn temperature() -> Option<f64> {
    let text = fs::read_to_string("/sys/class/thermal/thermal_zone0/temp").ok()?;
    text.trim().parse::<f64>().ok().map(|millis| millis / 1000.0)
}

/// Whether the machine slows down.
pub fn throttling() -> Finding {
    let read = |path: &str| fs::read_to_string(path).ok();
    let flags = read("/sys/devices/platform/soc/soc:firmware/get_throttled")
        .and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    match (flags, temperature()) {
        // Bits 0 to 3: under voltage, frequency capped, throttled, soft temperature limit.
        (Some(flags), _) if flags & 0xf != 0 => Finding::bad(
            "throttling",
            format!("the firmware slows down: {flags:#x}"),
            "use a stronger power supply (bit 0) or a cooler (bits 1 to 3)",
        ),
        (_, Some(degrees)) if degrees >= HOT_C => {
            Finding::bad("throttling", format!("{degrees:.0} °C"), "use a cooler")
        }
        (Some(_), _) => Finding::good("throttling", "none"),
        (None, Some(degrees)) => Finding::good("throttling", format!("{degrees:.0} °C")),
        (None, None) => Finding::good("throttling", "this machine does not tell"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
