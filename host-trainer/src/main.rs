//! `host-trainer`: from CSV files of faces to a bundle that a kiosk runs.
#![forbid(unsafe_code)]

mod command;

use std::process::ExitCode;

use clap::Parser;
use diagnostics::{Diagnostics, Filter, Form};

/// Keeps the buffers of a training step: giving them back and taking them anew costs more than filling
/// them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match command::Arguments::try_parse_from(command::typed(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; clap prints those on stdout. Nothing can be done if
            // printing fails.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    // Another subscriber can only be one that tells by itself.
    let _diagnostics = Diagnostics::start(&Filter::default(), Form::of_stderr());
    match command::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{}", command::exit::text(&error));
            ExitCode::from(command::exit::code(&error))
        }
    }
}
