//! New bundles on a device that nobody can visit: only what is signed gets in, only what works stays.
//!
//! # What is delivered
//!
//! An update is a plain tar with `update.json` (the [`UpdateManifest`]: version, contract, least version of this program,
//! size and SHA-256 of every file), its minisign signature `update.json.minisig`, and the files of one bundle in the
//! order of the update manifest; or a directory with the same files. In front may stand `keys.json` with its signature: the
//! [`KeyList`] of those who may sign, itself signed by the root key that the device was installed with. A [`Channel`]
//! says which update is newest for a share of all devices. All of it is static files: any web server, mirror or memory
//! stick serves a fleet.
//!
//! # What is checked, in this order
//!
//! 1. Size caps, before anything is read.
//! 2. Signatures, before anything is parsed: key list by the root key, update manifest by a key of the list.
//! 3. The update manifest: known form, contract, version of this program, and a version above the floor.
//! 4. Names and hashes, while the files are written to a directory that nothing reads from.
//! 5. In a process of its own with limited memory and time ([`probe`]): the structure of the networks, loading them,
//!    their golden vectors.
//!
//! # What is kept
//!
//! A bundle lies in a slot named after the SHA-256 of its update manifest, and never changes there. One [`Record`] says which
//! slot is current, previous and on trial; it is replaced as a whole ([`durable::replace`]), so that a power cut
//! at any moment leaves a valid choice. A new bundle is on trial until it has judged frames for a while
//! ([`Health`]); then it becomes current and its version the floor below which nothing is installed any more. A trial
//! that crashes, hangs or gives no sound output is over after [`TRIES`] starts. The factory bundle of the package is
//! never touched and runs where nothing else does. [`State`] holds these rules without any file.
//!
//! # Time
//!
//! A device may not know the time when it starts, so no rule that keeps old bundles out depends on it: versions only
//! grow. A channel's expiry only tells a device that its mirror stands still; it is compared with the latest time
//! that a signature vouched for or the clock shows.
//!
//! # Left out
//!
//! Differences between bundles, resumed downloads (bundles are some ten megabytes), thresholds of several signatures,
//! and the program itself: it comes as the operating system's package.
#![forbid(unsafe_code)]

mod archive;
mod channel;
mod error;
#[cfg(feature = "http")]
mod fetch;
#[cfg(not(feature = "http"))]
#[path = "no_fetch.rs"]
mod fetch;
mod health;
mod install;
mod keys;
mod manager;
mod offer;
#[cfg(any(test, feature = "sign"))]
mod pack;
pub mod probe;
mod record;
mod sign;
#[cfg(test)]
mod signing;
mod source;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod update_manifest;

pub use archive::{Capped, DirParts, Parts, Take, TarParts};
pub use channel::{Channel, Device, Release, SHARE_WHOLE, SeenChannel, clock_s};
pub use error::{Kind, UpdateError};
pub use fetch::Web;
pub use health::{Counts, Health};
pub use install::{Installed, Installer, Probe};
pub use keys::{KeyList, Trust};
pub use manager::{BundleManager, Log, Networks, factory_version};
pub use offer::Offer;
#[cfg(any(test, feature = "sign"))]
pub use pack::{describe, pack};
pub use probe::Limits;
pub use record::{Found, Record, Status};
pub use sign::Signed;
pub use source::{Outcome, Source, Task, open_archive, update, update_from};
pub use state::{Choice, Event, Slot, State, TRIES};
pub use store::Store;
pub use update_manifest::{FileEntry, UpdateManifest, Version};

/// Name of the update manifest in an update.
pub const UPDATE_MANIFEST: &str = "update.json";
/// Name of the key list in an update and beside a channel.
pub const KEYS: &str = "keys.json";
/// Name of the channel in a directory or on a server.
pub const CHANNEL: &str = "channel.json";
/// What the name of a signature ends in, after the name of what it signs.
pub const SIGNATURE: &str = ".minisig";

/// Most bytes that an update may have.
pub const MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Most bytes of an update manifest, a key list or a channel.
pub const MAX_SIGNED_BYTES: u64 = 64 * 1024;
/// Most bytes of a signature.
pub const MAX_SIGNATURE_BYTES: u64 = 4 * 1024;
