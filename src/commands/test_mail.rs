//! `test-mail`: the Test button.

use clap::Args;
use jiff::Timestamp;
use uuid::Uuid;

use super::{CommandError, Exit, StoreChoice, output::Output};
use crate::{
    clock,
    config::{Complete, StoreSettings},
    directory::mail_address::MailAddress,
    notify::{
        reason::Reason,
        render::{RenderError, TestMail, render_test},
    },
    outbox::{
        mailer::{Mailer, SendError},
        message::{Letter, MessageError, message_id},
        settings::{Mailbox, Transport},
    },
};

#[derive(Debug, Args)]
pub(super) struct TestMailArguments {
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    to: MailAddress,
    #[command(flatten)]
    choice: StoreChoice,
}

/// Why the test mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum TestMailError {
    /// The template.
    #[error("cannot find the words of the test mail")]
    Render(#[from] RenderError),
    /// A header.
    #[error("cannot write the test mail")]
    Message(#[from] MessageError),
    /// The server, in its own words.
    #[error("the test mail was not sent")]
    Send(#[from] SendError),
}

impl TestMailError {
    pub(super) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Send(error) => error.advice(),
            Self::Render(_) | Self::Message(_) => None,
        }
    }
}

/// Sends it at once, past the queue.
pub(super) async fn test_mail(
    config: &Complete,
    arguments: &TestMailArguments,
) -> Result<Exit, CommandError> {
    let store = arguments.choice.single(config)?;
    let mailer = Mailer::new(&store.mail)
        .map_err(|source| CommandError::Mailer { store: store.name.to_string(), source })?;
    let answer = send(store, &mailer, &arguments.to, clock::now()).await?;
    mailer.close().await;
    let mut output = Output::new();
    output.line(format_args!("{} took the test mail to {}: {answer}", taker(store), arguments.to))?;
    output.finish()?;
    Ok(Exit::Success)
}

async fn send(
    store: &StoreSettings,
    mailer: &Mailer,
    to: &MailAddress,
    now: Timestamp,
) -> Result<String, TestMailError> {
    let name = store.name.as_str();
    let words = render_test(&TestMail { store: name, to, now, timezone: &store.timezone })?;
    let message_id = message_id(Uuid::now_v7(), &store.mail.from.address);
    let bytes = Letter {
        from: &store.mail.from,
        reply_to: store.mail.reply_to.as_ref(),
        to: &[Mailbox { name: None, address: to.clone() }],
        cc: &[],
        subject: &words.subject,
        text: &words.text,
        html: &words.html,
        message_id: &message_id,
        date: now,
        store: name,
        events: &[],
        reasons: &[Reason::Test.as_str()].into(),
        intended_to: None,
    }
    .to_bytes()?;
    Ok(mailer.send(to, &bytes, &message_id).await?.to_string())
}

fn taker(store: &StoreSettings) -> String {
    match &store.mail.transport {
        Transport::Smtp(smtp) => format!("{}:{}", smtp.server, smtp.port),
        Transport::File { directory } => directory.display().to_string(),
    }
}
