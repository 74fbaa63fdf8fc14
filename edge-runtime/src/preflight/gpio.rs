//! The lines: chip and permissions.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::Finding;
use crate::sink::gpio::{GpioBackend, GpioConfig};

/// A backend as a configuration writes it.
#[cfg_attr(feature = "gpio", allow(dead_code, reason = "only told where there is no hardware"))]
fn shown(backend: &GpioBackend) -> String {
    match backend {
        GpioBackend::Log => "log".to_owned(),
        GpioBackend::Pi => "pi".to_owned(),
        GpioBackend::Chip(label) => format!("chip {label}"),
    }
}

pub(super) fn check(config: &GpioConfig) -> Finding {
    match &config.backend {
        GpioBackend::Log => Finding::good("gpio", "written to a log, no line is driven"),
        backend if !cfg!(feature = "gpio") => Finding::bad(
            "gpio",
            format!(
                "{} needs hardware, and this program was built without it",
                shown(backend)
            ),
            "build with `--features gpio`, or use backend = \"log\"",
        ),
        GpioBackend::Pi => ["/dev/gpiomem", "/dev/gpiomem0"]
            .map(|path| device(Path::new(path)))
            .into_iter()
            .reduce(|first, second| if first.ok { first } else { second })
            .unwrap_or_else(|| Finding::good("gpio", "nothing to check")),
        GpioBackend::Chip(label) => chip(label, config),
    }
}

#[cfg(feature = "gpio")]
fn chip(label: &str, config: &GpioConfig) -> Finding {
    use crate::sink::gpio::{Found, chips};

    let chips = match chips() {
        Ok(chips) => chips,
        Err(error) => return Finding::bad("gpio", error.to_string(), "add the user to the group gpio"),
    };
    let is_own = |chip: &&Found| chip.label.as_deref() == Ok(label);
    let Some(own) = chips.iter().find(is_own) else {
        let shown = |chip: &Found| match &chip.label {
            Ok(label) => format!("{label:?}"),
            Err(error) => format!("{} ({error})", chip.path),
        };
        let others: Vec<String> = chips.iter().map(shown).collect();
        let others = if others.is_empty() {
            "none".to_owned()
        } else {
            others.join(", ")
        };
        return Finding::bad(
            "gpio",
            format!("there is no chip {label:?}; this machine has {others}"),
            "`gpiodetect` shows the labels in []",
        );
    };
    match config.pins().into_iter().find(|pin| *pin >= own.lines) {
        Some(pin) => Finding::bad(
            "gpio",
            format!(
                "chip {label:?} has no line {pin}, only 0 to {}",
                own.lines.saturating_sub(1)
            ),
            "`gpioinfo` shows its lines",
        ),
        None => Finding::good("gpio", label),
    }
}

#[cfg(not(feature = "gpio"))]
fn chip(_: &str, _: &GpioConfig) -> Finding {
    Finding::bad(
        "gpio",
        "this program was built without it",
        "build with `--features gpio`",
    )
}

fn device(path: &Path) -> Finding {
    let shown = path.display();
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Finding::good("gpio", format!("{shown} can be opened")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Finding::bad("gpio", format!("{shown}: {error}"), "add the user to the group gpio")
        }
        Err(error) => Finding::bad(
            "gpio",
            format!("{shown}: {error}"),
            "use backend = \"chip\" where this is no Raspberry Pi",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_told_as_they_are_written_and_not_as_rust_shows_them() {
        for (backend, told) in [
            (GpioBackend::Log, "log"),
            (GpioBackend::Pi, "pi"),
            (GpioBackend::Chip("pinctrl-bcm2835".to_owned()), "chip pinctrl-bcm2835"),
        ] {
            assert_eq!(shown(&backend), told);
        }
    }
}
