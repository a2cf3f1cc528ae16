//! Where a message stands, and what happened each time it was tried.

use std::fmt;

use jiff::Timestamp;

use crate::withheld::Withheld;

/// The state of an outbox message. The words are those of `outbox list --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// Not yet tried, or tried only while the server could not be reached.
    Scheduled,
    /// Accepted by the mail server, or written to its file. Final.
    Delivered,
    /// Put off by the server; tried again when its time comes.
    Deferred,
    /// Refused for good, or too old. Tried again only by hand.
    Failed,
    /// Rendered, and not sent because of a dry run. Sent only by hand.
    Suppressed,
}

impl DeliveryState {
    /// All states, in the order of a message's life.
    pub const ALL: [Self; 5] =
        [Self::Scheduled, Self::Delivered, Self::Deferred, Self::Failed, Self::Suppressed];

    /// The word used in output and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
        }
    }

    /// The reverse of [`Self::as_str`]; nothing else is understood.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One try to deliver one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended, by our clock.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What the server said, or why it said nothing.
    pub answer: Answer,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 250 after the message.
    Delivered,
    /// The attempt failed.
    Failed(FailureClass),
}

/// What a failure says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// This message may be taken later: a 4yz reply (RFC 5321, section 4.2.1; class 4 of RFC 3463).
    Transient,
    /// This message will never be taken: a 5yz reply (class 5 of RFC 3463).
    Permanent,
    /// Nothing was learned about this message: the server could not be used at all.
    Unreachable,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 4] = [
        Self::Delivered,
        Self::Failed(FailureClass::Transient),
        Self::Failed(FailureClass::Permanent),
        Self::Failed(FailureClass::Unreachable),
    ];

    /// The word used in output and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed(FailureClass::Transient) => "transient",
            Self::Failed(FailureClass::Permanent) => "permanent",
            Self::Failed(FailureClass::Unreachable) => "unreachable",
        }
    }

    /// The reverse of [`Self::as_str`]; nothing else is understood.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// The server's own words, safe to store and to show: one line, no control characters, at most
/// [`Answer::LIMIT`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    code: Option<u16>,
    text: String,
}

impl Answer {
    /// The longest text kept, in characters.
    pub const LIMIT: usize = 1000;

    /// A reply of RFC 5321, section 4.2.
    pub fn reply(code: u16, text: &str) -> Self {
        Self { code: Some(code), text: one_line(text, Self::LIMIT) }
    }

    /// Our own words, where the server said nothing.
    pub fn words(text: &str) -> Self {
        Self { code: None, text: one_line(text, Self::LIMIT) }
    }

    /// The same, should the server have repeated one of these.
    #[must_use]
    pub fn without(&self, secrets: &Withheld) -> Self {
        Self { code: self.code, text: one_line(&secrets.from_text(&self.text), Self::LIMIT) }
    }

    /// The reply code. `None` where no server spoke.
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The text after the code.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) if self.text.is_empty() => write!(f, "{code}"),
            Some(code) => write!(f, "{code} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// `text` on one line: control characters and line separators become spaces, runs of spaces one space,
/// and what goes beyond `limit` characters becomes `…`.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let kept: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_states_and_outcomes_come_back() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
        }
        assert_eq!(DeliveryState::parse("Delivered"), None);
        assert_eq!(Outcome::parse(""), None);
    }

    #[test]
    fn an_answer_is_one_clean_line() {
        let check = |text, expected: &str| assert_eq!(Answer::reply(550, text).to_string(), expected);
        check("5.1.1 no such user", "550 5.1.1 no such user");
        check("", "550");
        check("two\r\nlines\t\u{1b}[31mred\u{0}", "550 two lines [31mred");
        check("a\u{2028}b", "550 a b");
    }

    proptest! {
        #[test]
        fn one_line_holds_its_limit(text in "\\PC*|(.|\n|\r){0,60}", limit in 1_usize..40) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit, "{line:?}");
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
