//! Which attributes mean what: how an image becomes an entry with names and links.

use serde::{Deserialize, Serialize};

use super::{
    attribute::{AttributeName, RawAttributes},
    dn::{Dn, NameKey},
    entry::{EntryKind, Rank, Relation},
    filter::Filter,
    mirror::MirroredAttributes,
};

/// An image read through the schema: what the mirror compares and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedEntry {
    /// By the filters, in doubt group before contact before user.
    pub kind: EntryKind,
    /// The allow-listed attributes; empty for a container.
    pub attributes: MirroredAttributes,
    /// Each (role, key) at most once, without dummy members; empty for a container.
    pub links: Vec<Link>,
    /// Key of the account name, under which `memberUid` finds a user; `None` for other kinds.
    pub account: Option<NameKey>,
}

/// One value of a link attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub role: Role,
    /// What it is compared by.
    pub key: NameKey,
    /// What it names.
    pub target: LinkTarget,
}

/// Relation and rank in one: how the mirror files a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Role {
    /// What the link says of its target.
    pub relation: Relation,
    /// Always primary for members.
    pub rank: Rank,
}

/// What a link value names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkTarget {
    /// An entry by DN (the `#uid` part of RFC 4517, section 3.3.21, cut off).
    Dn(Dn),
    /// A user by account name (RFC 2307, `memberUid`).
    Account(String),
}

/// What the `schema` keys of the configuration say, checked. Lists keep their order: the first attribute
/// that has values is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaSettings {
    /// Attributes that hold members: DNs, or account names where the attribute is `memberUid`.
    pub members: Vec<AttributeName>,
    /// The first of these that has values holds the primary owners.
    pub primary_owner: Vec<AttributeName>,
    /// All of these hold additional owners, but for the one taken as primary.
    pub additional_owners: Vec<AttributeName>,
    /// The first of these that has values holds the managers.
    pub manager: Vec<AttributeName>,
    /// All of these hold additional managers, but for the one taken as primary.
    pub additional_managers: Vec<AttributeName>,
    /// Mail addresses.
    pub mail: Vec<AttributeName>,
    /// What a person would call the entry.
    pub display_name: Vec<AttributeName>,
    /// What the person logs in with.
    pub account_name: Vec<AttributeName>,
    /// RFC 2798 preferredLanguage or the like.
    pub language: Option<AttributeName>,
    /// Attributes whose change is an event.
    pub watched: Vec<AttributeName>,
    /// Members that stand for nobody.
    pub dummy_members: Vec<Dn>,
    /// Which entries are users. `None`: none are.
    pub user_filter: Option<Filter>,
    /// Which entries are groups; asked first.
    pub group_filter: Option<Filter>,
    /// Which entries are contacts; asked before `user_filter`.
    pub contact_filter: Option<Filter>,
    /// Which users are disabled. `None`: none are.
    pub disabled_filter: Option<Filter>,
}

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The attribute holds a secret.
    #[error("{key} names {attribute}, which holds secrets and is never read")]
    Sensitive {
        /// The key under `schema`.
        key: &'static str,
        /// The attribute.
        attribute: AttributeName,
    },
    /// `*`, `+`, an OID or no name at all.
    #[error("{key} names {attribute:?}: write an attribute's short name, such as mail")]
    NotAName {
        /// The key under `schema`.
        key: &'static str,
        /// What stands there.
        attribute: AttributeName,
    },
}

/// The settings, checked and made ready for a million entries.
#[derive(Debug, Clone)]
pub struct Schema {
    settings: SchemaSettings,
}

/// What the values of a link attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSyntax {
    /// DNs, with or without the `#uid` part.
    Dn,
    /// Account names.
    Account,
}

impl SchemaSettings {
    /// The defaults of `kind = "openldap"`.
    pub fn openldap() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| AttributeName::new(name)).collect();
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
            user_filter: default_filter(
                "(|(objectClass=inetOrgPerson)(objectClass=posixAccount)(objectClass=account))",
            ),
            group_filter: default_filter(
                "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfMembers)\
                 (objectClass=posixGroup)(objectClass=group))",
            ),
            contact_filter: None,
            disabled_filter: default_filter("(pwdAccountLockedTime=000001010000Z)"),
        }
    }
}

fn default_filter(text: &str) -> Option<Filter> {
    Some(Filter::parse(text).expect("the defaults are filters"))
}

impl Schema {
    /// Refuses sensitive attributes, and names that are none.
    pub fn new(settings: SchemaSettings) -> Result<Self, SchemaError> {
        Ok(Self { settings })
    }

    /// What to ask the server for: each once, none of them sensitive.
    pub fn requested_attributes(&self) -> Vec<AttributeName> {
        Vec::new()
    }

    /// Reads an image.
    pub fn map(&self, _dn: &Dn, _raw: &RawAttributes) -> MappedEntry {
        MappedEntry {
            kind: EntryKind::Container,
            attributes: MirroredAttributes::new(),
            links: Vec::new(),
            account: None,
        }
    }

    /// What a person would call the entry.
    pub fn display_name(&self, dn: &Dn, _attributes: &MirroredAttributes) -> String {
        dn.to_string()
    }

    /// All values of the mail attributes in their order, not yet checked as addresses.
    pub fn mail(&self, _attributes: &MirroredAttributes) -> Vec<String> {
        Vec::new()
    }

    /// What the person logs in with.
    pub fn account(&self, _attributes: &MirroredAttributes) -> Option<String> {
        None
    }

    /// As the directory has it, RFC 2798, section 2.7.
    pub fn language(&self, _attributes: &MirroredAttributes) -> Option<String> {
        None
    }

    /// By `disabled_filter`.
    pub fn disabled(&self, _attributes: &MirroredAttributes) -> bool {
        false
    }

    /// In the order of the settings.
    pub fn watched(&self) -> &[AttributeName] {
        &self.settings.watched
    }

    /// Whether a change of this attribute is an event.
    pub fn is_watched(&self, name: &AttributeName) -> bool {
        self.settings.watched.contains(name)
    }

    /// What a value of `attribute` says on an entry of this kind; `None` when it is no link there. The rank
    /// of an owner or manager depends on what else the entry carries.
    pub fn link(&self, _kind: EntryKind, _attribute: &AttributeName) -> Option<(Relation, LinkSyntax)> {
        None
    }
}
