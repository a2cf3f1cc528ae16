//! What the templates see of an event: strings made visible, lists cut and counted, and nothing that this
//! reader has no reason to see.

use std::collections::BTreeSet;

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use serde::Serialize;

use super::{
    telling::{Extent, Subject, Telling, Tie},
    templates::Mail,
    visible::clipped,
    why::is_same,
};
use crate::{
    change::{
        event::{Actor, AttributeChange, Cause, Change, ChangeEvent, Direction},
        resolve::{Identity, identity},
    },
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
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "who", rename_all = "kebab-case")]
pub(super) enum By {
    You,
    Person(Named),
    Unknown,
}

/// What a reader may see of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    /// The reader, where it is a person or group of the directory.
    pub reader: Option<&'a EntryRef>,
    pub telling: &'a Telling<'a>,
    /// The members of whom the reader may not know, of all events of the mail.
    pub unnamed: &'a BTreeSet<Identity>,
    pub timezone: &'a TimeZone,
}

/// One event, or several that differ only in members who are not named, ready for a template.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question that a template asks by itself")]
pub(super) struct EventView {
    pub change: &'static str,
    /// How many events.
    pub count: usize,
    /// The same mail tells the same of the reader.
    pub others: bool,
    pub entry: Named,
    /// The entry is the reader.
    pub is_reader: bool,
    /// Not there: there is none, it is the reader, or the reader may not know.
    pub subject: Option<Named>,
    pub through: Option<Named>,
    pub ties: BTreeSet<Tie>,
    pub when: String,
    pub by: Option<By>,
    pub by_deletion: bool,
    pub additional: bool,
    /// The entry has no other manager of that rank.
    pub sole: bool,
    pub came: bool,
    pub old_dn: Option<String>,
    pub renamed: &'static str,
    pub owners: Cut<Named>,
    /// Not there: not for this reader, or not of this change.
    pub members: Option<Cut<Named>>,
    pub groups: Option<Cut<Named>>,
    pub attributes: Cut<AttributeView>,
}

#[derive(Debug, Serialize)]
pub(super) struct AttributeView {
    pub name: String,
    pub old: Cut<String>,
    pub new: Cut<String>,
}

impl EventView {
    /// As the `first` of `events` is seen, with the time and the authors of all.
    pub fn of(first: &ChangeEvent, events: &[&ChangeEvent], sight: &Sight<'_>) -> Self {
        let mut view = Self {
            change: first.change.name(),
            count: events.len(),
            others: false,
            entry: Named::of(&first.entry),
            is_reader: is_reader(&first.entry, sight.reader),
            subject: sight.subject(first).map(Named::of),
            through: sight.telling.through.map(Named::of),
            ties: sight.telling.ties.clone(),
            when: sight.when(events),
            by: sight.by_all(events).filter(|_| sight.telling.mail != Mail::Receipt),
            by_deletion: first.cause == Cause::Consequence,
            additional: false,
            sole: false,
            came: true,
            old_dn: None,
            renamed: "",
            owners: Cut::none(),
            members: None,
            groups: None,
            attributes: Cut::none(),
        };
        view.add_facts(first, sight.telling.extent);
        view
    }

    fn add_facts(&mut self, event: &ChangeEvent, extent: Extent) {
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
                self.sole = event.managers.iter().filter(|manager| manager.rank == *rank).count() <= 1;
                self.came = *direction == Direction::Added;
            }
            Change::ObjectCreated => {
                self.owners = Cut::of(&event.owners, MOST_NAMES, |owner| Named::of(&owner.entry));
            }
            Change::ObjectDeleted { last_members, last_member_count, last_groups } => {
                if extent == Extent::Full {
                    self.members = Some(Cut::of_all(last_members, *last_member_count, MOST_NAMES, Named::of));
                    self.groups = Some(Cut::of(last_groups, MOST_NAMES, Named::of));
                }
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
    /// Who reads "you" knows who that is.
    fn subject<'e>(&self, event: &'e ChangeEvent) -> Option<&'e EntryRef> {
        match self.telling.subject {
            Subject::Named => event.change.subject(),
            Subject::Reader | Subject::Through(_) | Subject::Unnamed => None,
        }
    }

    fn when(&self, events: &[&ChangeEvent]) -> String {
        let times = || events.iter().map(|event| event.time);
        let (Some(from), Some(to)) = (times().min(), times().max()) else { return String::new() };
        local_span(from, to, self.timezone)
    }

    /// Who did all of `events`. Of several authors none is named.
    fn by_all(&self, events: &[&ChangeEvent]) -> Option<By> {
        let mut authors = events.iter().map(|event| self.by(&event.actor));
        let first = authors.next().flatten()?;
        authors.all(|by| by.as_ref() == Some(&first)).then_some(first)
    }

    fn by(&self, actor: &Actor) -> Option<By> {
        let actor = match (self.telling.extent, actor) {
            (Extent::OwnPart { show_actor: false }, Actor::Known(_) | Actor::Unknown)
            | (Extent::OwnPart { show_actor: true }, Actor::Unknown) => return None,
            (Extent::Full, Actor::Unknown) => return Some(By::Unknown),
            (Extent::Full | Extent::OwnPart { show_actor: true }, Actor::Known(actor)) => actor,
        };
        if actor.id.is_some() && self.reader.is_some_and(|reader| reader.id == actor.id) {
            return Some(By::You);
        }
        // Who comes or goes by themselves would be named as the one who did it.
        let is_secret = self.telling.subject == Subject::Unnamed && self.unnamed.contains(&identity(actor));
        (!is_secret).then(|| By::Person(Named::of(actor)))
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

/// Whether an entry is the person who reads. A group is read by its members.
pub(super) fn is_reader(entry: &EntryRef, reader: Option<&EntryRef>) -> bool {
    entry.kind != Some(EntryKind::Group) && is_same(entry, reader)
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
    local_span(time, time, timezone)
}

/// From the first of two instants to the second; what both have in common is said once.
fn local_span(from: Timestamp, to: Timestamp, timezone: &TimeZone) -> String {
    let part = |time: Timestamp| {
        let local = time.to_zoned_datetime(timezone.clone());
        [local.strftime("%-d %B %Y,").to_string(), local.strftime("%H:%M").to_string(), zone(&local)]
    };
    let [[day, minute, zone], [last_day, last_minute, last_zone]] = [part(from), part(to)];
    if (&day, &zone) != (&last_day, &last_zone) {
        format!("{day} {minute} {zone} to {last_day} {last_minute} {last_zone}")
    } else if minute != last_minute {
        format!("{day} {minute} to {last_minute} {zone}")
    } else {
        format!("{day} {minute} {zone}")
    }
}

fn zone(local: &ZonedDateTime) -> String {
    let abbreviation = local.strftime("%Z").to_string();
    match abbreviation.chars().next() {
        Some('A'..='Z') if abbreviation == "UTC" => abbreviation,
        Some('A'..='Z') => format!("{abbreviation} ({})", local.strftime("UTC%:z")),
        Some(_) | None => local.strftime("UTC%:z").to_string(),
    }
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
    fn what_two_times_have_in_common_is_said_once() {
        let span = |from: &str, to: &str| {
            local_span(from.parse().unwrap(), to.parse().unwrap(), &TimeZone::get("Europe/Berlin").unwrap())
        };
        assert_eq!(
            span("2026-07-27T12:03:00Z", "2026-07-27T12:13:00Z"),
            "27 July 2026, 14:03 to 14:13 CEST (UTC+02:00)"
        );
        assert_eq!(
            span("2026-07-27T12:03:01Z", "2026-07-27T12:03:59Z"),
            "27 July 2026, 14:03 CEST (UTC+02:00)"
        );
        assert_eq!(
            span("2026-10-24T22:30:00Z", "2026-10-25T01:30:00Z"),
            "25 October 2026, 00:30 CEST (UTC+02:00) to 25 October 2026, 02:30 CET (UTC+01:00)"
        );
    }

    #[test]
    fn times_are_told_in_the_zone_of_the_store() {
        check("UTC", "27 July 2026, 12:03 UTC");
        check("Europe/Berlin", "27 July 2026, 14:03 CEST (UTC+02:00)");
        check("America/Sao_Paulo", "27 July 2026, 09:03 UTC-03:00");
        check("Asia/Kolkata", "27 July 2026, 17:33 IST (UTC+05:30)");
    }
}
