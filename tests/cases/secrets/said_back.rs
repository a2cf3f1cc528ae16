//! Servers that say back what they were told.

use base64::{Engine, prelude::BASE64_STANDARD};
use dirherald::{
    config,
    connector::{Connector, Timing},
    outbox::mailer::Mailer,
};

use super::{
    said,
    search::{Secrets, hex},
    sites::{Given, LDAP_PASSWORD, MARKERS, SMTP_PASSWORD, Sealed},
};
use crate::support::{
    ber,
    daemon::toml_text,
    scripted_ldap::{Operation, Script, ScriptedLdap, Step},
    smtp::{At, Fault},
    wait,
};

/// The login as it is and as it was sent, in words of a server.
fn words(user: &str, password: &str) -> String {
    let plain = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
    let alone = BASE64_STANDARD.encode(password);
    let hex = hex(password.as_bytes()).to_uppercase();
    format!("not for {password} nor {plain} nor {alone} nor {hex}")
}

/// Scripts for connections of `check` and of the daemon, each ending with this.
async fn directory(ending: &[Step]) -> ScriptedLdap {
    ScriptedLdap::start((0..50).map(|_| ending.to_vec())).await
}

/// A bind that is taken, and then this.
fn welcome_and(next: Vec<Step>) -> Script {
    let mut script = vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(0, ""))];
    script.extend(next);
    script
}

#[tokio::test]
async fn m22_a_directory_that_says_the_login_back() {
    let secrets = Secrets::of(&MARKERS);
    let mut sealed = Sealed::start(Given::Inline, "text").await;
    let words = words(&sealed.scene.slapd.service_dn(), LDAP_PASSWORD);
    let notice = ber::extended_response(52, &words, Some("1.3.6.1.4.1.1466.20036"), None);
    let long = format!("{} {words}", "x".repeat(960));
    let cases =
        [
            vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(49, &words)), Step::Hold],
            vec![Step::expect(Operation::Bind), Step::answer(ber::bind_response(53, &long)), Step::Hold],
            vec![Step::expect(Operation::Bind), Step::Send(ber::message(0, notice.clone())), Step::Close],
            welcome_and(vec![
                Step::expect(Operation::Extended),
                Step::Send(ber::message(0, notice)),
                Step::Close,
            ]),
            welcome_and(
                [vec![
                    Step::expect(Operation::Extended),
                    Step::answer(ber::extended_response(0, "", None, None)),
                    Step::expect(Operation::Search),
                    Step::answer(ber::search_done(0, "")),
                ]]
                .into_iter()
                .chain((0..5).map(|_| {
                    vec![Step::expect(Operation::Search), Step::answer(ber::search_done(50, &words))]
                }))
                .flatten()
                .collect(),
            ),
        ];
    for ending in cases {
        let server = directory(&ending).await;
        let urls = format!("[{}]", toml_text(&server.url()));
        sealed.scene = sealed.scene.with("urls", &urls);
        let ran = sealed.scene.site.run(&["check"]).await;
        assert!(ran.code == 3 && ran.stdout.contains("[withheld]"), "{}", said(&ran));
        secrets.assert_absent("check", said(&ran).as_bytes());
        let daemon = sealed.scene.site.start();
        // In the state the words of the daemon before it may still stand.
        let withheld = async || daemon.log().contains("[withheld]").then_some(());
        wait::until_async("words withheld", withheld).await;
        sealed.scene.wait_for_error("[withheld]").await;
        let ran = sealed.scene.site.run(&["status"]).await;
        secrets.assert_absent("status", said(&ran).as_bytes());
        daemon.stop().await;
    }
    assert!(sealed.scene.site.log().contains("[withheld]"));
    secrets.assert_absent_below(sealed.scene.site.directory(), &[&sealed.scene.site.config_file()]);
}

const GROUP: &str = "cn=warehouse,ou=groups";

/// How many stored answers had something in them that must not be stored.
fn withheld(sealed: &Sealed) -> i64 {
    sealed.scene.site.count("SELECT count(*) FROM attempt WHERE answer LIKE '%[withheld]%'")
}

#[tokio::test]
async fn m22_a_mail_server_that_says_the_login_back() {
    let secrets = Secrets::of(&MARKERS);
    let words = words("herald", SMTP_PASSWORD);
    let mut sealed = Sealed::start(Given::Inline, "json").await;
    sealed.scene = sealed.scene.with("smtp.retry_initial", "\"100ms\"");
    let daemon = sealed.scene.live().await;
    for (at, code) in [
        (At::Connect, 554),
        (At::Ehlo, 550),
        (At::Auth, 535),
        (At::Mail, 451),
        (At::Rcpt, 550),
        (At::Data, 450),
        (At::Message, 554),
        (At::Taken, 250),
    ] {
        sealed.scene.smtp.script(Fault::at(at).answer(format!("{code} {words}")));
        let to = ["test-mail", "--to", "somebody@harbour-vale.example"];
        for command in [&["check"][..], &to] {
            let ran = sealed.scene.site.run(command).await;
            secrets.assert_absent(&format!("{command:?}, {at:?}"), said(&ran).as_bytes());
            let is_tried = !matches!(at, At::Mail | At::Rcpt | At::Data | At::Message | At::Taken);
            let says = ran.stdout.contains("[withheld]") || ran.stderr.contains("[withheld]");
            assert!(says || (command == ["check"] && !is_tried), "{command:?}, {at:?}: {}", said(&ran));
        }
        let (before, member) = (withheld(&sealed), "uid=wanjiru,ou=people");
        sealed.scene.ldap.add_member(GROUP, member).await;
        wait::until_async("an answer is stored", async || (withheld(&sealed) > before).then_some(())).await;
        sealed.scene.ldap.remove_member(GROUP, member).await;
        sealed.scene.smtp.clear_script();
    }
    for mail in sealed.scene.site.outbox_json().await {
        let ran = sealed.scene.site.run(&["outbox", "show", mail["id"].as_str().expect("an id")]).await;
        secrets.assert_absent("outbox show", said(&ran).as_bytes());
    }
    daemon.stop().await;
    secrets.assert_absent_below(sealed.scene.site.directory(), &[&sealed.scene.site.config_file()]);
}

/// What a panic, or an error that is shown with its fields, would print.
#[tokio::test]
async fn m22_nothing_that_holds_a_secret_shows_it() {
    let sealed = Sealed::start(Given::Inline, "text").await;
    let config = config::load(&sealed.scene.site.config_file(), std::iter::empty()).expect("a configuration");
    let secrets = Secrets::of(&MARKERS);
    secrets.assert_absent("the configuration", format!("{config:?} {config:#?}").as_bytes());
    let store = config.stores.values().next().expect("a store").clone();
    let connector = Connector::new(store.connector.clone(), Vec::new(), Timing::default());
    let mailer = Mailer::new(&store.mail).expect("a mailer");
    let shown = format!("{connector:?} {mailer:?} {:?} {:?} {:?}", store.connector, store.mail, store);
    assert!(shown.contains("herald"));
    secrets.assert_absent("settings", shown.as_bytes());
}
