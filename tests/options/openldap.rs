//! Carries the rows out on OpenLDAP. Each row has a place of its own below the base, and its names are its own.

use std::collections::BTreeMap;

use super::row::{ADMIN, Account, Class, Edit, Entry, Field, NOBODY, Operation, Row};
use crate::support::{
    ldap::{Change, Ldap},
    slapd::{Setup, Slapd},
};

/// The base of the server.
pub const BASE: &str = "dc=rows,dc=example";

/// Of everybody in the rows; no mail may ever show it.
pub const PASSWORD: &str = "marker-of-a-password";

/// Nothing but the service account, and the bell: an entry whose changes tell nobody.
const SEED: &str = "dn: dc=rows,dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: rows\no: rows\n\n\
    dn: ou=services,dc=rows,dc=example\nobjectClass: organizationalUnit\nou: services\n\n\
    dn: cn=dirherald,ou=services,dc=rows,dc=example\nobjectClass: applicationProcess\n\
    objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: demo-only\n\n\
    dn: uid=bell,ou=services,dc=rows,dc=example\nobjectClass: inetOrgPerson\nuid: bell\ncn: bell\nsn: Bell\n\
    businessCategory: ignored\n";

/// A server that is to hold rows, whose people may change everything.
pub fn setup() -> Setup {
    Setup::seeded(BASE, SEED).access("to * by dn.regex=\"^uid=.*,dc=rows,dc=example$\" write by * break")
}

/// Rings the bell for the `times`th time: a change that comes after all before it.
pub async fn ring(ldap: &Ldap, times: usize) {
    ldap.replace("uid=bell,ou=services", "displayName", &[&name_of_ring(times)]).await;
}

/// What the bell is called then.
pub fn name_of_ring(times: usize) -> String {
    format!("ring {times}")
}

/// What one row has on the server.
pub struct Stage<'a> {
    slapd: &'a Slapd,
    tag: String,
    by: &'static str,
    entries: BTreeMap<&'static str, Place>,
}

/// Where an entry is.
struct Place {
    class: Class,
    within: &'static str,
}

/// What tells the row with this number from all others, in names and addresses.
pub fn tag(number: usize) -> String {
    format!("t{number:03}")
}

impl<'a> Stage<'a> {
    /// Makes everything that is there before.
    pub async fn set(slapd: &'a Slapd, admin: &Ldap, number: usize, row: &Row) -> Self {
        let mut stage = Self { slapd, tag: tag(number), by: row.by, entries: BTreeMap::new() };
        let ou = stage.tag.clone();
        admin.add(&stage.base(), &[("objectClass", &["organizationalUnit"]), ("ou", &[&ou])]).await;
        for entry in &row.entries() {
            stage.create(admin, entry).await;
        }
        stage
    }

    /// Makes one change, as the one who makes the changes of the row.
    pub async fn play(&mut self, operation: &Operation) {
        let ldap = self.player().await;
        match operation {
            Operation::Create(entry) => self.create(&ldap, entry).await,
            Operation::Delete(name) => {
                ldap.delete(&self.dn(name)).await;
                self.entries.remove(name);
            }
            Operation::Rename(old, new) => self.rename(&ldap, old, new).await,
            Operation::Move(name, to) => {
                ldap.move_below(&self.dn(name), &self.dn(to)).await;
                self.entries.get_mut(name).expect("what is moved is there").within = to;
            }
            Operation::Modify(name, edits) => self.modify(&ldap, name, edits).await,
        }
    }

    async fn player(&self) -> Ldap {
        if self.by == ADMIN {
            return Ldap::admin(self.slapd).await;
        }
        Ldap::bind(&self.slapd.url(), BASE, &self.dn(self.by), PASSWORD).await
    }

    async fn rename(&mut self, ldap: &Ldap, old: &'static str, new: &'static str) {
        let place = self.entries.remove(old).expect("what is renamed is there");
        let dn = self.dn_of(place.class, old, place.within);
        ldap.rename(&dn, &self.rdn(place.class, new)).await;
        self.entries.insert(new, place);
        for below in self.entries.values_mut().filter(|below| below.within == old) {
            below.within = new;
        }
    }

    async fn modify(&self, ldap: &Ldap, name: &str, edits: &[Edit]) {
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
        ldap.modify(&self.dn(name), &changes).await;
    }

    async fn create(&mut self, ldap: &Ldap, entry: &Entry) {
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
        ldap.add(&self.dn(entry.name), &slices).await;
    }

    /// Of the class, without what the row itself says.
    fn attributes(&self, entry: &Entry) -> Vec<(&'static str, Vec<String>)> {
        let classes: &[&str] = match entry.class {
            Class::Person | Class::Contact => &["inetOrgPerson"],
            Class::Group => &["groupOfNames", "dirheraldManaged"],
            Class::GroupOrEmpty => &["groupOfMembers", "dirheraldManaged"],
            Class::UniqueGroup => &["groupOfUniqueNames", "dirheraldManaged"],
            Class::PosixGroup => &["posixGroup", "dirheraldManaged"],
            Class::Place => &["organizationalUnit"],
        };
        let mut classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        if entry.account == Account::Expired {
            classes.push("shadowAccount".into());
        }
        let mut attributes = vec![("objectClass", classes)];
        let own = self.account(entry.name);
        match entry.class {
            Class::Person | Class::Contact => attributes.extend(self.personal(entry)),
            Class::Group | Class::GroupOrEmpty | Class::UniqueGroup => attributes.push(("cn", vec![own])),
            Class::PosixGroup => attributes.extend([("cn", vec![own]), ("gidNumber", vec!["4711".into()])]),
            Class::Place => attributes.push(("ou", vec![entry.name.into()])),
        }
        if entry.class == Class::Contact {
            attributes.push(("employeeType", vec!["contact".into()]));
        }
        match entry.account {
            Account::Enabled => {}
            Account::Disabled => attributes.push(("pwdAccountLockedTime", vec!["000001010000Z".into()])),
            // The second day of 1970.
            Account::Expired => attributes.push(("shadowExpire", vec!["1".into()])),
        }
        attributes
    }

    fn personal(&self, entry: &Entry) -> Vec<(&'static str, Vec<String>)> {
        let own = self.account(entry.name);
        let mut attributes = vec![
            ("uid", vec![own.clone()]),
            ("cn", vec![own]),
            ("sn", vec!["Person".into()]),
            ("displayName", vec![display_name(entry.name, &self.tag)]),
            ("userPassword", vec![PASSWORD.into()]),
        ];
        if !entry.fields.iter().any(|(field, _)| *field == Field::Mail) {
            attributes.push(("mail", vec![format!("{}@{}.example", entry.name, self.tag)]));
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
            | Field::Manager
            | Field::CoManager => names.map(|name| self.dn(name)).collect(),
            Field::MemberUid => names.map(|name| self.account(name)).collect(),
            Field::Mark => names.map(str::to_owned).collect(),
            Field::Mail | Field::DisplayName | Field::Title | Field::Description if text.is_empty() => {
                Vec::new()
            }
            Field::Mail => vec![address(text, &self.tag)],
            Field::DisplayName | Field::Title | Field::Description => vec![text.to_owned()],
        }
    }

    fn base(&self) -> String {
        format!("ou={},{BASE}", self.tag)
    }

    fn account(&self, name: &str) -> String {
        account(name, &self.tag)
    }

    fn rdn(&self, class: Class, name: &str) -> String {
        match class {
            Class::Person | Class::Contact => format!("uid={}", self.account(name)),
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

/// The account name of a person, the common name of a group.
pub fn account(name: &str, tag: &str) -> String {
    format!("{name}.{tag}")
}

/// What a row writes, at the domain of that row.
pub fn address(text: &str, tag: &str) -> String {
    text.replace("@row", &format!("@{tag}.example"))
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
        Field::CoManager => "secretary",
        Field::Mark => "businessCategory",
        Field::Mail => "mail",
        Field::DisplayName => "displayName",
        Field::Title => "title",
        Field::Description => "description",
    }
}

/// What the configuration has to say so that the rows mean what they say; paths below a store.
pub fn configuration() -> [(&'static str, String); 6] {
    let marked = |mark: &str| format!("\"(businessCategory={mark})\"");
    [
        ("schema.contact_filter", "\"(employeeType=contact)\"".to_owned()),
        ("schema.additional_managers", "[\"secretary\"]".to_owned()),
        ("schema.dummy_members", format!("[\"{}\"]", nobody())),
        ("schema.public_group_filter", marked(super::row::mark::PUBLIC)),
        ("schema.ignore_filter", marked(super::row::mark::IGNORED)),
        ("schema.do_not_notify_filter", marked(super::row::mark::UNTOLD)),
    ]
}

/// Only marked people are told.
pub fn pilot_filter() -> String {
    format!("\"(businessCategory={})\"", super::row::mark::PILOT)
}
