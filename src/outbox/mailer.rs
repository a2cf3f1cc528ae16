//! Hands a message to the mail server, or into a file.
//!
//! The connection stays open between messages. TCP, TLS and the reading of replies are ours (`stream`,
//! `tls`, `replies`); the dialogue on top is the mail crate's, command by command, so that it is always
//! known at which command a refusal came: a 5yz to RCPT is about a recipient, the same code to AUTH about
//! the configuration.

mod connection;
pub mod error;
mod file;
#[cfg(test)]
mod fuzz;
mod replies;
mod stream;
mod tls;

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lettre::Address;
use tokio::sync::Semaphore;

use self::{
    connection::{Connection, Findings, Parcel, Protection, Server},
    tls::Tls,
};
pub use self::{
    error::{Fault, MailerError, SendError, Step, Unreachable, Unsendable},
    tls::TlsFacts,
};
use super::{
    message::wire_address,
    settings::{Credentials, MailSettings, Security, SmtpSettings, Transport},
    state::Answer,
};
use crate::{directory::mail_address::MailAddress, withheld::Withheld};

/// So many connections to one server at most; further messages wait their turn.
pub const MAX_CONNECTIONS: usize = 4;
/// A connection that lay idle for longer is not used again: firewalls forget it, and servers may close it
/// (RFC 5321, section 4.5.3.2.7, lets them after 5 minutes; many are quicker).
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// Delivers the mail of one identity store. Messages may be sent concurrently; their order is the caller's
/// business.
pub struct Mailer {
    envelope_from: Option<Address>,
    route: Route,
}

enum Route {
    Smtp(Box<Pool>),
    File(PathBuf),
}

struct Pool {
    server: Server,
    /// What no reply may bring into our records.
    withheld: Withheld,
    /// Open and unused, the last used at the end.
    idle: Mutex<Vec<Connection>>,
    slots: Semaphore,
}

/// What `check` learns of a mail server without sending anything. As far as it came; see `failure`.
#[derive(Debug, Default)]
pub struct ProbeReport {
    /// `host:port`, or the directory.
    pub target: String,
    /// The server's greeting.
    pub greeting: Option<Answer>,
    /// How the connection is protected; the certificate was verified. `None`: in the clear.
    pub tls: Option<TlsFacts>,
    /// The lines of the answer to EHLO, after its first; over TLS where that is on.
    pub capabilities: Vec<String>,
    /// The answer to a successful AUTH. `None` where no credentials are configured.
    pub authentication: Option<Answer>,
    /// Why it went no further.
    pub failure: Option<SendError>,
}

impl Mailer {
    /// Reads the trusted certificates; connects to nothing.
    pub fn new(settings: &MailSettings) -> Result<Self, MailerError> {
        let envelope_from =
            settings.envelope_from.as_ref().map(wire_address).transpose().map_err(MailerError::Sender)?;
        let route = match &settings.transport {
            Transport::File { directory } => Route::File(directory.clone()),
            Transport::Smtp(smtp) => Route::Smtp(Box::new(Pool::new(server(smtp)?))),
        };
        Ok(Self { envelope_from, route })
    }

    /// Sends one message to one recipient and gives the server's acceptance.
    ///
    /// `Ok` means that the responsibility is now the server's (RFC 5321, section 4.2.5). After an error the
    /// same bytes may be sent again. `message_id` names the file where the transport is one.
    pub async fn send(&self, to: &MailAddress, bytes: &[u8], message_id: &str) -> Result<Answer, SendError> {
        match &self.route {
            Route::File(directory) => file::write(directory, message_id, bytes)
                .await
                .map_err(|source| SendError::File { directory: directory.clone(), source }),
            Route::Smtp(pool) => {
                let to = wire_address(to).map_err(Unsendable::Address)?;
                pool.send(&Parcel { from: self.envelope_from.clone(), to, bytes }).await
            }
        }
    }

    /// Connects, says EHLO, authenticates, and leaves. Always on a connection of its own.
    pub async fn probe(&self) -> ProbeReport {
        match &self.route {
            Route::Smtp(pool) => pool.probe().await,
            Route::File(directory) => ProbeReport {
                target: directory.display().to_string(),
                failure: file::probe(directory)
                    .await
                    .err()
                    .map(|source| SendError::File { directory: directory.clone(), source }),
                ..ProbeReport::default()
            },
        }
    }

    /// Says goodbye on all idle connections. The mailer can be used afterwards.
    pub async fn close(&self) {
        if let Route::Smtp(pool) = &self.route {
            pool.close().await;
        }
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match &self.route {
            Route::Smtp(pool) => pool.server.name(),
            Route::File(directory) => directory.display().to_string(),
        };
        f.debug_struct("Mailer").field("target", &target).finish_non_exhaustive()
    }
}

impl Pool {
    fn new(server: Server) -> Self {
        let withheld = server.credentials.as_ref().map(Credentials::withheld).unwrap_or_default();
        Self { server, withheld, idle: Mutex::new(Vec::new()), slots: Semaphore::new(MAX_CONNECTIONS) }
    }

    async fn send(&self, parcel: &Parcel<'_>) -> Result<Answer, SendError> {
        let sent = self.hand_over(parcel).await;
        sent.map(|answer| answer.without(&self.withheld)).map_err(|error| error.without(&self.withheld))
    }

    async fn hand_over(&self, parcel: &Parcel<'_>) -> Result<Answer, SendError> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        if let Some(connection) = self.take_idle() {
            let ended = connection.deliver(parcel).await;
            if !ended.was_stale() {
                return self.finish(ended);
            }
            self.idle().clear();
        }
        let connection = self.server.open().await?;
        self.finish(connection.deliver(parcel).await)
    }

    fn finish(&self, ended: connection::Ended) -> Result<Answer, SendError> {
        self.idle().extend(ended.connection);
        ended.result
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|connection| connection.idle_for() < IDLE_LIMIT);
        idle.pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn probe(&self) -> ProbeReport {
        let mut report = ProbeReport { target: self.server.name(), ..ProbeReport::default() };
        let mut findings = Findings::default();
        let connected = self.server.connect(&mut findings).await;
        report.greeting = findings.greeting;
        report.tls = findings.tls;
        report.failure = match connected {
            Ok(connection) => self.probe_connection(connection, &mut report).await.err().map(Into::into),
            Err(error) => Some(error.into()),
        };
        self.withhold(report)
    }

    fn withhold(&self, report: ProbeReport) -> ProbeReport {
        let secrets = &self.withheld;
        ProbeReport {
            greeting: report.greeting.map(|answer| answer.without(secrets)),
            capabilities: report.capabilities.iter().map(|line| secrets.from_text(line)).collect(),
            authentication: report.authentication.map(|answer| answer.without(secrets)),
            failure: report.failure.map(|error| error.without(secrets)),
            target: report.target,
            tls: report.tls,
        }
    }

    async fn probe_connection(
        &self,
        mut connection: Connection,
        report: &mut ProbeReport,
    ) -> Result<(), Unreachable> {
        report.capabilities = connection.capabilities().await?;
        report.authentication = self.server.authenticate(&mut connection).await?;
        connection.quit().await;
        Ok(())
    }

    async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            connection.quit().await;
        }
    }
}

fn server(settings: &SmtpSettings) -> Result<Server, MailerError> {
    let tls = || Tls::new(&settings.server, settings.ca_file.as_deref());
    let protection = match settings.security {
        Security::None => Protection::None,
        Security::StartTls => Protection::StartTls(tls()?),
        Security::Tls => Protection::Tls(tls()?),
    };
    Ok(Server {
        host: settings.server.clone(),
        port: settings.port,
        protection,
        credentials: settings.credentials.clone(),
        timeout: settings.timeout,
    })
}
