//! File operations that outlast a power cut.
//!
//! After a power cut a file system keeps what was synced, and any part of the rest: a file may have its new name and
//! none of its bytes. [`replace`] is the one way to change a small file as a whole. [`Disk`] is the seam through which
//! state is written, so that tests can cut the power between any two operations, drop what was not synced, or fill the
//! disk. Locks, permissions and files of other programs are not its business.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The operations that state on disk is changed by; nothing lasts before it is synced.
pub trait Disk {
    /// Names of everything in a directory, in no order.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>>;

    /// Everything that a file holds, which is no link; more than `limit` bytes are an error.
    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// Makes a directory in one that is there.
    fn make_dir(&mut self, path: &Path) -> io::Result<()>;

    /// Makes an empty file, or empties the one that is there.
    fn create(&mut self, path: &Path) -> io::Result<()>;

    /// Writes at the end of a file.
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the content of a file lasts; its name is the directory's.
    fn sync(&mut self, path: &Path) -> io::Result<()>;

    /// Returns once the names in a directory last.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;

    /// Gives a file or directory another name in the same directory, in place of a file of that name.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; it may come back after a power cut until its directory is synced.
    fn remove(&mut self, path: &Path) -> io::Result<()>;

    /// Removes a directory that is empty.
    fn remove_dir(&mut self, path: &Path) -> io::Result<()>;
}

/// Puts these bytes in place of a file's content: after a power cut at any moment, the file holds all of the old or all
/// of the new.
///
/// The directory must be there. An error leaves the old content, or the new one where only the last step failed: who
/// goes on reads the file again, or makes the same call again.
///
/// # Errors
///
/// When the new content cannot be written, synced or moved into place; the old content stays.
pub fn replace(disk: &mut impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut hidden = std::ffi::OsString::from(".new-");
    hidden.push(name);
    let hidden = path.with_file_name(hidden);
    let written = write(disk, &hidden, bytes).and_then(|()| disk.rename(&hidden, path));
    if written.is_err() {
        // What went wrong first is what counts; the next call empties the file anyway.
        let _ = disk.remove(&hidden);
    }
    written?;
    disk.sync_dir(parent(path))
}

/// [`replace`] on the machine's own file system.
///
/// # Errors
/// As the file system says; the old content stays, or the new one is there where only the last step failed.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(&mut SystemDisk::default(), path, bytes)
}

/// The directory that a name lies in; the working directory for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn write(disk: &mut impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    disk.create(path)?;
    disk.append(path, bytes)?;
    disk.sync(path)
}

/// A file of ours is no link. Whoever may write to its directory must not choose what else a program of root's reads or
/// writes to. Bits of an `int`.
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

/// How a file of ours is opened to be written to: at its end.
fn own() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(NOFOLLOW);
    options
}

/// What the system says of a link that is not followed, in words that say what it is.
fn no_link(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a link, and no file of this program's",
        ),
        _ => error,
    }
}

/// Opens a file to lock it; it is made where it is not there, and its content stays.
///
/// # Errors
///
/// A link, a pipe, a device or a directory in its place, and what keeps it from being made.
pub fn open_lock(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    own().create(true).open(path)
}

/// Opens a file to read it; what would be waited for, or has no end, is refused.
///
/// # Errors
///
/// `InvalidInput` for a pipe, a device or a directory, and what keeps the file from being opened.
pub fn open_regular(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    File::open(path)
}

/// All of a file.
///
/// # Errors
///
/// Those of [`open_regular`], and `FileTooLarge` where it has more bytes than `limit`.
pub fn read_whole(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_up_to(open_regular(path)?, limit)
}

fn read_up_to(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// All of a text that people or other programs wrote: a key, a login, a certificate.
///
/// # Errors
///
/// Those of [`read_whole`] with [`MAX_TEXT`], and `InvalidData` for what is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_whole(path, MAX_TEXT)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// Most bytes of a [text](read_text).
pub const MAX_TEXT: u64 = 4 << 20;

/// An error for a pipe, a device or a directory: opening one could wait for ever, and none of them keeps state.
fn refuse_special(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
        }
        _ => Ok(()),
    }
}

/// The machine's own file system.
#[derive(Debug, Default)]
pub struct SystemDisk {
    /// The file that was appended to last, held open.
    open: Option<(PathBuf, File)>,
}

impl SystemDisk {
    fn file(&mut self, path: &Path) -> io::Result<&mut File> {
        let file = match self.open.take() {
            Some((own, file)) if own == path => file,
            _ => {
                refuse_special(path)?;
                own().open(path)?
            }
        };
        Ok(&mut self.open.insert((path.to_path_buf(), file)).1)
    }
}

impl Disk for SystemDisk {
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            // A name that is no UTF-8 is not one of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        refuse_special(path)?;
        let mut options = OpenOptions::new();
        let opened = options.read(true).custom_flags(NOFOLLOW).open(path);
        read_up_to(opened.map_err(no_link)?, limit)
    }

    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        // A link is replaced, whatever it leads to.
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            fs::remove_file(path)?;
        }
        refuse_special(path)?;
        let file = own().create(true).open(path)?;
        file.set_len(0)?;
        self.open = Some((path.to_path_buf(), file));
        Ok(())
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.file(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?.sync_all()
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.open = None;
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.open = None;
        fs::remove_file(path)
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{PowerDisk, every_cut, every_full_disk};

    const FILE: &str = "/state/record";

    #[test]
    fn what_is_no_regular_file_is_an_error_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [pipe.as_path(), dir.path()] {
            let mut disk = SystemDisk::default();
            for error in [
                disk.read(path, 10).unwrap_err(),
                read_text(path).unwrap_err(),
                open_regular(path).unwrap_err(),
                disk.create(path).unwrap_err(),
                disk.append(path, b"x").unwrap_err(),
                disk.sync(path).unwrap_err(),
            ] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            }
        }
        // It can be replaced and removed like any other.
        replace(&mut SystemDisk::default(), &pipe, b"state").unwrap();
        assert_eq!(fs::read(&pipe).unwrap(), b"state");
    }

    #[test]
    fn no_link_is_followed_to_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (treasure, link) = (dir.path().join("treasure"), dir.path().join("link"));
        fs::write(&treasure, "precious").unwrap();
        let lead = |link: &Path| std::os::unix::fs::symlink(&treasure, link).unwrap();
        let mut disk = SystemDisk::default();
        lead(&link);
        assert!(disk.append(&link, b"x").is_err() && open_lock(&link).is_err());
        let error = disk.read(&link, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        disk.create(&link).unwrap();
        disk.append(&link, b"own").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"own");
        lead(&dir.path().join(".new-state"));
        replace(&mut disk, &dir.path().join("state"), b"new").unwrap();
        assert_eq!(fs::read(&treasure).unwrap(), b"precious");
        // What a lock holds stays.
        drop(open_lock(&treasure).unwrap());
        assert_eq!(fs::read(&treasure).unwrap(), b"precious");
    }

    fn holding(content: &[u8]) -> PowerDisk {
        let mut disk = PowerDisk::default();
        disk.make_dir(Path::new("/state")).unwrap();
        replace(&mut disk, Path::new(FILE), content).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk
    }

    fn content(disk: &mut PowerDisk) -> Vec<u8> {
        disk.read(Path::new(FILE), 1000).unwrap()
    }

    #[test]
    fn a_replaced_file_is_old_or_new_wherever_the_power_fails() {
        let (mut old, mut new) = (0, 0);
        every_cut(
            &holding(b"old"),
            20,
            |disk| drop(replace(disk, Path::new(FILE), b"newer")),
            |disk| match content(disk).as_slice() {
                b"old" => old += 1,
                b"newer" => new += 1,
                other => panic!("neither old nor new: {other:?}"),
            },
        );
        assert!(old > 0 && new > 0, "{old} {new}");
    }

    #[test]
    fn without_syncs_the_same_cuts_do_break_files() {
        let careless = |disk: &mut PowerDisk| {
            let path = Path::new("/state/.new");
            let _ = (disk.create(path))
                .and_then(|()| disk.append(path, b"newer"))
                .and_then(|()| disk.rename(path, Path::new(FILE)));
        };
        let mut broken = 0;
        every_cut(&holding(b"old"), 20, careless, |disk| {
            let content = content(disk);
            broken += u32::from(content != b"old" && content != b"newer");
        });
        assert!(broken > 0);
    }

    #[test]
    fn a_full_disk_leaves_the_old_content_and_says_so() {
        let (mut failures, mut done) = (0, 0);
        let work = |disk: &mut PowerDisk| replace(disk, Path::new(FILE), b"newer");
        every_full_disk(&holding(b"old"), work, |result, disk| {
            match result {
                Ok(()) => done += 1,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                    failures += 1;
                }
            }
            let found = content(disk);
            assert!(found == b"newer" || found == b"old");
            replace(disk, Path::new(FILE), b"third").unwrap();
            assert_eq!(disk.list(Path::new("/state")).unwrap(), ["record"]);
        });
        assert_eq!((failures, done), (5, 1));
    }

    #[test]
    fn the_machines_own_disk_does_each_operation() {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = SystemDisk::default();
        let (sub, file) = (dir.path().join("sub"), dir.path().join("sub/file"));
        disk.make_dir(&sub).unwrap();
        replace(&mut disk, &file, b"one").unwrap();
        disk.append(&file, b" two").unwrap();
        disk.sync(&file).unwrap();
        assert_eq!(disk.read(&file, 7).unwrap(), b"one two");
        assert!(disk.read(&file, 6).is_err());
        replace_file(&file, b"three").unwrap();
        assert_eq!(disk.read(&file, 7).unwrap(), b"three");
        disk.create(&file).unwrap();
        assert_eq!(disk.read(&file, 0).unwrap(), b"");
        assert_eq!(disk.list(&sub).unwrap(), ["file"]);
        assert!(disk.remove_dir(&sub).is_err());
        disk.remove(&file).unwrap();
        disk.remove_dir(&sub).unwrap();
        assert!(disk.list(&sub).is_err());
    }
}
