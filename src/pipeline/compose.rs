//! Compose: notifications whose window has closed become rendered mails.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};
use uuid::Uuid;

use super::{LOOK_AROUND, Store, say, woken};
use crate::{
    clock,
    db::{Cursor, DbError, Draft, DraftCopy, MailDue},
    directory::mail_address::MailAddress,
    error_chain::chain,
    notify::{
        digest::Gathered,
        notification::{Recipient, Role},
        reason::Reason,
        render::{Beyond, MOST_EVENTS, MailContent, Notice, RenderError, render},
    },
    outbox::{
        message::{Letter, MessageError, message_id, plain},
        settings::Mailbox,
    },
};

/// Read by one call to the database, which is to stay well under 50 ms.
const NOTIFICATIONS_AT_ONCE: usize = 64;

/// Why one mail could not be written. It is tried again; all others go on.
#[derive(Debug, thiserror::Error)]
enum ComposeError {
    #[error("cannot find the words of a mail")]
    Render(#[from] RenderError),
    #[error("cannot write a mail")]
    Message(#[from] MessageError),
}

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    loop {
        let wait = match compose_all(&store, &cancel).await {
            Ok(next) => next.map_or(LOOK_AROUND, until).min(LOOK_AROUND),
            Err(error) => {
                say(&error, "cannot compose mail");
                LOOK_AROUND
            }
        };
        if !woken(&store.wake.compose, wait, &cancel).await {
            return;
        }
    }
}

fn until(at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(clock::now())).unwrap_or_default()
}

/// Composes what is due, each recipient once, or as much of it as there is time for; answers when the next window
/// closes.
async fn compose_all(store: &Store, cancel: &CancellationToken) -> Result<Option<Timestamp>, DbError> {
    let mut after = Cursor::default();
    let mut next: Option<Timestamp> = None;
    while !cancel.is_cancelled() {
        let now = clock::now();
        let options = Arc::clone(&store.options);
        let composable = store.db.composable(store.context.no, options, after, now).await?;
        let mut drafts = Vec::new();
        for due in composable.due.iter().take_while(|_| !cancel.is_cancelled()) {
            drafts.extend(draft(store, due, now).await?);
        }
        let written = drafts.len();
        if written > 0 {
            let dropped = store.db.enqueue(store.context.no, drafts, now).await?;
            debug!(mails = written - dropped, "composed");
            store.wake.deliver.notify_one();
            if dropped > 0 {
                store.wake.compose.notify_one();
            }
        }
        next = [next, composable.next].into_iter().flatten().min();
        match composable.more {
            Some(more) => after = more,
            None => break,
        }
    }
    Ok(next)
}

/// What one mail says.
#[derive(Default)]
struct Told {
    /// The rows that it tells, in ingest order.
    notifications: Vec<i64>,
    notices: Vec<Notice>,
    beyond: Beyond,
}

/// `None`: nobody is left who is to be told, or the mail cannot be written.
async fn draft(store: &Store, due: &MailDue, now: Timestamp) -> Result<Option<Draft>, DbError> {
    let mut all = Told::default();
    let mut room = MOST_EVENTS;
    for some in due.notifications.chunks(NOTIFICATIONS_AT_ONCE) {
        let told = store.db.told(store.context.no, some.to_vec(), room).await?;
        if told.set_aside > 0 {
            error!(notifications = told.set_aside, "what cannot be read is set aside until the next start");
            store.wake.alerts.notify_one();
        }
        for (seq, notice) in told.notices {
            room = room.saturating_sub(notice.events.len());
            all.notifications.push(seq);
            all.notices.push(notice);
        }
        // Rows that are only counted come after those that are told.
        all.notifications.extend(told.counted);
        all.beyond.extend(told.beyond);
    }
    if all.notices.is_empty() {
        return Ok(None);
    }
    let count = all.notifications.len();
    match write(store, due.gathered, &all, now) {
        Ok(draft) => Ok(Some(draft)),
        Err(error) => {
            error!(error = chain(&error), notifications = count, "a mail cannot be written");
            Ok(None)
        }
    }
}

fn write(store: &Store, gathered: Gathered, told: &Told, now: Timestamp) -> Result<Draft, ComposeError> {
    let Told { notifications, notices, beyond } = told;
    let recipient = &notices.first().ok_or(RenderError::NothingToSay)?.notification.recipient;
    let rendered = render(&MailContent {
        store: store.name.as_str(),
        notices,
        beyond,
        gathered,
        show_actor: store.options.show_actor,
        timezone: &store.timezone,
    })?;
    let carried = notices.iter().flat_map(|notice| &notice.events).map(|event| event.id);
    let events: Vec<Uuid> = carried.chain(beyond.events.iter().copied()).map(|event| event.0).collect();
    let reasons = notices.iter().flat_map(|n| n.notification.reasons()).chain(beyond.reasons.iter().copied());
    let reasons = reasons.map(Reason::as_str).collect();
    let addressed = addressed(store, recipient);
    let copy = |address: &MailAddress| -> Result<DraftCopy, ComposeError> {
        let id = Uuid::now_v7();
        let message_id = message_id(id, &store.mail.from.address);
        let bytes = Letter {
            from: &store.mail.from,
            reply_to: store.mail.reply_to.as_ref(),
            to: &addressed.to,
            cc: &addressed.cc,
            subject: &rendered.subject,
            text: &rendered.text,
            html: &rendered.html,
            message_id: &message_id,
            date: now,
            store: store.name.as_str(),
            events: &events,
            reasons: &reasons,
            intended_to: addressed.intended_to.as_ref(),
        }
        .to_bytes()?;
        let (address, intended) = (address.clone(), addressed.intended_to.clone());
        Ok(DraftCopy { id, address, intended, message_id, bytes })
    };
    let copies = addressed.envelopes.iter().map(copy).collect::<Result<_, _>>()?;
    Ok(Draft {
        notifications: notifications.clone(),
        recipient: recipient.address.clone(),
        role: recipient.role,
        subject: rendered.subject.clone(),
        events: events.clone(),
        copies,
    })
}

/// To whom a mail goes, and who is named in it.
struct Addressed {
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    intended_to: Option<MailAddress>,
    /// A message for each.
    envelopes: Vec<MailAddress>,
}

/// A mail of one's own names its reader; all copies of one mail name all To and Cc. One that is redirected names
/// only those whom it goes to, so that nobody answers somebody else.
fn addressed(store: &Store, recipient: &Recipient) -> Addressed {
    let redirect_to = &store.options.redirect_to;
    if !redirect_to.is_empty() {
        return Addressed {
            to: plain(redirect_to),
            cc: Vec::new(),
            intended_to: Some(recipient.address.clone()),
            envelopes: redirect_to.clone(),
        };
    }
    let (to, cc) = match recipient.role {
        Role::ByRole => {
            let name = recipient.entry.as_ref().map(|entry| entry.name.clone());
            (vec![Mailbox { name, address: recipient.address.clone() }], Vec::new())
        }
        Role::To | Role::Cc => {
            let listed = &store.options.recipients;
            (plain(&listed.to), plain(&listed.cc))
        }
    };
    Addressed { to, cc, intended_to: None, envelopes: vec![recipient.address.clone()] }
}
