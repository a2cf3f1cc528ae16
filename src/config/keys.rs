//! The table of keys: each key of the configuration with its type and its default, as data.
//!
//! Defaults and examples are TOML values, as they stand in `config/dirherald.example.toml`.

use super::{
    kind::Kind::{
        self, Addresses, Attribute, Attributes, Bool, Clock, Count, Counts, Dn, Dns, Domains, EnvelopeSender,
        File, Filter, Host, HttpsUrl, Length, LengthOr, MailboxText, Path, ReplyTo, Secret, SecretFile,
        Tables, Text, Texts, TimeZone, Urls, Word,
    },
    not_yet::NotYet,
};

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Dotted, without `identity_store.NAME.` in front.
    pub path: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds where nothing stands there.
    pub fallback: Fallback,
}

/// What holds where a key is not given.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// This TOML value.
    Default(&'static str),
    /// Nothing; the key may stay away. The TOML value is an example.
    Unset(&'static str),
    /// Nothing, and the key must be given. The TOML value is an example.
    Required(&'static str),
}

impl Fallback {
    /// What to show as a valid value.
    pub fn example(self) -> &'static str {
        match self {
            Self::Default(value) | Self::Unset(value) | Self::Required(value) => value,
        }
    }
}

/// The keys that may stand below one place of the file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Each path once.
    pub keys: &'static [Key],
    /// What of them is not there yet.
    pub not_yet: &'static [NotYet],
}

impl Table {
    /// The key of exactly this path.
    pub fn find(&self, path: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == path)
    }

    /// Whether keys stand below `path`.
    pub fn has_below(&self, path: &str) -> bool {
        self.keys.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
    }
}

const fn key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, fallback: Fallback::Default(default) }
}

const fn unset(path: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { path, kind, fallback: Fallback::Unset(example) }
}

const fn required(path: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { path, kind, fallback: Fallback::Required(example) }
}

const DAYS: Kind = Count { min: 0, max: 3650 };
const SOME: Kind = Length { zero: false };
const ANY: Kind = Length { zero: true };

/// What stands outside the stores.
pub const GLOBAL_KEYS: &[Key] = &[
    key("state.path", Path, r#""/var/lib/dirherald/state.db""#),
    key("state.keep", SOME, r#""365d""#),
    key("log.format", Word(&["text", "json"]), r#""text""#),
    key("log.level", Word(&["error", "warn", "info", "debug", "trace"]), r#""info""#),
];

/// What stands below `[identity_store.NAME]` and `[defaults]`.
pub const STORE_KEYS: &[Key] = &[
    key("kind", Word(&["auto", "active-directory", "openldap", "389ds", "generic"]), r#""auto""#),
    required("urls", Urls, r#"["ldaps://dc1.acme.example", "ldaps://dc2.acme.example"]"#),
    required("base_dn", Dn, r#""dc=acme,dc=example""#),
    key("exclude", Dns, "[]"),
    key(
        "watch",
        Word(&[
            "auto",
            "syncrepl",
            "accesslog",
            "changelog",
            "usn",
            "dirsync",
            "modify-timestamp",
            "persistent-search",
        ]),
        r#""auto""#,
    ),
    key("bell", Word(&["auto", "off"]), r#""auto""#),
    key("poll_interval", SOME, r#""5s""#),
    key("full_comparison", LengthOr("off"), r#""24h""#),
    key("timezone", TimeZone, r#""UTC""#),
    key("bind.method", Word(&["simple", "external", "anonymous", "gssapi"]), r#""simple""#),
    unset("bind.dn", Text, r#""cn=dirherald,ou=services,dc=acme,dc=example""#),
    unset("bind.password", Secret, r#""...""#),
    unset("bind.password_file", SecretFile, r#""/run/credentials/acme-ldap""#),
    key("tls.ca_file", File, r#""""#),
    key("tls.start_tls", Bool, "false"),
    key("tls.client_cert_file", File, r#""""#),
    key("tls.client_key_file", File, r#""""#),
    key("tls.allow_plaintext", Bool, "false"),
    key("accesslog.base_dn", Dn, r#""cn=accesslog""#),
    key(
        "schema.user_filter",
        Filter,
        r#""(|(objectClass=inetOrgPerson)(objectClass=posixAccount)(objectClass=account))""#,
    ),
    key(
        "schema.group_filter",
        Filter,
        r#""(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)(objectClass=posixGroup)(objectClass=group))""#,
    ),
    key("schema.contact_filter", Filter, r#""""#),
    key("schema.disabled_filter", Filter, r#""(pwdAccountLockedTime=000001010000Z)""#),
    key("schema.members", Attributes, r#"["member", "uniqueMember", "memberUid"]"#),
    key("schema.primary_owner", Attributes, r#"["managedBy", "owner"]"#),
    key("schema.additional_owners", Attributes, r#"["msExchCoManagedByLink", "owner"]"#),
    key("schema.manager", Attributes, r#"["manager"]"#),
    key("schema.additional_managers", Attributes, "[]"),
    key("schema.mail", Attributes, r#"["mail"]"#),
    key("schema.display_name", Attributes, r#"["displayName", "cn"]"#),
    key("schema.account_name", Attributes, r#"["uid"]"#),
    key(
        "schema.watched_attributes",
        Attributes,
        r#"["displayName", "mail", "title", "department", "telephoneNumber"]"#,
    ),
    key("schema.language", Attribute, r#""preferredLanguage""#),
    key("schema.public_group_filter", Filter, r#""""#),
    key("schema.do_not_notify_filter", Filter, r#""""#),
    key("schema.ignore_filter", Filter, r#""""#),
    key("schema.dummy_members", Dns, "[]"),
    required("smtp.server", Host, r#""mail.acme.example""#),
    key("smtp.port", Count { min: 1, max: 65_535 }, "587"),
    key("smtp.security", Word(&["none", "starttls", "tls"]), r#""starttls""#),
    key("smtp.allow_plaintext", Bool, "false"),
    required("smtp.from", MailboxText, r#""Directory <no-reply@acme.example>""#),
    key("smtp.envelope_from", EnvelopeSender, r#""""#),
    key("smtp.reply_to", ReplyTo, r#""""#),
    key("smtp.use_authentication", Bool, "false"),
    key("smtp.username", Text, r#""""#),
    unset("smtp.password", Secret, r#""...""#),
    key("smtp.password_file", SecretFile, r#""""#),
    key("smtp.ca_file", File, r#""""#),
    key("smtp.retry_initial", SOME, r#""5s""#),
    key("smtp.retry_max", SOME, r#""1h""#),
    key("smtp.give_up_after", SOME, r#""3d""#),
    key("smtp.timeout", SOME, r#""30s""#),
    key("smtp.transport", Word(&["smtp", "file"]), r#""smtp""#),
    key("smtp.directory", Path, r#""""#),
    key("recipients.to", Addresses, "[]"),
    key("recipients.cc", Addresses, "[]"),
    key("recipients.copy", Word(&["notifications", "all-changes"]), r#""notifications""#),
    key("notify.logged_in_users", Bool, "false"),
    key("notify.owner", Bool, "false"),
    key("notify.manager", Bool, "false"),
    key("notify.object_modified", Bool, "false"),
    key("notify.public_group_owner", Bool, "false"),
    key("notify.added_members", Bool, "false"),
    key("notify.removed_members", Bool, "false"),
    key("notify.password_portal_url", HttpsUrl, r#""""#),
    key("notify.membership_lifecycle.joins", Bool, "false"),
    key("notify.membership_lifecycle.leaves", Bool, "false"),
    key("notify.membership_lifecycle.days_before_leaving", DAYS, "0"),
    key("notify.managed_by.same_as_membership_lifecycle", Bool, "false"),
    key("notify.managed_by.added", Bool, "false"),
    key("notify.managed_by.removed", Bool, "false"),
    key("notify.managed_by.days_before_removal", DAYS, "0"),
    key("notify.digest_window", ANY, r#""10s""#),
    key("notify.max_messages_per_hour", Count { min: 1, max: 1_000_000 }, "60"),
    key("notify.group_expansion_limit", Count { min: 0, max: 1_000_000 }, "1000"),
    key("notify.notify_disabled_accounts", Bool, "false"),
    key("notify.recipient_domains", Domains, "[]"),
    key("notify.show_actor", Bool, "true"),
    key("notify.language", Text, r#""en""#),
    key("notify.dry_run", Bool, "false"),
    key("notify.pilot_filter", Filter, r#""""#),
    key("notify.redirect_to", Addresses, "[]"),
    key("guard.window", SOME, r#""5m""#),
    key("guard.max_events", Count { min: 1, max: 1_000_000_000 }, "1000"),
    key("guard.membership_percent", Count { min: 1, max: 1000 }, "50"),
    key("guard.membership_min", Count { min: 1, max: 1_000_000_000 }, "20"),
    key("alerts.to", Addresses, "[]"),
    key("lifecycle.enabled", Bool, "false"),
    key("lifecycle.interval", SOME, r#""1m""#),
    key("lifecycle.writable_filter", Filter, r#""""#),
    unset("lifecycle.bind.method", Word(&["simple", "external", "anonymous", "gssapi"]), r#""simple""#),
    unset("lifecycle.bind.dn", Text, r#""cn=dirherald-writer,ou=services,dc=acme,dc=example""#),
    unset("lifecycle.bind.password", Secret, r#""...""#),
    unset("lifecycle.bind.password_file", SecretFile, r#""/run/credentials/acme-ldap-writer""#),
    key("lifecycle.policy", Tables(POLICY_KEYS), "[]"),
    key("password_expiry.enabled", Bool, "false"),
    key("password_expiry.warn_days", Counts { min: 1, max: 3650 }, "[14, 7, 3, 1]"),
    key("password_expiry.at", Clock, r#""08:00""#),
    key("password_expiry.default_policy_dn", Text, r#""""#),
    key("audit.samba_json", Texts, "[]"),
    key("audit.windows_json", Texts, "[]"),
    key("audit.wait", LengthOr("auto"), r#""auto""#),
];

/// What stands below each `[[identity_store.NAME.lifecycle.policy]]`.
pub const POLICY_KEYS: &[Key] = &[
    required("groups", Filter, r#""(cn=project-*)""#),
    required("kind", Word(&["add-temporary"]), r#""add-temporary""#),
    required("days", Count { min: 1, max: 36_500 }, "30"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_path_stands_once_and_none_is_both_key_and_table() {
        for keys in [GLOBAL_KEYS, STORE_KEYS, POLICY_KEYS] {
            let table = Table { keys, not_yet: &[] };
            let paths: BTreeSet<_> = keys.iter().map(|key| key.path).collect();
            assert_eq!(paths.len(), keys.len());
            assert!(paths.iter().all(|path| !table.has_below(path)));
        }
    }
}
