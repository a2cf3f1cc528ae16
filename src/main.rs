//! The `dirherald` command.

fn main() {}
