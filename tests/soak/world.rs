//! The company while several writers change it at once: what may be changed next, and what was.
//!
//! A writer takes an act whose people, groups and places nobody else is busy with, makes it in the directory,
//! and hands it back. So that it can be said exactly what is to be told, some acts wait until it is known that
//! all before was told ("settled"): whoever is dismissed has been written to, a name in a link is not changed
//! before the link was seen, and what is new keeps its values until it was seen. For the same reason the groups
//! whose owners change keep everything else, and so do the people whose manager changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::ledger::{Kind, Ledger, Slot, Transition, Value};
use crate::{
    crash::{
        company::{Act, Company, Entry},
        directory::address,
        run::ARCHIVE,
    },
    support::random::Random,
};

/// Founders are never dismissed, and they alone own and manage.
const FOUNDERS: usize = 48;
const FIRST_GROUPS: usize = 16;
/// Hired people and further groups there are at most at a time.
const HIRED: usize = 30;
const FOUNDED: usize = 14;
/// Which of the last acts may be taken back.
const REMEMBERED: usize = 60;

/// See the module.
pub struct World {
    pub company: Company,
    pub ledger: Ledger,
    /// How often each kind of act was made.
    pub made: BTreeMap<&'static str, usize>,
    /// All names that a person ever had.
    pub names: BTreeMap<usize, BTreeSet<String>>,
    random: Random,
    busy: BTreeSet<Thing>,
    last: Last,
    inverses: VecDeque<Act>,
    names_given: usize,
}

/// What a writer can be busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    Person(usize),
    Group(usize),
    Place(usize),
}

/// When things last happened.
#[derive(Debug, Default)]
struct Last {
    /// Changed, named, or told of a change.
    touched: BTreeMap<Thing, Timestamp>,
    created: BTreeMap<Thing, Timestamp>,
    /// Named by a new link.
    linked: BTreeMap<usize, Timestamp>,
    /// Somebody came to the place.
    moved_in: BTreeMap<usize, Timestamp>,
}

impl Last {
    fn is_settled<K: Ord>(of: &BTreeMap<K, Timestamp>, key: &K, settled: Timestamp) -> bool {
        of.get(key).is_none_or(|last| *last <= settled)
    }
}

/// An act under way.
#[derive(Debug)]
pub struct Taken {
    pub act: Act,
    pub before: Company,
    things: BTreeSet<Thing>,
    pub begun: Timestamp,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let company = Company::of(FOUNDERS, FIRST_GROUPS);
        let mut ledger = Ledger::default();
        for (n, group) in company.groups.iter().enumerate() {
            let label = Entry::Group(n).label();
            for member in &group.members {
                ledger.begin(member_slot(n, *member), only(&Entry::Person(*member).label()));
            }
            ledger.begin(Slot::new(Kind::Owners, &*label, ""), addresses(&group.owners));
            ledger.begin(Slot::new(Kind::Name, &*label, ""), only(&group.cn));
            ledger.begin(Slot::new(Kind::Attribute, &*label, "displayname"), only(&group.display_name));
        }
        for (n, person) in company.people.iter().enumerate() {
            let label = Entry::Person(n).label();
            let manager = company.manager_of(n).into_iter().collect();
            ledger.begin(Slot::new(Kind::Manager, &*label, ""), addresses(&manager));
            ledger.begin(Slot::new(Kind::Name, &*label, ""), only(&name_of(&company, n)));
            ledger.begin(Slot::new(Kind::Attribute, &*label, "title"), only(&person.title));
            ledger.begin(Slot::new(Kind::Attribute, &*label, "department"), only(&person.department));
        }
        for (n, ou) in company.places.iter().enumerate() {
            ledger.begin(Slot::new(Kind::Name, format!("place{n}"), ""), only(ou));
        }
        let mut world = Self {
            company,
            ledger,
            made: BTreeMap::new(),
            names: BTreeMap::new(),
            random: Random::new(seed),
            busy: BTreeSet::new(),
            last: Last::default(),
            inverses: VecDeque::new(),
            names_given: 0,
        };
        world.remember_names();
        world
    }

    /// Something that nobody is busy with. `settled`: everything that was done by then is told or written.
    /// `None`: nothing was found soon enough.
    pub fn take(&mut self, settled: Timestamp, now: Timestamp) -> Option<Taken> {
        (0..60).find_map(|_| {
            let act = if self.random.percent(25) { self.undo() } else { self.any() }?;
            self.begin(act, settled, now)
        })
    }

    fn begin(&mut self, act: Act, settled: Timestamp, now: Timestamp) -> Option<Taken> {
        if !self.makes_sense(&act) {
            return None;
        }
        let things = things(&act, &self.company);
        if !things.is_disjoint(&self.busy) || !self.may(&act, settled) {
            return None;
        }
        self.busy.extend(&things);
        // Whoever is hired next gets the next number.
        let before = self.company.clone();
        if act.creates().is_some() {
            self.company.carry_out(&act);
        }
        Some(Taken { act, before, things, begun: now })
    }

    /// It was made, and is surely there at `now`.
    pub fn done(&mut self, taken: Taken, now: Timestamp) {
        let Taken { act, before, things, begun } = taken;
        if act.creates().is_none() {
            self.company.carry_out(&act);
        }
        for thing in &things {
            self.busy.remove(thing);
            self.last.touched.insert(*thing, now);
        }
        self.note(&act, &before, begun, now);
        self.remember_names();
        *self.made.entry(name(&act)).or_default() += 1;
        if let Some(inverse) = before.inverse(&act).filter(may_be_taken_back) {
            self.inverses.push_back(inverse);
            if self.inverses.len() > REMEMBERED {
                self.inverses.pop_front();
            }
        }
    }

    fn undo(&mut self) -> Option<Act> {
        let at = self.random.below(self.inverses.len().max(1));
        self.inverses.remove(at)
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names_given += 1;
        format!("{prefix}{}", self.names_given)
    }

    fn some(&mut self, people: &[usize], most: usize) -> BTreeSet<usize> {
        (0..most).filter_map(|_| self.random.choose(people)).collect()
    }

    fn any(&mut self) -> Option<Act> {
        let (people, groups) = (self.company.people_there(), self.company.groups_there());
        let person = self.random.choose(&people)?;
        let group = self.random.choose(&groups)?;
        let founders: Vec<_> = (0..FOUNDERS).collect();
        let place = self.random.below(self.company.places.len());
        Some(match self.random.below(100) {
            0..24 => Act::Join { group, person },
            24..42 => {
                let members: Vec<_> = self.company.groups[group].members.iter().copied().collect();
                Act::Leave { group, person: self.random.choose(&members)? }
            }
            42..54 => {
                let attribute = self.random.choose(&["title", "department"])?;
                Act::Describe { entry: Entry::Person(person), attribute, value: self.name("value ") }
            }
            54..58 => {
                let value = self.name("name ");
                Act::Describe { entry: Entry::Group(group), attribute: "displayName", value }
            }
            58..65 => Act::SetManager { person, manager: self.random.choose(&founders)? },
            65..72 => {
                let most = 1 + self.random.below(3);
                Act::SetOwners { group, owners: self.some(&founders, most) }
            }
            72..78 => Act::Hire { person: self.company.people.len(), place },
            78..83 => Act::Dismiss { person: self.random.choose(&hired(&people))? },
            83..87 => {
                let (owners, members) = (1 + self.random.below(2), self.random.below(5));
                Act::Found {
                    group: self.company.groups.len(),
                    owners: self.some(&founders, owners),
                    members: self.some(&people, members),
                }
            }
            87..90 => Act::Dissolve { group },
            90..92 => Act::RenamePerson { person, uid: self.name("q") },
            92..95 => Act::Move { person, place },
            95..96 => Act::RenameGroup { group, cn: self.name("h") },
            _ => Act::RenamePlace { place, ou: self.name("site") },
        })
    }

    /// Whether it changes anything, and the directory takes it.
    fn makes_sense(&self, act: &Act) -> bool {
        let company = &self.company;
        let is_there = |entry: &Entry| match *entry {
            Entry::Person(n) => company.people[n].is_there,
            Entry::Group(n) => company.groups[n].is_there,
        };
        match act {
            Act::Hire { .. } => hired(&company.people_there()).len() < HIRED,
            Act::Found { .. } => company.groups_there().len() < FIRST_GROUPS + FOUNDED,
            Act::Dismiss { person } => is_there(&Entry::Person(*person)),
            Act::Dissolve { group } => *group >= FIRST_GROUPS && is_there(&Entry::Group(*group)),
            Act::RenamePerson { person, uid } => {
                is_there(&Entry::Person(*person)) && company.people[*person].uid != *uid
            }
            Act::Move { person, place } => {
                is_there(&Entry::Person(*person)) && company.people[*person].place != *place
            }
            Act::Describe { entry, attribute, value } => {
                is_there(entry) && company.clone().attribute(*entry, attribute) != value
            }
            Act::SetManager { person, manager } => {
                *person < FOUNDERS && company.people[*person].manager != *manager
            }
            Act::RenameGroup { group, cn } => {
                is_there(&Entry::Group(*group)) && company.groups[*group].cn != *cn
            }
            Act::Join { group, person } => {
                is_there(&Entry::Group(*group))
                    && is_there(&Entry::Person(*person))
                    && !company.groups[*group].members.contains(person)
            }
            Act::Leave { group, person } => {
                is_there(&Entry::Group(*group))
                    && is_there(&Entry::Person(*person))
                    && company.groups[*group].members.contains(person)
            }
            Act::SetOwners { group, owners } => company.groups[*group].owners != *owners,
            Act::RenamePlace { place, ou } => company.places[*place] != *ou,
        }
    }

    /// Whether it can be said exactly what will be told of it, and of what was before.
    fn may(&self, act: &Act, settled: Timestamp) -> bool {
        let is_old = |thing: Thing| Last::is_settled(&self.last.created, &thing, settled);
        let is_known = |person: &usize| Last::is_settled(&self.last.linked, person, settled);
        let was_told = |thing: Thing| Last::is_settled(&self.last.touched, &thing, settled);
        match act {
            Act::Hire { .. } | Act::Found { .. } => true,
            Act::Join { group, .. } | Act::Leave { group, .. } => !changes_owners(*group),
            Act::Dismiss { person } => was_told(Thing::Person(*person)),
            Act::Dissolve { group } => was_told(Thing::Group(*group)),
            Act::Describe { entry: Entry::Person(person), .. } => {
                !changes_manager(*person) && is_old(Thing::Person(*person))
            }
            Act::Describe { entry: Entry::Group(group), .. } | Act::RenameGroup { group, .. } => {
                !changes_owners(*group) && is_old(Thing::Group(*group))
            }
            Act::SetManager { person, .. } => changes_manager(*person),
            Act::SetOwners { group, .. } => changes_owners(*group),
            Act::RenamePerson { person, .. } | Act::Move { person, .. } => {
                !changes_manager(*person) && is_old(Thing::Person(*person)) && is_known(person)
            }
            Act::RenamePlace { place, .. } => {
                people_at(&self.company, *place).iter().all(is_known)
                    && Last::is_settled(&self.last.moved_in, place, settled)
            }
        }
    }

    /// What is to be told of it.
    fn note(&mut self, act: &Act, before: &Company, begun: Timestamp, done: Timestamp) {
        let mut note = |slot: Slot, to: Value, told: BTreeSet<String>| {
            let told = told.into_iter().chain([ARCHIVE.to_owned()]).collect();
            self.ledger.note(slot, Transition { begun, done, to, told });
        };
        let owners = |group: usize| addresses(&before.groups[group].owners);
        let manager = |person: usize| addresses(&before.manager_of(person).into_iter().collect());
        match act {
            Act::Hire { person, .. } => {
                note(life(Entry::Person(*person)), only("there"), BTreeSet::new());
                let label = Entry::Person(*person).label();
                self.ledger.begin(Slot::new(Kind::Name, &*label, ""), only(&name_of(&self.company, *person)));
                for attribute in ["title", "department"] {
                    self.ledger.begin(Slot::new(Kind::Attribute, &*label, attribute), only("none yet"));
                }
            }
            Act::Dismiss { person } => {
                note(life(Entry::Person(*person)), Value::new(), manager(*person));
                for group in before.groups_with(*person) {
                    note(member_slot(group, *person), Value::new(), owners(group));
                }
            }
            Act::Found { group, owners, members } => {
                note(life(Entry::Group(*group)), only("there"), addresses(owners));
                for member in members {
                    let told = &addresses(owners) | &addresses(&[*member].into());
                    note(member_slot(*group, *member), only(&Entry::Person(*member).label()), told);
                }
                let (label, new) = (Entry::Group(*group).label(), &self.company.groups[*group]);
                self.ledger.begin(Slot::new(Kind::Name, &*label, ""), only(&new.cn));
                let display_name = Slot::new(Kind::Attribute, &*label, "displayname");
                self.ledger.begin(display_name, only(&new.display_name));
            }
            Act::Dissolve { group } => {
                let members = addresses(&before.groups[*group].members);
                note(life(Entry::Group(*group)), Value::new(), &owners(*group) | &members);
            }
            Act::Join { group, person } => {
                let told = &owners(*group) | &addresses(&[*person].into());
                note(member_slot(*group, *person), only(&Entry::Person(*person).label()), told);
            }
            Act::Leave { group, person } => {
                let told = &owners(*group) | &addresses(&[*person].into());
                note(member_slot(*group, *person), Value::new(), told);
            }
            Act::Describe { entry, attribute, value } => {
                let told = match *entry {
                    Entry::Person(person) => manager(person),
                    Entry::Group(group) => owners(group),
                };
                let slot = Slot::new(Kind::Attribute, entry.label(), attribute.to_ascii_lowercase());
                note(slot, only(value), told);
            }
            Act::SetManager { person, .. } => {
                let slot = Slot::new(Kind::Manager, Entry::Person(*person).label(), "");
                let manager = self.company.manager_of(*person).into_iter().collect();
                note(slot, addresses(&manager), BTreeSet::new());
            }
            Act::SetOwners { group, owners } => {
                let slot = Slot::new(Kind::Owners, Entry::Group(*group).label(), "");
                note(slot, addresses(owners), BTreeSet::new());
            }
            Act::RenamePerson { person, .. } | Act::Move { person, .. } => {
                let slot = Slot::new(Kind::Name, Entry::Person(*person).label(), "");
                note(slot, only(&name_of(&self.company, *person)), manager(*person));
            }
            Act::RenameGroup { group, cn } => {
                note(Slot::new(Kind::Name, Entry::Group(*group).label(), ""), only(cn), owners(*group));
            }
            Act::RenamePlace { place, ou } => {
                note(Slot::new(Kind::Name, format!("place{place}"), ""), only(ou), BTreeSet::new());
            }
        }
        self.note_last(act, done);
    }

    fn note_last(&mut self, act: &Act, now: Timestamp) {
        match act {
            Act::Hire { person, place } => {
                self.last.created.insert(Thing::Person(*person), now);
                self.last.moved_in.insert(*place, now);
            }
            Act::Found { group, owners, members } => {
                self.last.created.insert(Thing::Group(*group), now);
                self.last.linked.extend(owners.union(members).map(|person| (*person, now)));
            }
            Act::Move { place, .. } => {
                self.last.moved_in.insert(*place, now);
            }
            Act::Join { person: linked, .. } | Act::SetManager { manager: linked, .. } => {
                self.last.linked.insert(*linked, now);
            }
            Act::SetOwners { owners, .. } => {
                self.last.linked.extend(owners.iter().map(|owner| (*owner, now)));
            }
            Act::Dismiss { .. }
            | Act::Dissolve { .. }
            | Act::RenamePerson { .. }
            | Act::Describe { .. }
            | Act::Leave { .. }
            | Act::RenameGroup { .. }
            | Act::RenamePlace { .. } => {}
        }
    }

    fn remember_names(&mut self) {
        for person in self.company.people_there() {
            let dn = self.company.dn(Entry::Person(person));
            self.names.entry(person).or_default().insert(dn);
        }
    }
}

/// Their owners change and nothing else of them.
fn changes_owners(group: usize) -> bool {
    group < FIRST_GROUPS && group.is_multiple_of(4)
}

/// Their manager changes and nothing else of them.
fn changes_manager(person: usize) -> bool {
    person < FOUNDERS && person.is_multiple_of(3)
}

/// Whoever comes again has another id, and is told of as somebody new.
fn may_be_taken_back(inverse: &Act) -> bool {
    !matches!(inverse, Act::Dismiss { .. } | Act::Dissolve { .. })
}

fn hired(people: &[usize]) -> Vec<usize> {
    people.iter().copied().filter(|person| *person >= FOUNDERS).collect()
}

fn people_at(company: &Company, place: usize) -> Vec<usize> {
    let people = company.people_there().into_iter();
    people.filter(|&person| company.people[person].place == place).collect()
}

fn member_slot(group: usize, person: usize) -> Slot {
    Slot::new(Kind::Member, Entry::Group(group).label(), Entry::Person(person).label())
}

fn life(entry: Entry) -> Slot {
    Slot::new(Kind::Life, entry.label(), "")
}

fn only(value: &str) -> Value {
    [value.to_owned()].into()
}

/// Uid and place: both are part of the DN, and the place's own name is not theirs.
fn name_of(company: &Company, person: usize) -> String {
    format!("{} at {}", company.people[person].uid, company.people[person].place)
}

fn addresses(people: &BTreeSet<usize>) -> BTreeSet<String> {
    people.iter().map(|person| address(*person)).collect()
}

/// Everything that it changes or names, or that is told because of it.
fn things(act: &Act, company: &Company) -> BTreeSet<Thing> {
    let people = |people: &BTreeSet<usize>| people.iter().map(|&n| Thing::Person(n)).collect::<BTreeSet<_>>();
    match act {
        Act::Hire { person, place } | Act::Move { person, place } => {
            [Thing::Person(*person), Thing::Place(*place)].into()
        }
        Act::RenamePerson { person, .. } | Act::Describe { entry: Entry::Person(person), .. } => {
            [Thing::Person(*person)].into()
        }
        Act::Describe { entry: Entry::Group(group), .. } | Act::RenameGroup { group, .. } => {
            [Thing::Group(*group)].into()
        }
        Act::SetManager { person, manager } => [Thing::Person(*person), Thing::Person(*manager)].into(),
        Act::Join { group, person } | Act::Leave { group, person } => {
            [Thing::Group(*group), Thing::Person(*person)].into()
        }
        Act::SetOwners { group, owners } => &people(owners) | &[Thing::Group(*group)].into(),
        Act::Found { group, owners, members } => {
            &(&people(owners) | &people(members)) | &[Thing::Group(*group)].into()
        }
        Act::Dissolve { group } => &people(&company.groups[*group].members) | &[Thing::Group(*group)].into(),
        Act::Dismiss { person } => {
            let groups = company.groups_with(*person).into_iter().map(Thing::Group);
            groups.chain([Thing::Person(*person)]).collect()
        }
        Act::RenamePlace { place, .. } => {
            let people = people_at(company, *place).into_iter().map(Thing::Person);
            people.chain([Thing::Place(*place)]).collect()
        }
    }
}

fn name(act: &Act) -> &'static str {
    match act {
        Act::Hire { .. } => "hired",
        Act::Dismiss { .. } => "dismissed",
        Act::RenamePerson { .. } => "person renamed",
        Act::Move { .. } => "person moved",
        Act::Describe { .. } => "attribute changed",
        Act::SetManager { .. } => "manager changed",
        Act::Found { .. } => "group founded",
        Act::Dissolve { .. } => "group dissolved",
        Act::RenameGroup { .. } => "group renamed",
        Act::Join { .. } => "joined",
        Act::Leave { .. } => "left",
        Act::SetOwners { .. } => "owners changed",
        Act::RenamePlace { .. } => "place renamed",
    }
}
