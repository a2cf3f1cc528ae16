//! Values that were read, and how the rest of the configuration takes them.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    connector::settings::ServerUrl,
    directory::{attribute::AttributeName, dn::Dn, filter::Filter, mail_address::MailAddress},
    outbox::settings::Mailbox,
};

/// A value of the type of its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// On or off.
    Bool(bool),
    /// A whole number.
    Count(u32),
    /// Several of them.
    Counts(Vec<u32>),
    /// A duration.
    Length(Duration),
    /// One of the key's words.
    Word(&'static str),
    /// A line.
    Text(String),
    /// Several of them.
    Texts(Vec<String>),
    /// A secret, from wherever it came.
    Secret(SecretText),
    /// A place in the file system.
    Path(PathBuf),
    /// At least one.
    Urls(Vec<ServerUrl>),
    /// A distinguished name.
    Dn(Dn),
    /// Several of them.
    Dns(Vec<Dn>),
    /// The name of an attribute.
    Attribute(AttributeName),
    /// Several of them.
    Attributes(Vec<AttributeName>),
    /// A filter.
    Filter(Filter),
    /// Mail addresses.
    Addresses(Vec<MailAddress>),
    /// A mail address with its name.
    Mailbox(Mailbox),
    /// `None`: the null sender.
    EnvelopeSender(Option<MailAddress>),
    /// A time zone.
    Zone(TimeZone),
    /// How many tables stand there.
    Tables(usize),
}

/// A secret that can be compared with what holds anyway.
#[derive(Debug, Clone)]
pub struct SecretText(pub SecretString);

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// What can be taken out of a [`Typed`].
pub trait FromTyped: Sized {
    /// `None` where the value is of another kind.
    fn from_typed(value: &Typed) -> Option<Self>;
}

macro_rules! from_typed {
    ($($type:ty: $variant:ident;)*) => {
        $(impl FromTyped for $type {
            fn from_typed(value: &Typed) -> Option<Self> {
                if let Typed::$variant(value) = value { Some(value.clone()) } else { None }
            }
        })*
    };
}

from_typed! {
    bool: Bool;
    u32: Count;
    Duration: Length;
    &'static str: Word;
    String: Text;
    Vec<String>: Texts;
    PathBuf: Path;
    Vec<ServerUrl>: Urls;
    Dn: Dn;
    Vec<Dn>: Dns;
    AttributeName: Attribute;
    Vec<AttributeName>: Attributes;
    Filter: Filter;
    Vec<MailAddress>: Addresses;
    Mailbox: Mailbox;
    Option<MailAddress>: EnvelopeSender;
    TimeZone: Zone;
}

/// A duration, or the word that stands for none.
impl FromTyped for Option<Duration> {
    fn from_typed(value: &Typed) -> Option<Self> {
        if let Typed::Length(length) = value {
            return Some(Some(*length));
        }
        matches!(value, Typed::Word(_)).then_some(None)
    }
}

impl FromTyped for SecretString {
    fn from_typed(value: &Typed) -> Option<Self> {
        if let Typed::Secret(SecretText(secret)) = value { Some(secret.clone()) } else { None }
    }
}
