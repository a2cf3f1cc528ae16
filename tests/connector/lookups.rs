//! Questions beside the feed, and what `check` asks.

use dirherald::{
    connector::{
        Completeness, Disposition, ServerKind, Whereabouts,
        settings::{ConnectorSettings, TlsSettings},
    },
    directory::{attribute::AttributeName, dn::Dn},
};

use super::{
    following::{connector, id, server, settings, simple, texts},
    refresh::crowd,
};
use crate::support::{
    ber,
    ldap::Ldap,
    scripted_ldap::{Operation, ScriptedLdap, Step},
    slapd::{COMPANY, ServiceLimit, Setup},
};

const MEI: &str = "uid=mei,ou=people";

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

#[tokio::test]
async fn entries_are_found_by_dn_and_by_id() {
    let slapd = Setup::company().start();
    let admin = Ldap::admin(&slapd).await;
    let mut lookup = connector(settings(&slapd)).lookup();
    let mei = lookup.entry(&dn(&slapd.dn(MEI))).await.unwrap().expect("mei is there");
    assert_eq!((mei.id, texts(&mei, "cn")), (id(&admin.id(MEI).await), vec!["Mei Chen".to_owned()]));
    assert!(mei.stamp.is_some() && mei.origin.time.is_some() && mei.origin.actor.is_none());
    assert_eq!(lookup.entry(&dn(&slapd.dn("uid=nobody,ou=people"))).await.unwrap(), None);
    assert_eq!(lookup.entry(&dn("dc=elsewhere")).await.unwrap(), None);

    admin.rename(MEI, "uid=mei2").await;
    let ids = [mei.id, id("00000000-0000-0000-0000-000000000001")];
    let seen_from_groups = lookup.whereabouts(&ids, &dn(&slapd.dn("ou=groups"))).await.unwrap();
    let [Whereabouts::Outside(renamed), Whereabouts::Nowhere] = &seen_from_groups[..] else {
        panic!("she is still there, and the other is not: {seen_from_groups:?}")
    };
    assert_eq!(renamed.dn.as_str(), slapd.dn("uid=mei2,ou=people"));
    lookup.close().await;
}

#[tokio::test]
async fn many_questions_are_answered_in_their_order() {
    let slapd = crowd(500).start();
    let mut lookup = connector(settings(&slapd)).lookup();
    let names: Vec<Dn> = (0..600).map(|number| dn(&slapd.dn(&format!("uid=u{number},ou=people")))).collect();
    let found = lookup.entries(&names).await.unwrap();
    for (number, (name, found)) in names.iter().zip(&found).enumerate() {
        assert_eq!(found.as_ref().map(|image| &image.dn), (number < 500).then_some(name));
    }
    assert_eq!(lookup.entries(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn l16_a_connection_that_died_is_opened_again() {
    let mut slapd = Setup::company().start();
    let mut lookup = connector(settings(&slapd)).lookup();
    assert!(lookup.entry(&dn(&slapd.dn(MEI))).await.unwrap().is_some());
    slapd.restart();
    assert!(lookup.entry(&dn(&slapd.dn(MEI))).await.unwrap().is_some());
    slapd.stop();
    let error = lookup.entry(&dn(&slapd.dn(MEI))).await.unwrap_err();
    assert!(error.to_string().contains(&slapd.url()), "{error}");
}

#[tokio::test]
async fn a_probe_tells_what_the_account_may_read() {
    let slapd = Setup::company().start();
    let members = ["member"].map(AttributeName::new);
    // On a task of its own, as the daemon would: a look-up and a probe can be sent to one.
    let (connector, base) = (connector(settings(&slapd)), dn(COMPANY));
    let asking = tokio::spawn(async move {
        assert!(connector.lookup().entry(&base).await.unwrap().is_some());
        connector.probe(&members).await
    });
    let probe = asking.await.unwrap().unwrap();
    assert_eq!((probe.url.as_str(), probe.kind), (slapd.url().as_str(), ServerKind::OpenLdap));
    assert_eq!(probe.identity, Some(dn(&slapd.service_dn())));
    assert_eq!(probe.naming_contexts, [COMPANY]);
    assert!(probe.offers_sync && probe.base_refused.is_none());
    assert!(probe.entry_uuid_visible && probe.entry_csn_visible);
    assert_eq!(probe.members_visible, Some(true));
    let (entries, _) = Ldap::admin(&slapd).await.count().await;
    assert_eq!(probe.completeness, Completeness::Whole { entries });
    assert!(!probe.supported_extensions.is_empty() && !probe.supported_controls.is_empty());
}

#[tokio::test]
async fn l22_a_probe_sees_the_size_limit() {
    let check = async |limit: ServiceLimit| {
        let slapd = crowd(600).service_limit(limit).start();
        let probe = connector(settings(&slapd)).probe(&[]).await.unwrap();
        (probe.completeness, slapd)
    };
    assert_eq!(check(ServiceLimit::None).await.0, Completeness::Whole { entries: 604 });
    let (cut_off, slapd) = check(ServiceLimit::ServerDefault).await;
    let Completeness::CutOff { entries: 500, answer, who } = cut_off else { panic!("{cut_off:?}") };
    assert_eq!((answer.code, who), (4, format!("dn.exact=\"{}\"", slapd.service_dn())));
}

#[tokio::test]
async fn a_probe_sees_hidden_members_and_stamps() {
    let slapd =
        Setup::company().access("to attrs=member,entryCSN by dn.base=\"cn=nobody\" read by * search").start();
    let members = ["member"].map(AttributeName::new);
    let probe = connector(settings(&slapd)).probe(&members).await.unwrap();
    assert!(probe.entry_uuid_visible && !probe.entry_csn_visible);
    assert_eq!(probe.members_visible, Some(false));
}

/// Of a server that holds `dc=x` and answers the question where an entry is like this.
async fn whereabouts(answer: Vec<Vec<u8>>) -> Result<Vec<Whereabouts>, dirherald::connector::ConnectorError> {
    let mut script = vec![
        Step::expect(Operation::Bind),
        Step::answer(ber::bind_response(0, "")),
        Step::expect(Operation::Extended),
        Step::answer(ber::extended_response(0, "", None, Some(b"dn:cn=dirherald,dc=x"))),
        Step::expect(Operation::Search),
        Step::answer(ber::entry("", &[("namingContexts", &["dc=x"])])),
        Step::answer(ber::search_done(0, "")),
        Step::expect_with(Operation::Search, "entryUUID"),
    ];
    script.extend(answer.into_iter().map(Step::answer));
    let scripted = ScriptedLdap::start([script]).await;
    let settings = ConnectorSettings {
        urls: vec![server(&scripted.url())],
        base_dn: dn("ou=a,dc=x"),
        exclude: Vec::new(),
        bind: simple("cn=dirherald,dc=x", "secret"),
        tls: TlsSettings::default(),
    };
    let mut lookup = connector(settings).lookup();
    lookup.whereabouts(&[id("00000000-0000-0000-0000-000000000001")], &dn("ou=a,dc=x")).await
}

#[tokio::test]
async fn m21_a_referral_is_no_word_on_where_an_entry_is() {
    let elsewhere = "ldap://127.0.0.1:1/dc=x";
    for answer in [
        vec![ber::search_done(10, "")],
        vec![ber::reference(&[elsewhere]), ber::search_done(0, "")],
        vec![ber::reference(&[elsewhere]), ber::search_done(10, "")],
    ] {
        let error = whereabouts(answer).await.unwrap_err();
        assert!(error.to_string().contains("cannot be told"), "{error}");
        let Disposition::RetrySlowly { advice } = error.disposition() else { panic!("{error}") };
        assert!(advice.contains("urls"), "{advice}");
    }
    let not_there = whereabouts(vec![ber::search_done(0, "")]).await.unwrap();
    assert_eq!(not_there, [Whereabouts::Nowhere]);
}

#[tokio::test]
async fn all_below_a_name_is_read() {
    let slapd = Setup::company().start();
    let mut lookup = connector(settings(&slapd)).lookup();
    let contractors = dn(&slapd.dn("ou=contractors,ou=people"));
    let mut names: Vec<_> =
        lookup.below(&contractors).await.unwrap().into_iter().map(|image| image.dn.rdn_value()).collect();
    names.sort();
    assert_eq!(names, ["contractors", "luca", "nadia"]);
    assert_eq!(lookup.below(&dn(&slapd.dn("ou=nothing"))).await.unwrap(), []);
}
