use super::{acme, check, check_file};

#[test]
fn a_value_of_another_type_says_what_to_write() {
    check(
        "smtp.port = '587'",
        &[
            "smtp.port: must be a whole number from 1 to 65535, not a text: write the number without quotes, for example \
         port = 587",
        ],
    );
    check(
        "smtp.port = 5.5",
        &[
            "smtp.port: must be a whole number from 1 to 65535, not a number with a fraction: write for example port = 587",
        ],
    );
    check(
        "notify.digest_window = 10",
        &[
            "notify.digest_window: must be a duration in quotes such as \"5s\", \"2h\" or \"30d\", not a whole number: \
         write it with its unit and in quotes, for example digest_window = \"10s\"",
        ],
    );
    check(
        "recipients.to = 'a@acme.example'",
        &[
            "recipients.to: must be a list of mail addresses, not a text: write it in brackets, for example to = [\"directory-team@acme.example\"]",
        ],
    );
    check(
        "recipients.to = ['a@acme.example', 5]",
        &["recipients.to: entry 2 must be a text in quotes, not a whole number"],
    );
    check(
        "urls = 'ldaps://dc1'",
        &[
            "urls: must be a list of URLs, not a text: write it in brackets, for example urls = [\"ldaps://dc1.acme.example\", \
         \"ldaps://dc2.acme.example\"]",
        ],
    );
    check(
        "timezone = 2026-01-01",
        &[
            "timezone: must be the name of a time zone in quotes, not a date without quotes: write it in quotes, for example timezone = \"UTC\"",
        ],
    );
    check(
        "tls.ca_file = []",
        &["tls.ca_file: must be a path in quotes, not a list: write for example ca_file = \"/path/to/file\""],
    );
    check(
        "smtp.port.number = 587",
        &["smtp.port: must be a whole number from 1 to 65535, not a table: write for example port = 587"],
    );
    check(
        "bind.password = 12345",
        &[
            "bind.password: must be a text in quotes, not a whole number: write it in quotes, for example password = \"...\"",
        ],
    );
}

#[test]
fn a_value_in_a_tables_place_says_so() {
    let toml = "
        [identity_store.acme]
        urls = ['ldaps://dc1']
        base_dn = 'dc=acme'
        bind.method = 'anonymous'
        smtp = 5
    ";
    check_file(
        toml,
        &[],
        &[
            "identity_store.acme.smtp: must be a table, not a whole number: write its keys below \
             [identity_store.acme.smtp]",
            "identity_store.acme.smtp.from: is required: write for example from = \"Directory \
             <no-reply@acme.example>\"",
            "identity_store.acme.smtp.server: is required: write for example server = \"mail.acme.example\"",
        ],
    );
}

#[test]
fn a_value_out_of_its_range_says_the_range() {
    check("smtp.port = 0", &["smtp.port: must be a whole number from 1 to 65535"]);
    check("smtp.port = -1", &["smtp.port: must be a whole number from 1 to 65535"]);
    check("smtp.port = 65536", &["smtp.port: must be a whole number from 1 to 65535"]);
    check(
        "smtp.security = 'startls'",
        &["smtp.security: must be one of \"none\", \"starttls\", \"tls\"; did you mean \"starttls\"?"],
    );
    check(
        "kind = 'OpenLDAP'",
        &[
            "kind: must be one of \"auto\", \"active-directory\", \"openldap\", \"389ds\", \"generic\"; did you mean \
         \"openldap\"?",
        ],
    );
    check("smtp.timeout = '0s'", &["smtp.timeout: must be longer than nothing: write for example \"5s\""]);
    check("smtp.retry_max = '1s'", &["smtp.retry_max: must not be shorter than retry_initial"]);
    check(
        "timezone = 'Mars/Olympus'",
        &[
            "timezone: is not a time zone of the IANA database: write \"UTC\" or a name such as \"Europe/Berlin\"",
        ],
    );
    check(
        "schema.mail = ['mail', '*']",
        &["schema.mail: entry 2 is not the name of an attribute: write one such as \"mail\""],
    );
    check(
        "notify.recipient_domains = ['@acme.example']",
        &["notify.recipient_domains: entry 1 must be the part behind the @ alone, such as \"acme.example\""],
    );
    check(
        "notify.recipient_domains = ['acme.example', 'acme example']",
        &["notify.recipient_domains: entry 2 is no mail domain: write one such as \"acme.example\""],
    );
    check(
        "smtp.server = 'smtp://mail:25'",
        &[
            "smtp.server: must be the name or address of a host alone, without scheme and port: write for example \
         \"mail.acme.example\"",
        ],
    );
    check(
        "smtp.from = 'Directory'",
        &[
            "smtp.from: is not a mail address: it has no @: write for example \"Directory <no-reply@acme.example>\"",
        ],
    );
    check("recipients.cc = ['nobody']", &["recipients.cc: entry 1 is not a mail address: it has no @"]);
    check(
        "base_dn = ''",
        &["base_dn: must not be empty: write a distinguished name such as \"dc=acme,dc=example\""],
    );
    check(
        "password_expiry.at = '24:00'",
        &["password_expiry.at: must be an hour of the day from \"00:00\" to \"23:59\""],
    );
}

#[test]
fn urls_are_refused_with_advice() {
    check(
        "urls = []",
        &["urls: must name at least one server: write for example [\"ldaps://dc1.acme.example\"]"],
    );
    check(
        "urls = ['ldaps://dc1', 'ldap:///']",
        &[
            "urls: entry 2 names no host behind the two slashes: write for example \"ldaps://dc1.acme.example\"",
        ],
    );
    check(
        "urls = ['srv:acme.example']",
        &["urls: entry 1 uses srv:, which is not there yet in this version: name the servers, for example \
         \"ldaps://dc1.acme.example\""],
    );
}

#[test]
fn m19_the_portal_is_https_or_refused() {
    let https = "notify.password_portal_url: must begin with https:// and name a host: write for example \
                 \"https://password.acme.example\"";
    for url in
        ["javascript:alert(1)", "http://password.acme.example", "https://", "password", "https://a:b@c"]
    {
        check(&format!("notify.password_portal_url = '{url}'"), &[https]);
    }
}

#[test]
fn a_switch_is_advised_as_it_was_meant() {
    let said = |value: &str, given: &str, advice: &str| {
        let expected = format!("notify.owner: must be true or false, not {given}: write {advice}");
        check(&format!("notify.owner = {value}"), &[&expected]);
    };
    said("'yes'", "a text", "owner = true, without quotes");
    said("'True'", "a text", "owner = true, without quotes");
    said("'on'", "a text", "owner = true, without quotes");
    said("'no'", "a text", "owner = false, without quotes");
    said("'false'", "a text", "owner = false, without quotes");
    said("'hunter2'", "a text", "owner = true or owner = false, without quotes");
    said("1", "a whole number", "owner = true");
    said("0", "a whole number", "owner = false");
    said("2", "a whole number", "owner = true or owner = false");
    said("[true]", "a list", "owner = true or owner = false");
}

#[test]
fn a_duration_is_advised_as_it_must_be_written() {
    let said = |value: &str, advice: &str| {
        check(&format!("notify.digest_window = {value}"), &[&format!("notify.digest_window: {advice}")]);
    };
    let no_unit =
        "has no unit: write ms, s, m, h or d right behind the number, such as \"5s\", \"2h\" or \"30d\"";
    said("'10'", no_unit);
    said("' 10 '", no_unit);
    let space = "must have no space: write the unit ms, s, m, h or d right behind its number, such as \"5s\" or \
                 \"1h30m\"";
    said("'10 s'", space);
    said("'10 seconds'", space);
    let fraction = "must be whole numbers with their units: write for example \"1h30m\" or \"1500ms\"";
    said("'1.5h'", fraction);
    said("'1,5h'", fraction);
    let other = "must be a duration: whole numbers, each with its unit ms, s, m, h or d, such as \"5s\", \"2h\" or \
                 \"30d\", up to \"36500d\"";
    said("'10sec'", other);
    said("'10S'", other);
    said("''", other);
    said("'40000d'", other);
    said(
        "true",
        "must be a duration in quotes such as \"5s\", \"2h\" or \"30d\", not true or false: write it with its unit and \
         in quotes, for example digest_window = \"10s\"",
    );
}

#[test]
fn a_list_of_numbers_says_which_entry_is_none() {
    check(
        "password_expiry.warn_days = [14, 'three', 1]",
        &["password_expiry.warn_days: entry 2 must be a whole number from 1 to 3650, not a text"],
    );
    check(
        "password_expiry.warn_days = [0]",
        &["password_expiry.warn_days: entry 1 must be a whole number from 1 to 3650"],
    );
}

#[test]
fn files_that_are_named_must_be_readable() {
    let missing = "names a file that does not exist: write the absolute path of a PEM file";
    check(
        "tls.ca_file = '/nowhere'\nsmtp.ca_file = '/nowhere'",
        &[&format!("smtp.ca_file: {missing}"), &format!("tls.ca_file: {missing}")],
    );
    check("tls.ca_file = '/'", &["tls.ca_file: names something that is no file"]);
    check(
        "smtp.password_file = '/nowhere'",
        &[
            "smtp.password_file: names a file that does not exist: write the absolute path of a file that holds the \
           secret alone",
        ],
    );
    check(
        "smtp.transport = 'file'\nsmtp.directory = '/nowhere'",
        &[
            "smtp.directory: names a directory that does not exist: write the absolute path of a directory of \
           dirherald's own",
        ],
    );
}

#[test]
fn a_path_that_is_surely_one_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ldap-password");
    let path = path.to_str().unwrap();
    check(
        &format!("smtp.password_file = '{path}'"),
        &[&format!(
            "smtp.password_file: there is no file \"{path}\": write the secret alone into it and let only dirherald's \
             user read it, or correct the path"
        )],
    );
    check(
        &format!("tls.ca_file = '{path}'"),
        &[&format!("tls.ca_file: there is no file \"{path}\": put the PEM file there, or correct the path")],
    );
    check(
        &format!("smtp.transport = 'file'\nsmtp.directory = '{path}'"),
        &[&format!(
            "smtp.directory: there is no directory \"{path}\": create it, with dirherald's user as its owner, or \
             correct the path"
        )],
    );
    let folder = directory.path().to_str().unwrap();
    check(
        &format!("smtp.password_file = '{folder}'"),
        &[&format!(
            "smtp.password_file: the file \"{folder}\" cannot be read (is a directory): write the absolute path of a \
             file that holds the secret alone"
        )],
    );
}

#[test]
fn what_is_not_there_yet_is_refused_but_at_its_default() {
    check(
        "poll_interval = '12s'",
        &["poll_interval: is not there yet in this version: leave it out, or at poll_interval = \"5s\""],
    );
    check("poll_interval = '5000ms'", &[]);
    check(
        "kind = 'active-directory'",
        &["kind: \"active-directory\" is not there yet in this version: write kind = \"auto\""],
    );
    check(
        "bind.method = 'gssapi'",
        &["bind.method: \"gssapi\" is not there yet in this version: write method = \"simple\""],
    );
    check(
        "lifecycle.bind.dn = 'cn=x'",
        &["lifecycle.bind.dn: is not there yet in this version: leave it out"],
    );
    check(
        "lifecycle.policy = [{ groups = '(cn=x)', kind = 'add-temporary', days = 0 }, { group = '(cn=x)' }]",
        &[
            "lifecycle.policy: is not there yet in this version: leave it out, or at policy = []",
            "lifecycle.policy[1].days: must be a whole number from 1 to 36500",
            "lifecycle.policy[2].days: is required: write for example days = 30",
            "lifecycle.policy[2].group: unknown key; did you mean identity_store.acme.lifecycle.policy[2].groups?",
            "lifecycle.policy[2].groups: is required: write for example groups = \"(cn=project-*)\"",
            "lifecycle.policy[2].kind: is required: write for example kind = \"add-temporary\"",
        ],
    );
    check_file(
        &acme("").replacen("[id", "state.keep = '23h'\n[id", 1),
        &[],
        &["state.keep: must be at least 1d: what was just told is still asked about"],
    );
}
