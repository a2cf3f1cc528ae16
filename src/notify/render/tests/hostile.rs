//! Whatever stands in the directory comes out as text, on its line, visible.

use super::*;
use crate::{directory::dn::Dn, notify::notification::Via};

/// All mails of [`PINNED`] with `hostile` wherever a directory could put it: single ones and digests.
fn hostile_mails(hostile: &str) -> Vec<Rendered> {
    let company = Company::new(COMPANY);
    let pinned = PINNED.iter().copied().flatten();
    pinned
        .map(|(_, reader, ticked, changes)| {
            let (show_actor, mut notices) = notices(&company, reader, ticked, changes);
            for Notice { notification, events } in &mut notices {
                let mut value = serde_json::to_value(&*events).unwrap();
                poison(&mut value, &hostile.into());
                *events = serde_json::from_value(value).unwrap();
                for named in notification.grounds.iter_mut().flat_map(names_of) {
                    hostile.clone_into(named);
                }
                if let Some(entry) = &mut notification.recipient.entry {
                    hostile.clone_into(&mut entry.name);
                }
            }
            render(&MailContent { show_actor, ..content(&notices) }).unwrap()
        })
        .collect()
}

fn names_of(ground: &mut Ground) -> impl Iterator<Item = &mut String> {
    let via = match &mut ground.via {
        Via::Group(group) => Some(&mut group.name),
        Via::Directly | Via::InPlaceOfMembers(_) => None,
    };
    ground.who.iter_mut().map(|who| &mut who.name).chain(via)
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
        let flowing = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(
            flowing.matches("Bcc:").count(),
            flowing.matches("Mallory Bcc: all@acme.example Hello").count()
                + flowing.matches("Mallory\\0d\\0aBcc:").count(),
            "{}",
            mail.text
        );
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
        for text in [mail.text, mail.html.replace("<wbr>", "")] {
            assert!(text.contains("AnnagreB") && text.contains("dc=acme,dc=example"), "{text}");
        }
    }
}

#[test]
fn m18_look_alikes_are_told_apart_by_the_dn() {
    let company = Company::new(
        "user anna name=Anna_Berg
         user anne name=Anna_Berg
         user carla
         user bert managers=anna
         group finance name=Finance owners=carla
         group finanze name=Finance members=bert",
    );
    let told = [
        ("carla", "owner", "member-added finance anne", "uid=anne,"),
        ("carla", "owner", "member-removed finance anne", "uid=anne,"),
        ("carla", "owner", "owner-added finance anne", "uid=anne,"),
        ("carla", "owner", "attributes-changed finance by=anne", "uid=anne,"),
        ("carla", "logged_in_users", "member-added finance anne by=carla", "uid=anne,"),
        ("bert", "object_modified", "manager-added bert anne", "uid=anne,"),
        ("bert", "object_modified", "attributes-changed bert by=anne", "uid=anne,"),
        ("bert", "object_modified", "member-added finanze carla", "cn=finanze,"),
        ("anna", "manager", "manager-added anne anna", "uid=anne,"),
    ];
    for (reader, ticked, change, dn) in told {
        for changes in [&[change][..], &[change, "attributes-changed anna; attributes-changed finance"]] {
            let mail = mail_in(&company, reader, &format!("{ticked} to={reader}@acme.example"), changes);
            assert!(mail.text.contains(dn) && mail.html.contains(dn), "{change}: {}", mail.text);
        }
    }
}

#[test]
fn a_name_of_nothing_is_shown_by_its_dn() {
    for mail in hostile_mails("\u{200B} ") {
        assert!(mail.text.contains("dc=acme,dc=example"), "{}", mail.text);
        assert!(!mail.text.contains("Hello ,") && !mail.subject.contains("  "), "{}", mail.text);
    }
}
