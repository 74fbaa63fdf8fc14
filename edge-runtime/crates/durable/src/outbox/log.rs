//! The outbox on disk: segments that are only appended to, and removed as a whole.
//!
//! Each segment opens with a [`Mark`], so that older ones can go without anything being forgotten. After
//! a failed write or sync a segment is not touched any more: nobody knows what it holds. What was not
//! synced is written again to the next one, and readers ignore what they find twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::record::{Mark, Record, scan};
use crate::Disk;

/// Ending of the names of segments.
const SUFFIX: &str = ".segment";

/// Most bytes of a segment that are read back; segments are far smaller.
const MAX_SEGMENT: u64 = 256 * 1024 * 1024;

/// Most bytes of a directory that are looked through to count its events: a second of a slow card.
const MAX_COUNTED: u64 = 64 * 1024 * 1024;

/// Most segments that are looked through for that.
const MAX_SEGMENTS: usize = 4096;

/// Every number of a segment is smaller.
const LAST: u64 = 1 << 63;

struct Segment {
    path: PathBuf,
    /// Smallest number that all its events stay below.
    end: u64,
    /// Whether something was written since the last sync, perhaps by an earlier start.
    unsynced: bool,
}

struct Current {
    segment: Segment,
    bytes: usize,
    /// Whether there was a sync: without one, everything in it is written again after a failure.
    kept: bool,
}

/// What the segments held when they were opened.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// Events that wait for delivery, by number.
    pub(super) events: BTreeMap<u64, Vec<u8>>,
    /// The newest mark of what was delivered.
    pub(super) mark: Mark,
    /// Smallest number that was never used.
    pub(super) next: u64,
    /// Segments that could not be read.
    pub(super) unreadable: u64,
}

impl Recovered {
    /// Events that were waiting but cannot be read any more: numbers missing between those that can.
    pub(super) fn lost(&self) -> u64 {
        let last = self.events.keys().next_back();
        last.map_or(0, |last| last + 1 - self.mark.floor - self.events.len() as u64)
    }

    fn take(&mut self, record: Record<'_>) -> u64 {
        match record {
            Record::Event { id, payload } => {
                self.events.insert(id, payload.to_vec());
                self.next = self.next.max(id + 1);
                id + 1
            }
            Record::Mark(mark) => {
                self.mark.floor = self.mark.floor.max(mark.floor);
                self.mark.dropped = self.mark.dropped.max(mark.dropped);
                self.next = self.next.max(mark.floor);
                0
            }
        }
    }
}

/// The segments of one directory.
pub(super) struct Log<D> {
    disk: D,
    dir: PathBuf,
    /// Full, given up, or of an earlier start: no longer written to.
    closed: Vec<Segment>,
    current: Option<Current>,
    /// Number in the name of the next segment.
    next_segment: u64,
    /// Bytes after which a segment is full.
    segment_bytes: usize,
    /// The mark that was written last.
    mark: Mark,
    /// Whether files came or went since the directory was synced.
    unsynced_dir: bool,
}

impl<D: Disk> Log<D> {
    /// Opens the segments in `dir` and reads what they hold; a damaged end is left out.
    pub(super) fn open(mut disk: D, dir: &Path, segment_bytes: usize) -> io::Result<(Self, Recovered)> {
        let names = segments(&mut disk, dir)?;
        let next_segment = names.last().map_or(0, |(number, _)| number + 1);
        let (mut closed, mut recovered) = (Vec::new(), Recovered::default());
        for (_, name) in names {
            let path = dir.join(name);
            let bytes = match disk.read(&path, MAX_SEGMENT) {
                Ok(bytes) => bytes,
                // A pipe or a directory of such a name: not ours to remove.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
                Err(_) => {
                    recovered.unreadable += 1;
                    Vec::new()
                }
            };
            let end = scan(&bytes).map(|record| recovered.take(record)).max().unwrap_or(0);
            closed.push(Segment {
                path,
                end,
                unsynced: true,
            });
        }
        let floor = recovered.mark.floor;
        recovered.events.retain(|id, _| *id >= floor);
        let log = Self {
            disk,
            dir: dir.to_path_buf(),
            closed,
            current: None,
            next_segment,
            segment_bytes,
            mark: recovered.mark,
            unsynced_dir: false,
        };
        Ok((log, recovered))
    }

    #[cfg(test)]
    pub(super) fn disk(&mut self) -> &mut D {
        &mut self.disk
    }

    #[cfg(test)]
    pub(super) fn into_disk(self) -> D {
        self.disk
    }

    /// Directory of the segments.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes later segments full after so many bytes.
    pub(super) fn resize(&mut self, segment_bytes: usize) {
        self.segment_bytes = segment_bytes;
    }

    /// Removes all segments, also where the disk has no room to note that they are done with; the newest first, so that those
    /// that are left have no gap.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.close();
        while let Some(segment) = self.closed.last() {
            match self.disk.remove(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => drop(self.closed.pop()),
            }
            self.unsynced_dir = true;
        }
        self.disk.sync_dir(&self.dir)
    }

    /// Number of segments that earlier starts have written.
    pub(super) fn closed(&self) -> usize {
        self.closed.len()
    }

    /// Lets all earlier segments go with the next [`Log::sync`]; until then, everything that they hold must
    /// be appended again.
    pub(super) fn supersede(&mut self) {
        for segment in &mut self.closed {
            segment.end = 0;
        }
    }

    /// Appends an event; it outlasts the program from now on, and a power cut after [`Log::sync`].
    pub(super) fn append(&mut self, id: u64, payload: &[u8], mark: Mark) -> io::Result<()> {
        let mut bytes = Vec::new();
        Record::Event { id, payload }.encode(&mut bytes);
        let current = self.writable(mark)?;
        current.segment.end = current.segment.end.max(id + 1);
        self.write(&bytes)
    }

    /// Makes everything outlast a power cut, and removes segments that are done with.
    pub(super) fn sync(&mut self, mark: Mark) -> io::Result<()> {
        if mark != self.mark {
            let mut bytes = Vec::new();
            Record::Mark(mark).encode(&mut bytes);
            // A new segment opens with the mark already.
            self.writable(mark)?;
            if mark != self.mark {
                self.write(&bytes)?;
                self.mark = mark;
            }
        }
        self.sync_closed(mark.floor)?;
        self.sync_current()?;
        self.remove_done(mark.floor)
    }

    /// The segment to write to, with room in it.
    fn writable(&mut self, mark: Mark) -> io::Result<&mut Current> {
        if self.current.as_ref().is_some_and(|it| it.bytes >= self.segment_bytes) {
            self.sync_current()?;
            self.close();
        }
        match self.current {
            Some(ref mut current) => Ok(current),
            None => self.begin(mark),
        }
    }

    fn begin(&mut self, mark: Mark) -> io::Result<&mut Current> {
        let path = self.dir.join(format!("{:016x}{SUFFIX}", self.next_segment));
        let mut bytes = Vec::new();
        Record::Mark(mark).encode(&mut bytes);
        self.disk.create(&path)?;
        self.unsynced_dir = true;
        if let Err(error) = self.disk.append(&path, &bytes) {
            // Whether the empty file goes does not matter: the next try empties it again.
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        self.next_segment += 1;
        self.mark = mark;
        Ok(self.current.insert(Current {
            segment: Segment {
                path,
                end: 0,
                unsynced: true,
            },
            bytes: bytes.len(),
            kept: false,
        }))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        current.bytes += bytes.len();
        current.segment.unsynced = true;
        let written = self.disk.append(&current.segment.path, bytes);
        if written.is_err() {
            self.give_up();
        }
        written
    }

    fn sync_current(&mut self) -> io::Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let mut synced = Ok(());
        if current.segment.unsynced {
            synced = self.disk.sync(&current.segment.path);
        }
        if synced.is_ok() && self.unsynced_dir {
            synced = self.disk.sync_dir(&self.dir);
        }
        if synced.is_ok() {
            (current.segment.unsynced, current.kept) = (false, true);
            self.unsynced_dir = false;
        } else {
            self.give_up();
        }
        synced
    }

    /// A program that was killed has written more than it has synced.
    fn sync_closed(&mut self, floor: u64) -> io::Result<()> {
        for segment in self.closed.iter_mut().filter(|it| it.unsynced && it.end > floor) {
            self.disk.sync(&segment.path)?;
            segment.unsynced = false;
            self.unsynced_dir = true;
        }
        if self.current.is_none() && self.unsynced_dir {
            self.disk.sync_dir(&self.dir)?;
            self.unsynced_dir = false;
        }
        Ok(())
    }

    fn close(&mut self) {
        self.closed.extend(self.current.take().map(|current| current.segment));
    }

    /// After a failure. A segment that never was synced is of no use.
    fn give_up(&mut self) {
        match &self.current {
            Some(current) if !current.kept && self.disk.remove(&current.segment.path).is_ok() => self.current = None,
            _ => self.close(),
        }
    }

    fn remove_done(&mut self, floor: u64) -> io::Result<()> {
        if self.current.is_none() {
            // The newest mark is in one of them.
            return Ok(());
        }
        while let Some(at) = self.closed.iter().position(|segment| segment.end <= floor) {
            self.disk.remove(&self.closed[at].path)?;
            self.closed.remove(at);
            self.unsynced_dir = true;
        }
        Ok(())
    }
}

/// Names of the segments in a directory, each with its number, the oldest first.
fn segments(disk: &mut impl Disk, dir: &Path) -> io::Result<Vec<(u64, String)>> {
    let names = disk.list(dir)?.into_iter();
    let mut names: Vec<_> = names.filter_map(|name| Some((number_of(&name)?, name))).collect();
    names.sort();
    Ok(names)
}

/// Events that wait in `dir`; none is held in memory. No more than [`MAX_COUNTED`] are read, whatever others have put there.
pub(super) fn count(disk: &mut impl Disk, dir: &Path) -> io::Result<u64> {
    let (mut waiting, mut floor, mut left) = (BTreeSet::new(), 0, MAX_COUNTED);
    // The newest says best what is done with.
    for (_, name) in segments(disk, dir)?.into_iter().rev().take(MAX_SEGMENTS) {
        // One that is too large, or none of ours, says nothing.
        let Ok(bytes) = disk.read(&dir.join(name), left) else {
            continue;
        };
        for record in scan(&bytes) {
            match record {
                Record::Event { id, .. } => drop(waiting.insert(id)),
                Record::Mark(mark) => floor = floor.max(mark.floor),
            }
        }
        left -= bytes.len() as u64;
    }
    Ok(waiting.range(floor..).count() as u64)
}

/// The number in the name of a segment; one that no number can follow is none of ours.
fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(digits, 16).ok()?;
    (plain && number < LAST).then_some(number)
}
