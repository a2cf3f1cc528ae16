use super::{MINIMAL, acme, load_acme, load_text};
use crate::config::keys::STORE_KEYS;

const MARKER: &str = "hunter2-secret-marker";

/// M22: whichever key a secret was written to, of whichever type, nothing repeats it.
#[test]
fn m22_no_error_repeats_a_value() {
    let values = [
        format!("'{MARKER}'"),
        format!("['{MARKER}']"),
        format!("['{MARKER}', 5]"),
        format!("{{ x = '{MARKER}' }}"),
        format!("['ldaps://admin:{MARKER}@dc1']"),
        format!("['ldap://{MARKER}/x']"),
        format!("'{MARKER}=,'"),
        format!("'({MARKER}'"),
        format!("'(&({MARKER}=)'"),
        format!("'{MARKER}@'"),
        format!("['a b@{MARKER}']"),
        format!("'https://{MARKER}@'"),
        format!("'{MARKER} <'"),
    ];
    let unknown = ["passwrd", "bind.pasword", "smtp.user", "secret"];
    let keys = STORE_KEYS.iter().map(|key| key.path).chain(unknown);
    for key in keys {
        for value in &values {
            let lines = format!("{key} = {value}");
            if let Err(errors) = load_text(&acme(&lines), &[]) {
                assert!(!errors.to_string().contains(MARKER), "{lines}\n{errors}");
                assert!(!format!("{errors:?}{errors:#?}").contains(MARKER), "{lines}\n{errors:?}");
            }
            let variable =
                format!("DIRHERALD_IDENTITY_STORE__ACME__{}", key.replace('.', "__").to_uppercase());
            if let Err(errors) = load_text(&acme(""), &[(&variable, value.trim_matches('\''))]) {
                assert!(!format!("{errors}{errors:?}").contains(MARKER), "{variable}\n{errors}");
            }
        }
    }
}

#[test]
fn m22_no_syntax_error_repeats_the_line() {
    let whole = MINIMAL.join("\n");
    for line in [
        format!("bind.password = \"{MARKER}"),
        format!("bind.password = {MARKER}"),
        format!("bind.password {MARKER}"),
        format!("bind.password = '{MARKER}' x"),
        format!("bind.password = '{MARKER}'\nbind.password = '{MARKER}'"),
        format!("bind.password = \"{MARKER}\\q\""),
        format!("bind.password = [\"{MARKER}\", "),
    ] {
        let errors = load_text(&format!("[identity_store.acme]\n{whole}\n{line}\n"), &[]).unwrap_err();
        assert!(!format!("{errors}{errors:?}").contains(MARKER), "{errors}");
    }
}

#[test]
fn m22_debug_shows_no_secret() {
    let lines = format!(
        "bind.method = 'simple'
        bind.dn = 'cn=x'
        bind.password = '{MARKER}'
        smtp.use_authentication = true
        smtp.username = 'x'
        smtp.password = '{MARKER}'"
    );
    let store = load_acme(&lines, &[]);
    assert!(!format!("{store:?}{store:#?}").contains(MARKER));
}
