//! How mail leaves.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{Refused, StoreReader};
use crate::outbox::settings::{
    Credentials, MailSettings, Mailbox, RetryPolicy, Security, SmtpSettings, Transport,
};

impl StoreReader<'_> {
    pub(super) fn mail(&mut self) -> Result<MailSettings, Refused> {
        let from: Result<Mailbox, _> = self.required("smtp.from");
        let transport = self.transport();
        let retry = self.retry();
        let envelope_from = self.optional("smtp.envelope_from")?;
        let from = from?;
        Ok(MailSettings {
            envelope_from: envelope_from.unwrap_or_else(|| Some(from.address.clone())),
            from,
            reply_to: self.optional("smtp.reply_to")?,
            transport: transport?,
            retry: retry?,
        })
    }

    fn retry(&mut self) -> Result<RetryPolicy, Refused> {
        let retry = RetryPolicy {
            initial: self.get("smtp.retry_initial")?,
            max: self.get("smtp.retry_max")?,
            give_up_after: self.get("smtp.give_up_after")?,
        };
        if retry.max < retry.initial {
            return self.refuse("smtp.retry_max", "must not be shorter than retry_initial");
        }
        Ok(retry)
    }

    fn transport(&mut self) -> Result<Transport, Refused> {
        match self.get("smtp.transport")? {
            "smtp" => Ok(Transport::Smtp(self.smtp()?)),
            "file" => Ok(Transport::File { directory: self.directory()? }),
            _ => Err(Refused),
        }
    }

    fn directory(&mut self) -> Result<PathBuf, Refused> {
        let Some(directory) = self.optional::<PathBuf>("smtp.directory")? else {
            return self.refuse(
                "smtp.directory",
                "is required for transport = \"file\": write for example directory = \"/var/spool/dirherald\"",
            );
        };
        match self.files.spool(&directory) {
            Ok(()) => Ok(directory),
            Err(problem) => self.refuse("smtp.directory", &problem),
        }
    }

    fn smtp(&mut self) -> Result<SmtpSettings, Refused> {
        let server = self.required("smtp.server");
        let credentials = self.credentials();
        let security = self.security()?;
        self.check_plaintext(security)?;
        let port: u32 = self.get("smtp.port")?;
        Ok(SmtpSettings {
            server: server?,
            port: u16::try_from(port).expect("the key table bounds a port"),
            security,
            ca_file: self.optional("smtp.ca_file")?,
            credentials: credentials?,
            timeout: self.get("smtp.timeout")?,
        })
    }

    fn security(&self) -> Result<Security, Refused> {
        match self.get("smtp.security")? {
            "none" => Ok(Security::None),
            "starttls" => Ok(Security::StartTls),
            "tls" => Ok(Security::Tls),
            _ => Err(Refused),
        }
    }

    fn credentials(&mut self) -> Result<Option<Credentials>, Refused> {
        if !self.get("smtp.use_authentication")? {
            return Ok(None);
        }
        let username = self.username();
        let password = self.password();
        Ok(Some(Credentials { username: username?, password: password? }))
    }

    fn username(&mut self) -> Result<String, Refused> {
        let username: String = self.get("smtp.username")?;
        if username.is_empty() {
            return self.refuse("smtp.username", "is required for use_authentication = true");
        }
        Ok(username)
    }

    fn password(&mut self) -> Result<SecretString, Refused> {
        let password: Option<SecretString> = self.optional("smtp.password")?;
        let Some(password) = password.filter(|password| !password.expose_secret().is_empty()) else {
            return self.refuse(
                "smtp.password",
                "is required for use_authentication = true, and must not be empty: write password_file = \
                 \"/path/to/file\" or password = \"...\"",
            );
        };
        Ok(password)
    }

    /// M20.
    fn check_plaintext(&mut self, security: Security) -> Result<(), Refused> {
        let authentication: bool = self.get("smtp.use_authentication")?;
        let allowed: bool = self.get("smtp.allow_plaintext")?;
        if security == Security::None && authentication && !allowed {
            return self.refuse(
                "smtp.security",
                "\"none\" would send the password in the clear: write security = \"starttls\" or \"tls\", or, on a \
                 network you trust, allow_plaintext = true",
            );
        }
        Ok(())
    }
}
