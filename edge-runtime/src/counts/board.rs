//! What may be shown: sums that are on disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::book::Book;
use super::dating::Quarter;
use super::tally::Tally;

/// The visitors of today, by hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Today {
    /// The hour that it is, 0 to 23, by the clock of the kiosk's place.
    pub now_hour: u8,
    /// Hours with a count, in their order.
    pub hours: Vec<Hour>,
    /// Whether some of it may belong to another day: the clock was not to be trusted.
    pub doubtful: bool,
}

/// The visitors of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Hour {
    /// Hour of the local day, from 0 to 23.
    pub hour: u8,
    /// Faces that were there for a second or longer.
    pub visitors: u64,
    /// Those of them that looked at the screen for a second or longer.
    pub attentive: u64,
    /// Those that were told the emotion Happy.
    pub smiles: u64,
}

/// What was counted in a quarter, as far as it is shown.
#[derive(Debug, Clone, Copy)]
struct Glance {
    quarter: Quarter,
    doubtful: bool,
    hour: Hour,
}

#[derive(Debug, Default)]
struct Shown {
    total: Tally,
    recent: Vec<Glance>,
}

/// Shared by who counts and who shows; empty where nothing is counted.
#[derive(Debug, Default)]
pub struct Board(Mutex<Option<Shown>>);

impl Board {
    /// Everything that was ever counted; `None` where nothing is.
    pub fn total(&self) -> Option<Tally> {
        self.with(|shown| shown.total.clone())
    }

    /// The hours of today, by the machine's own clock and time zone; `None` where nothing is counted.
    pub fn today(&self) -> Option<Today> {
        self.today_at(Timestamp::now(), &TimeZone::system())
    }

    /// The hours of the day of this moment in this time zone.
    pub fn today_at(&self, now: Timestamp, zone: &TimeZone) -> Option<Today> {
        self.with(|shown| today(&shown.recent, now, zone))
    }

    /// Shows what a book holds; all of it must be on disk.
    pub(super) fn show(&self, book: &Book) {
        let glance = |(quarter, entry): (Quarter, &super::Entry)| Glance {
            quarter,
            doubtful: entry.doubtful,
            hour: Hour {
                hour: 0,
                visitors: entry.tally.visitors,
                attentive: entry.tally.attentive,
                smiles: entry.tally.smiles(),
            },
        };
        let shown = Shown {
            total: book.total().clone(),
            recent: book.recent().map(glance).collect(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }

    /// Nothing is counted any more.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn with<T>(&self, look: impl FnOnce(&Shown) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)
    }
}

fn today(recent: &[Glance], now: Timestamp, zone: &TimeZone) -> Today {
    let here = |moment: Timestamp| zone.to_datetime(moment);
    let mut hours: BTreeMap<u8, Hour> = BTreeMap::new();
    let mut doubtful = false;
    for glance in recent {
        // Quarters lie within the range of timestamps.
        let Ok(start) = Timestamp::from_second(glance.quarter.start_s()) else {
            continue;
        };
        if here(start).date() != here(now).date() {
            continue;
        }
        let number = here(start).hour() as u8;
        let hour = hours.entry(number).or_default();
        hour.hour = number;
        hour.visitors = hour.visitors.saturating_add(glance.hour.visitors);
        hour.attentive = hour.attentive.saturating_add(glance.hour.attentive);
        hour.smiles = hour.smiles.saturating_add(glance.hour.smiles);
        doubtful |= glance.doubtful;
    }
    Today {
        now_hour: here(now).hour() as u8,
        hours: hours.into_values().collect(),
        doubtful,
    }
}
