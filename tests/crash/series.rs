//! A series of changes in episodes. Whatever of an episode dirherald sees in one look and whatever in another,
//! it must tell the same, but for what undid itself in between; so an episode holds no two changes of which
//! the first cannot be told any more once the second was made (a member who came and was dismissed, a group
//! that was renamed twice).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    company::{Act, Company, Entry},
    directory::Manner,
};
use crate::support::random::Random;

/// A seed's series.
#[derive(Debug)]
pub struct Series {
    /// Before the first change.
    pub company: Company,
    pub steps: Vec<Step>,
    pub episodes: Vec<Episode>,
}

#[derive(Debug)]
pub struct Step {
    pub act: Act,
    /// The step of the same episode that this one takes back.
    pub undoes: Option<usize>,
}

#[derive(Debug)]
pub struct Episode {
    pub steps: Range<usize>,
    /// Groups whose owners change, with all who are owner at some time of it.
    pub owners: BTreeMap<usize, BTreeSet<usize>>,
}

impl Series {
    /// `changes` in `episodes`.
    pub fn new(seed: u64, changes: usize, episodes: usize, manner: Manner) -> Self {
        let random = Random::new(seed);
        let company = Company::founded();
        let mut writer = Writer { random, company: company.clone(), steps: Vec::new(), names: 0, manner };
        let episodes = (0..episodes)
            .map(|number| writer.episode((number + 1) * changes / episodes - writer.steps.len()))
            .collect();
        Self { company, steps: writer.steps, episodes }
    }

    /// In which episode a step is.
    pub fn episode_of(&self, step: usize) -> usize {
        let episode = self.episodes.iter().position(|episode| episode.steps.contains(&step));
        episode.expect("every step is in an episode")
    }
}

struct Writer {
    random: Random,
    company: Company,
    steps: Vec<Step>,
    /// How many names were given so far: none is given twice.
    names: usize,
    manner: Manner,
}

/// What was touched in the episode so far.
#[derive(Debug, Default)]
struct Touched {
    /// What can be told once, each with its step.
    slots: BTreeMap<Slot, usize>,
    /// Who or what is concerned by a change, as its entry, its subject or its recipient, and how often.
    entries: BTreeMap<Entry, usize>,
    /// Came or went: nothing but memberships of those who came.
    new: BTreeSet<Entry>,
    /// Groups that lost somebody who was dismissed.
    bereaved: BTreeSet<usize>,
    owners: BTreeMap<usize, BTreeSet<usize>>,
    /// Groups whose owners changed and changed back.
    sealed: BTreeSet<usize>,
    /// Whom a link names since this episode.
    linked: BTreeSet<usize>,
    /// What would undo a step.
    inverses: Vec<(usize, Act)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Member(usize, usize),
    Attribute(Entry, &'static str),
    Manager(usize),
    Owners(usize),
    Name(Entry),
    Place(usize),
    Life(Entry),
}

impl Writer {
    fn episode(&mut self, length: usize) -> Episode {
        let first = self.steps.len();
        let mut touched = Touched::default();
        while self.steps.len() < first + length {
            if !self.random.percent(20) || !self.undo(&mut touched) {
                self.advance(&mut touched);
            }
        }
        Episode { steps: first..self.steps.len(), owners: touched.owners }
    }

    /// Takes back a step of the episode. `false`: none can be.
    fn undo(&mut self, touched: &mut Touched) -> bool {
        let possible: Vec<_> = (0..touched.inverses.len())
            .filter(|&n| touched.allows_undoing(&touched.inverses[n].1, &self.company))
            .filter(|&n| self.keeps_links(&touched.inverses[n].1, touched))
            .collect();
        let Some(chosen) = self.random.choose(&possible) else { return false };
        let (step, inverse) = touched.inverses.remove(chosen);
        touched.note(&inverse, &self.company, self.steps.len());
        if let Act::SetOwners { group, .. } = inverse {
            touched.sealed.insert(group);
        }
        self.carry_out(inverse, Some(step));
        true
    }

    fn advance(&mut self, touched: &mut Touched) {
        let act = loop {
            let act = self.any();
            let possible = |act: &Act| touched.allows(act, &self.company) && self.keeps_links(act, touched);
            if let Some(act) = act.filter(possible) {
                break act;
            }
        };
        let step = self.steps.len();
        let inverse = self.company.inverse(&act);
        touched.note(&act, &self.company, step);
        touched.inverses.extend(inverse.map(|inverse| (step, inverse)));
        self.carry_out(act, None);
    }

    /// Where nobody keeps links up to date, one that was made and whose target then got another name says no
    /// more whom it meant.
    fn keeps_links(&self, act: &Act, touched: &Touched) -> bool {
        let renamed = match *act {
            Act::RenamePerson { person, .. } | Act::Move { person, .. } => vec![person],
            Act::RenamePlace { place, .. } => {
                let people = self.company.people_there().into_iter();
                people.filter(|&person| self.company.people[person].place == place).collect()
            }
            _ => Vec::new(),
        };
        self.manner != Manner::Dangling || !renamed.iter().any(|person| touched.linked.contains(person))
    }

    fn carry_out(&mut self, act: Act, undoes: Option<usize>) {
        self.company.carry_out(&act);
        self.steps.push(Step { act, undoes });
    }

    /// So many of these at most.
    fn some(&mut self, people: &[usize], most: usize) -> BTreeSet<usize> {
        (0..most).filter_map(|_| self.random.choose(people)).collect()
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// Whatever may happen to a company; not each is possible now.
    fn any(&mut self) -> Option<Act> {
        let (people, groups) = (self.company.people_there(), self.company.groups_there());
        let person = self.random.choose(&people)?;
        let group = self.random.choose(&groups)?;
        let place = self.random.below(self.company.places.len());
        let members = &self.company.groups[group].members;
        Some(match self.random.below(100) {
            0..24 => Act::Join { group, person },
            24..44 => {
                let members: Vec<_> = members.iter().copied().collect();
                Act::Leave { group, person: self.random.choose(&members)? }
            }
            44..52 => {
                let attribute = self.random.choose(&["title", "department"])?;
                Act::Describe { entry: Entry::Person(person), attribute, value: self.name("value ") }
            }
            52..56 => Act::Describe {
                entry: Entry::Group(group),
                attribute: "displayName",
                value: self.name("name "),
            },
            56..60 => Act::SetManager { person, manager: self.random.choose(&people)? },
            60..69 => {
                let most = 1 + self.random.below(3);
                Act::SetOwners { group, owners: self.some(&people, most) }
            }
            69..76 => Act::Hire { person: self.company.people.len(), place },
            76..81 => Act::Dismiss { person },
            81..86 => {
                let (owners, members) = (1 + self.random.below(2), self.random.below(5));
                Act::Found {
                    group: self.company.groups.len(),
                    owners: self.some(&people, owners),
                    members: self.some(&people, members),
                }
            }
            86..89 => Act::Dissolve { group },
            89..92 => Act::RenamePerson { person, uid: self.name("q") },
            92..95 => Act::Move { person, place },
            95..98 => Act::RenameGroup { group, cn: self.name("h") },
            _ => Act::RenamePlace { place, ou: self.name("site") },
        })
    }
}

/// What a change can tell once in an episode.
fn slot(act: &Act) -> Slot {
    match *act {
        Act::Hire { person, .. } | Act::Dismiss { person } => Slot::Life(Entry::Person(person)),
        Act::Found { group, .. } | Act::Dissolve { group } => Slot::Life(Entry::Group(group)),
        Act::RenamePerson { person, .. } | Act::Move { person, .. } => Slot::Name(Entry::Person(person)),
        Act::RenameGroup { group, .. } => Slot::Name(Entry::Group(group)),
        Act::Describe { entry, attribute, .. } => Slot::Attribute(entry, attribute),
        Act::SetManager { person, .. } => Slot::Manager(person),
        Act::Join { group, person } | Act::Leave { group, person } => Slot::Member(group, person),
        Act::SetOwners { group, .. } => Slot::Owners(group),
        Act::RenamePlace { place, .. } => Slot::Place(place),
    }
}

/// Whose entries change, and who else is named or told because of it.
fn concerned(act: &Act, company: &Company) -> (Vec<Entry>, BTreeSet<usize>) {
    let owners = |group: usize| company.groups[group].owners.clone();
    match act {
        Act::Hire { person, .. } | Act::RenamePerson { person, .. } | Act::Move { person, .. } => {
            (vec![Entry::Person(*person)], BTreeSet::new())
        }
        Act::Describe { entry: Entry::Person(person), .. } => (vec![Entry::Person(*person)], BTreeSet::new()),
        Act::Describe { entry: Entry::Group(group), .. } | Act::RenameGroup { group, .. } => {
            (vec![Entry::Group(*group)], owners(*group))
        }
        Act::SetManager { person, manager } => {
            (vec![Entry::Person(*person)], [*manager, company.people[*person].manager].into())
        }
        Act::Join { group, person } | Act::Leave { group, person } => {
            (vec![Entry::Group(*group)], &owners(*group) | &[*person].into())
        }
        Act::SetOwners { group, owners: then } => (vec![Entry::Group(*group)], &owners(*group) | then),
        Act::Found { group, owners, members } => (vec![Entry::Group(*group)], owners | members),
        Act::Dissolve { group } => {
            (vec![Entry::Group(*group)], &owners(*group) | &company.groups[*group].members)
        }
        Act::Dismiss { person } => {
            let groups: BTreeSet<_> =
                company.groups_with(*person).into_iter().chain(company.groups_of(*person)).collect();
            let owners = groups.iter().flat_map(|&group| owners(group)).collect();
            let groups = groups.into_iter().map(Entry::Group);
            (groups.chain([Entry::Person(*person)]).collect(), owners)
        }
        Act::RenamePlace { .. } => (Vec::new(), BTreeSet::new()),
    }
}

impl Touched {
    /// Whether it changes anything, is possible, and leaves all that was done before to be told.
    fn allows(&self, act: &Act, company: &Company) -> bool {
        !self.slots.contains_key(&slot(act)) && self.is_open(act) && makes_sense(act, company) && {
            match act {
                Act::Dismiss { person } => {
                    !self.entries.contains_key(&Entry::Person(*person))
                        && company.groups_with(*person).iter().all(|group| {
                            !self.owners.contains_key(group) && !self.new.contains(&Entry::Group(*group))
                        })
                }
                Act::Dissolve { group } => !self.entries.contains_key(&Entry::Group(*group)),
                Act::SetOwners { group, .. } => !self.bereaved.contains(group),
                _ => true,
            }
        }
    }

    /// Whether the entry takes this kind of change in this episode.
    fn is_open(&self, act: &Act) -> bool {
        let is_old = |entry: Entry| !self.new.contains(&entry);
        match *act {
            Act::Hire { .. } | Act::Found { .. } | Act::RenamePlace { .. } => true,
            Act::Dismiss { person } | Act::RenamePerson { person, .. } | Act::Move { person, .. } => {
                is_old(Entry::Person(person))
            }
            Act::SetManager { person, .. } => is_old(Entry::Person(person)),
            Act::Describe { entry, .. } => is_old(entry) && !self.is_sealed(entry),
            Act::Dissolve { group } | Act::RenameGroup { group, .. } | Act::SetOwners { group, .. } => {
                is_old(Entry::Group(group)) && !self.sealed.contains(&group)
            }
            Act::Leave { group, .. } => is_old(Entry::Group(group)) && !self.sealed.contains(&group),
            Act::Join { group, .. } => !self.sealed.contains(&group),
        }
    }

    fn is_sealed(&self, entry: Entry) -> bool {
        matches!(entry, Entry::Group(group) if self.sealed.contains(&group))
    }

    fn allows_undoing(&self, inverse: &Act, company: &Company) -> bool {
        let alone = |entry: Entry| self.entries.get(&entry) == Some(&1);
        match *inverse {
            Act::Dismiss { person } => alone(Entry::Person(person)),
            Act::Dissolve { group } | Act::SetOwners { group, .. } => alone(Entry::Group(group)),
            Act::Join { group, person } | Act::Leave { group, person } => {
                company.groups[group].is_there
                    && company.people[person].is_there
                    && !self.sealed.contains(&group)
            }
            Act::SetManager { person, manager } => {
                company.people[person].is_there && (manager == person || company.people[manager].is_there)
            }
            Act::RenamePerson { person, .. } | Act::Move { person, .. } => company.people[person].is_there,
            Act::Describe { entry, .. } => !self.is_sealed(entry) && is_there(entry, company),
            Act::RenameGroup { group, .. } => company.groups[group].is_there && !self.sealed.contains(&group),
            Act::RenamePlace { .. } => true,
            Act::Hire { .. } | Act::Found { .. } => false,
        }
    }

    /// Before it is carried out.
    fn note(&mut self, act: &Act, company: &Company, step: usize) {
        self.slots.insert(slot(act), step);
        let (entries, people) = concerned(act, company);
        for entry in entries.into_iter().chain(people.into_iter().map(Entry::Person)) {
            *self.entries.entry(entry).or_default() += 1;
        }
        match act {
            Act::Hire { person, .. } => {
                self.new.insert(Entry::Person(*person));
            }
            Act::Found { group, owners, members } => {
                self.new.insert(Entry::Group(*group));
                self.linked.extend(owners | members);
            }
            Act::Join { person, .. } => {
                self.linked.insert(*person);
            }
            Act::SetManager { manager, .. } => {
                self.linked.insert(*manager);
            }
            Act::SetOwners { group, owners } => {
                self.linked.extend(owners);
                let all = self.owners.entry(*group).or_default();
                all.extend(company.groups[*group].owners.iter().chain(owners));
            }
            Act::Dismiss { person } => {
                self.bereaved.extend(company.groups_with(*person));
                for group in company.groups_of(*person) {
                    self.bereaved.insert(group);
                    self.owners.entry(group).or_default().extend(&company.groups[group].owners);
                }
            }
            _ => {}
        }
    }
}

fn is_there(entry: Entry, company: &Company) -> bool {
    match entry {
        Entry::Person(person) => company.people[person].is_there,
        Entry::Group(group) => company.groups[group].is_there,
    }
}

/// Whoever is outside joins and leaves, and nothing else is known of him.
fn stays_outside(act: &Act, company: &Company) -> bool {
    let outside = company.places.len() - 1;
    let is_inside = |person: &usize| !company.is_outside(*person);
    match act {
        Act::Hire { place, .. } | Act::RenamePlace { place, .. } => *place != outside,
        Act::Move { person, place } => is_inside(person) && *place != outside,
        Act::Dismiss { person }
        | Act::RenamePerson { person, .. }
        | Act::Describe { entry: Entry::Person(person), .. } => is_inside(person),
        Act::SetManager { person, manager } => is_inside(person) && is_inside(manager),
        Act::SetOwners { owners, .. } => owners.iter().all(is_inside),
        Act::Found { owners, members, .. } => owners.union(members).all(is_inside),
        Act::Describe { entry: Entry::Group(_), .. }
        | Act::Dissolve { .. }
        | Act::RenameGroup { .. }
        | Act::Join { .. }
        | Act::Leave { .. } => true,
    }
}

/// Whether it changes anything, and the directory takes it.
fn makes_sense(act: &Act, company: &Company) -> bool {
    stays_outside(act, company)
        && match act {
            Act::Join { group, person } => !company.groups[*group].members.contains(person),
            Act::SetManager { person, manager } => {
                manager != person && company.people[*person].manager != *manager
            }
            Act::SetOwners { group, owners } => company.groups[*group].owners != *owners,
            Act::Move { person, place } => company.people[*person].place != *place,
            // Whoever manages somebody stays, and no group loses its last owner: the directory would put a name
            // there that stands for nobody.
            Act::Dismiss { person } => {
                let manages = |n: usize| n != *person && company.people[n].manager == *person;
                company.people_there().len() > 25
                    && !company.people_there().into_iter().any(manages)
                    && company.groups_of(*person).iter().all(|&group| company.groups[group].owners.len() > 1)
            }
            Act::Dissolve { .. } => company.groups_there().len() > 6,
            _ => true,
        }
}
