//! Every mail, text and HTML, as its reader gets it.

use proptest::prelude::*;

use super::*;
use crate::{
    directory::dn::Dn,
    notify::{
        company::{Company, options, random::case},
        decide::decide,
    },
};

const COMPANY: &str = "
    user anna   name=Anna_Berg
    user bert   name=Bert_Cole
    user carla  name=Carla_Diaz
    user dora   name=Dora_Evans
    user same   name=Sam_Else    mail=carla@acme.example
    contact ken name=Ken_Frost
    group finance     name=Finance     owners=carla  members=anna,bert
    group controllers name=Controllers members=anna,bert
    group ledger      name=Ledger      owners=controllers,same
    group silent      name=Silent_Club members=bert  mail=club@acme.example
    group vault       name=Vault       owners=silent
    container sales   name=Sales
";

const ALL: &str = "owner added_members removed_members to=audit@acme.example";

/// What `reader` is told of `changes`, each string a change set of its own.
#[track_caller]
fn mail(reader: &str, ticked: &str, changes: &[&str]) -> Rendered {
    mail_in(&Company::new(COMPANY), reader, ticked, changes)
}

#[track_caller]
fn mail_in(company: &Company, reader: &str, ticked: &str, changes: &[&str]) -> Rendered {
    let (hidden, ticked) = match ticked.strip_prefix("no-actor ") {
        Some(ticked) => (true, ticked),
        None => (false, ticked),
    };
    let notices: Vec<_> = changes
        .iter()
        .enumerate()
        .flat_map(|(number, changes)| {
            let set = company.change_set(number as u128, changes);
            let decision = decide(&set, &options(ticked), company).unwrap();
            decision
                .notifications
                .into_iter()
                .map(move |notification| Notice { notification, events: set.events.clone() })
        })
        .filter(|notice| notice.notification.recipient.address.as_str() == format!("{reader}@acme.example"))
        .collect();
    let timezone = TimeZone::get("Europe/Berlin").unwrap();
    let content = MailContent {
        store: "acme",
        notices: &notices,
        gathered: Gathered::Window,
        show_actor: !hidden,
        timezone: &timezone,
    };
    render(&content).unwrap()
}

/// Pins subject and text as `name`, the HTML as `name.html`.
#[track_caller]
fn pin(name: &str, mail: &Rendered) {
    assert_sound(mail);
    let settings = {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings
    };
    settings.bind(|| {
        insta::assert_snapshot!(format!("{name}.txt"), format!("Subject: {}\n\n{}", mail.subject, mail.text));
        insta::assert_snapshot!(format!("{name}.html"), mail.html);
    });
}

/// What holds for every mail.
#[track_caller]
fn assert_sound(mail: &Rendered) {
    assert!(!mail.subject.is_empty() && !mail.subject.contains(char::is_control), "{:?}", mail.subject);
    for line in mail.text.lines() {
        assert!(line.chars().count() <= 78, "too long: {line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(!mail.text.contains("\n\n\n"), "{}", mail.text);
    assert!(!mail.text.contains("{{") || mail.text.contains("{{7*7}}"), "{}", mail.text);
    for forbidden in ["http", "src=", "url(", "@import"] {
        assert!(!mail.html.contains(forbidden), "HTML refers to something outside: {forbidden}");
    }
    for word in mail.text.split_whitespace() {
        assert!(!matches!(word, "undefined" | "None"), "a hole in: {}", mail.text);
    }
}

#[test]
fn mails_to_members() {
    pin("you-were-added", &mail("bert", ALL, &["member-added finance bert by=carla"]));
    pin(
        "you-were-added-actor-hidden",
        &mail("bert", "no-actor added_members", &["member-added finance bert by=carla"]),
    );
    pin(
        "you-were-added-through-a-group",
        &mail("bert", "added_members", &["member-added finance controllers"]),
    );
    pin("you-were-removed", &mail("bert", ALL, &["member-removed finance bert by=bert"]));
    pin("you-were-removed-through-a-group", &mail("bert", ALL, &["member-removed finance controllers"]));
    pin("your-group-is-gone", &mail("bert", "removed_members", &["object-deleted finance by=carla"]));
}

#[test]
fn mails_to_owners() {
    pin("owner-member-added", &mail("carla", ALL, &["member-added finance bert by=dora"]));
    pin("owner-group-added-as-member", &mail("carla", ALL, &["member-added finance controllers by=carla"]));
    pin("owner-member-removed", &mail("carla", ALL, &["member-removed finance bert"]));
    pin("owner-member-deleted", &mail("carla", ALL, &["member-removed finance bert because-deleted"]));
    pin("owner-owner-added", &mail("carla", ALL, &["owner-added finance dora by=dora"]));
    pin("owner-owner-removed", &mail("carla", ALL, &["owner-removed finance dora"]));
    pin("owner-owner-deleted", &mail("carla", ALL, &["owner-removed finance dora because-deleted"]));
    pin("you-became-owner", &mail("dora", ALL, &["owner-added finance dora by=carla"]));
    pin("you-became-owner-through-a-group", &mail("bert", ALL, &["owner-added finance controllers"]));
    pin("you-are-no-longer-owner", &mail("dora", ALL, &["owner-removed finance dora by=carla"]));
    pin("owner-group-created", &mail("carla", ALL, &["object-created finance by=dora"]));
    pin("owner-group-deleted", &mail("carla", ALL, &["object-deleted finance by=dora"]));
    pin("owner-group-renamed", &mail("carla", ALL, &["object-renamed finance by=dora"]));
    pin("owner-group-changed", &mail("carla", ALL, &["attributes-changed finance by=dora"]));
    pin("owner-through-a-group", &mail("bert", ALL, &["attributes-changed ledger"]));
    pin(
        "owner-with-the-address-of-another",
        &mail("carla", ALL, &["attributes-changed finance; attributes-changed ledger"]),
    );
    pin("owner-group-in-place-of-members", &mail("club", "owner limit=0", &["member-added vault anna"]));
}

#[test]
fn copies_for_to_and_cc() {
    let copy = |change: &str| mail("audit", "all-changes to=audit@acme.example", &[change]);
    pin("copy-member-added", &copy("member-added finance bert by=carla"));
    pin("copy-manager-added", &copy("manager-added bert carla by=dora"));
    pin("copy-manager-removed", &copy("manager-removed bert carla"));
    pin("copy-manager-deleted", &copy("manager-removed bert carla because-deleted"));
    pin("copy-user-created", &copy("object-created bert by=dora"));
    pin("copy-contact-created", &copy("object-created ken"));
    pin("copy-group-without-owner-created", &copy("object-created controllers"));
    pin("copy-user-deleted", &copy("object-deleted bert by=dora"));
    pin("copy-user-renamed", &copy("object-renamed bert by=dora"));
    pin("copy-container-renamed", &copy("object-renamed sales"));
    pin("copy-user-changed", &copy("attributes-changed bert by=bert"));
}

#[test]
fn digests() {
    pin(
        "digest-one-entry",
        &mail("carla", ALL, &["object-created finance by=dora; member-added finance anna by=dora"]),
    );
    pin(
        "digest-several-entries",
        &mail(
            "carla",
            ALL,
            &[
                "member-added finance bert by=dora",
                "attributes-changed ledger",
                "member-removed finance anna by=carla; owner-added finance dora",
                "object-renamed finance by=dora",
            ],
        ),
    );
    pin(
        "digest-of-groups-made-and-deleted",
        &mail("carla", ALL, &["object-created finance", "object-deleted finance by=carla"]),
    );
    pin(
        "digest-of-a-member",
        &mail(
            "bert",
            "added_members removed_members",
            &[
                "member-added finance anna; member-added finance bert by=carla",
                "member-added ledger controllers",
                "object-deleted silent",
            ],
        ),
    );
}

#[test]
fn the_test_mail() {
    let timezone = TimeZone::get("Europe/Berlin").unwrap();
    let to = "postmaster@acme.example".parse().unwrap();
    let now = "2026-07-27T12:03:00Z".parse().unwrap();
    pin("test", &render_test(&TestMail { store: "acme", to: &to, now, timezone: &timezone }).unwrap());
}

#[test]
fn m06_the_summary_of_an_hour_says_that_it_is_one_and_why() {
    let company = Company::new(COMPANY);
    let notices = [1, 2].map(|number| {
        let set = company.change_set(number, "member-added finance anna by=dora");
        let notification = decide(&set, &options("owner"), &company).unwrap().notifications.remove(0);
        Notice { notification, events: set.events }
    });
    let timezone = TimeZone::UTC;
    let words = |gathered| {
        let content =
            MailContent { store: "acme", notices: &notices, gathered, show_actor: true, timezone: &timezone };
        let mail = render(&content).unwrap();
        assert_sound(&mail);
        [mail.text.split_whitespace().collect::<Vec<_>>().join(" "), mail.html]
    };
    for words in words(Gathered::Hour { cap: 60 }) {
        assert!(
            words.contains("This is a summary: more than 60 mails within an hour were due to you"),
            "{words}"
        );
    }
    for words in words(Gathered::Window) {
        assert!(!words.contains("summary"), "{words}");
    }
}

#[test]
fn a_mail_without_an_event_is_refused() {
    let content = MailContent {
        store: "acme",
        notices: &[],
        gathered: Gathered::Window,
        show_actor: true,
        timezone: &TimeZone::UTC,
    };
    assert!(matches!(render(&content), Err(RenderError::NothingToSay)));
}

/// Puts `hostile` wherever a directory could put it.
fn hostile_mails(hostile: &str) -> Vec<Rendered> {
    let company = Company::new(COMPANY);
    let copy = "all-changes owner to=audit@acme.example";
    let changes = [
        "member-added finance bert by=carla",
        "attributes-changed finance by=dora",
        "object-renamed finance",
        "object-deleted finance",
        "object-created finance",
        "manager-added bert carla",
    ];
    let timezone = TimeZone::UTC;
    let mut mails = Vec::new();
    for reader in [1, 2] {
        let mut notices = Vec::new();
        for (number, change) in changes.iter().enumerate() {
            let set = company.change_set(number as u128, change);
            let json = serde_json::to_string(&set.events).unwrap();
            let quoted = serde_json::to_string(hostile).unwrap();
            let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
            poison(&mut value, &serde_json::from_str(&quoted).unwrap());
            let events: Vec<ChangeEvent> = serde_json::from_value(value).unwrap();
            let decision = decide(&set, &options(copy), &company).unwrap();
            let mut notification = decision.notifications.into_iter().next_back().unwrap();
            if let Some(entry) = &mut notification.recipient.entry {
                hostile.clone_into(&mut entry.name);
            }
            notices.push(Notice { notification, events });
        }
        if reader == 1 {
            mails.extend(notices.iter().map(|notice| {
                let notices = std::slice::from_ref(notice);
                render(&MailContent {
                    store: "acme",
                    notices,
                    gathered: Gathered::Window,
                    show_actor: true,
                    timezone: &timezone,
                })
                .unwrap()
            }));
        } else {
            let content = MailContent {
                store: "acme",
                notices: &notices,
                gathered: Gathered::Window,
                show_actor: true,
                timezone: &timezone,
            };
            mails.push(render(&content).unwrap());
        }
    }
    mails
}

fn poison(value: &mut serde_json::Value, hostile: &serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, field) in fields {
                match (key.as_str(), &mut *field) {
                    ("name", serde_json::Value::String(_)) => *field = hostile.clone(),
                    ("old" | "new", serde_json::Value::Array(values)) => values.fill(hostile.clone()),
                    ("dn" | "old_dn", serde_json::Value::String(dn)) => {
                        let tail = dn.split_once(',').unwrap().1.to_owned();
                        // Only what is a DN comes this far: the value is escaped as a server would.
                        *field = format!("{},{tail}", Dn::of_account(hostile.as_str().unwrap())).into();
                    }
                    _ => poison(field, hostile),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| poison(item, hostile)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

#[test]
fn m16_line_breaks_and_nul_in_names_and_values_stay_on_their_line() {
    for mail in hostile_mails("Mallory\r\nBcc: all@acme.example\r\n\r\n\0Hello") {
        assert_sound(&mail);
        assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:")), "{}", mail.text);
        assert!(!mail.html.contains('\0') && !mail.html.contains('\r'));
    }
}

#[test]
fn m17_html_and_template_syntax_come_out_as_text() {
    for mail in hostile_mails("{{7*7}}{% raw %}<script>alert(1)</script>\"'><img onerror=x>&amp;") {
        assert!(!mail.html.contains("<script") && !mail.html.contains("<img"), "{}", mail.html);
        assert!(mail.html.contains("{{7*7}}") && mail.html.contains("&lt;script&gt;"), "{}", mail.html);
        assert!(mail.html.contains("&amp;amp;"), "{}", mail.html);
        assert!(mail.text.contains("{{7*7}}") && mail.text.contains("<script>"), "{}", mail.text);
        assert!(!mail.text.contains("49") || mail.text.contains("+49"), "{}", mail.text);
    }
}

#[test]
fn m18_marks_that_turn_or_hide_text_are_gone_and_the_dn_stands_beside() {
    for mail in hostile_mails("Anna\u{202E}greB\u{200B}\u{2066}") {
        let seen = format!("{}{}{}", mail.subject, mail.text, mail.html);
        assert!(!seen.contains(['\u{202E}', '\u{200B}', '\u{2066}']));
        assert!(mail.text.contains("=example"), "{}", mail.text);
    }
}

#[test]
fn a_name_of_nothing_is_shown_by_its_dn() {
    let mails = hostile_mails("\u{200B} ");
    assert!(mails[0].subject.contains("ou=people,dc=acme,dc=example"), "{}", mails[0].subject);
}

#[test]
fn m29_a_member_reads_of_itself_only() {
    let changes = [
        "object-created finance; member-added finance anna; member-added finance bert; member-added finance dora",
        "member-removed ledger dora; member-removed ledger bert; owner-added ledger anna",
        "object-deleted controllers",
    ];
    for ticked in
        ["added_members removed_members", "no-actor added_members removed_members to=audit@acme.example"]
    {
        let mail = mail("bert", ticked, &changes);
        for other in ["Anna", "anna", "Dora", "dora", "Carla", "carla"] {
            assert!(!mail.text.contains(other) && !mail.html.contains(other), "{other}: {}", mail.text);
        }
        assert_eq!(mail.subject, "3 changes in acme");
    }
}

#[test]
fn m29_an_owner_reads_of_its_own_groups_only() {
    let mail = mail(
        "carla",
        "owner",
        &["member-added finance bert; member-added controllers dora; object-created dora"],
    );
    assert_eq!(mail.subject, "Bert Cole was added to Finance");
    assert!(!mail.text.contains("Dora") && !mail.html.contains("Controllers"), "{}", mail.text);
}

#[test]
fn long_lists_are_cut_with_a_count() {
    let people = (0..57).map(|n| format!("user p{n}")).collect::<Vec<_>>().join("\n");
    let members = (0..57).map(|n| format!("p{n}")).collect::<Vec<_>>().join(",");
    let company =
        Company::new(&format!("{people}\n user carla\n group finance owners=carla members={members}"));
    let deleted = mail_in(&company, "carla", "owner", &["object-deleted finance"]);
    assert!(deleted.text.contains("and 37 more"), "{}", deleted.text);
    assert!(deleted.html.contains("and 37 more"));
    assert_eq!(deleted.text.matches("uid=p").count(), 20);

    let added = (0..57).map(|n| format!("member-added finance p{n}")).collect::<Vec<_>>().join(";");
    let digest = mail_in(&company, "carla", "owner", &[&added]);
    assert_eq!(digest.subject, "57 changes to finance");
    assert!(digest.text.contains("and 32 more changes to finance"), "{}", digest.text);
    assert!(digest.html.contains("and 32 more changes to finance"));

    let created = (0..57).map(|n| format!("object-created p{n}")).collect::<Vec<_>>().join(";");
    let digest = mail_in(&company, "audit", "all-changes to=audit@acme.example", &[&created]);
    assert!(digest.text.contains("And 32 more changes to 32 more entries."), "{}", digest.text);
    assert!(digest.html.contains("And 32 more changes to 32 more entries."));
}

/// The people `p0` to `p4` that a text names.
fn people_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 2 && matches!(word.as_bytes(), [b'p', b'0'..=b'9'])).collect()
}

proptest! {
    #[test]
    fn m29_whatever_happens_members_read_of_themselves_only((lines, ticked, changes) in case()) {
        let company = Company::new(&lines);
        let set = company.change_set(0, &changes);
        // Two ways to read of others that are meant so: as a member of a changed group, and of the actor.
        let ticked = ticked.replace("object_modified", "");
        for notification in decide(&set, &options(&ticked), &company).unwrap().notifications {
            let only_member = !notification.reasons().into_iter().any(is_full);
            let own: Vec<_> =
                notification.grounds.iter().filter_map(|ground| ground.who.as_ref()).map(|who| who.name.clone()).collect();
            let notices = [Notice { notification, events: set.events.clone() }];
            let content =
                MailContent { store: "acme", notices: &notices, gathered: Gathered::Window, show_actor: false, timezone: &TimeZone::UTC };
            let mail = render(&content).unwrap();
            assert_sound(&mail);
            for text in [&mail.subject, &mail.text, &mail.html] {
                let others = people_in(text).into_iter().find(|person| !own.iter().any(|name| name == person));
                prop_assert!(!only_member || others.is_none(), "{:?} in {}", others, text);
            }
        }
    }
}
