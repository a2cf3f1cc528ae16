//! `check`: everything is tried, everything that is wrong is told, and nothing is sent.

use std::{fs, path::Path};

use super::{assert_says, complete, healthy, run};
use crate::support::{
    daemon::{STORE, Site, toml_text},
    slapd::{ServiceLimit, Setup, Slapd},
    smtp::{Protection, SmtpServer},
};

fn path_text(path: &Path) -> String {
    toml_text(path.to_str().expect("a path in UTF-8"))
}

#[tokio::test]
async fn a_healthy_site_passes_and_shows_what_was_found() {
    let (slapd, smtp, site) = healthy().await;
    let ran = run(&site, &["check"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    let url = slapd.url();
    let account = slapd.service_dn();
    assert_says(
        &ran.stdout,
        &[
            "configuration",
            "state",
            "will be created",
            &format!("identity store {STORE}"),
            &url,
            "in the clear",
            "openldap",
            "root DSE",
            &account,
            "feed",
            "syncrepl",
            "RFC 4533",
            "bell",
            "syncrepl",
            "may read",
            "entryUUID, entryCSN, members of groups",
            "entries; no limit hides any",
            "option on",
            "owner: ",
            "recipients: ",
            "copies",
            "1 To, 0 Cc: of all changes",
            "schema.disabled_filter = (pwdaccountlockedtime=000001010000Z): these are disabled",
            "mail",
            &format!("127.0.0.1:{}", smtp.port()),
            "greeting",
            "220 ",
            "EHLO",
            "SMTPUTF8",
            "AUTH",
            "off",
            "everything is as it should be; nothing was sent",
        ],
    );
    assert!(!ran.stdout.contains("PROBLEM"), "{}", ran.stdout);
    assert!(smtp.mails().is_empty() && !smtp.commands().iter().any(|line| line.starts_with("MAIL")));
    assert!(!site.state_file().exists(), "it leaves no state file");
}

#[tokio::test]
async fn tls_and_a_login_are_shown() {
    let slapd = Setup::company().start();
    let smtp =
        SmtpServer::options().protection(Protection::StartTls).login("herald", "letters").start().await;
    let site = complete(Site::new(&slapd, &smtp))
        .with("urls", &format!("[{}, {}]", toml_text(&slapd.ldaps_url()), toml_text(&slapd.ldapi_url())))
        .with("tls.ca_file", &path_text(&slapd.ca_file()))
        .with("smtp.security", r#""starttls""#)
        .with("smtp.ca_file", &path_text(&smtp.ca_file()))
        .with("smtp.use_authentication", "true")
        .with("smtp.username", r#""herald""#)
        .with("smtp.password", r#""letters""#);
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    let expected =
        ["ldaps://", "over TLS", "ldapi://", "on this machine", "TLSv1.3", "AUTH", "as herald: 235"];
    assert_says(&ran.stdout, &expected);
    assert!(!ran.stdout.contains("letters"));
}

/// One thing that is wrong with an otherwise healthy site.
struct Wrong {
    name: &'static str,
    setup: Setup,
    spoil: fn(Site, &Slapd, &SmtpServer) -> Site,
    /// In this order: facts that were found all the same, the problem, what to do.
    says: &'static [&'static str],
}

impl Wrong {
    fn new(
        name: &'static str,
        spoil: fn(Site, &Slapd, &SmtpServer) -> Site,
        says: &'static [&'static str],
    ) -> Self {
        Self { name, setup: Setup::company(), spoil, says }
    }

    /// With another server than the company's usual one.
    fn at(self, setup: Setup) -> Self {
        Self { setup, ..self }
    }

    async fn check(self) {
        let Self { name, setup, spoil, says } = self;
        let (slapd, smtp) = (setup.start(), SmtpServer::start().await);
        let site = spoil(complete(Site::new(&slapd, &smtp)), &slapd, &smtp);
        let ran = run(&site, &["check"]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{name}: {}", ran.stdout);
        assert_says(&ran.stdout, says);
        assert!(smtp.mails().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used() {
    let cases = [
        Wrong::new(
            "wrong password",
            |site, _, _| site.with("bind.password", r#""guess""#),
            &[
                "EHLO",
                "PROBLEM",
                "ldap://127.0.0.1:",
                "49 invalidCredentials",
                "check bind.dn and bind.password",
            ],
        ),
        Wrong::new(
            "wrong CA",
            |site, slapd, smtp| {
                site.with("urls", &format!("[{}]", toml_text(&slapd.ldaps_url())))
                    .with("tls.ca_file", &path_text(&smtp.other_ca_file()))
            },
            &["EHLO", "PROBLEM", "ldaps://localhost:", "TLS failed", "check tls.ca_file"],
        ),
        Wrong::new(
            "unreachable server",
            |site, _, _| site.with("urls", r#"["ldap://127.0.0.1:9"]"#),
            &["EHLO", "PROBLEM", "ldap://127.0.0.1:9: could not connect", "check the URL"],
        ),
        Wrong::new(
            "ldaps at a port of plain LDAP",
            |site, slapd, _| {
                let url = slapd.url().replace("ldap://127.0.0.1", "ldaps://localhost");
                site.with("urls", &format!("[{}]", toml_text(&url)))
                    .with("tls.ca_file", &path_text(&slapd.ca_file()))
            },
            &[
                "PROBLEM",
                "ldaps://localhost:",
                "TLS failed",
                "speaks LDAP without TLS",
                "tls.start_tls = true",
            ],
        ),
        Wrong::new(
            "ldap at a port of TLS",
            |site, slapd, _| {
                let url = slapd.ldaps_url().replace("ldaps://", "ldap://");
                site.with("urls", &format!("[{}]", toml_text(&url)))
                    .with("tls.ca_file", &path_text(&slapd.ca_file()))
            },
            &["PROBLEM", "ldap://localhost:", "lost the connection", "speaks TLS", "write ldaps://"],
        ),
        Wrong::new(
            "StartTLS at a port of TLS, whose certificate nobody trusts",
            |site, slapd, smtp| {
                let url = slapd.ldaps_url().replace("ldaps://", "ldap://");
                site.with("urls", &format!("[{}]", toml_text(&url)))
                    .with("tls.start_tls", "true")
                    .with("tls.ca_file", &path_text(&smtp.other_ca_file()))
            },
            &[
                "PROBLEM",
                "ldap://localhost:",
                "StartTLS",
                "speaks TLS",
                "write ldaps://",
                "without tls.start_tls",
            ],
        ),
        Wrong::new(
            "second server unreachable",
            |site, slapd, _| {
                site.with("urls", &format!("[{}, \"ldap://127.0.0.1:9\"]", toml_text(&slapd.url())))
            },
            &["feed", "EHLO", "PROBLEM", "ldap://127.0.0.1:9: could not connect", "check the URL"],
        ),
        Wrong::new(
            "no such base",
            |site, _, _| site.with("base_dn", r#""ou=elsewhere,dc=harbour-vale,dc=example""#),
            &[
                "account",
                "EHLO",
                "PROBLEM",
                "ou=elsewhere,dc=harbour-vale,dc=example cannot be read",
                "check base_dn",
            ],
        ),
    ];
    for case in cases {
        case.check().await;
    }
}

#[tokio::test]
async fn l22_an_account_that_may_not_read_everything() {
    let cases = [
        Wrong::new(
            "l22_size_limit",
            |site, _, _| site,
            &[
                "7 entries in one search, and there are more",
                "EHLO",
                "PROBLEM",
                "only a part of the tree",
                "olcLimits: dn.exact=\"cn=dirherald,ou=services,dc=harbour-vale,dc=example\" \
                     size=unlimited time=unlimited",
            ],
        )
        .at(Setup::company().service_limit(ServiceLimit::Entries(7))),
        Wrong::new(
            "hidden attributes",
            |site, _, _| site,
            &[
                "the base, entryUUID\n",
                "PROBLEM",
                "may not read entryCSN, members of groups",
                "give it read access",
            ],
        )
        .at(Setup::company()
            .access("to dn.subtree=\"dc=harbour-vale,dc=example\" attrs=entryCSN by * none")
            .access("to attrs=member,uniqueMember,memberUid by * search")),
    ];
    for case in cases {
        case.check().await;
    }
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_used() {
    let cases = [
        Wrong::new(
            "mail server unreachable",
            |site, _, _| site.with("smtp.port", "9"),
            &["feed", "127.0.0.1:9", "PROBLEM", "the connection failed", "check smtp.server and smtp.port"],
        ),
        Wrong::new(
            "no STARTTLS",
            |site, _, smtp| {
                site.with("smtp.security", r#""starttls""#).with("smtp.ca_file", &path_text(&smtp.ca_file()))
            },
            &["220 ", "PROBLEM", "does not offer STARTTLS", "set smtp.security to \"tls\"", "to \"none\""],
        ),
        Wrong::new(
            "mail CA file without a certificate",
            |site, _, _| {
                let no_certificate = path_text(&site.config_file());
                site.with("smtp.security", r#""tls""#).with("smtp.ca_file", &no_certificate)
            },
            &["feed", "PROBLEM", "holds no certificate", "check that smtp.ca_file"],
        ),
    ];
    for case in cases {
        case.check().await;
    }
}

#[tokio::test]
async fn a_configuration_that_tells_nobody() {
    let cases = [
        Wrong::new(
            "no option",
            |site, _, _| site.without("notify.owner").without("recipients.to"),
            &[
                "EHLO",
                "PROBLEM",
                "no option is on",
                "set one",
                "PROBLEM",
                "neither alerts.to nor recipients.to",
                "2 problems",
            ],
        ),
        Wrong::new(
            "nobody to alert",
            |site, _, _| site.without("recipients.to"),
            &["EHLO", "PROBLEM", "neither alerts.to nor recipients.to", "set alerts.to", "1 problem"],
        ),
        Wrong::new(
            "no group is public",
            |site, _, _| site.with("notify.public_group_owner", "true"),
            &[
                "option on",
                "public_group_owner: ",
                "EHLO",
                "PROBLEM",
                "public_group_filter is empty",
                "set schema.public_group_filter",
                "1 problem",
            ],
        ),
    ];
    for case in cases {
        case.check().await;
    }
}

#[tokio::test]
async fn a_state_file_that_cannot_be_used() {
    let cases = [
        Wrong::new(
            "state below a file",
            |site, _, _| {
                let below = site.config_file().join("state.db");
                site.with_global("state.path", &path_text(&below))
            },
            &[
                "PROBLEM",
                "cannot open the state file",
                "make its directory exist and be writable",
                "what to do",
                "dirherald.toml is no directory",
                "feed",
                "EHLO",
            ],
        ),
        Wrong::new(
            "state in a directory that is not there",
            |site, _, _| site.with_global("state.path", r#""/nowhere/state.db""#),
            &[
                "PROBLEM",
                "cannot open the state file /nowhere/state.db",
                "set state.path",
                "what to do",
                "the directory /nowhere does not exist",
                "install -d",
                "feed",
            ],
        ),
        Wrong::new(
            "foreign state",
            |site, _, _| {
                fs::write(site.state_file(), "the shopping list of last week, and of the week before that")
                    .expect("writing");
                site
            },
            &["PROBLEM", "state.db is not a state file of dirherald", "set state.path", "feed"],
        ),
        Wrong::new(
            "state of another program's making",
            |site, _, _| {
                let other = rusqlite::Connection::open(site.state_file()).expect("a database");
                other.execute_batch("CREATE TABLE shopping (what TEXT)").expect("a table");
                site
            },
            &["PROBLEM", "state.db is not a state file of dirherald", "feed"],
        ),
        Wrong::new(
            "newer state",
            |site, _, _| {
                newer_state(&site);
                site
            },
            &["PROBLEM", "has version 99", "install the newer dirherald", "feed"],
        ),
    ];
    for case in cases {
        case.check().await;
    }
}

fn newer_state(site: &Site) {
    drop(dirherald::db::Db::open(&site.state_file()).expect("a state file"));
    let file = rusqlite::Connection::open(site.state_file()).expect("opening it");
    file.pragma_update(None, "user_version", 99).expect("a version from the future");
}

#[tokio::test]
async fn a_refused_login_is_told_in_the_servers_words() {
    let slapd = Setup::company().start();
    let smtp = SmtpServer::options().login("herald", "letters").start().await;
    let site = complete(Site::new(&slapd, &smtp))
        .with("smtp.allow_plaintext", "true")
        .with("smtp.use_authentication", "true")
        .with("smtp.username", r#""herald""#)
        .with("smtp.password", r#""wrong-letters""#);
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert_says(
        &ran.stdout,
        &["EHLO", "PROBLEM", "authentication failed", "535", "check smtp.username and smtp.password"],
    );
    assert!(!ran.stdout.contains("wrong-letters"), "{}", ran.stdout);
}

#[tokio::test]
async fn one_broken_store_does_not_hide_another() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = complete(Site::new(&slapd, &smtp))
        .and_store("school", &slapd, &smtp)
        .with_global("identity_store.school.notify.owner", "true")
        .with_global("identity_store.school.recipients.to", r#"["head@school.example"]"#)
        .with("urls", r#"["ldap://127.0.0.1:9"]"#)
        .with("smtp.port", "9");
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    let school = format!("identity store school\n  directory      {}", slapd.url());
    assert_says(
        &ran.stdout,
        &["PROBLEM", "could not connect", "PROBLEM", "check smtp.server", &school, "EHLO", "2 problems"],
    );
    let ran = run(&site, &["check", "--store", "school"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(!ran.stdout.contains(STORE), "{}", ran.stdout);
}

#[tokio::test]
async fn a_running_daemon_is_no_trouble() {
    let (_slapd, _smtp, site) = healthy().await;
    let daemon = site.start();
    daemon.wait_live().await;
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_says(&ran.stdout, &["state", "a daemon runs on it"]);
    daemon.stop().await;
}
