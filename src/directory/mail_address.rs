//! Mail addresses as SMTP takes them.

use std::{borrow::Cow, fmt, str::FromStr};

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use serde::{Deserialize, Serialize};

/// RFC 5321, section 4.5.3.1.1, in octets.
const MAX_LOCAL: usize = 64;
/// RFC 5321, section 4.5.3.1.2, in octets.
const MAX_DOMAIN: usize = 255;

/// A mailbox of RFC 5321, section 4.1.2, checked: no control characters, nothing that could end a command or
/// a header. The domain is in lower case and in A-labels (RFC 5890); a local part beyond ASCII needs SMTPUTF8
/// (RFC 6531). `==` compares the text; [`MailAddress::key`] tells one recipient from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailAddress(Box<str>);

/// Why a text is no mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address: {reason}")]
pub struct MailAddressError {
    /// What is wrong, for a person.
    pub reason: &'static str,
}

impl MailAddress {
    /// The address as it goes to the mail server.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        self.parts().0
    }

    /// What stands behind the `@`: lower-case, A-labels.
    pub fn domain(&self) -> &str {
        self.parts().1
    }

    /// The same for all addresses of one recipient: case does not count.
    pub fn key(&self) -> String {
        self.0.chars().flat_map(char::to_lowercase).collect()
    }

    /// Whether mail for both goes to one recipient.
    pub fn same_as(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').expect("a checked address has an @")
    }
}

impl FromStr for MailAddress {
    type Err = MailAddressError;

    fn from_str(text: &str) -> Result<Self, MailAddressError> {
        check_characters(text)?;
        let (local, domain) = text.rsplit_once('@').ok_or(refused("it has no @"))?;
        let local = local_part(local)?;
        let domain = domain_part(domain)?;
        Ok(Self(format!("{local}@{domain}").into()))
    }
}

/// What must stand nowhere, not even in quotes.
fn check_characters(text: &str) -> Result<(), MailAddressError> {
    for c in text.chars() {
        let reason = match c {
            _ if c.is_control() => "it contains a control character",
            _ if c.is_whitespace() => "it contains a space",
            '<' | '>' => "it contains < or >; write the address alone",
            ',' | ';' => "it contains a comma or semicolon; write one address",
            _ if is_invisible(c) => "it contains an invisible character",
            _ => continue,
        };
        return Err(refused(reason));
    }
    Ok(())
}

/// Zero-width characters, marks of direction and the like, which make two addresses look alike.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFD}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// A dot-atom, or the simplest of quoted strings: one that quotes only where dots stand. Quotes that quote
/// nothing go.
fn local_part(local: &str) -> Result<Cow<'_, str>, MailAddressError> {
    let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"'));
    let content = quoted.unwrap_or(local);
    let local = match quoted {
        Some("") => return Err(refused("nothing stands between the quotes before the @")),
        Some(content) if !content.chars().all(|c| c == '.' || is_atext(c)) => {
            return Err(refused(
                "a quoted part before the @ with more than letters, digits and dots is not supported",
            ));
        }
        Some(content) if check_dot_atom(content).is_err() => Cow::Owned(format!("\"{content}\"")),
        Some(_) | None => {
            check_dot_atom(content)?;
            Cow::Borrowed(content)
        }
    };
    // RFC 2047, section 5: never part of an address. Some readers decode it all the same, and answer another.
    if local.contains("=?") {
        return Err(refused("an encoded word before the @ is not supported"));
    }
    if local.len() > MAX_LOCAL {
        return Err(refused("the part before the @ is longer than 64 bytes"));
    }
    Ok(local)
}

fn check_dot_atom(local: &str) -> Result<(), MailAddressError> {
    if local.is_empty() {
        return Err(refused("nothing stands before the @"));
    }
    if local.contains('@') {
        return Err(refused("it has more than one @"));
    }
    if local.split('.').any(str::is_empty) {
        return Err(refused("a dot stands first, last or twice before the @"));
    }
    if !local.chars().all(|c| c == '.' || is_atext(c)) {
        return Err(refused("a character before the @ needs quotes, which is not supported"));
    }
    Ok(())
}

/// RFC 5322, section 3.2.3, and RFC 6531, section 3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii()
}

fn domain_part(domain: &str) -> Result<Cow<'_, str>, MailAddressError> {
    if domain.is_empty() {
        return Err(refused("nothing stands behind the @"));
    }
    if domain.starts_with('[') {
        return Err(refused("an address literal in brackets is not supported, write a domain"));
    }
    // Checked before the conversion, whose work grows with the square of a label's length.
    if domain.len() > MAX_DOMAIN {
        return Err(refused("the domain is longer than 255 bytes"));
    }
    Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| refused("the domain is not a valid one"))
}

fn refused(reason: &'static str) -> MailAddressError {
    MailAddressError { reason }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MailAddress {
    type Error = MailAddressError;

    fn try_from(text: String) -> Result<Self, MailAddressError> {
        text.parse()
    }
}

impl From<MailAddress> for String {
    fn from(address: MailAddress) -> Self {
        address.0.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let address = text.parse::<MailAddress>();
        let address = address.as_ref().map(MailAddress::as_str).map_err(|error| error.reason);
        assert_eq!(address, expected, "{text:?}");
    }

    #[test]
    fn m8_ordinary_addresses() {
        check("anna@acme.example", Ok("anna@acme.example"));
        check("Anna.de-Vries+ldap@Mail.ACME.example", Ok("Anna.de-Vries+ldap@mail.acme.example"));
        check("root@localhost", Ok("root@localhost"));
        check("o'neil@acme.example", Ok("o'neil@acme.example"));
        check("!#$%&'*+-/?=^_`{|}~@acme.example", Ok("!#$%&'*+-/?=^_`{|}~@acme.example"));
        check("a@1.example", Ok("a@1.example"));
    }

    #[test]
    fn m8_idn_becomes_a_labels() {
        check("anna@bücher.example", Ok("anna@xn--bcher-kva.example"));
        check("anna@BÜCHER.example", Ok("anna@xn--bcher-kva.example"));
        check("anna@xn--bcher-kva.example", Ok("anna@xn--bcher-kva.example"));
        check("anna@日本。example", Ok("anna@xn--wgv71a.example"));
        check("anna@xn--zzzzzzzz-.example", Err("the domain is not a valid one"));
    }

    #[test]
    fn m8_utf8_local_part() {
        check("änne@acme.example", Ok("änne@acme.example"));
        check("太郎@例え.example", Ok("太郎@xn--r8jz45g.example"));
        check("an\u{200b}na@acme.example", Err("it contains an invisible character"));
        check("an\u{202e}na@acme.example", Err("it contains an invisible character"));
    }

    #[test]
    fn m8_what_is_invalid_says_why() {
        for (text, reason) in [
            ("", "it has no @"),
            ("anna", "it has no @"),
            ("@acme.example", "nothing stands before the @"),
            ("anna@", "nothing stands behind the @"),
            ("@", "nothing stands before the @"),
            ("a@b@acme.example", "it has more than one @"),
            ("anna @acme.example", "it contains a space"),
            (" anna@acme.example", "it contains a space"),
            ("anna@acme.example\u{a0}", "it contains a space"),
            ("Anna <anna@acme.example>", "it contains a space"),
            ("<anna@acme.example>", "it contains < or >; write the address alone"),
            ("a@x.example,b@x.example", "it contains a comma or semicolon; write one address"),
            ("a@x.example;b@x.example", "it contains a comma or semicolon; write one address"),
            (".anna@acme.example", "a dot stands first, last or twice before the @"),
            ("anna.@acme.example", "a dot stands first, last or twice before the @"),
            ("an..na@acme.example", "a dot stands first, last or twice before the @"),
            ("an(na)@acme.example", "a character before the @ needs quotes, which is not supported"),
            ("an\\na@acme.example", "a character before the @ needs quotes, which is not supported"),
            ("\"@acme.example", "a character before the @ needs quotes, which is not supported"),
            ("=?utf-8?q?anna?=@acme.example", "an encoded word before the @ is not supported"),
            ("\"=?utf-8?q?an..na?=\"@acme.example", "an encoded word before the @ is not supported"),
            ("mailto:anna@acme.example", "a character before the @ needs quotes, which is not supported"),
            ("anna@[192.0.2.1]", "an address literal in brackets is not supported, write a domain"),
            ("anna@[IPv6:2001:db8::1]", "an address literal in brackets is not supported, write a domain"),
            ("anna@acme..example", "the domain is not a valid one"),
            ("anna@.example", "the domain is not a valid one"),
            ("anna@acme.example.", "the domain is not a valid one"),
            ("anna@-acme.example", "the domain is not a valid one"),
            ("anna@acme-.example", "the domain is not a valid one"),
            ("anna@ac_me.example", "the domain is not a valid one"),
            ("anna@acme.example:25", "the domain is not a valid one"),
            ("anna@acme＠evil.example", "the domain is not a valid one"),
        ] {
            check(text, Err(reason));
        }
    }

    #[test]
    fn m8_quoted_local_parts() {
        check("\"an..na\"@acme.example", Ok("\"an..na\"@acme.example"));
        check("\"anna.\"@acme.example", Ok("\"anna.\"@acme.example"));
        check("\"anna\"@acme.example", Ok("anna@acme.example"));
        check("\"\"@acme.example", Err("nothing stands between the quotes before the @"));
        for odd in ["\"a@b\"@acme.example", "\"a\\\"b\"@acme.example", "\"a(b\"@acme.example"] {
            let reason =
                "a quoted part before the @ with more than letters, digits and dots is not supported";
            check(odd, Err(reason));
        }
        check("\"a b\"@acme.example", Err("it contains a space"));
    }

    #[test]
    fn m8_lengths() {
        let local = |length: usize| format!("{}@acme.example", "a".repeat(length));
        assert!(local(64).parse::<MailAddress>().is_ok());
        check(&local(65), Err("the part before the @ is longer than 64 bytes"));
        check(&format!("{}@x.example", "é".repeat(33)), Err("the part before the @ is longer than 64 bytes"));
        check(&format!("a@{}.example", "a".repeat(64)), Err("the domain is not a valid one"));
        check(&format!("a@{}", "a.".repeat(200)), Err("the domain is longer than 255 bytes"));
        assert!(format!("a@{}.example", "a".repeat(63)).parse::<MailAddress>().is_ok());
    }

    #[test]
    fn m16_cr_lf_and_nul_are_refused() {
        for text in [
            "anna@acme.example\r\nBcc: eve@evil.example",
            "anna\r\n@acme.example",
            "anna@acme\n.example",
            "anna\0@acme.example",
            "\"an\r\nna\"@acme.example",
            "anna@acme.example\u{85}",
            "anna\u{7f}@acme.example",
        ] {
            check(text, Err("it contains a control character"));
        }
        check("anna@acme.example\u{2028}", Err("it contains a space"));
    }

    #[test]
    fn m5_one_recipient_in_two_spellings() {
        let address = |text: &str| text.parse::<MailAddress>().expect("an address");
        for (one, two, same) in [
            ("Anna@acme.example", "anna@ACME.example", true),
            ("ÄNNE@acme.example", "änne@acme.example", true),
            ("a@bücher.example", "A@xn--bcher-kva.example", true),
            ("\"anna\"@acme.example", "anna@acme.example", true),
            ("anna@acme.example", "anna@acme.test", false),
        ] {
            assert_eq!(address(one).same_as(&address(two)), same, "{one} {two}");
        }
        assert_eq!(address("Anna@ACME.example").key(), "anna@acme.example");
        assert_eq!(address("Anna@ACME.example").domain(), "acme.example");
        assert_eq!(address("\"a..b\"@ACME.example").local_part(), "\"a..b\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn m16_what_is_accepted_can_end_nothing(
            text in prop_oneof![any::<String>(), "[a-c.\"@<>, \r\n\0é＠。\\\\]{0,8}@[a-c.\\-é。]{0,8}"]
        ) {
            if let Ok(address) = text.parse::<MailAddress>() {
                let forbidden = |c: char| c.is_control() || c.is_whitespace() || "<>,;".contains(c);
                prop_assert!(!address.as_str().contains(forbidden));
                prop_assert_eq!(address.as_str().matches('@').count(), 1);
                prop_assert!(address.domain().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)));
                prop_assert_eq!(address.as_str().parse::<MailAddress>(), Ok(address.clone()));
            }
        }
    }
}
