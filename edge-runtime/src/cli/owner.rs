//! Root gives itself up before it touches what belongs to the service.
//!
//! Whoever owns the directory of bundles can put links in place of anything in it. So root opens the directory, goes into
//! it, and becomes its owner for good: what a link leads to is then opened with the rights of whoever made the link.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use rustix::process::fchdir;
use update::UpdateError;

/// Makes this process that of the directory's owner, if it is root's; gives the path that the directory has from now on.
/// A directory that is not there is made.
pub(super) fn become_owner(state: &Path) -> Result<PathBuf, UpdateError> {
    let failed = |source| UpdateError::Disk {
        path: state.to_path_buf(),
        source,
    };
    if !geteuid().is_root() {
        return Ok(state.to_path_buf());
    }
    fs::create_dir_all(state).map_err(failed)?;
    let dir = fs::File::open(state).map_err(failed)?;
    let metadata = dir.metadata().map_err(failed)?;
    if !metadata.is_dir() || metadata.uid() == 0 {
        return Ok(state.to_path_buf());
    }
    // The way to it may be closed for its owner: systemd keeps such directories below one that is root's alone.
    fchdir(dir.as_fd()).map_err(|error| failed(error.into()))?;
    let (user, group) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    let given_up = setgroups(&[])
        .and_then(|()| setresgid(group, group, group))
        .and_then(|()| setresuid(user, user, user));
    given_up.map_err(|error| failed(error.into()))?;
    Ok(PathBuf::from("."))
}
