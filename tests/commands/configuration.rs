//! What every command does with a configuration that is wrong, and with its own arguments.

use std::fs;

use super::{assert_says, run};
use crate::support::{
    daemon::{STORE, Site},
    slapd::Setup,
    smtp::SmtpServer,
};

#[tokio::test]
async fn all_errors_of_a_configuration_are_told_under_its_name() {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = Site::new(&slapd, &smtp).with("notify.ownr", "true").with("smtp.port", r#""many""#);
    for command in [&["check"][..], &["run"], &["status", "--json"], &["events"], &["outbox", "list"]] {
        let ran = run(&site, command).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?}");
        let header = format!("dirherald: {} has 2 errors:\n", site.config_file().display());
        let unknown = format!("\n  identity_store.{STORE}.notify.ownr: ");
        let mistyped = format!("\n  identity_store.{STORE}.smtp.port: ");
        assert!(ran.stderr.starts_with(&header), "{}", ran.stderr);
        assert_says(&ran.stderr, &[unknown.as_str(), "owner", &mistyped]);
    }
    assert!(!site.state_file().exists());
}

#[tokio::test]
async fn one_error_is_not_errors_and_a_file_that_is_missing_has_no_heading() {
    let site = Site::empty().with_global("log.colour", "true");
    let ran = run(&site, &["status"]).await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains(".toml has 2 errors:") || ran.stderr.contains("has an error:"),
        "{}",
        ran.stderr
    );
    fs::write(site.config_file(), "state = [").expect("writing");
    let ran = run(&site, &["status"]).await;
    assert_eq!(ran.code, 2);
    assert_says(&ran.stderr, &["dirherald: ", "dirherald.toml: line 1 is not valid TOML"]);
    fs::remove_file(site.config_file()).expect("removing");
    let ran = run(&site, &["check"]).await;
    assert_eq!(ran.code, 2);
    assert_says(&ran.stderr, &["dirherald: ", "dirherald.toml: there is no such file", "--config"]);
}

#[tokio::test]
async fn the_configuration_may_be_named_before_or_after_the_command() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let file = site.config_file();
    let file = file.to_str().expect("a path in UTF-8");
    let check = async |arguments: &[&str]| {
        let mut command = Site::bare_command();
        command.args(arguments);
        let ran = crate::support::daemon::Ran::of(command, arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.stderr);
    };
    check(&["--config", file, "status"]).await;
    check(&["status", "--config", file]).await;
    check(&["outbox", "--config", file, "list", "--json"]).await;
    check(&["outbox", "list", "--config", file]).await;
}

#[tokio::test]
async fn usage_errors_end_with_2() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let check = async |arguments: &[&str], words: &str| {
        let ran = run(&site, arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    };
    check(&["evnts"], "events").await;
    check(&["events", "--since", "yesterday"], "2h").await;
    check(&["events", "--follow", "--since", "tomorrow"], "2h").await;
    check(&["completions", "ksh"], "zsh").await;
    for word in ["show", "retry", "delete"] {
        check(&["outbox", word, "1"], "`dirherald outbox list` shows those there are").await;
        check(&["outbox", word], "<ID>").await;
    }
    check(&["test-mail"], "--to").await;
    check(&["test-mail", "--to", "nobody"], "not a mail address").await;
    for command in [&["check"][..], &["events"], &["status"], &["outbox", "list"], &["held", "list"]] {
        let words = format!("no identity store is called elsewhere; the configuration has {STORE}");
        check(&[command, &["--store", "elsewhere"]].concat(), &words).await;
    }
}

#[tokio::test]
async fn only_who_connects_needs_the_password_files() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let password = site.config_file().with_file_name("ldap-password");
    let password = password.to_str().expect("a path in UTF-8");
    let text = crate::support::daemon::toml_text(password);
    let site = site.without("bind.password").with("bind.password_file", &text).with("tls.ca_file", &text);
    drop(dirherald::db::Db::open(&site.state_file()).expect("a state file"));
    for command in
        [&["status"][..], &["events"], &["outbox", "list"], &["held", "list"], &["status", "--json"]]
    {
        let ran = run(&site, command).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command:?}");
    }
    for command in [&["check"][..], &["run"], &["test-mail", "--to", "amara@harbour-vale.example"]] {
        let ran = run(&site, command).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command:?}");
        assert_says(
            &ran.stderr,
            &[
                "has 2 errors:",
                "bind.password_file: there is no file ",
                password,
                "write the secret alone into it",
            ],
        );
    }
}

#[tokio::test]
async fn a_state_directory_that_is_missing_is_named_with_what_to_do() {
    let (_slapd, _smtp, site) = super::healthy().await;
    let missing = site.config_file().with_file_name("missing");
    let state = crate::support::daemon::toml_text(missing.join("state.db").to_str().expect("in UTF-8"));
    let ran = run(&site.with_global("state.path", &state), &["run"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    let directory = missing.to_str().expect("in UTF-8");
    let advice = format!("\ndirherald: the directory {directory} does not exist: create it with `install -d");
    assert_says(&ran.stderr, &["dirherald: cannot open the state file ", directory, &advice]);
}
