//! `demo`: the whole thing on a throw-away OpenLDAP.
//!
//! The daemon is this very program as a process of its own, `run --config FILE`, so that the demo shows what
//! an administrator would run. The changes are made with ldapmodify, and what is said about them is read from
//! the state and from the mails.

mod mail;
mod page;
mod play;
mod servers;
mod story;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use self::servers::end_of;
use super::{CommandError, Exit};
use crate::db::DbError;

/// For each single thing that is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// What `demo` can be told.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Leave it running afterwards, and say what to try
    #[arg(long)]
    keep: bool,
}

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A program is missing.
    #[error("{program} is not installed: on Debian and Ubuntu, `apt-get install slapd ldap-utils` brings it")]
    NotInstalled {
        /// Which.
        program: &'static str,
    },
    /// The operating system.
    #[error("cannot {operation}")]
    System {
        /// What was being done.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A path that slapd.conf cannot hold.
    #[error(
        "the temporary directory {path} has characters in its name that slapd's configuration cannot hold: \
         set TMPDIR to another"
    )]
    AwkwardPath {
        /// Where.
        path: PathBuf,
    },
    /// slapd does not want to.
    #[error("slapd did not start: {said}")]
    Slapd {
        /// Its own words.
        said: String,
    },
    /// A change could not be made.
    #[error("ldapmodify failed where {step}: {said}")]
    Change {
        /// In words.
        step: &'static str,
        /// Its own words.
        said: String,
    },
    /// Something ended that should run.
    #[error("{program} ended too early; the end of its log:\n{log}")]
    Ended {
        /// What.
        program: &'static str,
        /// Its last words.
        log: String,
    },
    /// Something took too long.
    #[error("waited {} seconds in vain for {what}; the end of the log:\n{log}", PATIENCE.as_secs())]
    Late {
        /// Waited for.
        what: &'static str,
        /// Of whom it was waited for.
        log: String,
    },
    /// A mail could not be written.
    #[error("a mail was not delivered: {answer}")]
    Undelivered {
        /// Why not.
        answer: String,
    },
    /// No explanation.
    #[error("`dirherald explain` failed: {said}")]
    Explain {
        /// Its own words.
        said: String,
    },
    /// The demo's state.
    #[error(transparent)]
    State(#[from] DbError),
    /// Standard output.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl From<DemoError> for CommandError {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Output(source) => Self::Output(source),
            error => Self::Demo(error),
        }
    }
}

/// What remains when the demo is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// The mails.
    Mails,
    /// Everything, and slapd and dirherald run on.
    Everything,
}

/// Plays the demo. Whatever ends it, what it started ends with it, unless that is to be kept.
pub(super) async fn run(arguments: DemoArguments) -> Result<Exit, CommandError> {
    let afterwards = if arguments.keep { Afterwards::Everything } else { Afterwards::Mails };
    tokio::select! {
        played = play::play(afterwards) => played.map(|()| Exit::Success).map_err(CommandError::from),
        listening = interrupted() => {
            listening?;
            eprintln!("\ndirherald: interrupted; what the demo had started is stopped and removed");
            Ok(Exit::Failed)
        }
    }
}

async fn interrupted() -> Result<(), DemoError> {
    let listen = |kind| signal(kind).map_err(failed("listen for signals"));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::System { operation, source }
}

/// Looks until there is something to see, for as long as [`PATIENCE`] lasts.
async fn patience<T>(
    what: &'static str,
    log: &Path,
    mut look: impl FnMut() -> Result<Option<T>, DemoError>,
) -> Result<T, DemoError> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(DemoError::Late { what, log: end_of(log) });
        }
        tokio::time::sleep(PAUSE).await;
    }
}
