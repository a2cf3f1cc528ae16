use proptest::prelude::*;

use super::*;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn anna() -> Vec<(&'static str, Vec<&'static [u8]>)> {
    vec![
        ("objectclass", vec![b"top", b"inetOrgPerson"]),
        ("cn", vec![b"Anna  de Vries", "Änne".as_bytes()]),
        ("uidnumber", vec![b"1000"]),
        ("employeenumber", vec![b"007"]),
        ("grouptype", vec![b"-2147483646"]),
        ("useraccountcontrol", vec![b"514"]),
        ("manager", vec![b"cn=Doe\\, John,ou=People,dc=acme"]),
        ("uniquemember", vec![b"cn=a,dc=acme#'01'B"]),
        ("seealso", vec![b"no name"]),
        ("description", vec![b"a*b (c) \\d", b""]),
        ("photo", vec![b"\xff\xfe"]),
        ("pwdaccountlockedtime", vec![b"000001010000Z"]),
    ]
}

/// The entry as it was read, and as the mirror keeps it, answer alike.
#[track_caller]
fn check(text: &str, expected: bool) {
    let entry = anna();
    let values = |values: &[&[u8]]| values.iter().map(|value| value.to_vec()).collect();
    let raw = RawAttributes(entry.iter().map(|(name, v)| (AttributeName::new(name), values(v))).collect());
    let stored = |values: &[&[u8]]| values.iter().map(|value| stored::to_stored(value)).collect();
    let mirrored: MirroredAttributes =
        entry.iter().map(|(name, v)| (AttributeName::new(name), stored(v))).collect();
    let filter = filter(text);
    assert_eq!(filter.matches(&raw), expected, "{text} as read");
    assert_eq!(filter.matches(&mirrored), expected, "{text} as mirrored");
}

#[test]
fn equality_folds_case_and_spaces() {
    check("(objectClass=inetorgperson)", true);
    check("(OBJECTCLASS=INETORGPERSON)", true);
    check("(objectClass=person)", false);
    check("(cn=anna de vries)", true);
    check("(cn= anna   DE vries )", true);
    check("(cn=annade vries)", false);
    check("(cn~=ANNA de Vries)", true);
    check("(cn=ÄNNE)", true);
    check("(cn=\\c3\\84nne)", true);
    check("(mail=anna@acme.example)", false);
    check("(description=a\\2ab \\28c\\29 \\5cd)", true);
    check("(description=)", true);
    check("(cn=)", false);
    check("(photo=\\ff\\fe)", true);
    check("(photo=\\ff)", false);
    check("(pwdAccountLockedTime=000001010000Z)", true);
}

#[test]
fn presence() {
    check("(cn=*)", true);
    check("(cn=**)", true);
    check("(mail=*)", false);
    check("(!(mail=*))", true);
}

#[test]
fn substrings() {
    check("(cn=anna*)", true);
    check("(cn=*VRIES)", true);
    check("(cn=*de*)", true);
    check("(cn=a*d*v*s)", true);
    check("(cn=anna de vries*)", true);
    check("(cn=anna *)", true);
    check("(cn=* DE *)", true);
    check("(cn=*na d*)", true);
    check("(cn=*nade*)", false);
    check("(cn=de*)", false);
    check("(cn=*v*d*)", false);
    check("(cn=anna de*de vries)", false);
    check("(cn=ä*e)", true);
    check("(description=*\\2a*)", true);
    check("(description=*\\28c\\29*)", true);
    check("(photo=*a*)", false);
    check("(!(photo=*a*))", false);
}

#[test]
fn order_is_numeric_where_both_are_numbers() {
    check("(uidNumber>=999)", true);
    check("(uidNumber>=1000)", true);
    check("(uidNumber>=1001)", false);
    check("(uidNumber<=20000)", true);
    check("(uidNumber<=-1)", false);
    check("(groupType<=0)", true);
    check("(cn>=anna)", true);
    check("(cn<=ANNA)", false);
    check("(pwdAccountLockedTime<=20260101000000Z)", true);
    check("(mail>=a)", false);
}

#[test]
fn integers_are_numbers_where_the_schema_says_so() {
    check("(uidNumber=1000)", true);
    check("(uidNumber=01000)", true);
    check("(uidNumber=+1000)", true);
    check("(uidNumber=1001)", false);
    check("(uidNumber;x-a=01000)", false);
    check("(userAccountControl= 514 )", true);
    check("(employeeNumber=7)", false);
    check("(employeeNumber=007)", true);
    check("(uidNumber=thousand)", false);
}

#[test]
fn bit_rules() {
    check("(userAccountControl:1.2.840.113556.1.4.803:=2)", true);
    check("(userAccountControl:1.2.840.113556.1.4.803:=514)", true);
    check("(userAccountControl:1.2.840.113556.1.4.803:=3)", false);
    check("(userAccountControl:1.2.840.113556.1.4.804:=3)", true);
    check("(userAccountControl:1.2.840.113556.1.4.804:=1)", false);
    check("(groupType:1.2.840.113556.1.4.803:=2147483648)", true);
    check("(uidNumber:1.2.840.113556.1.4.803:=0)", true);
    check("(mail:1.2.840.113556.1.4.803:=2)", false);
}

#[test]
fn l19_names_compare_as_names() {
    check("(manager=CN=\"doe, john\", OU=people,DC=acme)", true);
    check("(manager=cn=Doe\\5c2C John,ou=People,dc=acme)", true);
    check("(manager=cn=John,ou=People,dc=acme)", false);
    check("(manager=nobody)", false);
    check("(seeAlso=no name)", true);
    check("(seeAlso=cn=a)", false);
    check("(cn=cn=anna)", false);
}

#[test]
fn l17_a_unique_member_compares_without_its_uid() {
    check("(uniqueMember=CN=a, dc=acme)", true);
    check("(uniqueMember=cn=a,dc=acme#'11'B)", true);
    check("(uniqueMember=cn=b,dc=acme)", false);
}

#[test]
fn member_of_is_what_the_groups_say() {
    let attributes: MirroredAttributes = [("cn", "anna"), ("memberof", "cn=stale,dc=acme")]
        .map(|(name, value)| (AttributeName::new(name), vec![value.to_owned()]))
        .into();
    let groups = ["cn=Pilot,ou=Groups,dc=acme", "cn=Doe\\, John,dc=acme"].map(|dn| Dn::parse(dn).unwrap());
    let check = |text: &str, groups: &[Dn], expected: bool| {
        let filter = filter(text);
        assert!(filter.reads_groups(), "{text}");
        assert_eq!(filter.matches(&WithGroups { attributes: &attributes, groups }), expected, "{text}");
    };
    check("(memberOf=cn=pilot, OU=groups,DC=acme)", &groups, true);
    check("(memberOf=cn=\\22doe, john\\22,dc=acme)", &groups, true);
    check("(memberOf=cn=other,dc=acme)", &groups, false);
    check("(memberOf=cn=stale,dc=acme)", &groups, false);
    check("(memberOf=cn=pilot*)", &groups, true);
    check("(&(cn=ANNA)(!(memberOf=cn=other,dc=acme)))", &groups, true);
    check("(memberOf=*)", &groups, true);
    check("(memberOf=*)", &[], false);
    check("(!(memberOf=cn=pilot,ou=groups,dc=acme))", &[], true);
    assert!(!filter("(&(cn=a)(member=cn=b))").reads_groups());
}

#[test]
fn logic_has_three_values() {
    check("(&)", true);
    check("(|)", false);
    check("(&(cn=anna*)(uidNumber=1000))", true);
    check("(&(cn=anna*)(uidNumber=1))", false);
    check("(|(cn=x)(uidNumber=1000))", true);
    check("(|(cn=x)(uidNumber=1))", false);
    check("(!(cn=x))", true);
    check("(!(objectClass=computer))", true);
    // Not a number: neither true nor false.
    check("(cn:1.2.840.113556.1.4.803:=1)", false);
    check("(!(cn:1.2.840.113556.1.4.803:=1))", false);
    check("(|(cn:1.2.840.113556.1.4.803:=1)(cn=*))", true);
    check("(&(cn:1.2.840.113556.1.4.803:=1)(cn=*))", false);
    check("(!(&(cn:1.2.840.113556.1.4.803:=1)(cn=x)))", true);
    check("(!(|(cn:1.2.840.113556.1.4.803:=1)(cn=x)))", false);
    check("(photo>=a)", false);
    check("(!(photo>=a))", false);
}

#[test]
fn refused_with_a_reason_and_a_place() {
    for (text, message) in [
        ("", "expected ( at byte 0"),
        ("cn=a", "expected ( at byte 0"),
        ("(", "expected an attribute at byte 1"),
        ("()", "expected an attribute at byte 1"),
        ("(=a)", "expected an attribute at byte 1"),
        ("(cn)", "expected =, ~=, >=, <= or a rule after the attribute at byte 3"),
        ("(cn>a)", "expected =, ~=, >=, <= or a rule after the attribute at byte 3"),
        ("(cn=a", "expected ) at byte 5"),
        ("(cn=a))", "expected nothing more after the last ) at byte 6"),
        ("(cn=a)(cn=b)", "expected nothing more after the last ) at byte 6"),
        ("(&(cn=a)x)", "expected ) at byte 8"),
        ("(!(cn=a)(cn=b))", "expected ) at byte 8"),
        ("(!)", "expected ( at byte 2"),
        ("(cn=a(b)", "a ( inside a value is written \\28 at byte 5"),
        ("(cn=a\0)", "a NUL inside a value is written \\00 at byte 5"),
        ("(cn=\\)", "expected two hexadecimal digits after \\ at byte 4"),
        ("(cn=\\+f)", "expected two hexadecimal digits after \\ at byte 4"),
        ("(cn=\\é)", "expected two hexadecimal digits after \\ at byte 4"),
        ("(cn>=a*)", "a * stands only after =; as a character it is written \\2a at byte 6"),
        ("(cn=\\ff*)", "a part beside * that is no UTF-8 at byte 4"),
        ("(2.5.4.3=a)", "an attribute is written by its name here, not by its number at byte 1"),
        ("(userPassword=a)", "userPassword holds secrets and is never read at byte 1"),
        ("(2.5.4.35=*)", "2.5.4.35 holds secrets and is never read at byte 1"),
        ("(|(cn=a)(UnicodePwd;x=*))", "UnicodePwd;x holds secrets and is never read at byte 9"),
        (
            "(cn:caseExactMatch:=a)",
            "of all extensible matches only 1.2.840.113556.1.4.803 and 1.2.840.113556.1.4.804 are known at byte 3",
        ),
        (
            "(cn:dn:1.2.840.113556.1.4.803:=1)",
            "of all extensible matches only 1.2.840.113556.1.4.803 and 1.2.840.113556.1.4.804 are known at byte 3",
        ),
        (
            "(cn:=a)",
            "of all extensible matches only 1.2.840.113556.1.4.803 and 1.2.840.113556.1.4.804 are known at byte 3",
        ),
        ("(:caseExactMatch:=a)", "expected an attribute at byte 1"),
        ("(cn:1.2.3)", "expected := after the rule at byte 9"),
        ("(a:1.2.840.113556.1.4.803:=x)", "expected a whole number of at most 64 bits at byte 27"),
        (
            "(a:1.2.840.113556.1.4.804:=99999999999999999999)",
            "expected a whole number of at most 64 bits at byte 27",
        ),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("not a filter: {message}"), "{text:?}");
    }
}

#[test]
fn depth_and_length_have_limits() {
    let nested = |depth: usize| format!("{}(cn=a){}", "(!".repeat(depth - 1), ")".repeat(depth - 1));
    assert!(Filter::parse(&nested(MAX_NESTING)).is_ok());
    let error = Filter::parse(&nested(MAX_NESTING + 1)).expect_err("too deep");
    assert_eq!(error.reason, "nested more than 64 deep");
    assert!(Filter::parse(&"(&".repeat(100_000)).is_err());
    assert!(Filter::parse(&nested(30_000)).is_err());
    assert!(Filter::parse(&format!("(cn={})", "x".repeat(70_000))).is_err());
}

#[test]
fn the_text_is_normalised() {
    for (text, expected) in [
        (" ( & (objectClass = x) ( ! ( CN=A*b ) ) ) ", None),
        (" ( & (objectClass=x)\n ( ! (CN=A*b) ) ) ", Some("(&(objectclass=x)(!(cn=A*b)))")),
        ("(CN~=Ä\\2a\\28)", Some("(cn=Ä\\2a\\28)")),
        ("(cn=a**b*)", Some("(cn=a*b*)")),
        ("(cn=**)", Some("(cn=*)")),
        ("(photo=\\FF\\c3\\a4\\0a)", Some("(photo=\\ffä\\0a)")),
        ("(uac:1.2.840.113556.1.4.803:=-2)", Some("(uac:1.2.840.113556.1.4.803:=-2)")),
        ("(|)", Some("(|)")),
        ("(a>=1)", Some("(a>=1)")),
        ("(a<=1)", Some("(a<=1)")),
    ] {
        assert_eq!(Filter::parse(text).ok().map(|f| f.to_string()).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn attributes_are_all_named_once() {
    let names = filter("(&(CN=a)(|(mail=*)(cn=b))(!(uid:1.2.840.113556.1.4.803:=1)))").attributes();
    let names: Vec<_> = names.iter().map(AttributeName::as_str).collect();
    assert_eq!(names, ["cn", "mail", "uid"]);
}

fn item() -> impl Strategy<Value = String> {
    let value = "([a-zA-Z ,é日=]|\\\\2a|\\\\28|\\\\29|\\\\5c|\\\\00){0,6}";
    prop_oneof![
        value.prop_map(|value| format!("(cn={value})")),
        value.prop_map(|value| format!("(member=cn={value},dc=x)")),
        (value, value).prop_map(|(a, b)| format!("(cn={a}*{b})")),
        (value, value, value).prop_map(|(a, b, c)| format!("(cn;lang-de={a}*{b}*{c})")),
        any::<i32>().prop_map(|n| format!("(uidNumber>={n})")),
        any::<i64>().prop_map(|n| format!("(uac:1.2.840.113556.1.4.804:={n})")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    item().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| format!("(&{})", parts.concat())),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| format!("( | {} )", parts.join(" "))),
            inner.prop_map(|part| format!("(!{part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_normalised_text_reads_back(text in text()) {
        let filter = filter(&text);
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), close in "([()&|!=*<>~:a-c1. ]|\\\\2|cn=|é){0,30}") {
        for text in [text, close] {
            if let Ok(filter) = Filter::parse(&text) {
                filter.matches(&RawAttributes(vec![(AttributeName::new("a"), vec![text.into_bytes()])]));
            }
        }
    }

    #[test]
    fn a_value_equals_itself(value in any::<Vec<u8>>()) {
        let escaped = value.iter().fold(String::new(), |text, octet| format!("{text}\\{octet:02x}"));
        let raw = RawAttributes(vec![(AttributeName::new("a"), vec![value])]);
        for test in ["=", ">=", "<="] {
            let found = filter(&format!("(a{test}{escaped})")).matches(&raw);
            prop_assert!(found || (test != "=" && std::str::from_utf8(&raw.values("a")[0]).is_err()));
        }
    }

    #[test]
    fn a_negation_never_agrees(text in text(), value in "[a-c ]{0,3}") {
        let raw = RawAttributes(vec![(AttributeName::new("cn"), vec![value.into_bytes()])]);
        let negated = filter(&format!("(!{text})"));
        prop_assert!(!(filter(&text).matches(&raw) && negated.matches(&raw)));
    }
}
