//! Which events are told.

use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// Levels by target: `info`, or `warn,edge_runtime::sink=debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Targets);

/// A text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no filter of diagnostics: expected levels (error, warn, info, debug, trace, off), each alone or as target=level, with commas between them"
)]
pub struct FilterError {
    text: String,
}

impl Filter {
    /// Lets warnings and errors pass, and nothing else.
    pub fn quiet() -> Self {
        Self(Targets::new().with_default(LevelFilter::WARN))
    }

    pub(crate) fn targets(&self) -> Targets {
        self.0.clone()
    }
}

/// Lets information, warnings and errors pass.
impl Default for Filter {
    fn default() -> Self {
        Self(Targets::new().with_default(LevelFilter::INFO))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let error = || FilterError { text: text.to_owned() };
        for part in text.split(',') {
            let level = part.rsplit('=').next().unwrap_or(part).trim();
            // `Targets` takes a word that is no level for a target whose every event is told.
            if level.is_empty() || LevelFilter::from_str(level).is_err() {
                return Err(error());
            }
        }
        text.replace(' ', "").parse().map(Self).map_err(|_| error())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_set_by_target() {
        let filter: Filter = "warn, edge_runtime::sink=debug".parse().unwrap();
        for (target, level, told) in [
            ("vision", Level::WARN, true),
            ("vision", Level::INFO, false),
            ("edge_runtime::sink::mqtt", Level::DEBUG, true),
            ("edge_runtime::sink::mqtt", Level::TRACE, false),
        ] {
            assert_eq!(filter.targets().would_enable(target, &level), told, "{target} {level}");
        }
    }

    #[test]
    fn words_that_are_no_levels_are_refused() {
        for text in ["", " ", "loud", "edge_runtime", "sink=loud", "warn,,info"] {
            assert!(text.parse::<Filter>().is_err(), "{text:?}");
        }
    }
}
