//! `host-trainer sign`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use durable::{open_regular, replace_file};
use host_trainer::sign::{Password, Signer, create_keys, read_public_key, read_signed, write_signed};
use inference::bundle::Bundle;
use sha2::{Digest, Sha256 as Hasher};
use shared_model::Text;
use shared_model::manifest::Sha256;
use update::{
    Capped, Channel, KeyList, MAX_SIGNED_BYTES, Parts, Release, SHARE_WHOLE, SIGNATURE, TarParts, UPDATE_MANIFEST,
    UpdateManifest, Version, clock_s, describe, pack,
};

const DAY_S: u64 = 86_400;

/// Sign what devices accept as an update.
#[derive(Debug, Subcommand)]
pub(crate) enum Sign {
    /// Make a pair of keys, NAME.key and NAME.pub.
    Key(Key),
    /// Sign the list of the keys that may sign bundles and channels.
    Keys(Keys),
    /// Put a bundle and its signed update manifest into an archive.
    Bundle(BundleArgs),
    /// Sign which archives are newest, for which share of the devices.
    Channel(ChannelArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The files to write, without their endings.
    name: PathBuf,
    #[command(flatten)]
    password: PasswordArgs,
}

#[derive(Debug, Args)]
struct PasswordArgs {
    /// Read the password of the secret key from the first line of this file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// Public keys that may sign.
    #[arg(value_name = "PUB", required = true)]
    signers: Vec<PathBuf>,
    /// Secret root key.
    #[arg(long, value_name = "KEY")]
    root: PathBuf,
    #[command(flatten)]
    password: PasswordArgs,
    /// Version of the list; must grow.
    #[arg(long = "list-version", value_name = "N")]
    number: u32,
    /// Set the version that devices count as reached; only after a key was lost.
    #[arg(long, value_name = "N")]
    floor: Option<u32>,
    /// The file to write.
    #[arg(long, value_name = "JSON", default_value = "keys.json")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// Directory of the bundle.
    bundle: PathBuf,
    /// Secret key.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    password: PasswordArgs,
    /// A signed key list that devices get with the bundle.
    #[arg(long, value_name = "JSON")]
    keys: Option<PathBuf>,
    /// Least version of edge-runtime that runs the bundle [default: this project's].
    #[arg(long, value_name = "X.Y.Z", value_parser = parse_version)]
    minimum_runtime: Option<Version>,
    /// The archive to write.
    #[arg(long, value_name = "TAR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ChannelArgs {
    /// Archives beside the channel, each with the share of the devices that get it: bundle-7.tar=25%
    #[arg(value_name = "TAR[=PERCENT%]", required = true, value_parser = parse_release)]
    releases: Vec<(PathBuf, u32)>,
    /// Secret key.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    password: PasswordArgs,
    /// Version of the channel; must grow with every change.
    #[arg(long = "channel-version", value_name = "N")]
    number: u32,
    /// Days after which devices stop believing this channel, if it is not signed anew.
    #[arg(long, value_name = "N", default_value_t = 90)]
    days: u64,
    /// The file to write, beside the archives.
    #[arg(long, value_name = "JSON", default_value = "channel.json")]
    out: PathBuf,
}

impl Sign {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Key(command) => command.run()?,
            Self::Keys(command) => command.run()?,
            Self::Bundle(command) => command.run()?,
            Self::Channel(command) => command.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl PasswordArgs {
    fn password(&self) -> Password {
        match &self.password_file {
            Some(path) => Password::File(path.clone()),
            None => Password::Ask,
        }
    }
}

impl Key {
    fn run(&self) -> Result<()> {
        create_keys(&self.name, &self.password.password())?;
        let name = self.name.display();
        tracing::info!("{name}.key is secret; devices and key lists get {name}.pub");
        Ok(())
    }
}

impl Keys {
    fn run(&self) -> Result<()> {
        let keys: Result<Vec<String>> = self.signers.iter().map(|path| read_public_key(path)).collect();
        let list = KeyList::new(self.number, keys?, self.floor)?;
        let signer = Signer::open(&self.root, &self.password.password())?;
        let text = serde_json::to_string_pretty(&list)? + "\n";
        write_signed(&self.out, &signer.sign(text, &format!("key list {}", self.number))?)?;
        told(&self.out);
        Ok(())
    }
}

impl BundleArgs {
    fn run(&self) -> Result<()> {
        let bundle = Bundle::open(&self.bundle)?;
        let update_manifest = describe(&bundle, self.minimum_runtime.unwrap_or_else(Version::own))?;
        let keys = self.keys.as_deref().map(read_signed).transpose()?;
        let signer = Signer::open(&self.key, &self.password.password())?;
        if let Some(keys) = &keys {
            signer.must_be_in(keys)?;
        }
        let comment = format!("{} {}", update_manifest.name, update_manifest.version);
        let text = serde_json::to_string_pretty(&update_manifest)? + "\n";
        let signed = signer.sign(text, &comment)?;
        let paths: Vec<PathBuf> = (update_manifest.files.iter())
            .map(|file| self.bundle.join(file.path.as_str()))
            .collect();
        let files = (update_manifest.files.iter())
            .zip(&paths)
            .map(|(file, path)| (file.path.as_str(), path.as_path()));
        let mut archive = Vec::new();
        pack(&mut archive, keys.as_ref(), &signed, files).with_context(|| format!("pack {}", self.bundle.display()))?;
        replace_file(&self.out, &archive).with_context(|| format!("write {}", self.out.display()))?;
        super::write_line(&serde_json::to_string(&update_manifest)?)?;
        tracing::info!("{}: {} bytes", self.out.display(), archive.len());
        Ok(())
    }
}

impl ChannelArgs {
    fn run(&self) -> Result<()> {
        let releases: Result<Vec<Release>> = (self.releases.iter())
            .map(|(archive, share)| release(archive, *share))
            .collect();
        let now_s = clock_s();
        let channel = Channel::new(self.number, now_s, now_s + self.days * DAY_S, releases?)?;
        let signer = Signer::open(&self.key, &self.password.password())?;
        let text = serde_json::to_string_pretty(&channel)? + "\n";
        write_signed(&self.out, &signer.sign(text, &format!("channel {}", self.number))?)?;
        told(&self.out);
        Ok(())
    }
}

fn told(path: &Path) {
    tracing::info!("{0} and {0}{SIGNATURE} are written", path.display());
}

/// What a channel says about an archive.
fn release(path: &Path, share: u32) -> Result<Release> {
    let context = || format!("read archive {}", path.display());
    let file = open_regular(path).with_context(context)?;
    let mut archive = tar_of(file);
    let mut parts = TarParts::new(&mut archive)?;
    for name in [update::KEYS, &format!("{}{SIGNATURE}", update::KEYS)] {
        parts.optional(name, MAX_SIGNED_BYTES).with_context(context)?;
    }
    let Some(json) = parts
        .optional(UPDATE_MANIFEST, MAX_SIGNED_BYTES)
        .with_context(context)?
    else {
        bail!("read archive {}: there is no {UPDATE_MANIFEST} in it", path.display());
    };
    let update_manifest: UpdateManifest = serde_json::from_slice(&json).with_context(context)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Ok(Release {
        archive: Text::try_from(name).map_err(|_| anyhow::anyhow!("the name {name} has more than 64 bytes"))?,
        update_manifest: Sha256::from_bytes(&Hasher::digest(&json).into()),
        version: update_manifest.version,
        share,
    })
}

fn tar_of(file: File) -> tar::Archive<Capped<io::BufReader<File>>> {
    tar::Archive::new(Capped::new(io::BufReader::new(file)))
}

fn parse_version(text: &str) -> Result<Version, String> {
    Version::parse(text).ok_or_else(|| "not a version such as 0.1.0".to_owned())
}

/// `bundle-7.tar`, or `bundle-7.tar=2.5%`; the share in hundredths of a percent.
fn parse_release(text: &str) -> Result<(PathBuf, u32), String> {
    let Some((path, share)) = text.rsplit_once('=') else {
        return Ok((PathBuf::from(text), SHARE_WHOLE));
    };
    let percent: Option<f64> = share.strip_suffix('%').and_then(|share| share.parse().ok());
    let hundredths = percent.map(|percent| (percent * 100.0).round());
    match hundredths.filter(|share| (1.0..=f64::from(SHARE_WHOLE)).contains(share)) {
        Some(share) => Ok((PathBuf::from(path), share as u32)),
        None => Err("the share must be from 0.01% to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_in_percent() {
        assert_eq!(parse_release("a.tar"), Ok((PathBuf::from("a.tar"), SHARE_WHOLE)));
        assert_eq!(parse_release("x=1/a.tar=2.5%"), Ok((PathBuf::from("x=1/a.tar"), 250)));
        for bad in ["a.tar=", "a.tar=5", "a.tar=0%", "a.tar=101%", "a.tar=x%", "a.tar=NaN%"] {
            assert!(parse_release(bad).is_err(), "{bad}");
        }
    }
}
