//! Reading the text of a DN pair by pair, and writing a value back.

use std::{borrow::Cow, fmt::Write as _};

use super::{DnError, MAX_LENGTH};

/// One `type=value` as written.
pub struct Pair<'a> {
    /// Without `oid.`, case as written.
    pub attribute: &'a str,
    pub value: Value<'a>,
    /// Where the type begins and the value ends, spaces around not counted.
    pub start: usize,
    pub end: usize,
    /// Whether the next pair, if any, belongs to another RDN.
    pub ends_rdn: bool,
}

/// How a value is written (RFC 4514, section 2.4; RFC 2253, section 4 for the quoted form).
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Stands for itself.
    Plain(&'a str),
    /// With backslash escapes; a quoted value without its quotes.
    Escaped(&'a str),
    /// The BER encoding in hexadecimal, without the `#`.
    Hex(&'a str),
}

/// What a value says, however it is written.
pub enum Meaning<'a> {
    Text(Cow<'a, str>),
    /// Octets that are no UTF-8.
    Octets(Vec<u8>),
    /// The BER encoding of something that is no string.
    Ber(Vec<u8>),
}

/// The pairs of a DN from left to right. Ends after the first error.
pub struct Pairs<'a> {
    text: &'a str,
    at: usize,
    more: bool,
}

/// Checks the whole text.
pub fn validate(text: &str) -> Result<(), DnError> {
    if text.len() > MAX_LENGTH {
        return Err(DnError { reason: "longer than 64 KB", offset: MAX_LENGTH });
    }
    Pairs::new(text).try_for_each(|pair| pair.map(drop))
}

impl<'a> Pairs<'a> {
    pub fn new(text: &'a str) -> Self {
        let more = text.bytes().any(|byte| byte != b' ');
        Self { text, at: 0, more }
    }

    fn pair(&mut self) -> Result<Pair<'a>, DnError> {
        self.skip_spaces();
        let start = self.at;
        let attribute = self.attribute()?;
        self.skip_spaces();
        if self.peek() != Some(b'=') {
            return Err(self.error("expected = after an attribute type"));
        }
        self.at += 1;
        self.skip_spaces();
        let value = match self.peek() {
            Some(b'#') => self.hex()?,
            Some(b'"') => self.quoted()?,
            _ => self.string()?,
        };
        let end = self.at;
        self.skip_spaces();
        self.more = true;
        let ends_rdn = match self.peek() {
            None => {
                self.more = false;
                true
            }
            Some(b',' | b';') => true,
            Some(b'+') => false,
            Some(_) => return Err(self.error("expected , or + after a value")),
        };
        self.at += 1;
        Ok(Pair { attribute, value, start, end, ends_rdn })
    }

    /// RFC 4512, section 1.4: a short name or a numeric OID.
    fn attribute(&mut self) -> Result<&'a str, DnError> {
        let prefixed = self.text.get(self.at..self.at + 4).is_some_and(|p| p.eq_ignore_ascii_case("oid."));
        if prefixed && self.byte(self.at + 4).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 4;
        }
        let start = self.at;
        match self.peek() {
            Some(byte) if byte.is_ascii_alphabetic() => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            }
            Some(byte) if byte.is_ascii_digit() => self.numeric_oid()?,
            _ => return Err(self.error("expected an attribute type")),
        }
        Ok(self.slice(start, self.at))
    }

    fn numeric_oid(&mut self) -> Result<(), DnError> {
        loop {
            let start = self.at;
            self.skip_while(|byte| byte.is_ascii_digit());
            if self.at == start {
                return Err(self.error("expected a number in an object identifier"));
            }
            if self.peek() != Some(b'.') {
                return Ok(());
            }
            self.at += 1;
        }
    }

    fn hex(&mut self) -> Result<Value<'a>, DnError> {
        self.at += 1;
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_hexdigit());
        let digits = self.slice(start, self.at);
        if digits.is_empty() || !digits.len().is_multiple_of(2) {
            return Err(self.error("expected pairs of hexadecimal digits after #"));
        }
        Ok(Value::Hex(digits))
    }

    fn quoted(&mut self) -> Result<Value<'a>, DnError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err(self.error("a quoted value does not end")),
                Some(b'"') => break,
                Some(b'\\') => self.skip_escape()?,
                Some(0) => return Err(self.error("a NUL that is not escaped")),
                Some(_) => self.at += 1,
            }
        }
        let value = Value::Escaped(self.slice(start, self.at));
        self.at += 1;
        Ok(value)
    }

    /// Leaves `at` behind the last character that counts.
    fn string(&mut self) -> Result<Value<'a>, DnError> {
        let start = self.at;
        let mut end = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                None | Some(b',' | b';' | b'+') => break,
                Some(b'"') => return Err(self.error("a quote inside a value that is not escaped")),
                Some(0) => return Err(self.error("a NUL that is not escaped")),
                Some(b'\\') => {
                    self.skip_escape()?;
                    escaped = true;
                    end = self.at;
                }
                Some(b' ') => self.at += 1,
                Some(_) => {
                    self.at += 1;
                    end = self.at;
                }
            }
        }
        self.at = end;
        let value = self.slice(start, end);
        Ok(if escaped { Value::Escaped(value) } else { Value::Plain(value) })
    }

    /// RFC 4514, section 3 (pair). Any punctuation is taken, as some writers escape more than they must.
    fn skip_escape(&mut self) -> Result<(), DnError> {
        let (first, second) = (self.byte(self.at + 1), self.byte(self.at + 2));
        let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        if is_hex(first) && is_hex(second) {
            self.at += 3;
            return Ok(());
        }
        if first.is_some_and(|byte| byte == b' ' || byte.is_ascii_punctuation()) {
            self.at += 2;
            return Ok(());
        }
        Err(self.error("a backslash that escapes nothing"))
    }

    fn skip_spaces(&mut self) {
        self.skip_while(|byte| byte == b' ');
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).expect("tokens begin and end at ASCII characters")
    }

    fn error(&self, reason: &'static str) -> DnError {
        DnError { reason, offset: self.at }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, DnError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.more {
            return None;
        }
        let pair = self.pair();
        self.more &= pair.is_ok();
        Some(pair)
    }
}

impl<'a> Value<'a> {
    pub fn meaning(self) -> Meaning<'a> {
        match self {
            Self::Plain(text) => Meaning::Text(text.into()),
            Self::Escaped(text) => from_octets(unescape(text)),
            Self::Hex(digits) => {
                let ber = from_hex(digits);
                match ber_string(&ber) {
                    Some(octets) => from_octets(octets.to_vec()),
                    None => Meaning::Ber(ber),
                }
            }
        }
    }

    /// For a person.
    pub fn to_text(self) -> String {
        match self.meaning() {
            Meaning::Text(text) => text.into_owned(),
            Meaning::Octets(octets) => String::from_utf8_lossy(&octets).into_owned(),
            Meaning::Ber(ber) => format!("#{}", to_hex(&ber)),
        }
    }
}

/// A value so that it reads back as itself (RFC 4514, section 2.4). Control characters become pairs of
/// digits, so that a log line stays one line.
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', c]),
            ' ' if index == 0 || index == last => escaped.push_str("\\ "),
            '#' if index == 0 => escaped.push_str("\\#"),
            '\0'..='\u{1f}' | '\u{7f}' => push_pair(c as u8, &mut escaped),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// RFC 4514, section 3 (hexpair, with its backslash).
pub fn push_pair(octet: u8, escaped: &mut String) {
    write!(escaped, "\\{octet:02x}").expect("a string takes everything");
}

pub fn to_hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut digits, octet| {
        write!(digits, "{octet:02x}").expect("a string takes everything");
        digits
    })
}

fn from_octets(octets: Vec<u8>) -> Meaning<'static> {
    match String::from_utf8(octets) {
        Ok(text) => Meaning::Text(text.into()),
        Err(error) => Meaning::Octets(error.into_bytes()),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        let [first, second @ ..] = after else { break };
        if let (Some(high), Some(low)) = (hex_digit(*first), second.first().copied().and_then(hex_digit)) {
            octets.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            octets.push(*first);
            rest = second;
        }
    }
    octets
}

fn from_hex(digits: &str) -> Vec<u8> {
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    pairs.iter().filter_map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The contents of a primitive octet string or of one of the string types whose octets are UTF-8 or ASCII
/// (X.690, section 8.7 and 8.23); `None` for everything else.
fn ber_string(ber: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = ber.split_first()?;
    if !matches!(tag, 0x04 | 0x0c | 0x12 | 0x13 | 0x16 | 0x1a) {
        return None;
    }
    let (length, contents) = rest.split_first()?;
    if *length < 0x80 {
        return (contents.len() == usize::from(*length)).then_some(contents);
    }
    let (length, contents) = contents.split_at_checked(usize::from(length & 0x7f))?;
    let length =
        length.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?;
    (contents.len() == length).then_some(contents)
}
