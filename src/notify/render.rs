//! From notifications to the words of a mail. Everything from the directory is data: it comes out as text,
//! whatever it looks like, on one line, without invisible characters.

mod alert;
mod page;
mod telling;
mod templates;
mod view;
mod visible;
mod why;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, tz::TimeZone};
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

pub use self::alert::{AlertContent, AlertList, render_alert};
pub(crate) use self::visible::visible;
use self::{
    page::Page,
    telling::Tie,
    templates::{Mail, TEMPLATES},
    view::local_time,
    visible::clipped,
    wrap::wrapped,
};
use super::{digest::Gathered, notification::Notification, reason::Reason};
use crate::{
    change::{
        event::{ChangeEvent, EventId},
        resolve::Identity,
    },
    directory::mail_address::MailAddress,
};

/// Characters of a subject line.
const LONGEST_SUBJECT: usize = 180;

/// One mail, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct MailContent<'a> {
    /// The name of the identity store.
    pub store: &'a str,
    /// All for one recipient, in ingest order, never empty.
    pub notices: &'a [Notice],
    /// What it only counts.
    pub beyond: &'a Beyond,
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

/// Events that a mail carries; what is told beyond them is only counted, and need not be read whole.
pub const MOST_EVENTS: usize = 1024;

/// Events that a mail tells by their number alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beyond {
    /// How many concern an entry.
    pub entries: BTreeMap<Identity, u64>,
    /// Why they are told.
    pub reasons: BTreeSet<Reason>,
    /// Which they are, in ingest order.
    pub events: Vec<EventId>,
}

impl Beyond {
    /// Adds what comes later.
    pub fn extend(&mut self, later: Self) {
        for (entry, count) in later.entries {
            *self.entries.entry(entry).or_default() += count;
        }
        self.reasons.extend(later.reasons);
        self.events.extend(later.events);
    }
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

/// What all templates know of the reader.
#[derive(Serialize)]
struct Reader {
    name: Option<String>,
    /// To any of the events.
    ties: BTreeSet<Tie>,
}

/// Writes the mail.
pub fn render(content: &MailContent<'_>) -> Result<Rendered, RenderError> {
    Page::of(content)?.write()
}

/// Writes the mail that shows that mail arrives.
pub fn render_test(test: &TestMail<'_>) -> Result<Rendered, RenderError> {
    let context = context! {
        store => visible(test.store),
        to => visible(test.to.as_str()),
        when => local_time(test.now, test.timezone),
        reader => Value::from(Serde(Reader { name: None, ties: BTreeSet::new() })),
        why => Vec::<String>::new(),
    };
    write(Mail::Test, context)
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
