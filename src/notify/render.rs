//! From notifications to the words of a mail. Everything from the directory is data: it comes out as text,
//! whatever it looks like, on one line, without invisible characters.

mod templates;
mod view;
mod visible;
mod why;
mod wrap;

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

pub(crate) use self::visible::visible;
use self::{
    templates::{Mail, TEMPLATES},
    view::{Cut, EventView, Extent, Named, Sight, local_time},
    visible::clipped,
    why::{group_between, is_same, why},
    wrap::wrapped,
};
use super::{
    digest::{Gathered, by_entry},
    notification::{Ground, Notification, Role},
    reason::Reason,
};
use crate::{
    change::event::{Change, ChangeEvent, EventId},
    directory::{entry::EntryRef, mail_address::MailAddress},
};

/// Entries in one digest, events of one entry.
const MOST_ENTRIES: usize = 25;
const MOST_EVENTS: usize = 25;

/// Characters of a subject line.
const LONGEST_SUBJECT: usize = 180;

/// One mail, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct MailContent<'a> {
    /// The name of the identity store.
    pub store: &'a str,
    /// All for one recipient, in ingest order, never empty.
    pub notices: &'a [Notice],
    /// Why they share a mail.
    pub gathered: Gathered,
    /// Whether members read who did it.
    pub show_actor: bool,
    /// In which times are told.
    pub timezone: &'a TimeZone,
}

/// A notification with the events it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What was decided.
    pub notification: Notification,
    /// In ingest order. Those that the notification does not name are not shown.
    pub events: Vec<ChangeEvent>,
}

/// What the Test button sends.
#[derive(Debug, Clone, Copy)]
pub struct TestMail<'a> {
    /// The name of the identity store.
    pub store: &'a str,
    /// Where it goes.
    pub to: &'a MailAddress,
    /// When the button was pressed.
    pub now: Timestamp,
    /// In which that is told.
    pub timezone: &'a TimeZone,
}

/// The words of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, not yet encoded for a header.
    pub subject: String,
    /// Lines of at most 78 characters, ended by `\n`.
    pub text: String,
    /// A whole document. Refers to nothing outside itself.
    pub html: String,
}

/// Why a mail could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// No notification, or none with an event.
    #[error("a mail without a single event has nothing to say")]
    NothingToSay,
    /// A template asks for something that is not there.
    #[error("a mail template failed")]
    Template(#[from] minijinja::Error),
}

/// An event with the grounds on which the reader sees it.
struct Shown<'a> {
    event: &'a ChangeEvent,
    grounds: Vec<&'a Ground>,
}

/// How one event is told to this reader.
struct Telling<'a> {
    mail: Mail,
    /// The event's subject is the reader, or the group `through` which the reader is concerned.
    is_of_reader: bool,
    through: Option<&'a EntryRef>,
    extent: Extent,
}

/// What all templates know of the reader.
#[derive(Serialize)]
struct Reader {
    name: Option<String>,
    is_owner: bool,
}

/// One entry of a digest.
#[derive(Serialize)]
struct Block {
    entry: Named,
    items: Cut<Item>,
}

/// One event of a digest.
#[derive(Serialize)]
struct Item {
    line: String,
    event: EventView,
}

/// Writes the mail.
pub fn render(content: &MailContent<'_>) -> Result<Rendered, RenderError> {
    let shown = shown(content.notices);
    let recipient = &content.notices.first().ok_or(RenderError::NothingToSay)?.notification.recipient;
    let reader = recipient.entry.as_ref().filter(|_| recipient.role == Role::ByRole);
    let page = Page { content, reader, why: paragraphs(content.store, &shown, reader)?, shown: &shown };
    match shown.as_slice() {
        [] => Err(RenderError::NothingToSay),
        [single] => page.single(single),
        [_, ..] => page.digest(),
    }
}

/// Writes the mail that shows that mail arrives.
pub fn render_test(test: &TestMail<'_>) -> Result<Rendered, RenderError> {
    let context = context! {
        store => visible(test.store),
        to => visible(test.to.as_str()),
        when => local_time(test.now, test.timezone),
        reader => Value::from(Serde(Reader { name: None, is_owner: false })),
        why => Vec::<String>::new(),
    };
    write(Mail::Test, context)
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

/// The sentences that say why, as text.
fn paragraphs(
    store: &str,
    shown: &[Shown<'_>],
    reader: Option<&EntryRef>,
) -> Result<Vec<String>, RenderError> {
    let why = Value::from(Serde(why(shown, reader)));
    let text = TEMPLATES.get_template("layout/why.txt")?.render(context! { store => visible(store), why })?;
    Ok(text.lines().map(visible).filter(|line| !line.is_empty()).collect())
}

/// What a mail is made of, whatever it tells.
struct Page<'a> {
    content: &'a MailContent<'a>,
    reader: Option<&'a EntryRef>,
    why: Vec<String>,
    shown: &'a [Shown<'a>],
}

impl<'a> Page<'a> {
    fn single(&self, shown: &Shown<'a>) -> Result<Rendered, RenderError> {
        let telling = self.telling(shown);
        write(telling.mail, self.context(context! { event => self.view(shown.event, &telling) }))
    }

    fn digest(&self) -> Result<Rendered, RenderError> {
        let places: BTreeMap<_, _> = self.shown.iter().map(|shown| (shown.event.id, shown)).collect();
        let groups = by_entry(self.shown.iter().map(|shown| shown.event));
        let mut blocks = Vec::new();
        for group in groups.iter().take(MOST_ENTRIES) {
            let mut items = Vec::new();
            for event in group.events.iter().take(MOST_EVENTS) {
                items.extend(places.get(&event.id).map(|shown| self.item(shown)).transpose()?);
            }
            let more = (group.events.len() - items.len()) as u64;
            blocks.push(Block { entry: Named::of(group.entry), items: Cut { shown: items, more } });
        }
        let cut: usize = groups.iter().skip(MOST_ENTRIES).map(|group| group.events.len()).sum();
        write(
            Mail::Digest,
            self.context(context! {
                count => self.shown.len(),
                cap => self.cap(),
                entries => groups.len(),
                more_entries => groups.len() - blocks.len(),
                more_changes => cut,
                blocks => Value::from(Serde(blocks)),
            }),
        )
    }

    /// In a summary of what was too much for an hour: how much is not.
    fn cap(&self) -> Option<u32> {
        match self.content.gathered {
            Gathered::Window => None,
            Gathered::Hour { cap } => Some(cap),
        }
    }

    fn item(&self, shown: &Shown<'a>) -> Result<Item, RenderError> {
        let telling = self.telling(shown);
        let line =
            subject(telling.mail, self.context(context! { event => self.view(shown.event, &telling) }))?;
        Ok(Item { line, event: self.event_view(shown.event, &telling) })
    }

    fn view(&self, event: &ChangeEvent, telling: &Telling<'_>) -> Value {
        Value::from(Serde(self.event_view(event, telling)))
    }

    fn event_view(&self, event: &ChangeEvent, telling: &Telling<'_>) -> EventView {
        let sight = Sight {
            reader: self.reader,
            through: telling.through,
            extent: telling.extent,
            timezone: self.content.timezone,
        };
        let mut view = EventView::of(event, &sight);
        // Who reads "you" knows who that is.
        view.subject = view.subject.filter(|_| !telling.is_of_reader);
        view
    }

    fn context(&self, own: Value) -> Value {
        let reader = Reader {
            name: self.reader.map(|reader| Named::of(reader).name),
            is_owner: self
                .shown
                .iter()
                .flat_map(|shown| &shown.grounds)
                .any(|ground| ground.reason == Reason::Owner),
        };
        context! {
            store => visible(self.content.store),
            reader => Value::from(Serde(reader)),
            why => self.why.clone(),
            ..own
        }
    }

    fn telling(&self, shown: &Shown<'a>) -> Telling<'a> {
        let is_own = |ground: &&&Ground| ground.who.as_ref().is_some_and(|who| is_same(who, self.reader));
        let full = shown.grounds.iter().any(|ground| is_full(ground.reason));
        let extent =
            if full { Extent::Full } else { Extent::OwnPart { show_actor: self.content.show_actor } };
        let member = shown.grounds.iter().filter(is_own).find(|ground| is_of_member(ground.reason));
        let owner = shown.event.change.subject().and_then(|subject| {
            shown
                .grounds
                .iter()
                .filter(is_own)
                .filter(|ground| ground.reason == Reason::Owner)
                .find(|ground| is_same(subject, group_between(ground).or(ground.who.as_ref())))
        });
        let (mail, ground) = match (&shown.event.change, member, owner) {
            (Change::MemberAdded { .. }, Some(ground), _) => (Mail::YouWereAdded, Some(ground)),
            (Change::MemberAdded { .. }, None, _) => (Mail::MemberAdded, None),
            (Change::MemberRemoved { .. }, Some(ground), _) => (Mail::YouWereRemoved, Some(ground)),
            (Change::MemberRemoved { .. }, None, _) => (Mail::MemberRemoved, None),
            (Change::OwnerAdded { .. }, _, Some(ground)) => (Mail::YouBecameOwner, Some(ground)),
            (Change::OwnerAdded { .. }, _, None) => (Mail::OwnerAdded, None),
            (Change::OwnerRemoved { .. }, _, Some(ground)) => (Mail::YouAreNoLongerOwner, Some(ground)),
            (Change::OwnerRemoved { .. }, _, None) => (Mail::OwnerRemoved, None),
            (Change::ObjectDeleted { .. }, Some(ground), _) if !full => (Mail::YourGroupIsGone, Some(ground)),
            (Change::ObjectDeleted { .. }, _, _) => (Mail::ObjectDeleted, None),
            (Change::ManagerChanged { .. }, _, _) => (Mail::ManagerChanged, None),
            (Change::ObjectCreated, _, _) => (Mail::ObjectCreated, None),
            (Change::ObjectRenamed { .. }, _, _) => (Mail::ObjectRenamed, None),
            (Change::AttributesChanged { .. }, _, _) => (Mail::AttributesChanged, None),
            (Change::ScopeEntered, _, _) => (Mail::ScopeEntered, None),
            (Change::ScopeLeft, _, _) => (Mail::ScopeLeft, None),
        };
        let through = ground.and_then(|ground| group_between(ground));
        Telling { mail, is_of_reader: ground.is_some(), through, extent }
    }
}

/// Whether this reason lets the reader see an event in full, or only what concerns the reader.
fn is_full(reason: Reason) -> bool {
    match reason {
        Reason::Alert
        | Reason::LoggedInUsers
        | Reason::Manager
        | Reason::Owner
        | Reason::PublicGroupOwner
        | Reason::Recipients
        | Reason::Test => true,
        Reason::AddedMembers | Reason::ObjectModified | Reason::RemovedMembers => false,
    }
}

fn is_of_member(reason: Reason) -> bool {
    match reason {
        Reason::AddedMembers | Reason::RemovedMembers => true,
        Reason::Alert
        | Reason::LoggedInUsers
        | Reason::Manager
        | Reason::ObjectModified
        | Reason::Owner
        | Reason::PublicGroupOwner
        | Reason::Recipients
        | Reason::Test => false,
    }
}

fn subject(mail: Mail, context: Value) -> Result<String, RenderError> {
    let text = TEMPLATES.get_template(&mail.subject())?.render(context)?;
    Ok(clipped(&text, LONGEST_SUBJECT))
}

fn write(mail: Mail, context: Value) -> Result<Rendered, RenderError> {
    let subject = subject(mail, context.clone())?;
    let context = context! { subject => subject.as_str(), ..context };
    let text = TEMPLATES.get_template(&mail.text())?.render(context.clone())?;
    let html = TEMPLATES.get_template(&mail.html())?.render(context)?;
    Ok(Rendered { subject, text: wrapped(&text), html })
}

#[cfg(test)]
mod tests;
