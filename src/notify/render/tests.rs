//! Every mail, text and HTML, as its reader gets it.

mod alert;
mod cut;
mod every;
mod hostile;
mod own;
mod why;

use std::collections::BTreeSet;

use super::*;
use crate::{
    change::event::Change,
    directory::entry::EntryRef,
    notify::{
        company::{Company, options},
        decide::decide,
        notification::{Ground, Role},
    },
};

const COMPANY: &str = "
    user anna   name=Anna_Berg   managers=dora
    user bert   name=Bert_Cole   managers=carla
    user carla  name=Carla_Diaz
    user dora   name=Dora_Evans  mail=dora.evans@acme.example
    user same   name=Sam_Else    mail=carla@acme.example  managers=carla,dora
    contact ken name=Ken_Frost   managers=controllers
    group finance     name=Finance     owners=carla  members=anna,bert
    group controllers name=Controllers members=anna,bert
    group ledger      name=Ledger      owners=controllers,same  members=controllers
    group open        name=Open_House  owners=carla  members=bert,same  public
    group silent      name=Silent_Club members=bert  mail=club@acme.example
    group vault       name=Vault       owners=silent
    container sales   name=Sales
";

const ALL: &str = "owner added_members removed_members to=audit@acme.example";

/// Name of the snapshots, reader, ticked boxes, changes: each string a change set of its own.
type Pinned = (&'static str, &'static str, &'static str, &'static [&'static str]);

const TO_MEMBERS: &[Pinned] = &[
    ("you-were-added", "bert", ALL, &["member-added finance bert by=carla"]),
    (
        "you-were-added-actor-hidden",
        "bert",
        "no-actor added_members",
        &["member-added finance bert by=carla"],
    ),
    ("you-were-added-through-a-group", "bert", "added_members", &["member-added finance controllers"]),
    ("you-were-removed", "bert", ALL, &["member-removed finance bert by=bert"]),
    ("you-were-removed-through-a-group", "bert", ALL, &["member-removed finance controllers"]),
    ("your-group-is-gone", "bert", "removed_members", &["object-deleted finance by=carla"]),
    // -- of the group they belong to
    ("member-one-other-added", "bert", "object_modified", &["member-added finance anna by=dora"]),
    (
        "member-others-added",
        "bert",
        "object_modified",
        &[
            "member-added finance anna by=dora; member-added finance dora by=dora",
            "member-added finance ken by=dora",
        ],
    ),
    (
        "member-others-removed",
        "bert",
        "object_modified",
        &["member-removed finance dora by=dora; member-removed finance ken by=ken"],
    ),
    ("member-owner-added", "bert", "object_modified", &["owner-added finance dora by=carla"]),
    ("member-owner-removed", "bert", "no-actor object_modified", &["owner-removed finance dora by=carla"]),
    ("member-group-changed", "bert", "object_modified", &["attributes-changed finance by=carla"]),
    ("member-group-renamed", "bert", "object_modified", &["object-renamed finance"]),
    ("member-group-created", "bert", "object_modified", &["object-created finance"]),
    ("member-group-gone", "bert", "object_modified removed_members", &["object-deleted finance"]),
    ("member-group-in-place-of-members", "club", "object_modified limit=0", &["attributes-changed silent"]),
];

const TO_OWNERS: &[Pinned] = &[
    ("owner-member-added", "carla", ALL, &["member-added finance bert by=dora"]),
    ("owner-group-added-as-member", "carla", ALL, &["member-added finance controllers by=carla"]),
    ("owner-member-removed", "carla", ALL, &["member-removed finance bert"]),
    ("owner-member-deleted", "carla", ALL, &["member-removed finance bert because-deleted"]),
    ("owner-owner-added", "carla", ALL, &["owner-added finance dora by=dora"]),
    ("owner-owner-removed", "carla", ALL, &["owner-removed finance dora"]),
    ("owner-owner-deleted", "carla", ALL, &["owner-removed finance dora because-deleted"]),
    ("you-became-owner", "dora.evans", ALL, &["owner-added finance dora by=carla"]),
    ("you-became-owner-through-a-group", "bert", ALL, &["owner-added finance controllers"]),
    ("you-are-no-longer-owner", "dora.evans", ALL, &["owner-removed finance dora by=carla"]),
    ("owner-group-created", "carla", ALL, &["object-created finance by=dora"]),
    ("owner-group-deleted", "carla", ALL, &["object-deleted finance by=dora"]),
    ("owner-group-renamed", "carla", ALL, &["object-renamed finance by=dora"]),
    ("owner-group-changed", "carla", ALL, &["attributes-changed finance by=dora"]),
    ("owner-through-a-group", "bert", ALL, &["attributes-changed ledger"]),
    (
        "owner-with-the-address-of-another",
        "carla",
        ALL,
        &["attributes-changed finance; attributes-changed ledger"],
    ),
    ("owner-group-in-place-of-members", "club", "owner limit=0", &["member-added vault anna"]),
    ("public-owner-member-added", "carla", "public_group_owner", &["member-added open anna by=anna"]),
    ("public-owner-member-removed", "carla", "owner public_group_owner", &["member-removed open anna"]),
];

const TO_MANAGERS: &[Pinned] = &[
    ("you-became-manager", "carla", "manager", &["manager-added bert carla by=dora"]),
    ("you-became-a-manager-beside-others", "carla", "manager", &["manager-added same carla"]),
    ("you-became-manager-through-a-group", "anna", "manager", &["manager-added ken controllers"]),
    ("you-are-no-longer-manager", "dora.evans", "manager", &["manager-removed bert dora by=carla"]),
    ("manager-another-added", "carla", "manager", &["manager-added bert anna"]),
    ("manager-user-created", "carla", "manager", &["object-created bert by=dora"]),
    ("manager-user-deleted", "carla", "manager", &["object-deleted bert by=dora"]),
    ("manager-user-moved", "carla", "manager", &["object-renamed bert"]),
    ("manager-user-changed", "carla", "manager", &["attributes-changed bert by=bert"]),
    ("manager-of-a-contact-through-a-group", "bert", "manager", &["attributes-changed ken"]),
];

const TO_OBJECTS: &[Pinned] = &[
    ("your-entry-was-changed", "bert", "object_modified", &["attributes-changed bert by=dora"]),
    (
        "your-entry-was-changed-actor-hidden",
        "bert",
        "no-actor object_modified",
        &["attributes-changed bert by=dora"],
    ),
    (
        "your-address-was-changed-new",
        "dora.evans",
        "object_modified",
        &["mail-changed dora dora@acme.example by=carla"],
    ),
    (
        "your-address-was-changed-old",
        "dora",
        "object_modified",
        &["mail-changed dora dora@acme.example by=carla"],
    ),
    ("you-were-renamed", "bert", "object_modified", &["object-renamed bert"]),
    ("your-manager-came", "bert", "object_modified", &["manager-added bert carla by=dora"]),
    ("your-manager-went", "bert", "object_modified", &["manager-removed bert carla"]),
    ("your-manager-was-deleted", "bert", "object_modified", &["manager-removed bert carla because-deleted"]),
    (
        "digest-of-your-entry",
        "bert",
        "object_modified",
        &["manager-removed bert dora; manager-added bert carla", "attributes-changed bert"],
    ),
];

const TO_ACTORS: &[Pinned] = &[
    ("receipt-member-added", "dora.evans", "logged_in_users", &["member-added finance anna by=dora"]),
    (
        "receipt-group-removed",
        "dora.evans",
        "logged_in_users",
        &["member-removed finance controllers by=dora"],
    ),
    ("receipt-owner-added", "dora.evans", "logged_in_users", &["owner-added finance anna by=dora"]),
    ("receipt-owner-removed", "dora.evans", "logged_in_users", &["owner-removed finance anna by=dora"]),
    ("receipt-manager-added", "dora.evans", "logged_in_users", &["manager-added bert carla by=dora"]),
    ("receipt-manager-removed", "dora.evans", "logged_in_users", &["manager-removed bert carla by=dora"]),
    ("receipt-group-created", "dora.evans", "logged_in_users", &["object-created finance by=dora"]),
    ("receipt-group-deleted", "dora.evans", "logged_in_users", &["object-deleted finance by=dora"]),
    ("receipt-user-renamed", "dora.evans", "logged_in_users", &["object-renamed bert by=dora"]),
    ("receipt-user-changed", "dora.evans", "logged_in_users", &["attributes-changed bert by=dora"]),
    (
        "receipt-of-oneself-changed",
        "bert",
        "logged_in_users object_modified",
        &["attributes-changed bert by=bert"],
    ),
    (
        "receipt-of-actor-owner-and-member",
        "carla",
        "logged_in_users owner added_members object_modified",
        &["member-added finance carla by=carla"],
    ),
    (
        "receipt-at-the-address-of-another",
        "carla",
        "owner logged_in_users",
        &["attributes-changed finance", "member-added finance anna by=same"],
    ),
    (
        "digest-of-receipts",
        "dora.evans",
        "logged_in_users",
        &[
            "object-created finance by=dora; member-added finance anna by=dora",
            "object-deleted ledger by=dora",
        ],
    ),
];

const COPIED: &str = "all-changes to=audit@acme.example";

const COPIES: &[Pinned] = &[
    ("copy-member-added", "audit", COPIED, &["member-added finance bert by=carla"]),
    ("copy-manager-added", "audit", COPIED, &["manager-added bert carla by=dora"]),
    ("copy-manager-removed", "audit", COPIED, &["manager-removed bert carla"]),
    ("copy-manager-deleted", "audit", COPIED, &["manager-removed bert carla because-deleted"]),
    ("copy-user-created", "audit", COPIED, &["object-created bert by=dora"]),
    ("copy-contact-created", "audit", COPIED, &["object-created ken"]),
    ("copy-group-without-owner-created", "audit", COPIED, &["object-created controllers"]),
    ("copy-user-deleted", "audit", COPIED, &["object-deleted bert by=dora"]),
    ("copy-user-renamed", "audit", COPIED, &["object-renamed bert by=dora"]),
    ("copy-container-renamed", "audit", COPIED, &["object-renamed sales"]),
    ("copy-user-changed", "audit", COPIED, &["attributes-changed bert by=bert"]),
    ("copy-scope-entered", "audit", COPIED, &["scope-entered bert"]),
    ("copy-scope-left", "audit", COPIED, &["scope-left finance by=dora"]),
];

const DIGESTS: &[Pinned] = &[
    (
        "digest-one-entry",
        "carla",
        ALL,
        &["object-created finance by=dora; member-added finance anna by=dora"],
    ),
    (
        "digest-several-entries",
        "carla",
        ALL,
        &[
            "member-added finance bert by=dora",
            "attributes-changed ledger",
            "member-removed finance anna by=carla; owner-added finance dora",
            "object-renamed finance by=dora",
        ],
    ),
    (
        "digest-of-groups-made-and-deleted",
        "carla",
        ALL,
        &["object-created finance", "object-deleted finance by=carla"],
    ),
    (
        "digest-of-a-member",
        "bert",
        "added_members removed_members",
        &[
            "member-added finance anna; member-added finance bert by=carla",
            "member-added ledger controllers",
            "object-deleted silent",
        ],
    ),
    (
        "digest-of-a-member-among-others",
        "bert",
        "added_members object_modified",
        &[
            "object-created finance by=carla; member-added finance anna by=carla; member-added finance bert by=carla; member-added finance dora by=carla; member-removed finance ken by=carla",
        ],
    ),
    (
        "digest-of-every-role",
        "carla",
        "logged_in_users owner public_group_owner manager object_modified added_members removed_members to=carla@acme.example",
        &[
            "member-added finance carla by=carla",
            "member-removed open bert",
            "attributes-changed bert by=carla; manager-removed bert carla by=carla",
            "attributes-changed carla by=dora",
            "member-removed silent carla by=dora",
            "object-deleted ledger",
        ],
    ),
];

/// Name of the snapshots, what needs a hand.
const ALERTS: &[(&str, &str)] = &[
    ("alert-feed-stopped", "stopped"),
    ("alert-feed-refused", "refused"),
    ("alert-feed-away", "away"),
    ("alert-feed-catching-up", "connected"),
    ("alert-hold-of-a-group", "membership"),
    ("alert-hold-of-a-store", "max-events"),
    ("alert-hold-back-in-time", "back-in-time"),
    ("alert-one-mail-given-up", "one-mail"),
    ("alert-one-row-set-aside", "one-row"),
    ("alert-several", "refused membership-unnamed mails rows"),
];

const PINNED: &[&[Pinned]] = &[TO_MEMBERS, TO_OWNERS, TO_MANAGERS, TO_OBJECTS, TO_ACTORS, COPIES, DIGESTS];

/// What `reader` is told of `changes`.
#[track_caller]
fn mail(reader: &str, ticked: &str, changes: &[&str]) -> Rendered {
    mail_in(&Company::new(COMPANY), reader, ticked, changes)
}

#[track_caller]
fn mail_in(company: &Company, reader: &str, ticked: &str, changes: &[&str]) -> Rendered {
    let (show_actor, notices) = notices(company, reader, ticked, changes);
    render(&MailContent { show_actor, ..content(&notices) }).unwrap()
}

/// Whether members read who did it, and what is told to `reader`.
fn notices(company: &Company, reader: &str, ticked: &str, changes: &[&str]) -> (bool, Vec<Notice>) {
    let shown = ticked.strip_prefix("no-actor ");
    let notices = changes.iter().enumerate().flat_map(|(number, changes)| {
        let set = company.change_set(number as u128, changes);
        let decision = decide(&set, &options(shown.unwrap_or(ticked)), company).unwrap();
        let notice = move |notification| Notice { notification, events: set.events.clone() };
        decision.notifications.into_iter().map(notice)
    });
    let is_theirs =
        |notice: &Notice| notice.notification.recipient.address.as_str() == format!("{reader}@acme.example");
    (shown.is_none(), notices.filter(is_theirs).collect())
}

static NOTHING: Beyond = Beyond { entries: BTreeMap::new(), reasons: BTreeSet::new(), events: Vec::new() };

fn content(notices: &[Notice]) -> MailContent<'_> {
    MailContent {
        store: "acme",
        notices,
        beyond: &NOTHING,
        gathered: Gathered::Window,
        show_actor: true,
        timezone: berlin(),
    }
}

fn berlin() -> &'static TimeZone {
    static BERLIN: std::sync::LazyLock<TimeZone> =
        std::sync::LazyLock::new(|| TimeZone::get("Europe/Berlin").unwrap());
    &BERLIN
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

fn pin_all(pinned: &[Pinned]) {
    for (name, reader, ticked, changes) in pinned {
        pin(name, &mail(reader, ticked, changes));
    }
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
    let flowing = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = flowing.replace("none of them can be reached", "").replace("Last members none", "");
    for word in said.split(' ') {
        assert!(!matches!(word, "undefined" | "None" | "none"), "a hole in: {}", mail.text);
    }
}

#[test]
fn mails_to_members() {
    pin_all(TO_MEMBERS);
}

#[test]
fn mails_to_owners() {
    pin_all(TO_OWNERS);
}

#[test]
fn mails_to_managers() {
    pin_all(TO_MANAGERS);
}

#[test]
fn mails_to_objects() {
    pin_all(TO_OBJECTS);
}

#[test]
fn mails_to_actors() {
    pin_all(TO_ACTORS);
}

#[test]
fn copies_for_to_and_cc() {
    pin_all(COPIES);
}

#[test]
fn digests() {
    pin_all(DIGESTS);
}

#[test]
fn the_subject_of_a_digest_counts_changes_and_entries() {
    let check = |reader: &str, ticked: &str, changes: &[&str], expect: &str| {
        assert_eq!(mail(reader, ticked, changes).subject, expect, "{ticked}: {changes:?}");
    };
    let three = ["member-added finance anna; member-added finance ken", "object-renamed open"];
    check("carla", "owner", &three, "3 changes in 2 groups");
    check("carla", "owner", &three[..1], "2 changes to Finance");
    check("bert", "object_modified", &three, "3 changes in 2 groups");
    check("bert", "object_modified", &three[..1], "2 members were added to Finance");
    check("carla", "manager", &["object-created bert; object-created same"], "2 changes in 2 users");
    check("carla", "owner manager", &["object-created bert; object-created open"], "2 changes in 2 entries");
    check(
        "bert",
        "object_modified",
        &["object-renamed bert; attributes-changed bert"],
        "2 changes to your entry",
    );
    let own = ["object-renamed bert by=bert; attributes-changed bert by=bert"];
    check("bert", "logged_in_users", &own, "You made 2 changes to your own entry");
    let made = ["object-created open by=dora; member-added open anna by=dora", "object-deleted bert by=dora"];
    check("dora.evans", "logged_in_users", &made[..1], "You made 2 changes to Open House");
    check("dora.evans", "logged_in_users", &made, "You made 3 changes in 2 entries");
}

#[test]
fn the_test_mail() {
    let to = "postmaster@acme.example".parse().unwrap();
    let now = "2026-07-27T12:03:00Z".parse().unwrap();
    pin("test", &render_test(&TestMail { store: "acme", to: &to, now, timezone: berlin() }).unwrap());
}

#[test]
fn each_mail_is_pinned() {
    let company = Company::new(COMPANY);
    let mut pinned = BTreeSet::from([Mail::Test, Mail::Alert]);
    for (name, reader, ticked, changes) in PINNED.iter().copied().flatten() {
        let (_, notices) = notices(&company, reader, ticked, changes);
        assert!(!notices.is_empty(), "{name}: nobody is told");
        pinned.insert(Page::of(&content(&notices)).unwrap().mail());
    }
    let missing: Vec<_> = Mail::ALL.iter().filter(|mail| !pinned.contains(mail)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_mail_has_its_folder_of_three_files() {
    let folders: BTreeSet<_> = Mail::ALL.iter().map(|mail| mail.folder()).collect();
    assert_eq!(folders.len(), Mail::ALL.len());
    for mail in Mail::ALL {
        for file in [mail.subject(), mail.text(), mail.html()] {
            assert!(file.starts_with(&format!("{}/", mail.folder())), "{file}");
            TEMPLATES.get_template(&file).unwrap();
        }
    }
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
        let content = MailContent {
            store: "acme",
            notices: &notices,
            beyond: &NOTHING,
            gathered,
            show_actor: true,
            timezone: &timezone,
        };
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
    assert!(matches!(render(&content(&[])), Err(RenderError::NothingToSay)));
}
