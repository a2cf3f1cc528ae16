use secrecy::ExposeSecret;

use super::{acme, file_with, load_acme, load_text, sentences};
use crate::{
    config::{LogFormat, StoreSettings},
    connector::settings::Bind,
    directory::mail_address::MailAddress,
    outbox::settings::Transport,
};

fn password(store: &StoreSettings) -> String {
    match &store.connector.bind {
        Bind::Simple { password, .. } => password.expose_secret().to_owned(),
        Bind::External | Bind::Anonymous => panic!("not a simple bind"),
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let config = load_text(
        &acme("smtp.port = 25\nnotify.owner = false"),
        &[
            ("PATH", "/usr/bin"),
            ("DIRHERALD_STATE__PATH", "/tmp/state.db"),
            ("DIRHERALD_LOG__FORMAT", "json"),
            ("DIRHERALD_IDENTITY_STORE__ACME__SMTP__PORT", "26"),
            ("DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__OWNER", "true"),
            ("DIRHERALD_IDENTITY_STORE__ACME__RECIPIENTS__TO", "a@acme.example, b@acme.example"),
            ("DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__RECIPIENT_DOMAINS", ""),
            ("DIRHERALD_IDENTITY_STORE__ACME__PASSWORD_EXPIRY__WARN_DAYS", "14,7,3,1"),
            ("DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__MEMBERSHIP_LIFECYCLE__JOINS", "false"),
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.state.path.to_str(), Some("/tmp/state.db"));
    assert_eq!(config.log.format, LogFormat::Json);
    let store = config.stores.into_values().next().unwrap();
    assert!(matches!(store.mail.transport, Transport::Smtp(smtp) if smtp.port == 26));
    assert!(store.notify.owner);
    let to: Vec<_> = store.notify.recipients.to.iter().map(MailAddress::as_str).collect();
    assert_eq!(to, ["a@acme.example", "b@acme.example"]);
}

#[test]
fn a_password_of_digits_stays_a_text() {
    let store = load_acme(
        "bind.method = 'simple'\nbind.dn = 'cn=x'",
        &[("DIRHERALD_IDENTITY_STORE__ACME__BIND__PASSWORD", "12345")],
    );
    assert_eq!(password(&store), "12345");
}

#[test]
fn underscores_in_a_stores_name_stand_for_dashes() {
    for (store, variable) in [("acme-eu", "ACME_EU"), ("a--b", "A__B"), ("x-", "X_"), ("389", "389")] {
        let toml = acme("").replace("acme]", &format!("{store}]"));
        let name = format!("DIRHERALD_IDENTITY_STORE__{variable}__NOTIFY__OWNER");
        let config = load_text(&toml, &[(&name, "true")]).unwrap();
        let stores: Vec<_> =
            config.stores.iter().map(|(name, settings)| (name.as_str(), settings.notify.owner)).collect();
        assert_eq!(stores, [(store, true)]);
    }
}

#[test]
fn a_store_can_come_from_the_environment_alone() {
    let config = load_text(
        "",
        &[
            ("DIRHERALD_IDENTITY_STORE__ACME_EU__URLS", "ldaps://dc1,ldaps://dc2"),
            ("DIRHERALD_IDENTITY_STORE__ACME_EU__BASE_DN", "dc=acme,dc=example"),
            ("DIRHERALD_IDENTITY_STORE__ACME_EU__SMTP__SERVER", "mail"),
            ("DIRHERALD_DEFAULTS__BIND__METHOD", "anonymous"),
            ("DIRHERALD_DEFAULTS__SMTP__FROM", "Directory <a@acme.example>"),
        ],
    );
    let store = config.unwrap().stores.into_values().next().unwrap();
    assert_eq!((store.name.as_str(), store.connector.urls.len()), ("acme-eu", 2));
    assert_eq!(store.connector.base_dn.as_str(), "dc=acme,dc=example");
}

#[test]
fn lists_of_dns_stand_in_brackets() {
    let name = "DIRHERALD_IDENTITY_STORE__ACME__SCHEMA__DUMMY_MEMBERS";
    let bracketed = load_text(&acme(""), &[(name, r#"["cn=dummy,dc=acme,dc=example"]"#)]);
    assert!(bracketed.is_ok());
    assert_eq!(
        sentences(load_text(&acme(""), &[(name, "cn=dummy,dc=acme,dc=example")])),
        [
            "identity_store.acme.schema.dummy_members: must be a list of distinguished names, not a text: write it \
         in brackets, for example dummy_members = [\"cn=example,dc=acme,dc=example\"] (set by the environment variable \
         DIRHERALD_IDENTITY_STORE__ACME__SCHEMA__DUMMY_MEMBERS)"
        ]
    );
}

#[test]
fn an_error_names_the_variable() {
    let variables = [
        ("DIRHERALD_IDENTITY_STORE__ACME__SMTP__PORT", "five"),
        ("DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__OWNER", "1"),
        ("DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__ONWER", "true"),
        ("DIRHERALD_STATE_PATH", "/tmp"),
    ];
    assert_eq!(
        sentences(load_text(&acme(""), &variables)),
        [
            "identity_store.acme.notify.onwer: unknown key; did you mean identity_store.acme.notify.owner? (set by the \
         environment variable DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__ONWER)",
            "identity_store.acme.notify.owner: must be true or false: set it to true (set by the \
         environment variable DIRHERALD_IDENTITY_STORE__ACME__NOTIFY__OWNER)",
            "identity_store.acme.smtp.port: must be a whole number from 1 to 65535 (set by \
         the environment variable DIRHERALD_IDENTITY_STORE__ACME__SMTP__PORT)",
            "state_path: unknown key; did you mean state.path? (set by the environment variable DIRHERALD_STATE_PATH)",
        ]
    );
}

#[test]
fn a_secret_can_stand_in_a_file_of_its_own() {
    for (content, expected) in [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        (" hunter2 ", " hunter2 "),
    ] {
        let (_directory, file) = file_with(content);
        let lines =
            format!("bind.method = 'simple'\nbind.dn = 'cn=x'\nbind.password_file = '{}'", file.display());
        assert_eq!(password(&load_acme(&lines, &[])), expected);
    }
}

#[test]
fn a_secret_of_a_higher_layer_replaces_both_forms() {
    let (_directory, file) = file_with("from-file");
    let file = file.display().to_string();
    let base = "bind.method = 'simple'\nbind.dn = 'cn=x'";
    let name = "DIRHERALD_IDENTITY_STORE__ACME__BIND__PASSWORD";
    let name_of_file = "DIRHERALD_IDENTITY_STORE__ACME__BIND__PASSWORD_FILE";

    let over_file = load_acme(&format!("{base}\nbind.password_file = '/nowhere'"), &[(name, "from-env")]);
    assert_eq!(password(&over_file), "from-env");
    let over_text = load_acme(&format!("{base}\nbind.password = 'text'"), &[(name_of_file, &file)]);
    assert_eq!(password(&over_text), "from-file");

    let defaults = format!("[defaults.bind]\npassword_file = '{file}'\n");
    let over_defaults =
        load_text(&format!("{defaults}{}", acme(&format!("{base}\nbind.password = 'own'"))), &[]);
    assert_eq!(password(over_defaults.unwrap().stores.values().next().unwrap()), "own");
    let below = load_text(&format!("{defaults}{}", acme(base)), &[]);
    assert_eq!(password(below.unwrap().stores.values().next().unwrap()), "from-file");
}

#[test]
fn a_secret_in_both_forms_at_once_is_refused() {
    let (_directory, file) = file_with("from-file");
    let lines = format!("smtp.password = 'x'\nsmtp.password_file = '{}'", file.display());
    assert_eq!(
        sentences(load_text(&acme(&lines), &[])),
        [
            "identity_store.acme.smtp.password: is given twice, as password and as password_file: keep one of them"
        ]
    );
    assert!(load_text(&acme("smtp.password = 'x'\nsmtp.password_file = ''"), &[]).is_ok());
}
