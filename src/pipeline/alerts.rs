//! Alerts: what needs a hand is said to whoever looks after dirherald, at once and once a day.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use super::{LOOK_AROUND, Store, say, woken};
use crate::{
    clock,
    db::{AlertLetter, AlertMail, DbError, DueAlert},
    directory::mail_address::MailAddress,
    error_chain::chain,
    notify::{
        alerts::Said,
        reason::Reason,
        render::{AlertContent, AlertList, RenderError, Rendered, render_alert},
    },
    outbox::message::{Letter, MessageError, message_id, plain},
};

const CANNOT: &str = "cannot say what needs a hand";

/// Why an alert could not be said. It is tried again.
#[derive(Debug, thiserror::Error)]
enum AlertError {
    #[error("cannot find the words of an alert")]
    Render(#[from] RenderError),
    #[error("cannot write an alert")]
    Message(#[from] MessageError),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub(super) async fn run(store: Arc<Store>, cancel: CancellationToken) {
    loop {
        match say_what_is_due(&store, clock::now()).await {
            Ok(()) => {}
            Err(AlertError::Db(error)) => say(&error, CANNOT),
            Err(error @ (AlertError::Render(_) | AlertError::Message(_))) => {
                error!(error = chain(&error), "{CANNOT}");
            }
        }
        if !woken(&store.wake.alerts, LOOK_AROUND, &cancel).await {
            return;
        }
    }
}

/// Keeps on record what needs a hand even where nobody is to hear of it, for `status`.
async fn say_what_is_due(store: &Store, now: Timestamp) -> Result<(), AlertError> {
    let due = store.db.due_alerts(store.context.no, now).await?;
    let to = store.options.alerted();
    if due.is_empty() || to.is_empty() {
        return Ok(());
    }
    let (conditions, mails) = (due.len(), to.len());
    let mail = write(store, due, &to, now)?;
    if store.db.say_alerts(store.context.no, mail, now).await? {
        warn!(conditions, mails, "something needs a hand; an alert says what");
        store.wake.deliver.notify_one();
    }
    Ok(())
}

fn write(
    store: &Store,
    alerts: Vec<DueAlert>,
    to: &[MailAddress],
    now: Timestamp,
) -> Result<AlertMail, AlertError> {
    let said: Vec<Said> = alerts.iter().map(|alert| alert.said.clone()).collect();
    let is_own = !store.options.alerts_to.is_empty();
    let words = render_alert(&AlertContent {
        store: store.name.as_str(),
        said: &said,
        list: if is_own { AlertList::AlertsTo } else { AlertList::RecipientsTo },
        timezone: &store.timezone,
    })?;
    let letters =
        to.iter().map(|address| letter(store, &words, to, address, now)).collect::<Result<_, _>>()?;
    Ok(AlertMail { alerts, subject: words.subject, letters })
}

/// All get the same, and read who else got it. Dry run and redirection are applied before it leaves, as to all mail.
fn letter(
    store: &Store,
    words: &Rendered,
    to: &[MailAddress],
    address: &MailAddress,
    now: Timestamp,
) -> Result<AlertLetter, AlertError> {
    let id = Uuid::now_v7();
    let message_id = message_id(id, &store.mail.from.address);
    let bytes = Letter {
        from: &store.mail.from,
        reply_to: store.mail.reply_to.as_ref(),
        to: &plain(to),
        cc: &[],
        subject: &words.subject,
        text: &words.text,
        html: &words.html,
        message_id: &message_id,
        date: now,
        store: store.name.as_str(),
        events: &[],
        reasons: &[Reason::Alert.as_str()].into(),
        intended_to: None,
    }
    .to_bytes()?;
    Ok(AlertLetter { id, address: address.clone(), message_id, bytes })
}
