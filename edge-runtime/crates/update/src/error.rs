//! Why an update is refused or cannot be done.

use std::io;
use std::path::PathBuf;

use super::{KEYS, UPDATE_MANIFEST};
use inference::bundle::BundleError;

/// What an error means to a caller: one kind an exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was named is not there.
    NoInput,
    /// What was given is damaged or does not fit.
    Data,
    /// What was given may be whole, but nobody who may has vouched for it, or not for installing it now.
    Untrusted,
    /// A server cannot be reached or does not have it.
    Unavailable,
    /// Trying again later may help.
    Temporary,
    /// A file could not be read or written.
    Io,
    /// The device is not set up for updates.
    Config,
}

/// Why an update is refused or cannot be done; the bundle that runs goes on in every case.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no such file or directory.
    #[error("open update: {0} does not exist")]
    Missing(String),
    /// A directory holds neither an update nor a channel.
    #[error("open update: {0} has neither {UPDATE_MANIFEST} nor channel.json")]
    Nothing(PathBuf),
    /// An update could not be read.
    #[error("read {what}: {source}")]
    Read {
        /// Name of the file that was read.
        what: String,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The state of the device could not be read or written.
    #[error("write {path}: {source}; the bundle that runs is untouched")]
    Disk {
        /// Path of the file that was written.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// Something is larger than this program takes.
    #[error("read {what}: more than the limit of {limit} bytes")]
    TooLarge {
        /// Name of the file that is meant.
        what: String,
        /// Most bytes that it may have.
        limit: u64,
    },
    /// The update ends too early.
    #[error("read {0}: it ends too early; copy or download it again")]
    Truncated(String),
    /// The archive is no tar.
    #[error("read archive: {0}; copy or download it again")]
    Archive(String),
    /// The archive holds something that does not belong there.
    #[error("read archive: entry `{name}` {reason}")]
    Entry {
        /// Name of the entry, with anything but plain ASCII escaped.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A signature is not there.
    #[error("check {0}: it is not signed: there is no {0}.minisig")]
    Unsigned(String),
    /// A signature has not the form of minisign.
    #[error("check {what}: its signature cannot be read: {reason}")]
    Signature {
        /// Name of the signed file.
        what: String,
        /// What is wrong with it, in words for people.
        reason: String,
    },
    /// The key is not one of those that may sign.
    #[error("check {0}: signed by a key that this device does not trust")]
    UnknownKey(String),
    /// The signature was made for something else.
    #[error("check {0}: the signature does not fit: it was changed after it was signed")]
    Changed(String),
    /// A key cannot be read.
    #[error("read key {name}: {reason}")]
    Key {
        /// Name of the entry, as the archive gives it.
        name: String,
        /// Why it is refused, in words for people.
        reason: String,
    },
    /// The device has no key list yet, so nobody may sign.
    #[error("check update: this device has no key list; give one that the root key signed, as {KEYS} in the update")]
    NoKeys,
    /// Signed, but not of the form that this program reads.
    #[error("parse {what}: {reason}")]
    Form {
        /// Name of the file that is meant.
        what: String,
        /// What is wrong with it, in words for people.
        reason: String,
    },
    /// The networks take or give something else than this program understands.
    #[error("check {UPDATE_MANIFEST}: the bundle follows contract {found}, this program follows contracts up to {own}")]
    Contract {
        /// The number in the update manifest.
        found: u32,
        /// The newest that this program follows.
        own: u32,
    },
    /// The program is too old.
    #[error("check {UPDATE_MANIFEST}: the bundle needs edge-runtime {needed}, this is {own}: update the program first")]
    Runtime {
        /// Least version of the program that the bundle needs.
        needed: String,
        /// Version of this very program.
        own: String,
    },
    /// The version is not above the floor.
    #[error(
        "check {UPDATE_MANIFEST}: version {found} is not above {floor}, which this device has reached; sign a new version"
    )]
    Older {
        /// The number in the update manifest.
        found: u32,
        /// Version below which this device installs nothing.
        floor: u32,
    },
    /// The same bundle was tried and rolled back.
    #[error(
        "check {UPDATE_MANIFEST}: this very bundle, version {0}, was tried here and rolled back; sign a new version"
    )]
    RolledBack(u32),
    /// A signed document is older than one that was seen, or differs from it at the same version.
    #[error("check {what}: version {found} is older than {seen}, which this device has seen, or differs from it")]
    Replayed {
        /// Name of the signed document.
        what: &'static str,
        /// Version of the document that came.
        found: u32,
        /// Version that the device has seen before.
        seen: u32,
    },
    /// A channel is too old to be believed.
    #[error("check channel.json: it expired {days} days ago: the mirror stands still, or this device's clock is wrong")]
    Expired {
        /// Whole days since the channel expired.
        days: u64,
    },
    /// A file has other bytes than the update manifest says.
    #[error("check `{path}`: sha-256 is {found} instead of the signed {expected}")]
    Hash {
        /// Name of the file in the update.
        path: String,
        /// SHA-256 in the update manifest, in hexadecimal.
        expected: String,
        /// SHA-256 of what came, in hexadecimal.
        found: String,
    },
    /// A file has another size than the update manifest says.
    #[error("check `{path}`: {found} bytes instead of the signed {expected}")]
    Size {
        /// Name of the file in the update.
        path: String,
        /// Size in the update manifest, in bytes.
        expected: u64,
        /// Size of what came, in bytes.
        found: u64,
    },
    /// The bundle does not work.
    #[error("try bundle: {0}")]
    Probe(String),
    /// The bundle of a slot cannot be used.
    #[error("open slot: {0}")]
    Bundle(#[from] BundleError),
    /// A slot is not what it was when it was sealed.
    #[error("open slot {id}: {reason}")]
    Slot {
        /// Name of the slot: the SHA-256 of its update manifest.
        id: String,
        /// What is wrong with it, in words for people.
        reason: String,
    },
    /// Another process changes the state.
    #[error("lock {0}: another update is under way; try again when it is done")]
    Busy(PathBuf),
    /// The record cannot be understood.
    #[error("read {path}: {reason}")]
    Record {
        /// Path of the device's `record.json`.
        path: PathBuf,
        /// What is wrong with it, in words for people.
        reason: String,
    },
    /// A server cannot be reached, or does not have what was asked for.
    #[error("download {url}: {reason}")]
    Network {
        /// Address that was asked for.
        url: String,
        /// Why the request failed, in words for people.
        reason: String,
    },
    /// An address is none that this program takes.
    #[error("download {0}: only https:// addresses are taken")]
    Scheme(String),
    /// The program was built without the feature.
    #[error("download {0}: this program was built without the feature `update`; copy the file to the device")]
    NoNetwork(String),
    /// Neither an argument nor the configuration names a source.
    #[error("find update: name a file, directory or address, or set `channel` under [update] in the configuration")]
    NoSource,
    /// The configuration has no section for updates.
    #[error("find update: the configuration has no [update] section")]
    NotSetUp,
}

impl UpdateError {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) | Self::Nothing(_) => Kind::NoInput,
            Self::Read { source, .. } | Self::Disk { source, .. } if is_network(source.kind()) => Kind::Unavailable,
            Self::Read { .. } | Self::Disk { .. } => Kind::Io,
            Self::Unsigned(_)
            | Self::Signature { .. }
            | Self::UnknownKey(_)
            | Self::Changed(_)
            | Self::NoKeys
            | Self::Older { .. }
            | Self::RolledBack(_)
            | Self::Replayed { .. }
            | Self::Expired { .. } => Kind::Untrusted,
            Self::TooLarge { .. }
            | Self::Truncated(_)
            | Self::Archive(_)
            | Self::Entry { .. }
            | Self::Form { .. }
            | Self::Contract { .. }
            | Self::Runtime { .. }
            | Self::Hash { .. }
            | Self::Size { .. }
            | Self::Probe(_)
            | Self::Bundle(_)
            | Self::Slot { .. }
            | Self::Record { .. } => Kind::Data,
            Self::Busy(_) => Kind::Temporary,
            Self::Network { .. } | Self::NoNetwork(_) => Kind::Unavailable,
            Self::Key { .. } | Self::NotSetUp | Self::NoSource | Self::Scheme(_) => Kind::Config,
        }
    }

    /// The error of reading something that may end, grow or break while it is read.
    pub(super) fn reading(what: &str, limit: u64, source: io::Error) -> Self {
        let what = what.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(what),
            io::ErrorKind::FileTooLarge => Self::TooLarge { what, limit },
            io::ErrorKind::UnexpectedEof => Self::Truncated(what),
            _ => Self::Read { what, source },
        }
    }
}

fn is_network(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset | TimedOut)
}
