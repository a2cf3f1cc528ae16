//! A rendered letter becomes the bytes of a mail (RFC 5322, MIME multipart/alternative).
//!
//! Names, subjects and texts come from the directory and are not trusted: whatever they hold, the result
//! has exactly the headers written here, each line at most 998 octets, every line end CRLF.

use std::{collections::BTreeSet, time::SystemTime};

use jiff::Timestamp;
use lettre::{
    Address,
    message::{
        Mailbox as HeaderMailbox, Mailboxes, MultiPart, MultiPartKind, SinglePart,
        header::{self, HeaderName, HeaderValue, Headers},
    },
};
use uuid::Uuid;

use super::{settings::Mailbox, state::one_line};
use crate::{directory::mail_address::MailAddress, notify::render::visible};

const INTENDED_TO: &str = "X-Dirherald-Intended-To";
/// So many event ids stand in the header; the rest is counted.
const EVENT_IDS_SHOWN: usize = 50;
/// Longer subjects are cut: a header line may not exceed 998 octets (RFC 5322, section 2.1.1). Room for what a
/// rendered one may have, so that its end, which counts what was cut, is not cut itself.
const SUBJECT_LIMIT: usize = 300;
/// No address and no Message-ID is longer (RFC 5321, section 4.5.3.1).
const ADDRESS_LIMIT: usize = 400;
/// Longer display names are cut, for the same reason.
const NAME_LIMIT: usize = 100;

/// One mail to one person, rendered.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// `From`.
    pub from: &'a Mailbox,
    /// `Reply-To`, where one is set.
    pub reply_to: Option<&'a Mailbox>,
    /// `To`: the person, or the whole list of which this copy is one. May be empty when `cc` is not.
    pub to: &'a [Mailbox],
    /// `Cc`.
    pub cc: &'a [Mailbox],
    /// In any script; cut after 300 characters.
    pub subject: &'a str,
    /// The plain part.
    pub text: &'a str,
    /// The HTML part.
    pub html: &'a str,
    /// With its angle brackets, as [`message_id`] makes it.
    pub message_id: &'a str,
    /// `Date`.
    pub date: Timestamp,
    /// `X-Dirherald-Store`.
    pub store: &'a str,
    /// `X-Dirherald-Events`, in this order. Left out where empty.
    pub events: &'a [Uuid],
    /// `X-Dirherald-Reasons`. Left out where empty.
    pub reasons: &'a BTreeSet<&'a str>,
    /// `X-Dirherald-Intended-To`: for whom the mail is, where it goes to somebody else.
    pub intended_to: Option<&'a MailAddress>,
}

/// Where a mail goes instead.
#[derive(Debug, Clone, Copy)]
pub struct Redirection<'a> {
    /// `To`.
    pub to: &'a [MailAddress],
    /// `X-Dirherald-Intended-To`.
    pub intended: &'a MailAddress,
    /// With its angle brackets.
    pub message_id: &'a str,
}

/// Why a letter cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The address is none that a mail header can carry.
    #[error("the address in {header} cannot be written into a mail")]
    Address {
        /// Which header.
        header: &'static str,
        /// What is wrong with it.
        #[source]
        source: lettre::address::AddressError,
    },
}

/// RFC 5322, section 3.6.4: unique for ever, at the domain of the sender.
pub fn message_id(id: Uuid, from: &MailAddress) -> String {
    let (_, domain) = split_address(from.as_str());
    format!("<{id}@{}>", ascii_domain(domain))
}

/// The id of a further copy of a mail with `message_id`.
pub fn sibling_id(message_id: &str, id: Uuid) -> String {
    let (_, domain) = split_address(message_id.trim_end_matches('>'));
    format!("<{id}@{domain}>")
}

/// A mail that was written for `intended`, as it goes to others: nobody else's address is left in a header that
/// a reader could answer to. The rest stays as it is.
pub fn redirected(mail: &[u8], redirection: &Redirection<'_>) -> Result<Vec<u8>, MessageError> {
    let Redirection { to, intended, message_id } = redirection;
    let mut headers = Headers::new();
    headers.set(header::To::from(mailboxes("To", &plain(to))?));
    headers.set(header::MessageId::from(header_text(message_id, ADDRESS_LIMIT)));
    headers.insert_raw(own_header(INTENDED_TO, header_text(intended.as_str(), ADDRESS_LIMIT)));
    let mut written = headers.to_string().into_bytes();
    let mut dropped = false;
    let mut in_head = true;
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let continues = line.starts_with(b" ") || line.starts_with(b"\t");
        dropped = in_head && if continues { dropped } else { is_replaced(line) };
        in_head &= line != b"\r\n";
        if !dropped {
            written.extend_from_slice(line);
        }
    }
    Ok(written)
}

/// Whether [`redirected`] writes this header anew.
fn is_replaced(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    ["To", "Cc", "Message-ID", INTENDED_TO]
        .iter()
        .any(|replaced| name.eq_ignore_ascii_case(replaced.as_bytes()))
}

/// Addresses without names.
pub fn plain(addresses: &[MailAddress]) -> Vec<Mailbox> {
    addresses.iter().map(|address| Mailbox { name: None, address: address.clone() }).collect()
}

fn own_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// A header cannot name an instant before 1970.
fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::try_from(at.max(Timestamp::UNIX_EPOCH)).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Letter<'_> {
    /// The mail as it goes over the wire, before dot-stuffing. Non-ASCII octets occur only in an address
    /// whose local part needs them (RFC 6532).
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        let mut headers = MultiPart::builder().header(header::From::from(mailboxes("From", [self.from])?));
        if !self.to.is_empty() {
            headers = headers.header(header::To::from(mailboxes("To", self.to)?));
        }
        if !self.cc.is_empty() {
            headers = headers.header(header::Cc::from(mailboxes("Cc", self.cc)?));
        }
        if let Some(reply_to) = self.reply_to {
            headers = headers.header(header::ReplyTo::from(mailboxes("Reply-To", [reply_to])?));
        }
        let (text, html) = (body(self.text), body(self.html));
        let mut mail = headers
            .header(header::Subject::from(header_text(self.subject, SUBJECT_LIMIT)))
            .header(header::Date::new(system_time(self.date)))
            .header(header::MessageId::from(header_text(self.message_id, ADDRESS_LIMIT)))
            .header(header::MIME_VERSION_1_0)
            .kind(MultiPartKind::Alternative)
            .boundary(boundary(self.message_id, [&text, &html]))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html));
        for (name, list) in self.mailbox_lists() {
            if list.iter().any(has_bare_dots) {
                mail.headers_mut().insert_raw(quoted(name, list)?);
            }
        }
        for (name, value) in self.own_headers() {
            mail.headers_mut().insert_raw(own_header(name, value));
        }
        Ok(mail.formatted())
    }

    fn mailbox_lists(&self) -> [(&'static str, &[Mailbox]); 4] {
        let from = std::slice::from_ref(self.from);
        let reply_to = self.reply_to.map(std::slice::from_ref).unwrap_or_default();
        [("From", from), ("Reply-To", reply_to), ("To", self.to), ("Cc", self.cc)]
    }

    /// The headers that keep machines from answering (RFC 3834, section 5; MS-OXCMAIL) and that say where
    /// the mail comes from.
    fn own_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("Auto-Submitted", "auto-generated".to_owned()),
            ("X-Auto-Response-Suppress", "All".to_owned()),
            ("X-Dirherald-Store", header_text(self.store, NAME_LIMIT)),
        ];
        if !self.events.is_empty() {
            headers.push(("X-Dirherald-Events", event_list(self.events)));
        }
        if !self.reasons.is_empty() {
            let reasons: Vec<String> =
                self.reasons.iter().map(|reason| header_text(reason, NAME_LIMIT)).collect();
            headers.push(("X-Dirherald-Reasons", reasons.join(", ")));
        }
        if let Some(intended) = self.intended_to {
            headers.push((INTENDED_TO, header_text(intended.as_str(), ADDRESS_LIMIT)));
        }
        headers
    }
}

/// The address as it goes over the wire: the domain as A-labels (RFC 5891), so that only a local part
/// beyond ASCII asks for SMTPUTF8.
pub(super) fn wire_address(address: &MailAddress) -> Result<Address, lettre::address::AddressError> {
    let (local, domain) = split_address(address.as_str());
    if local.chars().chain(domain.chars()).any(char::is_control) {
        return Err(lettre::address::AddressError::InvalidInput);
    }
    // What is checked once is not checked again by other rules: the mail crate refuses combining characters,
    // symbols and quoted letters beyond ASCII, and with one such address in To nobody would get a copy.
    Ok(Address::new_dangerous(local, ascii_domain(domain)))
}

fn split_address(address: &str) -> (&str, &str) {
    address.rsplit_once('@').unwrap_or((address, ""))
}

fn ascii_domain(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_owned();
    }
    match url::Host::parse(domain) {
        Ok(host) => host.to_string(),
        Err(_) => domain.to_owned(),
    }
}

fn mailboxes<'a>(
    header: &'static str,
    list: impl IntoIterator<Item = &'a Mailbox>,
) -> Result<Mailboxes, MessageError> {
    let list: Result<Vec<HeaderMailbox>, _> = list
        .into_iter()
        .map(|mailbox| Ok(HeaderMailbox::new(display_name(mailbox), wire_address(&mailbox.address)?)))
        .collect();
    list.map(Mailboxes::from).map_err(|source| MessageError::Address { header, source })
}

fn display_name(mailbox: &Mailbox) -> Option<String> {
    let name = header_text(&visible(mailbox.name.as_deref()?), NAME_LIMIT);
    (!name.is_empty()).then_some(name)
}

/// Whether the mail crate would write the name bare though it has dots, which a phrase may have in quotes only
/// (RFC 5322, section 3.2.5; without them they are of section 4, which nobody may write any more).
fn has_bare_dots(mailbox: &Mailbox) -> bool {
    display_name(mailbox).is_some_and(|name| {
        name.contains('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    })
}

/// The header with such names in quotes, each mailbox on a line of its own.
fn quoted(header: &'static str, list: &[Mailbox]) -> Result<HeaderValue, MessageError> {
    let mut written = Vec::new();
    for mailbox in list {
        let mut alone = Headers::new();
        alone.set(header::To::from(mailboxes(header, [mailbox])?));
        let alone = alone.to_string();
        let alone = alone.trim_start_matches("To: ").trim_end();
        written.push(match display_name(mailbox) {
            Some(name) if has_bare_dots(mailbox) => alone.replacen(&name, &format!("\"{name}\""), 1),
            Some(_) | None => alone.to_owned(),
        });
    }
    let name = HeaderName::new_from_ascii_str(header);
    Ok(HeaderValue::dangerous_new_pre_encoded(name, written.join(", "), written.join(",\r\n ")))
}

/// One line of at most `limit` characters. An encoded word (RFC 2047) that someone wrote into a name is
/// text, not something for the reader's program to decode: a space takes it apart.
fn header_text(text: &str, limit: usize) -> String {
    one_line(&text.replace("=?", "= ?"), limit)
}

fn event_list(events: &[Uuid]) -> String {
    let mut words: Vec<String> = events.iter().take(EVENT_IDS_SHOWN).map(Uuid::to_string).collect();
    let rest = events.len().saturating_sub(EVENT_IDS_SHOWN);
    if rest > 0 {
        words.push(format!("+{rest}"));
    }
    words.join(", ")
}

/// Not random, so that the same letter is the same bytes, and found in neither body (RFC 2046, section 5.1).
fn boundary(message_id: &str, bodies: [&str; 2]) -> String {
    let id: String = message_id.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    (0..=u32::MAX)
        .map(|number| format!("dirherald-{id}-{number}"))
        .find(|boundary| !bodies.iter().any(|body| body.contains(boundary)))
        .expect("a text is too short for all numbers")
}

/// Lines end in LF alone (the mail crate makes CRLF of it), and of the control characters only the tab
/// stays: a bare CR would let a text speak SMTP to a careless server.
fn body(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests;
