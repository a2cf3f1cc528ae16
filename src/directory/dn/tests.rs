use proptest::{prelude::*, sample::Index};

use super::{normal, scan, *};

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// All of `spellings` name the same, and none of them what `others` name.
#[track_caller]
fn check_same(spellings: &[&str], others: &[&str]) {
    let key = dn(spellings[0]).key();
    for spelling in spellings {
        assert_eq!(dn(spelling).key(), key, "{spelling:?} is {:?}", spellings[0]);
    }
    for other in others {
        assert_ne!(dn(other).key(), key, "{other:?} is not {:?}", spellings[0]);
    }
}

#[test]
fn l19_case_and_spaces_do_not_count() {
    check_same(
        &[
            "cn=John Doe,ou=People,dc=acme,dc=example",
            "CN=john doe,OU=people,DC=ACME,DC=EXAMPLE",
            "cn = John  Doe , ou=People ; dc=acme,dc= example ",
            "  cn=John Doe,ou=People,dc=acme,dc=example",
            "cn=\\20John Doe\\ ,ou=People,dc=acme,dc=example",
            "cn=\"John Doe\",ou=People,dc=acme,dc=example",
            "commonName=John Doe,organizationalUnitName=People,domainComponent=acme,dc=example",
            "2.5.4.3=John Doe,OID.2.5.4.11=People,0.9.2342.19200300.100.1.25=acme,dc=example",
            "cn=#0c084a6f686e20446f65,ou=#130650656f706c65,dc=acme,dc=example",
            "cn=\\4a\\6F\\68n Doe,ou=People,dc=acme,dc=example",
        ],
        &[
            "cn=JohnDoe,ou=People,dc=acme,dc=example",
            "cn=John Doe,ou=People,dc=acme",
            "cn=John Doe,dc=acme,ou=People,dc=example",
            "sn=John Doe,ou=People,dc=acme,dc=example",
            "cn=John Doe+ou=People,dc=acme,dc=example",
            "",
        ],
    );
}

#[test]
fn l19_escapes_do_not_count() {
    check_same(
        &[
            "cn=Doe\\, John,dc=x",
            "cn=Doe\\2C John,dc=x",
            "cn=Doe\\2c\\20John,dc=x",
            "cn=\"Doe, John\",dc=x",
            "CN=\"Doe\\, John\" , DC=X",
            "cn=#0409446f652c204a6f686e,dc=x",
        ],
        &["cn=Doe John,dc=x", "cn=Doe\\;John,dc=x", "cn=Doe,cn=John,dc=x"],
    );
    check_same(&["cn=\\#1", "cn=\\231", "cn=\"#1\""], &["cn=1", "cn=#0401ff"]);
    check_same(&["cn=a\\+b", "cn=a\\2bb"], &["cn=a+cn=b"]);
    check_same(&["cn=x\\0ADEL:1,dc=x", "cn=x\\0adel:1,dc=x"], &["cn=xDEL:1,dc=x"]);
}

#[test]
fn l19_utf8_does_not_depend_on_how_it_is_written() {
    check_same(
        &[
            "cn=Lučić",
            "cn=LUČIĆ",
            "cn=Lu\\C4\\8Di\\C4\\87",
            "cn=Luc\u{30c}ic\u{301}",
            "cn=#0c074c75c48d69c487",
        ],
        &["cn=Lucic", "cn=Lučic"],
    );
    check_same(&["cn=日本 太郎,o=株式会社", "CN=日本  太郎 ;O=株式会社"], &["cn=日本太郎,o=株式会社"]);
    check_same(&["cn=\\ff\\fe", "cn=#0402fffe"], &["cn=fffe", "cn=\\fe\\ff"]);
    check_same(&["cn=#0101FF", "cn=#0101ff"], &["cn=0101ff", "cn=\\#0101ff"]);
}

#[test]
fn l19_the_parts_of_an_rdn_have_no_order() {
    check_same(
        &["cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x", "UID = B + CN = A , dc=x"],
        &["cn=a,uid=b,dc=x", "cn=b+uid=a,dc=x", "cn=a\\+uid\\=b,dc=x"],
    );
}

#[test]
fn an_equals_sign_needs_no_escape() {
    check_same(&["cn=a=b", "cn=a\\=b", "cn=a\\3db"], &["cn=ab"]);
}

#[test]
fn the_root_has_spellings_too() {
    check_same(&["", "   "], &["dc=x"]);
    assert!(dn(" ").is_root());
    assert_eq!(dn("").parent(), None);
}

#[test]
fn keys_do_not_change_between_versions() {
    assert_eq!(dn("uid=anna,ou=people,dc=acme,dc=example").key(), NameKey(-728_267_891_735_022_507));
    assert_eq!(dn("cn=Lučić+uid=b,dc=x").key(), NameKey(3_665_291_587_871_378_780));
    assert_eq!(NameKey::of_account("anna"), NameKey(6_588_752_664_177_384_578));
}

#[test]
fn what_is_no_dn_says_why_and_where() {
    for (text, reason, offset) in [
        ("anna", "expected = after an attribute type", 4),
        ("=anna", "expected an attribute type", 0),
        (",", "expected an attribute type", 0),
        ("cn=a,", "expected an attribute type", 5),
        ("cn=a,,dc=x", "expected an attribute type", 5),
        ("cn=a+", "expected an attribute type", 5),
        ("cn=a\\", "a backslash that escapes nothing", 4),
        ("cn=a\\x", "a backslash that escapes nothing", 4),
        ("cn=a\\4", "a backslash that escapes nothing", 4),
        ("cn=\\é", "a backslash that escapes nothing", 3),
        ("cn=\"a", "a quoted value does not end", 5),
        ("cn=\"a\"b", "expected , or + after a value", 6),
        ("cn=a\"b\"", "a quote inside a value that is not escaped", 4),
        ("cn=#", "expected pairs of hexadecimal digits after #", 4),
        ("cn=#0", "expected pairs of hexadecimal digits after #", 5),
        ("cn=#04zz", "expected , or + after a value", 6),
        ("2.5.=a", "expected a number in an object identifier", 4),
        ("c n=a", "expected = after an attribute type", 2),
        ("é=a", "expected an attribute type", 0),
        ("cn=a\0", "a NUL that is not escaped", 4),
        ("ldap://x", "expected = after an attribute type", 4),
    ] {
        assert_eq!(Dn::parse(text), Err(DnError { reason, offset }), "{text:?}");
    }
    let long = format!("cn={}", "x".repeat(MAX_LENGTH));
    assert_eq!(Dn::parse(&long).expect_err("too long").reason, "longer than 64 KB");
    assert_eq!(
        Dn::parse("cn=a,").expect_err("ends early").to_string(),
        "not a distinguished name: expected an attribute type at byte 5"
    );
}

#[test]
fn one_level_up() {
    for (text, parent) in [
        ("cn=a,ou=b,dc=c", Some("ou=b,dc=c")),
        ("cn=a , ou=b", Some("ou=b")),
        ("cn=a+uid=b;dc=c", Some("dc=c")),
        ("cn=a\\,b,dc=c", Some("dc=c")),
        ("cn=\"a,b\",dc=c", Some("dc=c")),
        ("dc=c", Some("")),
        ("", None),
    ] {
        assert_eq!(dn(text).parent(), parent.map(dn), "{text:?}");
    }
}

#[test]
fn below_and_within() {
    for (text, base, within, below) in [
        ("cn=a,ou=b,dc=c", "OU=B, dc=c", true, true),
        ("ou=b,dc=c", "ou=B,DC=C", true, false),
        ("dc=c", "ou=b,dc=c", false, false),
        ("cn=a,ou=bb,dc=c", "ou=b,dc=c", false, false),
        ("cn=a\\,ou=b,dc=c", "ou=b,dc=c", false, false),
        ("cn=a,dc=c", "", true, true),
        ("", "", true, false),
        ("cn=x,b=1+a=2,dc=c", "a=2+b=1,dc=c", true, true),
        ("b=1+a=2,dc=c", "a=2,dc=c", false, false),
    ] {
        assert_eq!(dn(text).is_within(&dn(base)), within, "{text:?} within {base:?}");
        assert_eq!(dn(text).is_below(&dn(base)), below, "{text:?} below {base:?}");
    }
}

#[test]
fn a_renamed_ancestor() {
    for (text, old, new, expected) in [
        ("uid=Anna,ou=a,dc=x", "OU=A,dc=x", "ou=b,dc=x", Some("uid=Anna,ou=b,dc=x")),
        ("uid=Anna , ou=T;ou=a , dc=x", "ou=a,dc=x", "ou=b,dc=x", Some("uid=Anna , ou=T,ou=b,dc=x")),
        ("cn=a\\ ,ou=a", "ou=a", "ou=b", Some("cn=a\\ ,ou=b")),
        ("ou=A,dc=x", "ou=a,dc=x", "ou=b,dc=x", Some("ou=b,dc=x")),
        ("cn=1+sn=2,ou=a", "ou=a", "", Some("cn=1+sn=2")),
        ("cn=1", "", "dc=x", Some("cn=1,dc=x")),
        ("cn=1,ou=c,dc=x", "ou=a,dc=x", "ou=b,dc=x", None),
    ] {
        assert_eq!(dn(text).with_base_replaced(&dn(old), &dn(new)), expected.map(dn), "{text:?}");
    }
    let long = dn(&format!("cn={}", "x".repeat(MAX_LENGTH - 3)));
    assert_eq!(long.with_base_replaced(&Dn::root(), &dn("dc=x")), None);
}

#[test]
fn the_first_rdn_for_people() {
    for (text, attribute, value) in [
        ("cn=Doe\\, John,dc=x", Some("cn"), "Doe, John"),
        ("CommonName=\"a b\"", Some("cn"), "a b"),
        ("uid=anna+cn=Anna", Some("uid"), "anna"),
        ("OID.2.5.4.11=Lu\\C4\\8Di\\C4\\87", Some("ou"), "Lučić"),
        ("X-Thing=#04024869", Some("x-thing"), "Hi"),
        ("cn=#0101ff", Some("cn"), "#0101ff"),
        ("cn=\\ff", Some("cn"), "\u{fffd}"),
        ("", None, ""),
    ] {
        assert_eq!(dn(text).rdn_attribute(), attribute.map(AttributeName::new), "{text:?}");
        assert_eq!(dn(text).rdn_value(), value, "{text:?}");
    }
}

#[test]
fn l17_the_uid_of_a_unique_member_is_cut_off() {
    for (text, expected) in [
        ("cn=a,dc=x#'0101'B", "cn=a,dc=x"),
        ("cn=a,dc=x#''B", "cn=a,dc=x"),
        ("cn=a,dc=x", "cn=a,dc=x"),
        ("cn=a,dc=x#'0121'B", "cn=a,dc=x#'0121'B"),
        ("cn=a,dc=x#'01'", "cn=a,dc=x#'01'"),
    ] {
        assert_eq!(Dn::parse_without_uid(text), Ok(dn(expected)), "{text:?}");
    }
}

#[test]
fn l17_an_account_is_shown_as_a_dn() {
    for (account, expected) in [
        ("anna", "uid=anna"),
        ("", "uid="),
        ("#a, b+c ", "uid=\\#a\\, b\\+c\\ "),
        (" ", "uid=\\ "),
        ("a\r\nb", "uid=a\\0d\\0ab"),
    ] {
        assert_eq!(Dn::of_account(account).as_str(), expected);
    }
    assert!(Dn::parse(Dn::of_account(&"\0".repeat(100_000)).as_str()).is_ok());
    assert_eq!(NameKey::of_account("Anna"), NameKey::of_account("anna "));
    assert_ne!(NameKey::of_account("anna"), NameKey::of_account("ann"));
    assert_ne!(NameKey::of_account("uid=anna"), dn("uid=anna").key());
    assert_ne!(NameKey::of_account(""), Dn::root().key());
}

#[test]
fn a_long_name_hashes_alike_in_both_ways() {
    let text = format!("cn={},dc=x", "Long  Name ".repeat(100));
    assert_eq!(normal::plain_key(text.as_bytes()), Some(normal::folded_key(&text)));
}

type Rdns = Vec<Vec<(usize, String)>>;

const TYPES: [[&str; 3]; 4] = [
    ["cn", "2.5.4.3", "commonName"],
    ["ou", "OID.2.5.4.11", "organizationalUnitName"],
    ["uid", "0.9.2342.19200300.100.1.1", "userId"],
    ["x-rank", "X-Rank", "X-RANK"],
];

fn rdns() -> impl Strategy<Value = Rdns> {
    let value = "[aB1 ,+;=<>#\"\\\\é日\u{0}\r]{0,6}";
    let rdn = prop::collection::btree_map(0..TYPES.len(), value, 1..3);
    prop::collection::vec(rdn.prop_map(|pairs| pairs.into_iter().collect()), 0..4)
}

/// Writes `rdns` in one of the many ways to write it.
fn spell(rdns: &Rdns, choices: &mut impl Iterator<Item = Index>) -> String {
    let mut choose = |count: usize| choices.next().map_or(0, |index| index.index(count));
    let mut rdn_texts = Vec::new();
    for rdn in rdns {
        let mut pairs = Vec::new();
        for (attribute, value) in rdn {
            let name = TYPES[*attribute][choose(3)];
            let value = spell_value(value, &mut choose);
            pairs.push(format!("{name}{}={}{value}", ["", " "][choose(2)], ["", "  "][choose(2)]));
        }
        let turn = choose(pairs.len());
        pairs.rotate_left(turn);
        rdn_texts.push(pairs.join(["+", " + "][choose(2)]));
    }
    rdn_texts.join([",", ", ", ";", " , "][choose(4)])
}

fn spell_value(value: &str, choose: &mut impl FnMut(usize) -> usize) -> String {
    let value = match choose(3) {
        0 => value.to_owned(),
        1 => value.to_uppercase(),
        _ => value.replace(' ', "  "),
    };
    let hex = || value.bytes().fold(String::new(), |text, byte| format!("{text}\\{byte:02X}"));
    match choose(4) {
        0 => scan::escape(&value),
        1 => hex(),
        2 => format!("#0c{:02x}{}", value.len(), scan::to_hex(value.as_bytes())),
        _ => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\0', "\\00")),
    }
}

fn meaning(rdns: &Rdns) -> Rdns {
    let fold = |value: &String| crate::directory::text::fold(value);
    rdns.iter().map(|rdn| rdn.iter().map(|(name, value)| (*name, fold(value))).collect()).collect()
}

fn choices() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn l19_every_spelling_has_one_key(rdns in rdns(), one in choices(), two in choices()) {
        let (one, two) = (spell(&rdns, &mut one.into_iter()), spell(&rdns, &mut two.into_iter()));
        prop_assert_eq!(dn(&one).key(), dn(&two).key(), "{:?} {:?}", one, two);
    }

    #[test]
    fn l19_different_names_have_different_keys(a in rdns(), b in rdns(), how in choices()) {
        let (one, two) = (spell(&a, &mut how.into_iter()), spell(&b, &mut std::iter::empty()));
        prop_assert_eq!(dn(&one).key() == dn(&two).key(), meaning(&a) == meaning(&b), "{:?} {:?}", one, two);
    }

    #[test]
    fn the_short_way_to_a_key_agrees(
        text in "( {0,2}(cn|OU|2\\.5\\.4\\.3|oid\\.2\\.5\\.4\\.4|surname|[a-z][a-z0-9-]{0,60}) ?= {0,2}[ -~]{0,70}[,;]){0,4}dc=x"
    ) {
        if let Ok(dn) = Dn::parse(&text)
            && let Some(key) = normal::plain_key(dn.as_str().as_bytes())
        {
            prop_assert_eq!(key, normal::folded_key(&text));
        }
    }

    #[test]
    fn plain_names_go_the_short_way(text in "(uid|cn|ou)=[a-zA-Z0-9 .'=<>#-]{0,5}[a-z],ou=[A-Z]{3},dc=acme,dc=example") {
        prop_assume!(!text.contains("=#") && !text.contains("= "));
        prop_assert_eq!(normal::plain_key(text.as_bytes()), Some(normal::folded_key(&text)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), other in any::<String>()) {
        use_everything(&text, &other);
    }

    #[test]
    fn text_close_to_a_dn_is_read_or_refused(
        text in "([a-c.1O=,;+ \\\\\"#é\u{0}0F]|cn=|oid\\.){0,24}",
        other in "(cn=[ab\\\\ \"]{0,3},){0,3}dc=x",
    ) {
        use_everything(&text, &other);
    }

    #[test]
    fn the_text_is_kept(rdns in rdns(), how in choices()) {
        let text = spell(&rdns, &mut how.into_iter());
        let dn = dn(&text);
        prop_assert_eq!(dn.as_str(), &text);
        prop_assert_eq!(Dn::try_from(String::from(dn.clone())), Ok(dn));
    }

    #[test]
    fn an_escaped_value_reads_back(value in any::<String>()) {
        prop_assert_eq!(dn(&format!("cn={},dc=x", scan::escape(&value))).rdn_value(), value);
    }

    #[test]
    fn moving_there_and_back(rdns in rdns(), how in choices()) {
        let (old, new) = (dn("ou=Old,dc=x"), dn("ou=n\\,ew , o=y"));
        let text = spell(&rdns, &mut how.into_iter());
        let below = dn(if text.is_empty() { "ou=old, dc=x".to_owned() } else { format!("{text},ou=old, dc=x") }.as_str());
        let moved = below.with_base_replaced(&old, &new).expect("it is within");
        prop_assert!(moved.is_within(&new) && !moved.is_within(&old));
        prop_assert!(Dn::parse(moved.as_str()).is_ok());
        prop_assert_eq!(moved.with_base_replaced(&new, &old).expect("it is within").key(), below.key());
    }

    #[test]
    fn climbing_ends_at_the_root(rdns in rdns(), how in choices()) {
        let name = dn(&spell(&rdns, &mut how.into_iter()));
        let mut steps = 0;
        let mut at = name.clone();
        while let Some(parent) = at.parent() {
            prop_assert!(at.is_below(&parent) && name.is_within(&parent) && !parent.is_within(&at));
            prop_assert!(Dn::parse(parent.as_str()).is_ok());
            at = parent;
            steps += 1;
        }
        prop_assert_eq!(steps, rdns.len());
        prop_assert!(at.is_root());
    }
}

fn use_everything(text: &str, other: &str) {
    NameKey::of_account(text);
    Dn::parse(Dn::of_account(text).as_str()).expect("an account's DN is a DN");
    normal::plain_key(text.as_bytes());
    let (Ok(dn), Ok(other)) = (Dn::parse(text), Dn::parse(other)) else { return };
    assert_eq!(dn.key(), normal::folded_key(text), "{text:?}");
    dn.rdn_value();
    dn.rdn_attribute();
    if let Some(parent) = dn.parent() {
        Dn::parse(parent.as_str()).expect("a parent is a DN");
    }
    assert!(dn.is_within(&dn) && !dn.is_below(&dn));
    if let Some(moved) = dn.with_base_replaced(&other, &Dn::root()) {
        Dn::parse(moved.as_str()).expect("a moved DN is a DN");
    }
}
