//! The `dirherald` command: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use dirherald::commands::{self, Arguments};
use mimalloc::MiMalloc;

/// Reading a million entries makes and drops some ten million small values, most of them in another thread than
/// the one that made them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::main(Arguments::parse()).into()
}
