//! Reads our own mails back: headers (RFC 5322, RFC 2047) and the plain part (RFC 2045).

use base64::{Engine, prelude::BASE64_STANDARD};

/// A mail that dirherald wrote. What is not there reads as an empty text.
#[derive(Debug)]
pub(super) struct Mail {
    headers: Vec<(String, String)>,
    /// The plain part, decoded.
    pub text: String,
}

impl Mail {
    /// Reads the bytes of an `.eml` file.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let whole = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let (head, body) = whole.split_once("\n\n").unwrap_or((&whole, ""));
        let headers = parse_headers(head);
        let text = plain_part(&headers, body);
        Self { headers, text }
    }

    /// A header as a person reads it.
    pub(super) fn header(&self, name: &str) -> String {
        decode_words(find(&self.headers, name))
    }

    /// The name in `To`; where there is none, the address.
    pub(super) fn recipient(&self) -> String {
        let to = self.header("To");
        let Some((name, _)) = to.rsplit_once('<') else { return to };
        name.trim().trim_matches('"').to_owned()
    }

    /// `X-Dirherald-Reasons`.
    pub(super) fn reasons(&self) -> Vec<String> {
        self.header("X-Dirherald-Reasons").split(", ").map(str::to_owned).collect()
    }

    /// The foot's sentences, without what is the same in all of them: "you own payroll".
    pub(super) fn because(&self) -> Vec<String> {
        const BEGINNING: &str = "You get this mail because ";
        let foot = self.text.rsplit_once("\n---").map_or("", |(_, foot)| foot);
        let paragraph = foot.split("\n\n").next().unwrap_or_default();
        let flowing = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        flowing.split(BEGINNING).skip(1).map(|words| words.trim().trim_end_matches('.').to_owned()).collect()
    }
}

fn parse_headers(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    unfolded
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

/// The first part: of `multipart/alternative` the plainest (RFC 2046, section 5.1.4).
fn plain_part(headers: &[(String, String)], body: &str) -> String {
    let boundary = find(headers, "Content-Type").split("boundary=").nth(1).unwrap_or_default();
    let delimiter = format!("--{}\n", boundary.trim_matches('"'));
    let part = body.split(&delimiter).nth(1).unwrap_or_default();
    let (head, encoded) = part.split_once("\n\n").unwrap_or_default();
    let encoded = encoded.trim_end_matches('\n');
    match find(&parse_headers(head), "Content-Transfer-Encoding").to_ascii_lowercase().as_str() {
        "base64" => from_base64(encoded),
        "quoted-printable" => from_quoted_printable(&encoded.replace("=\n", "")),
        _ => encoded.to_owned(),
    }
}

fn from_base64(encoded: &str) -> String {
    let packed: String = encoded.split_whitespace().collect();
    let bytes = BASE64_STANDARD.decode(packed).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

fn from_quoted_printable(encoded: &str) -> String {
    let mut pieces = encoded.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let octet = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.extend(octet);
        bytes.extend_from_slice(piece.get(2..).unwrap_or_default().as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The encoded words in a header (RFC 2047); space between two of them does not count (section 6.2).
fn decode_words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, word, after)) = next_word(rest) {
        if !(after_word && before.trim().is_empty()) {
            text.push_str(before);
        }
        text.push_str(&word);
        rest = after;
        after_word = true;
    }
    text + rest
}

/// What stands before the next encoded word, the word decoded, and what stands after it.
fn next_word(value: &str) -> Option<(&str, String, &str)> {
    let (before, word) = value.split_once("=?")?;
    let (_charset, word) = word.split_once('?')?;
    let (encoding, word) = word.split_once('?')?;
    let (encoded, after) = word.split_once("?=")?;
    let decoded = match encoding {
        "b" | "B" => from_base64(encoded),
        _ => from_quoted_printable(&encoded.replace('_', " ")),
    };
    Some((before, decoded, after))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::*;
    use crate::outbox::{message::Letter, settings::Mailbox};

    fn mailbox(name: Option<&str>, address: &str) -> Mailbox {
        Mailbox { name: name.map(str::to_owned), address: address.parse().unwrap() }
    }

    fn written(name: Option<&str>, subject: &str, text: &str) -> Mail {
        let letter = Letter {
            from: &mailbox(None, "directory@acme.example"),
            reply_to: None,
            to: &[mailbox(name, "ada@acme.example")],
            cc: &[],
            subject,
            text,
            html: "<p>=41</p>",
            message_id: "<1@acme.example>",
            date: Timestamp::UNIX_EPOCH,
            store: "acme",
            events: &[],
            reasons: &BTreeSet::from(["owner", "added_members"]),
            intended_to: None,
        };
        Mail::parse(&letter.to_bytes().unwrap())
    }

    #[test]
    fn a_mail_reads_back_as_it_was_written() {
        let check = |name: Option<&str>, subject: &str, text: &str| {
            let mail = written(name, subject, text);
            assert_eq!(mail.recipient(), name.unwrap_or("ada@acme.example"));
            assert_eq!(mail.header("subject"), subject);
            assert_eq!(mail.text.trim_end(), text);
            assert_eq!(mail.reasons(), ["added_members", "owner"]);
        };
        check(Some("Ada Byron"), "Plain", "One line.");
        check(None, "No name", "One line.\nAnother.");
        check(Some("Chloé Martin"), "Chloé Martin was added to Übersee", "Sträuße = 1 =41");
        check(Some("İbrahim Demir"), "東京の港".repeat(9).as_str(), "日本語のメール\n".repeat(20).trim_end());
        check(Some("Finn O'Brien"), "Long", "a long line ".repeat(200).trim_end());
    }

    #[test]
    fn the_foot_tells_the_reasons_one_by_one() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(written(None, "", text).because(), expected, "{text}");
        };
        check("Hello,\n\nnothing.", &[]);
        check(
            "Hello,\n\n--- all ---\n\n------\nYou get this mail because you own\npayroll.\n\nThis mail was written.",
            &["you own payroll"],
        );
        check(
            "Hi\n\n------\nYou get this mail because you own a.\nYou get this mail because you were added\nto b.\n\nThis.",
            &["you own a", "you were added to b"],
        );
    }

    #[test]
    fn what_is_no_mail_reads_as_nothing() {
        for bytes in [b"".as_slice(), b"no header", b"A: b\n\n\xff", b"Subject: =?utf-8?b?!!?=\n\nx"] {
            let mail = Mail::parse(bytes);
            assert_eq!(mail.text, "");
            assert_eq!(mail.header("Subject"), "");
        }
    }
}
