//! Each server of a store: can it be reached, does it let us in, what does it show us?

use futures_util::future::join_all;

use super::{report::Section, wrong_port};
use crate::{
    config::{StoreKind, StoreSettings, Watch},
    connector::{
        Answer, Completeness, Connector, ConnectorError, Disposition, Probe, Problem, ServerKind, Timing,
        settings::{ConnectorSettings, ServerUrl},
    },
};

/// RFC 4511, appendix A. An entry that is not shown is no error to the server.
const SUCCESS: u32 = 0;

/// All servers, each by itself: the daemon would go on to the next, and a broken one would stay hidden until
/// it is needed.
pub(super) async fn look(settings: &StoreSettings) -> Section {
    let mut section = Section::default();
    for found in join_all(settings.connector.urls.iter().map(|url| server(settings, url))).await {
        section.append(found);
    }
    section
}

async fn server(settings: &StoreSettings, url: &ServerUrl) -> Section {
    let only = ConnectorSettings { urls: vec![url.clone()], ..settings.connector.clone() };
    let connector = Connector::new(only, settings.schema.requested_attributes(), Timing::default());
    let mut section = Section::default();
    match connector.probe(settings.schema.members()).await {
        Ok(probe) => describe(&probe, settings, url, &mut section),
        Err(error) => match wrong_port::advice(&error, settings).await {
            Some(advice) => section.problem(error.to_string(), Some(advice)),
            None => failed(&error, &mut section),
        },
    }
    section
}

/// The words and the advice that the daemon would have for it.
fn failed(error: &ConnectorError, section: &mut Section) {
    let advice = match error.disposition() {
        Disposition::RetrySlowly { advice } | Disposition::Stop { advice } => advice,
        Disposition::Reconnect | Disposition::Wait | Disposition::Resync => {
            "check the URL, that the server runs, and that a firewall lets this machine through".to_owned()
        }
    };
    section.problem(error.to_string(), Some(&advice));
}

fn describe(probe: &Probe, settings: &StoreSettings, url: &ServerUrl, section: &mut Section) {
    section.fact("directory", format!("{url}, {}", protection(settings, url)));
    section.fact("kind", kind(probe, settings));
    let account = probe.identity.as_ref().map_or("anonymous", |dn| dn.as_str());
    section.fact("account", account);
    feed(probe, settings, url, section);
    match &probe.base_refused {
        Some(answer) => failed(&base_refused(answer, settings, url), section),
        None => rights(probe, url, section),
    }
}

fn protection(settings: &StoreSettings, url: &ServerUrl) -> &'static str {
    match url {
        ServerUrl::Ldaps { .. } => "over TLS",
        ServerUrl::Ldap { .. } if settings.connector.tls.start_tls => "over TLS by StartTLS",
        ServerUrl::Ldap { .. } => "in the clear",
        ServerUrl::Ldapi { .. } => "on this machine",
    }
}

fn kind(probe: &Probe, settings: &StoreSettings) -> String {
    let why = match (settings.kind, probe.kind) {
        (StoreKind::OpenLdap, ServerKind::OpenLdap) => "as configured, and as its root DSE says",
        (StoreKind::OpenLdap, ServerKind::Other) => "as configured; its root DSE does not say so",
        (StoreKind::Auto, ServerKind::OpenLdap) => "its root DSE says so",
        (StoreKind::Auto, ServerKind::Other) => "its root DSE says nothing more exact",
    };
    let kind = match settings.kind {
        StoreKind::OpenLdap => ServerKind::OpenLdap,
        StoreKind::Auto => probe.kind,
    };
    let vendor = if probe.vendor.is_empty() { String::new() } else { format!(" ({})", probe.vendor) };
    format!("{}{vendor}: {why}", kind.as_str())
}

fn feed(probe: &Probe, settings: &StoreSettings, url: &ServerUrl, section: &mut Section) {
    let hides_root = probe.supported_controls.is_empty() && probe.naming_contexts.is_empty();
    if !probe.offers_sync && !hides_root {
        return failed(&ConnectorError::new(url.clone(), Problem::SyncUnavailable(None)), section);
    }
    let why = match settings.watch {
        Watch::Syncrepl => "as configured",
        Watch::Auto => "the best feed there is for this kind",
    };
    let offered = if probe.offers_sync {
        "the server offers the sync control (RFC 4533)"
    } else {
        "the server does not show which controls it offers"
    };
    section.fact("feed", format!("syncrepl: {why}; {offered}"));
    section.fact("bell", "syncrepl: the feed itself says at once when something changed");
}

fn base_refused(answer: &Answer, settings: &StoreSettings, url: &ServerUrl) -> ConnectorError {
    let base = settings.connector.base_dn.to_string();
    let answer = (answer.code != SUCCESS).then(|| answer.clone());
    ConnectorError::new(url.clone(), Problem::BaseUnreadable { base, answer })
}

fn rights(probe: &Probe, url: &ServerUrl, section: &mut Section) {
    let (mut may, mut may_not) = (vec!["the base"], Vec::new());
    let mut sort = |visible: bool, what| if visible { may.push(what) } else { may_not.push(what) };
    sort(probe.entry_uuid_visible, "entryUUID");
    sort(probe.entry_csn_visible, "entryCSN");
    if let Some(visible) = probe.members_visible {
        sort(visible, "members of groups");
    }
    if !may_not.is_empty() {
        section.problem(
            format!("{url}: the account may not read {}", may_not.join(", ")),
            Some("give it read access to all attributes below the base, the operational ones included"),
        );
    }
    section.fact("may read", may.join(", "));
    if probe.members_visible.is_none() {
        section.fact("may read", "no group with members is to be seen");
    }
    if probe.naming_contexts.is_empty() {
        section.problem(
            format!("{url}: the server does not show its naming contexts: who moves out of base_dn is told as deleted"),
            Some("let dirherald's account read namingContexts of the root DSE"),
        );
    }
    match &probe.completeness {
        Completeness::Whole { entries } => {
            section.fact("may read", format!("{entries} entries; no limit hides any"));
        }
        Completeness::CutOff { entries, answer, who } => {
            section.fact("may read", format!("{entries} entries in one search, and there are more"));
            let problem = Problem::LimitReached { answer: answer.clone(), who: who.clone() };
            failed(&ConnectorError::new(url.clone(), problem), section);
        }
        Completeness::Nothing => section.problem(
            format!("{url}: the tree below the base cannot be searched"),
            Some("give the account search access to the base and all that lies below it"),
        ),
    }
}
