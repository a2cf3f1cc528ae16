//! What the configuration says of a directory server, checked.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;

use crate::{directory::dn::Dn, withheld::Withheld};

/// Everything needed to reach one identity store.
#[derive(Debug, Clone)]
pub struct ConnectorSettings {
    /// Tried in order; never empty.
    pub urls: Vec<ServerUrl>,
    /// Where the watched tree begins.
    pub base_dn: Dn,
    /// Names below it that are left out, with all that lies below them.
    pub exclude: Vec<Dn>,
    /// How to authenticate.
    pub bind: Bind,
    /// How the connection is protected.
    pub tls: TlsSettings,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerUrl {
    /// `ldap://host:port`, in the clear unless StartTLS is on.
    Ldap {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// 389 unless given.
        port: u16,
    },
    /// `ldaps://host:port`.
    Ldaps {
        /// As above.
        host: String,
        /// 636 unless given.
        port: u16,
    },
    /// `ldapi://%2Fpath`: a Unix socket.
    Ldapi {
        /// Absolute.
        path: PathBuf,
    },
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Ldap { host, port } => ("ldap", host, port),
            Self::Ldaps { host, port } => ("ldaps", host, port),
            Self::Ldapi { path } => return write!(f, "ldapi://{}", path.display()),
        };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

/// RFC 4513: how the connection says who it is.
#[derive(Debug, Clone)]
pub enum Bind {
    /// Name and password (section 5.1.3). The password is never empty: that would be an anonymous bind.
    Simple {
        /// A DN; on Active Directory also `user@domain` or `DOMAIN\user`.
        dn: String,
        /// Never empty.
        password: SecretString,
    },
    /// SASL EXTERNAL (RFC 4422, appendix A): the client certificate, or the peer credentials of ldapi.
    External,
    /// Section 5.1.1.
    Anonymous,
}

impl Bind {
    /// What a server must not say back into our records.
    pub fn withheld(&self) -> Withheld {
        match self {
            Self::Simple { dn, password } => Withheld::login(dn, password),
            Self::External | Self::Anonymous => Withheld::default(),
        }
    }
}

/// TLS towards the directory. Without a `ca_file` the system's roots are trusted.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// PEM, one or more certificates.
    pub ca_file: Option<PathBuf>,
    /// RFC 4511, section 4.14, on `ldap://`.
    pub start_tls: bool,
    /// PEM certificate chain and key, for [`Bind::External`].
    pub client: Option<ClientCertificate>,
}

/// A certificate chain with its key, both PEM.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The leaf first.
    pub cert_file: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key_file: PathBuf,
}
