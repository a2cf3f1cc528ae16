//! `Directory <no-reply@acme.example>`

use crate::{directory::mail_address::MailAddress, outbox::settings::Mailbox};

/// An address, alone or in angle brackets after a name; the name may stand in double quotes. The error says
/// what is wrong.
pub fn parse_mailbox(text: &str) -> Result<Mailbox, &'static str> {
    let text = text.trim();
    let Some((name, address)) = text.strip_suffix('>').and_then(|front| front.rsplit_once('<')) else {
        return Ok(Mailbox { name: None, address: parse_address(text)? });
    };
    let name = unquoted(name.trim());
    if name.chars().any(char::is_control) {
        return Err("the name has control characters");
    }
    let name = (!name.is_empty()).then_some(name);
    Ok(Mailbox { name, address: parse_address(address.trim())? })
}

fn parse_address(text: &str) -> Result<MailAddress, &'static str> {
    text.parse::<MailAddress>().map_err(|error| error.reason)
}

/// RFC 5322, section 3.2.4: in quotes, a backslash quotes the next character.
fn unquoted(name: &str) -> String {
    let Some(quoted) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut plain = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.extend(letters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_addresses_with_or_without_a_name() {
        for (text, expected) in [
            ("a@acme.example", Some((None, "a@acme.example"))),
            ("<a@acme.example>", Some((None, "a@acme.example"))),
            ("Directory <a@acme.example>", Some((Some("Directory"), "a@acme.example"))),
            ("  Acme Directory  < a@acme.example > ", Some((Some("Acme Directory"), "a@acme.example"))),
            (
                r#""Acme, \"the\" Directory" <a@acme.example>"#,
                Some((Some(r#"Acme, "the" Directory"#), "a@acme.example")),
            ),
            ("Größe <a@acme.example>", Some((Some("Größe"), "a@acme.example"))),
            ("", None),
            ("Directory", None),
            ("Directory <>", None),
            ("A\nB <a@acme.example>", None),
        ] {
            let parsed = parse_mailbox(text).ok();
            let parsed = parsed.as_ref().map(|m| (m.name.as_deref(), m.address.as_str()));
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
