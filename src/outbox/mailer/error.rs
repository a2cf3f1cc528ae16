//! What can go wrong between us and a mail server, and what each failure says about the message.

use std::{error::Error as _, fmt, io, path::PathBuf, time::Duration};

use crate::{
    error_chain::chain,
    outbox::state::{Answer, FailureClass},
    withheld::Withheld,
};

/// Why a mailer cannot be set up. Found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    /// `ca_file` cannot be used.
    #[error("cannot read certificates from ca_file {path}")]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// `ca_file` holds nothing to trust.
    #[error("ca_file {path} holds no certificate")]
    NoCertificate {
        /// As configured.
        path: PathBuf,
    },
    /// The system has no roots, and no `ca_file` is given.
    #[error("the system's trusted certificates cannot be read; set smtp.ca_file")]
    NoRoots,
    /// The TLS library refuses the roots.
    #[error("the trusted certificates cannot be used")]
    Tls(#[source] rustls::Error),
    /// A certificate can never match this.
    #[error("{server} is no name a certificate can be checked against")]
    ServerName {
        /// As configured.
        server: String,
    },
    /// `envelope_from` or `from`.
    #[error("the sender's address cannot be used in SMTP")]
    Sender(#[source] lettre::address::AddressError),
}

/// Why one attempt to send one message failed.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A 4yz reply (RFC 5321, section 4.2.1; class 4 of RFC 3463), or silence after the whole message was
    /// handed over: the server may or may not have it, and the same bytes go out again.
    #[error("the mail server put the message off at {step}")]
    Transient {
        /// How far it came.
        step: Step,
        /// What happened.
        #[source]
        fault: Fault,
    },
    /// A 5yz reply (RFC 5321, section 4.2.1; class 5 of RFC 3463).
    #[error("the mail server refused the message at {step}")]
    Permanent {
        /// How far it came.
        step: Step,
        /// What happened.
        #[source]
        fault: Fault,
    },
    /// This server has no way to take this message.
    #[error("the message cannot be sent")]
    Unsendable(#[from] Unsendable),
    /// The server as a whole cannot be used; nothing was learned about the message.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// `transport = "file"`: the directory cannot be written.
    #[error("cannot write a message into {directory}")]
    File {
        /// As configured.
        directory: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Why a message fits no mail server like this one.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// Not an address of RFC 5321.
    #[error("the recipient's address cannot be used in SMTP")]
    Address(#[source] lettre::address::AddressError),
    /// RFC 6531 is needed and not offered.
    #[error(
        "an address has letters beyond ASCII before the @, and the mail server does not offer SMTPUTF8 (RFC 6531)"
    )]
    NoSmtpUtf8,
}

/// A mail server that cannot be used: not reached, not trusted, or it does not let us in.
#[derive(Debug, thiserror::Error)]
#[error("mail server {server}: {step} failed")]
pub struct Unreachable {
    /// `host:port`.
    pub server: String,
    /// How far it came.
    pub step: Step,
    /// What happened.
    #[source]
    pub fault: Fault,
}

/// A step of the dialogue, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Name lookup and TCP.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The 220 (RFC 5321, section 4.3.1).
    Greeting,
    /// RFC 5321, section 4.1.1.1.
    Ehlo,
    /// RFC 3207.
    StartTls,
    /// RFC 4954.
    Auth,
    /// RFC 5321, section 4.1.1.2.
    Mail,
    /// RFC 5321, section 4.1.1.3.
    Rcpt,
    /// RFC 5321, section 4.1.1.4, up to the 354.
    Data,
    /// The message itself, up to the reply after its last line.
    Message,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "authentication",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Message => "the end of the message",
        })
    }
}

/// What happened at a step.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A negative reply, in the server's words.
    #[error("{0}")]
    Refused(Answer),
    /// A reply that makes no sense here, such as 250 to DATA.
    #[error("unexpected reply {0}")]
    Unexpected(Answer),
    /// The network, or TLS.
    #[error("network or TLS error")]
    Io(#[source] io::Error),
    /// The connection broke off, or spoke something else than SMTP.
    #[error("the connection was lost")]
    Lost(#[source] lettre::transport::smtp::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// Required, and not offered: perhaps stripped on the way (RFC 3207, section 6).
    #[error("the server does not offer STARTTLS")]
    NoStartTls,
    /// Bytes in the clear that would have been taken for protected ones (RFC 3207, section 6).
    #[error("the server sent more than its answer ahead of the TLS handshake")]
    Injected,
    /// Credentials are configured, and there is no way to send them.
    #[error("the server offers neither AUTH PLAIN nor AUTH LOGIN")]
    NoMechanism,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<lettre::transport::smtp::Error> for Fault {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let Some(code) = error.status() else { return Self::Lost(error) };
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        Self::Refused(Answer::reply(code.into(), &words))
    }
}

impl Fault {
    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Refused(answer) | Self::Unexpected(answer) => Some(answer),
            Self::Io(_)
            | Self::Lost(_)
            | Self::Timeout(_)
            | Self::NoStartTls
            | Self::Injected
            | Self::NoMechanism => None,
        }
    }
}

impl SendError {
    /// A server that repeats the login in its answer does not bring it into our records.
    #[must_use]
    pub(super) fn without(mut self, secrets: &Withheld) -> Self {
        let fault = match &mut self {
            Self::Transient { fault, .. }
            | Self::Permanent { fault, .. }
            | Self::Unreachable(Unreachable { fault, .. }) => fault,
            Self::Unsendable(_) | Self::File { .. } => return self,
        };
        if let Fault::Refused(answer) | Fault::Unexpected(answer) = fault {
            *answer = answer.without(secrets);
        }
        self
    }

    /// What the retry rules need to know.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Transient { .. } => FailureClass::Transient,
            Self::Permanent { .. } | Self::Unsendable(_) => FailureClass::Permanent,
            Self::Unreachable(_) | Self::File { .. } => FailureClass::Unreachable,
        }
    }

    /// The server's own words; where it said nothing, ours with all causes. Fit to store and to show.
    pub fn answer(&self) -> Answer {
        let fault = match self {
            Self::Transient { fault, .. } | Self::Permanent { fault, .. } => Some(fault),
            Self::Unreachable(unreachable) => Some(&unreachable.fault),
            Self::Unsendable(_) | Self::File { .. } => None,
        };
        match fault.and_then(Fault::answer) {
            Some(answer) => answer.clone(),
            None => Answer::words(&chain(self)),
        }
    }

    /// What an operator should look at; `None` where the answer says it all.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable(unreachable) => Some(unreachable.advice()),
            Self::File { .. } => Some("check that smtp.directory exists and can be written"),
            Self::Transient { .. } | Self::Permanent { .. } | Self::Unsendable(_) => None,
        }
    }

    /// Sorts a failure within a mail transaction.
    pub(super) fn in_transaction(server: &str, step: Step, fault: Fault) -> Self {
        match transaction_class(step, &fault) {
            FailureClass::Transient => Self::Transient { step, fault },
            FailureClass::Permanent => Self::Permanent { step, fault },
            FailureClass::Unreachable => {
                Self::Unreachable(Unreachable { server: server.to_owned(), step, fault })
            }
        }
    }
}

impl Unreachable {
    fn advice(&self) -> &'static str {
        match &self.fault {
            Fault::Refused(answer) if is_about_login(answer) => {
                "the mail server does not accept the login: check smtp.username and smtp.password"
            }
            Fault::NoStartTls => {
                "set smtp.security to \"tls\" (usually with smtp.port = 465) or, for a server on this machine or on a \
                 network you trust, to \"none\"; or repair the server; nothing was sent"
            }
            Fault::Injected => "someone may tamper with the connection; nothing was sent",
            Fault::NoMechanism => "the server may offer AUTH only over TLS: check smtp.security",
            Fault::Io(_) if self.step == Step::Tls => {
                "check smtp.ca_file, smtp.server (it must be a name in the certificate) and smtp.security; \
                 no credentials were sent"
            }
            Fault::Refused(_) | Fault::Unexpected(_) | Fault::Io(_) | Fault::Lost(_) | Fault::Timeout(_)
                if self.step == Step::Connect =>
            {
                "check smtp.server and smtp.port, and that a firewall lets this machine through"
            }
            Fault::Refused(_) | Fault::Unexpected(_) | Fault::Io(_) | Fault::Lost(_) | Fault::Timeout(_) => {
                "check smtp.port and smtp.security, and whether the server lets this machine send"
            }
        }
    }
}

/// What a fault within a transaction says.
///
/// What happens after the message was handed over may well be its own doing, so it alone is put off, and
/// the next one finds out about the server.
fn transaction_class(step: Step, fault: &Fault) -> FailureClass {
    match fault {
        Fault::Refused(answer) => reply_class(step, answer),
        Fault::Unexpected(_)
        | Fault::Io(_)
        | Fault::Lost(_)
        | Fault::Timeout(_)
        | Fault::NoStartTls
        | Fault::Injected
        | Fault::NoMechanism => {
            if step == Step::Message {
                FailureClass::Transient
            } else {
                FailureClass::Unreachable
            }
        }
    }
}

/// 421 closes the channel whatever it answers (RFC 5321, section 3.8); 500, 502 and 503 to MAIL speak of
/// the dialogue so far. Like a refused login they say nothing about this message, which must not be lost
/// because a password was changed.
fn reply_class(step: Step, answer: &Answer) -> FailureClass {
    let code = answer.code().unwrap_or_default();
    let is_about_dialogue = code == 421 || (step == Step::Mail && matches!(code, 500 | 502 | 503));
    if is_about_dialogue || is_about_login(answer) {
        return FailureClass::Unreachable;
    }
    if code >= 500 { FailureClass::Permanent } else { FailureClass::Transient }
}

/// RFC 4954, section 6.
fn is_about_login(answer: &Answer) -> bool {
    matches!(answer.code(), Some(530 | 534 | 535 | 538))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m04_what_a_reply_in_a_transaction_says() {
        let check = |step, code, expected| {
            let fault = Fault::Refused(Answer::reply(code, "words"));
            assert_eq!(transaction_class(step, &fault), expected, "{code} at {step}");
        };
        for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Message] {
            check(step, 450, FailureClass::Transient);
            check(step, 452, FailureClass::Transient);
            check(step, 550, FailureClass::Permanent);
            check(step, 554, FailureClass::Permanent);
            check(step, 421, FailureClass::Unreachable);
            check(step, 530, FailureClass::Unreachable);
            check(step, 535, FailureClass::Unreachable);
        }
        check(Step::Mail, 503, FailureClass::Unreachable);
        check(Step::Rcpt, 503, FailureClass::Permanent);
    }

    #[test]
    fn a_broken_connection_is_the_servers_until_the_message_was_handed_over() {
        let check = |step, expected| {
            assert_eq!(transaction_class(step, &Fault::Timeout(Duration::from_secs(1))), expected, "{step}");
        };
        check(Step::Mail, FailureClass::Unreachable);
        check(Step::Rcpt, FailureClass::Unreachable);
        check(Step::Data, FailureClass::Unreachable);
        check(Step::Message, FailureClass::Transient);
    }

    #[test]
    fn the_words_to_record() {
        let refused = Fault::Refused(Answer::reply(535, "5.7.8 no"));
        let error = SendError::from(Unreachable { server: "mx:25".into(), step: Step::Auth, fault: refused });
        assert_eq!(error.answer().to_string(), "535 5.7.8 no");
        assert!(error.advice().unwrap().contains("smtp.password"));

        let late = Fault::Timeout(Duration::from_secs(30));
        let error = SendError::from(Unreachable { server: "mx:25".into(), step: Step::Connect, fault: late });
        assert_eq!(
            error.answer().to_string(),
            "mail server mx:25: the connection failed: no answer within 30 s"
        );
        assert_eq!(error.answer().code(), None);
        assert!(error.advice().unwrap().contains("smtp.port"));
    }
}
