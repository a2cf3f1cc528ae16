//! What the attributes mean where the configuration does not say.

use super::SchemaSettings;
use crate::directory::{attribute::AttributeName, filter::Filter};

impl SchemaSettings {
    /// The defaults of `kind = "openldap"`.
    pub fn openldap() -> Self {
        Self {
            members: names(&["member", "uniqueMember", "memberUid"]),
            primary_owner: names(&["managedBy", "owner"]),
            additional_owners: names(&["msExchCoManagedByLink", "owner"]),
            manager: names(&["manager"]),
            additional_managers: Vec::new(),
            mail: names(&["mail"]),
            display_name: names(&["displayName", "cn"]),
            account_name: names(&["uid"]),
            language: Some(AttributeName::new("preferredLanguage")),
            watched: names(&["displayName", "mail", "title", "department", "telephoneNumber"]),
            dummy_members: Vec::new(),
            user_filter: Some(filter(
                "(|(objectClass=inetOrgPerson)(objectClass=posixAccount)(objectClass=account))",
            )),
            group_filter: Some(filter(
                "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)\
                 (objectClass=posixGroup)(objectClass=group))",
            )),
            contact_filter: None,
            disabled_filter: Some(filter("(pwdAccountLockedTime=000001010000Z)")),
            public_group_filter: None,
            ignore_filter: None,
            do_not_notify_filter: None,
            pilot_filter: None,
        }
    }
}

fn names(names: &[&str]) -> Vec<AttributeName> {
    names.iter().map(|name| AttributeName::new(name)).collect()
}

fn filter(text: &str) -> Filter {
    Filter::parse(text).expect("the defaults are filters")
}
