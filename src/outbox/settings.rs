//! What the configuration says of a mail server, checked.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::{directory::mail_address::MailAddress, withheld::Withheld};

/// Everything needed to deliver the mail of one identity store.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// What readers see as the sender.
    pub from: Mailbox,
    /// RFC 5321, section 4.5.5: `None` is the null sender `<>`.
    pub envelope_from: Option<MailAddress>,
    /// `Reply-To`, where one is set.
    pub reply_to: Option<Mailbox>,
    /// How messages leave.
    pub transport: Transport,
    /// When to try again.
    pub retry: RetryPolicy,
}

/// `Directory <no-reply@acme.example>`, or the address alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Not yet encoded for a header.
    pub name: Option<String>,
    /// The address.
    pub address: MailAddress,
}

/// How messages leave.
#[derive(Debug, Clone)]
pub enum Transport {
    /// To a mail server.
    Smtp(SmtpSettings),
    /// One `.eml` file per message.
    File {
        /// Must exist and be writable.
        directory: PathBuf,
    },
}

/// RFC 5321 submission.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// A name or an address.
    pub server: String,
    /// 587 unless given.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// PEM; `None` trusts the system's roots.
    pub ca_file: Option<PathBuf>,
    /// RFC 4954. `None`: no credentials are sent.
    pub credentials: Option<Credentials>,
    /// For each command.
    pub timeout: Duration,
}

/// Protection of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In the clear.
    None,
    /// RFC 3207, required: a server that does not offer it gets nothing.
    StartTls,
    /// RFC 8314: TLS from the first byte.
    Tls,
}

/// A user name with its password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// As the server knows it.
    pub username: String,
    /// Never empty.
    pub password: SecretString,
}

impl Credentials {
    /// What a server must not say back into our records.
    pub fn withheld(&self) -> Withheld {
        Withheld::login(&self.username, &self.password)
    }
}

/// When to try again after a transient failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first wait after a 4xx to one message, then doubled.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// A message older than this fails for good.
    pub give_up_after: Duration,
}
