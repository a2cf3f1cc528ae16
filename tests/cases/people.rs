//! Names and addresses as people, careless or hostile, write them into a directory.

use crate::{
    cases::scene::Scene,
    support::{
        ldap::{Change, Ldap},
        mail::Letter,
        smtp::{Mail, SmtpServer},
    },
};

#[tokio::test]
async fn m08_addresses_beyond_ascii_reach_the_mail_server() {
    // OpenLDAP takes nothing but ASCII in `mail`.
    let scene = Scene::company().await.with("schema.mail", "[\"description\", \"mail\"]");
    for (uid, address) in
        [("idn", "idn@exämple.example"), ("local", "jörg@harbour-vale.example"), ("both", "ü@例え.example")]
    {
        let dn = format!("uid={uid},ou=people");
        scene.ldap.add_person(&dn, uid, "unused@harbour-vale.example").await;
        scene.ldap.replace(&dn, "description", &[address]).await;
    }
    let daemon = scene.live().await;
    let members = ["uid=idn,ou=people", "uid=local,ou=people", "uid=both,ou=people"];
    scene.ldap.modify("cn=warehouse,ou=groups", &[Change::Add("member", &members)]).await;
    scene
        .assert_told(&[
            "ravi: owner: 3 changes to warehouse",
            "idn@xn--exmple-cua.example: added_members: You were added to warehouse",
            "jörg: added_members: You were added to warehouse",
            "ü@xn--r8jz45g.example: added_members: You were added to warehouse",
        ])
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn m08_a_mail_server_without_smtputf8_gets_what_it_can_take() {
    let mut scene = Scene::company().await.with("schema.mail", "[\"description\", \"mail\"]");
    scene.smtp = SmtpServer::options().without("SMTPUTF8").start().await;
    scene = {
        let port = scene.smtp.port().to_string();
        scene.with("smtp.port", &port)
    };
    scene.ldap.replace("uid=mei,ou=people", "description", &["mei@exämple.example"]).await;
    scene.ldap.replace("uid=oscar,ou=people", "description", &["óscar@harbour-vale.example"]).await;
    let daemon = scene.live().await;
    let members = ["uid=mei,ou=people", "uid=oscar,ou=people"];
    scene.ldap.modify("cn=operations,ou=groups", &[Change::Add("member", &members)]).await;
    scene
        .assert_told(&[
            "amara: owner: 2 changes to operations",
            "mei@xn--exmple-cua.example: added_members: You were added to operations",
        ])
        .await;
    let [failed] = &scene
        .site
        .outbox_json()
        .await
        .into_iter()
        .filter(|mail| mail["state"] == "failed")
        .collect::<Vec<_>>()[..]
    else {
        panic!("one mail is given up")
    };
    assert_eq!(failed["to"], "óscar@harbour-vale.example");
    assert!(failed["last_answer"].as_str().is_some_and(|answer| answer.contains("SMTPUTF8")), "{failed}");
    daemon.stop().await;
}

/// The names of all headers, the MIME ones of the parts left out.
fn headers(mail: &Mail) -> Vec<String> {
    let text = mail.text();
    let head = text.split("\r\n\r\n").next().expect("a head").to_owned();
    let mut names: Vec<String> = head
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split_once(':').expect("a header").0.to_owned())
        .collect();
    names.sort();
    names
}

/// Line ends in all their forms, and what would follow them.
const INJECTIONS: [&str; 7] = [
    "Eve\r\nBcc: victim@elsewhere.example",
    "Eve\nBcc: victim@elsewhere.example\n\nBody",
    "Eve\rBcc: victim@elsewhere.example",
    "Eve\0Bcc: victim@elsewhere.example",
    "Eve\u{2028}Bcc: victim@elsewhere.example",
    "Eve\r\n.\r\nMAIL FROM:<victim@elsewhere.example>\r\nRCPT TO:<victim@elsewhere.example>",
    "=?utf-8?q?Eve=0D=0ABcc:_victim@elsewhere.example?=",
];

#[tokio::test]
async fn m16_line_ends_and_nul_in_names_make_no_header_and_no_recipient() {
    let scene = Scene::company().await.with("schema.display_name", "[\"description\", \"cn\"]");
    let mut expected = Vec::new();
    for (number, hostile) in INJECTIONS.iter().enumerate() {
        let (person, group) = (format!("uid=eve{number},ou=people"), format!("cn=evil{number},ou=groups"));
        scene.ldap.add_person(&person, "Eve", &format!("eve{number}@harbour-vale.example")).await;
        scene.ldap.replace(&person, "description", &[hostile]).await;
        scene.ldap.add_group(&group, &["uid=ravi,ou=people"], &["uid=mei,ou=people"]).await;
        scene.ldap.replace(&group, "description", &[hostile]).await;
        expected.extend([format!("eve{number}"), "ravi".to_owned()]);
    }
    let daemon = scene.live().await;
    for number in 0..INJECTIONS.len() {
        let (person, group) = (format!("uid=eve{number},ou=people"), format!("cn=evil{number},ou=groups"));
        scene.ldap.add_member(&group, &person).await;
    }
    scene.settle().await;
    let plain = headers(scene.smtp.mails().last().expect("the mail of the bell"));
    let mut recipients = Vec::new();
    for mail in scene.smtp.mails() {
        assert_eq!(headers(&mail), plain, "{}", mail.text());
        let letter = Letter::of(&mail);
        assert!(!letter.subject.contains(['\r', '\n', '\0', '\u{2028}']), "{:?}", letter.subject);
        recipients.extend(letter.to);
    }
    recipients.retain(|to| to != "ringer@bell.example");
    for to in &mut recipients {
        *to = to.replace("@harbour-vale.example", "");
    }
    recipients.sort();
    expected.sort();
    assert_eq!(recipients, expected);
    let verbs = |verb: &str| scene.smtp.commands().iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!(verbs("RCPT TO:"), scene.smtp.mails().len());
    assert!(!scene.smtp.commands().iter().any(|line| line.contains("victim")));
    daemon.stop().await;
}

#[tokio::test]
async fn m16_line_ends_and_nul_in_an_address_make_no_recipient() {
    let scene = Scene::company().await;
    let addresses = [
        "eve@harbour-vale.example\r\nRCPT TO:<victim@elsewhere.example>",
        "eve@harbour-vale.example\nBcc: victim@elsewhere.example",
        "eve@harbour-vale.example\0",
        "eve@harbour-vale.example, victim@elsewhere.example",
        "<victim@elsewhere.example>",
        "eve@harbour-vale.example> SIZE=1 <victim@elsewhere.example",
        "\"eve\r\n\"@harbour-vale.example",
    ];
    for (number, hostile) in addresses.iter().enumerate() {
        let person = format!("uid=eve{number},ou=people");
        scene.ldap.add_person(&person, &format!("Eve {number}"), hostile).await;
    }
    let daemon = scene.live().await;
    let mut told = Vec::new();
    for number in 0..addresses.len() {
        scene.ldap.add_member("cn=warehouse,ou=groups", &format!("uid=eve{number},ou=people")).await;
        told.push(format!("ravi: owner: Eve {number} was added to warehouse"));
    }
    scene.assert_told(&told.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(!scene.smtp.commands().iter().any(|line| line.contains("victim") || line.contains("eve")));
    daemon.stop().await;
}

#[tokio::test]
async fn m17_markup_and_template_syntax_in_names_are_text() {
    let scene = Scene::company().await;
    let names = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><a href=\"https://evil.example\">here</a>",
        "{{ 7 * 7 }}{% raw %}",
        "{# gone #}${7*7}",
        "Tom & Jerry &lt;both&gt;",
    ];
    for (number, name) in names.iter().enumerate() {
        let person = format!("uid=eve{number},ou=people");
        scene.ldap.add_person(&person, "Eve", &format!("eve{number}@harbour-vale.example")).await;
        scene.ldap.replace(&person, "displayName", &[name]).await;
    }
    let daemon = scene.live().await;
    for number in 0..names.len() {
        scene.ldap.add_member("cn=warehouse,ou=groups", &format!("uid=eve{number},ou=people")).await;
    }
    scene.settle().await;
    let letters = scene.letters_to("ravi");
    assert_eq!(letters.len(), names.len());
    for (letter, name) in letters.iter().zip(names) {
        assert_eq!(letter.subject, format!("{name} was added to warehouse"));
        assert!(letter.text.replace('\n', " ").contains(name), "{}", letter.text);
        let escaped =
            name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let html = letter.html.replace("&#x2f;", "/").replace("&#x27;", "'");
        assert!(html.contains(&escaped), "{escaped}: {html}");
        for tag in ["<script", "<img", "<a href=\"https://evil"] {
            assert!(!letter.html.contains(tag), "{}", letter.html);
        }
    }
    daemon.stop().await;
}

/// Names with characters that turn text around or take no room, and what is left to be read.
const DECEPTIVE: [(&str, &str); 7] = [
    ("\u{202E}nehC ieM", "nehC ieM"),
    ("Mei\u{200B} Chen", "Mei Chen"),
    ("\u{2066}Mei\u{2069} \u{FEFF}Chen\u{200F}", "Mei Chen"),
    ("M\u{00AD}ei\u{2060} C\u{200D}hen", "Mei Chen"),
    ("Mei \u{E0041}\u{E0042}Chen\u{FE0F}", "Mei Chen"),
    ("Mei\tChen\u{7F}\u{85}", "Mei Chen"),
    // Cyrillic, Greek: letters that look like others stay; the name of the entry tells who it is.
    ("\u{041C}\u{0435}i \u{03F9}hen", "\u{041C}\u{0435}i \u{03F9}hen"),
];

/// Controls, marks of direction, and what takes no room.
fn is_deceptive(c: char) -> bool {
    let is_line_end = matches!(c, '\r' | '\n');
    (c.is_control() && !is_line_end)
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

#[tokio::test]
async fn m18_deceptive_names_are_shown_plainly_and_with_the_name_of_the_entry() {
    let scene = Scene::company().await;
    let scene = ["logged_in_users", "manager", "object_modified"]
        .into_iter()
        .fold(scene, |scene, option| scene.with(&format!("notify.{option}"), "true"))
        .with("recipients.to", "[\"archive@harbour-vale.example\"]");
    for (number, (deceptive, _)) in DECEPTIVE.iter().enumerate() {
        let (person, group) = (format!("uid=eve{number},ou=people"), format!("cn=evil{number},ou=groups"));
        scene.ldap.add_person(&person, "Eve", &format!("eve{number}@harbour-vale.example")).await;
        scene.ldap.replace(&person, "displayName", &[deceptive]).await;
        scene.ldap.set_manager(&person, "uid=maren,ou=people").await;
        let attributes: [(&str, &[&str]); 5] = [
            ("objectClass", &["groupOfNames", "dirheraldManaged"]),
            ("cn", &[&format!("evil{number}")]),
            ("displayName", &[deceptive]),
            ("owner", &["uid=ravi,ou=people"]),
            ("member", &["uid=mei,ou=people"]),
        ];
        scene.ldap.add(&group, &attributes).await;
    }
    let daemon = scene.live().await;
    let lena = Ldap::bind_as(&scene.slapd, "uid=lena,ou=people").await;
    for (number, (deceptive, plain)) in DECEPTIVE.iter().enumerate() {
        let (person, group) = (format!("uid=eve{number},ou=people"), format!("cn=evil{number},ou=groups"));
        lena.add_member(&group, &person).await;
        lena.replace(&person, "title", &[deceptive]).await;
        scene.settle().await;
        // Whoever reads of somebody else reads the entry's own name beside the one that anybody may choose.
        for who in ["ravi", "archive", "lena", "maren"] {
            let letters = scene.letters_to(who).into_iter();
            let of_person: Vec<Letter> = letters.filter(|letter| letter.text.contains(&person)).collect();
            assert!(!of_person.is_empty(), "{who} reads {person}: {:#?}", scene.told());
            for Letter { subject, text, html, .. } in of_person {
                assert!(subject.contains(plain) && text.contains(plain), "{subject}\n{text}");
                assert!(html.contains(plain) && html.contains(&person), "{html}");
            }
        }
        for who in ["mei", &format!("eve{number}")] {
            let letters = scene.letters_to(who);
            let shown = |letter: &&Letter| letter.text.contains(&group) && letter.html.contains(&group);
            assert!(letters.iter().any(|letter| shown(&letter)), "{who} reads {group}: {letters:#?}");
        }
    }
    for letter in scene.letters() {
        for text in [&letter.subject, &letter.text, &letter.html] {
            assert_eq!(text.chars().find(|c| is_deceptive(*c)), None, "{letter:?}");
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn m29_a_member_reads_of_no_other_member() {
    let scene = Scene::company().await;
    let daemon = scene.live().await;
    let members = ["uid=mei,ou=people", "uid=oscar,ou=people"];
    scene.ldap.modify("cn=sales,ou=groups", &[Change::Replace("member", &members)]).await;
    scene.ldap.delete("cn=operations,ou=groups").await;
    scene.settle().await;
    let names = [
        ("mei", "Mei Chen"),
        ("oscar", "Óscar Fuentes"),
        ("sofia", "Sofía Herrera"),
        ("aroha", "Aroha Ngata"),
        ("dmitri", "Dmitri Volkov"),
        ("amara", "Amara Okafor"),
        ("wanjiru", "Wanjiru Kamau"),
        ("ravi", "Ravi Pillai"),
        ("finn", "Finn O'Brien"),
    ];
    let mut to_members = 0;
    for letter in scene.letters().iter().filter(|letter| !letter.reasons.contains("owner")) {
        to_members += 1;
        for (_, name) in names.iter().filter(|(uid, _)| !letter.to[0].starts_with(&format!("{uid}@"))) {
            assert!(!letter.text.contains(name) && !letter.html.contains(name), "{name}: {}", letter.text);
        }
    }
    // mei and oscar came; aroha and dmitri went, sofia owns as well, bela is locked; of operations and the
    // warehouse in it wanjiru, ravi, mei and oscar.
    assert_eq!(to_members, 8, "{:#?}", scene.told());
    daemon.stop().await;
}

#[tokio::test]
async fn the_members_of_a_changed_group_are_those_after_the_change_however_late_it_is_read() {
    let scene = Scene::company().await.with("notify.object_modified", "true");
    let daemon = scene.live().await;
    let (warehouse, sales) = ("cn=warehouse,ou=groups", "cn=sales,ou=groups");
    // Stopped for as long as it takes: it reads of the first change when the last is done.
    daemon.signal("STOP");
    scene.ldap.add_member(warehouse, "uid=wanjiru,ou=people").await;
    scene.ldap.remove_member(warehouse, "uid=mei,ou=people").await;
    scene.ldap.add_member(sales, "uid=wanjiru,ou=people").await;
    scene.ldap.delete(sales).await;
    daemon.signal("CONT");
    scene
        .assert_told(&[
            // wanjiru came to the warehouse, when mei was still in it.
            "mei: object_modified: A member was added to warehouse",
            "oscar: object_modified: A member was added to warehouse",
            "ravi: owner: Wanjiru Kamau was added to warehouse",
            "wanjiru: added_members, object_modified: You were added to warehouse",
            // mei went from the warehouse.
            "mei: removed_members: You were removed from warehouse",
            "oscar: object_modified: A member was removed from warehouse",
            "ravi: owner: Mei Chen was removed from warehouse",
            "wanjiru: object_modified: A member was removed from warehouse",
            // wanjiru came to sales, of whose members the mirror knows nothing any more.
            "aroha: object_modified: A member was added to sales",
            "dmitri: object_modified: A member was added to sales",
            "sofia: object_modified, owner: Wanjiru Kamau was added to sales",
            "wanjiru: added_members, object_modified: You were added to sales",
            // sales was deleted.
            "aroha: object_modified, removed_members: The group sales, to which you belonged, was deleted",
            "dmitri: object_modified, removed_members: The group sales, to which you belonged, was deleted",
            "sofia: object_modified, owner, removed_members: The group sales was deleted",
            "wanjiru: object_modified, removed_members: The group sales, to which you belonged, was deleted",
        ])
        .await;
    daemon.stop().await;
}
