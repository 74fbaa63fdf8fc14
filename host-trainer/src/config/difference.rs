//! What two trainings do differently.

use serde::Serialize;

use super::TrainConfig;

/// A setting that two trainings have differently; shown as of a run that is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which, with the tables around it: `optimiser.learning_rate`.
    pub key: String,
    /// The value here; `-` where it is not set.
    pub own: String,
    /// The value there; `-` where it is not set.
    pub other: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, own, other } = self;
        write!(f, "`{key}` is {own} in the run and {other} now")
    }
}

impl TrainConfig {
    /// What `other` does differently, in the order of the keys.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        between(self, other)
    }
}

/// What `other` has differently, in the order of the keys.
pub(crate) fn between<T: Serialize>(own: &T, other: &T) -> Vec<Difference> {
    let mut found = Vec::new();
    let tables = [own, other].map(|config| toml::Table::try_from(config).unwrap_or_default());
    compare("", &tables[0], &tables[1], &mut found);
    found
}

fn compare(within: &str, own: &toml::Table, other: &toml::Table, found: &mut Vec<Difference>) {
    let mut keys: Vec<&String> = own.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    for name in keys {
        let key = if within.is_empty() {
            name.clone()
        } else {
            format!("{within}.{name}")
        };
        match (own.get(name), other.get(name)) {
            (Some(toml::Value::Table(own)), Some(toml::Value::Table(other))) => compare(&key, own, other, found),
            (own, other) if own == other => {}
            (own, other) => found.push(Difference {
                key,
                own: shown(own),
                other: shown(other),
            }),
        }
    }
}

fn shown(value: Option<&toml::Value>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Schedule;
    use crate::model::Task;

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let own = TrainConfig::original(Task::Emotion);
        assert_eq!(own.differences(&own), []);
        let mut other = own.clone();
        other.batch = 16;
        other.optimiser.learning_rate = 1e-3;
        other.schedule = Schedule::OneCycle { warmup: 0.15 };
        let found = own.differences(&other);
        let keys: Vec<&str> = found.iter().map(|own| own.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "batch",
                "optimiser.learning_rate",
                "schedule.factor",
                "schedule.kind",
                "schedule.minimum",
                "schedule.patience",
                "schedule.warmup"
            ]
        );
        assert_eq!((found[0].own.as_str(), found[0].other.as_str()), ("64", "16"));
        assert_eq!((found[6].own.as_str(), found[6].other.as_str()), ("-", "0.15"));
    }
}
