//! What may stand at a key, and how a value of the file becomes one of ours.

mod files;
mod forms;
mod instead;
mod shape;

use std::path::PathBuf;

use figment::value::Value;
use secrecy::SecretString;

pub use self::{
    files::NamedFiles,
    instead::{instead_in_the_file, problem_of_a_variable},
    shape::type_name,
};
use self::{
    forms::{
        address, attribute, clock, dn, domain, envelope_sender, filter, host, https_url, length, mailbox,
        plain, time_zone, urls,
    },
    shape::{each, each_text, is_whole, optional, tables, text},
};
use super::{
    keys::Key,
    nearest::near_word,
    typed::{SecretText, Typed},
};

/// The type of a key.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Count {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// Several of them.
    Counts {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// A duration, as a text with units.
    Length {
        /// Whether it may be nothing.
        zero: bool,
    },
    /// A duration longer than nothing, or this word.
    LengthOr(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Anything but control characters.
    Text,
    /// Several of them.
    Texts,
    /// Never shown.
    Secret,
    /// A file that holds the secret whose key is the same without `_file`; empty: none.
    SecretFile,
    /// A file that can be read; empty: none.
    File,
    /// A place in the file system.
    Path,
    /// Servers of a directory; at least one.
    Urls,
    /// A distinguished name.
    Dn,
    /// Several of them.
    Dns,
    /// The name of an attribute; empty: none.
    Attribute,
    /// Several of them.
    Attributes,
    /// RFC 4515; empty: none.
    Filter,
    /// Mail addresses.
    Addresses,
    /// A mail address with or without a name in front.
    MailboxText,
    /// The same; empty: none.
    ReplyTo,
    /// A mail address, `<>`, or empty.
    EnvelopeSender,
    /// Mail domains.
    Domains,
    /// The name or address of a host.
    Host,
    /// Of the IANA database.
    TimeZone,
    /// An hour of the day.
    Clock,
    /// An https URL; empty: none.
    HttpsUrl,
    /// A list of tables with these keys.
    Tables(&'static [Key]),
}

/// Why a value does not fit.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is of another type than the key.
    Type,
    /// What is wrong, to follow the key's path; never the value.
    Content(String),
}

impl From<&str> for Misfit {
    fn from(sentence: &str) -> Self {
        Self::Content(sentence.to_owned())
    }
}

impl Kind {
    /// What an error says must stand there.
    pub fn expected(self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Counts { min, max } => format!("a list of whole numbers from {min} to {max}"),
            Self::Length { .. } => r#"a duration in quotes such as "5s", "2h" or "30d""#.into(),
            Self::LengthOr(word) => {
                format!(r#"a duration in quotes such as "5s", "2h" or "30d", or "{word}""#)
            }
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Text | Self::Secret => "a text in quotes".into(),
            Self::Texts => "a list of texts".into(),
            Self::SecretFile | Self::File | Self::Path => "a path in quotes".into(),
            Self::Urls => "a list of URLs".into(),
            Self::Dn => "a distinguished name in quotes".into(),
            Self::Dns => "a list of distinguished names".into(),
            Self::Attribute => "the name of an attribute in quotes".into(),
            Self::Attributes => "a list of attribute names".into(),
            Self::Filter => "a filter in quotes".into(),
            Self::Addresses => "a list of mail addresses".into(),
            Self::MailboxText | Self::ReplyTo | Self::EnvelopeSender => "a mail address in quotes".into(),
            Self::Domains => "a list of mail domains".into(),
            Self::Host => "the name of a host in quotes".into(),
            Self::TimeZone => "the name of a time zone in quotes".into(),
            Self::Clock => "an hour of the day in quotes".into(),
            Self::HttpsUrl => "an https URL in quotes".into(),
            Self::Tables(_) => "a list of tables".into(),
        }
    }

    /// A TOML value of this kind that says more than an empty default.
    pub fn example(self) -> &'static str {
        match self {
            Self::Bool => "true",
            Self::Count { .. } => "1",
            Self::Counts { .. } => "[1]",
            Self::Length { .. } | Self::LengthOr(_) => r#""5s""#,
            Self::Word(_) | Self::Text | Self::Secret => r#""...""#,
            Self::Texts => r#"["...", "..."]"#,
            Self::SecretFile | Self::File | Self::Path => r#""/path/to/file""#,
            Self::Urls => r#"["ldaps://dc1.acme.example"]"#,
            Self::Dn => r#""dc=acme,dc=example""#,
            Self::Dns => r#"["cn=example,dc=acme,dc=example"]"#,
            Self::Attribute => r#""mail""#,
            Self::Attributes => r#"["mail"]"#,
            Self::Filter => r#""(cn=project-*)""#,
            Self::Addresses => r#"["directory-team@acme.example"]"#,
            Self::MailboxText | Self::ReplyTo => r#""Directory <no-reply@acme.example>""#,
            Self::EnvelopeSender => r#""no-reply@acme.example""#,
            Self::Domains => r#"["acme.example"]"#,
            Self::Host => r#""mail.acme.example""#,
            Self::TimeZone => r#""Europe/Berlin""#,
            Self::Clock => r#""08:00""#,
            Self::HttpsUrl => r#""https://password.acme.example""#,
            Self::Tables(_) => "[]",
        }
    }

    /// The value as one of ours. `Ok(None)`: an empty text where that means "not given".
    pub fn read(self, value: &Value, files: NamedFiles) -> Result<Option<Typed>, Misfit> {
        match self {
            Self::Bool => value.to_bool().map(|on| Some(Typed::Bool(on))).ok_or(Misfit::Type),
            Self::Count { min, max } => count(value, min, max).map(|count| Some(Typed::Count(count))),
            Self::Counts { min, max } => {
                let wanted = Self::Count { min, max }.expected();
                each(value, &wanted, |item| count(item, min, max)).map(|counts| Some(Typed::Counts(counts)))
            }
            Self::Length { zero } => length(text(value)?, zero).map(|length| Some(Typed::Length(length))),
            Self::LengthOr(word) => match text(value)? {
                given if given == word => Ok(Some(Typed::Word(word))),
                given => length(given, false).map(|length| Some(Typed::Length(length))),
            },
            Self::Word(words) => self.word(text(value)?, words).map(|word| Some(Typed::Word(word))),
            Self::Text => plain(text(value)?).map(|text| Some(Typed::Text(text.to_owned()))),
            Self::Texts => {
                each_text(value, |item| plain(item).map(str::to_owned)).map(|texts| Some(Typed::Texts(texts)))
            }
            Self::Secret => Ok(Some(Typed::Secret(SecretText(SecretString::from(text(value)?))))),
            Self::SecretFile => files.secret(text(value)?),
            Self::File => optional(text(value)?, |path| files.pem(path)).map(|file| file.map(Typed::Path)),
            Self::Path => {
                optional(text(value)?, |path| Ok(PathBuf::from(path))).map(|path| path.map(Typed::Path))
            }
            Self::Urls => urls(value),
            Self::Dn => dn(text(value)?).map(|dn| Some(Typed::Dn(dn))),
            Self::Dns => each_text(value, dn).map(|dns| Some(Typed::Dns(dns))),
            Self::Attribute => optional(text(value)?, attribute).map(|name| name.map(Typed::Attribute)),
            Self::Attributes => each_text(value, attribute).map(|names| Some(Typed::Attributes(names))),
            Self::Filter => optional(text(value)?, filter).map(|filter| filter.map(Typed::Filter)),
            Self::Addresses => each_text(value, address).map(|list| Some(Typed::Addresses(list))),
            Self::MailboxText => mailbox(text(value)?).map(|mailbox| Some(Typed::Mailbox(mailbox))),
            Self::ReplyTo => optional(text(value)?, mailbox).map(|mailbox| mailbox.map(Typed::Mailbox)),
            Self::EnvelopeSender => envelope_sender(text(value)?),
            Self::Domains => each_text(value, domain).map(|domains| Some(Typed::Texts(domains))),
            Self::Host => host(text(value)?),
            Self::TimeZone => time_zone(text(value)?),
            Self::Clock => clock(text(value)?),
            Self::HttpsUrl => optional(text(value)?, https_url).map(|url| url.map(Typed::Text)),
            Self::Tables(_) => tables(value),
        }
    }

    fn word(self, given: &str, words: &[&'static str]) -> Result<&'static str, Misfit> {
        if let Some(word) = words.iter().find(|word| **word == given) {
            return Ok(word);
        }
        let hint =
            near_word(given, words).map(|word| format!("; did you mean {word:?}?")).unwrap_or_default();
        Err(Misfit::Content(format!("must be {}{hint}", self.expected())))
    }
}

fn count(value: &Value, min: u32, max: u32) -> Result<u32, Misfit> {
    if !matches!(value, Value::Num(_, number) if is_whole(*number)) {
        return Err(Misfit::Type);
    }
    let count = value.to_u128().and_then(|count| u32::try_from(count).ok());
    count
        .or_else(|| value.to_i128().and_then(|count| u32::try_from(count).ok()))
        .filter(|count| (min..=max).contains(count))
        .ok_or_else(|| Misfit::Content(format!("must be {}", Kind::Count { min, max }.expected())))
}
