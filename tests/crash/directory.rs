//! The company in a real directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use uuid::Uuid;

use super::{
    company::{Act, BASE, Company, Entry, Label},
    series::Step,
};
use crate::support::{
    ldap::{Change, Ldap, Request},
    postfix::Postfix,
    slapd::{NOBODY, Overlay, Setup, Slapd},
    wait,
};

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
    pub fn setup(self, company: &Company) -> Setup {
        let setup = Setup::seeded(BASE, &ldif(company)).remembers_deletions();
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

    /// Ends the server and starts it again: it no longer knows which changes came when, and shows everything.
    pub async fn restart(&mut self) {
        self.slapd.restart();
        self.ldap = Ldap::admin(&self.slapd).await;
    }

    /// The same without a warning (SIGKILL). A server that is killed after it deleted an entry has forgotten when
    /// that was, and would be behind what it said before; the next change heals that.
    pub async fn kill(&mut self) {
        self.slapd.kill();
        self.slapd.start_again();
        self.ldap = Ldap::admin(&self.slapd).await;
        self.ldap.replace("ou=services", "description", &["nobody watches this"]).await;
    }

    /// Where the server stands.
    pub async fn csn(&self) -> String {
        let values = self.ldap.values(BASE, "contextCSN").await.expect("the root of the tree");
        values.into_iter().next().expect("syncprov keeps it")
    }

    /// Makes the changes of these steps.
    pub async fn make(&mut self, steps: &[Step]) {
        for step in steps {
            self.carry_out(&step.act).await;
        }
    }

    /// Makes the change.
    async fn carry_out(&mut self, act: &Act) {
        let before = self.company.clone();
        self.company.carry_out(act);
        match request(act, &before, &self.company) {
            Some(request) => self.ldap.carry_out(&request).await,
            None => self.leave(act).await,
        }
        if let Some(entry) = act.creates() {
            self.label_entry(entry).await;
        }
        self.remember_names();
    }

    /// Takes out the value that stands for the person, under whatever name. The overlay may be quicker.
    async fn leave(&self, act: &Act) {
        let Act::Leave { group, person } = *act else { panic!("{act:?} is asked for like any other") };
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
        self.label(&dn, entry.label()).await;
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

/// What the server is asked for. `None`: to let somebody leave, the name has to be found under which the group
/// has him.
pub fn request(act: &Act, before: &Company, after: &Company) -> Option<Request> {
    let dn = |entry| before.dn(entry);
    Some(match act {
        Act::Hire { person, .. } => hire(*person, after),
        Act::Found { group, .. } => found(*group, after),
        Act::Dismiss { person } => Request::Delete { dn: dn(Entry::Person(*person)) },
        Act::Dissolve { group } => Request::Delete { dn: dn(Entry::Group(*group)) },
        Act::RenamePerson { person, uid } => {
            Request::Rename { dn: dn(Entry::Person(*person)), new_rdn: format!("uid={uid}") }
        }
        Act::RenameGroup { group, cn } => {
            Request::Rename { dn: dn(Entry::Group(*group)), new_rdn: format!("cn={cn}") }
        }
        Act::Move { person, place } => Request::Move {
            dn: dn(Entry::Person(*person)),
            new_parent: format!("ou={}", before.places[*place]),
        },
        Act::Describe { entry, attribute, value } => Request::Replace {
            dn: dn(*entry),
            attribute: (*attribute).to_owned(),
            values: vec![value.clone()],
        },
        Act::SetManager { person, manager } => Request::Replace {
            dn: dn(Entry::Person(*person)),
            attribute: "manager".to_owned(),
            values: after.manager_of(*person).map(|_| dn(Entry::Person(*manager))).into_iter().collect(),
        },
        Act::Join { group, person } => Request::AddValue {
            dn: dn(Entry::Group(*group)),
            attribute: "member".to_owned(),
            value: dn(Entry::Person(*person)),
        },
        Act::Leave { .. } => return None,
        Act::SetOwners { group, owners } => Request::Replace {
            dn: dn(Entry::Group(*group)),
            attribute: "owner".to_owned(),
            values: after.dns(owners),
        },
        Act::RenamePlace { place, ou } => {
            Request::Rename { dn: format!("ou={}", before.places[*place]), new_rdn: format!("ou={ou}") }
        }
    })
}

fn hire(person: usize, company: &Company) -> Request {
    let (uid, name) = (format!("p{person}"), format!("Person {person}"));
    Request::add(
        &company.dn(Entry::Person(person)),
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
}

fn found(group: usize, company: &Company) -> Request {
    let new = &company.groups[group];
    let (owners, members) = (company.dns(&new.owners), company.dns(&new.members));
    let owners: Vec<_> = owners.iter().map(String::as_str).collect();
    let members: Vec<_> = members.iter().map(String::as_str).collect();
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
    Request::add(&company.dn(Entry::Group(group)), &attributes)
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
    format!("{label}@{}", Postfix::DOMAIN)
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
        if let Some(manager) = company.manager_of(n) {
            writeln!(ldif, "manager: {},{BASE}", company.dn(Entry::Person(manager))).unwrap();
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
