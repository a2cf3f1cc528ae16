//! Reading BER (X.690) as LDAP restricts it (RFC 4511, section 5.1): definite lengths, tag numbers below 31.
//! Lengths need not be minimal: Windows writes `30 84 00 00 00 nn`.

/// Tags as they stand in the first byte: class, constructed bit, number.
pub mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const ENUMERATED: u8 = 0x0a;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
}

const CONSTRUCTED: u8 = 0x20;
const NUMBER: u8 = 0x1f;
/// A length of lengths beyond this cannot be a length below any of our limits, but for leading zeros.
const MAX_LENGTH_BYTES: usize = 8;

/// Bytes that are no well-formed LDAP, with what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed LDAP message: {0}")]
pub struct Malformed(pub &'static str);

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The whole identifier byte.
    pub tag: u8,
    /// Without identifier and length.
    pub content: &'a [u8],
}

impl Element<'_> {
    /// Whether the content is elements again.
    pub fn is_constructed(&self) -> bool {
        self.tag & CONSTRUCTED != 0
    }

    /// The tag number whatever the class: all that ldap3 looks at in some places.
    pub fn number(&self) -> u8 {
        self.tag & NUMBER
    }
}

/// Identifier and length of an element whose content may not be here yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The whole identifier byte.
    pub tag: u8,
    /// Bytes of identifier and length.
    pub own: usize,
    /// Bytes of content.
    pub content: usize,
}

impl Header {
    /// `None`: more bytes are needed to tell.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some((&tag, rest)) = bytes.split_first() else { return Ok(None) };
        if tag & NUMBER == NUMBER {
            return Err(Malformed("a tag number above 30"));
        }
        let Some((&first, rest)) = rest.split_first() else { return Ok(None) };
        if first < 0x80 {
            return Ok(Some(Self { tag, own: 2, content: usize::from(first) }));
        }
        let count = usize::from(first & 0x7f);
        if count == 0 {
            return Err(Malformed("an indefinite length"));
        }
        if count > MAX_LENGTH_BYTES {
            return Err(Malformed("a length of more than eight bytes"));
        }
        let Some(length) = rest.get(..count) else { return Ok(None) };
        let length = length.iter().fold(0_u64, |length, &byte| (length << 8) | u64::from(byte));
        let content = usize::try_from(length).map_err(|_| Malformed("a length beyond all memory"))?;
        Ok(Some(Self { tag, own: 2 + count, content }))
    }

    /// Bytes of the whole element.
    pub fn total(self) -> usize {
        self.own.saturating_add(self.content)
    }
}

/// Reads the elements of one constructed element in turn.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over the content of a constructed element.
    pub fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// The next element; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let header = Header::read(self.rest)?.ok_or(CUT_SHORT)?;
        let content = self.rest.get(header.own..header.total()).ok_or(CUT_SHORT)?;
        self.rest = self.rest.get(header.total()..).ok_or(CUT_SHORT)?;
        Ok(Some(Element { tag: header.tag, content }))
    }

    /// The content of the next element, which must carry `tag`.
    pub fn expect(&mut self, tag: u8, otherwise: &'static str) -> Result<&'a [u8], Malformed> {
        self.optional(tag)?.ok_or(Malformed(otherwise))
    }

    /// The content of the next element if it carries `tag`; otherwise it is left for the next call.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        let mut ahead = *self;
        match ahead.next()? {
            Some(element) if element.tag == tag => {
                *self = ahead;
                Ok(Some(element.content))
            }
            _ => Ok(None),
        }
    }

    /// Nothing may follow.
    pub fn end(mut self) -> Result<(), Malformed> {
        match self.next()? {
            None => Ok(()),
            Some(_) => Err(Malformed("an element too many")),
        }
    }
}

const CUT_SHORT: Malformed = Malformed("an element longer than what holds it");

/// A non-negative INTEGER or ENUMERATED of at most four bytes, which is all that LDAP has.
pub fn unsigned(content: &[u8]) -> Result<u32, Malformed> {
    let Some(first) = content.first().filter(|_| content.len() <= 4) else {
        return Err(Malformed("a number of no or more than four bytes"));
    };
    if first & 0x80 != 0 {
        return Err(Malformed("a negative number"));
    }
    Ok(content.iter().fold(0_u32, |number, &byte| (number << 8) | u32::from(byte)))
}

/// A BOOLEAN; any value but 0 is true.
pub fn boolean(content: &[u8]) -> Result<bool, Malformed> {
    match content {
        [byte] => Ok(*byte != 0),
        _ => Err(Malformed("a boolean that is not one byte")),
    }
}

/// How deep and how many elements a message may nest: the parser behind the guard recurses and allocates.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Levels of constructed elements below this one.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
}

impl Budget {
    /// Checks that all of a constructed element's content is well-formed, down to the leaves.
    pub fn spend(&mut self, content: &[u8]) -> Result<(), Malformed> {
        self.depth = self.depth.checked_sub(1).ok_or(Malformed("nested too deeply"))?;
        let mut reader = Reader::new(content);
        while let Some(element) = reader.next()? {
            self.elements = self.elements.checked_sub(1).ok_or(Malformed("too many elements"))?;
            if element.is_constructed() {
                self.spend(element.content)?;
            }
        }
        self.depth += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_need_not_be_minimal() {
        let check = |bytes: &[u8], expected: Result<Option<(usize, usize)>, Malformed>| {
            assert_eq!(Header::read(bytes).map(|h| h.map(|h| (h.own, h.content))), expected, "{bytes:02x?}");
        };
        check(&[0x30, 0x05], Ok(Some((2, 5))));
        check(&[0x30, 0x84, 0, 0, 0, 5], Ok(Some((6, 5))));
        check(&[0x30, 0x88, 0, 0, 0, 0, 0, 0, 1, 0], Ok(Some((10, 256))));
        check(&[], Ok(None));
        check(&[0x30], Ok(None));
        check(&[0x30, 0x84, 0, 0, 0], Ok(None));
        check(&[0x30, 0x80], Err(Malformed("an indefinite length")));
        check(&[0x30, 0x89], Err(Malformed("a length of more than eight bytes")));
        check(&[0x3f, 0x01], Err(Malformed("a tag number above 30")));
    }

    #[test]
    fn nesting_and_number_of_elements_are_limited() {
        let nested = |levels: usize| {
            (0..levels).fold(vec![], |inner, _| {
                let mut outer = vec![0x30, u8::try_from(inner.len()).unwrap()];
                outer.extend(inner);
                outer
            })
        };
        let spend = |depth, elements, bytes: &[u8]| Budget { depth, elements }.spend(bytes);
        assert_eq!(spend(11, 100, &nested(10)), Ok(()));
        assert_eq!(spend(10, 100, &nested(10)), Err(Malformed("nested too deeply")));
        assert_eq!(spend(2, 3, &[4, 0, 4, 0, 4, 0]), Ok(()));
        assert_eq!(spend(2, 2, &[4, 0, 4, 0, 4, 0]), Err(Malformed("too many elements")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Budget { depth: 64, elements: 1000 }.spend(&bytes);
        }
    }
}
