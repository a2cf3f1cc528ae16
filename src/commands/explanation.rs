//! How `explain` and `simulate` show who is told of an event.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use uuid::Uuid;

use super::{
    CommandError, Format,
    events::{concerns, known, named},
    output::Output,
    table::local_time,
};
use crate::{
    change::event::EventId,
    db::{Explanation, Fate, HoldSpan, HoldWish, MailFate, Stage},
    directory::{
        entry::{EntryKind, EntryRef},
        mail_address::MailAddress,
    },
    notify::{
        explain::{Decided, Explained, Hearer, explain, why_in_place, why_not},
        notification::{Notification, Role, Skipped, Via},
        reason::Reason,
        render::visible,
        table::Verdict,
    },
    outbox::state::DeliveryState,
};

/// Of an event that nobody hears of any more.
const DISCARDED: &str = "an operator discarded it, and nobody is told";

/// Prints what was, or would be, decided about one event; times in `timezone` for a person, in UTC in JSON.
pub(super) fn print(
    output: &mut Output,
    explanation: &Explanation,
    timezone: &TimeZone,
    format: Format,
) -> Result<(), CommandError> {
    let decided = Decided {
        ticked: explanation.ticked.as_ref(),
        notifications: &explanation.notifications,
        skipped: &explanation.skipped,
    };
    let options = explain(&explanation.event, decided);
    match format {
        Format::Json => {
            options.iter().try_for_each(|option| output.json(&OptionLine::of(explanation, option)))
        }
        Format::Table => {
            let text = Text { explanation, timezone };
            text.head().into_iter().try_for_each(|line| output.line(line))?;
            text.options(&options).into_iter().try_for_each(|line| output.line(line))
        }
    }
}

/// One option of one event. `event` is `null` for an event that was only supposed.
#[derive(Serialize)]
struct OptionLine<'a> {
    event: Option<EventId>,
    store: &'a str,
    change: &'static str,
    entry: &'a EntryRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a EntryRef>,
    decided_at: Option<Timestamp>,
    /// The hold of the bulk guard that it is in, or went through.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HeldLine>,
    option: Reason,
    verdict: &'static str,
    why: Option<String>,
    told: Vec<ToldLine<'a>>,
    untold: Vec<UntoldLine<'a>>,
}

/// Of a hold, as far as it concerns one event.
#[derive(Serialize)]
struct HeldLine {
    hold: Uuid,
    cause: &'static str,
    from: Timestamp,
    until: Option<Timestamp>,
    /// What an operator asked for.
    wish: Option<&'static str>,
}

impl HeldLine {
    fn of(held: &HoldSpan) -> Self {
        Self {
            hold: held.hold,
            cause: held.facts.cause().as_str(),
            from: held.from,
            until: held.ended.filter(|_| !held.is_held),
            wish: held.wish.map(HoldWish::as_str),
        }
    }
}

/// Somebody who is told, and what became of the mail.
#[derive(Serialize)]
struct ToldLine<'a> {
    address: &'a MailAddress,
    entry: Option<&'a EntryRef>,
    via: ViaLine<'a>,
    role: Role,
    state: &'static str,
    /// When the digest closes, or the next attempt is due.
    until: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    message: Option<Uuid>,
    message_id: Option<&'a str>,
    last_answer: Option<&'a str>,
    /// Where the mail goes in place of `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirected_to: Option<&'a str>,
}

/// Somebody who is not.
#[derive(Serialize)]
struct UntoldLine<'a> {
    entry: &'a EntryRef,
    via: ViaLine<'a>,
    why: &'static str,
}

/// How an option came to somebody.
#[derive(Serialize)]
#[serde(tag = "way", rename_all = "kebab-case")]
enum ViaLine<'a> {
    Directly,
    Group { group: &'a EntryRef },
    InPlaceOfMembers { why: &'static str },
}

impl<'a> OptionLine<'a> {
    fn of(explanation: &'a Explanation, explained: &Explained<'a>) -> Self {
        let Explanation { store, event, stage, .. } = explanation;
        let (id, decided_at) = match stage {
            Stage::Decided(at) | Stage::Discarded(at) => (Some(event.id), Some(*at)),
            Stage::Waiting => (Some(event.id), None),
            Stage::Supposed => (None, None),
        };
        let is_discarded = matches!(stage, Stage::Discarded(_));
        Self {
            event: id,
            store,
            change: event.change.name(),
            entry: &event.entry,
            subject: event.change.subject(),
            decided_at,
            held: explanation.held.as_ref().map(HeldLine::of),
            option: explained.option.reason,
            verdict: if is_discarded { "discarded" } else { explained.verdict_word() },
            why: if is_discarded { Some(DISCARDED.to_owned()) } else { explained.why_nobody(event) },
            told: explained.told.iter().map(|hearer| ToldLine::of(explanation, *hearer)).collect(),
            untold: explained.untold.iter().map(|skipped| UntoldLine::of(skipped)).collect(),
        }
    }
}

impl<'a> ToldLine<'a> {
    fn of(explanation: &'a Explanation, hearer: Hearer<'a>) -> Self {
        let notification = notification(explanation, hearer);
        let untouched = Self {
            address: &notification.recipient.address,
            entry: hearer.who,
            via: ViaLine::of(hearer.via),
            role: notification.recipient.role,
            state: "would-be-told",
            until: None,
            ended_at: None,
            message: None,
            message_id: None,
            last_answer: None,
            redirected_to: None,
        };
        match explanation.fates.get(hearer.notification) {
            None => untouched,
            Some(Fate::InDigest { until }) => Self { state: "in-digest", until: Some(*until), ..untouched },
            Some(Fate::SetAside { why }) => Self { state: "set-aside", last_answer: Some(why), ..untouched },
            Some(Fate::InMail(mail)) => Self {
                state: if mail.deleted.is_some() { "deleted" } else { mail.state.as_str() },
                until: mail.due,
                ended_at: mail.deleted.or(mail.ended),
                message: Some(mail.id),
                message_id: Some(&mail.message_id),
                last_answer: mail.last_answer.as_deref(),
                redirected_to: mail.redirected_to.as_deref(),
                ..untouched
            },
        }
    }
}

impl<'a> UntoldLine<'a> {
    fn of(skipped: &'a Skipped) -> Self {
        Self { entry: &skipped.who, via: ViaLine::of(&skipped.via), why: skipped.why.as_str() }
    }
}

impl<'a> ViaLine<'a> {
    fn of(via: &'a Via) -> Self {
        match via {
            Via::Directly => Self::Directly,
            Via::Group(group) => Self::Group { group },
            Via::InPlaceOfMembers(why) => Self::InPlaceOfMembers { why: why.as_str() },
        }
    }
}

fn notification<'a>(explanation: &'a Explanation, hearer: Hearer<'_>) -> &'a Notification {
    let found = explanation.notifications.get(hearer.notification);
    found.expect("whoever is told has a notification")
}

/// For a person.
struct Text<'a> {
    explanation: &'a Explanation,
    timezone: &'a TimeZone,
}

impl Text<'_> {
    /// What happened, when, by whom and why, and when it was decided.
    fn head(&self) -> Vec<String> {
        let Explanation { store, event, stage, .. } = self.explanation;
        let concerns = concerns(&event.change);
        let gap = if concerns.is_empty() { "" } else { ", " };
        let mut lines = vec![
            visible(&format!("{}: {}{gap}{concerns}", event.change.name(), named(&event.entry))),
            field("entry", &whole(&event.entry)),
        ];
        lines.extend(event.change.subject().map(|subject| field("concerns", &whole(subject))));
        lines.push(field("by", &known(&event.actor).map_or_else(|| nobody(*stage), whole)));
        lines.push(field("cause", event.cause.as_str()));
        lines.push(field("store", store));
        match stage {
            Stage::Decided(at) => {
                lines.push(field("time", &self.at(event.time)));
                lines.push(field("event", &event.id.to_string()));
                lines.extend(self.held());
                lines.push(field("decided", &self.at(*at)));
            }
            Stage::Discarded(at) => {
                lines.push(field("time", &self.at(event.time)));
                lines.push(field("event", &event.id.to_string()));
                lines.extend(self.held());
                lines.push(field("discarded", &format!("{}: {DISCARDED}", self.at(*at))));
            }
            Stage::Waiting => {
                lines.push(field("time", &self.at(event.time)));
                lines.push(field("event", &event.id.to_string()));
                lines.extend(self.held());
                lines.push(field("decided", "not yet; this is what would be decided now"));
            }
            Stage::Supposed => lines.push(field("decided", "never: this did not happen")),
        }
        lines
    }

    /// Since when it is held, by what, and what to do; or from when until when it was.
    fn held(&self) -> Option<String> {
        let HoldSpan { hold, facts, from, is_held, wish, ended } = self.explanation.held.as_ref()?;
        let (why, from) = (facts.sentence(), self.at(*from));
        let text = match (is_held, wish, ended) {
            (true, None, _) => format!(
                "since {from} by {hold}: {why}; `dirherald held release {hold}` lets it be told, `dirherald held \
                 discard {hold}` tells nobody"
            ),
            (true, Some(wish), _) => {
                format!("since {from} by {hold}: {why}; its {} was asked for and is under way", wish.as_str())
            }
            (false, _, Some(ended)) => format!("from {from} to {} by {hold}: {why}", self.at(*ended)),
            (false, _, None) => format!("from {from} until now by {hold}: {why}"),
        };
        Some(field("held", &text))
    }

    fn at(&self, time: Timestamp) -> String {
        local_time(time, self.timezone)
    }

    /// A block for each option that is on, after it those that are off in one line.
    fn options(&self, options: &[Explained<'_>]) -> Vec<String> {
        if matches!(self.explanation.stage, Stage::Discarded(_)) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let mut off = Vec::new();
        for explained in options {
            match &explained.verdict {
                Some(Verdict::Off) => off.push(explained.option.reason.as_str()),
                Some(Verdict::Fired(_) | Verdict::Silent(_)) | None => self.option(explained, &mut lines),
            }
        }
        if !off.is_empty() {
            lines.push(String::new());
            lines.push(format!("off: {}", off.join(", ")));
        }
        lines
    }

    fn option(&self, explained: &Explained<'_>, lines: &mut Vec<String>) {
        let verdict = match &explained.verdict {
            Some(Verdict::Fired(_)) => "fired",
            Some(Verdict::Silent(_) | Verdict::Off) => "did not fire",
            None => "not known",
        };
        let why = explained.why_nobody(&self.explanation.event);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(String::new());
        lines.push(format!("{} ({})", explained.option.reason, explained.option.wording));
        lines.push(format!("  {verdict}{why}"));
        lines.extend(explained.told.iter().map(|hearer| self.told(*hearer)));
        lines.extend(explained.untold.iter().map(|skipped| untold(skipped)));
    }

    fn told(&self, hearer: Hearer<'_>) -> String {
        let recipient = &notification(self.explanation, hearer).recipient;
        let address = recipient.address.as_str();
        let who = match (hearer.who, recipient.role) {
            (Some(who), _) => format!("{} at {address}{}", named(who), way(hearer.via)),
            (None, Role::To) => format!("{address}, listed under To"),
            (None, Role::Cc) => format!("{address}, listed under Cc"),
            (None, Role::ByRole) => format!("{address}, listed; it gets no second mail"),
        };
        let (told, fate) = match self.explanation.fates.get(hearer.notification) {
            None => ("would be told", String::new()),
            Some(Fate::InDigest { until }) => {
                let waits = "the digest or the cap of the hour holds the mail until";
                ("to be told", format!(": {waits} {}", self.at(*until)))
            }
            Some(Fate::SetAside { why }) => {
                ("to be told", format!(": set aside until dirherald is started again, because {why}"))
            }
            Some(Fate::InMail(mail)) => (outcome(mail), format!(": {}", self.fate(mail))),
        };
        format!("  {told}: {}", visible(&format!("{who}{fate}")))
    }

    fn fate(&self, mail: &MailFate) -> String {
        let at = |time: Option<Timestamp>| time.map(|time| format!(" {}", self.at(time))).unwrap_or_default();
        let answer = mail.last_answer.as_deref().map(|answer| format!(" ({answer})")).unwrap_or_default();
        let state = match mail.state {
            DeliveryState::Scheduled => format!("scheduled for{}{answer}", at(mail.due)),
            DeliveryState::Deferred => format!("deferred until{}{answer}", at(mail.due)),
            DeliveryState::Delivered => format!("delivered{}", at(mail.ended)),
            DeliveryState::Failed => format!("failed{}{answer}", at(mail.ended)),
            DeliveryState::Suppressed => format!("suppressed{}", at(mail.ended)),
        };
        let place = mail.redirected_to.as_deref().map(|to| format!(" to {to}")).unwrap_or_default();
        match mail.deleted {
            Some(deleted) => {
                format!("the mail was deleted by hand {}, message {}", self.at(deleted), mail.id)
            }
            None => format!("{state}{place}, message {}", mail.id),
        }
    }
}

/// Whether the person themselves was told, by what became of the mail.
fn outcome(mail: &MailFate) -> &'static str {
    if mail.deleted.is_some() {
        return "not told after all";
    }
    match (mail.state, &mail.redirected_to) {
        (_, Some(_)) => "not told, for the mail is redirected",
        (DeliveryState::Delivered, None) => "told",
        (DeliveryState::Scheduled | DeliveryState::Deferred, None) => "to be told",
        (DeliveryState::Failed, None) => "not reached",
        (DeliveryState::Suppressed, None) => "not told, for this is a dry run",
    }
}

fn nobody(stage: Stage) -> String {
    match stage {
        Stage::Decided(_) | Stage::Discarded(_) | Stage::Waiting => "nobody knows".to_owned(),
        Stage::Supposed => "nobody knows: say it with --by".to_owned(),
    }
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<9} {}", visible(value))
}

fn untold(skipped: &Skipped) -> String {
    let Skipped { who, via, why, .. } = skipped;
    format!("  not told: {}", visible(&format!("{}{} {}", named(who), set_off(&way(via)), why_not(*why))))
}

/// Between the name and what is said of it.
fn set_off(way: &str) -> String {
    if way.is_empty() { String::new() } else { format!("{way},") }
}

fn way(via: &Via) -> String {
    match via {
        Via::Directly => String::new(),
        Via::Group(group) => format!(", through the group {}", named(group)),
        Via::InPlaceOfMembers(why) => format!(", in place of its members, {}", why_in_place(*why)),
    }
}

fn whole(entry: &EntryRef) -> String {
    let kind = entry.kind.map_or("never read", EntryKind::as_str);
    format!("{}, {kind}, {}", named(entry), entry.dn)
}
