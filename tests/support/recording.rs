//! Exchanges with a directory server that were recorded, as text that reads well in a diff.
//!
//! One file is one connection: the messages of both sides in the order in which they passed, each element of
//! BER (X.690) on a line of its own, as deep as it is nested.
//!
//! ```text
//! # slapd 2.5.13: a simple bind
//! > 30  # BindRequest
//! >   02 01
//! >   60
//! >     02 03
//! >     04 "cn=dirherald,dc=x"
//! >     80 "(not recorded)"
//! < 30  # BindResponse
//! <   02 01
//! <   61
//! <     0a 00
//! <     04 ""
//! <     04 ""
//! ```
//!
//! `>` is the client, `<` the server. A line has the identifier byte; `:4` behind it where the length is written
//! in four bytes though fewer would do (`84 00 00 00 nn`, as Windows does); and the content of a primitive
//! element, as text or in hexadecimal. `raw` stands before bytes that are no LDAPMessage. Lines that begin with
//! `#`, and what follows two spaces and `#`, are for readers.

use std::fmt::Write;

/// What stands in the place of a password in a simple bind.
const NOT_RECORDED: &[u8] = b"(not recorded)";

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// What was recorded, for readers; one line or several.
    pub title: String,
    /// Of both sides, in order.
    pub messages: Vec<Message>,
}

/// One message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose.
    pub from: Side,
    /// A whole LDAPMessage, or bytes that are none.
    pub bytes: Vec<u8>,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Asks.
    Client,
    /// Answers.
    Server,
}

impl Side {
    fn mark(self) -> char {
        match self {
            Self::Client => '>',
            Self::Server => '<',
        }
    }

    fn of(mark: char) -> Option<Self> {
        [Self::Client, Self::Server].into_iter().find(|side| side.mark() == mark)
    }
}

impl Recording {
    /// Of the bytes that passed, in pieces as they came. Passwords of simple binds are left out.
    pub fn of(title: &str, passed: impl IntoIterator<Item = (Side, Vec<u8>)>) -> Self {
        let mut messages = Vec::new();
        let mut rest = [Vec::new(), Vec::new()];
        for (from, bytes) in passed {
            let open = &mut rest[usize::from(from == Side::Server)];
            open.extend(bytes);
            while let Some(length) = header(open).map(|header| header.own + header.content) {
                if length > open.len() {
                    break;
                }
                let after = open.split_off(length);
                let bytes = without_password(std::mem::replace(open, after));
                messages.push(Message { from, bytes });
            }
        }
        for (from, bytes) in [Side::Client, Side::Server].into_iter().zip(rest) {
            if !bytes.is_empty() {
                messages.push(Message { from, bytes });
            }
        }
        Self { title: title.to_owned(), messages }
    }

    /// Reads a file.
    ///
    /// # Panics
    ///
    /// Where it is not as above; with the number of the line.
    pub fn parse(text: &str) -> Self {
        let mut title = Vec::new();
        let mut lines = Vec::new();
        for (number, text) in text.lines().enumerate() {
            if let Some(comment) = text.strip_prefix('#') {
                title.push(comment.trim());
            } else if !text.trim().is_empty() {
                lines.push(Line::parse(text).unwrap_or_else(|why| panic!("line {}: {why}", number + 1)));
            }
        }
        let mut messages = Vec::new();
        let mut rest = &lines[..];
        while let Some(first) = rest.first() {
            assert_eq!(first.depth, 0, "a message begins with its own element: {first:?}");
            let from = first.from;
            messages.push(Message { from, bytes: encode(&mut rest) });
        }
        Self { title: title.join("\n"), messages }
    }

    /// What [`parse`](Self::parse) reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in self.title.lines() {
            writeln!(text, "# {line}").expect("writing to a string");
        }
        for Message { from, bytes } in &self.messages {
            let elements = elements(bytes).filter(|elements| elements.len() == 1);
            match elements {
                Some(elements) => {
                    let name = format!("  # {}", name(&elements));
                    render(&elements, *from, 0, &name, &mut text);
                }
                None => writeln!(text, "{} raw {}", from.mark(), hex(bytes)).expect("writing to a string"),
            }
        }
        text
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string");
    }
    text
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
    if digits.len() % 2 == 1 {
        return Err(format!("half a byte in {text}"));
    }
    digits.chunks(2).map(byte).collect::<Result<_, _>>().map_err(|error| format!("{text}: {error}"))
}

/// One line of a file.
#[derive(Debug)]
struct Line {
    from: Side,
    depth: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Raw(Vec<u8>),
    /// Identifier byte, and how many bytes the length takes if not as few as can be.
    Constructed(u8, Option<u8>),
    Primitive(u8, Option<u8>, Vec<u8>),
}

impl Line {
    fn parse(text: &str) -> Result<Self, String> {
        let mut chars = text.chars();
        let from = chars.next().and_then(Side::of).ok_or("neither > nor <")?;
        let rest = chars.as_str().strip_prefix(' ').unwrap_or(chars.as_str());
        let depth = (rest.len() - rest.trim_start().len()) / 2;
        let (tag, content) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        if tag == "raw" {
            return Ok(Self { from, depth, what: What::Raw(unhex(content)?) });
        }
        let (tag, long) = match tag.split_once(':') {
            Some((tag, long)) => {
                (tag, Some(long.parse().map_err(|_| format!("no length of lengths: {long}"))?))
            }
            None => (tag, None),
        };
        let tag = u8::from_str_radix(tag, 16).map_err(|error| format!("{tag}: {error}"))?;
        let content = content.trim_start();
        let what = if let Some(quoted) = content.strip_prefix('"') {
            let quoted = quoted.strip_suffix('"').ok_or("a text without an end")?;
            What::Primitive(tag, long, unescaped(quoted).into_bytes())
        } else if content.is_empty() || content.starts_with('#') {
            What::Constructed(tag, long)
        } else {
            What::Primitive(tag, long, unhex(content)?)
        };
        Ok(Self { from, depth, what })
    }
}

fn unescaped(quoted: &str) -> String {
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

/// Takes one element and what is nested in it from the front of `lines`.
fn encode(lines: &mut &[Line]) -> Vec<u8> {
    let (first, rest) = lines.split_first().expect("a line");
    *lines = rest;
    let (tag, long, content) = match &first.what {
        What::Raw(bytes) => return bytes.clone(),
        What::Primitive(tag, long, content) => (*tag, *long, content.clone()),
        What::Constructed(tag, long) => {
            let mut content = Vec::new();
            while lines.first().is_some_and(|next| next.from == first.from && next.depth > first.depth) {
                content.extend(encode(lines));
            }
            (*tag, *long, content)
        }
    };
    let mut bytes = vec![tag];
    bytes.extend(length(content.len(), long));
    bytes.extend(content);
    bytes
}

/// In `long` bytes, or in as few as it takes.
fn length(size: usize, long: Option<u8>) -> Vec<u8> {
    let digits = size.to_be_bytes();
    let needed = digits.iter().skip_while(|&&byte| byte == 0).count();
    match long {
        None if size < 0x80 => vec![u8::try_from(size).expect("a small number")],
        _ => {
            let count = long.map_or(needed, usize::from).max(needed);
            let first = 0x80 | u8::try_from(count).expect("eight at most");
            [&[first], &digits[digits.len() - count..]].concat()
        }
    }
}

/// One element as it stands, with its length in the form it has.
struct Element {
    tag: u8,
    long: Option<u8>,
    content: Content,
}

enum Content {
    Primitive(Vec<u8>),
    Constructed(Vec<Element>),
}

struct Header {
    own: usize,
    content: usize,
    /// Bytes of the length behind its first, if there are more than needed.
    long: Option<u8>,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let (&tag, &first) = (bytes.first()?, bytes.get(1)?);
    if tag & 0x1f == 0x1f {
        return None;
    }
    if first < 0x80 {
        return Some(Header { own: 2, content: usize::from(first), long: None });
    }
    let count = first & 0x7f;
    if !(1..=8).contains(&count) {
        return None;
    }
    let digits = bytes.get(2..2 + usize::from(count))?;
    let content = digits.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let content = usize::try_from(content).ok()?;
    let is_shortest = length(content, None).len() == 1 + usize::from(count);
    Some(Header { own: 2 + usize::from(count), content, long: (!is_shortest).then_some(count) })
}

/// `None`: not a row of whole elements.
fn elements(mut bytes: &[u8]) -> Option<Vec<Element>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Header { own, content, long } = header(bytes)?;
        let (tag, whole) = (bytes[0], bytes.get(own..own.checked_add(content)?)?);
        let content = if tag & 0x20 == 0 {
            Content::Primitive(whole.to_vec())
        } else {
            Content::Constructed(elements(whole)?)
        };
        bytes = &bytes[own + whole.len()..];
        found.push(Element { tag, long, content });
    }
    Some(found)
}

fn render(elements: &[Element], from: Side, depth: usize, comment: &str, to: &mut String) {
    for Element { tag, long, content } in elements {
        let long = long.map(|count| format!(":{count}")).unwrap_or_default();
        write!(to, "{} {:depth$}{tag:02x}{long}", from.mark(), "", depth = depth * 2)
            .expect("writing to a string");
        match content {
            Content::Constructed(inner) => {
                to.push_str(comment);
                to.push('\n');
                render(inner, from, depth + 1, "", to);
            }
            Content::Primitive(bytes) => {
                to.push(' ');
                to.push_str(&shown(*tag, bytes));
                to.push('\n');
            }
        }
    }
}

/// Numbers are bytes; what can be read is text.
fn shown(tag: u8, bytes: &[u8]) -> String {
    let is_number = matches!(tag, 0x01 | 0x02 | 0x0a);
    let text = str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    match text {
        Some(text) if !is_number => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ if bytes.is_empty() => "\"\"".to_owned(),
        _ => hex(bytes),
    }
}

/// Of the operation (RFC 4511, appendix B).
fn name(message: &[Element]) -> &'static str {
    let Some(Element { content: Content::Constructed(parts), .. }) = message.first() else { return "?" };
    match parts.get(1).map(|operation| operation.tag) {
        Some(0x60) => "BindRequest",
        Some(0x61) => "BindResponse",
        Some(0x42) => "UnbindRequest",
        Some(0x63) => "SearchRequest",
        Some(0x64) => "SearchResultEntry",
        Some(0x65) => "SearchResultDone",
        Some(0x66) => "ModifyRequest",
        Some(0x67) => "ModifyResponse",
        Some(0x68) => "AddRequest",
        Some(0x69) => "AddResponse",
        Some(0x50) => "AbandonRequest",
        Some(0x73) => "SearchResultReference",
        Some(0x77) => "ExtendedRequest",
        Some(0x78) => "ExtendedResponse",
        Some(0x79) => "IntermediateResponse",
        Some(_) => "another operation",
        None => "?",
    }
}

/// A simple bind (RFC 4511, section 4.2) with the password left out.
fn without_password(bytes: Vec<u8>) -> Vec<u8> {
    let Some(mut message) = elements(&bytes) else { return bytes };
    let Some(Element { content: Content::Constructed(parts), .. }) = message.first_mut() else {
        return bytes;
    };
    let Some(Element { tag: 0x60, content: Content::Constructed(bind), .. }) = parts.get_mut(1) else {
        return bytes;
    };
    for part in bind {
        if let Element { tag: 0x80, content: Content::Primitive(password), .. } = part
            && !password.is_empty()
        {
            *password = NOT_RECORDED.to_vec();
        }
    }
    message.iter().flat_map(written).collect()
}

fn written(element: &Element) -> Vec<u8> {
    let content = match &element.content {
        Content::Primitive(bytes) => bytes.clone(),
        Content::Constructed(inner) => inner.iter().flat_map(written).collect(),
    };
    [vec![element.tag], length(content.len(), element.long), content].concat()
}

#[test]
fn what_is_rendered_is_read_again() {
    let windows = [0x30, 0x84, 0, 0, 0, 5, 2, 1, 7, 0x42, 0];
    let bind = b"\x30\x14\x02\x01\x01\x60\x0f\x02\x01\x03\x04\x04cn=a\x80\x04pass";
    let quoted = b"\x30\x0b\x02\x01\x02\x64\x06\x04\x04\"\\\xc3\xa9";
    let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
    let passed = [
        (Side::Client, bind[..5].to_vec()),
        (Side::Server, windows.to_vec()),
        (Side::Client, bind[5..].to_vec()),
        (Side::Server, [&quoted[..], &long].concat()),
        (Side::Server, b"garbage".to_vec()),
    ];
    let recording = Recording::of("a title\nof two lines", passed);
    let text = recording.render();
    assert_eq!(Recording::parse(&text), recording, "{text}");
    let servers: Vec<u8> =
        recording.messages.iter().filter(|m| m.from == Side::Server).flat_map(|m| m.bytes.clone()).collect();
    assert_eq!(servers, [&windows[..], quoted, &long, b"garbage"].concat());
    assert!(text.contains("< 30:4  # UnbindRequest\n<   02 07\n"), "{text}");
    assert!(text.contains("80 \"(not recorded)\"") && !text.contains("pass\""), "{text}");
    assert!(text.contains("< raw 67617262616765"), "{text}");
}
