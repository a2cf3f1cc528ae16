//! `ldaps://` at a port of plain LDAP, and `ldap://` at a port of TLS: both connect, and neither server says what
//! is wrong. So the other way is tried, without a name and a password.

use crate::{
    config::StoreSettings,
    connector::{
        ConnectorError, Failure, Problem, Session, Timing,
        settings::{Bind, ConnectorSettings, ServerUrl, TlsSettings},
    },
};

/// What to do, if the other way works.
pub(super) async fn advice(error: &ConnectorError, settings: &StoreSettings) -> Option<&'static str> {
    let Failure { url, problem } = error.failures().next()?;
    match url {
        ServerUrl::Ldaps { host, port } if matches!(problem, Problem::Tls(_)) => {
            let plain = ServerUrl::Ldap { host: host.clone(), port: *port };
            speaks_ldap(&attempt(settings, plain).await).then_some(
                "this port speaks LDAP without TLS: name the port of ldaps:// (usually 636), or write ldap:// with \
                 tls.start_tls = true",
            )
        }
        ServerUrl::Ldap { host, port }
            if matches!(problem, Problem::Lost { .. } | Problem::StartTlsAnswer(_)) =>
        {
            let tls = ServerUrl::Ldaps { host: host.clone(), port: *port };
            speaks_tls(&attempt(settings, tls).await).then_some(
                "this port speaks TLS from the first byte on: write ldaps:// instead of ldap://, without \
                 tls.start_tls",
            )
        }
        ServerUrl::Ldap { .. } | ServerUrl::Ldaps { .. } | ServerUrl::Ldapi { .. } => None,
    }
}

async fn attempt(settings: &StoreSettings, url: ServerUrl) -> Result<(), Problem> {
    let tls = TlsSettings { start_tls: false, ..settings.connector.tls.clone() };
    let nobody = ConnectorSettings {
        urls: vec![url.clone()],
        bind: Bind::Anonymous,
        tls,
        base_dn: settings.connector.base_dn.clone(),
        exclude: Vec::new(),
    };
    Session::open(&url, &nobody, Timing::default()).await.map(drop)
}

/// Whatever the server thinks of our bind, it read it.
fn speaks_ldap(outcome: &Result<(), Problem>) -> bool {
    matches!(outcome, Ok(()) | Err(Problem::BindRefused(_) | Problem::Refused { .. }))
}

/// Whatever the server thinks of us, or we of its certificate.
fn speaks_tls(outcome: &Result<(), Problem>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(Problem::Tls(cause)) => match cause.get_ref().and_then(|cause| cause.downcast_ref()) {
            Some(rustls::Error::InvalidMessage(_)) | None => false,
            Some(_) => true,
        },
        Err(problem) => {
            matches!(problem, Problem::BindRefused(_) | Problem::Refused { .. } | Problem::Lost { .. })
        }
    }
}
