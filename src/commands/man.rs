//! `man`: the manual pages, made of what `--help` says.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Arguments, CommandError, Exit, output::Output};

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Write a page for each command into this directory, instead of one page to standard output
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Prints the page of dirherald itself, or writes all pages.
pub(super) fn man(arguments: &ManArguments) -> Result<Exit, CommandError> {
    // `help` says what the pages say. Built, a command knows those it lies below.
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    match &arguments.directory {
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| write_pages(&command, directory))
            .map_err(|source| CommandError::ManPages { directory: directory.clone(), source })?,
        None => print(&page(&command))?,
    }
    Ok(Exit::Success)
}

fn page(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("dirherald ", env!("CARGO_PKG_VERSION")))
}

fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    page(command).generate_to(directory)?;
    command.get_subcommands().try_for_each(|below| write_pages(below, directory))
}

fn print(page: &Man) -> Result<(), CommandError> {
    let mut output = Output::new();
    output.with(|writer| page.render(writer))?;
    output.finish()
}
