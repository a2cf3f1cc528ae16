//! What is done with hostile values: a person, the group they join, its owner, their manager and one more whose
//! address is hostile go through the same changes in each cell, with other values.

use std::collections::BTreeMap;

use dirherald::directory::mail_address::MailAddress;
use serde_json::{Value, json};

use super::{supply::Supply, values::Values};
use crate::support::postfix::Postfix;

pub const BASE: &str = "dc=harbour-vale,dc=example";

/// The people and the group of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Person,
    Owner,
    Manager,
    Group,
    /// Gets an address from somebody with bad intentions.
    Addressee,
}

impl Who {
    pub const ALL: [Self; 5] = [Self::Person, Self::Owner, Self::Manager, Self::Group, Self::Addressee];

    /// Unlike all others.
    pub fn account(self, cell: usize) -> String {
        let letter = match self {
            Self::Person => 'p',
            Self::Owner => 'o',
            Self::Manager => 'm',
            Self::Group => 'g',
            Self::Addressee => 'x',
        };
        format!("{letter}{cell}")
    }

    /// The first part of the DN until it is renamed.
    pub fn rdn(self, cell: usize) -> String {
        match self {
            Self::Group => format!("cn={}", self.account(cell)),
            Self::Person | Self::Owner | Self::Manager | Self::Addressee => {
                format!("uid={}", self.account(cell))
            }
        }
    }

    /// The rest of the DN.
    pub fn place(self) -> &'static str {
        match self {
            Self::Group => "ou=groups",
            Self::Person | Self::Owner | Self::Manager | Self::Addressee => "ou=people",
        }
    }

    /// Beside the hostile value in the first part of a DN, so that no two are alike.
    pub fn mark(self, cell: usize) -> String {
        match self {
            Self::Group => format!("ou={}", self.account(cell)),
            Self::Person | Self::Owner | Self::Manager | Self::Addressee => self.rdn(cell),
        }
    }
}

/// Attributes and their new values.
pub type Replacements = Vec<(&'static str, Vec<Vec<u8>>)>;

/// One change.
#[derive(Debug)]
pub enum Act {
    /// These values and no others.
    Set(Who, Replacements),
    /// To this value, beside the mark.
    Rename(Who, Vec<u8>),
    /// Becomes a member; the manager does it.
    Join(Who),
    /// The group is deleted.
    Dissolve,
}

impl Act {
    /// For a complaint: the beginning of each value.
    pub fn legible(&self) -> String {
        let beginning =
            |value: &Vec<u8>| value.iter().take(60).copied().collect::<Vec<_>>().escape_ascii().to_string();
        match self {
            Self::Set(who, set) => {
                let values = |(name, values): &(&str, Vec<Vec<u8>>)| {
                    format!("{name}: {:#?}", values.iter().map(beginning).collect::<Vec<_>>())
                };
                format!("{who:?} {}", set.iter().map(values).collect::<Vec<_>>().join("\n"))
            }
            Self::Rename(who, value) => format!("{who:?} becomes {}", beginning(value)),
            Self::Join(who) => format!("{who:?} joins"),
            Self::Dissolve => "the group is deleted".to_owned(),
        }
    }
}

/// What sort of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to complain of: what the others are compared with.
    Harmless,
    /// Names in which something can be seen.
    Named,
    /// The same, without a name.
    HarmlessNameless,
    /// Names in which nothing can be seen.
    Nameless,
}

impl Tone {
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Harmless | Self::HarmlessNameless)
    }

    pub fn has_names(self) -> bool {
        matches!(self, Self::Harmless | Self::Named)
    }
}

/// A cell that is filled.
#[derive(Debug)]
pub struct Cell {
    pub number: usize,
    pub tone: Tone,
    pub acts: Vec<Act>,
}

/// The cells that both runs begin with.
pub const REFERENCES: [Tone; 2] = [Tone::Harmless, Tone::HarmlessNameless];

/// How many values of each attribute a change brings: a mail shows ten at the most.
const PERSON: [(&str, usize); 5] =
    [("title", 8), ("businessCategory", 8), ("description", 9), ("l", 7), ("street", 6)];
const GROUP: [(&str, usize); 2] = [("description", 9), ("businessCategory", 8)];

impl Cell {
    pub async fn fill(number: usize, tone: Tone, supply: &mut Supply<'_>) -> Self {
        let mut acts = vec![
            Act::Set(Who::Person, person(tone, supply).await),
            Act::Set(Who::Group, group(tone, supply).await),
        ];
        for who in [Who::Owner, Who::Manager] {
            let name = supply.name(tone).await;
            let titles = supply.texts(tone, 4).await;
            acts.push(Act::Set(who, vec![("displayName", vec![name]), ("title", titles)]));
        }
        acts.push(Act::Rename(Who::Person, supply.rdn(tone).await));
        acts.push(Act::Rename(Who::Group, supply.rdn(tone).await));
        let (name, mail) = (supply.name(tone).await, supply.address(tone, number).await);
        acts.push(Act::Set(Who::Addressee, vec![("displayName", vec![name]), ("mail", vec![mail])]));
        acts.push(Act::Join(Who::Person));
        acts.push(Act::Join(Who::Addressee));
        acts.push(Act::Set(Who::Person, person(tone, supply).await));
        if supply.can_dissolve() {
            acts.push(Act::Dissolve);
        }
        Self { number, tone, acts }
    }

    /// What the reader of the mails has to know of it.
    pub fn expectation(&self) -> Value {
        let mut shown: Vec<(char, String)> = Vec::new();
        for act in &self.acts {
            let (readers, values): (&[char], Vec<&Vec<u8>>) = match act {
                Act::Set(Who::Person, set) => {
                    (&['p', 'm'], set.iter().flat_map(|(_, values)| values).collect())
                }
                Act::Set(Who::Group, set) => (&['o'], set.iter().flat_map(|(_, values)| values).collect()),
                Act::Set(Who::Owner, set) => (&['o'], set.iter().flat_map(|(_, values)| values).collect()),
                Act::Set(Who::Manager, set) => (&['m'], set.iter().flat_map(|(_, values)| values).collect()),
                Act::Set(Who::Addressee, _) | Act::Rename(..) | Act::Join(_) | Act::Dissolve => continue,
            };
            let values = values.into_iter().map(|value| base64(value));
            shown.extend(values.flat_map(|value| readers.iter().map(move |&reader| (reader, value.clone()))));
        }
        let address = |who: Who| json!([format!("{}@{}", who.account(self.number), Postfix::DOMAIN)]);
        json!({
            "number": self.number,
            "harmless": self.tone.is_harmless(),
            "named": self.tone.has_names(),
            "addresses": {
                "p": address(Who::Person),
                "o": address(Who::Owner),
                "m": address(Who::Manager),
                "x": address(Who::Addressee),
                "y": self.new_address().map(|address| address.to_string()).into_iter().collect::<Vec<_>>(),
            },
            "long": self.acts.iter().any(|act| matches!(act, Act::Rename(_, value) if value.len() > 150)),
            "shown": shown,
        })
    }

    /// The hostile one, where it is an address after all.
    pub fn new_address(&self) -> Option<MailAddress> {
        let set = self.acts.iter().find_map(|act| match act {
            Act::Set(Who::Addressee, set) => set.iter().find(|(name, _)| *name == "mail"),
            Act::Set(..) | Act::Rename(..) | Act::Join(_) | Act::Dissolve => None,
        })?;
        std::str::from_utf8(set.1.first()?).ok()?.parse().ok()
    }
}

async fn person(tone: Tone, supply: &mut Supply<'_>) -> Replacements {
    let mut set = vec![("displayName", vec![supply.name(tone).await])];
    for (attribute, count) in PERSON {
        set.push((attribute, supply.texts(tone, count).await));
    }
    set.push(("telephoneNumber", vec![supply.phone(tone).await]));
    set.push(("audio", supply.octets(tone, 4)));
    set
}

async fn group(tone: Tone, supply: &mut Supply<'_>) -> Replacements {
    let mut set = vec![("displayName", vec![supply.name(tone).await])];
    for (attribute, count) in GROUP {
        set.push((attribute, supply.texts(tone, count).await));
    }
    set
}

/// What a cell has before anything happens, and an actor can log in with.
pub fn before(who: Who, cell: usize) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let account = who.account(cell);
    let dn = |who: Who| format!("{},{},{BASE}", who.rdn(cell), who.place());
    let mail = format!("{account}@{}", Postfix::DOMAIN);
    let pairs: Vec<(&'static str, Vec<String>)> = match who {
        Who::Group => vec![
            ("objectClass", vec!["groupOfNames".to_owned(), "dirheraldManaged".to_owned()]),
            ("cn", vec![account.clone()]),
            ("displayName", vec![format!("Group {cell}")]),
            ("member", vec![format!("cn=nobody,{BASE}")]),
            ("owner", vec![dn(Who::Owner)]),
        ],
        Who::Person | Who::Owner | Who::Manager | Who::Addressee => vec![
            ("objectClass", vec!["inetOrgPerson".to_owned(), "dirheraldManaged".to_owned()]),
            ("uid", vec![account.clone()]),
            ("cn", vec![format!("Person {account}")]),
            ("sn", vec!["Person".to_owned()]),
            ("displayName", vec![format!("Person {account}")]),
            ("mail", vec![mail]),
            ("userPassword", vec!["demo-only".to_owned()]),
        ],
    };
    let mut attributes: BTreeMap<_, _> = pairs
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().map(String::into_bytes).collect()))
        .collect();
    if who == Who::Person {
        attributes.insert("manager", vec![dn(Who::Manager).into_bytes()]);
    }
    attributes
}

/// A value as the first part of a DN may hold it: everything but letters and digits in hexadecimal.
pub fn escaped(value: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(*byte).to_string(),
        _ => format!("\\{byte:02x}"),
    };
    value.iter().map(escape).collect()
}

/// One tone of ten is nameless.
pub fn tone(values: &mut Values) -> Tone {
    if values.percent(10) { Tone::Nameless } else { Tone::Named }
}

fn base64(value: &[u8]) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(value)
}
