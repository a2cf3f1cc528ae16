use super::{acme, check, check_file, load_text, sentences};

#[test]
fn exclude_lies_below_base_dn() {
    let problem = |dn: &str| {
        format!(
            "exclude: names {dn}, which does not lie below base_dn: write names below dc=acme,dc=example, or \
             leave it out"
        )
    };
    check("exclude = ['ou=x,dc=acme,dc=example', 'OU=y , DC=acme,DC=Example']", &[]);
    check("exclude = ['ou=x,dc=other']", &[&problem("ou=x,dc=other")]);
    check("exclude = ['ou=x,dc=acme,dc=example', 'dc=acme,dc=example']", &[&problem("dc=acme,dc=example")]);
}

#[test]
fn required_keys_are_asked_for() {
    check_file(
        "[identity_store.acme]",
        &[],
        &[
            "identity_store.acme.base_dn: is required: write for example base_dn = \"dc=acme,dc=example\"",
            "identity_store.acme.bind.dn: is required for method = \"simple\": write for example dn = \
         \"cn=dirherald,ou=services,dc=acme,dc=example\", or method = \"anonymous\" to read without an account",
            "identity_store.acme.bind.password: is required for method = \"simple\": write password_file = \
         \"/path/to/file\" or password = \"...\"",
            "identity_store.acme.smtp.from: is required: write for example from = \"Directory <no-reply@acme.example>\"",
            "identity_store.acme.smtp.server: is required: write for example server = \"mail.acme.example\"",
            "identity_store.acme.urls: is required: write for example urls = [\"ldaps://dc1.acme.example\", \
         \"ldaps://dc2.acme.example\"]",
        ],
    );
    check(
        "smtp.use_authentication = true",
        &[
            "smtp.password: is required for use_authentication = true, and must not be empty: write password_file = \
         \"/path/to/file\" or password = \"...\"",
            "smtp.username: is required for use_authentication = true",
        ],
    );
    check(
        "smtp.transport = 'file'",
        &[
            "smtp.directory: is required for transport = \"file\": write for example directory = \"/var/spool/dirherald\"",
        ],
    );
    check_file(
        "state.path = ''",
        &[],
        &[
            "identity_store: there is none: write at least one table such as [identity_store.acme], with urls and base_dn",
            "state.path: must not be empty: write for example path = \"/var/lib/dirherald/state.db\"",
        ],
    );
}

const SIMPLE: &str = "bind.method = 'simple'\nbind.dn = 'cn=x'\nbind.password = 'hunter2'";

#[test]
fn m20_a_password_in_the_clear_is_refused() {
    let in_the_clear = "urls: ldap:// would send the password in the clear: write ldaps:// instead, or \
                        tls.start_tls = true, or, on a network you trust, tls.allow_plaintext = true";
    let ldap = "urls = ['ldaps://dc1', 'ldap://dc2']";
    check(&format!("{SIMPLE}\n{ldap}"), &[in_the_clear]);
    check(&format!("{SIMPLE}\n{ldap}\ntls.start_tls = true"), &[]);
    check(&format!("{SIMPLE}\n{ldap}\ntls.allow_plaintext = true"), &[]);
    check(&format!("{SIMPLE}\nurls = ['ldapi://%2Frun%2Fldapi']"), &[]);
    check(ldap, &[]);

    let login = "smtp.use_authentication = true\nsmtp.username = 'x'\nsmtp.password = 'hunter2'";
    check(
        &format!("{login}\nsmtp.security = 'none'"),
        &[
            "smtp.security: \"none\" would send the password in the clear: write security = \"starttls\" or \"tls\", or, \
         on a network you trust, allow_plaintext = true",
        ],
    );
    check(&format!("{login}\nsmtp.security = 'none'\nsmtp.allow_plaintext = true"), &[]);
    check(login, &[]);
    check("smtp.security = 'none'", &[]);
}

#[test]
fn external_needs_a_certificate_but_on_ldapi() {
    let external = "bind.method = 'external'";
    check(
        external,
        &[
            "tls.client_cert_file: is required for method = \"external\", together with client_key_file; only ldapi:// \
         goes without",
        ],
    );
    check(
        &format!("{external}\nurls = ['ldap://dc1']\ntls.allow_plaintext = true"),
        &[
            "urls: ldap:// carries no client certificate for method = \"external\": write ldaps:// instead, or \
         tls.start_tls = true",
        ],
    );
    check(&format!("{external}\nurls = ['ldapi://%2Frun%2Fldapi']"), &[]);
    let (_directory, file) = super::file_with("PEM");
    let file = file.display();
    check(
        &format!("{external}\ntls.client_cert_file = '{file}'"),
        &["tls.client_key_file: is required beside client_cert_file"],
    );
    check(
        &format!("tls.client_key_file = '{file}'"),
        &["tls.client_cert_file: is required beside client_key_file"],
    );
    check(&format!("{external}\ntls.client_cert_file = '{file}'\ntls.client_key_file = '{file}'"), &[]);
}

#[test]
fn m24_an_empty_bind_password_is_refused() {
    let empty = "bind.password: is empty, which servers take for an anonymous login: give the password, or write \
                 method = \"anonymous\"";
    check(&SIMPLE.replace("hunter2", ""), &[empty]);
    let (_directory, file) = super::file_with("\n");
    let by_file = format!("bind.password_file = '{}'", file.display());
    check(&SIMPLE.replace("bind.password = 'hunter2'", &by_file), &[empty]);
}

#[test]
fn managed_by_is_the_same_or_its_own() {
    let conflict = "notify.managed_by.same_as_membership_lifecycle: takes added, removed and days_before_removal from \
                    membership_lifecycle: leave them out, or write same_as_membership_lifecycle = false";
    for own in ["added = true", "removed = true", "days_before_removal = 5"] {
        let lines = format!("notify.managed_by.same_as_membership_lifecycle = true\nnotify.managed_by.{own}");
        let said = sentences(load_text(&acme(&lines), &[]));
        assert!(said.iter().any(|sentence| sentence.ends_with(conflict)), "{said:?}");
    }
}

#[test]
fn member_of_is_asked_for_only_where_the_groups_can_be_looked_at() {
    let filter = "(memberOf=cn=pilot,dc=acme,dc=example)";
    for key in ["user_filter", "group_filter", "contact_filter", "public_group_filter", "ignore_filter"] {
        let sentence = format!(
            "schema.{key}: names memberOf, and no server reports when that changes: it can be asked for in \
             schema.do_not_notify_filter, schema.disabled_filter and notify.pilot_filter, for which the groups \
             themselves are looked at"
        );
        check(&format!("schema.{key} = '(&(cn=a)(!{filter}))'"), &[&sentence]);
    }
    for key in ["schema.do_not_notify_filter", "schema.disabled_filter", "notify.pilot_filter"] {
        check(&format!("{key} = '{filter}'"), &[]);
    }
}

#[test]
fn m29_members_are_no_watched_attribute_whose_values_everybody_reads() {
    for (written, named) in
        [("memberUid", "memberuid"), ("MEMBER;x-all", "member;x-all"), ("uniqueMember", "uniquemember")]
    {
        let sentence = format!(
            "schema.watched_attributes: names {named}, whose values are the members of a group: who comes and goes \
             is told anyway, and to no other member by name; take it out"
        );
        check(&format!("schema.watched_attributes = ['title', '{written}']"), &[&sentence]);
    }
    check("schema.watched_attributes = ['title', 'manager']", &[]);
}

#[test]
fn filters_that_cannot_be_evaluated_are_refused() {
    for key in [
        "schema.public_group_filter",
        "schema.do_not_notify_filter",
        "schema.ignore_filter",
        "schema.disabled_filter",
        "notify.pilot_filter",
    ] {
        check(
            &format!("{key} = '(memberOf:1.2.840.113556.1.4.1941:=cn=a)'"),
            &[&format!(
                "{key}: is not a filter: of all extensible matches only 1.2.840.113556.1.4.803 and \
                 1.2.840.113556.1.4.804 are known at byte 9"
            )],
        );
        check(
            &format!("{key} = '(userPassword=*)'"),
            &[&format!("{key}: is not a filter: userPassword holds secrets and is never read at byte 1")],
        );
        check(&format!("{key} = ''"), &[]);
    }
}

#[test]
fn domains_are_compared_as_those_of_addresses() {
    let store = super::load_acme("notify.recipient_domains = ['Bücher.example', 'ACME.example']", &[]);
    let domains: Vec<_> = store.notify.recipient_domains.into_iter().collect();
    assert_eq!(domains, ["acme.example", "xn--bcher-kva.example"]);
}
