//! The normalised text of a filter.

use std::fmt::{self, Write as _};

use super::{Filter, Node, Piece, Substrings, Test, parse};

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        match self {
            Self::And(nodes) => write_all(f, '&', nodes)?,
            Self::Or(nodes) => write_all(f, '|', nodes)?,
            Self::Not(node) => write!(f, "!{node}")?,
            Self::Item(name, test) => write!(f, "{name}{test}")?,
        }
        f.write_char(')')
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("=*"),
            Self::Equal(assertion) => write_value(f, "=", &assertion.octets),
            Self::AtLeast(assertion) => write_value(f, ">=", &assertion.octets),
            Self::AtMost(assertion) => write_value(f, "<=", &assertion.octets),
            Self::Substrings(pieces) => pieces.fmt(f),
            Self::AllBits(bits) => write!(f, ":{}:={bits}", parse::RULE_ALL_BITS),
            Self::AnyBits(bits) => write!(f, ":{}:={bits}", parse::RULE_ANY_BITS),
        }
    }
}

impl fmt::Display for Substrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_value(f, "=", text_of(self.initial.as_ref()))?;
        f.write_char('*')?;
        for piece in &self.any {
            write_value(f, "", piece.text.as_bytes())?;
            f.write_char('*')?;
        }
        write_value(f, "", text_of(self.last.as_ref()))
    }
}

fn text_of(piece: Option<&Piece>) -> &[u8] {
    piece.map_or(b"", |piece| piece.text.as_bytes())
}

fn write_all(f: &mut fmt::Formatter<'_>, operator: char, nodes: &[Node]) -> fmt::Result {
    f.write_char(operator)?;
    nodes.iter().try_for_each(|node| write!(f, "{node}"))
}

/// RFC 4515, section 3: `*`, parentheses, backslash and NUL are escaped, and so is what is no UTF-8.
fn write_value(f: &mut fmt::Formatter<'_>, before: &str, octets: &[u8]) -> fmt::Result {
    f.write_str(before)?;
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '*' | '(' | ')' | '\\' | '\0'..='\u{1f}' | '\u{7f}' => write!(f, "\\{:02x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        chunk.invalid().iter().try_for_each(|octet| write!(f, "\\{octet:02x}"))?;
    }
    Ok(())
}
