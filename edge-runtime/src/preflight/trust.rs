//! What a configuration trusts: nobody but root and who runs the program may change it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, paths};
use crate::config::{Config, Origin};

/// Bits of a mode by which a group, or everybody, may write.
const GROUP: u32 = 0o020;
const EVERYBODY: u32 = 0o002;

/// The files with secrets, certificates and keys, each with the check that they belong to. The bundle is checked by itself.
fn files(config: &Config) -> Vec<(&'static str, &Path)> {
    let mut files: Vec<(&'static str, Option<&PathBuf>)> = Vec::new();
    if let Origin::Stream(stream) = &config.source.origin {
        files.push(("source", stream.credentials_file.as_ref()));
    }
    if let Some(mqtt) = &config.sink.mqtt {
        let tls = mqtt.tls.as_ref();
        let identity = tls.and_then(|tls| tls.identity.as_ref());
        files.extend([
            ("mqtt", mqtt.credentials_file.as_ref()),
            ("mqtt", tls.and_then(|tls| tls.ca_file.as_ref())),
            ("mqtt", identity.map(|identity| &identity.cert_file)),
            ("mqtt", identity.map(|identity| &identity.key_file)),
        ]);
    }
    if let Some(webhook) = &config.sink.webhook {
        files.extend([
            ("webhook", Some(&webhook.secret_file)),
            ("webhook", webhook.ca_file.as_ref()),
        ]);
    }
    if let Some(page) = &config.page {
        let tls = page.tls.as_ref();
        files.extend([
            ("page", page.token_file.as_ref()),
            ("page", tls.map(|tls| &tls.cert_file)),
            ("page", tls.map(|tls| &tls.key_file)),
        ]);
    }
    if let Some(update) = &config.update {
        files.extend([("keys", Some(&update.keys)), ("update", update.ca_file.as_ref())]);
    }
    let named = files.into_iter();
    named
        .filter_map(|(check, file)| Some((check, file?.as_path())))
        .collect()
}

/// A finding for each file with secrets that other users can change, and each directory of state that a mode opens to them.
/// Who owns such a directory is not asked: it is the service's, whoever looks.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let exposed = |(check, file): (&'static str, &Path)| {
        let found = others_can_write(file)?;
        let found = found.display();
        let cure = format!("sudo chmod go-w {found}, and chown root where another user has it");
        Some(Finding::bad(
            check,
            format!("{found} can be changed by other users"),
            cure,
        ))
    };
    let secrets = files(config).into_iter().filter_map(exposed);
    secrets.chain(paths::written(config).filter_map(open_dir)).collect()
}

fn open_dir((check, dir): (&'static str, &Path)) -> Option<Finding> {
    let found = open_to_others(dir)?;
    let found = found.display();
    let cure = format!("sudo chmod go-w {found}");
    let what = "can be changed by other users, who could put there what this program believes";
    Some(Finding::bad(check, format!("{found} {what}"), cure))
}

/// What a configuration trusts, the bundle and the state included, and anybody may change. That another user owns it is told
/// by the doctor, no more: so it is with a checkout in a container.
pub(super) fn untrusted(config: &Config) -> Option<PathBuf> {
    let files = files(config).into_iter().chain(paths::written(config));
    let mut all = [config.bundle.as_path()].into_iter().chain(files.map(|(_, file)| file));
    all.find_map(open_to_others)
}

/// The first of a file, or of a directory and what is directly in it, that a mode lets others change.
pub(super) fn open_to_others(path: &Path) -> Option<PathBuf> {
    first(path, is_open)
}

/// The first of a file, or of a directory and what is directly in it, that other users can change; `None` where only root
/// and who runs this program can.
pub(super) fn others_can_write(path: &Path) -> Option<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    first(path, |metadata| {
        ![0, user].contains(&metadata.uid()) || is_open(metadata)
    })
}

/// Whether its mode lets a group of others, or everybody, write.
fn is_open(metadata: &Metadata) -> bool {
    let group = rustix::process::getegid().as_raw();
    let by_a_group = metadata.mode() & GROUP != 0 && ![0, group].contains(&metadata.gid());
    by_a_group || metadata.mode() & EVERYBODY != 0
}

fn first(path: &Path, is: impl Fn(&Metadata) -> bool) -> Option<PathBuf> {
    if is(&fs::metadata(path).ok()?) {
        return Some(path.to_path_buf());
    }
    let entries = fs::read_dir(path).ok()?.filter_map(Result::ok);
    let mut entries = entries.map(|entry| entry.path());
    entries.find(|entry| fs::metadata(entry).is_ok_and(|metadata| is(&metadata)))
}
