//! `ldaps://dc1.acme.example`

use std::{net::Ipv6Addr, path::PathBuf};

use url::{ParseError, Url};

use crate::connector::settings::ServerUrl;

/// RFC 4516, the scheme, host and port of it. The error says what to write instead, and repeats nothing of
/// the text: it may hold a password.
pub fn parse_server_url(text: &str) -> Result<ServerUrl, &'static str> {
    if text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("srv:")) {
        return Err("uses srv:, which is not there yet in this version: name the servers, \
                    for example \"ldaps://dc1.acme.example\"");
    }
    if let Some(problem) = without_scheme(text) {
        return Err(problem);
    }
    let url = Url::parse(text).map_err(no_url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("takes no user name and no password: they go to bind.dn and bind.password");
    }
    if matches!(url.scheme(), "ldap" | "ldaps") && url.host().is_none() {
        return Err(NO_HOST);
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("ends after host and port: where the tree begins goes to base_dn");
    }
    match url.scheme() {
        "ldap" => Ok(ServerUrl::Ldap { host: host_of(&url)?, port: port_of(&url, 389)? }),
        "ldaps" => Ok(ServerUrl::Ldaps { host: host_of(&url)?, port: port_of(&url, 636)? }),
        "ldapi" => Ok(ServerUrl::Ldapi { path: socket_of(&url)? }),
        _ => Err("must begin with ldap://, ldaps:// or ldapi://"),
    }
}

const NO_HOST: &str = "names no host behind the two slashes: write for example \"ldaps://dc1.acme.example\"";

/// What is wrong with a text that does not begin with a scheme, a colon and two slashes. The parser would take
/// many of them for something else.
fn without_scheme(text: &str) -> Option<&'static str> {
    let begins_with = |scheme: &str| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
    let scheme = ["ldaps", "ldapi", "ldap"].into_iter().find(|scheme| begins_with(scheme));
    let behind = scheme.and_then(|scheme| text.get(scheme.len()..)).unwrap_or_default();
    let host_and_port = |rest: &str| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit());
    match behind.strip_prefix(':') {
        _ if behind.starts_with("//") => {
            Some("has no colon before the slashes: write for example \"ldaps://dc1.acme.example\"")
        }
        _ if behind.starts_with('/') => {
            Some("has no colon and a slash too few: write for example \"ldaps://dc1.acme.example\"")
        }
        Some(rest) if rest.starts_with("//") => None,
        Some(rest) if rest.starts_with('/') => Some(
            "has only one slash before the host, and needs two: write for example \"ldaps://dc1.acme.example\"",
        ),
        Some(rest) if !host_and_port(rest) => Some(
            "has no slashes before the host, and needs two: write for example \"ldaps://dc1.acme.example\"",
        ),
        _ if text.contains("://") => None,
        _ => Some(
            "does not begin with ldap://, ldaps:// or ldapi://: write for example \"ldaps://dc1.acme.example\" or \
             \"ldap://dc1.acme.example:389\"",
        ),
    }
}

fn no_url(error: ParseError) -> &'static str {
    match error {
        ParseError::EmptyHost => NO_HOST,
        ParseError::InvalidPort => "has a port that is none: leave it out or write one from 1 to 65535",
        ParseError::InvalidDomainCharacter
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address => {
            "has a host that is no host name: letters, digits, - and ., or an address"
        }
        _ => {
            "must be a URL such as \"ldaps://dc1.acme.example\", \"ldap://dc1.acme.example:389\" or \
             \"ldapi://%2Frun%2Fslapd%2Fldapi\""
        }
    }
}

fn host_of(url: &Url) -> Result<String, &'static str> {
    let host = url.host_str().ok_or(NO_HOST)?;
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match host {
        "" => Err(NO_HOST),
        _ if is_host(host) => Ok(host.to_ascii_lowercase()),
        _ => Err("has a host that is no host name: letters, digits, - and ., or an address"),
    }
}

/// A host name in ASCII (an international one in its xn-- form), an IPv4 or an IPv6 address.
pub fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(allowed);
    let is_name = text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(is_label);
    is_name || text.parse::<Ipv6Addr>().is_ok()
}

fn port_of(url: &Url, default: u16) -> Result<u16, &'static str> {
    match url.port() {
        Some(0) => Err("has port 0: leave it out or write one from 1 to 65535"),
        Some(port) => Ok(port),
        None => Ok(default),
    }
}

fn socket_of(url: &Url) -> Result<PathBuf, &'static str> {
    const NO_SOCKET: &str =
        "must name the socket with / written as %2F: on Debian \"ldapi://%2Fvar%2Frun%2Fslapd%2Fldapi\"";
    if url.port().is_some() {
        return Err(NO_SOCKET);
    }
    let path = url.host_str().and_then(percent_decoded).map(PathBuf::from).ok_or(NO_SOCKET)?;
    if path.is_absolute() { Ok(path) } else { Err(NO_SOCKET) }
}

/// RFC 3986, section 2.1. `None` where the text is not well formed, or not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_name_scheme_host_and_port() {
        let ldap = |host: &str, port| Ok(ServerUrl::Ldap { host: host.into(), port });
        let ldaps = |host: &str, port| Ok(ServerUrl::Ldaps { host: host.into(), port });
        let socket = |path: &str| Ok(ServerUrl::Ldapi { path: path.into() });
        for (text, expected) in [
            ("ldap://dc1.acme.example", ldap("dc1.acme.example", 389)),
            ("ldap://dc1.acme.example/", ldap("dc1.acme.example", 389)),
            ("LDAP://DC1.acme.example:1389", ldap("dc1.acme.example", 1389)),
            ("ldaps://dc1", ldaps("dc1", 636)),
            ("ldaps://dc1:65535/", ldaps("dc1", 65535)),
            ("ldaps://[::1]", ldaps("::1", 636)),
            ("ldaps://[2001:db8::1]:1636", ldaps("2001:db8::1", 1636)),
            ("ldap://127.0.0.1:3890", ldap("127.0.0.1", 3890)),
            ("ldapi://%2Frun%2Fslapd%2Fldapi", socket("/run/slapd/ldapi")),
            ("ldapi://%2ftmp%2fa%20b/", socket("/tmp/a b")),
        ] {
            assert_eq!(parse_server_url(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_advice() {
        for (text, advice) in [
            ("ldap:///", "names no host"),
            ("ldap:///dc1", "names no host behind the two slashes"),
            ("ldaps://", "names no host"),
            ("ldap://:389", "names no host"),
            ("dc1.acme.example", "does not begin with ldap://"),
            ("ldap.acme.example", "does not begin with ldap://"),
            ("", "does not begin with ldap://"),
            ("dc1:389", "does not begin with ldap://"),
            ("ldap:389", "does not begin with ldap://"),
            ("ldap.acme.example:389", "does not begin with ldap://"),
            ("//dc1", "does not begin with ldap://"),
            ("ldap:/dc1", "has only one slash before the host"),
            ("LDAPS:/dc1/", "has only one slash before the host"),
            ("ldapi:/run/slapd/ldapi", "has only one slash before the host"),
            ("ldap//dc1", "has no colon before the slashes"),
            ("ldaps//dc1:636", "has no colon before the slashes"),
            ("ldap/dc1", "has no colon and a slash too few"),
            ("ldap:dc1", "has no slashes before the host"),
            ("ldaps:\\\\dc1", "has no slashes before the host"),
            ("ldap://dc1:99999", "has a port that is none"),
            ("ldap://dc1:port", "has a port that is none"),
            ("ldap://[::1", "no host name"),
            ("ldap://a b", "no host name"),
            ("ldap://dc1:0", "has port 0"),
            ("http://dc1", "must begin with ldap://"),
            ("ldap://dc1/dc=acme", "ends after host and port"),
            ("ldap://dc1?uid", "ends after host and port"),
            ("ldap://dc1/#x", "ends after host and port"),
            ("ldap://cn=admin:hunter2@dc1", "takes no user name"),
            ("ldap://dc%31", "no host name"),
            ("ldap://größe.example", "no host name"),
            ("ldapi:///", "must name the socket"),
            ("ldapi://run", "must name the socket"),
            ("ldapi://%2Frun:3", "must name the socket"),
            ("ldapi://%2Frun%2", "must name the socket"),
            ("ldapi://%2Frun%00", "must name the socket"),
            ("srv:acme.example", "which is not there yet"),
            ("SRV:acme.example", "which is not there yet"),
        ] {
            let error = parse_server_url(text).expect_err(text);
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_not(text in "(ldaps?|ldapi|srv|)(://|:|)\\PC*") {
            let _ = parse_server_url(&text);
        }
    }
}
