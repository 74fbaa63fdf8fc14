//! The days on disk.
//!
//! Each day of UTC is a file of sums, replaced as a whole: after a power cut at any moment it holds all of the old sums or
//! all of the new. Sums that are written twice are the same sums, so nothing is counted twice. The oldest day goes when
//! there are too many; its sums first go into `removed.json`, together with the day's name, so that the total goes on and a
//! cut in between is finished at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use durable::{Disk, replace};
use serde::{Deserialize, Serialize};

use super::dating::Quarter;
use super::day::{self, Day, Entry};
use super::error::{CountsError, DamagedCounts};
use super::inbox::Delta;
use super::tally::Tally;

/// Most bytes of a file that are read; days are far smaller.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Sums of the days that are gone.
const REMOVED: &str = "removed.json";

/// A file that could not be read, set aside; a later one takes its place.
const DAMAGED: &str = "damaged.txt";

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    sum: Tally,
    /// A day whose sums are in `sum` and whose file is still to be removed.
    going: Option<i64>,
}

/// The days of one directory.
#[derive(Debug)]
pub struct Book {
    dir: PathBuf,
    keep_days: usize,
    /// Days that have a file.
    files: BTreeSet<i64>,
    /// Days in memory: the one that is counted in, those beside it, and what is not written yet.
    open: BTreeMap<i64, Day>,
    /// Days in memory that differ from their file.
    unsaved: BTreeSet<i64>,
    removed: Removed,
    /// Everything that was ever counted.
    total: Tally,
    /// Files that were set aside since the start.
    damaged: Vec<CountsError>,
}

impl Book {
    /// Reads what is there. The directory must be; `keep_days` is at least 1.
    ///
    /// # Errors
    /// What cannot be read for another reason than damage; damaged files are set aside, see [`Book::take_damaged`].
    pub fn open(disk: &mut impl Disk, dir: &Path, keep_days: usize) -> Result<Self, CountsError> {
        let names = disk.list(dir).map_err(|source| read_error(dir, source))?;
        let mut book = Self {
            dir: dir.to_path_buf(),
            keep_days,
            files: names.iter().filter_map(|name| day::of_name(name)).collect(),
            open: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            removed: Removed::default(),
            total: Tally::default(),
            damaged: Vec::new(),
        };
        if names.iter().any(|name| name == REMOVED) {
            book.removed = book.read(disk, REMOVED, decode_removed)?.unwrap_or_default();
        }
        book.finish_removal(disk)?;
        book.total = book.removed.sum.clone();
        for number in book.files.clone() {
            match book.read(disk, &day::name(number), day::decode)? {
                Some(day) => book.total.add(&day::sum(&day)),
                None => drop(book.files.remove(&number)),
            }
        }
        Ok(book)
    }

    /// Adds to a quarter, in memory.
    ///
    /// # Errors
    /// A day that cannot be read; nothing is added then.
    pub fn add(&mut self, disk: &mut impl Disk, delta: &Delta) -> Result<(), CountsError> {
        let number = delta.quarter.day();
        if self.removed.going == Some(number) {
            self.finish_removal(disk)?;
        }
        self.load(disk, number)?;
        let Some(day) = self.open.get_mut(&number) else {
            return Ok(());
        };
        let place = delta.quarter.of_day();
        if delta.tally.is_empty() && !day.contains_key(&place) {
            return Ok(());
        }
        let entry = day.entry(place).or_default();
        entry.tally.add(&delta.tally);
        entry.doubtful |= delta.doubtful;
        self.total.add(&delta.tally);
        self.unsaved.insert(number);
        Ok(())
    }

    /// Makes everything outlast a power cut, and lets days go that are too many.
    ///
    /// # Errors
    /// What cannot be written; it stays in memory, and the same call can be made again.
    pub fn save(&mut self, disk: &mut impl Disk) -> Result<(), CountsError> {
        while let Some(number) = self.unsaved.first().copied() {
            let path = self.dir.join(day::name(number));
            let bytes = self.open.get(&number).map(day::encode).unwrap_or_default();
            replace(disk, &path, &bytes).map_err(|source| CountsError::Write { path, source })?;
            self.files.insert(number);
            self.unsaved.remove(&number);
        }
        self.finish_removal(disk)
    }

    /// Lets the oldest days go while there are too many, and forgets days that are far from this one, which stays.
    ///
    /// # Errors
    /// As [`Book::save`], after which this is called.
    pub fn prune(&mut self, disk: &mut impl Disk, today: i64) -> Result<(), CountsError> {
        let unsaved = &self.unsaved;
        self.open
            .retain(|number, _| number.abs_diff(today) <= 1 || unsaved.contains(number));
        while self.files.len() > self.keep_days {
            let Some(oldest) = self.files.iter().copied().find(|number| *number != today) else {
                return Ok(());
            };
            self.remove(disk, oldest)?;
        }
        Ok(())
    }

    /// Reads a day into memory, if it is not there.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load(&mut self, disk: &mut impl Disk, number: i64) -> Result<(), CountsError> {
        if !self.open.contains_key(&number) {
            let read = if self.files.contains(&number) {
                self.read(disk, &day::name(number), day::decode)?
            } else {
                None
            };
            self.open.insert(number, read.unwrap_or_default());
        }
        Ok(())
    }

    /// Everything that was ever counted, days that are gone included; never less than before.
    pub fn total(&self) -> &Tally {
        &self.total
    }

    /// The quarters of the days in memory, in order.
    pub fn recent(&self) -> impl Iterator<Item = (Quarter, &Entry)> {
        self.open.iter().flat_map(|(number, day)| quarters(*number, day))
    }

    /// What was set aside since this was asked last.
    pub fn take_damaged(&mut self) -> Vec<CountsError> {
        std::mem::take(&mut self.damaged)
    }

    fn remove(&mut self, disk: &mut impl Disk, number: i64) -> Result<(), CountsError> {
        let day = self.read(disk, &day::name(number), day::decode)?.unwrap_or_default();
        let mut removed = self.removed.clone();
        removed.sum.add(&day::sum(&day));
        removed.going = Some(number);
        self.write_removed(disk, removed)?;
        self.finish_removal(disk)
    }

    /// Removes the file of the day that is going, if one is.
    fn finish_removal(&mut self, disk: &mut impl Disk) -> Result<(), CountsError> {
        let Some(number) = self.removed.going else {
            return Ok(());
        };
        let path = self.dir.join(day::name(number));
        let gone = match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => disk.sync_dir(&self.dir),
        };
        gone.map_err(|source| CountsError::Write { path, source })?;
        self.files.remove(&number);
        self.open.remove(&number);
        let sum = self.removed.sum.clone();
        self.write_removed(disk, Removed { sum, going: None })
    }

    fn write_removed(&mut self, disk: &mut impl Disk, removed: Removed) -> Result<(), CountsError> {
        let path = self.dir.join(REMOVED);
        // Maps with plain keys, and numbers: always a text.
        let bytes = serde_json::to_vec(&removed).unwrap_or_default();
        replace(disk, &path, &bytes).map_err(|source| CountsError::Write { path, source })?;
        self.removed = removed;
        Ok(())
    }

    /// Reads a file; one that is damaged is set aside, and `None`. What is no file, or cannot be set aside, is left where it
    /// is.
    fn read<T>(
        &mut self,
        disk: &mut impl Disk,
        name: &str,
        decode: fn(&[u8]) -> Result<T, DamagedCounts>,
    ) -> Result<Option<T>, CountsError> {
        let path = self.dir.join(name);
        let decoded = match disk.read(&path, MAX_BYTES) {
            Ok(bytes) => decode(&bytes),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(DamagedCounts::TooLarge(error)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let why = DamagedCounts::NoFile(error);
                self.damaged.push(CountsError::Damaged { path, why });
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CountsError::Read { path, source }),
        };
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(why) => {
                let aside = self.dir.join(DAMAGED);
                let moved = disk.rename(&path, &aside).and_then(|()| disk.sync_dir(&self.dir));
                let why = match moved {
                    Ok(()) => DamagedCounts::SetAside {
                        why: Box::new(why),
                        name: DAMAGED,
                    },
                    // Whatever it is, visitors of now are counted.
                    Err(_) => why,
                };
                self.damaged.push(CountsError::Damaged { path, why });
                Ok(None)
            }
        }
    }
}

/// Quarters in order, and the files that could not be read.
pub type ReadDays = (Vec<(Quarter, Entry)>, Vec<CountsError>);

/// The quarters on disk from this day on, in order, and what could not be read. Changes nothing, and may run beside a
/// program that counts.
///
/// # Errors
/// A directory that cannot be read.
pub fn read_days(disk: &mut impl Disk, dir: &Path, since_day: i64) -> Result<ReadDays, CountsError> {
    let names = disk.list(dir).map_err(|source| read_error(dir, source))?;
    let days: BTreeSet<i64> = names.iter().filter_map(|name| day::of_name(name)).collect();
    let (mut all, mut unread) = (Vec::new(), Vec::new());
    for number in days.range(since_day..) {
        let path = dir.join(day::name(*number));
        match disk.read(&path, MAX_BYTES) {
            Ok(bytes) => match day::decode(&bytes) {
                Ok(day) => all.extend(quarters(*number, &day).map(|(quarter, entry)| (quarter, entry.clone()))),
                Err(why) => unread.push(CountsError::Damaged { path, why }),
            },
            // It was the oldest, and has just gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => unread.push(CountsError::Read { path, source }),
        }
    }
    Ok((all, unread))
}

fn quarters(number: i64, day: &Day) -> impl Iterator<Item = (Quarter, &Entry)> {
    let dated = move |(place, entry): (&u8, _)| (Quarter::in_day(number, *place), entry);
    day.iter().map(dated)
}

fn decode_removed(bytes: &[u8]) -> Result<Removed, DamagedCounts> {
    Ok(serde_json::from_slice(bytes)?)
}

fn read_error(path: &Path, source: io::Error) -> CountsError {
    CountsError::Read {
        path: path.to_path_buf(),
        source,
    }
}
