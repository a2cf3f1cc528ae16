//! `backup`: an online copy of the state.

use std::path::PathBuf;

use clap::Args;

use super::{CommandError, Exit, output::Output};
use crate::{config::Config, db::back_up};

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The copy; it must not exist yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn backup(config: &Config, arguments: &BackupArguments) -> Result<Exit, CommandError> {
    let state = &config.state.path;
    let bytes = back_up(state, &arguments.file)?;
    let mut output = Output::new();
    let (copy, state) = (arguments.file.display(), state.display());
    output.line(format!("{copy}: {bytes} bytes, all that {state} holds"))?;
    output.line(format!(
        "to restore it: stop dirherald, remove {state}-wal and {state}-shm if they are there, copy it to {state}"
    ))?;
    output.finish()?;
    Ok(Exit::Success)
}
