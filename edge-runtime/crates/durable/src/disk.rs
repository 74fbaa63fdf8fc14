//! File operations that outlast a power cut.
//!
//! After a power cut a file system keeps what was synced, and any part of the rest: a file may have its new name and
//! none of its bytes. [`replace`] is the one way to change a small file as a whole. [`Disk`] is the seam through which
//! state is written, so that tests can cut the power between any two operations, drop what was not synced, or fill the
//! disk. Locks, permissions and files of other programs are not its business.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

/// The operations that state on disk is changed by; nothing lasts before it is synced.
pub trait Disk {
    /// Names of everything in a directory, in no order.
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>>;

    /// Everything that a file holds, which is no link; more than `limit` bytes are an error.
    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// As [`read`](Self::read), where this user or root has written the file; one that somebody else has put there is an error.
    fn read_own(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.read(path, limit)
    }

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

/// Whether two paths lead to one file or directory, whatever they are called.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    one == other || id(one).is_some_and(|one| id(other) == Some(one))
}

/// A file of ours is no link. Whoever may write to its directory must not choose what else a program of root's reads or
/// writes to. Bits of an `int`.
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

/// A pipe that took the place of a file a moment ago is not waited for either. Bits of an `int`.
const NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;

/// How a file of ours is opened to be written to: at its end.
fn own() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(NOFOLLOW | NONBLOCK);
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
    regular(own().create(true).open(path)?)
}

/// Opens a file to read it; what would be waited for, or has no end, is refused.
///
/// # Errors
///
/// `InvalidInput` for a pipe, a device or a directory, and what keeps the file from being opened.
pub fn open_regular(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    regular(OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?)
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
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes"));
    if file.metadata()?.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Files of the system itself have no length, and others may grow.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
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
        Ok(metadata) if !metadata.is_file() => Err(no_regular_file()),
        _ => Ok(()),
    }
}

/// The file that was opened, which may be another than the one that was looked at before.
fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(no_regular_file())
    }
}

fn no_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}

/// Opens a file of ours to read it.
fn open_own(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(NOFOLLOW | NONBLOCK).open(path);
    regular(opened.map_err(no_link)?)
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
                regular(own().open(path)?)?
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
        read_up_to(open_own(path)?, limit)
    }

    fn read_own(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let file = open_own(path)?;
        let owner = file.metadata()?.uid();
        if ![0, geteuid().as_raw()].contains(&owner) {
            let message = format!("it is a file of user {owner}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        read_up_to(file, limit)
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
        let file = regular(own().create(true).open(path)?)?;
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
mod tests;
