use super::{MINIMAL, acme, load_acme, load_text, look_at_text, sentences};
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
        format!("'admin:{MARKER}@mail.acme.example'"),
        format!("'ldaps://admin:{MARKER}@dc1'"),
        format!("'smtp://admin:{MARKER}@mail'"),
        format!("'{MARKER} <'"),
        format!("'/{MARKER}'"),
        format!("'/{MARKER}/x'"),
        format!("'{MARKER}/x'"),
        format!("['ldap:/{MARKER}']"),
        format!("['ldap:{MARKER}']"),
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

#[test]
fn whoever_only_looks_needs_no_file() {
    let lines = "bind.method = 'simple'
        bind.dn = 'cn=x'
        bind.password_file = '/etc/dirherald/nowhere'
        tls.ca_file = '/etc/dirherald/nowhere'
        tls.client_cert_file = '/etc/dirherald/nowhere'
        tls.client_key_file = '/etc/dirherald/nowhere'
        smtp.use_authentication = true
        smtp.username = 'x'
        smtp.password_file = '/etc/dirherald/nowhere'
        smtp.ca_file = '/etc/dirherald/nowhere'";
    let spool = "smtp.transport = 'file'\nsmtp.directory = '/etc/dirherald/nowhere'";
    for (lines, files) in [(lines, 6), (spool, 1)] {
        assert!(look_at_text(&acme(lines), &[]).is_ok(), "{lines}");
        assert_eq!(sentences(load_text(&acme(lines), &[])).len(), files, "{lines}");
        let wrong = format!("{lines}\nsmtp.port = 0");
        let said = sentences(look_at_text(&acme(&wrong), &[]));
        assert_eq!(said, ["identity_store.acme.smtp.port: must be a whole number from 1 to 65535"]);
    }
}

#[test]
fn whoever_only_looks_is_told_of_a_secret_that_is_not_given() {
    let lines = "bind.method = 'simple'\nbind.dn = 'cn=x'\nbind.password_file = ''";
    assert_eq!(sentences(look_at_text(&acme(lines), &[])), sentences(load_text(&acme(lines), &[])));
    assert_eq!(sentences(look_at_text(&acme(lines), &[])).len(), 1);
    let twice = "smtp.password = 'x'\nsmtp.password_file = '/etc/dirherald/nowhere'";
    let said = sentences(look_at_text(&acme(twice), &[]));
    assert!(said.len() == 1 && said[0].contains("is given twice"), "{said:?}");
}
