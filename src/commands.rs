//! The command line: one file for each subcommand.

mod accept;
mod backup;
mod check;
mod compare;
mod completions;
mod demo;
mod events;
mod explain;
mod explanation;
mod held;
mod man;
mod outbox;
mod output;
mod patience;
mod run;
mod simulate;
mod state_file;
mod status;
mod table;
mod test_mail;

use std::{
    fmt, io,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    config::{self, Complete, Config, ConfigError, ConfigErrors, StoreSettings},
    connector::ConnectorError,
    db::{BackupError, DbError, IdPrefix, SimulationError},
    directory::store_name::StoreName,
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
    /// Try the configuration, each directory, each mail server and the state file; send nothing
    Check(StoreChoice),
    /// Send one test notification and say what the mail server answered
    TestMail(test_mail::TestMailArguments),
    /// List the change events, newest last
    Events(events::EventsArguments),
    /// Say who was told of an event and who was not, option by option, and why
    Explain(explain::ExplainArguments),
    /// Say who would be told of a change, without making it
    Simulate(simulate::SimulateArguments),
    /// Look at the queue of mails; retry or delete some
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Look at what is held back because it is a mass change; release or discard it
    #[command(subcommand)]
    Held(held::HeldCommand),
    /// Read everything, and say what differs from what is known
    Compare(compare::CompareArguments),
    /// Take the directory as it is as known, and tell nobody what differs; after a restore, for example
    Accept(accept::AcceptArguments),
    /// Say of each store how it stands, whether or not the daemon runs
    Status(Listing),
    /// Copy the state to FILE, whether or not the daemon runs
    Backup(backup::BackupArguments),
    /// See it all at work on a throw-away OpenLDAP; needs no configuration
    Demo(demo::DemoArguments),
    /// Print the completions of a shell: bash, zsh, fish, elvish or powershell
    Completions(completions::CompletionsArguments),
    /// Print the manual page, or write one for each command
    Man(man::ManArguments),
}

/// Which stores a command is about.
#[derive(Debug, Args)]
struct StoreChoice {
    /// Only this identity store
    #[arg(long, value_name = "NAME")]
    store: Option<StoreName>,
}

/// What all commands take that print a table.
#[derive(Debug, Args)]
struct Listing {
    #[command(flatten)]
    choice: StoreChoice,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

/// How a listing is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
}

impl Format {
    /// With or without `--json`.
    fn asked_for(json: bool) -> Self {
        if json { Self::Json } else { Self::Table }
    }
}

impl Listing {
    fn format(&self) -> Format {
        Format::asked_for(self.json)
    }
}

impl StoreChoice {
    /// The stores chosen, in the order of their names; all when none is named.
    fn of<'a>(&self, config: &'a Config) -> Result<Vec<&'a StoreSettings>, CommandError> {
        let Some(name) = &self.store else { return Ok(config.stores.values().collect()) };
        match config.stores.get(name) {
            Some(store) => Ok(vec![store]),
            None => Err(CommandError::UnknownStore { name: name.clone(), known: names(config) }),
        }
    }

    /// The one store chosen, or the only one there is.
    fn single<'a>(&self, config: &'a Config) -> Result<&'a StoreSettings, CommandError> {
        match self.of(config)?.as_slice() {
            [store] => Ok(store),
            _ => Err(CommandError::SeveralStores { known: names(config) }),
        }
    }

    /// For a query over all stores, or one that is configured.
    fn name(&self, config: &Config) -> Result<Option<&str>, CommandError> {
        self.of(config)?;
        Ok(self.store.as_ref().map(StoreName::as_str))
    }
}

fn names(config: &Config) -> String {
    config.stores.keys().map(StoreName::as_str).collect::<Vec<_>>().join(", ")
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
    #[error("{}", Listed { file, errors })]
    Config {
        /// As given with `--config`.
        file: PathBuf,
        /// All of them.
        errors: ConfigErrors,
    },
    /// `--store` names none of the configured ones.
    #[error("no identity store is called {name}; the configuration has {known}")]
    UnknownStore {
        /// As given.
        name: StoreName,
        /// Separated by commas.
        known: String,
    },
    /// The command is about one store, and there are several.
    #[error("say with --store which identity store is meant: {known}")]
    SeveralStores {
        /// Separated by commas.
        known: String,
    },
    /// The state file.
    #[error(transparent)]
    Db(#[from] DbError),
    /// `backup`.
    #[error(transparent)]
    Backup(#[from] BackupError),
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
    /// The demo.
    #[error(transparent)]
    Demo(demo::DemoError),
    /// The test mail did not leave.
    #[error(transparent)]
    TestMail(#[from] test_mail::TestMailError),
    /// `outbox retry` or `delete` of what cannot be.
    #[error(transparent)]
    Request(#[from] outbox::RequestError),
    /// `compare` or `accept`.
    #[error(transparent)]
    Compare(#[from] compare::CompareError),
    /// `outbox show` of something else.
    #[error("no message in the outbox has the id {id}; `dirherald outbox list` shows those there are")]
    NoSuchMessage {
        /// As given.
        id: uuid::Uuid,
    },
    /// `held show`, `release` or `discard` of something else.
    #[error("nothing is held under {id}; `dirherald held list` shows what is")]
    NothingHeld {
        /// As given, made visible.
        id: String,
    },
    /// `held` with a few digits that several ids begin with.
    #[error("several holds have ids that begin with {id}; write more of the id, or all of it:{candidates}")]
    SeveralHolds {
        /// As given.
        id: IdPrefix,
        /// One a line, each after a line break.
        candidates: String,
    },
    /// `held release` or `discard` of what cannot be.
    #[error(transparent)]
    Hold(#[from] held::HoldRequestError),
    /// A page could not be written.
    #[error("cannot write the manual pages into {}: name a directory that can be written to", directory.display())]
    ManPages {
        /// As given.
        directory: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// `explain` of something else.
    #[error("no event has an id that begins with {id}; `dirherald events` shows those there are")]
    NoSuchEvent {
        /// As given.
        id: IdPrefix,
    },
    /// `explain` of a few digits that several ids begin with.
    #[error("several events have ids that begin with {id}; write more of the id, or all of it:{candidates}")]
    SeveralEvents {
        /// As given.
        id: IdPrefix,
        /// One a line, each after a line break.
        candidates: String,
    },
    /// `explain` of an event that waits, of a store that nobody tells of any more.
    #[error(
        "nothing was decided about this event, and no identity store is called {store} in the configuration"
    )]
    NothingDecided {
        /// The store's name.
        store: String,
    },
    /// An entry that is not known by that text.
    #[error(
        "no entry of {store} has the DN, mail address, account name or, as a group, the name {text:?}{candidates}"
    )]
    NoSuchEntry {
        /// The store's name.
        store: String,
        /// As given.
        text: String,
        /// Empty, or entries in which the text occurs, one a line.
        candidates: String,
    },
    /// A text that means several entries.
    #[error("{text:?} means several entries of {store}; write the DN of one of them:{candidates}")]
    SeveralEntries {
        /// The store's name.
        store: String,
        /// As given.
        text: String,
        /// One a line, each after a line break.
        candidates: String,
    },
    /// A change that cannot be.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The operating system.
    #[error("cannot {operation}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config { .. } | Self::UnknownStore { .. } | Self::SeveralStores { .. } => {
                Exit::Configuration
            }
            // Whoever read our output has seen enough of it, as `head` has.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Success,
            Self::Db(_)
            | Self::Backup(_)
            | Self::Connector(_)
            | Self::Mailer { .. }
            | Self::TestMail(_)
            | Self::Demo(_)
            | Self::Request(_)
            | Self::Compare(_)
            | Self::NoSuchMessage { .. }
            | Self::NothingHeld { .. }
            | Self::SeveralHolds { .. }
            | Self::Hold(_)
            | Self::ManPages { .. }
            | Self::NoSuchEvent { .. }
            | Self::SeveralEvents { .. }
            | Self::NothingDecided { .. }
            | Self::NoSuchEntry { .. }
            | Self::SeveralEntries { .. }
            | Self::Simulation(_)
            | Self::System { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// What to do about it, where the error does not say so itself.
    fn advice(&self) -> Option<String> {
        match self {
            Self::TestMail(error) => error.advice().map(str::to_owned),
            Self::Db(error) | Self::Backup(BackupError::Db(error)) => state_file::advice(error),
            Self::Config { .. }
            | Self::UnknownStore { .. }
            | Self::SeveralStores { .. }
            | Self::Backup(
                BackupError::Exists { .. } | BackupError::Nothing { .. } | BackupError::Place { .. },
            )
            | Self::Connector(_)
            | Self::Mailer { .. }
            | Self::Demo(_)
            | Self::Request(_)
            | Self::Compare(_)
            | Self::NoSuchMessage { .. }
            | Self::NothingHeld { .. }
            | Self::SeveralHolds { .. }
            | Self::Hold(_)
            | Self::ManPages { .. }
            | Self::NoSuchEvent { .. }
            | Self::SeveralEvents { .. }
            | Self::NothingDecided { .. }
            | Self::NoSuchEntry { .. }
            | Self::SeveralEntries { .. }
            | Self::Simulation(_)
            | Self::System { .. }
            | Self::Output(_) => None,
        }
    }
}

/// Errors in a file under its name. An error of the file as a whole has the name already.
struct Listed<'a> {
    file: &'a Path,
    errors: &'a ConfigErrors,
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, errors } = self;
        match errors.iter().filter(|error| matches!(error, ConfigError::Key { .. })).count() {
            0 => return errors.fmt(f),
            1 => write!(f, "{} has an error:", file.display())?,
            count => write!(f, "{} has {count} errors:", file.display())?,
        }
        errors.to_string().lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Carries the command out. What went wrong has been said on standard error.
pub fn main(arguments: Arguments) -> Exit {
    match carry_out(arguments) {
        Ok(exit) => exit,
        Err(error) => {
            let exit = error.exit();
            if exit != Exit::Success {
                // Where nobody listens the exit code has to do.
                let _ = writeln!(io::stderr(), "dirherald: {}", chain(&error));
                if let Some(advice) = error.advice() {
                    let _ = writeln!(io::stderr(), "dirherald: {advice}");
                }
            }
            exit
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<Exit, CommandError> {
    let file = arguments.config;
    // Only who connects needs the secrets.
    let complete = || load(&file);
    let config = || load_for_looking(&file);
    match arguments.command {
        Command::Run => block_on(run::run(complete()?)),
        Command::Check(choice) => block_on(check::check(&file, &complete()?, &choice)),
        Command::TestMail(arguments) => block_on(test_mail::test_mail(&complete()?, &arguments)),
        Command::Events(arguments) => events::events(&config()?, &arguments),
        Command::Explain(arguments) => explain::explain(&config()?, &arguments),
        Command::Simulate(arguments) => simulate::simulate(&config()?, &arguments),
        Command::Outbox(command) => block_on(outbox::outbox(&config()?, &command)),
        Command::Held(command) => block_on(held::held(&config()?, &command)),
        Command::Compare(arguments) => block_on(compare::compare(&config()?, complete, &arguments)),
        Command::Accept(arguments) => block_on(accept::accept(&config()?, complete, &arguments)),
        Command::Status(listing) => status::status(&config()?, &listing),
        Command::Backup(arguments) => backup::backup(&config()?, &arguments),
        Command::Demo(arguments) => block_on(demo::run(arguments)),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
    }
}

fn load(file: &Path) -> Result<Complete, CommandError> {
    config::load(file, config::process_environment())
        .map_err(|errors| CommandError::Config { file: file.to_owned(), errors })
}

fn load_for_looking(file: &Path) -> Result<Config, CommandError> {
    config::load_for_looking(file, config::process_environment())
        .map_err(|errors| CommandError::Config { file: file.to_owned(), errors })
}

fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    tokio::runtime::Runtime::new()
        .map_err(|source| CommandError::System { operation: "start the runtime", source })?
        .block_on(work)
}
