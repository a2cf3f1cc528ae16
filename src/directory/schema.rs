//! Which attributes mean what: how an image becomes an entry with names and links.

mod defaults;
mod expiry;
mod links;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    attribute::{AttributeName, RawAttributes, is_sensitive},
    dn::{Dn, NameKey},
    entry::{EntryKind, Rank, Relation},
    filter::{Filter, MEMBER_OF, Values},
    mirror::MirroredAttributes,
    stored,
};

/// An image read through the schema: what the mirror compares and keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedEntry {
    /// By the filters, in doubt group before contact before user.
    pub kind: EntryKind,
    /// The allow-listed attributes; empty for a container.
    pub attributes: MirroredAttributes,
    /// Each (role, key) at most once and in that order, without dummy members; empty for a container.
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
    /// Which groups are public. `None`: none are.
    pub public_group_filter: Option<Filter>,
    /// Whose changes tell nobody. `None`: all tell.
    pub ignore_filter: Option<Filter>,
    /// Who is never written to by role. `None`: all are.
    pub do_not_notify_filter: Option<Filter>,
    /// Who alone is written to by role while the pilot lasts. `None`: all are.
    pub pilot_filter: Option<Filter>,
}

/// What a filter on the mirror is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterUse {
    /// `public_group_filter`
    PublicGroups,
    /// `ignore_filter`
    Ignored,
    /// `do_not_notify_filter`
    DoNotNotify,
    /// `disabled_filter`
    Disabled,
    /// `pilot_filter`
    Pilot,
}

impl FilterUse {
    /// The key of the contract, below a store.
    pub fn key(self) -> &'static str {
        match self {
            Self::PublicGroups => "schema.public_group_filter",
            Self::Ignored => "schema.ignore_filter",
            Self::DoNotNotify => "schema.do_not_notify_filter",
            Self::Disabled => "schema.disabled_filter",
            Self::Pilot => "notify.pilot_filter",
        }
    }
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
    /// Its values are members, and no member may read of another.
    #[error("watched_attributes names {attribute}, whose values are the members of a group")]
    WatchedMembers {
        /// The attribute.
        attribute: AttributeName,
    },
    /// A filter on what the server shows asks for memberOf, which no server reports when it changes.
    #[error("{key} names memberOf, which no server reports when it changes")]
    MemberOf {
        /// The key under `schema`.
        key: &'static str,
    },
}

/// The settings, checked and made ready for a million entries.
#[derive(Debug, Clone)]
pub struct Schema {
    settings: SchemaSettings,
    /// What the mirror keeps of an entry. The attributes of the filters for kinds are not among them: the kind
    /// is decided on what was read, and kept.
    mirrored: BTreeSet<AttributeName>,
    dummies: BTreeSet<NameKey>,
    /// Of the empty DN.
    root: NameKey,
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
    /// Every list of attributes with its key.
    fn lists(&self) -> [(&'static str, &[AttributeName]); 10] {
        [
            ("members", &self.members),
            ("primary_owner", &self.primary_owner),
            ("additional_owners", &self.additional_owners),
            ("manager", &self.manager),
            ("additional_managers", &self.additional_managers),
            ("mail", &self.mail),
            ("display_name", &self.display_name),
            ("account_name", &self.account_name),
            ("language", self.language.as_slice()),
            ("watched_attributes", &self.watched),
        ]
    }

    fn check(&self) -> Result<(), SchemaError> {
        for (key, names) in self.lists() {
            if let Some(attribute) = names.iter().find(|name| is_sensitive(name)) {
                return Err(SchemaError::Sensitive { key, attribute: attribute.clone() });
            }
            if let Some(attribute) = names.iter().find(|name| !is_short_name(name)) {
                return Err(SchemaError::NotAName { key, attribute: attribute.clone() });
            }
        }
        if let Some(attribute) = self.watched.iter().find(|name| self.holds_members(name)) {
            return Err(SchemaError::WatchedMembers { attribute: attribute.clone() });
        }
        let stale = self
            .filters_on_what_is_read()
            .into_iter()
            .find(|(_, filter)| filter.as_ref().is_some_and(Filter::reads_groups));
        stale.map_or(Ok(()), |(key, _)| Err(SchemaError::MemberOf { key }))
    }

    /// With whatever options (RFC 4512, section 2.5).
    fn holds_members(&self, name: &AttributeName) -> bool {
        let has_its_base =
            |members: &AttributeName| name.as_str().split(';').next() == members.as_str().split(';').next();
        self.members.iter().any(has_its_base)
    }

    /// What these say is settled when an entry is read, so what changes without a reading is nothing for them.
    fn filters_on_what_is_read(&self) -> [(&'static str, &Option<Filter>); 5] {
        [
            ("user_filter", &self.user_filter),
            ("group_filter", &self.group_filter),
            ("contact_filter", &self.contact_filter),
            ("public_group_filter", &self.public_group_filter),
            ("ignore_filter", &self.ignore_filter),
        ]
    }

    /// What these say is asked whenever somebody is to be told.
    fn filters_on_people(&self) -> [&Option<Filter>; 3] {
        [&self.disabled_filter, &self.do_not_notify_filter, &self.pilot_filter]
    }

    fn kind_filters(&self) -> impl Iterator<Item = &Filter> {
        [&self.user_filter, &self.group_filter, &self.contact_filter].into_iter().flatten()
    }

    /// What the filters that are asked of the mirror read there. Groups are its links and no attribute.
    fn filtered_on_the_mirror(&self) -> impl Iterator<Item = AttributeName> {
        let filters =
            self.filters_on_people().into_iter().chain([&self.public_group_filter, &self.ignore_filter]);
        filters.flatten().flat_map(Filter::attributes).filter(|name| name.as_str() != MEMBER_OF)
    }

    fn mirrored(&self) -> BTreeSet<AttributeName> {
        let lists = [&self.mail, &self.display_name, &self.account_name, &self.watched];
        let mut names: BTreeSet<_> = lists.into_iter().flatten().chain(&self.language).cloned().collect();
        names.extend(self.filtered_on_the_mirror());
        names.extend(expiry::attributes());
        names
    }
}

/// RFC 4512, section 2.5, options included, and the underscore that some servers allow.
fn is_short_name(name: &AttributeName) -> bool {
    let mut bytes = name.as_str().bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b';'))
}

impl Schema {
    /// The settings as one text: two schemas that would keep the same of every entry have the same.
    pub fn fingerprint(&self) -> String {
        let SchemaSettings {
            members,
            primary_owner,
            additional_owners,
            manager,
            additional_managers,
            mail,
            display_name,
            account_name,
            language,
            watched,
            dummy_members,
            user_filter,
            group_filter,
            contact_filter,
            disabled_filter: _,
            public_group_filter: _,
            ignore_filter: _,
            do_not_notify_filter: _,
            pilot_filter: _,
        } = &self.settings;
        let language: Vec<AttributeName> = language.iter().cloned().collect();
        let names = [
            members,
            primary_owner,
            additional_owners,
            manager,
            additional_managers,
            mail,
            display_name,
            account_name,
            &language,
            watched,
        ]
        .map(|names| names.iter().map(AttributeName::as_str).collect::<Vec<_>>().join(","));
        let dummies: Vec<&str> = dummy_members.iter().map(Dn::as_str).collect();
        let filters = [user_filter, group_filter, contact_filter]
            .map(|filter| filter.as_ref().map(ToString::to_string).unwrap_or_default());
        // Of the filters on the mirror only what they read counts: what they say is asked anew each time.
        let mirrored: Vec<&str> = self.mirrored.iter().map(AttributeName::as_str).collect();
        [names.join(";"), dummies.join(";"), filters.join(";"), mirrored.join(",")].join("|")
    }

    /// Refuses sensitive attributes, and names that are none.
    pub fn new(settings: SchemaSettings) -> Result<Self, SchemaError> {
        settings.check()?;
        let mirrored = settings.mirrored();
        let dummies = settings.dummy_members.iter().map(Dn::key).collect();
        Ok(Self { settings, mirrored, dummies, root: Dn::root().key() })
    }

    /// What to ask the server for: each once, none of them sensitive.
    pub fn requested_attributes(&self) -> Vec<AttributeName> {
        let listed = self.settings.lists().into_iter().flat_map(|(_, names)| names).cloned();
        let of_kinds = self.settings.kind_filters().flat_map(Filter::attributes);
        let filtered = of_kinds.chain(self.settings.filtered_on_the_mirror());
        let mut names = vec![AttributeName::new("objectClass")];
        for name in listed.chain(filtered).chain(expiry::attributes()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Reads an image. A link value that names nothing is left out, and said at debug.
    pub fn map(&self, dn: &Dn, raw: &RawAttributes) -> MappedEntry {
        let kind = self.kind(raw);
        match kind {
            EntryKind::Container => {
                MappedEntry { kind, attributes: MirroredAttributes::new(), links: Vec::new(), account: None }
            }
            EntryKind::Group | EntryKind::Contact => self.map_entry(kind, None, dn, raw),
            EntryKind::User => self.map_entry(kind, self.account_key(raw), dn, raw),
        }
    }

    /// As [`Schema::map`], but keeps the attributes of an entry of no kind: something names it.
    pub fn map_named(&self, dn: &Dn, raw: &RawAttributes) -> MappedEntry {
        let mapped = self.map(dn, raw);
        match mapped.kind {
            EntryKind::Container => MappedEntry { attributes: self.mirrored(raw), ..mapped },
            EntryKind::User | EntryKind::Group | EntryKind::Contact => mapped,
        }
    }

    /// What stays of somebody whom the server shows no longer: no mail goes to where nobody may be.
    pub fn without_addresses(&self, attributes: &MirroredAttributes) -> MirroredAttributes {
        let is_address = |name: &AttributeName| self.settings.mail.contains(name);
        attributes.iter().filter(|(name, _)| !is_address(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    /// Reads what is known of an entry whose kind is settled.
    pub fn map_as(&self, kind: EntryKind, dn: &Dn, raw: &RawAttributes) -> MappedEntry {
        let account = if kind == EntryKind::User { self.account_key(raw) } else { None };
        self.map_entry(kind, account, dn, raw)
    }

    fn map_entry(
        &self,
        kind: EntryKind,
        account: Option<NameKey>,
        dn: &Dn,
        raw: &RawAttributes,
    ) -> MappedEntry {
        MappedEntry { kind, attributes: self.mirrored(raw), links: self.links(kind, dn, raw), account }
    }

    fn kind(&self, raw: &RawAttributes) -> EntryKind {
        let matched = |filter: &Option<Filter>| filter.as_ref().is_some_and(|filter| filter.matches(raw));
        if matched(&self.settings.group_filter) {
            return EntryKind::Group;
        }
        if matched(&self.settings.contact_filter) {
            return EntryKind::Contact;
        }
        if matched(&self.settings.user_filter) {
            return EntryKind::User;
        }
        EntryKind::Container
    }

    fn mirrored(&self, raw: &RawAttributes) -> MirroredAttributes {
        raw.0
            .iter()
            .filter(|(name, values)| !values.is_empty() && self.mirrored.contains(name))
            .map(|(name, values)| {
                (name.clone(), values.iter().map(|value| stored::to_stored(value)).collect())
            })
            .collect()
    }

    fn account_key(&self, raw: &RawAttributes) -> Option<NameKey> {
        let mut values = self.settings.account_name.iter().flat_map(|name| raw.values(name.as_str()));
        let name = values.find_map(|value| std::str::from_utf8(value).ok().filter(|name| !is_blank(name)))?;
        Some(NameKey::of_account(name))
    }

    /// What a person would call the entry, on one line: control characters become spaces.
    pub fn display_name(&self, dn: &Dn, attributes: &MirroredAttributes) -> String {
        let mut names = values_of(&self.settings.display_name, attributes).map(on_one_line);
        names.find(|name| !name.is_empty()).unwrap_or_else(|| on_one_line(&dn.rdn_value()))
    }

    /// All values of the mail attributes in their order, not yet checked as addresses.
    pub fn mail(&self, attributes: &MirroredAttributes) -> Vec<String> {
        values_of(&self.settings.mail, attributes).map(str::to_owned).collect()
    }

    /// What the person logs in with.
    pub fn account(&self, attributes: &MirroredAttributes) -> Option<String> {
        values_of(&self.settings.account_name, attributes).find(|name| !is_blank(name)).map(str::to_owned)
    }

    /// As the directory has it, RFC 2798, section 2.7.
    pub fn language(&self, attributes: &MirroredAttributes) -> Option<String> {
        values_of(self.settings.language.as_slice(), attributes).find(|tag| !is_blank(tag)).map(str::to_owned)
    }

    /// Whether `disabled_filter`, `do_not_notify_filter` or `pilot_filter` ask for groups: then they are to be
    /// given [`WithGroups`](super::filter::WithGroups).
    pub fn reads_groups(&self) -> bool {
        self.settings.filters_on_people().into_iter().flatten().any(Filter::reads_groups)
    }

    /// By `disabled_filter`.
    pub fn disabled(&self, entry: &impl Values) -> bool {
        self.settings.disabled_filter.as_ref().is_some_and(|filter| filter.matches(entry))
    }

    /// By `do_not_notify_filter`.
    pub fn do_not_notify(&self, entry: &impl Values) -> bool {
        self.settings.do_not_notify_filter.as_ref().is_some_and(|filter| filter.matches(entry))
    }

    /// By `pilot_filter`; everybody is in where there is none.
    pub fn in_pilot(&self, entry: &impl Values) -> bool {
        self.settings.pilot_filter.as_ref().is_none_or(|filter| filter.matches(entry))
    }

    /// The filters that decide what is told and to whom, those that are set.
    pub fn filters(&self) -> impl Iterator<Item = (FilterUse, &Filter)> {
        let settings = &self.settings;
        let filters = [
            (FilterUse::PublicGroups, &settings.public_group_filter),
            (FilterUse::Ignored, &settings.ignore_filter),
            (FilterUse::DoNotNotify, &settings.do_not_notify_filter),
            (FilterUse::Disabled, &settings.disabled_filter),
            (FilterUse::Pilot, &settings.pilot_filter),
        ];
        filters.into_iter().filter_map(|(of, filter)| Some((of, filter.as_ref()?)))
    }

    /// By `ignore_filter`.
    pub fn is_ignored(&self, attributes: &MirroredAttributes) -> bool {
        self.settings.ignore_filter.as_ref().is_some_and(|filter| filter.matches(attributes))
    }

    /// By `public_group_filter`; nothing but a group is public.
    pub fn is_public(&self, kind: EntryKind, attributes: &MirroredAttributes) -> bool {
        kind == EntryKind::Group
            && self.settings.public_group_filter.as_ref().is_some_and(|filter| filter.matches(attributes))
    }

    /// The attributes that hold members, in the order of the settings.
    pub fn members(&self) -> &[AttributeName] {
        &self.settings.members
    }

    /// In the order of the settings.
    pub fn watched(&self) -> &[AttributeName] {
        &self.settings.watched
    }
}

/// All values of `names`, in the order of both.
fn values_of<'a>(
    names: &'a [AttributeName],
    attributes: &'a MirroredAttributes,
) -> impl Iterator<Item = &'a str> {
    names.iter().filter_map(|name| attributes.get(name)).flatten().map(String::as_str)
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
