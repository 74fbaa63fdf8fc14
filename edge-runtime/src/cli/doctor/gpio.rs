//! The lines: chip and permissions.

use std::path::Path;

use edge_runtime::sink::gpio::{GpioBackend, GpioConfig};

use super::{Finding, bad, good, openable};

pub(super) fn lines(config: &GpioConfig) -> Finding {
    match &config.backend {
        GpioBackend::Log => good("gpio", "written to a log, no line is driven"),
        GpioBackend::Pi => ["/dev/gpiomem", "/dev/gpiomem0"]
            .map(|path| device(Path::new(path)))
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

fn device(path: &Path) -> Finding {
    let cure = "use backend = \"chip\" where this is no Raspberry Pi";
    openable("gpio", path, "gpio", cure).unwrap_or_else(|| good("gpio", format!("{} can be opened", path.display())))
}
