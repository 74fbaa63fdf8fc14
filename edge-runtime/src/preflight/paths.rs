//! Files that are read and directories that are written to. Nothing is made, and no link is followed to make anything.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use durable::outbox::{Holder, Outbox};
use rustix::fs::{Access, FsWord, PROC_SUPER_MAGIC, access, statfs};
use update::Store;

use super::Finding;
use crate::config::{Config, UpdateConfig};
use crate::owner::as_owner;
use crate::sink::settings::MqttConfig;

/// Kind of the file system in `/sys`.
const SYSFS_MAGIC: FsWord = 0x6265_6572;

/// Whether a directory can be written to, or made where it is not there.
pub(super) fn directory(check: &'static str, path: &Path, cure: &str) -> Finding {
    match writable(path) {
        Ok(()) => Finding::good(check, path.display().to_string()),
        Err(why) => Finding::bad(check, format!("{}: {why}", path.display()), cure),
    }
}

/// Whether events can be kept in a directory. Who holds it is told, no more: it may be the very kiosk that is to reload.
pub(super) fn outbox(check: &'static str, path: &Path, cure: &str) -> Finding {
    let place = directory(check, path, cure);
    let holder = as_owner(path, Outbox::holder).ok().flatten();
    match holder.filter(|_| place.ok) {
        Some(Holder::Process(pid)) => Finding::good(check, format!("{} is held by process {pid}", path.display())),
        Some(_) => Finding::good(check, format!("{} is held by a program that runs", path.display())),
        None => place,
    }
}

fn writable(path: &Path) -> Result<(), String> {
    let metadata = match fs::metadata(path) {
        // It is made; the nearest directory that is there must allow it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            return writable(above.unwrap_or(Path::new(".")));
        }
        Err(error) => return Err(error.to_string()),
        Ok(metadata) => metadata,
    };
    if !metadata.is_dir() {
        return Err(format!("{} is no directory", path.display()));
    }
    // Root may write there, and nothing can be made there.
    let kind = statfs(path).map_err(|error| io::Error::from(error).to_string())?.f_type;
    if kind == PROC_SUPER_MAGIC || kind == SYSFS_MAGIC {
        return Err(format!("{} shows the system itself and keeps no files", path.display()));
    }
    access(path, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| match error {
        rustix::io::Errno::ACCESS => format!("this user may not write to {}", path.display()),
        error => io::Error::from(error).to_string(),
    })
}

/// What stands where the directory of the pause should be; `None` where nothing does. That this user may not write there
/// is not asked: the service runs as another one.
pub(super) fn state(path: &Path) -> Option<Finding> {
    let why = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "is no directory",
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => "lies below a file",
        Err(_) => return None,
    };
    let found = format!("{} {why}: a pause would end with a restart", path.display());
    Some(Finding::bad("state", found, "name a directory as `state`"))
}

/// Whether the directory for updates can be written.
pub(super) fn update(config: &UpdateConfig) -> Finding {
    let place = directory("update", &config.state, "name another directory as `update.state`");
    if !place.ok {
        return place;
    }
    // Whoever owns the directory has put there what is read.
    let told = |error: String, at: &Path| {
        let (at, named) = (at.display().to_string(), config.state.display().to_string());
        error.replace(&at, &named)
    };
    let record = as_owner(&config.state, |state| {
        Store::peek(state).map_err(|error| told(error.to_string(), state))
    });
    let record = record.map_err(|error| format!("{}: {error}", config.state.display()));
    match record.flatten() {
        Ok(record) => match record.state.current {
            Some(slot) => Finding::good("update", format!("bundle version {} is installed", slot.version)),
            None => Finding::good("update", "the packaged bundle runs"),
        },
        Err(error) => Finding::bad(
            "update",
            error,
            "`run` sets it aside and begins a new one; the packaged bundle runs then",
        ),
    }
}

/// User name, password and certificates.
#[cfg(feature = "mqtt")]
pub(super) fn login(config: &MqttConfig) -> Finding {
    if let Err(error) = crate::sink::mqtt::check(config) {
        return Finding::bad("mqtt", error.to_string(), "mend what [sink.mqtt] names");
    }
    Finding::good("mqtt", "credentials and certificates can be read")
}

#[cfg(not(feature = "mqtt"))]
pub(super) fn login(_: &MqttConfig) -> Finding {
    Finding::bad(
        "mqtt",
        "this program was built without it",
        "build with `--features mqtt`",
    )
}

/// The directories that are written to, each with the check that it belongs to.
pub(super) fn written(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let mqtt = config.sink.mqtt.as_ref().map(|mqtt| &mqtt.outbox.dir);
    let webhook = config.sink.webhook.as_ref().map(|webhook| &webhook.outbox.dir);
    let counts = config.counts.as_ref().map(|counts| &counts.dir);
    let update = config.update.as_ref().map(|update| &update.state);
    [
        ("state", Some(&config.state)),
        ("outbox", mqtt),
        ("webhook outbox", webhook),
        ("counts", counts),
        ("update", update),
    ]
    .into_iter()
    .filter_map(|(check, dir)| Some((check, dir?.as_path())))
}

/// The first link on the way to a directory that is written to which somebody else than root has made: it may lead anywhere.
pub(super) fn led_astray(config: &Config) -> Option<PathBuf> {
    let foreign = |path: &&Path| {
        let link = fs::symlink_metadata(path);
        link.is_ok_and(|link| link.is_symlink() && link.uid() != 0)
    };
    written(config)
        .flat_map(|(_, dir)| dir.ancestors())
        .find(foreign)
        .map(Path::to_path_buf)
}
