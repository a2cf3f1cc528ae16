//! Why the reader gets a mail, gathered from the grounds of all its notifications.

mod past;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use self::past::Past;
use super::{
    RenderError,
    telling::Shown,
    templates::TEMPLATES,
    view::{Cut, Named},
    visible::visible,
};
use crate::{
    change::{
        event::{Change, ChangeEvent},
        resolve::{Identity, identity},
    },
    directory::{
        entry::{EntryKind, EntryRef},
        mail_address::MailAddress,
    },
    notify::{
        notification::{Ground, Via},
        reason::Reason,
    },
};

/// Sentences in one mail, enough for one of each relation; entries in one sentence.
const MOST_SENTENCES: usize = 10;
const MOST_ENTRIES: usize = 4;

/// What stands between the reader and the entries, as the reason has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Relation {
    /// Came as a member.
    Added,
    /// Changed them.
    Actor,
    Manager,
    /// Is them.
    Itself,
    /// Belongs to them.
    Member,
    Owner,
    /// Owns them, and they are public.
    PublicOwner,
    /// The address is one of To and Cc.
    Listed,
    /// Went as a member.
    Removed,
}

/// One sentence: "you get this mail because ‹who› ‹own, owned, were added to, …› ‹entries›".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Because {
    relation: Relation,
    /// Another person with the same address. `None`: the reader.
    other: Option<String>,
    /// The group that comes between, or that is written to in place of its members.
    group: Option<String>,
    in_place: Option<&'static str>,
    /// True no longer, after these changes.
    past: bool,
}

/// [`Because`] with the entries it speaks of.
#[derive(Debug, Serialize)]
struct Why {
    #[serde(flatten)]
    because: Because,
    entries: Cut<String>,
    /// How many changes, of all entries.
    changes: usize,
}

/// How often a sentence holds of an entry, and how that is called.
#[derive(Debug, Clone)]
struct Spoken {
    name: String,
    changes: usize,
}

type Sentences = BTreeMap<Because, BTreeMap<Identity, Spoken>>;

/// The sentences that say why, as text, a paragraph each. `address`: where the mail goes.
pub(super) fn sentences(
    store: &str,
    shown: &[Shown<'_>],
    reader: Option<&EntryRef>,
    address: &MailAddress,
) -> Result<Vec<String>, RenderError> {
    let former = is_former(address, shown, reader).then(|| visible(address.as_str()));
    let text = TEMPLATES.get_template("layout/why.txt")?.render(context! {
        store => visible(store),
        why => Value::from(Serde(why(shown, reader))),
        former,
    })?;
    Ok(text.lines().map(visible).filter(|line| !line.is_empty()).collect())
}

/// All sentences, each once, ordered by reason; entries by name.
fn why(shown: &[Shown<'_>], reader: Option<&EntryRef>) -> Cut<Why> {
    let past = Past::of(shown.iter().map(|shown| shown.event));
    let mut sentences = Sentences::new();
    let mut reasons: BTreeMap<Because, Reason> = BTreeMap::new();
    for Shown { event, grounds } in shown {
        let mut all = BTreeSet::new();
        for ground in grounds {
            let because = because(ground, event, &past, reader);
            let first = reasons.entry(because.clone()).or_insert(ground.reason);
            *first = ground.reason.min(*first);
            all.insert(because);
        }
        for because in all {
            let entries = sentences.entry(because).or_default();
            let spoken = entries
                .entry(identity(&event.entry))
                .or_insert_with(|| Spoken { name: String::new(), changes: 0 });
            spoken.name = Named::of(&event.entry).name;
            spoken.changes += 1;
        }
    }
    drop_indirect(&mut sentences);
    let mut why = cut(&sentences, |because, entries| {
        let mut names: Vec<_> = entries.values().map(|spoken| &spoken.name).collect();
        names.sort();
        Why {
            because: because.clone(),
            entries: Cut::of(&names, MOST_ENTRIES, |&name| name.clone()),
            changes: entries.values().map(|spoken| spoken.changes).sum(),
        }
    });
    why.shown.sort_by_key(|why| reasons.get(&why.because).copied());
    why
}

/// The first sentences of each relation before further ones of any, in their order.
fn cut(sentences: &Sentences, show: impl Fn(&Because, &BTreeMap<Identity, Spoken>) -> Why) -> Cut<Why> {
    let mut seen: BTreeMap<Relation, usize> = BTreeMap::new();
    let mut places: Vec<_> = sentences
        .keys()
        .enumerate()
        .map(|(place, because)| {
            let nth = seen.entry(because.relation).or_default();
            *nth += 1;
            (*nth, place)
        })
        .collect();
    places.sort_unstable();
    let kept: BTreeSet<_> = places.into_iter().take(MOST_SENTENCES).map(|(_, place)| place).collect();
    let shown = sentences.iter().enumerate().filter(|(place, _)| kept.contains(place));
    let shown: Vec<_> = shown.map(|(_, (because, entries))| show(because, entries)).collect();
    let more = (sentences.len() - shown.len()) as u64;
    Cut { shown, more }
}

fn because(ground: &Ground, event: &ChangeEvent, past: &Past, reader: Option<&EntryRef>) -> Because {
    let who = ground.who.as_ref();
    let relation = relation(ground.reason, event);
    // Whoever is in a group belongs to it, not to something that belongs to it.
    let group = group_between(ground)
        .filter(|group| relation != Relation::Member || !is_same(group, Some(&event.entry)));
    let (other, in_place) = match &ground.via {
        Via::InPlaceOfMembers(why) => (None, Some(why.as_str())),
        Via::Directly | Via::Group(_) => (who.filter(|who| !is_same(who, reader)), None),
    };
    Because {
        relation,
        other: other.map(|who| Named::of(who).name),
        group: group.map(|group| Named::of(group).name),
        in_place,
        past: past.has(relation, &event.entry, group.or(who)),
    }
}

fn relation(reason: Reason, event: &ChangeEvent) -> Relation {
    match reason {
        Reason::LoggedInUsers => Relation::Actor,
        Reason::AddedMembers => Relation::Added,
        Reason::RemovedMembers if matches!(event.change, Change::ObjectDeleted { .. }) => Relation::Member,
        Reason::RemovedMembers => Relation::Removed,
        Reason::Owner => Relation::Owner,
        Reason::PublicGroupOwner => Relation::PublicOwner,
        Reason::Manager => Relation::Manager,
        Reason::ObjectModified => match event.entry.kind {
            Some(EntryKind::User | EntryKind::Contact) => Relation::Itself,
            Some(EntryKind::Group | EntryKind::Container) | None => Relation::Member,
        },
        Reason::Alert | Reason::Recipients | Reason::Test => Relation::Listed,
    }
}

/// Who owns something directly need not read that a group they are in owns it too.
fn drop_indirect(sentences: &mut Sentences) {
    let all = sentences.clone();
    sentences.retain(|because, entries| {
        let directly = Because { group: None, in_place: None, ..because.clone() };
        let Some(covered) = all.get(&directly).filter(|_| because.group.is_some()) else { return true };
        entries.retain(|entry, _| !covered.contains_key(entry));
        !entries.is_empty()
    });
}

/// Whether the mail goes to an address that was the reader's until one of these changes.
pub(super) fn is_former(address: &MailAddress, shown: &[Shown<'_>], reader: Option<&EntryRef>) -> bool {
    let among = |values: &[String]| {
        values.iter().any(|value| value.parse::<MailAddress>().is_ok_and(|value| value.same_as(address)))
    };
    let own = shown.iter().map(|shown| shown.event).filter(|event| is_same(&event.entry, reader));
    let mut last = own.filter_map(|event| match &event.change {
        Change::AttributesChanged { attributes } => {
            attributes.iter().rfind(|change| among(&change.old) || among(&change.new))
        }
        Change::MemberAdded { .. }
        | Change::MemberRemoved { .. }
        | Change::OwnerAdded { .. }
        | Change::OwnerRemoved { .. }
        | Change::ManagerChanged { .. }
        | Change::ObjectCreated
        | Change::ObjectDeleted { .. }
        | Change::ObjectRenamed { .. }
        | Change::ScopeEntered
        | Change::ScopeLeft => None,
    });
    last.next_back().is_some_and(|change| !among(&change.new))
}

/// Whether both are the same entry.
pub(super) fn is_same(entry: &EntryRef, other: Option<&EntryRef>) -> bool {
    other.is_some_and(|other| identity(entry) == identity(other))
}

/// The group that stands between a reader and what an option says of them; also one that is written to in
/// place of its members, because it is they who read its mail.
pub(super) fn group_between(ground: &Ground) -> Option<&EntryRef> {
    match &ground.via {
        Via::Directly => None,
        Via::Group(group) => Some(group),
        Via::InPlaceOfMembers(_) => ground.who.as_ref(),
    }
}
