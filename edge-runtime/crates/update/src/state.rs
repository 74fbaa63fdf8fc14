//! Which bundle runs: the rules, without any file.
//!
//! ```text
//!             Installed             Confirmed
//!   (nothing) ---------> trial(3) ------------> current, the old one is previous, floor = its version
//!                         |   ^
//!              Started    |   | Stopped: a clean stop is no fault and gives the try back
//!              costs one  v   |
//!                        trial(2, 1, 0) -- Started with none left, or Failed --> rejected; current goes on
//! ```
//!
//! Where there is no current bundle the factory bundle runs. Where files are is not known here.

use serde::{Deserialize, Serialize};
use shared_model::manifest::Sha256;

use super::UpdateError;

/// Starts that a bundle on trial has to show that it works.
pub const TRIES: u8 = 3;

/// Rolled back bundles that are remembered, so that a channel does not bring them again.
const MAX_REJECTED: usize = 8;

/// A bundle on the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// SHA-256 of its update manifest; the name of its directory.
    pub id: Sha256,
    /// Version that the update manifest gives it.
    pub version: u32,
}

/// A bundle that has yet to show that it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The bundle that is on trial.
    pub slot: Slot,
    /// Starts that are left, 0 to [`TRIES`].
    pub tries_left: u8,
}

/// Which bundles a device has, and what it knows of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// The newest bundle that has shown that it works; `None` is the factory bundle.
    pub current: Option<Slot>,
    /// The bundle that was current before; `None` for the factory bundle.
    pub previous: Option<Slot>,
    /// The one that has yet to show it.
    pub trial: Option<Trial>,
    /// Version of the newest bundle that was ever confirmed; nothing up to it is installed.
    pub floor: u32,
    /// Bundles that were rolled back, the newest last.
    pub rejected: Vec<Slot>,
}

/// Something that happened to a bundle, and changes the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A bundle was checked and lies in its slot; [`State::admit`] let it in.
    Installed(Slot),
    /// The program starts, and will run [`State::choice`].
    Started,
    /// The program was asked to end while a trial ran.
    Stopped,
    /// The trial has shown that it works.
    Confirmed,
    /// A bundle cannot be loaded, or does not work.
    Failed(Sha256),
    /// A new key list was accepted; it may set the floor.
    Trusted(Option<u32>),
}

/// The bundle that the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The bundle that is on trial.
    Trial(Slot),
    /// The bundle that was confirmed last.
    Current(Slot),
    /// The bundle of the package.
    Factory,
}

impl State {
    /// Whether a bundle may be installed where the factory bundle has version `factory`; `false` where it is there
    /// already.
    ///
    /// # Errors
    ///
    /// When its version is too low, or it was rolled back here before.
    pub fn admit(&self, slot: &Slot, factory: u32) -> Result<bool, UpdateError> {
        let trial = self.trial.as_ref().map(|trial| &trial.slot);
        if trial == Some(slot) || self.current.as_ref() == Some(slot) {
            return Ok(false);
        }
        if self.rejected.iter().any(|rejected| rejected.id == slot.id) {
            return Err(UpdateError::RolledBack(slot.version));
        }
        // A trial may still become the newest: nothing older takes its place.
        let trial = self.trial.as_ref().map_or(0, |trial| trial.slot.version);
        let floor = self.floor.max(factory).max(trial);
        if slot.version <= floor {
            return Err(UpdateError::Older {
                found: slot.version,
                floor,
            });
        }
        Ok(true)
    }

    /// What runs, once [`Event::Started`] was applied; a factory bundle that is newer than the current one wins.
    pub fn choice(&self, factory: u32) -> Choice {
        match (&self.trial, &self.current) {
            (Some(trial), _) => Choice::Trial(trial.slot.clone()),
            (None, Some(slot)) if slot.version >= factory => Choice::Current(slot.clone()),
            _ => Choice::Factory,
        }
    }

    /// The state after an event.
    #[must_use]
    pub fn after(mut self, event: Event) -> Self {
        match event {
            Event::Installed(slot) => {
                self.trial = Some(Trial {
                    slot,
                    tries_left: TRIES,
                });
            }
            Event::Started => self.start(),
            Event::Stopped => {
                if let Some(trial) = &mut self.trial {
                    trial.tries_left = TRIES.min(trial.tries_left + 1);
                }
            }
            Event::Confirmed => self.confirm(),
            Event::Failed(id) => self.fail(&id),
            Event::Trusted(floor) => self.floor = floor.unwrap_or(self.floor),
        }
        self
    }

    /// Every slot that must be kept.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        let trial = self.trial.as_ref().map(|trial| &trial.slot);
        self.current.iter().chain(&self.previous).chain(trial)
    }

    fn start(&mut self) {
        match &mut self.trial {
            Some(trial) if trial.tries_left == 0 => self.reject(),
            Some(trial) => trial.tries_left -= 1,
            None => {}
        }
    }

    fn confirm(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.floor = self.floor.max(trial.slot.version);
            self.previous = self.current.replace(trial.slot);
        }
    }

    fn fail(&mut self, id: &Sha256) {
        let is = |slot: Option<&Slot>| slot.is_some_and(|slot| slot.id == *id);
        if is(self.trial.as_ref().map(|trial| &trial.slot)) {
            self.reject();
        } else if is(self.current.as_ref()) {
            self.current = self.previous.take();
        } else if is(self.previous.as_ref()) {
            self.previous = None;
        }
    }

    fn reject(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.rejected.push(trial.slot);
            let surplus = self.rejected.len().saturating_sub(MAX_REJECTED);
            self.rejected.drain(..surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::update_manifest::hash;
    use super::*;

    fn slot(version: u32) -> Slot {
        Slot {
            id: hash(&version.to_le_bytes()),
            version,
        }
    }

    fn after(events: impl IntoIterator<Item = Event>) -> State {
        events.into_iter().fold(State::default(), State::after)
    }

    fn confirmed(version: u32) -> [Event; 3] {
        [Event::Installed(slot(version)), Event::Started, Event::Confirmed]
    }

    #[test]
    fn a_confirmed_trial_becomes_current_and_raises_the_floor() {
        let state = after(confirmed(4).into_iter().chain(confirmed(7)));
        assert_eq!(
            (state.current.clone(), state.previous.clone()),
            (Some(slot(7)), Some(slot(4)))
        );
        assert_eq!((state.floor, &state.trial), (7, &None));
        assert_eq!(state.choice(1), Choice::Current(slot(7)));
        assert_eq!(state.choice(8), Choice::Factory);
        assert!(matches!(
            state.admit(&slot(5), 1),
            Err(UpdateError::Older { floor: 7, .. })
        ));
        assert!(matches!(
            state.admit(&slot(8), 9),
            Err(UpdateError::Older { floor: 9, .. })
        ));
        assert!(state.admit(&slot(8), 1).unwrap());
        assert!(!state.admit(&slot(7), 1).unwrap());
    }

    #[test]
    fn the_same_version_with_other_bytes_is_refused() {
        let state = after(confirmed(4));
        let other = Slot {
            id: hash(b"other"),
            version: 4,
        };
        assert!(matches!(state.admit(&other, 0), Err(UpdateError::Older { .. })));
    }

    #[test]
    fn a_trial_that_never_shows_that_it_works_ends_after_its_tries() {
        let mut state = after(confirmed(4)).after(Event::Installed(slot(5)));
        for left in (0..TRIES).rev() {
            state = state.after(Event::Started);
            assert_eq!(state.choice(0), Choice::Trial(slot(5)));
            assert_eq!(state.trial.as_ref().unwrap().tries_left, left);
        }
        state = state.after(Event::Started);
        assert_eq!(state.choice(0), Choice::Current(slot(4)));
        assert!(matches!(state.admit(&slot(5), 0), Err(UpdateError::RolledBack(5))));
        assert_eq!(state.floor, 4);
    }

    #[test]
    fn an_older_bundle_does_not_take_the_place_of_a_newer_one_on_trial() {
        let state = after([Event::Installed(slot(5))]);
        for version in [4, 5] {
            let other = Slot {
                id: hash(b"another"),
                version,
            };
            assert!(
                matches!(state.admit(&other, 0), Err(UpdateError::Older { floor: 5, .. })),
                "{version}"
            );
        }
        assert!(state.admit(&slot(6), 0).unwrap());
        // Once it was given up, the older one may come.
        let state = state.after(Event::Failed(slot(5).id));
        assert!(state.admit(&slot(4), 0).unwrap());
    }

    #[test]
    fn a_clean_stop_costs_no_try() {
        let mut state = after([Event::Installed(slot(5))]);
        for _ in 0..10 {
            state = state.after(Event::Started).after(Event::Stopped);
        }
        assert_eq!(state.trial.unwrap().tries_left, TRIES);
    }

    #[test]
    fn a_broken_current_bundle_gives_way_to_the_previous_and_then_to_the_factorys() {
        let state = after(confirmed(4).into_iter().chain(confirmed(7)));
        let state = state.after(Event::Failed(slot(7).id));
        assert_eq!(state.choice(0), Choice::Current(slot(4)));
        let state = state.after(Event::Failed(slot(4).id));
        assert_eq!(state.choice(0), Choice::Factory);
        assert_eq!(state.floor, 7);
    }

    #[test]
    fn only_a_key_list_lowers_the_floor() {
        let state = after(confirmed(u32::MAX));
        assert!(state.admit(&slot(9), 0).is_err());
        let state = state.after(Event::Trusted(None));
        assert_eq!(state.floor, u32::MAX);
        let state = state.after(Event::Trusted(Some(8)));
        assert!(state.admit(&slot(9), 0).unwrap());
        assert!(state.admit(&slot(8), 0).is_err());
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..6_u32).prop_map(|version| Event::Installed(slot(version))),
            Just(Event::Started),
            Just(Event::Started),
            Just(Event::Stopped),
            Just(Event::Confirmed),
            (0..6_u32).prop_map(|version| Event::Failed(slot(version).id)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn whatever_happens_the_rules_hold(events in prop::collection::vec(event(), 0..60)) {
            let mut state = State::default();
            let mut starts = 0;
            for event in events {
                if let Event::Installed(slot) = &event && !matches!(state.admit(slot, 0), Ok(true)) {
                    continue;
                }
                let before = state.clone();
                state = state.after(event.clone());
                starts = match event {
                    Event::Started if state.trial.is_some() => starts + 1,
                    Event::Stopped => starts.max(1) - 1,
                    _ if state.trial.is_none() => 0,
                    Event::Installed(_) => 0,
                    _ => starts,
                };
                prop_assert!(starts <= u32::from(TRIES), "a trial never runs more often than its tries");
                prop_assert!(state.floor >= before.floor);
                if state.current != before.current {
                    let promoted = event == Event::Confirmed
                        && state.current == before.trial.as_ref().map(|trial| trial.slot.clone());
                    let replaced = matches!(event, Event::Failed(_)) && state.current == before.previous;
                    prop_assert!(promoted || replaced);
                }
                if let Some(trial) = &state.trial {
                    prop_assert!(trial.slot.version > state.floor && trial.tries_left <= TRIES);
                }
                prop_assert!(state.current.is_none() || state.current != state.previous);
                prop_assert!(state.rejected.len() <= MAX_REJECTED);
            }
        }

        #[test]
        fn within_the_tries_something_that_worked_runs_again(events in prop::collection::vec(event(), 0..60)) {
            let mut state = State::default();
            for event in events {
                if let Event::Installed(slot) = &event && !matches!(state.admit(slot, 0), Ok(true)) {
                    continue;
                }
                state = state.after(event);
            }
            let worked = state.current.clone();
            for _ in 0..=TRIES {
                state = state.after(Event::Started);
            }
            prop_assert_eq!(state.choice(0), worked.map_or(Choice::Factory, Choice::Current));
        }
    }
}
