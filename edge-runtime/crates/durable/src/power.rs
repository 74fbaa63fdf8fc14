//! A disk in memory whose power can be cut, and which can be full.
//!
//! What was not synced may be lost: of each file and each directory, any prefix of the changes since its last sync
//! survives, and the last append of a file may be torn or hold zeros where its bytes should be. A synced file whose
//! name was not synced with its directory may be gone. That is all that ext4 with `noauto_da_alloc` does, and more: it
//! keeps the changes of different directories in order, this disk does not.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use crate::Disk;

#[derive(Debug, Clone, Default)]
struct Content {
    lasting: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Append(Vec<u8>),
    Empty,
}

#[derive(Debug, Clone, Default)]
struct Names {
    lasting: BTreeMap<String, usize>,
    pending: Vec<Link>,
}

#[derive(Debug, Clone)]
enum Link {
    Add(String, usize),
    Move(String, String),
    Remove(String),
}

#[derive(Debug, Clone)]
enum Node {
    File(Content),
    Dir(Names),
}

/// The fault that an operation meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The power fails before this change.
    Cut(usize),
    /// From this change on there is no room: only removing works.
    Full(usize),
}

/// The disk; the root directory `/` is there.
#[derive(Debug, Clone)]
pub struct PowerDisk {
    nodes: Vec<Node>,
    fault: Fault,
    /// Changes and syncs so far.
    done: usize,
}

impl Default for PowerDisk {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Dir(Names::default())],
            fault: Fault::None,
            done: 0,
        }
    }
}

/// Cuts the power before each change that `work` makes on a copy of `disk`, and after the last, and gives `check` the
/// disk as it may be found afterwards: with nothing of what was not synced, with all of it, and with `random` parts of
/// it drawn by chance.
pub fn every_cut(
    disk: &PowerDisk,
    random: u64,
    mut work: impl FnMut(&mut PowerDisk),
    mut check: impl FnMut(&mut PowerDisk),
) {
    for at in 0.. {
        let mut cut = disk.clone();
        (cut.fault, cut.done) = (Fault::Cut(at), 0);
        work(&mut cut);
        check(&mut cut.reboot(|_| 0));
        check(&mut cut.reboot(|choices| choices - 1));
        for seed in 0..random {
            let mut dice = Dice::new(seed * 1_000_003 + at as u64);
            check(&mut cut.reboot(|choices| dice.below(choices)));
        }
        if cut.done <= at {
            return;
        }
    }
}

/// Lets the disk be full from each change on that `work` makes on a copy of it, and gives `check` what `work` came to
/// and the disk, which has room again.
pub fn every_full_disk<T>(
    disk: &PowerDisk,
    mut work: impl FnMut(&mut PowerDisk) -> T,
    mut check: impl FnMut(T, &mut PowerDisk),
) {
    for at in 0.. {
        let mut full = disk.clone();
        (full.fault, full.done) = (Fault::Full(at), 0);
        let result = work(&mut full);
        let over = full.done <= at;
        full.fault = Fault::None;
        check(result, &mut full);
        if over {
            return;
        }
    }
}

/// Pseudorandom numbers (xorshift64*) that a seed repeats.
pub struct Dice(u64);

impl Dice {
    /// The same dice for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to `choices - 1`.
    pub fn below(&mut self, choices: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % choices.max(1)
    }
}

impl PowerDisk {
    /// The disk after the power came back; `choose` picks a number below the one it is given.
    #[must_use]
    pub fn reboot(&self, mut choose: impl FnMut(usize) -> usize) -> Self {
        let survive = |node: &Node| match node {
            Node::File(content) => Node::File(content.survive(&mut choose)),
            Node::Dir(names) => Node::Dir(Names {
                lasting: names.after(choose(names.pending.len() + 1)),
                pending: Vec::new(),
            }),
        };
        Self {
            nodes: self.nodes.iter().map(survive).collect(),
            ..Self::default()
        }
    }

    /// Counts a change; says how it fails, if it does.
    fn change(&mut self, removes: Removes) -> io::Result<()> {
        let at = self.done;
        self.done += 1;
        match self.fault {
            Fault::Cut(cut) if at >= cut => Err(io::Error::other("the power is off")),
            Fault::Full(full) if at >= full && removes == Removes::No => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut node = 0;
        for part in path.components() {
            let name = match part {
                Component::RootDir => continue,
                Component::Normal(name) => name.to_str().ok_or(io::ErrorKind::InvalidFilename)?,
                _ => return Err(io::ErrorKind::InvalidFilename.into()),
            };
            let Node::Dir(names) = &self.nodes[node] else {
                return Err(io::ErrorKind::NotADirectory.into());
            };
            node = *names.now().get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    fn names(&mut self, dir: &Path) -> io::Result<&mut Names> {
        let at = self.find(dir)?;
        match &mut self.nodes[at] {
            Node::Dir(names) => Ok(names),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&mut self, path: &Path) -> io::Result<&mut Content> {
        let at = self.find(path)?;
        match &mut self.nodes[at] {
            Node::File(content) => Ok(content),
            Node::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let at = self.nodes.len();
        let (dir, name) = split(path)?;
        self.names(dir)?.pending.push(Link::Add(name, at));
        self.nodes.push(node);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removes {
    Yes,
    No,
}

fn split(path: &Path) -> io::Result<(&Path, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name) {
        (Some(dir), Some(name)) => Ok((dir, name.to_owned())),
        _ => Err(io::ErrorKind::InvalidFilename.into()),
    }
}

impl Names {
    fn after(&self, changes: usize) -> BTreeMap<String, usize> {
        let mut names = self.lasting.clone();
        for link in &self.pending[..changes] {
            match link {
                Link::Add(name, node) => drop(names.insert(name.clone(), *node)),
                Link::Remove(name) => drop(names.remove(name)),
                Link::Move(from, to) => {
                    if let Some(node) = names.remove(from) {
                        names.insert(to.clone(), node);
                    }
                }
            }
        }
        names
    }

    fn now(&self) -> BTreeMap<String, usize> {
        self.after(self.pending.len())
    }
}

impl Content {
    fn now(&self) -> Vec<u8> {
        let mut bytes = self.lasting.clone();
        for change in &self.pending {
            match change {
                Change::Append(more) => bytes.extend_from_slice(more),
                Change::Empty => bytes.clear(),
            }
        }
        bytes
    }

    fn survive(&self, choose: &mut impl FnMut(usize) -> usize) -> Self {
        let mut kept = self.clone();
        kept.pending.truncate(choose(self.pending.len() + 1));
        if let Some(Change::Append(last)) = kept.pending.last_mut() {
            // The length may be there before the bytes are; the last choice is that all is well.
            match choose(3) {
                0 => last.truncate(choose(last.len() + 1)),
                1 => last.fill(0),
                _ => {}
            }
        }
        Self {
            lasting: kept.now(),
            pending: Vec::new(),
        }
    }
}

impl Disk for PowerDisk {
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.names(dir)?.now().into_keys().collect())
    }

    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = self.content(path)?.now();
        if bytes.len() as u64 > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        self.change(Removes::No)?;
        if self.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.add(path, Node::Dir(Names::default()))
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        self.change(Removes::No)?;
        if self.find(path).is_err() {
            return self.add(path, Node::File(Content::default()));
        }
        self.content(path)?.pending.push(Change::Empty);
        Ok(())
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let room = self.change(Removes::No);
        let content = self.content(path)?;
        if let Err(error) = room {
            // A disk that gets full, or power that fails, leaves a part of it.
            let part = bytes[..bytes.len() / 2].to_vec();
            content.pending.push(Change::Append(part));
            return Err(error);
        }
        content.pending.push(Change::Append(bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.change(Removes::No)?;
        let content = self.content(path)?;
        content.lasting = content.now();
        content.pending.clear();
        Ok(())
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.change(Removes::No)?;
        let names = self.names(dir)?;
        names.lasting = names.now();
        names.pending.clear();
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(Removes::No)?;
        self.find(from)?;
        if matches!(self.find(to).map(|at| &self.nodes[at]), Ok(Node::Dir(_))) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let ((dir, from), (same, to)) = (split(from)?, split(to)?);
        assert_eq!(dir, same, "a rename stays in its directory");
        self.names(dir)?.pending.push(Link::Move(from, to));
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.change(Removes::Yes)?;
        self.content(path)?;
        let (dir, name) = split(path)?;
        self.names(dir)?.pending.push(Link::Remove(name));
        Ok(())
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        self.change(Removes::Yes)?;
        if !self.names(path)?.now().is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (dir, name) = split(path)?;
        self.names(dir)?.pending.push(Link::Remove(name));
        Ok(())
    }
}
