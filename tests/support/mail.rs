//! A mail as its reader sees it.

use mail_parser::MessageParser;

use super::smtp::Mail;

/// A mail that was taken, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part, without the marks of where a line may be broken, which nobody sees.
    pub html: String,
    /// `X-Dirherald-Store`.
    pub store: String,
    /// `X-Dirherald-Events`; an alert has none.
    pub events: Vec<String>,
    /// `X-Dirherald-Reasons`.
    pub reasons: String,
    /// `Message-ID`.
    pub message_id: String,
}

impl Letter {
    /// Reads a mail of dirherald.
    pub fn of(mail: &Mail) -> Self {
        let parsed = MessageParser::default().parse(&mail.bytes).expect("a message");
        let header = |name| mail.header(name).unwrap_or_else(|| panic!("no {name}: {}", mail.text()));
        let part = |body: Option<std::borrow::Cow<'_, str>>| body.expect("both parts").into_owned();
        Self {
            to: mail.to.clone(),
            subject: parsed.subject().expect("a subject").to_owned(),
            text: part(parsed.body_text(0)),
            html: part(parsed.body_html(0)).replace("<wbr>", ""),
            store: header("X-Dirherald-Store"),
            events: mail
                .header("X-Dirherald-Events")
                .map(|events| events.split(", ").map(str::to_owned).collect())
                .unwrap_or_default(),
            reasons: header("X-Dirherald-Reasons"),
            message_id: header("Message-ID"),
        }
    }
}
