//! One mail in the making: what there is to tell, to whom, and why.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{
    MailContent, Notice, Reader, RenderError, Rendered, subject,
    telling::{Shown, Subject, Telling, Tie},
    templates::Mail,
    view::{Cut, EventView, Named, Sight, is_reader},
    visible::visible,
    why::{is_former, is_same, sentences},
    write,
};
use crate::{
    change::{
        event::{ChangeEvent, EventId},
        resolve::{Identity, identity},
    },
    directory::entry::EntryRef,
    notify::{
        digest::{EntryEvents, Gathered, by_entry},
        notification::{Ground, Role},
    },
};

/// Entries in one digest, things to tell of one entry.
const MOST_ENTRIES: usize = 25;
const MOST_ITEMS: usize = 25;

/// What a mail is made of, whatever it tells.
pub(super) struct Page<'a> {
    content: &'a MailContent<'a>,
    reader: Option<&'a EntryRef>,
    pub why: Vec<String>,
    ties: BTreeSet<Tie>,
    /// In ingest order, never empty.
    events: Vec<&'a ChangeEvent>,
    /// Each event in one of them, in the order of their first.
    passages: Vec<Passage<'a>>,
    unnamed: BTreeSet<Identity>,
}

/// Who is addressed: the first whose address it is, but for those who gave it up in what is told.
fn reader<'a>(notices: &'a [Notice], shown: &[Shown<'_>]) -> Option<&'a EntryRef> {
    let recipients = notices.iter().map(|notice| &notice.notification.recipient);
    let by_role = recipients.filter(|recipient| recipient.role == Role::ByRole);
    let mut bearers = by_role.filter_map(|recipient| Some((recipient.entry.as_ref()?, &recipient.address)));
    let first = bearers.clone().next().map(|(bearer, _)| bearer);
    let current = bearers.find(|(bearer, address)| !is_former(address, shown, Some(bearer)));
    current.map(|(bearer, _)| bearer).or(first)
}

/// One thing to tell: an event, or all those on one group that differ only in members who are not named.
struct Passage<'a> {
    first: &'a ChangeEvent,
    /// In ingest order, `first` among them.
    events: Vec<&'a ChangeEvent>,
    telling: Telling<'a>,
}

/// One entry of a digest.
#[derive(Serialize)]
struct Block {
    entry: Named,
    is_reader: bool,
    items: Cut<Item>,
}

/// One thing to tell of a digest.
#[derive(Serialize)]
struct Item {
    line: String,
    event: EventView,
}

impl<'a> Page<'a> {
    pub fn of(content: &'a MailContent<'a>) -> Result<Self, RenderError> {
        let shown = shown(content.notices);
        let recipient = &content.notices.first().ok_or(RenderError::NothingToSay)?.notification.recipient;
        let reader = reader(content.notices, &shown);
        let passages = passages(&shown, reader, content.show_actor);
        if passages.is_empty() {
            return Err(RenderError::NothingToSay);
        }
        Ok(Self {
            content,
            reader,
            why: sentences(content.store, &shown, reader, &recipient.address)?,
            ties: passages.iter().flat_map(|passage| passage.telling.ties.iter().copied()).collect(),
            unnamed: unnamed(&passages),
            events: shown.iter().map(|shown| shown.event).collect(),
            passages,
        })
    }

    /// Which of the mails it is.
    pub fn mail(&self) -> Mail {
        self.single().map_or(Mail::Digest, |single| single.telling.mail)
    }

    fn single(&self) -> Option<&Passage<'a>> {
        match self.passages.as_slice() {
            [single] if self.content.beyond.events.is_empty() => Some(single),
            [] | [_, ..] => None,
        }
    }

    pub fn write(&self) -> Result<Rendered, RenderError> {
        match self.single() {
            Some(single) => write(self.mail(), self.context(context! { event => self.view(single) })),
            None => write(self.mail(), self.digest()?),
        }
    }

    fn digest(&self) -> Result<Value, RenderError> {
        let groups = by_entry(self.events.iter().copied());
        let by_first: BTreeMap<_, _> =
            self.passages.iter().map(|passage| (passage.first.id, passage)).collect();
        let beyond = self.content.beyond;
        let count_beyond =
            |group: &EntryEvents<'_>| beyond.entries.get(&identity(group.entry)).copied().unwrap_or(0);
        let mut blocks = Vec::new();
        for group in groups.iter().take(MOST_ENTRIES) {
            let firsts = group.events.iter().filter_map(|event| by_first.get(&event.id));
            let mut told = 0;
            let mut items = Vec::new();
            for passage in firsts.take(MOST_ITEMS) {
                told += passage.events.len();
                items.push(self.item(passage)?);
            }
            let more = (group.events.len() - told) as u64 + count_beyond(group);
            blocks.push(Block {
                entry: Named::of(group.entry),
                is_reader: is_reader(group.entry, self.reader),
                items: Cut { shown: items, more },
            });
        }
        let all = self.events.len() as u64 + beyond.entries.values().sum::<u64>();
        let in_blocks = |group: &EntryEvents<'_>| group.events.len() as u64 + count_beyond(group);
        let cut = all - groups.iter().take(MOST_ENTRIES).map(in_blocks).sum::<u64>();
        let read: BTreeSet<_> = groups.iter().map(|group| identity(group.entry)).collect();
        let unread = beyond.entries.keys().filter(|entry| !read.contains(entry)).count();
        let entries = groups.len() + unread;
        let kinds: BTreeSet<_> = groups.iter().map(|group| Named::of(group.entry).kind).collect();
        let kind = kinds.first().copied().filter(|_| kinds.len() == 1 && unread == 0).unwrap_or("entry");
        Ok(self.context(context! {
            count => all,
            cap => self.cap(),
            // Who made what is not read is not known.
            all_by_reader => beyond.events.is_empty() && self.passages.iter().all(|passage| passage.telling.mail == Mail::Receipt),
            entries,
            kind,
            more_entries => entries - blocks.len(),
            more_changes => cut,
            blocks => Value::from(Serde(blocks)),
        }))
    }

    /// In a summary of what was too much for an hour: how much is not.
    fn cap(&self) -> Option<u32> {
        match self.content.gathered {
            Gathered::Window => None,
            Gathered::Hour { cap } => Some(cap),
        }
    }

    fn item(&self, passage: &Passage<'a>) -> Result<Item, RenderError> {
        let line = subject(passage.telling.mail, self.context(context! { event => self.view(passage) }))?;
        Ok(Item { line, event: self.event_view(passage) })
    }

    fn view(&self, passage: &Passage<'_>) -> Value {
        Value::from(Serde(self.event_view(passage)))
    }

    fn event_view(&self, passage: &Passage<'_>) -> EventView {
        let sight = Sight {
            reader: self.reader,
            telling: &passage.telling,
            unnamed: &self.unnamed,
            timezone: self.content.timezone,
        };
        let mut view = EventView::of(passage.first, &passage.events, &sight);
        view.others = self.passages.iter().any(|own| is_own_beside(own, passage));
        view
    }

    fn context(&self, own: Value) -> Value {
        let reader =
            Reader { name: self.reader.map(|reader| Named::of(reader).name), ties: self.ties.clone() };
        context! {
            store => visible(self.content.store),
            reader => Value::from(Serde(reader)),
            why => self.why.clone(),
            ..own
        }
    }
}

/// The events that the notifications name, each with its grounds.
fn shown(notices: &[Notice]) -> Vec<Shown<'_>> {
    let mut shown = Vec::new();
    for Notice { notification, events } in notices {
        let mut grounds: BTreeMap<EventId, Vec<&Ground>> = BTreeMap::new();
        for ground in &notification.grounds {
            for event in &ground.events {
                grounds.entry(*event).or_default().push(ground);
            }
        }
        shown.extend(
            events
                .iter()
                .filter_map(|event| grounds.remove(&event.id).map(|grounds| Shown { event, grounds })),
        );
    }
    shown
}

/// What to tell, in the order of the first event of each.
fn passages<'a>(shown: &[Shown<'a>], reader: Option<&'a EntryRef>, show_actor: bool) -> Vec<Passage<'a>> {
    let mut passages: Vec<Passage<'a>> = Vec::new();
    let mut nameless: BTreeMap<(Identity, Mail), usize> = BTreeMap::new();
    for shown in shown {
        let telling = Telling::of(shown, reader, show_actor);
        if telling.subject == Subject::Unnamed {
            let next = passages.len();
            let place = *nameless.entry((identity(&shown.event.entry), telling.mail)).or_insert(next);
            if let Some(passage) = passages.get_mut(place) {
                passage.events.push(shown.event);
                continue;
            }
        }
        passages.push(Passage { first: shown.event, events: vec![shown.event], telling });
    }
    passages
}

/// Whether `own` tells of the reader what `passage` tells of other members of the same group.
fn is_own_beside(own: &Passage<'_>, passage: &Passage<'_>) -> bool {
    let is_same_way = matches!(
        (own.telling.mail, passage.telling.mail),
        (Mail::YouWereAdded, Mail::MembersAdded) | (Mail::YouWereRemoved, Mail::MembersRemoved)
    );
    is_same_way && is_same(&own.first.entry, Some(&passage.first.entry))
}

/// The members whom the reader knows only by number.
fn unnamed(passages: &[Passage<'_>]) -> BTreeSet<Identity> {
    passages
        .iter()
        .filter(|passage| passage.telling.subject == Subject::Unnamed)
        .flat_map(|passage| &passage.events)
        .filter_map(|event| event.change.subject().map(identity))
        .collect()
}
