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

/// Attributes that hold passwords, keys or their history, lower-case and sorted. They are never asked for,
/// stored, compared or shown.
pub const SENSITIVE_ATTRIBUTES: &[&str] = &[
    "1.3.6.1.4.1.42.2.27.8.1.20", // pwdHistory
    "1.3.6.1.4.1.4203.1.3.4",     // authPassword
    "2.5.4.35",                   // userPassword
    "authpassword",
    "currentvalue",
    "dbcspwd",
    "initialauthincoming",
    "initialauthoutgoing",
    "ipanthash",
    "ipatokenotpkey",
    "krbmkey",
    "krbprincipalkey",
    "krbpwdhistory",
    "lmpwdhistory",
    "ms-mcs-admpwd",
    "msds-executescriptpassword",
    "msds-managedpassword",
    "msds-managedpasswordid",
    "msds-managedpasswordpreviousid",
    "msfve-keypackage",
    "msfve-recoverypassword",
    "mslaps-encrypteddsrmpassword",
    "mslaps-encrypteddsrmpasswordhistory",
    "mslaps-encryptedpassword",
    "mslaps-encryptedpasswordhistory",
    "mslaps-password",
    "mssfu30password",
    "nsds5replicacredentials",
    "nsmultiplexorcredentials",
    "nssymmetrickey",
    "ntpwdhistory",
    "oathsecret",
    "olcdbacctbindcred",
    "olcdbbindconf",
    "olcrootpw",
    "olcsyncrepl",
    "passwordhistory",
    "priorset",
    "priorvalue",
    "pwdhistory",
    "radiustunnelpassword",
    "sambacleartextpassword",
    "sambalmpassword",
    "sambantpassword",
    "sambapasswordhistory",
    "sambapreviouscleartextpassword",
    "supplementalcredentials",
    "trustauthincoming",
    "trustauthoutgoing",
    "unicodepwd",
    "unixuserpassword",
    "userpassword",
    "userpkcs12",
];

/// Whether `name`, its options aside, is one of [`SENSITIVE_ATTRIBUTES`].
pub fn is_sensitive(name: &AttributeName) -> bool {
    let base = name.as_str().split_once(';').map_or(name.as_str(), |(base, _)| base);
    SENSITIVE_ATTRIBUTES.binary_search(&base).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_lower_case() {
        assert!(SENSITIVE_ATTRIBUTES.is_sorted());
        assert!(SENSITIVE_ATTRIBUTES.iter().all(|name| AttributeName::new(name).as_str() == *name));
    }

    #[test]
    fn m23_secrets_are_known_in_every_spelling() {
        for (name, expected) in [
            ("userPassword", true),
            ("USERPASSWORD", true),
            ("userPassword;x-old", true),
            ("2.5.4.35", true),
            ("unicodePwd", true),
            ("pwdHistory", true),
            ("sambaNTPassword", true),
            ("sambaLMPassword", true),
            ("krbPrincipalKey", true),
            ("authPassword", true),
            ("dBCSPwd", true),
            ("lmPwdHistory", true),
            ("ntPwdHistory", true),
            ("supplementalCredentials", true),
            ("ms-Mcs-AdmPwd", true),
            ("mail", false),
            ("pwdAccountLockedTime", false),
            ("userPasswordHint", false),
            ("", false),
        ] {
            assert_eq!(is_sensitive(&AttributeName::new(name)), expected, "{name}");
        }
    }
}
