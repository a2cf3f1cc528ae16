//! Names of identity stores.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The name of an identity store: one or more of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(Box<str>);

/// Why a text is no name of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a store's name: it is made of a-z, 0-9 and -")]
pub struct StoreNameError;

impl StoreName {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreName {
    type Err = StoreNameError;

    fn from_str(text: &str) -> Result<Self, StoreNameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty() || !text.chars().all(allowed) {
            return Err(StoreNameError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for StoreName {
    type Error = StoreNameError;

    fn try_from(text: String) -> Result<Self, StoreNameError> {
        text.parse()
    }
}

impl From<StoreName> for String {
    fn from(name: StoreName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_letters_digits_and_dashes() {
        for (text, valid) in [
            ("acme", true),
            ("acme-eu", true),
            ("389", true),
            ("", false),
            ("Acme", false),
            ("acme_eu", false),
            ("acme.eu", false),
            ("acmé", false),
            ("acme\n", false),
        ] {
            assert_eq!(text.parse::<StoreName>().is_ok(), valid, "{text:?}");
        }
    }
}
