//! The mail to whoever looks after dirherald.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use minijinja::{Value, context, value::Serde};
use serde::Serialize;

use super::{
    Reader, RenderError, Rendered,
    templates::Mail,
    view::local_time,
    visible::{clipped, visible},
    write,
};
use crate::notify::alerts::{Matter, Said};

/// Characters of a name, of what went wrong: what is longer is cut, with a count.
const LONGEST_NAME: usize = 100;
const LONGEST_ERROR: usize = 1000;

/// Conditions in one mail; the others are counted.
const MOST_ITEMS: usize = 25;

/// An alert, ready to be written.
#[derive(Debug, Clone, Copy)]
pub struct AlertContent<'a> {
    /// The name of the identity store.
    pub store: &'a str,
    /// The worst first, never empty.
    pub said: &'a [Said],
    /// Where the reader's address stands.
    pub list: AlertList,
    /// In which times are told.
    pub timezone: &'a TimeZone,
}

/// Which list of the configuration names those who get alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertList {
    /// Their own.
    AlertsTo,
    /// That of the copies, in its place.
    RecipientsTo,
}

/// What the templates see of a condition.
#[derive(Serialize)]
struct Item {
    since: String,
    #[serde(flatten)]
    matter: MatterView,
}

#[derive(Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum MatterView {
    Feed { standing: &'static str, error: Option<String> },
    Hold { id: String, cause: &'static str, group: Option<String>, events: u64 },
    FailedMail { count: u64 },
    SetAside { count: u64 },
}

/// Writes the mail.
pub fn render_alert(alert: &AlertContent<'_>) -> Result<Rendered, RenderError> {
    if alert.said.is_empty() {
        return Err(RenderError::NothingToSay);
    }
    let shown: Vec<Item> =
        alert.said.iter().take(MOST_ITEMS).map(|said| Item::of(said, alert.timezone)).collect();
    let count = alert.said.len();
    let context = context! {
        store => visible(alert.store),
        count,
        more => count - shown.len(),
        items => Value::from(Serde(shown)),
        reader => Value::from(Serde(Reader { name: None, ties: BTreeSet::new() })),
        why => [why(alert.list)],
    };
    write(Mail::Alert, context)
}

fn why(list: AlertList) -> &'static str {
    match list {
        AlertList::AlertsTo => {
            "You get this mail because your address stands in alerts.to. What lasts is told once a day."
        }
        AlertList::RecipientsTo => {
            "You get this mail because your address stands in recipients.to, and alerts.to is empty. What lasts \
             is told once a day."
        }
    }
}

impl Item {
    fn of(said: &Said, timezone: &TimeZone) -> Self {
        Self { since: local_time(said.since, timezone), matter: MatterView::of(&said.matter) }
    }
}

impl MatterView {
    fn of(matter: &Matter) -> Self {
        let text = |text: &Option<String>, longest| {
            text.as_deref().map(|text| clipped(text, longest)).filter(|text| !text.is_empty())
        };
        match matter {
            Matter::Feed { standing, error } => {
                Self::Feed { standing: standing.as_str(), error: text(error, LONGEST_ERROR) }
            }
            Matter::Hold { id, cause, group, events } => Self::Hold {
                id: id.to_string(),
                cause: cause.as_str(),
                group: text(group, LONGEST_NAME),
                events: *events,
            },
            Matter::FailedMail(count) => Self::FailedMail { count: *count },
            Matter::SetAside(count) => Self::SetAside { count: *count },
        }
    }
}
