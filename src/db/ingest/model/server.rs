//! A directory that changes and speaks as slapd does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::truth::Facts;
use crate::directory::{
    attribute::{AttributeName, RawAttributes},
    batch::{Delete, Existence, Image, Origin, PresentSet, Reading},
    dn::Dn,
    entry::{EntryId, Relation, Stamp},
};

pub(super) const BASE: &str = "dc=acme,dc=example";
pub(super) const EXCLUDED: &str = "ou=3,dc=acme,dc=example";

/// Whether the server keeps links whole by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refint {
    On,
    Off,
}

/// How a refresh says what is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// By naming it (RFC 4533, section 3.3.2).
    Deletes,
    /// By naming all that did not change.
    Present,
    /// By showing all there is.
    Whole,
}

/// One operation; the numbers choose among what there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    kind: Kind,
    on: u8,
    with: u8,
}

impl Act {
    pub(super) fn renames_a_container(self) -> bool {
        matches!(self.kind, Kind::RenameContainer)
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    CreatePerson,
    CreateGroup,
    CreateContainer,
    Delete,
    Rename,
    Move,
    RenameContainer,
    AddMember,
    RemoveMember,
    SwapMembers,
    SetOwner,
    Retitle,
}

pub(super) fn any_act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        2 => Just(Kind::CreatePerson),
        1 => Just(Kind::CreateGroup),
        1 => Just(Kind::CreateContainer),
        3 => Just(Kind::Delete),
        4 => Just(Kind::Rename),
        2 => Just(Kind::Move),
        2 => Just(Kind::RenameContainer),
        5 => Just(Kind::AddMember),
        3 => Just(Kind::RemoveMember),
        1 => Just(Kind::SwapMembers),
        2 => Just(Kind::SetOwner),
        2 => Just(Kind::Retitle),
    ];
    (kind, any::<u8>(), any::<u8>()).prop_map(|(kind, on, with)| Act { kind, on, with })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Person,
    Group,
    Container,
}

/// A value of a link attribute: whom it was written for, and the name it had then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    id: u32,
    name: String,
}

#[derive(Debug, Clone)]
struct Node {
    class: Class,
    rdn: String,
    parent: u32,
    members: Vec<Value>,
    owners: Vec<Value>,
    title: u32,
    created: u64,
    changed: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    refint: Refint,
    nodes: BTreeMap<u32, Node>,
    gone: Vec<(u32, u64)>,
    outside: BTreeMap<u32, String>,
    clock: u64,
    next: u32,
    /// Named in values that nobody has heard of yet, by a name that nobody has heard of either. Without refint,
    /// nobody could ever tell whom such a value means once its name changes.
    fresh: BTreeSet<u32>,
    /// What is watched, by the names that were last heard.
    heard: BTreeMap<u32, String>,
    /// Not watched then.
    hidden: BTreeSet<u32>,
}

const ROOT: u32 = 1;

fn excluded() -> Dn {
    Dn::parse(EXCLUDED).unwrap()
}

fn id_of(number: u32) -> EntryId {
    EntryId(Uuid::from_u128(u128::from(number)))
}

pub(super) fn number(id: EntryId) -> u32 {
    u32::try_from(id.0.as_u128()).unwrap()
}

impl Server {
    pub(super) fn new(refint: Refint) -> Self {
        let mut server = Self {
            refint,
            nodes: BTreeMap::new(),
            gone: Vec::new(),
            outside: [90, 91].into_iter().map(|id| (id, format!("uid=o{id},dc=other"))).collect(),
            clock: 0,
            next: 100,
            fresh: BTreeSet::new(),
            heard: BTreeMap::new(),
            hidden: BTreeSet::new(),
        };
        let mut put = |id, class, rdn: &str, parent| {
            let rdn = rdn.to_owned();
            let (members, owners) = (Vec::new(), Vec::new());
            server
                .nodes
                .insert(id, Node { class, rdn, parent, members, owners, title: 0, created: 0, changed: 0 });
        };
        put(ROOT, Class::Container, "dc=acme", 0);
        put(2, Class::Container, "ou=a", ROOT);
        put(3, Class::Container, "ou=b", ROOT);
        put(4, Class::Container, "ou=c", 2);
        put(5, Class::Container, "ou=3", ROOT);
        put(6, Class::Container, "ou=d", 5);
        for (id, rdn, parent) in [
            (10, "uid=p0", 2),
            (11, "uid=p1", 2),
            (12, "uid=p2", 3),
            (13, "uid=p3", 4),
            (14, "uid=p4", 5),
            (15, "uid=p5", 6),
        ] {
            put(id, Class::Person, rdn, parent);
        }
        put(20, Class::Group, "cn=g0", 3);
        put(21, Class::Group, "cn=g1", 4);
        server.link(20, Relation::Member, 10);
        server.link(20, Relation::Member, 11);
        server.link(20, Relation::Member, 14);
        server.link(20, Relation::Owner, 12);
        server.link(21, Relation::Member, 20);
        server.link(21, Relation::Member, 13);
        server.clock = 1;
        server.heard();
        server
    }

    /// Everything until now was said.
    pub(super) fn heard(&mut self) {
        self.fresh.clear();
        let Facts { names, elsewhere, .. } = self.facts();
        (self.heard, self.hidden) = (names, elsewhere);
    }

    fn may_change_its_name(&self, id: u32) -> bool {
        let above =
            |fresh: u32| std::iter::successors(Some(fresh), |id| self.nodes.get(id).map(|node| node.parent));
        // Nor whom a value of a group means that is not watched, or was not when anything was last heard. An open
        // gap: who was renamed before such a group is read is not known by the old name it still holds.
        let is_hidden = |holder: u32| !self.is_in_scope(holder) || self.hidden.contains(&holder);
        let hidden = self.nodes.iter().filter(|(holder, _)| is_hidden(**holder));
        let hidden =
            hidden.flat_map(|(_, node)| node.members.iter().chain(&node.owners).map(|value| value.id));
        let mut unheard = self.fresh.iter().copied().chain(hidden);
        self.refint == Refint::On || !unheard.any(|fresh| above(fresh).any(|above| above == id))
    }

    /// Whether it is watched.
    fn is_in_scope(&self, id: u32) -> bool {
        self.nodes.contains_key(&id) && !Dn::parse(&self.dn(id)).unwrap().is_within(&excluded())
    }

    pub(super) fn now(&self) -> u64 {
        self.clock
    }

    fn dn(&self, id: u32) -> String {
        if id == ROOT {
            return BASE.to_owned();
        }
        match self.nodes.get(&id) {
            Some(node) => format!("{},{}", node.rdn, self.dn(node.parent)),
            None => self.outside[&id].clone(),
        }
    }

    fn link(&mut self, holder: u32, relation: Relation, id: u32) {
        let value = Value { id, name: self.dn(id) };
        if self.heard.get(&id) != Some(&value.name) {
            self.fresh.insert(id);
        }
        let values = self.values(holder, relation);
        if !values.contains(&value) {
            values.push(value);
        }
    }

    fn values(&mut self, holder: u32, relation: Relation) -> &mut Vec<Value> {
        let node = self.nodes.get_mut(&holder).unwrap();
        match relation {
            Relation::Member => &mut node.members,
            Relation::Owner | Relation::Manager => &mut node.owners,
        }
    }

    fn pick(&self, number: u8, which: impl Fn(u32, &Node) -> bool) -> Option<u32> {
        let found: Vec<u32> =
            self.nodes.iter().filter(|(id, node)| which(**id, node)).map(|(id, _)| *id).collect();
        found.get(usize::from(number) % found.len().max(1)).copied()
    }

    fn is_free(&self, rdn: &str, parent: u32) -> bool {
        !self.nodes.values().any(|node| node.rdn == rdn && node.parent == parent)
    }

    /// Few names with refint, so that they are taken over often. Without it a value means whoever bears its
    /// name, so every name is used once.
    fn name(&mut self, class: Class, number: u8) -> String {
        let number = match self.refint {
            Refint::On => u32::from(number % 4),
            Refint::Off => {
                self.next += 1;
                self.next
            }
        };
        match class {
            Class::Person => format!("uid=p{number}"),
            Class::Group => format!("cn=g{number}"),
            Class::Container => format!("ou={number}"),
        }
    }

    fn create(&mut self, class: Class, act: Act) -> Option<u32> {
        let parent = self.pick(act.on, |_, node| node.class == Class::Container)?;
        let rdn = self.name(class, act.with);
        if !self.is_free(&rdn, parent) {
            return None;
        }
        self.next += 1;
        let (members, owners) = (Vec::new(), Vec::new());
        let created = self.clock + 1;
        self.nodes.insert(
            self.next,
            Node { class, rdn, parent, members, owners, title: 0, created, changed: created },
        );
        Some(self.next)
    }

    /// Carries `act` out, where it can be. Answers what is said of it at once.
    pub(super) fn act(&mut self, act: Act) -> Option<Reading> {
        let changed = match act.kind {
            Kind::CreatePerson => self.create(Class::Person, act)?,
            Kind::CreateContainer => self.create(Class::Container, act)?,
            Kind::CreateGroup => self.create_group(act)?,
            Kind::Delete => return self.delete(act),
            Kind::Rename => self.rename(act, |_, node| node.class != Class::Container)?,
            Kind::RenameContainer => {
                self.rename(act, |id, node| node.class == Class::Container && id != ROOT)?
            }
            Kind::Move => self.relocate(act)?,
            Kind::AddMember => self.change_link(act, Relation::Member, Self::link)?,
            Kind::RemoveMember => self.remove_member(act)?,
            Kind::SwapMembers => self.swap_members(act)?,
            Kind::SetOwner => self.set_owner(act)?,
            Kind::Retitle => {
                let id = self.pick(act.on, |_, node| node.class == Class::Person)?;
                self.nodes.get_mut(&id)?.title += 1;
                id
            }
        };
        let seen = self.clock;
        self.clock += 1;
        self.nodes.get_mut(&changed)?.changed = self.clock;
        Some(Reading::Image(self.image(changed, seen)))
    }

    fn create_group(&mut self, act: Act) -> Option<u32> {
        let member = self.somebody(act.with)?;
        let group = self.create(Class::Group, act)?;
        self.link(group, Relation::Member, member);
        Some(group)
    }

    /// A person or group, or seldom one outside the base.
    fn somebody(&self, number: u8) -> Option<u32> {
        if number >= 240 {
            return self.outside.keys().nth(usize::from(number % 2)).copied();
        }
        self.pick(number, |_, node| node.class != Class::Container)
    }

    fn change_link(
        &mut self,
        act: Act,
        relation: Relation,
        link: fn(&mut Self, u32, Relation, u32),
    ) -> Option<u32> {
        let group = self.pick(act.on, |_, node| node.class == Class::Group)?;
        let id = self.somebody(act.with)?;
        let before = self.values(group, relation).clone();
        link(self, group, relation, id);
        (*self.values(group, relation) != before).then_some(group)
    }

    fn remove_member(&mut self, act: Act) -> Option<u32> {
        let group = self.pick(act.on, |_, node| !node.members.is_empty())?;
        let members = self.values(group, Relation::Member);
        members.remove(usize::from(act.with) % members.len());
        Some(group)
    }

    fn swap_members(&mut self, act: Act) -> Option<u32> {
        let group = self.pick(act.on, |_, node| node.class == Class::Group)?;
        self.values(group, Relation::Member).clear();
        for number in [act.with, act.with / 2, act.with / 3] {
            let id = self.somebody(number)?;
            self.link(group, Relation::Member, id);
        }
        Some(group)
    }

    fn set_owner(&mut self, act: Act) -> Option<u32> {
        self.change_link(act, Relation::Owner, |server, group, relation, id| {
            server.values(group, relation).clear();
            server.link(group, relation, id);
        })
    }

    fn rename(&mut self, act: Act, which: impl Fn(u32, &Node) -> bool) -> Option<u32> {
        let id = self.pick(act.on, which)?;
        let class = self.nodes[&id].class;
        let rdn = self.name(class, act.with);
        if !self.is_free(&rdn, self.nodes[&id].parent) || !self.may_change_its_name(id) {
            return None;
        }
        self.nodes.get_mut(&id)?.rdn = rdn;
        self.mend();
        Some(id)
    }

    fn relocate(&mut self, act: Act) -> Option<u32> {
        let id = self.pick(act.on, |_, node| node.class != Class::Container)?;
        let parent = self.pick(act.with, |_, node| node.class == Class::Container)?;
        let rdn = self.nodes[&id].rdn.clone();
        if !self.is_free(&rdn, parent) || !self.may_change_its_name(id) {
            return None;
        }
        self.nodes.get_mut(&id)?.parent = parent;
        self.mend();
        Some(id)
    }

    fn delete(&mut self, act: Act) -> Option<Reading> {
        let parents: BTreeSet<u32> = self.nodes.values().map(|node| node.parent).collect();
        let id = self.pick(act.on, |id, _| id != ROOT && !parents.contains(&id))?;
        self.nodes.remove(&id);
        self.clock += 1;
        self.gone.push((id, self.clock));
        self.mend();
        Some(Reading::Delete(Delete { id: id_of(id), origin: Origin::default() }))
    }

    /// What refint does behind everybody's back: no message, no new stamp.
    fn mend(&mut self) {
        if self.refint == Refint::Off {
            return;
        }
        let names: BTreeMap<u32, String> =
            self.nodes.keys().chain(self.outside.keys()).map(|id| (*id, self.dn(*id))).collect();
        for node in self.nodes.values_mut() {
            for values in [&mut node.members, &mut node.owners] {
                values.retain(|value| names.contains_key(&value.id));
                for value in values {
                    value.name.clone_from(&names[&value.id]);
                }
            }
        }
    }

    /// To somebody who has heard of everything up to `seen`.
    fn image(&self, id: u32, seen: u64) -> Image {
        let node = &self.nodes[&id];
        let existence = if node.created <= seen { Existence::Before } else { Existence::New };
        let class = match node.class {
            Class::Person => "inetOrgPerson",
            Class::Group => "groupOfNames",
            Class::Container => "organizationalUnit",
        };
        let text = |values: &[Value]| values.iter().map(|value| value.name.clone().into_bytes()).collect();
        let attributes = vec![
            (AttributeName::new("objectClass"), vec![class.into()]),
            (AttributeName::new("title"), vec![format!("t{}", node.title).into_bytes()]),
            (AttributeName::new("member"), text(&node.members)),
            (AttributeName::new("owner"), text(&node.owners)),
        ];
        Image {
            id: id_of(id),
            dn: Dn::parse(&self.dn(id)).unwrap(),
            stamp: Some(Stamp::from_usn(node.changed)),
            origin: Origin::default(),
            existence,
            attributes: RawAttributes(attributes),
        }
    }

    /// A subtree search.
    pub(super) fn below(&self, dn: &Dn) -> Vec<Image> {
        let is_below = |id: &&u32| Dn::parse(&self.dn(**id)).unwrap().is_within(dn);
        self.nodes.keys().filter(is_below).map(|id| self.image(*id, 0)).collect()
    }

    /// A base search.
    pub(super) fn look_up(&self, dn: &Dn) -> Option<Image> {
        if let Some(id) = self.nodes.keys().find(|id| self.dn(**id) == dn.as_str()) {
            return Some(self.image(*id, 0));
        }
        let (id, _) = self.outside.iter().find(|(_, name)| *name == dn.as_str())?;
        let attributes = vec![(AttributeName::new("objectClass"), vec!["inetOrgPerson".into()])];
        Some(Image {
            id: id_of(*id),
            dn: dn.clone(),
            stamp: Some(Stamp::from_usn(0)),
            origin: Origin::default(),
            existence: Existence::New,
            attributes: RawAttributes(attributes),
        })
    }

    /// What is said to somebody who knows everything up to `cookie`, in any order.
    pub(super) fn refresh(&self, cookie: u64, style: Style, seed: u64) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (id, node) in &self.nodes {
            if style == Style::Whole || node.changed > cookie {
                readings.push(Reading::Image(self.image(*id, cookie)));
            } else if style == Style::Present {
                readings.push(Reading::PresentSet(PresentSet { ids: vec![id_of(*id)], complete: false }));
            }
        }
        if style == Style::Deletes {
            let gone = self.gone.iter().filter(|(_, at)| *at > cookie);
            readings.extend(
                gone.map(|(id, _)| Reading::Delete(Delete { id: id_of(*id), origin: Origin::default() })),
            );
        }
        shuffle(&mut readings, seed);
        if style != Style::Deletes {
            readings.push(Reading::PresentSet(PresentSet { ids: Vec::new(), complete: true }));
        }
        readings
    }

    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for (id, node) in &self.nodes {
            if !self.is_in_scope(*id) {
                facts.elsewhere.insert(*id);
                for (relation, values) in [(Relation::Member, &node.members), (Relation::Owner, &node.owners)]
                {
                    facts.hidden.extend(values.iter().map(|value| (*id, relation, value.id)));
                }
                continue;
            }
            facts.names.insert(*id, self.dn(*id));
            facts.places.insert(*id, (node.rdn.clone(), node.parent));
            facts.titles.insert(*id, node.title);
            match node.class {
                Class::Person => {}
                Class::Group => _ = facts.groups.insert(*id),
                Class::Container => _ = facts.containers.insert(*id),
            }
            for (relation, values) in [(Relation::Member, &node.members), (Relation::Owner, &node.owners)] {
                for value in values {
                    let alive = self.nodes.contains_key(&value.id) || self.outside.contains_key(&value.id);
                    let place = (*id, relation, value.id);
                    if alive { &mut facts.links } else { &mut facts.dangling }.insert(place);
                }
            }
        }
        facts
    }
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for last in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).unwrap() % (last + 1);
        items.swap(last, other);
    }
}
