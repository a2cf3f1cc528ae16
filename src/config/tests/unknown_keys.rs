use super::{acme, check, check_file};

#[test]
fn an_unknown_key_is_named_with_its_nearest_neighbour() {
    check("smtp.prot = 587", &["smtp.prot: unknown key; did you mean identity_store.acme.smtp.port?"]);
    check("stmp.port = 587", &["stmp: unknown key; did you mean identity_store.acme.smtp?"]);
    check("base-dn = 'dc=x'", &["base-dn: unknown key; did you mean identity_store.acme.base_dn?"]);
    check("start_tls = true", &["start_tls: unknown key; did you mean identity_store.acme.tls.start_tls?"]);
    check(
        "notify.add_members = true",
        &["notify.add_members: unknown key; did you mean identity_store.acme.notify.added_members?"],
    );
    check("smtp_port = 587", &["smtp_port: unknown key; did you mean identity_store.acme.smtp.port?"]);
    check(
        "notify.colour = true",
        &["notify.colour: unknown key; the nearest known one is identity_store.acme.notify.owner"],
    );
    check("'sm tp'.x = true", &["\"sm tp\": unknown key; the nearest known one is identity_store.acme.smtp"]);
}

#[test]
fn an_unknown_key_at_the_top_may_belong_to_a_store() {
    check_file(
        &acme("").replacen("[id", "loge.level = 1\n[id", 1),
        &[],
        &["loge: unknown key; did you mean log?"],
    );
    check_file(
        &acme("").replacen("[id", "smtp.port = 25\n[id", 1),
        &[],
        &["smtp: unknown key; did you mean identity_store.NAME.smtp?"],
    );
    check_file(
        &acme("").replacen("[id", "state.pth = 'x'\n[id", 1),
        &[],
        &["state.pth: unknown key; did you mean state.path?"],
    );
    check_file(
        &acme("").replace("identity_store", "identity_stores"),
        &[],
        &[
            "identity_store: there is none: write at least one table such as [identity_store.acme], with urls and base_dn",
            "identity_stores: unknown key; did you mean identity_store?",
        ],
    );
}
