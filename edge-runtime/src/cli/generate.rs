//! `edge-runtime generate DIR`: manual pages and shell completions, for those who make packages.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::{Failure, code};

/// Writes the manual pages and the completions for bash, zsh and fish into a directory
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// Where to; made if it is not there
    dir: PathBuf,
}

pub(super) fn main(args: &Args) -> Result<ExitCode, Failure> {
    write(args)
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| Failure::new(code::IO, error))
}

fn write(args: &Args) -> anyhow::Result<()> {
    let dir = args.dir.display();
    fs::create_dir_all(&args.dir).with_context(|| format!("make {dir}"))?;
    let mut command = super::Args::command();
    clap_mangen::generate_to(command.clone(), &args.dir).with_context(|| format!("write manual pages to {dir}"))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "edge-runtime", &args.dir)
            .with_context(|| format!("write completions to {dir}"))?;
    }
    Ok(())
}
