//! The program on the device: classifies pictures and streams, and signals what holds.
#![forbid(unsafe_code)]

mod cli;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    // What a panic unwinds makes lines safe and says goodbye to the broker; the hook has told what went wrong.
    panic::catch_unwind(cli::main).unwrap_or(ExitCode::from(cli::INTERNAL))
}
