//! Secrets: those in the configuration, and those in the directory.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    cases::scene::Scene,
    support::{
        daemon::{Ran, STORE, Site},
        ldap::Ldap,
        slapd::Setup,
        smtp::{At, Fault, SmtpServer},
    },
};

const LDAP_PASSWORD: &str = "marker-of-the-bind-4711";
const SMTP_PASSWORD: &str = "marker-of-the-mail-0815";
const WRONG_PASSWORD: &str = "marker-of-a-mistake-1234";

/// A secret as it is, and as logins write it.
fn forms(secret: &str) -> Vec<String> {
    let coded = |text: String| BASE64_STANDARD.encode(text);
    vec![
        secret.to_owned(),
        coded(secret.to_owned()),
        coded(format!("\0herald\0{secret}")),
        format!("{:?}", secret.as_bytes()),
    ]
}

#[track_caller]
fn assert_absent(secrets: &[&str], place: &str, text: &[u8]) {
    for form in secrets.iter().flat_map(|secret| forms(secret)) {
        let found = text.windows(form.len()).position(|window| window == form.as_bytes());
        let around = found.map(|at| {
            let line = text.get(at.saturating_sub(300)..(at + 100).min(text.len())).unwrap_or_default();
            String::from_utf8_lossy(line).into_owned()
        });
        assert_eq!(around, None, "{form:?} stands in {place}");
    }
}

/// The state file and what SQLite keeps beside it.
fn state_bytes(site: &Site) -> Vec<u8> {
    let path = site.state_file();
    let directory = path.parent().expect("the state file lies somewhere");
    let mut all = Vec::new();
    for file in fs::read_dir(directory).expect("the directory of the state").map(|file| file.expect("a file"))
    {
        if file.file_name().to_string_lossy().starts_with("state.db") {
            all.extend(fs::read(file.path()).expect("a readable file"));
        }
    }
    assert!(!all.is_empty());
    all
}

fn said(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr)
}

/// Every command that reads the configuration.
fn commands(event: &str, message: &str) -> Vec<Vec<String>> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    vec![
        owned(&["check"]),
        owned(&["status"]),
        owned(&["events"]),
        owned(&["outbox", "list"]),
        owned(&["outbox", "show", message]),
        owned(&["explain", event]),
        owned(&["simulate", "--add-member", "wanjiru", "--to", "warehouse"]),
        owned(&["simulate", "--delete", "mei"]),
        owned(&["held", "list"]),
        owned(&["test-mail", "--to", "somebody@harbour-vale.example"]),
        owned(&["no-such-command"]),
    ]
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
async fn m22_secrets_are_in_no_log_no_output_no_mail_and_not_in_the_state() {
    let secrets = [LDAP_PASSWORD, SMTP_PASSWORD];
    for format in ["text", "json"] {
        let mut scene = with_secrets().await;
        scene.site = scene.site.with_global("log.format", &format!("\"{format}\""));
        let daemon = scene.live().await;
        scene.ldap.add_member("cn=warehouse,ou=groups", "uid=wanjiru,ou=people").await;
        scene.settle().await;
        let event = scene.change_events().first().expect("an event").id.to_string();
        let [message, ..] = &scene.site.outbox_json().await[..] else { panic!("a message") };
        let message = message["id"].as_str().expect("an id").to_owned();
        for words in commands(&event, &message) {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            for last in [None, Some("--json")] {
                words.extend(last);
                let ran = scene.site.run(&words).await;
                assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
                assert_absent(&secrets, &words.join(" "), said(&ran).as_bytes());
            }
        }
        daemon.stop().await;
        assert!(scene.site.log().contains("dirherald runs") && scene.smtp.mails().len() > 2);
        assert_absent(&secrets, "the log", scene.site.log().as_bytes());
        assert_absent(&secrets, "the state", &state_bytes(&scene.site));
        for mail in scene.smtp.mails() {
            assert_absent(&secrets, "a mail", &mail.bytes);
        }
    }
}

#[tokio::test]
async fn m22_secrets_are_in_no_error() {
    let secrets = [LDAP_PASSWORD, SMTP_PASSWORD, WRONG_PASSWORD];
    let scene = with_secrets().await;
    let plain = BASE64_STANDARD.encode(format!("\0herald\0{SMTP_PASSWORD}"));
    // A mail server that says back what it was told.
    scene.smtp.script(Fault::at(At::Auth).answer(format!("535 5.7.8 not {SMTP_PASSWORD} nor {plain}")));
    let ran = scene.site.run(&["check"]).await;
    assert_eq!(ran.code, 3, "{}", said(&ran));
    assert_absent(&secrets, "check, refused by the mail server", said(&ran).as_bytes());
    let ran = scene.site.run(&["test-mail", "--to", "somebody@harbour-vale.example"]).await;
    assert_eq!(ran.code, 1, "{}", said(&ran));
    assert_absent(&secrets, "test-mail, refused", said(&ran).as_bytes());

    // A directory that refuses the password.
    let scene = scene.with("bind.password", &format!("\"{WRONG_PASSWORD}\""));
    let ran = scene.site.run(&["check"]).await;
    assert_eq!(ran.code, 3, "{}", said(&ran));
    assert_absent(&secrets, "check, refused by the directory", said(&ran).as_bytes());
    let daemon = scene.site.start();
    scene.wait_for_error("invalidCredentials").await;
    daemon.stop().await;
    assert_absent(&secrets, "the log", scene.site.log().as_bytes());
    assert_absent(&secrets, "the state", &state_bytes(&scene.site));

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
            let secrets: &[&str] = if key.ends_with("_file") { &secrets[..2] } else { &secrets };
            assert_absent(secrets, &format!("{words:?} with a wrong {key}"), said(&ran).as_bytes());
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
        assert_absent(&[LDAP_PASSWORD, WRONG_PASSWORD, SMTP_PASSWORD], "check", said(&ran).as_bytes());
    }
}

const SENSITIVE: [&str; 4] =
    ["marker-of-mei-before", "marker-of-mei-after", "marker-of-who-is-new", "marker-of-a-group"];

#[tokio::test]
async fn m23_sensitive_attributes_are_never_stored_or_told() {
    // An account that may read what it should not.
    let setup = Setup::company().access(
        "to attrs=userPassword by dn.exact=\"cn=dirherald,ou=services,dc=harbour-vale,dc=example\" read by * break",
    );
    let mut scene = Scene::of(setup).await;
    scene.ldap.replace("uid=mei,ou=people", "userPassword", &[SENSITIVE[0]]).await;
    let service =
        Ldap::bind(&scene.slapd.url(), scene.slapd.base(), &scene.slapd.service_dn(), "demo-only").await;
    let readable = service.values("uid=mei,ou=people", "userPassword").await.expect("she is there");
    assert_eq!(readable, [SENSITIVE[0]]);
    scene.site = scene.site.with_global("log.level", "\"trace\"");
    let scene = scene
        .with("notify.object_modified", "true")
        .with("notify.manager", "true")
        .with("recipients.to", "[\"archive@harbour-vale.example\"]")
        .with("recipients.copy", "\"all-changes\"");
    let daemon = scene.live().await;
    let (mei, new) = ("uid=mei,ou=people", "uid=new,ou=people");
    scene.ldap.replace(mei, "userPassword", &[SENSITIVE[1]]).await;
    scene.settle().await;
    assert_eq!(scene.events(), Vec::<String>::new(), "a new password is no event");
    scene.ldap.replace(mei, "title", &["Chief"]).await;
    scene.ldap.add_person(new, "New Person", "new@harbour-vale.example").await;
    scene.ldap.replace(new, "userPassword", &[SENSITIVE[2]]).await;
    scene.ldap.add_member("cn=warehouse,ou=groups", new).await;
    scene.ldap.replace(new, "title", &["Clerk"]).await;
    scene.ldap.rename(new, "uid=newer").await;
    scene.ldap.delete("uid=newer,ou=people").await;
    scene.ldap.delete(mei).await;
    scene.settle().await;
    let shown = scene.site.run(&["events", "--json"]).await;
    assert!(shown.stdout.lines().count() > 6, "{}", shown.stdout);
    assert_absent(&SENSITIVE, "events", said(&shown).as_bytes());
    daemon.stop().await;
    // And through a refresh.
    scene.ldap.replace("uid=oscar,ou=people", "userPassword", &[SENSITIVE[3]]).await;
    scene.ldap.replace("uid=oscar,ou=people", "title", &["Clerk"]).await;
    let daemon = scene.live().await;
    scene.settle().await;
    daemon.stop().await;
    assert_absent(&SENSITIVE, "the log", scene.site.log().as_bytes());
    assert_absent(&SENSITIVE, "the state", &state_bytes(&scene.site));
    assert!(scene.letters().len() > 6);
    for mail in scene.smtp.mails() {
        assert_absent(&SENSITIVE, "a mail", &mail.bytes);
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
        ["(userPassword=*)", "(|(cn=x)(USERPASSWORD;x-y=secret))", "(!(unicodePwd>=a))"]
            .map(|filter| (key, format!("\"{filter}\"")))
    });
    let lists = lists.into_iter().flat_map(|key| {
        ["userPassword", "PwdHistory", "userPassword;lang-de"]
            .map(|name| (key, format!("[\"cn\", \"{name}\"]")))
    });
    for (key, value) in filters.chain(lists).chain([("schema.language", "\"userPassword\"".to_owned())]) {
        let site = scene.site.clone().with(key, &value);
        let ran = site.run(&["check"]).await;
        assert_eq!(ran.code, 2, "{key} = {value}: {}", said(&ran));
        assert!(ran.stderr.contains(&format!("{STORE}.{key}")), "{key} = {value}: {}", ran.stderr);
    }
}
