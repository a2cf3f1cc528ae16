//! From the values of one store to what its stages are given, with the rules that join several keys.

mod connector;
mod mail;

use std::collections::BTreeSet;

use super::{
    StoreKind, StoreSettings, Watch,
    keys::Table,
    kind::NamedFiles,
    report::{Report, joined},
    typed::FromTyped,
    values::{Refused, Values},
    walk::missing,
};
use crate::{
    change::guard::GuardSettings,
    directory::{
        mail_address::MailAddress,
        schema::{Schema, SchemaError, SchemaSettings},
        store_name::StoreName,
    },
    notify::options::{Copies, Options, Recipients},
};

/// The values of one store, and where to complain about them.
pub struct StoreReader<'a> {
    /// The NAME of `[identity_store.NAME]`.
    pub name: StoreName,
    /// Its keys.
    pub table: Table,
    /// Its own values, over those of `[defaults]`, over those of the table.
    pub values: Values,
    /// What is done with files that are named.
    pub files: NamedFiles,
    /// Gathers complaints.
    pub report: &'a mut Report,
}

impl StoreReader<'_> {
    /// All of it. Each part is asked before any is given up, so that each complains.
    pub fn read(mut self) -> Result<StoreSettings, Refused> {
        let kind = self.kind();
        let watch = self.watch();
        let connector = self.connector();
        let full_comparison = self.get("full_comparison");
        let schema = self.schema();
        let mail = self.mail();
        let notify = self.notify();
        let guard = self.guard();
        let timezone = self.get("timezone");
        self.check_managed_by();
        Ok(StoreSettings {
            name: self.name,
            kind: kind?,
            watch: watch?,
            connector: connector?,
            full_comparison: full_comparison?,
            schema: schema?,
            mail: mail?,
            notify: notify?,
            guard: guard?,
            timezone: timezone?,
        })
    }

    fn kind(&self) -> Result<StoreKind, Refused> {
        match self.get("kind")? {
            "auto" => Ok(StoreKind::Auto),
            "openldap" => Ok(StoreKind::OpenLdap),
            _ => Err(Refused),
        }
    }

    fn watch(&self) -> Result<Watch, Refused> {
        match self.get("watch")? {
            "auto" => Ok(Watch::Auto),
            "syncrepl" => Ok(Watch::Syncrepl),
            _ => Err(Refused),
        }
    }

    fn schema(&mut self) -> Result<Schema, Refused> {
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
            public_group_filter: self.optional("schema.public_group_filter")?,
            ignore_filter: self.optional("schema.ignore_filter")?,
            do_not_notify_filter: self.optional("schema.do_not_notify_filter")?,
            pilot_filter: self.optional("notify.pilot_filter")?,
        };
        Schema::new(settings).or_else(|error| self.refuse_schema(&error))
    }

    fn refuse_schema<T>(&mut self, error: &SchemaError) -> Result<T, Refused> {
        let (key, problem) = match error {
            SchemaError::Sensitive { key, attribute } => {
                (key, format!("names {attribute}, which holds secrets and is never read: take it out"))
            }
            SchemaError::WatchedMembers { attribute } => (
                &"watched_attributes",
                format!(
                    "names {attribute}, whose values are the members of a group: who comes and goes is told anyway, \
                     and to no other member by name; take it out"
                ),
            ),
            SchemaError::MemberOf { key } => (
                key,
                "names memberOf, and no server reports when that changes: it can be asked for in \
                 schema.do_not_notify_filter, schema.disabled_filter and notify.pilot_filter, for which the \
                 groups themselves are looked at"
                    .to_owned(),
            ),
            SchemaError::NotAName { key, .. } => (
                key,
                "has an entry that is not the short name of an attribute: write one such as \"mail\""
                    .to_owned(),
            ),
        };
        self.refuse(&format!("schema.{key}"), &problem)
    }

    fn notify(&self) -> Result<Options, Refused> {
        let limit: u32 = self.get("notify.group_expansion_limit")?;
        let domains: Vec<String> = self.get("notify.recipient_domains")?;
        Ok(Options {
            logged_in_users: self.get("notify.logged_in_users")?,
            owner: self.get("notify.owner")?,
            manager: self.get("notify.manager")?,
            object_modified: self.get("notify.object_modified")?,
            public_group_owner: self.get("notify.public_group_owner")?,
            added_members: self.get("notify.added_members")?,
            removed_members: self.get("notify.removed_members")?,
            recipients: Recipients {
                to: self.get("recipients.to")?,
                cc: self.get("recipients.cc")?,
                copy: self.copies()?,
            },
            digest_window: self.get("notify.digest_window")?,
            max_messages_per_hour: self.get("notify.max_messages_per_hour")?,
            group_expansion_limit: usize::try_from(limit).expect("the key table bounds the limit"),
            notify_disabled_accounts: self.get("notify.notify_disabled_accounts")?,
            recipient_domains: domains.into_iter().collect(),
            show_actor: self.get("notify.show_actor")?,
            dry_run: self.get("notify.dry_run")?,
            redirect_to: distinct(self.get("notify.redirect_to")?),
            alerts_to: self.get("alerts.to")?,
        })
    }

    fn guard(&self) -> Result<GuardSettings, Refused> {
        Ok(GuardSettings {
            window: self.get("guard.window")?,
            max_events: self.get("guard.max_events")?,
            membership_percent: self.get("guard.membership_percent")?,
            membership_min: self.get("guard.membership_min")?,
        })
    }

    fn copies(&self) -> Result<Copies, Refused> {
        match self.get("recipients.copy")? {
            "notifications" => Ok(Copies::Notifications),
            "all-changes" => Ok(Copies::AllChanges),
            _ => Err(Refused),
        }
    }

    /// The options are the same as those of the membership lifecycle, or they are their own.
    fn check_managed_by(&mut self) {
        let on = |path| self.get(path) == Ok(true);
        let own = on("notify.managed_by.added") || on("notify.managed_by.removed");
        let own_days = self.get("notify.managed_by.days_before_removal").is_ok_and(|days: u32| days > 0);
        if on("notify.managed_by.same_as_membership_lifecycle") && (own || own_days) {
            self.say(
                "notify.managed_by.same_as_membership_lifecycle",
                "takes added, removed and days_before_removal from membership_lifecycle: leave them out, or \
                 write same_as_membership_lifecycle = false",
            );
        }
    }

    fn get<T: FromTyped>(&self, path: &str) -> Result<T, Refused> {
        self.values.get(path)
    }

    fn optional<T: FromTyped>(&self, path: &str) -> Result<Option<T>, Refused> {
        self.values.optional(path)
    }

    fn required<T: FromTyped>(&mut self, path: &'static str) -> Result<T, Refused> {
        let key = self.table.find(path).expect("the key table has each key");
        match self.optional(path)? {
            Some(value) => Ok(value),
            None => self.refuse(path, &missing(key)),
        }
    }

    fn refuse<T>(&mut self, path: &str, problem: &str) -> Result<T, Refused> {
        self.say(path, problem);
        Err(Refused)
    }

    fn say(&mut self, path: &str, problem: &str) {
        let place = format!("identity_store.{}", self.name);
        self.report.refuse(joined(&place, path), problem);
    }
}

/// Without what differs from an address before it in case only: nobody gets a mail twice.
fn distinct(addresses: Vec<MailAddress>) -> Vec<MailAddress> {
    let mut known = BTreeSet::new();
    addresses.into_iter().filter(|address| known.insert(address.key())).collect()
}
