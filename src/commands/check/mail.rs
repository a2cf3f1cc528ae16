//! The mail server of a store: greeting, EHLO, TLS, AUTH, and nothing more.

use super::report::Section;
use crate::{
    error_chain::chain,
    outbox::{
        mailer::{Mailer, MailerError, ProbeReport},
        settings::{Credentials, MailSettings, Security, SmtpSettings, Transport},
    },
};

/// Goes as far as the server lets us.
pub(super) async fn look(settings: &MailSettings) -> Section {
    let mut section = Section::default();
    match Mailer::new(settings) {
        Ok(mailer) => describe(&mailer.probe().await, &settings.transport, &mut section),
        Err(error) => section.problem(format!("smtp: {}", chain(&error)), set_up_advice(&error)),
    }
    section
}

fn describe(report: &ProbeReport, transport: &Transport, section: &mut Section) {
    section.fact("mail", &report.target);
    match transport {
        Transport::File { .. } => section.fact("mail", "one file per message; nothing is sent"),
        Transport::Smtp(smtp) => dialogue(report, smtp, section),
    }
    if let Some(failure) = &report.failure {
        section.problem(chain(failure), failure.advice().or(Some("the server's words say more")));
    }
}

fn dialogue(report: &ProbeReport, smtp: &SmtpSettings, section: &mut Section) {
    if let Some(greeting) = &report.greeting {
        section.fact("greeting", greeting.to_string());
    }
    match (&report.tls, smtp.security) {
        (Some(tls), _) => {
            section.fact("TLS", format!("{}, {}; certificate verified", tls.version, tls.cipher));
        }
        (None, Security::None) => section.fact("TLS", "off: security = \"none\""),
        // It did not come so far; the failure says why.
        (None, Security::StartTls | Security::Tls) => {}
    }
    if !report.capabilities.is_empty() {
        section.fact("EHLO", report.capabilities.join(", "));
    }
    match (&report.authentication, &smtp.credentials) {
        (Some(answer), Some(Credentials { username, .. })) => {
            section.fact("AUTH", format!("as {username}: {answer}"));
        }
        (None, None) => section.fact("AUTH", "off: no credentials are sent"),
        (None, Some(_)) | (Some(_), None) => {}
    }
}

fn set_up_advice(error: &MailerError) -> Option<&'static str> {
    Some(match error {
        MailerError::CaFile { .. } | MailerError::NoCertificate { .. } => {
            "check that smtp.ca_file is readable and holds certificates as PEM"
        }
        MailerError::Tls(_) => "put certificates of authorities into smtp.ca_file, as PEM",
        MailerError::ServerName { .. } => "write the name or the address of the server into smtp.server",
        MailerError::Sender(_) => "write an address such as no-reply@acme.example into smtp.from",
        // It says so itself.
        MailerError::NoRoots => return None,
    })
}
