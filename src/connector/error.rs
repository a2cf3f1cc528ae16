//! What can go wrong with a directory, and what is done about it.

use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use super::{decode::DecodeError, guard::Ended, guard::ber::Malformed, settings::ServerUrl};
use crate::withheld::Withheld;

/// Why no server could be used, or why the one in use was lost. Says which URL.
#[derive(Debug)]
pub struct ConnectorError {
    first: Failure,
    /// Of the further URLs that were tried.
    others: Vec<Failure>,
}

/// What went wrong with one server.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub url: ServerUrl,
    /// What.
    pub problem: Problem,
}

impl ConnectorError {
    /// Of one server.
    pub fn new(url: ServerUrl, problem: Problem) -> Self {
        Self { first: Failure { url, problem }, others: Vec::new() }
    }

    /// Adds what went wrong with the next server that was tried.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        self.others.push(next.first);
        self.others.extend(next.others);
        self
    }

    /// What is done about it. With several servers what helps soonest: while one of them may come back,
    /// nothing is given up.
    pub fn disposition(&self) -> Disposition {
        let others = self.others.iter().map(|failure| failure.problem.disposition());
        let first = self.first.problem.disposition();
        others.fold(first, |best, next| if next.rank() < best.rank() { next } else { best })
    }

    /// What went wrong, in the order in which the servers were tried.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Whether the answers were too large to be held side by side.
    pub(super) fn is_too_much(&self) -> bool {
        self.failures().any(|failure| matches!(failure.problem, Problem::TooMuch { .. }))
    }

    /// Whether some server refused the checkpoint as lying in its future (a database restored from a backup,
    /// or a replica that is behind).
    pub(super) fn went_back(&self) -> bool {
        self.failures().any(|failure| matches!(failure.problem, Problem::WentBack(_)))
    }

    /// Whether changes no longer came.
    pub(super) fn stalled(&self) -> bool {
        self.failures().any(|failure| matches!(failure.problem, Problem::Stalled { .. }))
    }
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Failure { url, problem }) in self.failures().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{url}: {problem}")?;
            let mut cause = problem.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

/// The causes are part of the text, as there may be several of them side by side.
impl Error for ConnectorError {}

/// What is done about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// The connection is opened again, soon.
    Reconnect,
    /// The server is behind the checkpoint and may be a replica that catches up: it is asked again, soon.
    Wait,
    /// The checkpoint is of no use: everything is read again and compared.
    Resync,
    /// Only a person can repair it, here or on the server; it is tried again, rarely.
    RetrySlowly {
        /// What to do, for a person.
        advice: String,
    },
    /// Trying again would be of no use.
    Stop {
        /// What to do, for a person.
        advice: String,
    },
}

impl Disposition {
    fn rank(&self) -> u8 {
        match self {
            Self::Resync => 0,
            Self::Reconnect | Self::Wait => 1,
            Self::RetrySlowly { .. } => 2,
            Self::Stop { .. } => 3,
        }
    }

    fn slowly(advice: impl Into<String>) -> Self {
        Self::RetrySlowly { advice: advice.into() }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// DNS.
    #[error("could not look up the server's name")]
    Resolve(#[source] io::Error),
    /// TCP, or the Unix socket.
    #[error("could not connect")]
    Connect(#[source] io::Error),
    /// Nothing came in time.
    #[error("no answer within {} s to the {awaited}", limit.as_secs_f32())]
    TimedOut {
        /// What we waited for.
        awaited: &'static str,
        /// How long.
        limit: Duration,
    },
    /// More than we hold in memory for one question.
    #[error("the server sends more than {} MB for one {during}", limit >> 20)]
    TooMuch {
        /// What we asked.
        during: &'static str,
        /// Bytes.
        limit: usize,
    },
    /// The server took our heartbeat and did not answer, nor send anything else.
    #[error("the server is frozen: no sign of life for {} s", silence.as_secs_f32())]
    Frozen {
        /// For how long.
        silence: Duration,
    },
    /// Entries were changed below the base, and the search that follows it does not show them.
    #[error("the server answers but no longer shows changes: some are overdue for {heartbeats} heartbeats")]
    Stalled {
        /// For how many.
        heartbeats: u32,
    },
    /// A file of `tls` is missing or is not what it should be.
    #[error("could not use {}", path.display())]
    TlsFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No CA is configured and the system has none.
    #[error("the system has no usable root certificates{}", because(.0))]
    NoRoots(Vec<String>),
    /// The certificate does not fit the key, or the like.
    #[error("could not set up TLS")]
    TlsSetup(#[source] rustls::Error),
    /// Wrong certificate, wrong name, no common version.
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    /// RFC 4511, section 4.14.
    #[error("the server refuses StartTLS: {0}")]
    StartTlsRefused(Answer),
    /// The answer to StartTLS is no LDAP.
    #[error("could not read the answer to StartTLS")]
    StartTlsAnswer(#[source] Malformed),
    /// RFC 4511, section 4.2.
    #[error("the server refuses the bind: {0}")]
    BindRefused(Answer),
    /// The connection ended.
    #[error("lost the connection during the {during}")]
    Lost {
        /// What we were doing.
        during: &'static str,
        /// Why it ended.
        #[source]
        cause: Ended,
    },
    /// The crate refused a request before it was sent.
    #[error("could not send the {0}")]
    Request(&'static str, #[source] Box<dyn Error + Send + Sync>),
    /// The base is not there, or hidden from us.
    #[error("the base {base} cannot be read{}", because(answer))]
    BaseUnreadable {
        /// As configured.
        base: String,
        /// `None`: success, without the entry.
        answer: Option<Answer>,
    },
    /// The server does not offer RFC 4533 here.
    #[error("the server does not offer the sync control{}", because(.0))]
    SyncUnavailable(Option<Answer>),
    /// The control is critical, and the server answers as if it had not been there.
    #[error("the server ignores the sync control")]
    SyncIgnored,
    /// The search ended early: whatever was not shown may exist all the same.
    #[error("the server shows only a part of the tree: {answer}")]
    LimitReached {
        /// 3, 4 or 11.
        answer: Answer,
        /// What `olcLimits` begins with for our account.
        who: String,
    },
    /// A part of the tree, or all of it, lies on another server.
    #[error("a part of the tree lies on another server, and referrals are not followed")]
    Referral,
    /// The same, when asked where an entry is that is gone from the base.
    #[error(
        "whether an entry was deleted or moved out of base_dn cannot be told: a part of the naming context \
             lies on another server, and referrals are not followed"
    )]
    WhereaboutsUnknown,
    /// 4096, e-syncRefreshRequired.
    #[error("the server no longer knows the changes since the checkpoint: {0}")]
    CheckpointRefused(Answer),
    /// 53 to a search with a checkpoint: it lies in the server's future.
    #[error("the server is behind the checkpoint: {0}")]
    WentBack(Answer),
    /// A search that should not have ended did.
    #[error("the server ended the search: {0}")]
    SearchEnded(Answer),
    /// Any other refusal.
    #[error("the server refuses the {request}: {answer}")]
    Refused {
        /// What we asked.
        request: &'static str,
        /// What it said.
        answer: Answer,
    },
    /// Something well-formed that is not what it should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Problem {
    /// A server that repeats the login in its answer does not bring it into our records.
    #[must_use]
    pub fn without(mut self, secrets: &Withheld) -> Self {
        if let Some(answer) = self.answer_mut() {
            *answer = answer.without(secrets);
        }
        self
    }

    fn answer_mut(&mut self) -> Option<&mut Answer> {
        match self {
            Self::StartTlsRefused(answer)
            | Self::BindRefused(answer)
            | Self::BaseUnreadable { answer: Some(answer), .. }
            | Self::SyncUnavailable(Some(answer))
            | Self::LimitReached { answer, .. }
            | Self::CheckpointRefused(answer)
            | Self::WentBack(answer)
            | Self::SearchEnded(answer)
            | Self::Refused { answer, .. }
            | Self::Lost { cause: Ended::Disconnected(answer), .. } => Some(answer),
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::TimedOut { .. }
            | Self::TooMuch { .. }
            | Self::Frozen { .. }
            | Self::Stalled { .. }
            | Self::TlsFile { .. }
            | Self::NoRoots(_)
            | Self::TlsSetup(_)
            | Self::Tls(_)
            | Self::StartTlsAnswer(_)
            | Self::Lost { .. }
            | Self::Request(..)
            | Self::BaseUnreadable { answer: None, .. }
            | Self::SyncUnavailable(None)
            | Self::SyncIgnored
            | Self::Referral
            | Self::WhereaboutsUnknown
            | Self::Decode(_) => None,
        }
    }

    /// What is done about it.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::TimedOut { .. }
            | Self::TooMuch { .. }
            | Self::Frozen { .. }
            | Self::Stalled { .. }
            | Self::StartTlsAnswer(_)
            | Self::Lost { .. }
            | Self::Request(..)
            | Self::SearchEnded(_)
            | Self::Refused { .. }
            | Self::Decode(_) => Disposition::Reconnect,
            Self::CheckpointRefused(_) | Self::WentBack(_) => Disposition::Resync,
            Self::Tls(cause) => of_tls(cause),
            Self::TlsFile { path, .. } => {
                Disposition::slowly(format!("check that {} is readable and PEM", path.display()))
            }
            Self::NoRoots(_) => Disposition::slowly("install ca-certificates, or set tls.ca_file"),
            Self::TlsSetup(_) => {
                Disposition::slowly("check that tls.client_key_file belongs to tls.client_cert_file")
            }
            Self::StartTlsRefused(_) => {
                Disposition::slowly("give the server a certificate, or use an ldaps:// URL; nothing was sent")
            }
            Self::BindRefused(answer) => of_bind(answer),
            Self::LimitReached { who, .. } => Disposition::slowly(format!(
                "raise the limits of dirherald's account on the database: \
                 olcLimits: {who} size=unlimited time=unlimited"
            )),
            Self::Referral => {
                Disposition::slowly("name the server that holds the tree in urls, or watch a smaller base_dn")
            }
            Self::WhereaboutsUnknown => Disposition::slowly(
                "name a server in urls that holds the whole naming context, or make base_dn the naming context",
            ),
            Self::BaseUnreadable { base, .. } => Disposition::Stop {
                advice: format!(
                    "check base_dn, and give dirherald's account read access to {base} and what lies below it"
                ),
            },
            Self::SyncUnavailable(_) | Self::SyncIgnored => Disposition::Stop {
                advice: "load the overlay syncprov on the database that holds base_dn".to_owned(),
            },
        }
    }
}

fn of_tls(cause: &io::Error) -> Disposition {
    let by_rustls = cause.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>);
    if by_rustls {
        Disposition::slowly("check tls.ca_file, and that the certificate names the host of the URL")
    } else {
        Disposition::Reconnect
    }
}

fn of_bind(answer: &Answer) -> Disposition {
    match answer.code {
        code::INVALID_CREDENTIALS => Disposition::slowly("check bind.dn and bind.password"),
        code::CONFIDENTIALITY_REQUIRED | code::STRONGER_AUTH_REQUIRED => Disposition::slowly(
            "use an ldaps:// URL or tls.start_tls; the server wants a protected connection",
        ),
        code::AUTH_METHOD_NOT_SUPPORTED
        | code::INAPPROPRIATE_AUTHENTICATION
        | code::INSUFFICIENT_ACCESS_RIGHTS
        | code::INVALID_DN_SYNTAX
        | code::UNWILLING_TO_PERFORM => {
            Disposition::slowly("check bind.method and bind.dn: the server does not take this kind of bind")
        }
        _ => Disposition::Reconnect,
    }
}

fn because<T: fmt::Debug>(reason: &T) -> Because<'_, T> {
    Because(reason)
}

/// `: reason`, or nothing.
struct Because<'a, T>(&'a T);

impl fmt::Display for Because<'_, Option<Answer>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |answer| write!(f, ": {answer}"))
    }
}

impl fmt::Display for Because<'_, Vec<String>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

/// The result of an operation (RFC 4511, section 4.1.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// RFC 4511, appendix A.
    pub code: u32,
    /// The server's words; often empty.
    pub text: String,
}

impl Answer {
    /// The same, should the server have repeated one of these.
    #[must_use]
    pub fn without(&self, secrets: &Withheld) -> Self {
        Self { code: self.code, text: secrets.from_text(&self.text) }
    }
}

impl From<ldap3::LdapResult> for Answer {
    fn from(result: ldap3::LdapResult) -> Self {
        Self { code: result.rc, text: result.text }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, code_name(self.code))?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " ({})", self.text.escape_debug()) }
    }
}

/// Result codes that are told apart (RFC 4511, appendix A; RFC 4533, section 2.5).
pub mod code {
    pub const SUCCESS: u32 = 0;
    pub const TIME_LIMIT_EXCEEDED: u32 = 3;
    pub const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub const AUTH_METHOD_NOT_SUPPORTED: u32 = 7;
    pub const STRONGER_AUTH_REQUIRED: u32 = 8;
    pub const REFERRAL: u32 = 10;
    pub const ADMIN_LIMIT_EXCEEDED: u32 = 11;
    pub const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
    pub const CONFIDENTIALITY_REQUIRED: u32 = 13;
    pub const NO_SUCH_OBJECT: u32 = 32;
    pub const INVALID_DN_SYNTAX: u32 = 34;
    pub const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub const INVALID_CREDENTIALS: u32 = 49;
    pub const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;
    pub const UNWILLING_TO_PERFORM: u32 = 53;
    pub const SYNC_REFRESH_REQUIRED: u32 = 4096;
}

/// The name of a result code, for people.
pub fn code_name(code: u32) -> &'static str {
    match code {
        code::SUCCESS => "success",
        1 => "operationsError",
        2 => "protocolError",
        code::TIME_LIMIT_EXCEEDED => "timeLimitExceeded",
        code::SIZE_LIMIT_EXCEEDED => "sizeLimitExceeded",
        code::AUTH_METHOD_NOT_SUPPORTED => "authMethodNotSupported",
        code::STRONGER_AUTH_REQUIRED => "strongerAuthRequired",
        code::REFERRAL => "referral",
        code::ADMIN_LIMIT_EXCEEDED => "adminLimitExceeded",
        code::UNAVAILABLE_CRITICAL_EXTENSION => "unavailableCriticalExtension",
        code::CONFIDENTIALITY_REQUIRED => "confidentialityRequired",
        code::NO_SUCH_OBJECT => "noSuchObject",
        code::INVALID_DN_SYNTAX => "invalidDNSyntax",
        code::INAPPROPRIATE_AUTHENTICATION => "inappropriateAuthentication",
        code::INVALID_CREDENTIALS => "invalidCredentials",
        code::INSUFFICIENT_ACCESS_RIGHTS => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        code::UNWILLING_TO_PERFORM => "unwillingToPerform",
        80 => "other",
        code::SYNC_REFRESH_REQUIRED => "e-syncRefreshRequired",
        _ => "unnamed result",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str) -> ServerUrl {
        ServerUrl::Ldap { host: host.to_owned(), port: 389 }
    }

    fn answer(code: u32) -> Answer {
        Answer { code, text: String::new() }
    }

    #[test]
    fn every_error_says_which_url_and_why() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let error = ConnectorError::new(url("a"), Problem::Connect(refused))
            .and(ConnectorError::new(url("b"), Problem::BindRefused(answer(code::INVALID_CREDENTIALS))));
        assert_eq!(
            error.to_string(),
            "ldap://a:389: could not connect: connection refused; \
             ldap://b:389: the server refuses the bind: 49 invalidCredentials"
        );
    }

    #[test]
    fn with_several_servers_what_helps_soonest_is_done() {
        let stop = || Problem::BaseUnreadable { base: "dc=x".to_owned(), answer: None };
        let down = || Problem::Connect(io::ErrorKind::ConnectionRefused.into());
        let both =
            |a, b| ConnectorError::new(url("a"), a).and(ConnectorError::new(url("b"), b)).disposition();
        assert!(matches!(both(stop(), stop()), Disposition::Stop { .. }));
        assert_eq!(both(stop(), down()), Disposition::Reconnect);
        assert_eq!(both(down(), stop()), Disposition::Reconnect);
        assert_eq!(both(down(), Problem::CheckpointRefused(answer(4096))), Disposition::Resync);
    }

    #[test]
    fn l22_the_advice_names_the_setting() {
        let problem = Problem::LimitReached {
            answer: answer(code::SIZE_LIMIT_EXCEEDED),
            who: "dn.exact=\"cn=d,dc=x\"".to_owned(),
        };
        let Disposition::RetrySlowly { advice } = problem.disposition() else { panic!("{problem}") };
        assert!(
            advice.ends_with("olcLimits: dn.exact=\"cn=d,dc=x\" size=unlimited time=unlimited"),
            "{advice}"
        );
    }
}
