//! Reply lines of RFC 5321, section 4.2, out of whatever bytes a server sends.
//!
//! The mail crate reads a line of any length, fails on a byte that is not UTF-8, and knows no code whose
//! second digit is above 5. A Latin-1 letter in one refusal must not make a whole server look broken, so
//! the crate is only shown lines that were put in order here.

use std::collections::VecDeque;

use crate::outbox::state::Answer;

/// RFC 5321, section 4.5.3.1.5, asks for 512 octets. More than this is no SMTP server.
const LINE_LIMIT: usize = 4096;
/// Further lines of one reply are read and dropped, all but the last.
const LINES_KEPT: usize = 100;

/// Collects reply lines from a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct ReplyLines {
    partial: Vec<u8>,
    lines: VecDeque<ReplyLine>,
    lines_of_this_reply: usize,
}

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplyLine {
    code: u16,
    is_last: bool,
    text: String,
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    lines: Vec<ReplyLine>,
}

/// What came is not SMTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server sent something that is not SMTP")]
pub(super) struct NotSmtp;

impl ReplyLines {
    /// Takes in what was read.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), NotSmtp> {
        for byte in bytes {
            if *byte == b'\n' {
                let line = ReplyLine::parse(&std::mem::take(&mut self.partial))?;
                self.keep(line);
                continue;
            }
            if self.partial.len() >= LINE_LIMIT {
                return Err(NotSmtp);
            }
            self.partial.push(*byte);
        }
        Ok(())
    }

    fn keep(&mut self, line: ReplyLine) {
        if line.is_last {
            self.lines_of_this_reply = 0;
        } else {
            self.lines_of_this_reply += 1;
            if self.lines_of_this_reply > LINES_KEPT {
                return;
            }
        }
        self.lines.push_back(line);
    }

    /// The next line, where one is complete.
    pub(super) fn next_line(&mut self) -> Option<ReplyLine> {
        self.lines.pop_front()
    }

    /// The next reply, where one is complete.
    pub(super) fn next_reply(&mut self) -> Option<Reply> {
        let end = self.lines.iter().position(|line| line.is_last)?;
        Some(Reply { lines: self.lines.drain(..=end).collect() })
    }

    /// Puts a reply back, to be read again before anything else.
    pub(super) fn put_back(&mut self, reply: Reply) {
        for line in reply.lines.into_iter().rev() {
            self.lines.push_front(line);
        }
    }

    /// Whether a line of 2yz or 3yz is among what was not taken out, or the beginning of any line.
    pub(super) fn has_agreement(&self) -> bool {
        !self.partial.is_empty() || self.lines.iter().any(|line| line.code < 400)
    }

    /// Whether nothing has come beyond what was taken out.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.partial.is_empty()
    }
}

impl ReplyLine {
    fn parse(line: &[u8]) -> Result<Self, NotSmtp> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(([first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'], rest)) =
            line.split_first_chunk()
        else {
            return Err(NotSmtp);
        };
        let digit = |byte: u8| u16::from(byte - b'0');
        let code = digit(*first) * 100 + digit(*second) * 10 + digit(*third);
        let (is_last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            [_, ..] => return Err(NotSmtp),
        };
        let text = Answer::words(&String::from_utf8_lossy(text)).text().to_owned();
        Ok(Self { code, is_last, text })
    }

    /// Whether no further line of the same reply follows.
    pub(super) fn ends_a_reply(&self) -> bool {
        self.is_last
    }

    /// The line as the mail crate can read it. A code outside the digits of RFC 5321, section 4.2.1 (such
    /// as the 571 of some servers), counts by its first digit (section 4.3.2) and is kept in the text.
    pub(super) fn to_wire(&self) -> Vec<u8> {
        let separator = if self.is_last { ' ' } else { '-' };
        let text: String = self.text.chars().take(200).collect();
        if self.code % 100 < 60 {
            return format!("{}{separator}{text}\r\n", self.code).into_bytes();
        }
        format!("{}50{separator}{} {text}\r\n", self.code / 100, self.code).into_bytes()
    }
}

impl Reply {
    /// The code of the last line.
    pub(super) fn code(&self) -> u16 {
        self.lines.last().map_or(0, |line| line.code)
    }

    /// The text of each line.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.text.as_str())
    }

    /// All of it, on one line.
    pub(super) fn answer(&self) -> Answer {
        Answer::reply(self.code(), &self.texts().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(input: &[u8]) -> Result<String, NotSmtp> {
        let mut replies = ReplyLines::default();
        replies.feed(input)?;
        let mut output = Vec::new();
        while let Some(line) = replies.next_line() {
            output.extend(line.to_wire());
        }
        Ok(String::from_utf8(output).unwrap())
    }

    #[test]
    fn lines_are_put_in_order() {
        let check = |input: &[u8], expected: &str| assert_eq!(wire(input).as_deref(), Ok(expected));
        check(b"250 ok\r\n", "250 ok\r\n");
        check(b"250\r\n", "250 \r\n");
        check(b"250 ok\n", "250 ok\r\n");
        check(b"250-a\r\n250 b\r\n", "250-a\r\n250 b\r\n");
        check(b"550 f\xfcr niemanden\r\n", "550 f\u{fffd}r niemanden\r\n");
        check("550 für\r\n".as_bytes(), "550 für\r\n");
        check(b"571 5.7.1 no\r\n", "550 571 5.7.1 no\r\n");
        check(b"499 later\r\n", "450 499 later\r\n");
        check(b"250 a\0\x1b[31m\r\n", "250 a [31m\r\n");
        check(b"250 half", "");
    }

    #[test]
    fn what_is_not_smtp_is_an_error() {
        let check = |input: &[u8]| assert_eq!(wire(input), Err(NotSmtp));
        check(b"HTTP/1.1 400 Bad Request\r\n");
        check(b"\r\n");
        check(b"25\r\n");
        check(b"150 x\r\n");
        check(b"600 x\r\n");
        check(b"2500 x\r\n");
        check(&[b'x'; LINE_LIMIT + 1]);
    }

    #[test]
    fn a_reply_without_end_is_cut() {
        let mut input = b"250-line\r\n".repeat(100_000);
        input.extend_from_slice(b"250 end\r\n");
        let output = wire(&input).unwrap();
        assert_eq!(output.lines().count(), LINES_KEPT + 1);
        assert!(output.ends_with("250 end\r\n"));
    }

    #[test]
    fn a_reply_put_back_is_read_again_first() {
        let mut replies = ReplyLines::default();
        replies.feed(b"220-a\r\n220 b\r\n250 c\r\n").unwrap();
        let greeting = replies.next_reply().unwrap();
        assert_eq!(greeting.answer().to_string(), "220 a b");
        assert!(!replies.is_empty());
        replies.put_back(greeting.clone());
        assert_eq!(replies.next_reply(), Some(greeting));
        assert_eq!(replies.next_reply().unwrap().code(), 250);
        assert!(replies.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_make_reply_lines_or_an_error(input in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(output) = wire(&input) {
                for line in output.split_terminator("\r\n") {
                    prop_assert!(line.len() <= 998);
                    prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                }
            }
        }

        #[test]
        fn it_does_not_matter_how_bytes_are_cut(words in "\\PC{0,30}", cut in 0_usize..40) {
            let input = format!("250-{words}\r\n250 {words}\r\n");
            let mut replies = ReplyLines::default();
            let (head, tail) = input.as_bytes().split_at(cut.min(input.len()));
            replies.feed(head).unwrap();
            replies.feed(tail).unwrap();
            let reply = replies.next_reply().unwrap();
            prop_assert_eq!(reply.code(), 250);
            prop_assert_eq!(reply.texts().count(), 2);
        }
    }
}
