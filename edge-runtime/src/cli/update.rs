//! `edge-runtime update`: brings in a bundle, or says which there are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::config::{Config, UpdateConfig};
use edge_runtime::daemon::DaemonError;
use edge_runtime::owner::{Missing, become_owner, keep_files_own};
use edge_runtime::preflight;
use update::{
    Device, Installer, KEYS, Kind, Limits, MAX_SIGNATURE_BYTES, MAX_SIGNED_BYTES, Outcome, SIGNATURE, Signed, Source,
    Store, Task, UpdateError, Web, factory_version, open_archive, probe, update, update_from,
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
    /// Only checks whether the channel has something newer
    #[arg(long, alias = "look", conflicts_with = "status")]
    check: bool,
    /// Tells the bundles of this device as one line of JSON
    #[arg(long, conflicts_with = "source")]
    status: bool,
    /// Archive, directory or https:// address [default: `channel` of the configuration]
    #[arg(value_name = "SOURCE")]
    source: Option<OsString>,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    keep_files_own();
    let config = Config::load(&args.config)?;
    let settings = config.update.as_ref().ok_or(UpdateError::NotSetUp)?;
    if args.status {
        // Reading gives root up, too: a link in place of the record may lead to what only root may read.
        let state = owned(settings, Missing::Left)?;
        let status = Store::peek(&state)?.status();
        let line = serde_json::to_string(&status).map_err(|error| Failure::new(code::INTERNAL, error))?;
        write_line(&line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let source = match (&args.source, &settings.channel) {
        (Some(named), _) => Source::parse(named),
        (None, Some(channel)) => Source::parse(channel),
        (None, None) => return Err(UpdateError::NoSource.into()),
    };
    let task = if args.check { Task::Check } else { Task::Install };
    let outcome = bring_in(settings, &config.bundle, &source, task)?;
    let message = match outcome {
        Outcome::OnTrial(slot) => format!("bundle version {} is on trial", slot.version),
        Outcome::Already(slot) => format!("bundle version {} is here already", slot.version),
        Outcome::Found(version) => format!("bundle version {version} can be installed"),
        Outcome::UpToDate => "there is nothing newer for this device".to_owned(),
    };
    tracing::info!("{message}");
    Ok(ExitCode::SUCCESS)
}

fn bring_in(settings: &UpdateConfig, factory: &Path, source: &Source, task: Task) -> Result<Outcome, Failure> {
    // Everything that root alone may read, before root is given up.
    let root = read_text(&settings.keys.join("root.pub"))?;
    let packaged = packaged_keys(&settings.keys)?;
    let device = device(settings)?;
    let web = Web::new(settings.ca_file.as_deref())?;
    let program = std::env::current_exe().map_err(|error| Failure::new(code::INTERNAL, error))?;
    let factory = factory_version(factory);
    let archive = match source {
        Source::Path(path) => open_archive(path)?,
        Source::Url(_) => None,
    };
    let source = absolute(source)?;
    let state = owned(settings, Missing::Made)?;
    let mut store = Store::for_update(&state)?;
    if let Some(warning) = store.take_warning() {
        tracing::warn!("{warning}");
    }
    let mut installer = Installer::new(&mut store, &root, packaged.as_ref(), factory)?;
    let mut probe = |dir: &Path| probe::run(&program, dir, Limits::default());
    let outcome = match archive {
        Some(file) => update_from(&mut installer, file, &mut probe),
        None => update(&mut installer, &source, &device, &web, task, &mut probe),
    };
    Ok(outcome?)
}

/// Where bundles are, for this process, which root gives to their owner.
fn owned(settings: &UpdateConfig, missing: Missing) -> Result<PathBuf, Failure> {
    let state = become_owner(&settings.state, missing).map_err(|source| UpdateError::Disk {
        path: settings.state.clone(),
        source,
    })?;
    match preflight::untrusted_dir_as_root(&state) {
        Some(path) => Err(DaemonError::Untrusted(path).into()),
        None => Ok(state),
    }
}

/// The same place, wherever the program works.
fn absolute(source: &Source) -> Result<Source, Failure> {
    Ok(match source {
        Source::Url(url) => Source::Url(url.clone()),
        Source::Path(path) => {
            let path = std::path::absolute(path).map_err(|error| Failure::new(code::INTERNAL, error))?;
            Source::Path(path)
        }
    })
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
    let metadata = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is no regular file".to_owned()));
    }
    if metadata.len() > limit {
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
