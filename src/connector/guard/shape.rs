//! Which messages the parser behind the guard takes without a panic.

use std::collections::BTreeMap;

use super::{
    Answer, Limits,
    ber::{Budget, Element, Header, Malformed, Reader, boolean, tag, unsigned},
};

/// Protocol operations (RFC 4511, appendix B) as they stand in the identifier byte.
mod operation {
    pub const BIND_REQUEST: u8 = 0x60;
    pub const BIND_RESPONSE: u8 = 0x61;
    pub const SEARCH_REQUEST: u8 = 0x63;
    pub const SEARCH_RESULT_ENTRY: u8 = 0x64;
    pub const SEARCH_RESULT_DONE: u8 = 0x65;
    pub const SEARCH_RESULT_REFERENCE: u8 = 0x73;
    pub const ABANDON_REQUEST: u8 = 0x50;
    pub const EXTENDED_REQUEST: u8 = 0x77;
    pub const EXTENDED_RESPONSE: u8 = 0x78;
    pub const INTERMEDIATE_RESPONSE: u8 = 0x79;
}

const CONTROLS: u8 = 0xa0;
const RESPONSE_NAME: u8 = 0x8a;
/// RFC 4511, section 4.4.1.
const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

/// A request that awaits answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Bind,
    Search,
    Extended,
}

/// What the server was asked and has not answered yet: an answer of another kind makes ldap3 panic.
#[derive(Debug, Default)]
pub struct Outstanding(BTreeMap<u32, Request>);

/// What is done with a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well-formed, and awaited.
    Pass,
    /// Well-formed, but nobody waits for it: an answer to what was abandoned, or an unknown notice.
    Drop,
    /// The server closes the connection and says why.
    Disconnected(Answer),
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan<T> {
    /// The message has at least this many bytes, and not all are here.
    Incomplete(usize),
    /// A whole message of `length` bytes.
    Message {
        /// Bytes.
        length: usize,
        /// What it is.
        found: T,
    },
}

impl Outstanding {
    /// Looks at the server's next message.
    pub fn scan_response(&mut self, bytes: &[u8], limits: Limits) -> Result<Scan<Verdict>, Malformed> {
        match frame(bytes, limits.message)? {
            Scan::Incomplete(needed) => Ok(Scan::Incomplete(needed)),
            Scan::Message { length, found } => {
                Ok(Scan::Message { length, found: self.judge(found, limits)? })
            }
        }
    }

    /// Notes our own next message.
    pub fn scan_request(&mut self, bytes: &[u8], limits: Limits) -> Result<Scan<()>, Malformed> {
        match frame(bytes, limits.message)? {
            Scan::Incomplete(needed) => Ok(Scan::Incomplete(needed)),
            Scan::Message { length, found } => {
                self.note(found)?;
                Ok(Scan::Message { length, found: () })
            }
        }
    }

    fn note(&mut self, message: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(message);
        let id = unsigned(reader.expect(tag::INTEGER, "no message id")?)?;
        let request = reader.next()?.ok_or(Malformed("no operation"))?;
        match request.tag {
            operation::BIND_REQUEST => drop(self.0.insert(id, Request::Bind)),
            operation::SEARCH_REQUEST => drop(self.0.insert(id, Request::Search)),
            operation::EXTENDED_REQUEST => drop(self.0.insert(id, Request::Extended)),
            operation::ABANDON_REQUEST => drop(self.0.remove(&unsigned(request.content)?)),
            _ => (),
        }
        Ok(())
    }

    fn judge(&mut self, message: &[u8], limits: Limits) -> Result<Verdict, Malformed> {
        let mut budget = Budget { depth: limits.depth, elements: limits.elements };
        let mut reader = Reader::new(message);
        let id = unsigned(reader.expect(tag::INTEGER, "no message id")?)?;
        let answer = reader.next()?.ok_or(Malformed("no operation"))?;
        if !answer.is_constructed() {
            return Err(Malformed("an operation without parts"));
        }
        budget.spend(answer.content)?;
        if id == 0 {
            return unsolicited(answer, reader);
        }
        if let Some(content) = reader.optional(CONTROLS)? {
            budget.spend(content)?;
            controls(content)?;
        }
        reader.end()?;

        let Some(&request) = self.0.get(&id) else { return Ok(Verdict::Drop) };
        match (request, answer.tag) {
            (Request::Search, operation::SEARCH_RESULT_ENTRY | operation::INTERMEDIATE_RESPONSE) => (),
            (Request::Search, operation::SEARCH_RESULT_REFERENCE) => texts(answer.content)?,
            (Request::Search, operation::SEARCH_RESULT_DONE)
            | (Request::Bind, operation::BIND_RESPONSE)
            | (Request::Extended, operation::EXTENDED_RESPONSE) => {
                result(answer.content)?;
                self.0.remove(&id);
            }
            (Request::Extended, operation::INTERMEDIATE_RESPONSE) => return Ok(Verdict::Drop),
            _ => return Err(Malformed("an answer that does not fit its request")),
        }
        Ok(Verdict::Pass)
    }
}

/// The content of the LDAPMessage at the beginning of `bytes`.
pub fn frame(bytes: &[u8], limit: usize) -> Result<Scan<&[u8]>, Malformed> {
    if bytes.first().is_some_and(|&first| first != tag::SEQUENCE) {
        return Err(Malformed("not the beginning of a message"));
    }
    let Some(header) = Header::read(bytes)? else { return Ok(Scan::Incomplete(bytes.len() + 1)) };
    if header.content > limit {
        return Err(Malformed("a message beyond the limit"));
    }
    match bytes.get(header.own..header.total()) {
        None => Ok(Scan::Incomplete(header.total())),
        Some(content) => Ok(Scan::Message { length: header.total(), found: content }),
    }
}

/// RFC 4511, section 4.4. Active Directory writes the name behind the operation instead of into it.
fn unsolicited(answer: Element<'_>, mut behind: Reader<'_>) -> Result<Verdict, Malformed> {
    if answer.tag != operation::EXTENDED_RESPONSE {
        return Err(Malformed("an answer to nothing"));
    }
    let said = result(answer.content)?;
    let misplaced = behind.optional(RESPONSE_NAME)?;
    if said.name.or(misplaced) != Some(NOTICE_OF_DISCONNECTION) {
        return Ok(Verdict::Drop);
    }
    Ok(Verdict::Disconnected(Answer { code: said.code, text: said.text.to_owned() }))
}

/// The parts of an LDAPResult (RFC 4511, section 4.1.9) that the guard itself reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// RFC 4511, appendix A.
    pub code: u32,
    /// The server's words.
    pub text: &'a str,
    /// Of an extended response.
    pub name: Option<&'a [u8]>,
}

/// Reads an LDAPResult with what may follow it in bind and extended responses.
pub fn result(content: &[u8]) -> Result<Said<'_>, Malformed> {
    let mut reader = Reader::new(content);
    let code = unsigned(reader.expect(tag::ENUMERATED, "no result code")?)?;
    text(reader.expect(tag::OCTET_STRING, "no matched DN")?)?;
    let text_said = text(reader.expect(tag::OCTET_STRING, "no diagnostic message")?)?;
    let mut name = None;
    while let Some(part) = reader.next()? {
        // ldap3 goes by the number alone, whatever the class.
        match (part.number(), part.is_constructed()) {
            (3, true) => texts(part.content)?,
            (10, false) => {
                text(part.content)?;
                name = Some(part.content);
            }
            (3, false) | (7 | 10 | 11, true) => {
                return Err(Malformed("a part of a result in the wrong form"));
            }
            _ => (),
        }
    }
    Ok(Said { code, text: text_said, name })
}

fn controls(content: &[u8]) -> Result<(), Malformed> {
    let mut list = Reader::new(content);
    while let Some(control) = list.next()? {
        if control.tag != tag::SEQUENCE {
            return Err(Malformed("a control that is no sequence"));
        }
        let mut reader = Reader::new(control.content);
        text(reader.expect(tag::OCTET_STRING, "a control without a type")?)?;
        if let Some(critical) = reader.optional(tag::BOOLEAN)? {
            boolean(critical)?;
        }
        reader.optional(tag::OCTET_STRING)?;
        reader.end()?;
    }
    Ok(())
}

fn texts(content: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(content);
    while let Some(element) = reader.next()? {
        if element.tag != tag::OCTET_STRING {
            return Err(Malformed("a URI that is no string"));
        }
        text(element.content)?;
    }
    Ok(())
}

fn text(content: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(content).map_err(|_| Malformed("a text that is not UTF-8"))
}
