//! The commands, as a person or a script meets them: the program itself against real servers.

mod backup;
mod check;
pub mod compare;
mod configuration;
mod damage;
mod explain;
mod follow;
mod held;
mod listings;
mod outbox;
mod shells;
mod simulate;
mod test_mail;

use crate::support::{
    daemon::{Ran, Site},
    slapd::{Setup, Slapd},
    smtp::SmtpServer,
};

/// Carries a command out. Whatever it says, it must not say a password.
async fn run(site: &Site, arguments: &[&str]) -> Ran {
    let ran = site.run(arguments).await;
    for said in [&ran.stdout, &ran.stderr] {
        assert!(!said.contains(Slapd::SERVICE_PASSWORD), "{arguments:?} tells a password: {said}");
    }
    ran
}

/// Servers and a configuration in which nothing is wrong.
async fn healthy() -> (Slapd, SmtpServer, Site) {
    let (slapd, smtp) = (Setup::company().start(), SmtpServer::start().await);
    let site = complete(Site::new(&slapd, &smtp));
    (slapd, smtp, site)
}

/// With an option, and with somebody who hears of trouble.
fn complete(site: Site) -> Site {
    site.with("notify.owner", "true")
        .with("recipients.to", r#"["audit@harbour-vale.example"]"#)
        .with("recipients.copy", r#""all-changes""#)
}

/// Each of `expected` in this order, anything in between.
#[track_caller]
fn assert_says(text: &str, expected: &[&str]) {
    let mut rest = text;
    for words in expected {
        match rest.split_once(words) {
            Some((_, after)) => rest = after,
            None => panic!("{words:?} is missing, or out of order, in:\n{text}"),
        }
    }
}
