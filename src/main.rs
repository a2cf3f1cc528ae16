//! The `dirherald` command: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use dirherald::commands::{self, Arguments};
use mimalloc::MiMalloc;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Reading a million entries makes and drops some ten million small values, most of them in another thread than
/// the one that made them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    keep_memory_private();
    commands::main(Arguments::parse()).into()
}

/// Passwords lie in our memory: no core dump of it is written, and no other process of the same user may look into
/// it (prctl(2), `PR_SET_DUMPABLE`). Where the system does not know that, it is as it was.
fn keep_memory_private() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
