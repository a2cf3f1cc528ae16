//! Secrets: those in the configuration, and those in the directory.

mod every_command;
mod said_back;
mod search;
mod sites;

use base64::{Engine, prelude::BASE64_STANDARD};

use self::search::Secrets;
use crate::{
    cases::scene::Scene,
    support::{
        daemon::{Ran, STORE},
        smtp::{At, Fault, SmtpServer},
    },
};

const LDAP_PASSWORD: &str = "marker-of-the-bind-4711";
const SMTP_PASSWORD: &str = "marker-of-the-mail-0815";
const WRONG_PASSWORD: &str = "marker-of-a-mistake-1234";

fn said(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr)
}

/// A site whose directory and mail server both want a password, with everything logged.
async fn with_secrets() -> Scene {
    let mut scene = Scene::company().await;
    scene.ldap.replace("cn=dirherald,ou=services", "userPassword", &[LDAP_PASSWORD]).await;
    scene.smtp = SmtpServer::options().login("herald", SMTP_PASSWORD).start().await;
    let port = scene.smtp.port().to_string();
    scene = scene
        .with("bind.password", &format!("\"{LDAP_PASSWORD}\""))
        .with("smtp.port", &port)
        .with("smtp.use_authentication", "true")
        .with("smtp.allow_plaintext", "true")
        .with("smtp.username", "\"herald\"")
        .with("smtp.password", &format!("\"{SMTP_PASSWORD}\""));
    scene.site = scene.site.with_global("log.level", "\"trace\"");
    scene
}

#[tokio::test]
async fn m22_secrets_are_in_no_error() {
    let secrets = Secrets::of(&[LDAP_PASSWORD, SMTP_PASSWORD, WRONG_PASSWORD]);
    let scene = with_secrets().await;
    let plain = BASE64_STANDARD.encode(format!("\0herald\0{SMTP_PASSWORD}"));
    // A mail server that says back what it was told.
    scene.smtp.script(Fault::at(At::Auth).answer(format!("535 5.7.8 not {SMTP_PASSWORD} nor {plain}")));
    let ran = scene.site.run(&["check"]).await;
    assert_eq!(ran.code, 3, "{}", said(&ran));
    secrets.assert_absent("check, refused by the mail server", said(&ran).as_bytes());
    let ran = scene.site.run(&["test-mail", "--to", "somebody@harbour-vale.example"]).await;
    assert_eq!(ran.code, 1, "{}", said(&ran));
    secrets.assert_absent("test-mail, refused", said(&ran).as_bytes());

    // A directory that refuses the password.
    let scene = scene.with("bind.password", &format!("\"{WRONG_PASSWORD}\""));
    let ran = scene.site.run(&["check"]).await;
    assert_eq!(ran.code, 3, "{}", said(&ran));
    secrets.assert_absent("check, refused by the directory", said(&ran).as_bytes());
    let daemon = scene.site.start();
    scene.wait_for_error("invalidCredentials").await;
    daemon.stop().await;
    secrets.assert_absent_below(scene.site.directory(), &[&scene.site.config_file()]);

    let in_files = Secrets::of(&[LDAP_PASSWORD, SMTP_PASSWORD]);
    // Configurations that are refused, and what is wrong with them is the secret, or stands beside it.
    let list = format!("[\"{LDAP_PASSWORD}\"]");
    let table = format!("{{ value = \"{SMTP_PASSWORD}\" }}");
    let path = format!("\"/nowhere/{WRONG_PASSWORD}\"");
    for (key, value) in [
        ("bind.password", list.as_str()),
        ("smtp.password", table.as_str()),
        ("smtp.passwort", "\"marker-of-the-mail-0815\""),
        ("bind.password_file", path.as_str()),
    ] {
        let site = scene.site.clone().with(key, value);
        for words in [&["check"][..], &["run"], &["status"], &["check", "--json"]] {
            let ran = site.run(words).await;
            assert_eq!(ran.code, 2, "{key} {words:?}: {}", said(&ran));
            // A path is no secret; what would stand in the file is.
            let secrets = if key.ends_with("_file") { &in_files } else { &secrets };
            secrets.assert_absent(&format!("{words:?} with a wrong {key}"), said(&ran).as_bytes());
        }
    }
}

#[tokio::test]
async fn m22_a_secret_from_the_environment_is_as_secret() {
    let scene = with_secrets().await.with("bind.password", "\"replaced\"");
    let name = format!("DIRHERALD_IDENTITY_STORE__{}__BIND__PASSWORD", STORE.to_uppercase());
    for (value, code) in [(LDAP_PASSWORD, 0), (WRONG_PASSWORD, 3)] {
        let mut command = scene.site.command(&["check"]);
        command.env(&name, value);
        let ran = Ran::of(command, &["check"]).await;
        // Nobody is set up to hear of trouble, which is no matter here.
        assert!(ran.code == code || ran.code == 3, "{}", said(&ran));
        let secrets = Secrets::of(&[LDAP_PASSWORD, WRONG_PASSWORD, SMTP_PASSWORD]);
        secrets.assert_absent("check", said(&ran).as_bytes());
    }
}

#[tokio::test]
async fn m23_a_configuration_that_names_a_sensitive_attribute_is_refused() {
    let scene = Scene::company().await;
    let filters = [
        "schema.user_filter",
        "schema.group_filter",
        "schema.contact_filter",
        "schema.disabled_filter",
        "schema.public_group_filter",
        "schema.ignore_filter",
        "schema.do_not_notify_filter",
        "notify.pilot_filter",
    ];
    let lists = [
        "schema.watched_attributes",
        "schema.mail",
        "schema.display_name",
        "schema.account_name",
        "schema.members",
        "schema.primary_owner",
        "schema.additional_owners",
        "schema.manager",
        "schema.additional_managers",
    ];
    let filters = filters.into_iter().flat_map(|key| {
        [
            "(userPassword=*)",
            "(|(cn=x)(USERPASSWORD;x-y=secret))",
            "(!(unicodePwd>=a))",
            "(2.5.4.35=*)",
            "(oathsecret;lang-de~=x)",
        ]
        .map(|filter| (key, format!("\"{filter}\"")))
    });
    let lists = lists.into_iter().flat_map(|key| {
        ["userPassword", "PwdHistory", "userPassword;lang-de", "2.5.4.35", "2.5.4.35;x-y", "sambaNTPassword"]
            .map(|name| (key, format!("[\"cn\", \"{name}\"]")))
    });
    for (key, value) in filters.chain(lists).chain([("schema.language", "\"userPassword\"".to_owned())]) {
        let site = scene.site.clone().with(key, &value);
        let ran = site.run(&["check"]).await;
        assert_eq!(ran.code, 2, "{key} = {value}: {}", said(&ran));
        assert!(ran.stderr.contains(&format!("{STORE}.{key}")), "{key} = {value}: {}", ran.stderr);
    }
}
