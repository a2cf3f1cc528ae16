//! The company in a real directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use uuid::Uuid;

use super::company::{Act, BASE, Company, Entry};
use crate::support::{
    ldap::{Change, Ldap},
    slapd::{NOBODY, Overlay, Setup, Slapd},
    wait,
};

/// `p7`, `g3`, `place0`: what an entry is called in both runs, whatever its id, name and place.
pub type Label = String;

/// A server that holds the company, and what is needed to change it.
pub struct Directory {
    pub slapd: Slapd,
    ldap: Ldap,
    company: Company,
    labels: BTreeMap<Uuid, Label>,
    /// All DNs a person ever had: where no overlay keeps them up to date, groups go on naming the old one.
    names: BTreeMap<usize, BTreeSet<String>>,
}

/// Whether the server keeps links up to date itself, and remembers changes for those who come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// refint and a session log.
    Tidy,
    /// refint, and a present phase after every absence.
    Forgetful,
    /// Neither: groups name who is gone or was renamed.
    Dangling,
}

impl Manner {
    fn setup(self, company: &Company) -> Setup {
        let setup = Setup::seeded(BASE, &ldif(company));
        match self {
            Self::Tidy => setup.with(Overlay::Refint).session_log(1000),
            Self::Forgetful => setup.with(Overlay::Refint),
            Self::Dangling => setup,
        }
    }
}

impl Directory {
    /// A new server.
    pub async fn start(company: &Company, manner: Manner) -> Self {
        let slapd = manner.setup(company).start();
        let ldap = Ldap::admin(&slapd).await;
        let company = company.clone();
        let mut directory = Self { slapd, ldap, company, labels: BTreeMap::new(), names: BTreeMap::new() };
        for place in 0..directory.company.places.len() {
            let dn = format!("ou={}", directory.company.places[place]);
            directory.label(&dn, format!("place{place}")).await;
        }
        for person in directory.company.people_there() {
            directory.label_entry(Entry::Person(person)).await;
        }
        for group in directory.company.groups_there() {
            directory.label_entry(Entry::Group(group)).await;
        }
        directory.remember_names();
        directory
    }

    /// What this id stands for.
    pub fn label_of(&self, id: Uuid) -> &str {
        &self.labels[&id]
    }

    /// Where the server stands.
    pub async fn csn(&self) -> String {
        let values = self.ldap.values(BASE, "contextCSN").await.expect("the root of the tree");
        values.into_iter().next().expect("syncprov keeps it")
    }

    /// Makes the change.
    pub async fn carry_out(&mut self, act: &Act) {
        let before = self.company.clone();
        self.company.carry_out(act);
        let dn_before = |entry| before.dn(entry);
        match act {
            Act::Hire { person, .. } => self.hire(*person).await,
            Act::Found { group, .. } => self.found(*group).await,
            Act::Dismiss { person } => self.ldap.delete(&dn_before(Entry::Person(*person))).await,
            Act::Dissolve { group } => self.ldap.delete(&dn_before(Entry::Group(*group))).await,
            Act::RenamePerson { person, uid } => {
                self.ldap.rename(&dn_before(Entry::Person(*person)), &format!("uid={uid}")).await;
            }
            Act::RenameGroup { group, cn } => {
                self.ldap.rename(&dn_before(Entry::Group(*group)), &format!("cn={cn}")).await;
            }
            Act::Move { person, place } => {
                let place = format!("ou={}", before.places[*place]);
                self.ldap.move_below(&dn_before(Entry::Person(*person)), &place).await;
            }
            Act::Describe { entry, attribute, value } => {
                self.ldap.replace(&dn_before(*entry), attribute, &[value]).await;
            }
            Act::SetManager { person, manager } => self.set_manager(*person, *manager).await,
            Act::Join { group, person } => {
                let (group, person) = (Entry::Group(*group), Entry::Person(*person));
                self.ldap.add_member(&dn_before(group), &dn_before(person)).await;
            }
            Act::Leave { group, person } => self.leave(*group, *person).await,
            Act::SetOwners { group, owners } => {
                let owners = self.company.dns(owners);
                let owners: Vec<_> = owners.iter().map(String::as_str).collect();
                self.ldap.set_owners(&dn_before(Entry::Group(*group)), &owners).await;
            }
            Act::RenamePlace { place, ou } => {
                self.ldap.rename(&format!("ou={}", before.places[*place]), &format!("ou={ou}")).await;
            }
        }
        self.remember_names();
    }

    async fn hire(&mut self, person: usize) {
        let dn = self.company.dn(Entry::Person(person));
        let (uid, name) = (format!("p{person}"), format!("Person {person}"));
        self.ldap
            .add(
                &dn,
                &[
                    ("objectClass", &["inetOrgPerson", "dirheraldManaged"]),
                    ("uid", &[&uid]),
                    ("cn", &[&name]),
                    ("sn", &[&name]),
                    ("mail", &[&address(person)]),
                    ("title", &["none yet"]),
                    ("department", &["none yet"]),
                ],
            )
            .await;
        self.label_entry(Entry::Person(person)).await;
    }

    async fn found(&mut self, group: usize) {
        let new = &self.company.groups[group];
        let (owners, members) = (self.company.dns(&new.owners), self.company.dns(&new.members));
        let owners: Vec<_> = owners.iter().map(String::as_str).collect();
        let members: Vec<_> = members.iter().map(String::as_str).collect();
        let dn = self.company.dn(Entry::Group(group));
        let (cn, display_name) = ([new.cn.as_str()], [new.display_name.as_str()]);
        let mut attributes: Vec<(&str, &[&str])> = vec![
            ("objectClass", &["groupOfMembers", "dirheraldManaged"]),
            ("cn", &cn),
            ("displayName", &display_name),
            ("owner", &owners),
        ];
        if !members.is_empty() {
            attributes.push(("member", &members));
        }
        self.ldap.add(&dn, &attributes).await;
        self.label_entry(Entry::Group(group)).await;
    }

    async fn set_manager(&self, person: usize, manager: usize) {
        let dn = self.company.dn(Entry::Person(person));
        if person == manager {
            return self.ldap.replace(&dn, "manager", &[]).await;
        }
        self.ldap.set_manager(&dn, &self.company.dn(Entry::Person(manager))).await;
    }

    /// Takes out the value that stands for the person, under whatever name. The overlay may be quicker.
    async fn leave(&self, group: usize, person: usize) {
        let dn = self.company.dn(Entry::Group(group));
        wait::until_async("a member leaves", async || {
            let members = self.ldap.values(&dn, "member").await.expect("the group is there");
            let is_the_one = |member: &&String| self.names[&person].contains(*member);
            let member = members.iter().find(is_the_one)?;
            (self.ldap.try_modify(&dn, &[Change::Delete("member", &[member])]).await == 0).then_some(())
        })
        .await;
    }

    async fn label_entry(&mut self, entry: Entry) {
        let dn = self.company.dn(entry);
        let label = match entry {
            Entry::Person(n) => format!("p{n}"),
            Entry::Group(n) => format!("g{n}"),
        };
        self.label(&dn, label).await;
    }

    async fn label(&mut self, dn: &str, label: Label) {
        let id = self.ldap.id(dn).await.parse().expect("a UUID");
        self.labels.insert(id, label);
    }

    fn remember_names(&mut self) {
        for person in self.company.people_there() {
            let dn = self.slapd.dn(&self.company.dn(Entry::Person(person)));
            self.names.entry(person).or_default().insert(dn);
        }
    }
}

/// The configuration's `schema.dummy_members`.
pub fn dummy_members(slapd: &Slapd) -> String {
    format!("[\"{}\"]", slapd.dn(NOBODY))
}

/// Of a person, all his life.
pub fn address(person: usize) -> String {
    address_of(&format!("p{person}"))
}

/// Of a person by the label.
pub fn address_of(label: &str) -> String {
    format!("{label}@crash.example")
}

fn ldif(company: &Company) -> String {
    let mut ldif =
        format!("dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: crash\no: Crash\n");
    for place in company.places.iter().map(String::as_str).chain(["groups", "services"]) {
        write!(ldif, "\ndn: ou={place},{BASE}\nobjectClass: organizationalUnit\nou: {place}\n").unwrap();
    }
    write!(
        ldif,
        "\ndn: cn=dirherald,ou=services,{BASE}\nobjectClass: applicationProcess\n\
         objectClass: simpleSecurityObject\ncn: dirherald\nuserPassword: {}\n",
        Slapd::SERVICE_PASSWORD
    )
    .unwrap();
    for (n, person) in company.people.iter().enumerate() {
        write!(
            ldif,
            "\ndn: {},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: dirheraldManaged\nuid: {}\n\
             cn: Person {n}\nsn: Person {n}\nmail: {}\ntitle: {}\ndepartment: {}\n",
            company.dn(Entry::Person(n)),
            person.uid,
            address(n),
            person.title,
            person.department
        )
        .unwrap();
        if person.manager != n {
            writeln!(ldif, "manager: {},{BASE}", company.dn(Entry::Person(person.manager))).unwrap();
        }
    }
    for (n, group) in company.groups.iter().enumerate() {
        write!(
            ldif,
            "\ndn: {},{BASE}\nobjectClass: groupOfMembers\nobjectClass: dirheraldManaged\ncn: {}\n\
             displayName: {}\n",
            company.dn(Entry::Group(n)),
            group.cn,
            group.display_name
        )
        .unwrap();
        let links = [("owner", &group.owners), ("member", &group.members)];
        for (attribute, people) in links {
            for dn in company.dns(people) {
                writeln!(ldif, "{attribute}: {dn},{BASE}").unwrap();
            }
        }
    }
    ldif
}
