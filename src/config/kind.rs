//! What may stand at a key, and how a value of the file becomes one of ours.

use std::{fs, path::PathBuf, time::Duration};

use figment::value::{Num, Value};
use jiff::{civil::Time, tz::TimeZone as Zone};
use secrecy::SecretString;
use url::Url;

use super::{
    duration::parse_duration,
    keys::Key,
    mailbox::parse_mailbox,
    nearest::near_word,
    server_url::{is_host, parse_server_url},
    typed::{SecretText, Typed},
};
use crate::directory::{
    attribute::AttributeName, dn::Dn as Name, filter::Filter as ParsedFilter, mail_address::MailAddress,
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
    pub fn read(self, value: &Value) -> Result<Option<Typed>, Misfit> {
        match self {
            Self::Bool => value.to_bool().map(|on| Some(Typed::Bool(on))).ok_or(Misfit::Type),
            Self::Count { min, max } => self.count(value, min, max).map(|count| Some(Typed::Count(count))),
            Self::Counts { min, max } => {
                each(value, |item| self.count(item, min, max)).map(|counts| Some(Typed::Counts(counts)))
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
            Self::SecretFile => secret_file(text(value)?),
            Self::File => optional(text(value)?, file).map(|file| file.map(Typed::Path)),
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

    fn count(self, value: &Value, min: u32, max: u32) -> Result<u32, Misfit> {
        if !matches!(value, Value::Num(_, number) if is_whole(*number)) {
            return Err(Misfit::Type);
        }
        let count = value.to_u128().and_then(|count| u32::try_from(count).ok());
        count
            .or_else(|| value.to_i128().and_then(|count| u32::try_from(count).ok()))
            .filter(|count| (min..=max).contains(count))
            .ok_or_else(|| Misfit::Content(format!("must be {}", self.expected())))
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

/// What an error calls the type of a value.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a text",
        Value::Bool(..) => "true or false",
        Value::Num(_, number) if is_whole(*number) => "a whole number",
        Value::Num(..) => "a number with a fraction",
        Value::Empty(..) => "nothing",
        Value::Dict(_, table) if table.contains_key("$__toml_private_datetime") => "a date without quotes",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

fn is_whole(number: Num) -> bool {
    !matches!(number, Num::F32(_) | Num::F64(_))
}

fn text(value: &Value) -> Result<&str, Misfit> {
    value.as_str().ok_or(Misfit::Type)
}

fn each<T>(value: &Value, read: impl Fn(&Value) -> Result<T, Misfit>) -> Result<Vec<T>, Misfit> {
    value.as_array().ok_or(Misfit::Type)?.iter().map(read).collect()
}

/// An error within the list says which entry it is.
fn each_text<T>(value: &Value, read: impl Fn(&str) -> Result<T, Misfit>) -> Result<Vec<T>, Misfit> {
    let list = value.as_array().ok_or(Misfit::Type)?;
    let numbered = list.iter().zip(1..);
    let entries = numbered.map(|(item, number): (&Value, usize)| {
        text(item).and_then(&read).map_err(|misfit| match misfit {
            Misfit::Type => {
                Misfit::Content(format!("entry {number} must be a text in quotes, not {}", type_name(item)))
            }
            Misfit::Content(sentence) => Misfit::Content(format!("entry {number} {sentence}")),
        })
    });
    entries.collect()
}

fn optional<T>(text: &str, read: impl Fn(&str) -> Result<T, Misfit>) -> Result<Option<T>, Misfit> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn plain(text: &str) -> Result<&str, Misfit> {
    if text.chars().any(char::is_control) {
        return Err("must be one line without control characters".into());
    }
    Ok(text)
}

fn length(text: &str, zero: bool) -> Result<Duration, Misfit> {
    let length = parse_duration(text).ok_or(
        "must be a duration: whole numbers, each with its unit ms, s, m, h or d, such as \"5s\", \"2h\" or \
         \"30d\", up to \"36500d\"",
    )?;
    if length.is_zero() && !zero {
        return Err("must be longer than nothing: write for example \"5s\"".into());
    }
    Ok(length)
}

/// The path is not repeated: it may be the secret itself, written to the wrong key.
fn secret_file(path: &str) -> Result<Option<Typed>, Misfit> {
    if path.is_empty() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| {
        Misfit::Content(format!(
            "names a file that cannot be read ({}): write the path of a file that holds the secret alone",
            error.kind()
        ))
    };
    let bytes = fs::read(path).map_err(unreadable)?;
    let content = String::from_utf8(bytes).map_err(|_| "names a file that is no UTF-8 text")?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    let line = line.strip_suffix('\r').unwrap_or(line);
    Ok(Some(Typed::Secret(SecretText(SecretString::from(line)))))
}

fn file(path: &str) -> Result<PathBuf, Misfit> {
    let is_file = fs::File::open(path).and_then(|file| file.metadata()).map(|metadata| metadata.is_file());
    match is_file {
        Ok(true) => Ok(PathBuf::from(path)),
        Ok(false) => Err("names something that is no file".into()),
        Err(error) => Err(Misfit::Content(format!("names a file that cannot be read ({})", error.kind()))),
    }
}

fn urls(value: &Value) -> Result<Option<Typed>, Misfit> {
    let urls = each_text(value, |text| Ok(parse_server_url(text)?))?;
    if urls.is_empty() {
        return Err("must name at least one server: write for example [\"ldaps://dc1.acme.example\"]".into());
    }
    Ok(Some(Typed::Urls(urls)))
}

fn dn(text: &str) -> Result<Name, Misfit> {
    if text.is_empty() {
        return Err("must not be empty: write a distinguished name such as \"dc=acme,dc=example\"".into());
    }
    Name::parse(text).map_err(|error| Misfit::Content(format!("is {error}")))
}

/// RFC 4512, section 2.5: a short name, with or without options.
fn attribute(text: &str) -> Result<AttributeName, Misfit> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_option = |option: &str| !option.is_empty() && option.chars().all(in_name);
    let mut parts = text.split(';');
    let is_name = parts
        .next()
        .is_some_and(|name| is_option(name) && name.starts_with(|c: char| c.is_ascii_alphabetic()));
    if !is_name || !parts.all(is_option) {
        return Err("is not the name of an attribute: write one such as \"mail\"".into());
    }
    Ok(AttributeName::new(text))
}

fn filter(text: &str) -> Result<ParsedFilter, Misfit> {
    ParsedFilter::parse(text).map_err(|error| Misfit::Content(format!("is {error}")))
}

fn address(text: &str) -> Result<MailAddress, Misfit> {
    text.parse().map_err(|error| Misfit::Content(format!("is {error}")))
}

fn mailbox(text: &str) -> Result<crate::outbox::settings::Mailbox, Misfit> {
    parse_mailbox(text).map_err(|reason| {
        Misfit::Content(format!(
            "is not a mail address: {reason}: write for example \"Directory <no-reply@acme.example>\""
        ))
    })
}

fn envelope_sender(text: &str) -> Result<Option<Typed>, Misfit> {
    match text {
        "" => Ok(None),
        "<>" => Ok(Some(Typed::EnvelopeSender(None))),
        _ => address(text).map(|address| Some(Typed::EnvelopeSender(Some(address)))),
    }
}

fn domain(text: &str) -> Result<String, Misfit> {
    if text.contains('@') {
        return Err("must be the part behind the @ alone, such as \"acme.example\"".into());
    }
    plain(text)?;
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("is no mail domain: write one such as \"acme.example\"".into());
    }
    Ok(text.to_lowercase())
}

fn host(text: &str) -> Result<Option<Typed>, Misfit> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if !is_host(bare) {
        return Err(
            "must be the name or address of a host alone, without scheme and port: write for example \
                    \"mail.acme.example\""
                .into(),
        );
    }
    Ok(Some(Typed::Text(bare.to_owned())))
}

fn time_zone(text: &str) -> Result<Option<Typed>, Misfit> {
    let zone = Zone::get(text).map_err(|_| {
        "is not a time zone this machine knows: write \"UTC\" or a name such as \"Europe/Berlin\" (the \
         distribution's package tzdata brings them)"
    })?;
    Ok(Some(Typed::Zone(zone)))
}

fn clock(text: &str) -> Result<Option<Typed>, Misfit> {
    let time = (text.len() == 5).then(|| Time::strptime("%H:%M", text).ok()).flatten();
    time.map(|_| Some(Typed::Text(text.to_owned())))
        .ok_or_else(|| "must be an hour of the day from \"00:00\" to \"23:59\"".into())
}

/// M19: what stands in a mail as a link is https or nothing.
fn https_url(text: &str) -> Result<String, Misfit> {
    let is_https = |url: &Url| url.scheme() == "https" && url.host_str().is_some_and(|host| !host.is_empty());
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    match Url::parse(text) {
        Ok(url) if is_https(&url) && plain(&url) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err("must begin with https:// and name a host: write for example \
                               \"https://password.acme.example\""
            .into()),
    }
}

/// The walk goes into the tables itself.
fn tables(value: &Value) -> Result<Option<Typed>, Misfit> {
    let list = value.as_array().ok_or(Misfit::Type)?;
    if !list.iter().all(|item| item.as_dict().is_some()) {
        return Err(Misfit::Type);
    }
    Ok(Some(Typed::Tables(list.len())))
}
