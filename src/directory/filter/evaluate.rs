//! Three-valued logic over the values of an entry (RFC 4511, section 4.5.1.7).

use std::cmp::Ordering;

use super::{Assertion, Node, Substrings, Test, Values, integer_of, is_integer, name_of};
use crate::directory::{attribute::AttributeName, text};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    False,
    Undefined,
    True,
}

pub fn matches(node: &Node, values: &impl Values) -> bool {
    evaluate(node, values) == Truth::True
}

fn evaluate(node: &Node, values: &impl Values) -> Truth {
    match node {
        Node::And(nodes) => all(nodes.iter().map(|node| evaluate(node, values))),
        Node::Or(nodes) => any(nodes.iter().map(|node| evaluate(node, values))),
        Node::Not(node) => evaluate(node, values).negated(),
        Node::Item(name, test) => any(values.values_of(name).map(|value| test.holds(name, &value))),
    }
}

/// True for nothing at all (RFC 4526).
fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    any(truths.map(Truth::negated)).negated()
}

/// False for nothing at all (RFC 4526).
fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut sum = Truth::False;
    for truth in truths {
        match truth {
            Truth::True => return Truth::True,
            Truth::Undefined => sum = Truth::Undefined,
            Truth::False => {}
        }
    }
    sum
}

impl Truth {
    fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::Undefined => Self::Undefined,
            Self::False => Self::True,
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

impl From<Option<bool>> for Truth {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Undefined, Self::from)
    }
}

impl Test {
    fn holds(&self, name: &AttributeName, value: &[u8]) -> Truth {
        match self {
            Self::Present => Truth::True,
            Self::Equal(assertion) => equal(name, value, assertion).into(),
            Self::AtLeast(assertion) => compare(value, assertion).map(Ordering::is_ge).into(),
            Self::AtMost(assertion) => compare(value, assertion).map(Ordering::is_le).into(),
            Self::Substrings(pieces) => contains(value, pieces).into(),
            Self::AllBits(bits) => bits_of(value).map(|value| value & bits == *bits).into(),
            Self::AnyBits(bits) => bits_of(value).map(|value| value & bits != 0).into(),
        }
    }
}

fn equal(name: &AttributeName, value: &[u8], assertion: &Assertion) -> bool {
    if assertion.name.is_some()
        && let Some(key) = std::str::from_utf8(value).ok().and_then(|value| name_of(name, value))
    {
        return Some(key) == assertion.name;
    }
    if is_integer(name)
        && let (Some(value), Some(asserted)) = (integer_of(value), assertion.integer)
    {
        return value == asserted;
    }
    match &assertion.folded {
        Some(folded) => text::folds_to(value, folded),
        None => value == assertion.octets,
    }
}

/// By number where both are numbers, else by folded text. `None`: octets that are no text have no order.
fn compare(value: &[u8], assertion: &Assertion) -> Option<Ordering> {
    if let (Some(value), Some(bound)) = (integer_of(value), assertion.integer) {
        return Some(value.cmp(&bound));
    }
    let folded = text::fold(std::str::from_utf8(value).ok()?);
    Some(folded.as_str().cmp(assertion.folded.as_deref()?))
}

fn contains(value: &[u8], pieces: &Substrings) -> Option<bool> {
    let folded = text::fold(std::str::from_utf8(value).ok()?);
    Some(strip(&folded, pieces).is_some())
}

/// What is left when all pieces were found in their order.
fn strip<'a>(folded: &'a str, pieces: &Substrings) -> Option<&'a str> {
    let mut rest = folded;
    if let Some(piece) = &pieces.initial {
        rest = rest.strip_prefix(piece.folded.trim_start())?;
    }
    if let Some(piece) = &pieces.last {
        rest = rest.strip_suffix(piece.folded.trim_end())?;
    }
    for piece in &pieces.any {
        (_, rest) = rest.split_once(piece.folded.as_str())?;
    }
    Some(rest)
}

fn bits_of(value: &[u8]) -> Option<i64> {
    integer_of(value)?.try_into().ok()
}
