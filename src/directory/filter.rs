//! Search filters (RFC 4515), evaluated here on what was read or mirrored.

mod display;
mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeSet};

use super::{
    attribute::{AttributeName, RawAttributes},
    dn::{Dn, NameKey},
    mirror::MirroredAttributes,
    stored, text,
};

/// How deep a filter may nest, the outermost parentheses counted.
pub const MAX_NESTING: usize = 64;

/// A checked filter that names no sensitive attribute. Its text form is normalised: attribute names in lower
/// case, no spaces between parentheses, `~=` as `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

/// Why a text is no filter, or none that can be evaluated here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a filter: {reason} at byte {offset}")]
pub struct FilterError {
    /// What is wrong, for a person.
    pub reason: Cow<'static, str>,
    /// Where, counted in bytes from 0.
    pub offset: usize,
}

/// What a filter is evaluated on.
pub trait Values {
    /// The values of `name` as octets; none when the entry does not carry it.
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Item(AttributeName, Test),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Equal(Assertion),
    AtLeast(Assertion),
    AtMost(Assertion),
    Substrings(Substrings),
    /// Rule 1.2.840.113556.1.4.803 ([MS-ADTS] 3.1.1.3.4.4.1).
    AllBits(i64),
    /// Rule 1.2.840.113556.1.4.804 ([MS-ADTS] 3.1.1.3.4.4.2).
    AnyBits(i64),
}

/// A value to compare with, in every form it is compared in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assertion {
    octets: Vec<u8>,
    /// `None`: no UTF-8.
    folded: Option<String>,
    /// Where the attribute holds DNs and this is one.
    name: Option<NameKey>,
    integer: Option<i128>,
}

/// At least one piece, none empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Substrings {
    initial: Option<Piece>,
    any: Vec<Piece>,
    last: Option<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    text: String,
    folded: String,
}

impl Filter {
    /// Reads RFC 4515, with white space between the parentheses allowed. Refused besides what is malformed:
    /// sensitive attributes, attributes by OID, nesting beyond [`MAX_NESTING`], and extensible matches but for
    /// the two bit rules of Active Directory.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::filter(text).map(Self)
    }

    /// RFC 4511, section 4.5.1.7: undefined counts as no match. Every attribute counts as known to the
    /// schema: a comparison with one that the entry does not carry is false, and its negation true.
    pub fn matches(&self, values: &impl Values) -> bool {
        evaluate::matches(&self.0, values)
    }

    /// Whether it asks for the groups that an entry belongs to: see [`WithGroups`].
    pub fn reads_groups(&self) -> bool {
        self.attributes().iter().any(|name| name.as_str() == MEMBER_OF)
    }

    /// All attributes the filter reads.
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        self.0.collect_attributes(&mut names);
        names
    }
}

impl Node {
    fn collect_attributes(&self, names: &mut BTreeSet<AttributeName>) {
        match self {
            Self::And(nodes) | Self::Or(nodes) => {
                for node in nodes {
                    node.collect_attributes(names);
                }
            }
            Self::Not(node) => node.collect_attributes(names),
            Self::Item(name, _) => {
                names.insert(name.clone());
            }
        }
    }
}

impl Assertion {
    fn new(attribute: &AttributeName, octets: Vec<u8>) -> Self {
        let written = std::str::from_utf8(&octets).ok();
        Self {
            folded: written.map(text::fold),
            name: written.and_then(|value| name_of(attribute, value)),
            integer: integer_of(&octets),
            octets,
        }
    }
}

/// The key of the DN in `value`, where `attribute` holds DNs and this is one.
fn name_of(attribute: &AttributeName, value: &str) -> Option<NameKey> {
    match base(attribute) {
        "uniquemember" => Dn::parse_without_uid(value).ok().map(|dn| dn.key()),
        name if DN_VALUED.contains(&name) => Dn::parse(value).ok().map(|dn| dn.key()),
        _ => None,
    }
}

fn integer_of(octets: &[u8]) -> Option<i128> {
    std::str::from_utf8(octets).ok()?.trim().parse().ok()
}

/// Whether the values of `attribute` are INTEGERs (RFC 4517, section 3.3.16): `007` equals `7`.
fn is_integer(attribute: &AttributeName) -> bool {
    INTEGER_VALUED.contains(&base(attribute))
}

/// The name without its options.
fn base(attribute: &AttributeName) -> &str {
    attribute.as_str().split_once(';').map_or(attribute.as_str(), |(base, _)| base)
}

/// The groups that an entry belongs to, lower-case.
pub const MEMBER_OF: &str = "memberof";

/// Lower-case. What the schemas that come with the servers, RFC 2307 and [MS-ADA1..3] call INTEGER,
/// Enumeration or `LargeInteger`.
const INTEGER_VALUED: &[&str] = &[
    "accountexpires",
    "admincount",
    "badpasswordtime",
    "badpwdcount",
    "codepage",
    "countrycode",
    "gidnumber",
    "grouptype",
    "instancetype",
    "ipprotocolnumber",
    "ipserviceport",
    "lastlogon",
    "lastlogontimestamp",
    "lockouttime",
    "logoncount",
    "msds-supportedencryptiontypes",
    "msds-user-account-control-computed",
    "msds-userpasswordexpirytimecomputed",
    "msexchrecipienttypedetails",
    "objectversion",
    "oncrpcnumber",
    "primarygroupid",
    "pwdgraceexpiry",
    "pwdlastset",
    "samaccounttype",
    "shadowexpire",
    "shadowflag",
    "shadowinactive",
    "shadowlastchange",
    "shadowmax",
    "shadowmin",
    "shadowwarning",
    "systemflags",
    "uidnumber",
    "useraccountcontrol",
    "usnchanged",
    "usncreated",
];

/// Lower-case. Their values are compared as names.
const DN_VALUED: &[&str] = &[
    "aliasedobjectname",
    "assistant",
    "creatorsname",
    "directreports",
    "distinguishedname",
    "entrydn",
    "lastknownparent",
    "managedby",
    "managedobjects",
    "manager",
    "member",
    "memberof",
    "modifiersname",
    "msexchcomanagedbylink",
    "objectcategory",
    "owner",
    "pwdpolicysubentry",
    "roleoccupant",
    "secretary",
    "seealso",
];

/// A mirrored entry with the groups that hold it as a direct member. Their DNs are its `memberOf`, whatever
/// the server says under that name: no server reports a changed `memberOf` as a change of the member.
#[derive(Debug, Clone, Copy)]
pub struct WithGroups<'a> {
    /// What is mirrored of the entry itself.
    pub attributes: &'a MirroredAttributes,
    /// In any order.
    pub groups: &'a [Dn],
}

impl Values for WithGroups<'_> {
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let asks_for_groups = name.as_str() == MEMBER_OF;
        let groups = if asks_for_groups { self.groups } else { &[] };
        let own = (!asks_for_groups).then(|| self.attributes.values_of(name));
        groups.iter().map(|dn| Cow::Borrowed(dn.as_str().as_bytes())).chain(own.into_iter().flatten())
    }
}

impl Values for RawAttributes {
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.values(name.as_str()).iter().map(|value| Cow::Borrowed(value.as_slice()))
    }
}

impl Values for MirroredAttributes {
    fn values_of<'a>(&'a self, name: &AttributeName) -> impl Iterator<Item = Cow<'a, [u8]>> {
        self.get(name).into_iter().flatten().map(|value| stored::from_stored(value))
    }
}
