//! What goes wrong, where, for whom and how often.

use std::time::Duration;

/// Where in the dialogue a [`Fault`] strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// In place of the greeting.
    Connect,
    /// The answer to EHLO.
    Ehlo,
    /// The answer to STARTTLS.
    StartTls,
    /// The answer to AUTH.
    Auth,
    /// The answer to MAIL FROM.
    Mail,
    /// The answer to RCPT TO.
    Rcpt,
    /// The answer to DATA.
    Data,
    /// After the whole message, in place of the 250: the mail is not taken.
    Message,
    /// After the whole message: the mail *is* taken, and then this happens (the lost answer).
    Taken,
    /// The answer to QUIT.
    Quit,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mishap {
    Answer(Vec<u8>),
    Agree(Vec<u8>),
    Bare(Vec<u8>),
    Drop,
    Hold,
    Slow(Duration),
    Trickle,
}

/// One thing that goes wrong, for ever or so many times.
#[derive(Debug, Clone)]
pub struct Fault {
    at: At,
    only_for: Option<String>,
    pub(super) times: Option<usize>,
    pub(super) mishap: Mishap,
}

impl Fault {
    /// Begins a fault; without more the connection is dropped, each time.
    pub fn at(at: At) -> Self {
        Self { at, only_for: None, times: None, mishap: Mishap::Drop }
    }

    /// Only for this recipient (at `Rcpt` and later).
    pub fn only_for(mut self, recipient: &str) -> Self {
        self.only_for = Some(recipient.to_owned());
        self
    }

    /// Only so many times.
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Answers with this line, which need not be UTF-8. 421 closes the connection as well.
    pub fn answer(mut self, line: impl Into<Vec<u8>>) -> Self {
        self.mishap = Mishap::Answer(line.into());
        self
    }

    /// Closes the connection without an answer.
    pub fn drop_connection(mut self) -> Self {
        self.mishap = Mishap::Drop;
        self
    }

    /// Answers nothing until [`super::SmtpServer::release`], then goes on as if nothing had been.
    pub fn hold(mut self) -> Self {
        self.mishap = Mishap::Hold;
        self
    }

    /// Answers so much later, and well.
    pub fn slow(mut self, by: Duration) -> Self {
        self.mishap = Mishap::Slow(by);
        self
    }

    /// Answers with these bytes as they are, which agree, and goes on as if they were the good answer.
    pub fn agree(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.mishap = Mishap::Agree(bytes.into());
        self
    }

    /// Sends these bytes as they are, and nothing more until [`super::SmtpServer::release`].
    pub fn bare(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.mishap = Mishap::Bare(bytes.into());
        self
    }

    /// Answers well, a byte at a time.
    pub fn trickle(mut self) -> Self {
        self.mishap = Mishap::Trickle;
        self
    }

    /// Whether it applies here.
    pub(super) fn strikes(&self, at: At, recipients: &[String]) -> bool {
        self.at == at
            && self.times != Some(0)
            && self.only_for.as_ref().is_none_or(|only| recipients.contains(only))
    }
}
