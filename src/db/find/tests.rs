//! Whom a text means.

use super::*;
use crate::db::company::{STORE, State};

const COMPANY: &str = "
    user ada   mail=ada@acme.example
    user ben   mail=Ben@Acme.Example
    user cem   mail=shared@acme.example
    user dora  mail=shared@acme.example
    user erik  mail=jörg@acme.example displayName=Jörg_Ek
    user frida uid=f%ida mail=-
    user gus   mail=gus@bücher.example
    user eve   displayName=ops_clerk
    group ops  member=ada mail=ops@acme.example
    group odd  uid=ben member=ada
";

/// The one entry that a text means, or `several: …`, or `nobody; near: …`.
async fn check(text: &str, expect: &str) {
    let state = State::new(COMPANY, "").await;
    let found = state.reader().find(STORE, &state.context.schema, text).unwrap();
    let names =
        |found: &[Candidate]| found.iter().map(|f| f.entry.dn.rdn_value()).collect::<Vec<_>>().join(" ");
    let shown = match found {
        Found::One(one) => one.entry.dn.rdn_value(),
        Found::Several(several) => format!("several: {}", names(&several)),
        Found::Nobody(near) => format!("nobody; near: {}", names(&near)),
    };
    assert_eq!(shown, expect, "{text:?}");
}

#[tokio::test]
async fn a_dn_in_any_spelling() {
    check("uid=ada,ou=people,dc=acme,dc=example", "ada").await;
    check(" UID=Ada , OU=people,dc=ACME,dc=example ", "ada").await;
    check("cn=ops,ou=groups,dc=acme,dc=example", "ops").await;
    check("ou=people,dc=acme,dc=example", "people").await;
    check("uid=nobody,ou=people,dc=acme,dc=example", "nobody; near: ").await;
}

#[tokio::test]
async fn a_mail_address_in_any_case() {
    check("ADA@acme.example", "ada").await;
    check("ben@acme.EXAMPLE", "ben").await;
    check("ops@acme.example", "ops").await;
    check("JÖRG@acme.example", "erik").await;
    check("gus@xn--bcher-kva.example", "gus").await;
    check("gus@bücher.example", "gus").await;
    check("ada@acme.exampl", "nobody; near: ada").await;
}

#[tokio::test]
async fn an_account_name_in_any_case() {
    check("Ada", "ada").await;
    check("  eRIK ", "erik").await;
    check("F%IDA", "nobody; near: ").await;
    check("frida", "frida").await;
    check("f_ida", "nobody; near: ").await;
}

#[tokio::test]
async fn what_means_several_is_never_guessed() {
    check("shared@acme.example", "several: cem dora").await;
    check("ben", "several: odd ben").await;
}

#[tokio::test]
async fn what_means_nobody_brings_what_is_near() {
    check("op", "nobody; near: ops ada ben cem dora erik eve frida gus").await;
    check("jörg", "nobody; near: erik").await;
    check("%", "nobody; near: ").await;
    check("ö", "nobody; near: erik").await;
    check("", "nobody; near: ").await;
    check("   ", "nobody; near: ").await;
    check("\"", "nobody; near: ").await;
}

#[tokio::test]
async fn a_group_is_known_by_its_own_name_where_nobody_else_is() {
    check("ops", "ops").await;
    check("OPS", "ops").await;
}

#[tokio::test]
async fn of_a_store_that_was_never_read_nothing_is_known() {
    let state = State::new(COMPANY, "").await;
    let unknown = state.reader().find("school", &state.context.schema, "ada");
    assert!(matches!(unknown, Err(DbError::NoBaseline { store }) if store == "school"));
}

#[test]
fn a_pattern_lets_through_whatever_like_could_miss() {
    for (text, expected) in [
        ("ada", "%ada%"),
        ("a b", "%a%b%"),
        ("a\"b\\c", "%a%b%c%"),
        ("50%_!", "%50!%!_!!%"),
        ("100%é", "%100!%%%"),
        ("éè", "%%"),
        ("", "%%"),
    ] {
        assert_eq!(pattern(text), expected, "{text}");
    }
}
