//! `completions`: what a shell wants to know to complete our commands.

use clap::{Args, CommandFactory};
use clap_complete::{Generator, Shell};

use super::{Arguments, CommandError, Exit, output::Output};

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// For which shell
    shell: Shell,
}

/// Prints the script, for the place where the shell looks for such.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    command.set_bin_name(name);
    command.build();
    let mut output = Output::new();
    output.with(|writer| arguments.shell.try_generate(&command, writer))?;
    output.finish()?;
    Ok(Exit::Success)
}
