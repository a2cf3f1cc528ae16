//! The company whose directory is changed, as it should be.

use std::collections::BTreeSet;

/// The root of its tree.
pub const BASE: &str = "dc=crash,dc=example";

/// The place that is not watched. It keeps its name.
pub const OUTSIDE: &str = "outside";

/// `p7`, `g3`, `place0`: what an entry is called in every run, whatever its id, name and place.
pub type Label = String;

/// One thing that happens. People, groups and places are numbers that are never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Hire { person: usize, place: usize },
    Dismiss { person: usize },
    RenamePerson { person: usize, uid: String },
    Move { person: usize, place: usize },
    Describe { entry: Entry, attribute: &'static str, value: String },
    SetManager { person: usize, manager: usize },
    Found { group: usize, owners: BTreeSet<usize>, members: BTreeSet<usize> },
    Dissolve { group: usize },
    RenameGroup { group: usize, cn: String },
    Join { group: usize, person: usize },
    Leave { group: usize, person: usize },
    SetOwners { group: usize, owners: BTreeSet<usize> },
    RenamePlace { place: usize, ou: String },
}

/// Somebody or something with attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    Person(usize),
    Group(usize),
}

impl Act {
    /// Whom or what it brings into being.
    pub fn creates(&self) -> Option<Entry> {
        match *self {
            Self::Hire { person, .. } => Some(Entry::Person(person)),
            Self::Found { group, .. } => Some(Entry::Group(group)),
            Self::Dismiss { .. }
            | Self::RenamePerson { .. }
            | Self::Move { .. }
            | Self::Describe { .. }
            | Self::SetManager { .. }
            | Self::Dissolve { .. }
            | Self::RenameGroup { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::SetOwners { .. }
            | Self::RenamePlace { .. } => None,
        }
    }
}

impl Entry {
    /// See [`Label`].
    pub fn label(self) -> Label {
        match self {
            Self::Person(n) => format!("p{n}"),
            Self::Group(n) => format!("g{n}"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Person {
    pub uid: String,
    pub place: usize,
    pub manager: usize,
    pub title: String,
    pub department: String,
    pub is_there: bool,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub cn: String,
    pub owners: BTreeSet<usize>,
    pub members: BTreeSet<usize>,
    pub display_name: String,
    pub is_there: bool,
}

#[derive(Debug, Clone)]
pub struct Company {
    pub people: Vec<Person>,
    pub groups: Vec<Group>,
    pub places: Vec<String>,
}

impl Company {
    /// Forty people at four places, twelve groups, and six people outside what is watched.
    pub fn founded() -> Self {
        let mut company = Self::of(40, 12);
        let outside = company.places.len();
        company.places.push(OUTSIDE.to_owned());
        company.people.extend((40..46).map(|n| Person::new(n, outside, n)));
        company
    }

    /// Not watched: they belong to groups, and dirherald looks up who they are.
    pub fn is_outside(&self, person: usize) -> bool {
        self.places[self.people[person].place] == OUTSIDE
    }

    /// So many people and groups, at four places.
    pub fn of(people: usize, groups: usize) -> Self {
        let person = |n: usize| Person::new(n, n % 4, n / 10);
        let group = |n: usize| {
            let members = (0..4 + n % 5).map(|m| (n * 3 + m * 7) % people).collect();
            Group::new(n, [(n * 5 + 1) % people, (n * 11 + 2) % people].into(), members)
        };
        Self {
            people: (0..people).map(person).collect(),
            groups: (0..groups).map(group).collect(),
            places: (0..4).map(|n| format!("place{n}")).collect(),
        }
    }

    /// Who is there.
    pub fn people_there(&self) -> Vec<usize> {
        (0..self.people.len()).filter(|&n| self.people[n].is_there).collect()
    }

    /// Which groups are there.
    pub fn groups_there(&self) -> Vec<usize> {
        (0..self.groups.len()).filter(|&n| self.groups[n].is_there).collect()
    }

    /// In which groups a person is.
    pub fn groups_with(&self, person: usize) -> Vec<usize> {
        self.groups_there().into_iter().filter(|&n| self.groups[n].members.contains(&person)).collect()
    }

    /// Which groups a person owns.
    pub fn groups_of(&self, person: usize) -> Vec<usize> {
        self.groups_there().into_iter().filter(|&n| self.groups[n].owners.contains(&person)).collect()
    }

    /// `None`: whoever manages himself has no manager.
    pub fn manager_of(&self, person: usize) -> Option<usize> {
        Some(self.people[person].manager).filter(|&manager| manager != person)
    }

    /// Below the base.
    pub fn dn(&self, entry: Entry) -> String {
        match entry {
            Entry::Person(n) => {
                format!("uid={},ou={}", self.people[n].uid, self.places[self.people[n].place])
            }
            Entry::Group(n) => format!("cn={},ou=groups", self.groups[n].cn),
        }
    }

    /// The DNs of these people.
    pub fn dns(&self, people: &BTreeSet<usize>) -> Vec<String> {
        people.iter().map(|&n| self.dn(Entry::Person(n))).collect()
    }

    /// Makes it so.
    pub fn carry_out(&mut self, act: &Act) {
        match act.clone() {
            Act::Hire { person, place } => {
                assert_eq!(person, self.people.len(), "numbers are given in order");
                self.people.push(Person::new(person, place, person));
            }
            Act::Dismiss { person } => {
                self.people[person].is_there = false;
                for group in &mut self.groups {
                    group.members.remove(&person);
                    group.owners.remove(&person);
                }
            }
            Act::RenamePerson { person, uid } => self.people[person].uid = uid,
            Act::Move { person, place } => self.people[person].place = place,
            Act::Describe { entry, attribute, value } => *self.attribute(entry, attribute) = value,
            Act::SetManager { person, manager } => self.people[person].manager = manager,
            Act::Found { group, owners, members } => {
                assert_eq!(group, self.groups.len(), "numbers are given in order");
                self.groups.push(Group::new(group, owners, members));
            }
            Act::Dissolve { group } => self.groups[group].is_there = false,
            Act::RenameGroup { group, cn } => self.groups[group].cn = cn,
            Act::Join { group, person } => {
                self.groups[group].members.insert(person);
            }
            Act::Leave { group, person } => {
                self.groups[group].members.remove(&person);
            }
            Act::SetOwners { group, owners } => self.groups[group].owners = owners,
            Act::RenamePlace { place, ou } => self.places[place] = ou,
        }
    }

    /// A watched attribute of an entry.
    pub fn attribute(&mut self, entry: Entry, attribute: &str) -> &mut String {
        match (entry, attribute) {
            (Entry::Person(n), "title") => &mut self.people[n].title,
            (Entry::Person(n), "department") => &mut self.people[n].department,
            (Entry::Group(n), "displayName") => &mut self.groups[n].display_name,
            other => panic!("{other:?}"),
        }
    }

    /// What undoes `act`, seen before it is carried out. `None`: nothing can.
    pub fn inverse(&self, act: &Act) -> Option<Act> {
        Some(match act.clone() {
            Act::Hire { person, .. } => Act::Dismiss { person },
            Act::Found { group, .. } => Act::Dissolve { group },
            Act::Dismiss { .. } | Act::Dissolve { .. } => return None,
            Act::RenamePerson { person, .. } => {
                Act::RenamePerson { person, uid: self.people[person].uid.clone() }
            }
            Act::Move { person, .. } => Act::Move { person, place: self.people[person].place },
            Act::Describe { entry, attribute, .. } => {
                let value = self.clone().attribute(entry, attribute).clone();
                Act::Describe { entry, attribute, value }
            }
            Act::SetManager { person, .. } => {
                Act::SetManager { person, manager: self.people[person].manager }
            }
            Act::RenameGroup { group, .. } => Act::RenameGroup { group, cn: self.groups[group].cn.clone() },
            Act::Join { group, person } => Act::Leave { group, person },
            Act::Leave { group, person } => Act::Join { group, person },
            Act::SetOwners { group, .. } => {
                Act::SetOwners { group, owners: self.groups[group].owners.clone() }
            }
            Act::RenamePlace { place, .. } => Act::RenamePlace { place, ou: self.places[place].clone() },
        })
    }
}

impl Person {
    /// Whoever manages himself has no manager.
    fn new(number: usize, place: usize, manager: usize) -> Self {
        Self {
            uid: format!("p{number}"),
            place,
            manager,
            title: "none yet".to_owned(),
            department: "none yet".to_owned(),
            is_there: true,
        }
    }
}

impl Group {
    fn new(number: usize, owners: BTreeSet<usize>, members: BTreeSet<usize>) -> Self {
        Self {
            cn: format!("g{number}"),
            owners,
            members,
            display_name: format!("Group {number}"),
            is_there: true,
        }
    }
}
