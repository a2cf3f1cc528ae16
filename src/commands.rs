//! The command line: one file for each subcommand.

mod run;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{self, Config, ConfigErrors},
    connector::ConnectorError,
    db::DbError,
    error_chain::chain,
    outbox::mailer::MailerError,
};

/// Watches an LDAP directory and writes to the people a change concerns.
#[derive(Debug, Parser)]
#[command(name = "dirherald", version, about, max_term_width = 100)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/dirherald/dirherald.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watch the configured directories and send mail, until SIGTERM
    Run,
}

/// What a command ended with; the exit codes of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Success,
    /// 1: it failed.
    Failed,
    /// 2: usage or configuration error. Usage errors are clap's, with the same code.
    Configuration,
    /// 3: a check found something wrong.
    Found,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Configuration => 2,
            Exit::Found => 3,
        })
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration has errors; all of them are told.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The state file.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The directory.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The mail server's settings.
    #[error("identity_store.{store}.smtp")]
    Mailer {
        /// Of which store.
        store: String,
        /// What is wrong.
        #[source]
        source: MailerError,
    },
    /// The operating system.
    #[error("cannot {operation}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(_) => Exit::Configuration,
            Self::Db(_) | Self::Connector(_) | Self::Mailer { .. } | Self::System { .. } => Exit::Failed,
        }
    }
}

/// Carries the command out. What went wrong has been said on standard error.
pub fn main(arguments: Arguments) -> Exit {
    match carry_out(arguments) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("dirherald: {}", chain(&error));
            error.exit()
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<Exit, CommandError> {
    let config = load(&arguments.config)?;
    match arguments.command {
        Command::Run => block_on(run::run(config)),
    }
}

fn load(file: &Path) -> Result<Config, ConfigErrors> {
    config::load(file, config::process_environment())
}

fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    tokio::runtime::Runtime::new()
        .map_err(|source| CommandError::System { operation: "start the runtime", source })?
        .block_on(work)
}
