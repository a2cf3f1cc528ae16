//! How to reach the directory.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{Refused, StoreReader};
use crate::{
    connector::settings::{Bind, ClientCertificate, ConnectorSettings, ServerUrl, TlsSettings},
    directory::dn::Dn,
};

impl StoreReader<'_> {
    pub(super) fn connector(&mut self) -> Result<ConnectorSettings, Refused> {
        let urls = self.required("urls");
        let base_dn = self.required("base_dn");
        let exclude = self.exclude(base_dn.as_ref().ok());
        let tls = self.tls();
        let bind = self.bind();
        let urls: Vec<ServerUrl> = urls?;
        self.check_protection(&urls)?;
        Ok(ConnectorSettings { urls, base_dn: base_dn?, exclude: exclude?, bind: bind?, tls: tls? })
    }

    fn exclude(&mut self, base: Option<&Dn>) -> Result<Vec<Dn>, Refused> {
        let exclude: Vec<Dn> = self.get("exclude")?;
        let Some(base) = base else { return Ok(exclude) };
        match exclude.iter().find(|dn| !dn.is_below(base)) {
            None => Ok(exclude),
            Some(dn) => {
                let problem = format!(
                    "names {dn}, which does not lie below base_dn: write names below {base}, or leave it out"
                );
                self.refuse("exclude", &problem)
            }
        }
    }

    fn tls(&mut self) -> Result<TlsSettings, Refused> {
        let certificate = self.optional("tls.client_cert_file")?;
        let key = self.optional("tls.client_key_file")?;
        let client = match (certificate, key) {
            (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
            (None, None) => None,
            (Some(_), None) => {
                return self.refuse("tls.client_key_file", "is required beside client_cert_file");
            }
            (None, Some(_)) => {
                return self.refuse("tls.client_cert_file", "is required beside client_key_file");
            }
        };
        let start_tls = self.get("tls.start_tls")?;
        Ok(TlsSettings { ca_file: self.optional("tls.ca_file")?, start_tls, client })
    }

    fn bind(&mut self) -> Result<Bind, Refused> {
        match self.get("bind.method")? {
            "simple" => self.simple_bind(),
            "external" => Ok(Bind::External),
            "anonymous" => Ok(Bind::Anonymous),
            _ => Err(Refused),
        }
    }

    fn simple_bind(&mut self) -> Result<Bind, Refused> {
        let dn = self.bind_dn();
        let password = self.bind_password();
        Ok(Bind::Simple { dn: dn?, password: password? })
    }

    /// What looks like a DN must be one; `user@domain` and `DOMAIN\user` are left to the server.
    fn bind_dn(&mut self) -> Result<String, Refused> {
        let dn = self.optional("bind.dn")?.filter(|dn: &String| !dn.is_empty());
        let Some(dn) = dn else {
            return self.refuse(
                "bind.dn",
                "is required for method = \"simple\": write for example dn = \
                 \"cn=dirherald,ou=services,dc=acme,dc=example\", or method = \"anonymous\" to read without an \
                 account",
            );
        };
        match Dn::parse(&dn) {
            Err(error) if dn.contains('=') => self.refuse("bind.dn", &format!("is {error}")),
            Ok(_) | Err(_) => Ok(dn),
        }
    }

    /// M24: RFC 4513, section 5.1.2: a name with an empty password is a bind that succeeds and means nobody.
    fn bind_password(&mut self) -> Result<SecretString, Refused> {
        let Some(password) = self.optional::<SecretString>("bind.password")? else {
            return self.refuse(
                "bind.password",
                "is required for method = \"simple\": write password_file = \"/path/to/file\" or password = \
                 \"...\"",
            );
        };
        if password.expose_secret().is_empty() {
            return self.refuse(
                "bind.password",
                "is empty, which servers take for an anonymous login: give the password, or write method = \
                 \"anonymous\"",
            );
        }
        Ok(password)
    }

    /// M20, and what EXTERNAL takes its identity from.
    fn check_protection(&mut self, urls: &[ServerUrl]) -> Result<(), Refused> {
        let start_tls: bool = self.get("tls.start_tls")?;
        let in_the_clear = !start_tls && urls.iter().any(|url| matches!(url, ServerUrl::Ldap { .. }));
        match self.get("bind.method")? {
            "simple" if in_the_clear && !self.get("tls.allow_plaintext")? => self.refuse(
                "urls",
                "ldap:// would send the password in the clear: write ldaps:// instead, or tls.start_tls = true, \
                 or, on a network you trust, tls.allow_plaintext = true",
            ),
            "external" if in_the_clear => self.refuse(
                "urls",
                "ldap:// carries no client certificate for method = \"external\": write ldaps:// instead, or \
                 tls.start_tls = true",
            ),
            "external" => self.check_certificate(urls),
            _ => Ok(()),
        }
    }

    fn check_certificate(&mut self, urls: &[ServerUrl]) -> Result<(), Refused> {
        let given = self.optional::<PathBuf>("tls.client_cert_file")?.is_some()
            || self.optional::<PathBuf>("tls.client_key_file")?.is_some();
        if given || urls.iter().all(|url| matches!(url, ServerUrl::Ldapi { .. })) {
            return Ok(());
        }
        self.refuse(
            "tls.client_cert_file",
            "is required for method = \"external\", together with client_key_file; only ldapi:// goes without",
        )
    }
}
