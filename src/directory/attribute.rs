//! Attribute names and values as the connector hands them over.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The description of an attribute (RFC 4512, section 2.5), lower-cased, options (`;lang-de`) kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct AttributeName(Arc<str>);

impl AttributeName {
    /// Lower-cases `name`; two spellings of one attribute are equal afterwards.
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The lower-cased name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for AttributeName {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

impl From<AttributeName> for String {
    fn from(name: AttributeName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The attributes of one entry as read: octet strings in the server's order, each name at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawAttributes(pub Vec<(AttributeName, Vec<Vec<u8>>)>);

impl RawAttributes {
    /// The values of `name`, which must be lower-case; empty when the entry does not carry it.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.0.iter().find(|(n, _)| n.as_str() == name).map_or(&[], |(_, values)| values)
    }
}
