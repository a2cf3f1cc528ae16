//! Secrets that somebody else says back: a server may repeat a login in its answer, and its words are logged,
//! stored and shown.

use std::fmt;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use secrecy::{ExposeSecret, SecretString};

/// Stands where a secret stood.
const INSTEAD: &str = "[withheld]";

/// So much of the beginning of a secret is withheld too, where a text was cut in the middle of it.
const BEGINNING: usize = 4;

/// Secrets in every form in which a server may repeat them: as they are, and as logins and logs write them.
#[derive(Clone, Default)]
pub struct Withheld {
    /// The longest first: a form may be part of another.
    forms: Vec<SecretString>,
}

impl Withheld {
    /// What is sent for a login: the password, alone and together with its user name (RFC 4616).
    pub fn login(user: &str, password: &SecretString) -> Self {
        let password = password.expose_secret();
        let mut forms: Vec<String> = [password.to_owned(), format!("\0{user}\0{password}")]
            .iter()
            .flat_map(|secret| written(secret))
            .filter(|form| !form.is_empty())
            .collect();
        forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
        Self { forms: forms.into_iter().map(SecretString::from).collect() }
    }

    /// `text` without them.
    pub fn from_text(&self, text: &str) -> String {
        let forms = || self.forms.iter().map(ExposeSecret::expose_secret);
        let whole = forms().fold(text.to_owned(), |text, form| text.replace(form, INSTEAD));
        let Some(cut) = whole.strip_suffix('…') else { return whole };
        let beginning = forms().filter_map(|form| beginning_at_the_end(cut, form)).max();
        match beginning.and_then(|length| cut.get(..cut.len() - length)) {
            Some(kept) => format!("{kept}{INSTEAD}…"),
            None => whole,
        }
    }
}

impl fmt::Debug for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withheld").finish_non_exhaustive()
    }
}

/// As it is, on one line, and encoded.
fn written(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let all = |each: fn(&u8) -> String| bytes.iter().map(each).collect::<String>();
    let quoted = serde_json::to_string(secret).unwrap_or_default();
    vec![
        secret.to_owned(),
        secret.split_whitespace().collect::<Vec<_>>().join(" "),
        quoted.trim_matches('"').to_owned(),
        BASE64_STANDARD.encode(bytes),
        BASE64_STANDARD_NO_PAD.encode(bytes),
        all(|byte| format!("{byte:02x}")),
        all(|byte| format!("{byte:02X}")),
        percent(bytes, "-._~"),
        percent(bytes, ""),
    ]
}

/// RFC 3986, section 2.1.
fn percent(bytes: &[u8], kept: &str) -> String {
    let each = |&byte: &u8| match char::from(byte) {
        plain if plain.is_ascii_alphanumeric() || kept.contains(plain) => plain.to_string(),
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(each).collect()
}

/// How many bytes of the beginning of `form` stand at the end of `text`.
fn beginning_at_the_end(text: &str, form: &str) -> Option<usize> {
    let beginnings = form.char_indices().map(|(at, _)| at).filter(|at| *at >= BEGINNING);
    beginnings.filter(|at| form.get(..*at).is_some_and(|beginning| text.ends_with(beginning))).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let withheld = Withheld::login("u", &SecretString::from("s3cret  \"pass"));
        assert_eq!(withheld.from_text(text), expected, "{text}");
    }

    #[test]
    fn m22_a_login_that_is_said_back_is_withheld_in_every_form() {
        check("5.7.8 bad login", "5.7.8 bad login");
        check("bad s3cret  \"pass!", "bad [withheld]!");
        check("bad s3cret \"pass!", "bad [withheld]!");
        check("bad \"s3cret  \\\"pass\"", "bad \"[withheld]\"");
        check("?p=s3cret%20%20%22pass&", "?p=[withheld]&");
        check("7333637265742020227061737300", "[withheld]00");
        let plain = BASE64_STANDARD.encode("\0u\0s3cret  \"pass");
        check(&format!("AUTH PLAIN {plain}"), "AUTH PLAIN [withheld]");
        check(&format!("AUTH PLAIN {}", plain.trim_end_matches('=')), "AUTH PLAIN [withheld]");
        check(&format!("got {}", BASE64_STANDARD.encode("s3cret  \"pass")), "got [withheld]");
    }

    #[test]
    fn m22_the_beginning_of_a_secret_is_withheld_where_the_text_was_cut_in_it() {
        check("no s3cret…", "no [withheld]…");
        check("no s3c…", "no s3c…");
        check("no s3cret", "no s3cret");
        check("…", "…");
    }

    #[test]
    fn m22_it_does_not_show_what_it_withholds() {
        let withheld = Withheld::login("u", &SecretString::from("s3cret"));
        assert!(!format!("{withheld:?}").contains("s3cret"));
        assert_eq!(Withheld::default().from_text("s3cret"), "s3cret");
    }
}
