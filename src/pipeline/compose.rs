//! Compose: notifications whose window has closed become rendered mails.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};
use uuid::Uuid;

use super::{LOOK_AROUND, Store, woken};
use crate::{
    clock,
    db::{Cursor, DbError, Draft, MailDue},
    error_chain::chain,
    notify::{
        notification::{Recipient, Role},
        reason::Reason,
        render::{MailContent, RenderError, render},
    },
    outbox::{
        message::{Letter, MessageError, message_id},
        settings::Mailbox,
    },
};

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
        let wait = match compose_all(&store).await {
            Ok(next) => next.map_or(LOOK_AROUND, until).min(LOOK_AROUND),
            Err(error) => {
                error!(error = chain(&error), "cannot compose mail");
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

/// Composes what is due, each recipient once; answers when the next window closes.
async fn compose_all(store: &Store) -> Result<Option<Timestamp>, DbError> {
    let mut after = Cursor::default();
    let mut next: Option<Timestamp> = None;
    loop {
        let now = clock::now();
        let window = store.options.digest_window;
        let composable = store.db.composable(store.context.no, window, after, now).await?;
        let drafts: Vec<Draft> = composable.due.iter().filter_map(|due| draft(store, due, now)).collect();
        let written = drafts.len();
        if written > 0 {
            store.db.enqueue(store.context.no, drafts, now).await?;
            debug!(messages = written, "composed");
            store.wake.deliver.notify_one();
        }
        next = [next, composable.next].into_iter().flatten().min();
        match composable.more {
            Some(more) => after = more,
            None => return Ok(next),
        }
    }
}

fn draft(store: &Store, due: &MailDue, now: Timestamp) -> Option<Draft> {
    match write(store, due, now) {
        Ok(draft) => Some(draft),
        Err(error) => {
            error!(
                error = chain(&error),
                notifications = due.notifications.len(),
                "a mail cannot be written"
            );
            None
        }
    }
}

fn write(store: &Store, due: &MailDue, now: Timestamp) -> Result<Draft, ComposeError> {
    let first = due.notices.first().ok_or(RenderError::NothingToSay)?;
    let recipient = &first.notification.recipient;
    let rendered = render(&MailContent {
        store: store.name.as_str(),
        notices: &due.notices,
        show_actor: store.options.show_actor,
        timezone: &store.timezone,
    })?;
    let id = Uuid::now_v7();
    let message_id = message_id(id, &store.mail.from.address);
    let events: Vec<Uuid> =
        due.notices.iter().flat_map(|n| &n.notification.events).map(|event| event.0).collect();
    let reasons = due.notices.iter().flat_map(|n| n.notification.reasons()).map(Reason::as_str).collect();
    let (to, cc) = addressed(store, recipient);
    let bytes = Letter {
        from: &store.mail.from,
        reply_to: store.mail.reply_to.as_ref(),
        to: &to,
        cc: &cc,
        subject: &rendered.subject,
        text: &rendered.text,
        html: &rendered.html,
        message_id: &message_id,
        date: now,
        store: store.name.as_str(),
        events: &events,
        reasons: &reasons,
    }
    .to_bytes()?;
    Ok(Draft {
        notifications: due.notifications.clone(),
        id,
        address: recipient.address.clone(),
        subject: rendered.subject,
        message_id,
        bytes,
        events,
    })
}

/// A mail of one's own names its reader; all copies of one mail name all To and Cc.
fn addressed(store: &Store, recipient: &Recipient) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let plain = |address: &crate::directory::mail_address::MailAddress| Mailbox {
        name: None,
        address: address.clone(),
    };
    match recipient.role {
        Role::ByRole => {
            let name = recipient.entry.as_ref().map(|entry| entry.name.clone());
            (vec![Mailbox { name, address: recipient.address.clone() }], Vec::new())
        }
        Role::To | Role::Cc => {
            let listed = &store.options.recipients;
            (listed.to.iter().map(plain).collect(), listed.cc.iter().map(plain).collect())
        }
    }
}
