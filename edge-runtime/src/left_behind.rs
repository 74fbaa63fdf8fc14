//! Events that wait where no sink takes them any more: a restart reads only the directories that are configured.
//!
//! So the directory of state has a list of the directories in which events were kept, or names of the device. It is written
//! by who runs, and read by who looks for what is wrong.

use std::io;
use std::path::{Path, PathBuf};

use durable::outbox::Outbox;
use durable::{Disk, SystemDisk, is_same};

use crate::config::Config;
use crate::owner::{as_owner, is_own_way};
use crate::sink::settings::NAMES;

/// Name of the list, one directory a line.
const FILE: &str = "outboxes";

/// Most bytes of the list.
const MAX_BYTES: u64 = 64 * 1024;

/// Most directories that are kept in mind besides those of the configuration: the oldest are forgotten.
const MAX_FORMER: usize = 16;

/// A directory that is configured no more, and what waits in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// The directory, from the root on.
    pub dir: PathBuf,
    /// Events that wait in it, at least one.
    pub events: u64,
}

impl LeftBehind {
    /// What is wrong, in words.
    pub fn found(&self) -> String {
        let (dir, events) = (self.dir.display(), self.events);
        format!("{dir}: events that nobody sends wait there, {events} in number")
    }
}

/// What to do with events that were left behind.
pub const CURE: &str =
    "name that directory again, start, then change it and reload, which takes events along; or remove it";

/// What waits in the directories of earlier configurations; nothing is changed. A directory that somebody holds is in use.
pub fn look(config: &Config) -> Vec<LeftBehind> {
    let own = own(config);
    // Nothing is changed, so the list may be whoever's it is.
    let look = |state: &Path| waiting(&dirs(SystemDisk::default().read(&state.join(FILE), MAX_BYTES)), &own);
    as_owner(&config.state, look).unwrap_or_default()
}

/// The directories of earlier configurations that nobody holds, the oldest first, as far as this user has noted them itself.
///
/// Root goes only where nobody else could have led it: neither to a list, nor from there to a directory.
pub fn former(config: &Config) -> Vec<PathBuf> {
    let mut former = if is_own_way(&config.state) {
        read(&config.state)
    } else {
        Vec::new()
    };
    let own = own(config);
    former.retain(|dir| is_own_way(dir) && !is_held(dir) && !own.iter().any(|own| is_same(own, dir)));
    former
}

/// Notes the directories of this configuration beside those of earlier ones, before a name or an event is kept there: a program
/// that is killed leaves nothing of which the next does not know.
pub fn add(config: &Config) {
    let own = own(config);
    let add = |state: &Path| {
        let known = read(state);
        let missing = own.iter().filter(|dir| !known.contains(dir));
        let noted: Vec<PathBuf> = known.iter().chain(missing).cloned().collect();
        if noted.len() > known.len() {
            // As in `note`.
            let _ = write(state, &noted[noted.len().saturating_sub(2 * MAX_FORMER)..]);
        }
    };
    // Where there is no way to the directory of state, nothing is noted.
    let _ = as_owner(&config.state, add);
}

/// As [`look`], and notes the directories of this configuration. Where there is no directory of state nothing is noted.
pub fn note(config: &Config) -> Vec<LeftBehind> {
    let own = own(config);
    let note = |state: &Path| {
        let known = read(state);
        let left = waiting(&known, &own);
        let is_left = |dir: &PathBuf| left.iter().any(|left| left.dir == *dir);
        let mut noted = known.clone();
        noted.retain(|dir| !own.contains(dir) && (is_held(dir) || is_left(dir) || dir.join(NAMES).is_file()));
        noted.drain(..noted.len().saturating_sub(MAX_FORMER));
        noted.extend(own.iter().cloned());
        if noted != known {
            // Events that cannot be noted are only not told of.
            let _ = write(state, &noted);
        }
        left
    };
    as_owner(&config.state, note).unwrap_or_default()
}

/// The directories of the configuration, from the root on; not those whose names are no line.
fn own(config: &Config) -> Vec<PathBuf> {
    let mqtt = config.sink.mqtt.as_ref().map(|mqtt| &mqtt.outbox.dir);
    let webhook = config.sink.webhook.as_ref().map(|webhook| &webhook.outbox.dir);
    let dirs = [mqtt, webhook].into_iter().flatten();
    dirs.filter_map(|dir| std::path::absolute(dir).ok())
        .filter(|dir| dir.to_str().is_some_and(|name| !name.contains('\n')))
        .collect()
}

fn waiting(known: &[PathBuf], own: &[PathBuf]) -> Vec<LeftBehind> {
    let others = known
        .iter()
        .filter(|dir| !is_held(dir) && !own.iter().any(|own| is_same(own, dir)));
    let mut left: Vec<LeftBehind> = Vec::new();
    for dir in others {
        if left.iter().any(|left| is_same(&left.dir, dir)) {
            continue;
        }
        let waiting = as_owner(dir, Outbox::waiting);
        if let Some(events) = waiting.flatten().ok().filter(|events| *events > 0) {
            let dir = dir.clone();
            left.push(LeftBehind { dir, events });
        }
    }
    left
}

fn is_held(dir: &Path) -> bool {
    as_owner(dir, Outbox::holder).is_ok_and(|holder| holder.is_some())
}

/// The directories of a list that this user or root has written.
fn read(state: &Path) -> Vec<PathBuf> {
    dirs(SystemDisk::default().read_own(&state.join(FILE), MAX_BYTES))
}

/// The directories that a list names, each once; none where it cannot be read.
fn dirs(text: io::Result<Vec<u8>>) -> Vec<PathBuf> {
    let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in text.lines().map(PathBuf::from).filter(|dir| dir.is_absolute()) {
        if dirs.len() < 2 * MAX_FORMER && !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

fn write(state: &Path, dirs: &[PathBuf]) -> io::Result<()> {
    let lines: Vec<String> = dirs.iter().map(|dir| format!("{}\n", dir.display())).collect();
    if lines.is_empty() {
        return SystemDisk::default().remove(&state.join(FILE));
    }
    durable::replace_file(&state.join(FILE), lines.concat().as_bytes())
}

#[cfg(test)]
mod tests;
