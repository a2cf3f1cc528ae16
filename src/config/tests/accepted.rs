use std::time::Duration;

use jiff::tz::TimeZone;

use super::{acme, load_acme, load_text};
use crate::{
    config::{LogFormat, StoreKind, Watch},
    connector::settings::{Bind, ServerUrl},
    directory::schema::{Schema, SchemaSettings},
    notify::options::{Copies, Options, Recipients},
    outbox::settings::{RetryPolicy, Security, Transport},
};

#[test]
fn what_is_left_out_has_its_default() {
    let config = load_text(&acme(""), &[]).unwrap();
    assert_eq!(config.state.path.to_str(), Some("/var/lib/dirherald/state.db"));
    assert_eq!(config.state.keep, Duration::from_hours(365 * 24));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(config.log.level, tracing::Level::INFO);
    let (name, store) = config.stores.first_key_value().unwrap();
    assert_eq!((name.as_str(), store.name.as_str()), ("acme", "acme"));
    assert_eq!((store.kind, store.watch), (StoreKind::Auto, Watch::Auto));
    assert_eq!(store.timezone, TimeZone::UTC);
    assert!(!store.connector.tls.start_tls);
    assert_eq!(store.connector.tls.ca_file, None);
    assert_eq!(store.mail.envelope_from.as_ref().unwrap().as_str(), "no-reply@acme.example");
    assert_eq!(store.mail.reply_to, None);
    let retry = RetryPolicy {
        initial: Duration::from_secs(5),
        max: Duration::from_hours(1),
        give_up_after: Duration::from_hours(72),
    };
    assert_eq!(store.mail.retry, retry);
    let Transport::Smtp(smtp) = &store.mail.transport else { panic!("smtp is the default") };
    assert_eq!((smtp.port, smtp.security), (587, Security::StartTls));
    assert_eq!(smtp.timeout, Duration::from_secs(30));
    assert!(smtp.credentials.is_none() && smtp.ca_file.is_none());
    let options = Options {
        logged_in_users: false,
        owner: false,
        manager: false,
        object_modified: false,
        public_group_owner: false,
        added_members: false,
        removed_members: false,
        recipients: Recipients { to: Vec::new(), cc: Vec::new(), copy: Copies::Notifications },
        digest_window: Duration::from_secs(10),
        max_messages_per_hour: 60,
        group_expansion_limit: 1000,
        notify_disabled_accounts: false,
        recipient_domains: [].into(),
        show_actor: true,
        dry_run: false,
        redirect_to: Vec::new(),
        alerts_to: Vec::new(),
    };
    assert_eq!(store.notify, options);
}

#[test]
fn every_key_that_is_there_reaches_its_stage() {
    let (_directory, file) = super::file_with("PEM");
    let file = file.display();
    let store = load_acme(
        &format!(
            "kind = 'openldap'
            urls = ['ldap://dc1', 'ldapi://%2Frun%2Fldapi']
            base_dn = 'dc=x'
            watch = 'syncrepl'
            bell = 'auto'
            timezone = 'Europe/Berlin'
            bind.method = 'external'
            tls.ca_file = '{file}'
            tls.start_tls = true
            tls.client_cert_file = '{file}'
            tls.client_key_file = '{file}'
            smtp.server = '127.0.0.1'
            smtp.port = 25
            smtp.security = 'none'
            smtp.from = 'Acme Directory <a@acme.example>'
            smtp.envelope_from = '<>'
            smtp.reply_to = 'b@acme.example'
            smtp.ca_file = '{file}'
            smtp.retry_initial = '250ms'
            smtp.retry_max = '1m30s'
            smtp.give_up_after = '1d'
            smtp.timeout = '5s'
            alerts.to = ['f@acme.example']
            recipients = {{ to = ['c@acme.example'], cc = ['d@acme.example'], copy = 'all-changes' }}
            notify.owner = true
            notify.added_members = true
            notify.removed_members = true
            notify.digest_window = '0s'
            notify.logged_in_users = true
            notify.manager = true
            notify.object_modified = true
            notify.public_group_owner = true
            notify.group_expansion_limit = 5
            notify.notify_disabled_accounts = true
            notify.recipient_domains = ['ACME.example']
            notify.show_actor = false
            notify.max_messages_per_hour = 2
            notify.dry_run = true
            notify.redirect_to = ['pilot@acme.example', 'Pilot@ACME.example', 'e@acme.example']"
        ),
        &[],
    );
    let (kind, watch) = (StoreKind::OpenLdap, Watch::Syncrepl);
    assert_eq!((store.kind, store.watch), (kind, watch));
    assert_eq!(store.timezone, TimeZone::get("Europe/Berlin").unwrap());
    let urls =
        [ServerUrl::Ldap { host: "dc1".into(), port: 389 }, ServerUrl::Ldapi { path: "/run/ldapi".into() }];
    assert_eq!(store.connector.urls, urls);
    assert_eq!(store.connector.base_dn.as_str(), "dc=x");
    assert!(matches!(store.connector.bind, Bind::External));
    assert!(store.connector.tls.start_tls && store.connector.tls.ca_file.is_some());
    assert!(store.connector.tls.client.is_some());
    assert_eq!(store.mail.from.name.as_deref(), Some("Acme Directory"));
    assert_eq!(store.mail.envelope_from, None);
    assert_eq!(store.mail.reply_to.unwrap().address.as_str(), "b@acme.example");
    let retry = RetryPolicy {
        initial: Duration::from_millis(250),
        max: Duration::from_secs(90),
        give_up_after: Duration::from_hours(24),
    };
    assert_eq!(store.mail.retry, retry);
    let Transport::Smtp(smtp) = store.mail.transport else { panic!("smtp is the default") };
    assert_eq!((smtp.server.as_str(), smtp.port, smtp.security), ("127.0.0.1", 25, Security::None));
    assert!(smtp.ca_file.is_some());
    assert_eq!(smtp.timeout, Duration::from_secs(5));
    let options = Options {
        logged_in_users: true,
        owner: true,
        manager: true,
        object_modified: true,
        public_group_owner: true,
        added_members: true,
        removed_members: true,
        recipients: Recipients {
            to: vec!["c@acme.example".parse().unwrap()],
            cc: vec!["d@acme.example".parse().unwrap()],
            copy: Copies::AllChanges,
        },
        digest_window: Duration::ZERO,
        max_messages_per_hour: 2,
        group_expansion_limit: 5,
        notify_disabled_accounts: true,
        recipient_domains: ["acme.example".to_owned()].into(),
        show_actor: false,
        dry_run: true,
        redirect_to: vec!["pilot@acme.example".parse().unwrap(), "e@acme.example".parse().unwrap()],
        alerts_to: vec!["f@acme.example".parse().unwrap()],
    };
    assert_eq!(store.notify, options);
}

#[test]
fn mail_can_go_to_files_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let toml = format!(
        "[identity_store.acme]
        urls = ['ldaps://dc1']
        base_dn = 'dc=x'
        bind.method = 'anonymous'
        smtp = {{ transport = 'file', directory = '{}', from = 'a@acme.example' }}",
        directory.path().display()
    );
    let config = load_text(&toml, &[]).unwrap();
    let store = config.stores.into_values().next().unwrap();
    assert!(matches!(store.mail.transport, Transport::File { directory: d } if d == directory.path()));
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn defaults_lie_below_each_store_key_by_key() {
    let toml = "
        [defaults]
        base_dn = 'dc=shared'
        bind.method = 'anonymous'
        smtp = { server = 'mail', from = 'a@acme.example', port = 25, reply_to = 'r@acme.example' }
        recipients.to = ['a@acme.example', 'b@acme.example']
        notify = { owner = true, added_members = true }

        [identity_store.acme]
        urls = ['ldaps://dc1']
        smtp.port = 26
        smtp.reply_to = ''
        recipients.to = []
        notify.owner = false

        [identity_store.bravo]
        urls = ['ldaps://dc2']
        base_dn = 'dc=own'
    ";
    let stores = load_text(toml, &[]).unwrap().stores;
    let [acme, bravo] = stores.into_values().collect::<Vec<_>>().try_into().unwrap();
    let port = |transport: &Transport| match transport {
        Transport::Smtp(smtp) => smtp.port,
        Transport::File { .. } => panic!("smtp is the default"),
    };
    assert_eq!((acme.connector.base_dn.as_str(), bravo.connector.base_dn.as_str()), ("dc=shared", "dc=own"));
    assert_eq!((port(&acme.mail.transport), port(&bravo.mail.transport)), (26, 25));
    assert_eq!((acme.mail.reply_to.is_some(), bravo.mail.reply_to.is_some()), (false, true));
    assert_eq!((acme.notify.recipients.to.len(), bravo.notify.recipients.to.len()), (0, 2));
    assert_eq!((acme.notify.owner, bravo.notify.owner), (false, true));
    assert!(acme.notify.added_members && bravo.notify.added_members);
}

#[test]
fn the_schema_is_that_of_openldap() {
    let schema = Schema::new(SchemaSettings::openldap()).unwrap();
    assert_eq!(format!("{:?}", load_acme("", &[]).schema), format!("{schema:?}"));
}
