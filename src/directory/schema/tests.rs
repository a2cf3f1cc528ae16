use proptest::prelude::*;

use super::*;
use crate::directory::filter::WithGroups;

fn schema() -> Schema {
    Schema::new(SchemaSettings::openldap()).expect("the defaults are valid")
}

fn raw(attributes: &[(&str, &[&str])]) -> RawAttributes {
    let values = |values: &[&str]| values.iter().map(|value| value.as_bytes().to_vec()).collect();
    RawAttributes(attributes.iter().map(|(name, list)| (AttributeName::new(name), values(list))).collect())
}

fn map(schema: &Schema, attributes: &[(&str, &[&str])]) -> MappedEntry {
    schema.map(&dn("cn=entry,dc=acme"), &raw(attributes))
}

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

fn name(name: &str) -> AttributeName {
    AttributeName::new(name)
}

/// `member cn=a,dc=x`, `owner! cn=b,dc=x` (primary), `memberuid anna`, sorted.
fn shown(links: &[Link]) -> Vec<String> {
    let mut shown: Vec<_> = links.iter().map(show).collect();
    shown.sort();
    shown
}

fn show(link: &Link) -> String {
    let relation = match link.role.relation {
        Relation::Member => "member",
        Relation::Owner => "owner",
        Relation::Manager => "manager",
    };
    let rank = match link.role.rank {
        Rank::Primary => "!",
        Rank::Additional => "",
    };
    match &link.target {
        LinkTarget::Dn(dn) => {
            assert_eq!(link.key, dn.key());
            format!("{relation}{rank} {dn}")
        }
        LinkTarget::Account(account) => {
            assert_eq!(link.key, NameKey::of_account(account));
            format!("{relation}{rank} uid {account}")
        }
    }
}

#[track_caller]
fn check_links(schema: &Schema, attributes: &[(&str, &[&str])], expected: &[&str]) {
    assert_eq!(shown(&map(schema, attributes).links), expected, "{attributes:?}");
}

const GROUP: (&str, &[&str]) = ("objectClass", &["top", "groupOfNames"]);
const USER: (&str, &[&str]) = ("objectClass", &["top", "inetOrgPerson"]);

#[test]
fn kinds_come_from_the_filters() {
    let mut settings = SchemaSettings::openldap();
    settings.contact_filter = Some(Filter::parse("(objectClass=contact)").expect("a filter"));
    let schema = Schema::new(settings).expect("valid");
    for (classes, kind) in [
        (&["groupOfNames"][..], EntryKind::Group),
        (&["GROUPOFUNIQUENAMES"], EntryKind::Group),
        (&["groupOfMembers"], EntryKind::Group),
        (&["posixGroup"], EntryKind::Group),
        (&["group"], EntryKind::Group),
        (&["inetorgperson"], EntryKind::User),
        (&["posixAccount"], EntryKind::User),
        (&["account"], EntryKind::User),
        (&["contact"], EntryKind::Contact),
        (&["inetOrgPerson", "contact"], EntryKind::Contact),
        (&["inetOrgPerson", "contact", "posixGroup"], EntryKind::Group),
        (&["organizationalUnit"], EntryKind::Container),
        (&[], EntryKind::Container),
    ] {
        assert_eq!(map(&schema, &[("objectClass", classes)]).kind, kind, "{classes:?}");
    }
}

#[test]
fn a_container_is_known_by_name_only() {
    let entry =
        map(&schema(), &[("objectClass", &["organizationalUnit"]), ("cn", &["x"]), ("member", &["cn=a"])]);
    assert_eq!(entry, map(&schema(), &[]));
    assert!(entry.attributes.is_empty() && entry.links.is_empty() && entry.account.is_none());
}

#[test]
fn l17_all_kinds_of_members_are_read() {
    check_links(
        &schema(),
        &[
            GROUP,
            ("member", &["cn=a,dc=x"]),
            ("uniqueMember", &["cn=b,dc=x#'0101'B", "cn=c,dc=x"]),
            ("memberUid", &["anna", "Bob"]),
        ],
        &[
            "member! cn=a,dc=x",
            "member! cn=b,dc=x",
            "member! cn=c,dc=x",
            "member! uid Bob",
            "member! uid anna",
        ],
    );
}

#[test]
fn l17_one_member_by_two_attributes_is_one_link() {
    check_links(
        &schema(),
        &[
            GROUP,
            ("member", &["cn=a,dc=x", "CN=A, DC=X"]),
            ("uniqueMember", &["cn=a,dc=x#'1'B"]),
            ("memberUid", &["anna", "ANNA"]),
        ],
        &["member! cn=a,dc=x", "member! uid anna"],
    );
}

#[test]
fn l10_members_that_stand_for_nobody_are_left_out() {
    let mut settings = SchemaSettings::openldap();
    settings.dummy_members = vec![dn("cn=Dummy,dc=x")];
    let schema = Schema::new(settings).expect("valid");
    check_links(
        &schema,
        &[GROUP, ("member", &["CN=dummy , dc=x", "", "cn=a,dc=x"]), ("owner", &["cn=dummy,dc=x", ""])],
        &["member! cn=a,dc=x", "owner! cn=dummy,dc=x"],
    );
    check_links(&schema, &[GROUP, ("member", &["cn=dummy, dc=x"])], &[]);
    check_links(&schema, &[GROUP, ("member", &[""])], &[]);
    check_links(&schema, &[GROUP, ("owner", &["cn=dummy, dc=x"])], &["owner! cn=dummy, dc=x"]);
}

#[test]
fn values_that_name_nothing_are_left_out() {
    check_links(
        &schema(),
        &[GROUP, ("member", &["anna", "cn=a,", "cn=b"]), ("memberUid", &[" "])],
        &["member! cn=b"],
    );
}

#[test]
fn managed_by_is_primary_where_present() {
    check_links(
        &schema(),
        &[
            GROUP,
            ("managedBy", &["cn=a"]),
            ("owner", &["cn=b", "cn=c"]),
            ("msExchCoManagedByLink", &["cn=d"]),
        ],
        &["owner cn=b", "owner cn=c", "owner cn=d", "owner! cn=a"],
    );
    check_links(
        &schema(),
        &[GROUP, ("owner", &["cn=b", "cn=c"]), ("msExchCoManagedByLink", &["cn=d"])],
        &["owner cn=d", "owner! cn=b", "owner! cn=c"],
    );
}

#[test]
fn people_have_managers_and_groups_have_owners() {
    let all: [(&str, &[&str]); 3] = [("manager", &["cn=m"]), ("owner", &["cn=o"]), ("member", &["cn=a"])];
    check_links(&schema(), &[&[USER], &all[..]].concat(), &["manager! cn=m"]);
    check_links(&schema(), &[&[GROUP], &all[..]].concat(), &["member! cn=a", "owner! cn=o"]);
}

#[test]
fn links_are_sorted_by_role_and_key() {
    let names: Vec<_> = (0..500).map(|n| format!("cn={n},dc=x")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let links = map(&schema(), &[GROUP, ("owner", &["cn=o"]), ("member", &names)]).links;
    assert_eq!(links.len(), 501);
    assert!(links.is_sorted_by_key(|link| (link.role, link.key)));
}

#[test]
fn a_modification_is_a_link_by_kind_and_attribute() {
    let schema = schema();
    for (kind, attribute, expected) in [
        (EntryKind::Group, "member", Some((Relation::Member, LinkSyntax::Dn))),
        (EntryKind::Group, "uniqueMember", Some((Relation::Member, LinkSyntax::Dn))),
        (EntryKind::Group, "memberUid", Some((Relation::Member, LinkSyntax::Account))),
        (EntryKind::Group, "managedBy", Some((Relation::Owner, LinkSyntax::Dn))),
        (EntryKind::Group, "msExchCoManagedByLink", Some((Relation::Owner, LinkSyntax::Dn))),
        (EntryKind::Group, "manager", None),
        (EntryKind::User, "manager", Some((Relation::Manager, LinkSyntax::Dn))),
        (EntryKind::Contact, "manager", Some((Relation::Manager, LinkSyntax::Dn))),
        (EntryKind::User, "member", None),
        (EntryKind::User, "mail", None),
        (EntryKind::Container, "member", None),
    ] {
        assert_eq!(schema.link(kind, &name(attribute)), expected, "{kind:?} {attribute}");
    }
}

#[test]
fn only_what_is_needed_is_kept() {
    let entry = map(
        &schema(),
        &[
            USER,
            ("cn", &["Anna"]),
            ("uid", &["anna"]),
            ("mail", &["a@x", "b@x"]),
            ("title", &["Dr"]),
            ("sn", &["V"]),
            ("manager", &["cn=m"]),
            ("userPassword", &["secret"]),
            ("pwdAccountLockedTime", &["000001010000Z"]),
            ("department", &[]),
        ],
    );
    let kept: Vec<_> = entry.attributes.keys().map(AttributeName::as_str).collect();
    assert_eq!(kept, ["cn", "mail", "pwdaccountlockedtime", "title", "uid"]);
    assert_eq!(entry.attributes[&name("mail")], ["a@x", "b@x"]);
    assert_eq!(entry.account, Some(NameKey::of_account("ANNA")));
}

#[test]
fn a_link_attribute_is_kept_only_when_watched_or_filtered() {
    let mut settings = SchemaSettings::openldap();
    settings.watched.push(name("manager"));
    settings.disabled_filter = Some(Filter::parse("(seeAlso=cn=disabled)").expect("a filter"));
    let schema = Schema::new(settings).expect("valid");
    let entry =
        map(&schema, &[USER, ("manager", &["cn=m"]), ("seeAlso", &["CN=Disabled"]), ("owner", &["cn=o"])]);
    let kept: Vec<_> = entry.attributes.keys().map(AttributeName::as_str).collect();
    assert_eq!(kept, ["manager", "seealso"]);
    assert!(schema.disabled(&entry.attributes));
}

#[test]
fn values_that_are_no_text_or_too_long_are_kept_in_short() {
    let octets = RawAttributes(vec![
        (name("objectClass"), vec![b"account".to_vec()]),
        (name("cn"), vec![vec![0xff, 0xfe]]),
        (name("title"), vec!["é".repeat(60_000).into_bytes()]),
    ]);
    let entry = schema().map(&dn("cn=a"), &octets);
    assert_eq!(entry.attributes[&name("cn")], ["{base64}//4="]);
    assert!(entry.attributes[&name("title")][0].len() <= 64 * 1024);
}

#[test]
fn names_of_an_entry() {
    let schema = schema();
    let display = |attributes: &[(&str, &[&str])]| {
        let entry = map(&schema, &[&[USER], attributes].concat());
        schema.display_name(&dn("uid=anna\\, x,dc=acme"), &entry.attributes)
    };
    assert_eq!(display(&[("cn", &["Anna"]), ("displayName", &["Anna V", "Other"])]), "Anna V");
    assert_eq!(display(&[("cn", &["Anna", "Änne"])]), "Anna");
    assert_eq!(display(&[("displayName", &[" "]), ("cn", &["Anna"])]), "Anna");
    assert_eq!(display(&[]), "anna, x");
}

#[test]
fn m16_crlf_and_nul_in_a_name_become_spaces() {
    let schema = schema();
    let entry = map(&schema, &[USER, ("displayName", &["Anna\r\nBcc: eve@evil.example\0\u{85}\u{2028}x"])]);
    assert_eq!(schema.display_name(&dn("uid=a"), &entry.attributes), "Anna Bcc: eve@evil.example x");
    let entry = map(&schema, &[USER]);
    assert_eq!(schema.display_name(&dn("cn=a\\0d\\0aBcc: b\\00"), &entry.attributes), "a Bcc: b");
}

#[test]
fn what_else_is_known_of_a_person() {
    let schema = schema();
    let entry = map(
        &schema,
        &[
            USER,
            ("mail", &["b@x", "no address", "a@x"]),
            ("uid", &["anna", "av"]),
            ("preferredLanguage", &["nl"]),
            ("pwdAccountLockedTime", &["000001010000Z"]),
        ],
    );
    assert_eq!(schema.mail(&entry.attributes), ["b@x", "no address", "a@x"]);
    assert_eq!(schema.account(&entry.attributes).as_deref(), Some("anna"));
    assert_eq!(schema.language(&entry.attributes).as_deref(), Some("nl"));
    assert!(schema.disabled(&entry.attributes));

    let bare = map(&schema, &[USER, ("pwdAccountLockedTime", &["20260101000000Z"])]);
    assert!(schema.mail(&bare.attributes).is_empty());
    assert_eq!(schema.account(&bare.attributes), None);
    assert_eq!(schema.language(&bare.attributes), None);
    assert!(!schema.disabled(&bare.attributes));
    assert_eq!(bare.account, None);
}

#[test]
fn what_is_asked_for() {
    let schema = schema();
    let requested = schema.requested_attributes();
    let requested: Vec<_> = requested.iter().map(AttributeName::as_str).collect();
    assert_eq!(
        requested,
        [
            "objectclass",
            "member",
            "uniquemember",
            "memberuid",
            "managedby",
            "owner",
            "msexchcomanagedbylink",
            "manager",
            "mail",
            "displayname",
            "cn",
            "uid",
            "preferredlanguage",
            "title",
            "department",
            "telephonenumber",
            "pwdaccountlockedtime",
            "accountexpires",
            "krbprincipalexpiration",
            "pwdendtime",
            "shadowexpire",
        ]
    );
    assert!(schema.watched().contains(&name("TITLE")) && !schema.watched().contains(&name("cn")));
    assert_eq!(schema.watched().len(), 5);
}

#[test]
fn m23_secrets_and_wildcards_are_refused_by_key() {
    type Change = fn(&mut SchemaSettings, AttributeName);
    let lists: [(&str, Change); 10] = [
        ("members", |s, n| s.members.push(n)),
        ("primary_owner", |s, n| s.primary_owner.push(n)),
        ("additional_owners", |s, n| s.additional_owners.push(n)),
        ("manager", |s, n| s.manager.push(n)),
        ("additional_managers", |s, n| s.additional_managers.push(n)),
        ("mail", |s, n| s.mail.push(n)),
        ("display_name", |s, n| s.display_name.push(n)),
        ("account_name", |s, n| s.account_name.push(n)),
        ("language", |s, n| s.language = Some(n)),
        ("watched_attributes", |s, n| s.watched.push(n)),
    ];
    for (key, change) in lists {
        for (attribute, reason) in [
            ("userPassword", "names userpassword, which holds secrets and is never read"),
            ("unicodePwd;x", "names unicodepwd;x, which holds secrets and is never read"),
            ("2.5.4.35", "names 2.5.4.35, which holds secrets and is never read"),
            ("*", "names \"*\": write an attribute's short name, such as mail"),
            ("+", "names \"+\": write an attribute's short name, such as mail"),
            ("2.5.4.3", "names \"2.5.4.3\": write an attribute's short name, such as mail"),
            ("", "names \"\": write an attribute's short name, such as mail"),
            ("display name", "names \"display name\": write an attribute's short name, such as mail"),
        ] {
            let mut settings = SchemaSettings::openldap();
            change(&mut settings, name(attribute));
            let error = Schema::new(settings).expect_err("refused");
            assert_eq!(error.to_string(), format!("{key} {reason}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_octets_are_mapped(
        group in any::<bool>(),
        values in prop::collection::vec(prop_oneof![any::<Vec<u8>>(), "[a-c=,#'B01 ]{0,12}".prop_map(String::into_bytes)], 0..4),
    ) {
        let class = if group { "groupOfNames" } else { "account" };
        let names = ["member", "uniqueMember", "memberUid", "owner", "manager", "cn", "displayName", "mail", "uid"];
        let mut attributes = vec![(name("objectClass"), vec![class.into()])];
        attributes.extend(names.map(|n| (name(n), values.clone())));
        let schema = schema();
        let entry = schema.map(&dn("cn=a"), &RawAttributes(attributes));
        let shown = schema.display_name(&dn("cn=a"), &entry.attributes);
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert!(entry.links.is_sorted_by(|a, b| (a.role, a.key) < (b.role, b.key)));
    }
}

#[test]
fn groups_are_links_and_no_attribute_to_ask_for() {
    let filter = |text: &str| Some(Filter::parse(text).expect("a filter"));
    let settings = SchemaSettings {
        do_not_notify_filter: filter("(|(memberOf=cn=x)(title=robot))"),
        pilot_filter: filter("(&(memberOf=cn=pilot)(employeeType=staff))"),
        ..SchemaSettings::openldap()
    };
    let schema = Schema::new(settings).expect("valid");
    assert!(schema.reads_groups());
    let requested = schema.requested_attributes();
    assert!(requested.contains(&name("employeeType")) && !requested.contains(&name("memberOf")));
    let entry = map(&schema, &[USER, ("memberOf", &["cn=pilot"]), ("employeeType", &["staff"])]);
    assert!(!entry.attributes.contains_key(&name("memberOf")));

    let groups = [dn("cn=pilot")];
    let with = |groups| WithGroups { attributes: &entry.attributes, groups };
    assert!(schema.in_pilot(&with(&groups)) && !schema.in_pilot(&with(&[])));
    assert!(!schema.do_not_notify(&with(&groups)) && schema.do_not_notify(&with(&[dn("CN=X")])));

    let plain = Schema::new(SchemaSettings::openldap()).expect("valid");
    assert!(!plain.reads_groups());
    for (key, settings) in [
        (
            "user_filter",
            SchemaSettings { user_filter: filter("(memberOf=cn=x)"), ..SchemaSettings::openldap() },
        ),
        (
            "ignore_filter",
            SchemaSettings { ignore_filter: filter("(!(memberOf=cn=x))"), ..SchemaSettings::openldap() },
        ),
    ] {
        assert_eq!(Schema::new(settings).expect_err(key), SchemaError::MemberOf { key });
    }
}
