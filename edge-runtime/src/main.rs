//! The program on the device: classifies pictures and streams, and signals what holds.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
