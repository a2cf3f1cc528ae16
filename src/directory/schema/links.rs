//! Links: members and owners of groups, managers of people.

use tracing::debug;

use super::{Link, LinkSyntax, LinkTarget, Role, Schema};
use crate::directory::{
    attribute::{AttributeName, RawAttributes},
    dn::{self, Dn, NameKey},
    entry::{EntryKind, Rank, Relation},
};

impl Schema {
    /// What a value of `attribute` says on an entry of this kind; `None` when it is no link there. Members are
    /// always primary; the rank of an owner or manager depends on what else the entry carries.
    pub fn link(&self, kind: EntryKind, attribute: &AttributeName) -> Option<(Relation, LinkSyntax)> {
        let settings = &self.settings;
        let relations: [(_, [&[AttributeName]; 2]); 3] = [
            (Relation::Member, [&settings.members, &[]]),
            (Relation::Owner, [&settings.primary_owner, &settings.additional_owners]),
            (Relation::Manager, [&settings.manager, &settings.additional_managers]),
        ];
        let named = |lists: &[&[AttributeName]; 2]| lists.iter().any(|names| names.contains(attribute));
        let (relation, _) =
            relations.into_iter().find(|(relation, lists)| has_relation(kind, *relation) && named(lists))?;
        Some((relation, syntax(attribute)))
    }

    /// Sorted by role and key, each once.
    pub(super) fn links(&self, kind: EntryKind, dn: &Dn, raw: &RawAttributes) -> Vec<Link> {
        let mut links = Links { schema: self, dn, raw, found: Vec::new() };
        match kind {
            EntryKind::Group => {
                links.members();
                links.ranked(Relation::Owner, &self.settings.primary_owner, &self.settings.additional_owners);
            }
            EntryKind::User | EntryKind::Contact => {
                links.ranked(Relation::Manager, &self.settings.manager, &self.settings.additional_managers);
            }
            EntryKind::Container => {}
        }
        let mut found = links.found;
        found.sort_by_key(|link| (link.role, link.key));
        found.dedup_by_key(|link| (link.role, link.key));
        found
    }

    /// The dummy members of the settings, and the empty DN, which many take for the same end.
    fn is_nobody(&self, relation: Relation, key: NameKey) -> bool {
        match relation {
            Relation::Member => key == self.root || self.dummies.contains(&key),
            Relation::Owner | Relation::Manager => key == self.root,
        }
    }
}

struct Links<'a> {
    schema: &'a Schema,
    dn: &'a Dn,
    raw: &'a RawAttributes,
    found: Vec<Link>,
}

impl Links<'_> {
    fn members(&mut self) {
        for attribute in &self.schema.settings.members {
            self.add(Role { relation: Relation::Member, rank: Rank::Primary }, attribute);
        }
    }

    fn ranked(&mut self, relation: Relation, primary: &[AttributeName], additional: &[AttributeName]) {
        let taken = primary.iter().find(|name| !self.raw.values(name.as_str()).is_empty());
        if let Some(attribute) = taken {
            self.add(Role { relation, rank: Rank::Primary }, attribute);
        }
        for attribute in additional.iter().filter(|name| Some(*name) != taken) {
            self.add(Role { relation, rank: Rank::Additional }, attribute);
        }
    }

    fn add(&mut self, role: Role, attribute: &AttributeName) {
        let values = self.raw.values(attribute.as_str());
        let mut unread = 0_usize;
        self.found.reserve(values.len());
        for value in values {
            match target(attribute, value) {
                None => unread += 1,
                Some((key, _)) if self.schema.is_nobody(role.relation, key) => {}
                Some((key, target)) => self.found.push(Link { role, key, target }),
            }
        }
        if unread > 0 {
            debug!(entry.dn = %self.dn, %attribute, values = unread, "link values that name nothing left out");
        }
    }
}

fn has_relation(kind: EntryKind, relation: Relation) -> bool {
    match relation {
        Relation::Member | Relation::Owner => kind == EntryKind::Group,
        Relation::Manager => matches!(kind, EntryKind::User | EntryKind::Contact),
    }
}

fn syntax(attribute: &AttributeName) -> LinkSyntax {
    if attribute.as_str() == "memberuid" { LinkSyntax::Account } else { LinkSyntax::Dn }
}

fn target(attribute: &AttributeName, value: &[u8]) -> Option<(NameKey, LinkTarget)> {
    match syntax(attribute) {
        LinkSyntax::Account => {
            let account = std::str::from_utf8(value).ok().filter(|account| !account.trim().is_empty())?;
            Some((NameKey::of_account(account), LinkTarget::Account(account.to_owned())))
        }
        LinkSyntax::Dn => {
            let text = dn::text_of(value);
            let dn = match attribute.as_str() {
                "uniquemember" => Dn::parse_without_uid(&text),
                _ => Dn::parse(&text),
            };
            let dn = dn.ok()?;
            Some((dn.key(), LinkTarget::Dn(dn)))
        }
    }
}
