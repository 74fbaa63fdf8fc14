//! `edge-runtime update`: brings in a bundle, or says which there are.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::config::{Config, UpdateConfig};
use rustix::fs::{AtFlags, Dir, Gid, Mode, OFlags, Uid, chownat, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;
use update::{
    Device, Installer, KEYS, Kind, Limits, MAX_SIGNATURE_BYTES, MAX_SIGNED_BYTES, Outcome, Purpose, SIGNATURE, Signed,
    Source, Store, UpdateError, Web, factory_version, probe, update,
};

use super::failure::{Failure, code};
use super::write_line;

const AFTER: &str = "\
An update is an archive that `host-trainer sign` wrote, a directory with what was in one, or a channel.json that names
the newest for this device. It is checked, tried in a process of its own, and then on trial: `edge-runtime run` takes it
up within seconds, keeps it once it has worked for a while, and else goes back to the bundle before.

Exit codes: 0 done, or nothing newer; 64 usage, 65 damaged, or does not work here, 66 not there, 69 server unavailable,
74 read or write error (a full disk, too), 75 another update is under way, 77 not signed by whom this device trusts,
older than what it has, or rolled back before, 78 not set up. Whatever happens, the bundle that runs stays.";

/// Brings in a signed bundle, which stays if it works
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file, in TOML; its [update] section says who is trusted and where bundles are kept
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
    /// Only looks whether the channel has something newer
    #[arg(long, conflicts_with = "status")]
    look: bool,
    /// Tells the bundles of this device as one line of JSON
    #[arg(long, conflicts_with = "source")]
    status: bool,
    /// Archive, directory or https:// address [default: `channel` of the configuration]
    #[arg(value_name = "SOURCE")]
    source: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let settings = config.update.as_ref().ok_or(UpdateError::NotSetUp)?;
    if args.status {
        let status = Store::peek(&settings.state)?.status();
        let line = serde_json::to_string(&status).map_err(|error| Failure::new(code::INTERNAL, error))?;
        write_line(&line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let named = args.source.as_ref().or(settings.channel.as_ref());
    let source = Source::parse(named.ok_or(UpdateError::NoSource)?);
    let purpose = if args.look { Purpose::Look } else { Purpose::Install };
    let outcome = bring_in(settings, &config.bundle, &source, purpose)?;
    let news = match outcome {
        Outcome::OnTrial(slot) => format!("bundle version {} is on trial", slot.version),
        Outcome::Already(slot) => format!("bundle version {} is here already", slot.version),
        Outcome::Found(version) => format!("bundle version {version} can be installed"),
        Outcome::UpToDate => "there is nothing newer for this device".to_owned(),
    };
    tracing::info!("{news}");
    Ok(ExitCode::SUCCESS)
}

fn bring_in(settings: &UpdateConfig, factory: &Path, source: &Source, purpose: Purpose) -> Result<Outcome, Failure> {
    let root = read_text(&settings.keys.join("root.pub"))?;
    let packaged = packaged_keys(&settings.keys)?;
    let device = device(settings)?;
    let web = Web::new(settings.ca_file.as_deref())?;
    let program = std::env::current_exe().map_err(|error| Failure::new(code::INTERNAL, error))?;
    let mut store = Store::for_update(&settings.state)?;
    let factory = factory_version(factory);
    let mut installer = Installer::new(&mut store, &root, packaged.as_ref(), factory)?;
    let mut probe = |dir: &Path| {
        hand_over(&settings.state)?;
        probe::run(&program, dir, Limits::default())
    };
    let outcome = update(&mut installer, source, &device, &web, purpose, &mut probe);
    let handed = hand_over(&settings.state);
    let outcome = outcome?;
    handed?;
    Ok(outcome)
}

/// Gives what root has written to the owner of the directory: the service, which reads, replaces and removes it later.
fn hand_over(state: &Path) -> Result<(), UpdateError> {
    let failed = |source| UpdateError::Disk {
        path: state.to_path_buf(),
        source,
    };
    let owner = fs::metadata(state).map_err(failed)?;
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(state, directory, Mode::empty());
    let given = opened.and_then(|dir| give(&dir, owner));
    given.map_err(|error| failed(error.into()))
}

/// No path is followed twice, and no link at all: whoever owns the directory could point elsewhere in between.
fn give(dir: &OwnedFd, owner: (Uid, Gid)) -> rustix::io::Result<()> {
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        chownat(dir, name, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
        match openat(dir, name, directory, Mode::empty()) {
            Ok(inner) => give(&inner, owner)?,
            Err(Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The key list that the package brought, if it did.
fn packaged_keys(dir: &Path) -> Result<Option<Signed>, Failure> {
    let path = dir.join(KEYS);
    if !path.exists() {
        return Ok(None);
    }
    let signature = dir.join(format!("{KEYS}{SIGNATURE}"));
    Ok(Some(Signed {
        text: read_text(&path)?,
        signature: read_text(&signature)?,
    }))
}

fn device(settings: &UpdateConfig) -> Result<Device, Failure> {
    match &settings.device {
        Some(name) => Ok(Device(name.clone())),
        None => Ok(Device(read_text(Path::new("/etc/machine-id"))?.trim().to_owned())),
    }
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |reason: String| Failure::new(code::CONFIG, anyhow::anyhow!("read {}: {reason}", path.display()));
    let limit = MAX_SIGNED_BYTES.max(MAX_SIGNATURE_BYTES);
    let bytes = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if bytes > limit {
        return Err(failed(format!("more than {limit} bytes")));
    }
    fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        let code = match error.kind() {
            Kind::NoInput => code::NO_INPUT,
            Kind::Data => code::DATA,
            Kind::Untrusted => code::PERMISSION,
            Kind::Unavailable => code::UNAVAILABLE,
            Kind::Temporary => code::TEMPORARY,
            Kind::Io => code::IO,
            Kind::Config => code::CONFIG,
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_writes_belongs_to_the_owner_of_the_directory() {
        const SERVICE: u32 = 61_234;
        let dir = tempfile::tempdir().unwrap();
        let slot = dir.path().join("bundles/slot");
        fs::create_dir_all(&slot).unwrap();
        fs::write(slot.join("a.onnx"), "1").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", slot.join("link")).unwrap();
        if !geteuid().is_root() {
            testing::skip("only root can give files away");
            return hand_over(dir.path()).unwrap();
        }
        std::os::unix::fs::chown(dir.path(), Some(SERVICE), Some(SERVICE)).unwrap();
        hand_over(dir.path()).unwrap();
        assert_ne!(fs::metadata("/etc/hostname").unwrap().uid(), SERVICE);
        for path in [slot.join("a.onnx"), slot, dir.path().join("bundles")] {
            let owner = fs::metadata(&path).unwrap();
            assert_eq!((owner.uid(), owner.gid()), (SERVICE, SERVICE), "{}", path.display());
        }
    }
}
