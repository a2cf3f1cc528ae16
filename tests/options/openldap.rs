//! Carries the rows out on OpenLDAP. Each row has a place of its own below the base, and its names are its own.

use std::collections::BTreeMap;

use super::row::{Account, Class, Edit, Entry, Field, NOBODY, Row, Step};
use crate::support::{
    ldap::{Change, Ldap},
    slapd::{Setup, Slapd},
};

/// The base of the server.
pub const BASE: &str = "dc=rows,dc=example";

/// Nothing but the service account.
const SEED: &str = "dn: dc=rows,dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: rows\no: rows\n\n\
    dn: ou=services,dc=rows,dc=example\nobjectClass: organizationalUnit\nou: services\n\n\
    dn: cn=dirherald,ou=services,dc=rows,dc=example\nobjectClass: applicationProcess\n\
    objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n";

/// A server that is to hold rows.
pub fn setup() -> Setup {
    Setup::seeded(BASE, SEED)
}

/// What one row has on the server.
pub struct Stage<'a> {
    ldap: &'a Ldap,
    tag: String,
    entries: BTreeMap<&'static str, Place>,
}

/// Where an entry is.
struct Place {
    class: Class,
    within: &'static str,
}

/// What tells the row with this number from all others, in names and addresses.
pub fn tag(number: usize) -> String {
    format!("t{number:02}")
}

impl<'a> Stage<'a> {
    /// Makes everything that is there before.
    pub async fn set(ldap: &'a Ldap, number: usize, row: &Row) -> Self {
        let mut stage = Self { ldap, tag: tag(number), entries: BTreeMap::new() };
        let ou = stage.tag.clone();
        ldap.add(&stage.base(), &[("objectClass", &["organizationalUnit"]), ("ou", &[&ou])]).await;
        for entry in &row.before {
            stage.create(entry).await;
        }
        stage
    }

    /// Makes one step.
    pub async fn play(&mut self, step: &Step) {
        match step {
            Step::Create(entry) => self.create(entry).await,
            Step::Delete(name) => {
                self.ldap.delete(&self.dn(name)).await;
                self.entries.remove(name);
            }
            Step::Rename(old, new) => self.rename(old, new).await,
            Step::Move(name, to) => {
                self.ldap.move_below(&self.dn(name), &self.dn(to)).await;
                self.entries.get_mut(name).expect("what is moved is there").within = to;
            }
            Step::Modify(name, edits) => self.modify(name, edits).await,
        }
    }

    async fn rename(&mut self, old: &'static str, new: &'static str) {
        let place = self.entries.remove(old).expect("what is renamed is there");
        let dn = self.dn_of(place.class, old, place.within);
        self.ldap.rename(&dn, &self.rdn(place.class, new)).await;
        self.entries.insert(new, place);
        for below in self.entries.values_mut().filter(|below| below.within == old) {
            below.within = new;
        }
    }

    async fn modify(&self, name: &str, edits: &[Edit]) {
        let said: Vec<(Edit, Vec<String>)> =
            edits.iter().map(|edit| (*edit, self.values(edit.field(), edit.text()))).collect();
        let borrowed: Vec<(Edit, Vec<&str>)> =
            said.iter().map(|(edit, values)| (*edit, values.iter().map(String::as_str).collect())).collect();
        let changes: Vec<Change<'_>> = borrowed
            .iter()
            .map(|(edit, values)| match edit {
                Edit::Add(field, _) => Change::Add(attribute(*field), values),
                Edit::Remove(field, _) => Change::Delete(attribute(*field), values),
                Edit::Replace(field, _) => Change::Replace(attribute(*field), values),
            })
            .collect();
        self.ldap.modify(&self.dn(name), &changes).await;
    }

    async fn create(&mut self, entry: &Entry) {
        self.entries.insert(entry.name, Place { class: entry.class, within: entry.place });
        let mut attributes = self.attributes(entry);
        for (field, text) in &entry.fields {
            let values = self.values(*field, text);
            match attributes.iter_mut().find(|(name, _)| *name == attribute(*field)) {
                Some((_, before)) => before.extend(values),
                None => attributes.push((attribute(*field), values)),
            }
        }
        attributes.retain(|(_, values)| !values.is_empty());
        let borrowed: Vec<(&str, Vec<&str>)> = attributes
            .iter()
            .map(|(name, values)| (*name, values.iter().map(String::as_str).collect()))
            .collect();
        let slices: Vec<(&str, &[&str])> =
            borrowed.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        self.ldap.add(&self.dn(entry.name), &slices).await;
    }

    /// Of the class, without what the row itself says.
    fn attributes(&self, entry: &Entry) -> Vec<(&'static str, Vec<String>)> {
        let classes: &[&str] = match entry.class {
            Class::Person => &["inetOrgPerson"],
            Class::Group => &["groupOfNames", "dirheraldManaged"],
            Class::GroupOrEmpty => &["groupOfMembers", "dirheraldManaged"],
            Class::UniqueGroup => &["groupOfUniqueNames", "dirheraldManaged"],
            Class::PosixGroup => &["posixGroup", "dirheraldManaged"],
            Class::Place => &["organizationalUnit"],
        };
        let mut attributes = vec![("objectClass", classes.iter().map(ToString::to_string).collect())];
        let own = self.account(entry.name);
        match entry.class {
            Class::Person => {
                attributes.extend([
                    ("uid", vec![own.clone()]),
                    ("cn", vec![own]),
                    ("sn", vec!["Person".into()]),
                ]);
                attributes.push(("displayName", vec![display_name(entry.name, &self.tag)]));
                if !entry.fields.iter().any(|(field, _)| *field == Field::Mail) {
                    attributes.push(("mail", vec![format!("{}@{}.example", entry.name, self.tag)]));
                }
            }
            Class::Group | Class::GroupOrEmpty | Class::UniqueGroup => attributes.push(("cn", vec![own])),
            Class::PosixGroup => attributes.extend([("cn", vec![own]), ("gidNumber", vec!["4711".into()])]),
            Class::Place => attributes.push(("ou", vec![entry.name.into()])),
        }
        if entry.account == Account::Disabled {
            attributes.push(("pwdAccountLockedTime", vec!["000001010000Z".into()]));
        }
        attributes
    }

    fn values(&self, field: Field, text: &str) -> Vec<String> {
        let names = text.split(' ').filter(|name| !name.is_empty());
        match field {
            Field::Member
            | Field::UniqueMember
            | Field::Owner
            | Field::ManagedBy
            | Field::CoOwner
            | Field::Manager => names.map(|name| self.dn(name)).collect(),
            Field::MemberUid => names.map(|name| self.account(name)).collect(),
            Field::Mail if text.is_empty() => Vec::new(),
            Field::Mail => vec![text.replace("@row", &format!("@{}.example", self.tag))],
            Field::DisplayName | Field::Title | Field::Description => vec![text.to_owned()],
        }
    }

    fn base(&self) -> String {
        format!("ou={},{BASE}", self.tag)
    }

    fn account(&self, name: &str) -> String {
        format!("{name}.{}", self.tag)
    }

    fn rdn(&self, class: Class, name: &str) -> String {
        match class {
            Class::Person => format!("uid={}", self.account(name)),
            Class::Group | Class::GroupOrEmpty | Class::UniqueGroup | Class::PosixGroup => {
                format!("cn={}", self.account(name))
            }
            Class::Place => format!("ou={name}"),
        }
    }

    /// Somebody who is not there is named like a person.
    fn dn(&self, name: &str) -> String {
        if name == NOBODY {
            return nobody();
        }
        let (class, within) = match self.entries.get(name) {
            Some(place) => (place.class, place.within),
            None => (Class::Person, ""),
        };
        self.dn_of(class, name, within)
    }

    fn dn_of(&self, class: Class, name: &str, within: &str) -> String {
        let rdn = self.rdn(class, name);
        if within.is_empty() {
            format!("{rdn},{}", self.base())
        } else {
            format!("{rdn},ou={within},{}", self.base())
        }
    }
}

/// What people read.
pub fn display_name(name: &str, tag: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest} {}", first.to_uppercase(), tag.to_uppercase())
}

/// The name of the dummy member.
pub fn nobody() -> String {
    format!("{},{BASE}", crate::support::slapd::NOBODY)
}

fn attribute(field: Field) -> &'static str {
    match field {
        Field::Member => "member",
        Field::UniqueMember => "uniqueMember",
        Field::MemberUid => "memberUid",
        Field::Owner => "owner",
        Field::ManagedBy => "managedBy",
        Field::CoOwner => "msExchCoManagedByLink",
        Field::Manager => "manager",
        Field::Mail => "mail",
        Field::DisplayName => "displayName",
        Field::Title => "title",
        Field::Description => "description",
    }
}

/// Two people, a group that has one of them, and its owner: a swap is told under every option.
pub async fn set_bell(ldap: &Ldap) {
    ldap.add("ou=bell", &[("objectClass", &["organizationalUnit"]), ("ou", &["bell"])]).await;
    for name in ["one", "two", "owner"] {
        let mail = format!("{name}@bell.example");
        ldap.add_person(&format!("uid={name}.bell,ou=bell"), name, &mail).await;
    }
    ldap.add_group("cn=bell,ou=bell", &["uid=owner.bell,ou=bell"], &["uid=one.bell,ou=bell"]).await;
}

/// Rings it for the `times`th time, from 1.
pub async fn ring(ldap: &Ldap, times: usize) {
    let now = if times.is_multiple_of(2) { "uid=one.bell,ou=bell" } else { "uid=two.bell,ou=bell" };
    ldap.replace("cn=bell,ou=bell", "member", &[now]).await;
}

/// As whom the rows are played.
pub async fn player(slapd: &Slapd) -> Ldap {
    Ldap::admin(slapd).await
}
