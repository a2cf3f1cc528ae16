//! The Test button.

use super::{assert_says, healthy, run};
use crate::support::{
    daemon::{STORE, Site},
    slapd::Setup,
    smtp::{At, Fault, SmtpServer},
};

const ADDRESS: &str = "amara@harbour-vale.example";

#[tokio::test]
async fn one_mail_goes_out_and_the_servers_words_are_told() {
    let (_slapd, smtp, site) = healthy().await;
    let ran = run(&site, &["test-mail", "--to", ADDRESS]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_says(&ran.stdout, &[&format!("127.0.0.1:{}", smtp.port()), ADDRESS, "250 2.0.0 queued"]);
    let mails = smtp.mails();
    let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
    assert_eq!(mail.to, [ADDRESS]);
    let header = |name| mail.header(name).unwrap_or_default();
    assert_eq!(header("X-Dirherald-Reasons"), "test");
    assert_eq!(header("X-Dirherald-Store"), STORE);
    assert_eq!(header("To"), ADDRESS);
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("X-Dirherald-Events").is_none());
    assert!(header("Content-Type").starts_with("multipart/alternative"), "{}", mail.text());
    assert!(!site.state_file().exists(), "the queue has nothing to do with it");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words() {
    let check = async |fault: Fault, words: &[&str]| {
        let (_slapd, smtp, site) = healthy().await;
        smtp.script(fault);
        let ran = run(&site, &["test-mail", "--to", ADDRESS]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{words:?}");
        assert!(ran.stderr.starts_with("dirherald: the test mail was not sent: "), "{}", ran.stderr);
        assert_says(&ran.stderr, words);
        assert!(smtp.mails().is_empty());
    };
    check(Fault::at(At::Rcpt).answer("550 5.1.1 no such user"), &["RCPT TO", "550 5.1.1 no such user"]).await;
    check(Fault::at(At::Message).answer("451 4.3.0 try later"), &["put", "off", "451 4.3.0 try later"]).await;
    check(Fault::at(At::Connect).answer("554 5.7.1 not you"), &["greeting", "554 5.7.1 not you"]).await;
    let login = ["MAIL FROM", "530 5.7.0 log in first", "\ndirherald: ", "check smtp.username"];
    check(Fault::at(At::Mail).answer("530 5.7.0 log in first"), &login).await;
    check(Fault::at(At::Ehlo).drop_connection(), &["127.0.0.1", "EHLO", "\ndirherald: check smtp.port"])
        .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_what_to_check() {
    let (_slapd, _smtp, site) = healthy().await;
    let ran = run(&site.with("smtp.port", "9"), &["test-mail", "--to", ADDRESS]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_says(&ran.stderr, &["the connection failed", "\ndirherald: check smtp.server and smtp.port"]);
}

#[tokio::test]
async fn with_several_stores_one_must_be_named() {
    let (slapd, smtp, other) =
        (Setup::company().start(), SmtpServer::start().await, SmtpServer::start().await);
    let site = Site::new(&slapd, &smtp).and_store("school", &slapd, &other);
    let ran = run(&site, &["test-mail", "--to", ADDRESS]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert_says(&ran.stderr, &["dirherald: say with --store", STORE, "school"]);
    let ran = run(&site, &["test-mail", "--to", ADDRESS, "--store", "school"]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((smtp.mails().len(), other.mails().len()), (0, 1));
}

#[tokio::test]
async fn the_file_transport_says_which_file_it_wrote() {
    let (_slapd, _smtp, site) = healthy().await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path in UTF-8");
    let site = site
        .with("smtp.transport", r#""file""#)
        .with("smtp.directory", &crate::support::daemon::toml_text(path));
    let ran = run(&site, &["test-mail", "--to", ADDRESS]).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let written = std::fs::read_dir(path).expect("the directory").next().expect("a file").expect("its name");
    assert_says(&ran.stdout, &[path, written.file_name().to_str().expect("in UTF-8")]);
}
