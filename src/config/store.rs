//! From the values of one store to what its stages are given, with the rules that join several keys.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{
    StoreKind, StoreSettings, Watch,
    keys::Table,
    report::{Report, joined},
    typed::FromTyped,
    values::Values,
    walk::missing,
};
use crate::{
    connector::settings::{Bind, ClientCertificate, ConnectorSettings, ServerUrl, TlsSettings},
    directory::{
        mail_address::MailAddress,
        schema::{Schema, SchemaError, SchemaSettings},
        store_name::StoreName,
    },
    notify::options::{Copies, Options, Recipients},
    outbox::settings::{Credentials, MailSettings, Mailbox, RetryPolicy, Security, SmtpSettings, Transport},
};

/// The values of one store, and where to complain about them. Whatever returns `None` has complained, or
/// met a value that was complained about before.
pub struct StoreReader<'a> {
    /// The NAME of `[identity_store.NAME]`.
    pub name: StoreName,
    /// Its keys.
    pub table: Table,
    /// Its own values, over those of `[defaults]`, over those of the table.
    pub values: Values,
    /// Gathers complaints.
    pub report: &'a mut Report,
}

impl StoreReader<'_> {
    /// All of it; asks each part before it gives up, so that each part complains.
    pub fn read(mut self) -> Option<StoreSettings> {
        let kind = self.kind();
        let watch = self.watch();
        let connector = self.connector();
        let schema = self.schema();
        let mail = self.mail();
        let notify = self.notify();
        let timezone = self.get("timezone");
        self.check_managed_by();
        Some(StoreSettings {
            name: self.name,
            kind: kind?,
            watch: watch?,
            connector: connector?,
            schema: schema?,
            mail: mail?,
            notify: notify?,
            timezone: timezone?,
        })
    }

    fn kind(&self) -> Option<StoreKind> {
        match self.get("kind")? {
            "auto" => Some(StoreKind::Auto),
            "openldap" => Some(StoreKind::OpenLdap),
            _ => None,
        }
    }

    fn watch(&self) -> Option<Watch> {
        match self.get("watch")? {
            "auto" => Some(Watch::Auto),
            "syncrepl" => Some(Watch::Syncrepl),
            _ => None,
        }
    }

    fn connector(&mut self) -> Option<ConnectorSettings> {
        let urls: Option<Vec<ServerUrl>> = self.required("urls");
        let base_dn = self.required("base_dn");
        let tls = self.tls();
        let bind = self.bind();
        if let (Some(urls), Some(tls), Some(bind)) = (&urls, &tls, &bind) {
            self.check_protection(urls, tls, bind);
        }
        Some(ConnectorSettings { urls: urls?, base_dn: base_dn?, bind: bind?, tls: tls? })
    }

    fn tls(&mut self) -> Option<TlsSettings> {
        let client = match (self.optional("tls.client_cert_file")?, self.optional("tls.client_key_file")?) {
            (Some(cert_file), Some(key_file)) => Some(ClientCertificate { cert_file, key_file }),
            (None, None) => None,
            (Some(_), None::<PathBuf>) => {
                return self.refuse("tls.client_key_file", "is required beside client_cert_file");
            }
            (None::<PathBuf>, Some(_)) => {
                return self.refuse("tls.client_cert_file", "is required beside client_key_file");
            }
        };
        Some(TlsSettings {
            ca_file: self.optional("tls.ca_file")?,
            start_tls: self.get("tls.start_tls")?,
            client,
        })
    }

    fn bind(&mut self) -> Option<Bind> {
        match self.get("bind.method")? {
            "simple" => self.simple_bind(),
            "external" => Some(Bind::External),
            "anonymous" => Some(Bind::Anonymous),
            _ => None,
        }
    }

    fn simple_bind(&mut self) -> Option<Bind> {
        let dn = self.bind_dn();
        let password = self.bind_password();
        Some(Bind::Simple { dn: dn?, password: password? })
    }

    fn bind_dn(&mut self) -> Option<String> {
        let dn = self.optional::<String>("bind.dn")?.filter(|dn| !dn.is_empty());
        if dn.is_none() {
            self.refuse::<()>(
                "bind.dn",
                "is required for method = \"simple\": write for example dn = \
                 \"cn=dirherald,ou=services,dc=acme,dc=example\", or method = \"anonymous\" to read without an account",
            );
        }
        dn
    }

    /// M24: RFC 4513, section 5.1.2, makes an empty password an anonymous bind that succeeds.
    fn bind_password(&mut self) -> Option<SecretString> {
        match self.optional::<SecretString>("bind.password")? {
            None => self.refuse(
                "bind.password",
                "is required for method = \"simple\": write password_file = \"/path/to/file\" or password = \"...\"",
            ),
            Some(password) if password.expose_secret().is_empty() => self.refuse(
                "bind.password",
                "is empty: servers take that for an anonymous login; give the password, or write method = \
                 \"anonymous\"",
            ),
            password => password,
        }
    }

    /// M20, and what EXTERNAL takes its identity from.
    fn check_protection(&mut self, urls: &[ServerUrl], tls: &TlsSettings, bind: &Bind) {
        let in_the_clear = urls.iter().any(|url| matches!(url, ServerUrl::Ldap { .. })) && !tls.start_tls;
        let over_network = urls.iter().any(|url| !matches!(url, ServerUrl::Ldapi { .. }));
        let plaintext_allowed = self.get("tls.allow_plaintext").unwrap_or(true);
        match bind {
            Bind::Simple { .. } if in_the_clear && !plaintext_allowed => self.say(
                "urls",
                "ldap:// would send the password in the clear: write ldaps:// instead, or tls.start_tls = true, \
                 or, on a network you trust, tls.allow_plaintext = true",
            ),
            Bind::External if in_the_clear => self.say(
                "urls",
                "method = \"external\" shows a client certificate, which ldap:// does not carry: write ldaps:// \
                 instead, or tls.start_tls = true",
            ),
            Bind::External if over_network && tls.client.is_none() => self.say(
                "tls.client_cert_file",
                "is required for method = \"external\", with client_key_file; only ldapi:// goes without",
            ),
            Bind::Simple { .. } | Bind::External | Bind::Anonymous => {}
        }
    }

    fn schema(&mut self) -> Option<Schema> {
        let settings = SchemaSettings {
            members: self.get("schema.members")?,
            primary_owner: self.get("schema.primary_owner")?,
            additional_owners: self.get("schema.additional_owners")?,
            manager: self.get("schema.manager")?,
            additional_managers: self.get("schema.additional_managers")?,
            mail: self.get("schema.mail")?,
            display_name: self.get("schema.display_name")?,
            account_name: self.get("schema.account_name")?,
            language: self.optional("schema.language")?,
            watched: self.get("schema.watched_attributes")?,
            dummy_members: self.get("schema.dummy_members")?,
            user_filter: self.optional("schema.user_filter")?,
            group_filter: self.optional("schema.group_filter")?,
            contact_filter: self.optional("schema.contact_filter")?,
            disabled_filter: self.optional("schema.disabled_filter")?,
        };
        Schema::new(settings).map_err(|error| self.refuse_schema(&error)).ok()
    }

    fn refuse_schema(&mut self, error: &SchemaError) {
        let (key, problem) = match error {
            SchemaError::Sensitive { key, attribute } => {
                (key, format!("names {attribute}, which holds secrets and is never read: take it out"))
            }
            SchemaError::NotAName { key, .. } => (
                key,
                "has an entry that is not the short name of an attribute: write one such as \"mail\""
                    .to_owned(),
            ),
        };
        let path = joined(&self.prefix(), &format!("schema.{key}"));
        self.report.refuse(path, problem);
    }

    fn mail(&mut self) -> Option<MailSettings> {
        let from: Option<Mailbox> = self.required("smtp.from");
        let transport = self.transport();
        let retry = self.retry();
        let envelope_from: Option<Option<MailAddress>> = self.optional("smtp.envelope_from")?;
        let from = from?;
        Some(MailSettings {
            envelope_from: envelope_from.unwrap_or_else(|| Some(from.address.clone())),
            from,
            reply_to: self.optional("smtp.reply_to")?,
            transport: transport?,
            retry: retry?,
        })
    }

    fn retry(&mut self) -> Option<RetryPolicy> {
        let retry = RetryPolicy {
            initial: self.get("smtp.retry_initial")?,
            max: self.get("smtp.retry_max")?,
            give_up_after: self.get("smtp.give_up_after")?,
        };
        if retry.max < retry.initial {
            return self.refuse("smtp.retry_max", "must not be shorter than retry_initial");
        }
        Some(retry)
    }

    fn transport(&mut self) -> Option<Transport> {
        match self.get("smtp.transport")? {
            "smtp" => self.smtp().map(Transport::Smtp),
            "file" => self.directory().map(|directory| Transport::File { directory }),
            _ => None,
        }
    }

    fn directory(&mut self) -> Option<PathBuf> {
        let Some(directory) = self.optional::<PathBuf>("smtp.directory")? else {
            return self.refuse(
                "smtp.directory",
                "is required for transport = \"file\": write for example directory = \"/var/spool/dirherald\"",
            );
        };
        match tempfile::tempfile_in(&directory) {
            Ok(_) => Some(directory),
            Err(error) => {
                let problem = format!("must be a directory that can be written to ({})", error.kind());
                self.refuse("smtp.directory", &problem)
            }
        }
    }

    fn smtp(&mut self) -> Option<SmtpSettings> {
        let server = self.required("smtp.server");
        let credentials = self.credentials();
        let security = self.security();
        if let (Some(Security::None), Some(Some(_)), Some(false)) =
            (security, &credentials, self.get("smtp.allow_plaintext"))
        {
            self.say(
                "smtp.security",
                "\"none\" would send the password in the clear: write security = \"starttls\" or \"tls\", or, on a \
                 network you trust, allow_plaintext = true",
            );
        }
        Some(SmtpSettings {
            server: server?,
            port: u16::try_from(self.get::<u32>("smtp.port")?).expect("the key table bounds a port"),
            security: security?,
            ca_file: self.optional("smtp.ca_file")?,
            credentials: credentials?,
            timeout: self.get("smtp.timeout")?,
        })
    }

    fn security(&self) -> Option<Security> {
        match self.get("smtp.security")? {
            "none" => Some(Security::None),
            "starttls" => Some(Security::StartTls),
            "tls" => Some(Security::Tls),
            _ => None,
        }
    }

    /// `Some(None)`: none are wanted.
    fn credentials(&mut self) -> Option<Option<Credentials>> {
        if !self.get("smtp.use_authentication")? {
            return Some(None);
        }
        let username: Option<String> = self.get("smtp.username");
        if username.as_ref().is_some_and(String::is_empty) {
            self.say("smtp.username", "is required for use_authentication = true");
        }
        let password = self.optional::<SecretString>("smtp.password")?;
        let Some(password) = password.filter(|password| !password.expose_secret().is_empty()) else {
            return self.refuse(
                "smtp.password",
                "is required for use_authentication = true, and must not be empty: write password_file = \
                 \"/path/to/file\" or password = \"...\"",
            );
        };
        let username = username.filter(|username| !username.is_empty())?;
        Some(Some(Credentials { username, password }))
    }

    fn notify(&self) -> Option<Options> {
        Some(Options {
            owner: self.get("notify.owner")?,
            added_members: self.get("notify.added_members")?,
            removed_members: self.get("notify.removed_members")?,
            recipients: Recipients {
                to: self.get("recipients.to")?,
                cc: self.get("recipients.cc")?,
                copy: match self.get("recipients.copy")? {
                    "notifications" => Copies::Notifications,
                    "all-changes" => Copies::AllChanges,
                    _ => return None,
                },
            },
            digest_window: self.get("notify.digest_window")?,
            group_expansion_limit: usize::try_from(self.get::<u32>("notify.group_expansion_limit")?)
                .expect("the key table bounds the limit"),
            notify_disabled_accounts: self.get("notify.notify_disabled_accounts")?,
            recipient_domains: self.get::<Vec<String>>("notify.recipient_domains")?.into_iter().collect(),
            show_actor: self.get("notify.show_actor")?,
        })
    }

    /// The options are the same as those of the membership lifecycle, or they are their own.
    fn check_managed_by(&mut self) {
        if self.get("notify.managed_by.same_as_membership_lifecycle") != Some(true) {
            return;
        }
        let on = |path| self.get(path) == Some(true);
        let own = on("notify.managed_by.added") || on("notify.managed_by.removed");
        if own || self.get("notify.managed_by.days_before_removal").is_some_and(|days: u32| days > 0) {
            self.say(
                "notify.managed_by.same_as_membership_lifecycle",
                "takes added, removed and days_before_removal from membership_lifecycle: leave them out, or write \
                 same_as_membership_lifecycle = false",
            );
        }
    }

    fn get<T: FromTyped>(&self, path: &str) -> Option<T> {
        self.values.get(path)
    }

    fn optional<T: FromTyped>(&self, path: &str) -> Option<Option<T>> {
        self.values.optional(path)
    }

    fn required<T: FromTyped>(&mut self, path: &'static str) -> Option<T> {
        let value = self.optional(path)?;
        if value.is_none() {
            let key = self.table.find(path).expect("the key table has each key");
            self.say(path, &missing(key));
        }
        value
    }

    fn refuse<T>(&mut self, path: &str, problem: &str) -> Option<T> {
        self.say(path, problem);
        None
    }

    fn say(&mut self, path: &str, problem: &str) {
        let path = joined(&self.prefix(), path);
        self.report.refuse(path, problem);
    }

    fn prefix(&self) -> String {
        format!("identity_store.{}", self.name)
    }
}
