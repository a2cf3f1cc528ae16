//! What a text says, read as what its key wants.

use std::time::Duration;

use figment::value::Value;
use jiff::{civil::Time, tz::TimeZone};
use url::Url;

use super::{Misfit, Typed, shape::each_text};
use crate::{
    config::{
        duration::parse_duration,
        mailbox::parse_mailbox,
        server_url::{is_host, parse_server_url},
    },
    directory::{attribute::AttributeName, dn::Dn, filter::Filter, mail_address::MailAddress},
    outbox::settings::Mailbox,
};

pub fn plain(text: &str) -> Result<&str, Misfit> {
    if text.chars().any(char::is_control) {
        return Err("must be one line without control characters".into());
    }
    Ok(text)
}

pub fn length(text: &str, zero: bool) -> Result<Duration, Misfit> {
    let length = parse_duration(text).ok_or_else(|| no_length(text))?;
    if length.is_zero() && !zero {
        return Err("must be longer than nothing: write for example \"5s\"".into());
    }
    Ok(length)
}

fn no_length(text: &str) -> &'static str {
    let text = text.trim();
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        "has no unit: write ms, s, m, h or d right behind the number, such as \"5s\", \"2h\" or \"30d\""
    } else if text.contains(['.', ',']) {
        "must be whole numbers with their units: write for example \"1h30m\" or \"1500ms\""
    } else if text.contains(char::is_whitespace) {
        "must have no space: write the unit ms, s, m, h or d right behind its number, such as \"5s\" or \"1h30m\""
    } else {
        "must be a duration: whole numbers, each with its unit ms, s, m, h or d, such as \"5s\", \"2h\" or \"30d\", \
         up to \"36500d\""
    }
}

pub fn urls(value: &Value) -> Result<Option<Typed>, Misfit> {
    let urls = each_text(value, |text| Ok(parse_server_url(text)?))?;
    if urls.is_empty() {
        return Err("must name at least one server: write for example [\"ldaps://dc1.acme.example\"]".into());
    }
    Ok(Some(Typed::Urls(urls)))
}

pub fn dn(text: &str) -> Result<Dn, Misfit> {
    if text.is_empty() {
        return Err("must not be empty: write a distinguished name such as \"dc=acme,dc=example\"".into());
    }
    Dn::parse(text).map_err(|error| Misfit::Content(format!("is {error}")))
}

/// RFC 4512, section 2.5: a short name, with or without options.
pub fn attribute(text: &str) -> Result<AttributeName, Misfit> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_part = |option: &str| !option.is_empty() && option.chars().all(in_name);
    let mut split = text.split(';');
    let named =
        split.next().is_some_and(|name| is_part(name) && name.starts_with(|c: char| c.is_ascii_alphabetic()));
    if !named || !split.all(is_part) {
        return Err("is not the name of an attribute: write one such as \"mail\"".into());
    }
    Ok(AttributeName::new(text))
}

pub fn filter(text: &str) -> Result<Filter, Misfit> {
    Filter::parse(text).map_err(|error| Misfit::Content(format!("is {error}")))
}

pub fn address(text: &str) -> Result<MailAddress, Misfit> {
    text.parse().map_err(|error| Misfit::Content(format!("is {error}")))
}

pub fn mailbox(text: &str) -> Result<Mailbox, Misfit> {
    parse_mailbox(text).map_err(|reason| {
        Misfit::Content(format!(
            "is not a mail address: {reason}: write for example \"Directory <no-reply@acme.example>\""
        ))
    })
}

pub fn envelope_sender(text: &str) -> Result<Option<Typed>, Misfit> {
    match text {
        "" => Ok(None),
        "<>" => Ok(Some(Typed::EnvelopeSender(None))),
        _ => address(text).map(|address| Some(Typed::EnvelopeSender(Some(address)))),
    }
}

pub fn domain(text: &str) -> Result<String, Misfit> {
    if text.contains('@') {
        return Err("must be the part behind the @ alone, such as \"acme.example\"".into());
    }
    plain(text)?;
    // In the form in which the domains of addresses are compared with it.
    let address: Result<MailAddress, _> = format!("postmaster@{text}").parse();
    let address = address.map_err(|_| "is no mail domain: write one such as \"acme.example\"")?;
    Ok(address.domain().to_owned())
}

pub fn host(text: &str) -> Result<Option<Typed>, Misfit> {
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

pub fn time_zone(text: &str) -> Result<Option<Typed>, Misfit> {
    let zone = TimeZone::get(text).map_err(
        |_| "is not a time zone of the IANA database: write \"UTC\" or a name such as \"Europe/Berlin\"",
    )?;
    Ok(Some(Typed::Zone(zone)))
}

pub fn clock(text: &str) -> Result<Option<Typed>, Misfit> {
    let time = (text.len() == 5).then(|| Time::strptime("%H:%M", text).ok()).flatten();
    time.map(|_| Some(Typed::Text(text.to_owned())))
        .ok_or_else(|| "must be an hour of the day from \"00:00\" to \"23:59\"".into())
}

/// M19: what stands in a mail as a link is https or nothing.
pub fn https_url(text: &str) -> Result<String, Misfit> {
    let is_https = |url: &Url| url.scheme() == "https" && url.host_str().is_some_and(|host| !host.is_empty());
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    match Url::parse(text) {
        Ok(url) if is_https(&url) && plain(&url) => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err("must begin with https:// and name a host: write for example \
                               \"https://password.acme.example\""
            .into()),
    }
}
