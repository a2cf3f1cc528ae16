//! What the templates see of an event: strings made visible, lists cut and counted, and nothing that this
//! reader has no reason to see.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::visible::clipped;
use crate::{
    change::event::{Actor, AttributeChange, Cause, Change, ChangeEvent, Direction},
    directory::{
        dn::Dn,
        entry::{EntryKind, EntryRef, Rank},
    },
};

/// Characters of a name, a DN, a value: what is longer is cut, with a count.
const LONGEST_NAME: usize = 100;
const LONGEST_DN: usize = 600;
const LONGEST_VALUE: usize = 300;

/// Names in one list, attributes in one event, values of one attribute.
const MOST_NAMES: usize = 20;
const MOST_ATTRIBUTES: usize = 20;
const MOST_VALUES: usize = 10;

/// The first of a list, and how many more there are.
#[derive(Debug, Serialize)]
pub(super) struct Cut<T> {
    pub shown: Vec<T>,
    pub more: u64,
}

impl<T> Cut<T> {
    pub fn none() -> Self {
        Self { shown: Vec::new(), more: 0 }
    }

    /// At most `most` of `items`, of which there are `all`.
    pub fn of_all<I>(items: &[I], all: u64, most: usize, show: impl Fn(&I) -> T) -> Self {
        let shown: Vec<_> = items.iter().take(most).map(show).collect();
        let more = all.saturating_sub(shown.len() as u64);
        Self { shown, more }
    }

    pub fn of<I>(items: &[I], most: usize, show: impl Fn(&I) -> T) -> Self {
        Self::of_all(items, items.len() as u64, most, show)
    }
}

/// An entry as it is named: never by its display name alone, which anyone may resemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Named {
    pub name: String,
    pub dn: String,
    pub kind: &'static str,
}

impl Named {
    pub fn of(entry: &EntryRef) -> Self {
        let dn = clipped(entry.dn.as_str(), LONGEST_DN);
        let name = clipped(&entry.name, LONGEST_NAME);
        let kind = entry.kind.map_or("entry", EntryKind::as_str);
        Self { name: if name.is_empty() { dn.clone() } else { name }, dn, kind }
    }
}

/// Who did it. Hidden from this reader: no `By` at all.
#[derive(Debug, Serialize)]
#[serde(tag = "who", rename_all = "kebab-case")]
pub(super) enum By {
    You,
    Person(Named),
    Unknown,
}

/// What a reader may see of an event.
#[derive(Debug, Clone)]
pub(super) struct Sight<'a> {
    /// The reader, where it is a person or group of the directory.
    pub reader: Option<&'a EntryRef>,
    /// The group through which the reader, as a member or an owner, is concerned.
    pub through: Option<&'a EntryRef>,
    /// Owners and listed addresses see the event in full; members their own part.
    pub extent: Extent,
    pub timezone: &'a TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Full,
    OwnPart { show_actor: bool },
}

/// One event, ready for a template.
#[derive(Debug, Serialize)]
pub(super) struct EventView {
    pub entry: Named,
    pub subject: Option<Named>,
    pub through: Option<Named>,
    pub when: String,
    pub by: Option<By>,
    pub by_deletion: bool,
    pub additional: bool,
    pub came: bool,
    pub old_dn: Option<String>,
    pub renamed: &'static str,
    pub owners: Cut<Named>,
    pub members: Cut<Named>,
    pub groups: Cut<Named>,
    pub attributes: Cut<AttributeView>,
}

#[derive(Debug, Serialize)]
pub(super) struct AttributeView {
    pub name: String,
    pub old: Cut<String>,
    pub new: Cut<String>,
}

impl EventView {
    pub fn of(event: &ChangeEvent, sight: &Sight<'_>) -> Self {
        let mut view = Self {
            entry: Named::of(&event.entry),
            subject: event.change.subject().map(Named::of),
            through: sight.through.map(Named::of),
            when: local_time(event.time, sight.timezone),
            by: sight.by(&event.actor),
            by_deletion: event.cause == Cause::Consequence,
            additional: false,
            came: true,
            old_dn: None,
            renamed: "",
            owners: Cut::none(),
            members: Cut::none(),
            groups: Cut::none(),
            attributes: Cut::none(),
        };
        if sight.extent == Extent::Full {
            view.add_facts(event);
        }
        view
    }

    fn add_facts(&mut self, event: &ChangeEvent) {
        match &event.change {
            Change::MemberAdded { .. }
            | Change::MemberRemoved { .. }
            | Change::ScopeEntered
            | Change::ScopeLeft => {}
            Change::OwnerAdded { rank, .. } | Change::OwnerRemoved { rank, .. } => {
                self.additional = *rank == Rank::Additional;
            }
            Change::ManagerChanged { direction, rank, .. } => {
                self.additional = *rank == Rank::Additional;
                self.came = *direction == Direction::Added;
            }
            Change::ObjectCreated => {
                self.owners = Cut::of(&event.owners, MOST_NAMES, |owner| Named::of(&owner.entry));
            }
            Change::ObjectDeleted { last_members, last_member_count, last_groups } => {
                self.members = Cut::of_all(last_members, *last_member_count, MOST_NAMES, Named::of);
                self.groups = Cut::of(last_groups, MOST_NAMES, Named::of);
            }
            Change::ObjectRenamed { old_dn } => {
                self.renamed = renamed(old_dn, &event.entry.dn);
                self.old_dn = Some(clipped(old_dn.as_str(), LONGEST_DN));
            }
            Change::AttributesChanged { attributes } => {
                self.attributes = Cut::of(attributes, MOST_ATTRIBUTES, AttributeView::of);
            }
        }
    }
}

impl Sight<'_> {
    fn by(&self, actor: &Actor) -> Option<By> {
        let is_reader =
            |actor: &EntryRef| actor.id.is_some() && self.reader.is_some_and(|reader| reader.id == actor.id);
        match (self.extent, actor) {
            (Extent::OwnPart { show_actor: false }, Actor::Known(_) | Actor::Unknown)
            | (Extent::OwnPart { show_actor: true }, Actor::Unknown) => None,
            (Extent::Full, Actor::Unknown) => Some(By::Unknown),
            (Extent::Full | Extent::OwnPart { show_actor: true }, Actor::Known(actor)) => {
                Some(if is_reader(actor) { By::You } else { By::Person(Named::of(actor)) })
            }
        }
    }
}

impl AttributeView {
    fn of(change: &AttributeChange) -> Self {
        let values = |values: &[String]| Cut::of(values, MOST_VALUES, |value| clipped(value, LONGEST_VALUE));
        Self {
            name: clipped(change.name.as_str(), LONGEST_NAME),
            old: values(&change.old),
            new: values(&change.new),
        }
    }
}

/// Whether another name, another place, or both.
fn renamed(old: &Dn, new: &Dn) -> &'static str {
    let name = |dn: &Dn| (dn.rdn_attribute(), dn.rdn_value());
    let place = |dn: &Dn| dn.parent().map(|parent| parent.key());
    match (name(old) == name(new), place(old) == place(new)) {
        (true, false) => "moved",
        (false, false) => "renamed and moved",
        (false | true, true) => "renamed",
    }
}

/// `27 July 2026, 14:03 CEST (UTC+02:00)`. An abbreviation that is only a number, or UTC, is not said twice.
pub(super) fn local_time(time: Timestamp, timezone: &TimeZone) -> String {
    let local = time.to_zoned_datetime(timezone.clone());
    let abbreviation = local.strftime("%Z").to_string();
    let zone = match abbreviation.chars().next() {
        Some('A'..='Z') if abbreviation == "UTC" => abbreviation,
        Some('A'..='Z') => format!("{abbreviation} ({})", local.strftime("UTC%:z")),
        Some(_) | None => local.strftime("UTC%:z").to_string(),
    };
    format!("{} {zone}", local.strftime("%-d %B %Y, %H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, expect: &str) {
        let time = "2026-07-27T12:03:59Z".parse().unwrap();
        assert_eq!(local_time(time, &TimeZone::get(zone).unwrap()), expect);
    }

    fn renamed_from(old: &str, new: &str) -> &'static str {
        renamed(&Dn::parse(old).unwrap(), &Dn::parse(new).unwrap())
    }

    #[test]
    fn a_new_name_is_told_from_a_new_place() {
        assert_eq!(renamed_from("cn=a,ou=x,dc=d", "cn=b,ou=x,dc=d"), "renamed");
        assert_eq!(renamed_from("cn=a,ou=x,dc=d", "cn=a,ou=y,dc=d"), "moved");
        assert_eq!(renamed_from("cn=a,ou=x,dc=d", "cn=b,ou=y,dc=d"), "renamed and moved");
        assert_eq!(renamed_from("cn=a\\,b,dc=d", "cn=a\\,c,dc=d"), "renamed");
        assert_eq!(renamed_from("cn=A", "cn=a"), "renamed");
    }

    #[test]
    fn times_are_told_in_the_zone_of_the_store() {
        check("UTC", "27 July 2026, 12:03 UTC");
        check("Europe/Berlin", "27 July 2026, 14:03 CEST (UTC+02:00)");
        check("America/Sao_Paulo", "27 July 2026, 09:03 UTC-03:00");
        check("Asia/Kolkata", "27 July 2026, 17:33 IST (UTC+05:30)");
    }
}
