//! The `dirherald` command: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use dirherald::commands::{self, Arguments};

fn main() -> ExitCode {
    commands::main(Arguments::parse()).into()
}
