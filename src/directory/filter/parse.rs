//! Reading RFC 4515.

use std::borrow::Cow;

use super::{Assertion, FilterError, MAX_NESTING, Node, Piece, Substrings, Test};
use crate::directory::{
    attribute::{AttributeName, is_sensitive},
    text,
};

pub const RULE_ALL_BITS: &str = "1.2.840.113556.1.4.803";
pub const RULE_ANY_BITS: &str = "1.2.840.113556.1.4.804";

/// The longest filter that is read, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

type Parsed<T> = Result<T, FilterError>;

pub fn filter(text: &str) -> Parsed<Node> {
    let mut reader = Reader { text, at: 0 };
    if text.len() > MAX_LENGTH {
        return Err(reader.error("longer than 64 KB"));
    }
    reader.skip_space();
    let node = reader.node(1)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("expected nothing more after the last )")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn node(&mut self, depth: usize) -> Parsed<Node> {
        self.expect(b'(', "expected (")?;
        if depth > MAX_NESTING {
            return Err(self.error("nested more than 64 deep"));
        }
        self.skip_space();
        let node = match self.peek() {
            Some(b'&') => Node::And(self.list(depth)?),
            Some(b'|') => Node::Or(self.list(depth)?),
            Some(b'!') => {
                self.at += 1;
                self.skip_space();
                let node = self.node(depth + 1)?;
                self.skip_space();
                Node::Not(Box::new(node))
            }
            _ => self.item()?,
        };
        self.expect(b')', "expected )")?;
        Ok(node)
    }

    /// Reads the operator and what it holds, up to the closing parenthesis.
    fn list(&mut self, depth: usize) -> Parsed<Vec<Node>> {
        self.at += 1;
        let mut nodes = Vec::new();
        loop {
            self.skip_space();
            if self.peek() != Some(b'(') {
                return Ok(nodes);
            }
            nodes.push(self.node(depth + 1)?);
        }
    }

    fn item(&mut self) -> Parsed<Node> {
        let attribute = self.attribute()?;
        let test = match (self.peek(), self.byte(self.at + 1)) {
            (Some(b'='), _) => {
                self.at += 1;
                self.equality(&attribute)?
            }
            (Some(b'~'), Some(b'=')) => Test::Equal(self.assertion(&attribute, 2)?),
            (Some(b'>'), Some(b'=')) => Test::AtLeast(self.assertion(&attribute, 2)?),
            (Some(b'<'), Some(b'=')) => Test::AtMost(self.assertion(&attribute, 2)?),
            (Some(b':'), _) => self.extensible()?,
            _ => return Err(self.error("expected =, ~=, >=, <= or a rule after the attribute")),
        };
        Ok(Node::Item(attribute, test))
    }

    /// RFC 4512, section 2.5. Also what some servers allow: underscores.
    fn attribute(&mut self) -> Parsed<AttributeName> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b';'))
        {
            self.at += 1;
        }
        let written = self.slice(start);
        let name = AttributeName::new(written);
        if is_sensitive(&name) {
            return Err(error(start, format!("{written} holds secrets and is never read")));
        }
        match written.bytes().next() {
            Some(first) if first.is_ascii_alphabetic() => Ok(name),
            Some(first) if first.is_ascii_digit() => {
                Err(error(start, "an attribute is written by its name here, not by its number"))
            }
            _ => Err(error(start, "expected an attribute")),
        }
    }

    fn assertion(&mut self, attribute: &AttributeName, operator: usize) -> Parsed<Assertion> {
        self.at += operator;
        let octets = self.value()?;
        if self.peek() == Some(b'*') {
            return Err(self.error("a * stands only after =; as a character it is written \\2a"));
        }
        Ok(Assertion::new(attribute, octets))
    }

    /// Equality, presence or substrings.
    fn equality(&mut self, attribute: &AttributeName) -> Parsed<Test> {
        let first = (self.at, self.value()?);
        let mut further = Vec::new();
        while self.peek() == Some(b'*') {
            self.at += 1;
            further.push((self.at, self.value()?));
        }
        match further.pop() {
            None => Ok(Test::Equal(Assertion::new(attribute, first.1))),
            Some(last) => substrings(first, further, last),
        }
    }

    /// `:rule:=value`, of which only the bit rules can be evaluated here.
    fn extensible(&mut self) -> Parsed<Test> {
        let start = self.at;
        while self.peek().is_some_and(|byte| !matches!(byte, b'=' | b'(' | b')')) {
            self.at += 1;
        }
        let rule = self.slice(start);
        self.expect(b'=', "expected := after the rule")?;
        let value_at = self.at;
        let value = self.value()?;
        let test = match rule.strip_prefix(':').and_then(|rule| rule.strip_suffix(':')) {
            Some(RULE_ALL_BITS) => Test::AllBits,
            Some(RULE_ANY_BITS) => Test::AnyBits,
            _ => {
                let reason =
                    format!("of all extensible matches only {RULE_ALL_BITS} and {RULE_ANY_BITS} are known");
                return Err(error(start, reason));
            }
        };
        let bits = std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok());
        bits.map(test).ok_or_else(|| error(value_at, "expected a whole number of at most 64 bits"))
    }

    /// Up to `*` or a parenthesis, escapes resolved.
    fn value(&mut self) -> Parsed<Vec<u8>> {
        let mut octets = Vec::new();
        loop {
            match self.peek() {
                None | Some(b')' | b'*') => return Ok(octets),
                Some(b'(') => return Err(self.error("a ( inside a value is written \\28")),
                Some(0) => return Err(self.error("a NUL inside a value is written \\00")),
                Some(b'\\') => octets.push(self.escape()?),
                Some(byte) => {
                    self.at += 1;
                    octets.push(byte);
                }
            }
        }
    }

    fn escape(&mut self) -> Parsed<u8> {
        let digits = self.text.get(self.at + 1..self.at + 3).filter(|digits| !digits.starts_with('+'));
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let octet = octet.ok_or_else(|| self.error("expected two hexadecimal digits after \\"))?;
        self.at += 3;
        Ok(octet)
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Parsed<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(reason));
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.byte(self.at)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).expect("tokens begin and end at ASCII characters")
    }

    fn error(&self, reason: &'static str) -> FilterError {
        error(self.at, reason)
    }
}

type Written = (usize, Vec<u8>);

/// An empty piece says nothing; nothing but empty pieces is presence.
fn substrings(first: Written, between: Vec<Written>, last: Written) -> Parsed<Test> {
    let initial = piece(first)?;
    let any =
        between.into_iter().filter_map(|written| piece(written).transpose()).collect::<Parsed<Vec<_>>>()?;
    let last = piece(last)?;
    if initial.is_none() && any.is_empty() && last.is_none() {
        return Ok(Test::Present);
    }
    Ok(Test::Substrings(Substrings { initial, any, last }))
}

fn piece((offset, octets): Written) -> Parsed<Option<Piece>> {
    let text = String::from_utf8(octets).map_err(|_| error(offset, "a part beside * that is no UTF-8"))?;
    let folded = text::fold_piece(&text);
    Ok((!text.is_empty()).then_some(Piece { text, folded }))
}

fn error(offset: usize, reason: impl Into<Cow<'static, str>>) -> FilterError {
    FilterError { reason: reason.into(), offset }
}
