use std::path::Path;

use super::{acme, check_file, load, load_text, sentences};

#[test]
fn stores_are_named_tables() {
    check_file(
        "",
        &[],
        &[
            "identity_store: there is none: write at least one table such as [identity_store.acme], with urls and base_dn",
        ],
    );
    check_file(
        "identity_store = 5",
        &[],
        &["identity_store: must be a table, not a whole number: write [identity_store.acme]"],
    );
    check_file(
        "identity_store.urls = ['ldaps://dc1']",
        &[],
        &[
            "identity_store.urls: must be a table, not a list: write [identity_store.acme], with a name of your own",
        ],
    );
    check_file(
        "[identity_store.ACME_EU]",
        &[],
        &[
            "identity_store.ACME_EU: a store's name is made of a-z, 0-9 and -: write for example [identity_store.acme-eu]",
        ],
    );
    check_file(
        &acme("").replacen("[id", "defaults = 5\n[id", 1),
        &[],
        &["defaults: must be a table, not a whole number: write [defaults]"],
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_once() {
    let toml = "
        [log]
        level = 'loud'
        [defaults.smtp]
        port = 'x'
        [identity_store.acme]
        urls = ['ldaps://dc1']
        base_dn = 'dc=acme'
        bind.method = 'anonymous'
        smtp.server = 'mail'
        smtp.from = 'a@acme.example'
        notify.owner = 1
        [identity_store.bravo]
        urls = ['ldaps://dc1']
        bind.method = 'anonymous'
        smtp.server = 'mail'
        smtp.from = 'nobody'
        notify.onwer = true
    ";
    check_file(
        toml,
        &[],
        &[
            "defaults.smtp.port: must be a whole number from 1 to 65535, not a text: write the number without quotes, for \
         example port = 587",
            "identity_store.acme.notify.owner: must be true or false, not a whole number: write owner = true",
            "identity_store.bravo.base_dn: is required: write for example base_dn = \"dc=acme,dc=example\"",
            "identity_store.bravo.notify.onwer: unknown key; did you mean identity_store.bravo.notify.owner?",
            "identity_store.bravo.smtp.from: is not a mail address: it has no @: write for example \"Directory \
         <no-reply@acme.example>\"",
            "log.level: must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ],
    );
}

#[test]
fn a_missing_file_says_what_to_do() {
    let said = load(Path::new("/nowhere/dirherald.toml"), std::iter::empty()).unwrap_err().to_string();
    assert_eq!(
        said,
        "/nowhere/dirherald.toml: there is no such file: copy config/dirherald.example.toml there and fill it in, or \
         name another one with --config"
    );
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let said = load(Path::new("/"), std::iter::empty()).unwrap_err().to_string();
    assert!(
        said.starts_with(
            "/: cannot be read: let this user read it, or name another one with --config: Is a dir"
        ),
        "{said}"
    );
}

#[test]
fn toml_that_is_none_names_the_line_and_not_its_text() {
    for (toml, line, problem) in [
        ("[state]\npath = \n", 2, "invalid string, expected `\"`, `'`"),
        ("[identity_store.acme.bind]\n\npassword = \"hunter2\n", 3, "invalid basic string"),
        ("[log]\nlevel = 'info'\nlevel = 'warn'\n", 3, "duplicate key `level` in table `log`"),
    ] {
        let said = sentences(load_text(toml, &[]));
        let [sentence] = said.as_slice() else { panic!("{said:?}") };
        let (_, sentence) = sentence.split_once("dirherald.toml: ").unwrap();
        assert_eq!(sentence, format!("line {line} is not valid TOML: {problem}"), "{toml}");
    }
}
