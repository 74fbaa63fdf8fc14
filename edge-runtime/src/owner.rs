//! Root gives itself up before it touches what belongs to the service.
//!
//! Whoever owns a directory can put links in place of anything in it. So root goes to such a directory step by step,
//! follows no link but its own, and where it comes into a directory of somebody else, becomes that user: what lies further
//! on is then opened with the rights of whoever put it there. A program that only works there does so for good
//! ([`become_owner`]); one that needs root afterwards looks there in a thread of its own ([`as_owner`]).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::{panic, thread};

use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::process::fchdir;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Most links on the way.
const MAX_LINKS: usize = 40;

/// Group of users that the machine does not know, in place of root's.
const NOBODY: u32 = 65_534;

/// What becomes of directories that are not there, as long as the way to them is root's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They are made.
    Made,
    /// They stay away, and the way ends before them.
    Left,
}

/// Sees to it that no file that this process makes can be changed by other users, and every one by its own, whatever it
/// was started with.
pub fn keep_files_own() {
    let given = rustix::process::umask(Mode::from_raw_mode(0o077));
    let (others_write, own) = (Mode::WGRP | Mode::WOTH, Mode::RWXU);
    rustix::process::umask((given | others_write) - own);
}

/// Makes this process that of whoever owns the directory or the way to it, if it is root's; gives the path that the
/// directory has from now on.
///
/// # Errors
/// A way that cannot be gone, or a link of another user on it.
pub fn become_owner(dir: &Path, missing: Missing) -> io::Result<PathBuf> {
    match foreign(dir, missing)? {
        None => Ok(dir.to_path_buf()),
        Some(foreign) => foreign.enter(),
    }
}

/// Looks into a directory with the rights of whoever owns it or the way to it, if this process is root's, which it stays.
/// `look` gets the path that the directory has for it.
///
/// # Errors
/// A way that cannot be gone, or a link of another user on it.
pub fn as_owner<T: Send>(dir: &Path, look: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
    match foreign(dir, Missing::Left)? {
        None => Ok(look(dir)),
        Some(foreign) => foreign.lend(look),
    }
}

/// Whether nobody else can lead this process to another place than the one that it was told: root's whole way is its own.
/// Other users have no more rights there than whoever leads them.
pub fn is_own_way(dir: &Path) -> bool {
    foreign(dir, Missing::Left).is_ok_and(|foreign| foreign.is_none())
}

/// The first directory of somebody else's on the way of root to a directory; `None` for other users, who have no more
/// rights there than they should.
fn foreign(dir: &Path, missing: Missing) -> io::Result<Option<Foreign>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    walk(&std::path::absolute(dir)?, missing)
}

/// A directory of somebody else's, and the way from there on.
struct Foreign {
    dir: OwnedFd,
    user: u32,
    group: u32,
    rest: PathBuf,
}

impl Foreign {
    /// Goes into the directory and becomes its owner; gives the rest of the way.
    fn enter(self) -> io::Result<PathBuf> {
        // The way to it may be closed for its owner: systemd keeps such directories below one that is root's alone.
        fchdir(self.dir.as_fd())?;
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        setgroups(&[])
            .and_then(|()| setresgid(group, group, group))
            .and_then(|()| setresuid(user, user, user))?;
        Ok(Path::new(".").join(self.rest))
    }

    /// Looks at the end of the way in a thread that belongs to the directory's owner.
    fn lend<T: Send>(self, look: impl FnOnce(&Path) -> T + Send) -> io::Result<T> {
        // As above, and the working directory is that of all threads: the open directory is where this way begins.
        let mut way = PathBuf::from(format!("/proc/self/fd/{}", self.dir.as_raw_fd()));
        way.extend(&self.rest);
        let (user, group) = (
            rustix::process::Uid::from_raw(self.user),
            rustix::process::Gid::from_raw(self.group),
        );
        let owner = || -> io::Result<T> {
            set_thread_groups(&[])?;
            set_thread_res_gid(group, group, group)?;
            set_thread_res_uid(user, user, user)?;
            Ok(look(&way))
        };
        thread::scope(|scope| {
            let owner = thread::Builder::new().spawn_scoped(scope, owner)?;
            owner.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }
}

/// Goes along an absolute way, up to its end or to the first directory that is not root's.
fn walk(way: &Path, missing: Missing) -> io::Result<Option<Foreign>> {
    let mut steps = steps(way);
    let mut dir = open(CWD, OsStr::new("/"))?;
    let mut links = 0;
    while let Some(step) = steps.pop_front() {
        let Some(target) = own_link(&dir, &step)? else {
            dir = match enter(&dir, &step, missing) {
                Err(error) if missing == Missing::Left && error.kind() == io::ErrorKind::NotFound => return Ok(None),
                entered => entered?,
            };
            let stat = fstat(&dir)?;
            if stat.st_uid != 0 {
                let rest = steps.into_iter().collect();
                let (user, group) = (stat.st_uid, group(&stat));
                return Ok(Some(Foreign { dir, user, group, rest }));
            }
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        if target.is_absolute() {
            dir = open(CWD, OsStr::new("/"))?;
        }
        for step in self::steps(&target).into_iter().rev() {
            steps.push_front(step);
        }
    }
    Ok(None)
}

/// The group that comes with the owner: its own. That of the directory may be root's, or one that the directory above it
/// handed on, and its owner be in neither.
fn group(stat: &Stat) -> u32 {
    match User::from_uid(Uid::from_raw(stat.st_uid)) {
        Ok(Some(user)) => user.gid.as_raw(),
        _ if stat.st_gid == 0 => NOBODY,
        _ => stat.st_gid,
    }
}

/// The names on a way, `..` among them.
fn steps(way: &Path) -> VecDeque<OsString> {
    way.components()
        .filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir))
        .map(|step| step.as_os_str().to_owned())
        .collect()
}

/// Where a link of root's leads to; `None` for what is no link.
fn own_link(dir: &OwnedFd, name: &OsStr) -> io::Result<Option<PathBuf>> {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        stat => stat?,
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(None);
    }
    if stat.st_uid != 0 {
        let name = Path::new(name).display();
        let why = format!("root does not follow {name}, a link of user {}", stat.st_uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let target = readlinkat(dir, name, Vec::new())?;
    Ok(Some(PathBuf::from(OsString::from_vec(target.into_bytes()))))
}

/// Opens a directory, which may be made where it is not there.
fn enter(dir: &OwnedFd, name: &OsStr, missing: Missing) -> io::Result<OwnedFd> {
    match open(dir, name) {
        Err(error) if missing == Missing::Made && error.kind() == io::ErrorKind::NotFound => {
            match mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => open(dir, name),
                Err(error) => Err(error.into()),
            }
        }
        opened => opened,
    }
}

/// Opens a directory, and no link to one.
fn open(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    use nix::unistd::{getegid, getgroups};

    use super::*;

    #[test]
    fn root_keeps_no_group_that_the_owner_of_a_directory_is_not_in() {
        if !geteuid().is_root() {
            return testing::skip("only root can become another user");
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let treasure = dir.path().join("treasure");
        fs::write(&treasure, "for root's group").unwrap();
        fs::set_permissions(&treasure, fs::Permissions::from_mode(0o640)).unwrap();
        let state = dir.path().join("state");
        fs::create_dir(&state).unwrap();
        std::os::unix::fs::symlink(&treasure, state.join("link")).unwrap();
        // The user `nobody` is known and has a group of its own; the other is known to nobody.
        for (user, group, expected) in [
            (61_234, 0, NOBODY),
            (61_234, 61_235, 61_235),
            (65_534, 0, 65_534),
            (65_534, 4, 65_534),
        ] {
            chown(&state, Some(user), Some(group)).unwrap();
            let looked = as_owner(&state, |dir| {
                let groups = getgroups().unwrap();
                // Neither capabilities nor what files would be opened with.
                let status = fs::read_to_string("/proc/thread-self/status").unwrap();
                for (field, none) in [("CapPrm", 0), ("CapEff", 0), ("CapAmb", 0)] {
                    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
                    let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16);
                    assert_eq!(bits, Ok(none), "{line}");
                }
                let uids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
                assert_eq!(
                    uids.split_whitespace().skip(1).collect::<Vec<_>>(),
                    vec![user.to_string(); 4]
                );
                let link = fs::read(dir.join("link")).map_err(|error| error.kind());
                (geteuid().as_raw(), getegid().as_raw(), groups, link)
            });
            let (became, with, groups, link) = looked.unwrap();
            assert_eq!((became, with, groups.len()), (user, expected, 0), "{user}:{group}");
            assert_eq!(link, Err(io::ErrorKind::PermissionDenied), "{user}:{group}");
        }
        assert!(geteuid().is_root() && fs::read(&treasure).is_ok());
    }
}
