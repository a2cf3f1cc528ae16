//! Everything that can go wrong at each step of a dialogue with a mail server, and what becomes of the mail: the
//! whole program against the scripted server.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    cases::scene::Scene,
    support::{
        daemon::{Daemon, toml_text},
        smtp::{At, Fault, Mail, Protection, SmtpServer},
        wait,
    },
};

/// What goes wrong at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// 4yz.
    Later,
    /// 5yz.
    Never,
    /// 421, and the connection is closed.
    Closing,
    /// Closed without a word.
    Drop,
    /// Neither answered nor closed.
    Hold,
    /// Answered a byte at a time.
    Trickle,
}

use Trouble::{Closing, Drop, Hold, Later, Never, Trickle};

const ALL: [Trouble; 6] = [Later, Never, Closing, Drop, Hold, Trickle];

impl Trouble {
    fn fault(self, at: At) -> Fault {
        let fault = Fault::at(at).times(1);
        match self {
            Self::Later => fault.answer("451 4.3.0 try later"),
            Self::Never => fault.answer("554-5.7.1 not\r\n554 5.7.1 here"),
            Self::Closing => fault.answer("421 4.3.2 shutting down"),
            Self::Drop => fault.drop_connection(),
            Self::Hold => fault.hold(),
            Self::Trickle => fault.trickle(),
        }
    }
}

/// What becomes of a mail: its state, how often it was tried, and how often the server took it.
type Fate = (&'static str, u64, usize);

/// Once, at the first try.
const AT_ONCE: Fate = ("delivered", 1, 1);
/// At the second.
const AGAIN: Fate = ("delivered", 2, 1);
const REFUSED: Fate = ("failed", 1, 0);
/// The answer was lost: the server has it twice, and can see that.
const TWICE: Fate = ("delivered", 2, 2);

/// A company whose mail server wants STARTTLS and a login, and answers for what it is asked.
struct Office {
    scene: Scene,
    people: usize,
}

impl Office {
    async fn open() -> (Self, Daemon) {
        let mut scene = Scene::company().await;
        let server = SmtpServer::options().protection(Protection::StartTls).login("herald", "correct horse");
        scene.smtp = server.start().await;
        let (port, ca_file) = (scene.smtp.port().to_string(), scene.smtp.ca_file());
        let scene = scene
            .with("smtp.port", &port)
            .with("smtp.security", "\"starttls\"")
            .with("smtp.ca_file", &toml_text(ca_file.to_str().expect("a path in UTF-8")))
            .with("smtp.use_authentication", "true")
            .with("smtp.username", "\"herald\"")
            .with("smtp.password", "\"correct horse\"")
            .with("smtp.timeout", "\"1s\"")
            .with("smtp.retry_initial", "\"100ms\"");
        let daemon = scene.live().await;
        (Self { scene, people: 0 }, daemon)
    }

    /// A new member is told while something is wrong; Ravi, who owns the group, is told as well. Answers what became
    /// of the new member's mail.
    async fn hire(&mut self, fault: impl FnOnce(&str) -> Fault) -> Told {
        self.people += 1;
        let (dn, to) =
            (format!("uid=v{},ou=people", self.people), format!("v{}@harbour-vale.example", self.people));
        self.scene.ldap.add_person(&dn, "Vic", &to).await;
        // Whatever was open is broken: the next mail goes through the whole dialogue.
        self.scene.smtp.break_connections();
        let offered_before = self.scene.smtp.offered().len();
        self.scene.smtp.script(fault(&to));
        self.scene.ldap.add_member("cn=warehouse,ou=groups", &dn).await;
        let mails = wait::until_async(&format!("the end of the mails of {to}"), async || {
            let mails = self.scene.site.outbox_json().await;
            let ended = |mail: &Value| mail["state"] == "delivered" || mail["state"] == "failed";
            (mails.len() == 2 * self.people && mails.iter().all(ended)).then_some(mails)
        })
        .await;
        self.scene.smtp.release();
        self.scene.smtp.clear_script();
        let mine = mails.iter().find(|mail| mail["to"] == to.as_str()).expect("a mail").clone();
        let taken = |mail: &&Mail| mail.to == [to.clone()];
        let offered = self.scene.smtp.offered().split_off(offered_before);
        Told {
            taken: self.scene.smtp.mails().iter().filter(taken).count(),
            offered: offered.into_iter().filter(|mail| mail.to == [to.clone()]).collect(),
            row: mine,
        }
    }

    /// M4: nobody else was kept from their mail, and nobody had it twice.
    fn assert_the_others(&self) {
        let of_ravi: Vec<Mail> = self
            .scene
            .smtp
            .mails()
            .into_iter()
            .filter(|mail| mail.to == ["ravi@harbour-vale.example"])
            .collect();
        let mut times: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for mail in &of_ravi {
            *times.entry(mail.header("Message-ID")).or_default() += 1;
        }
        assert_eq!(times.len(), self.people, "{:?}", of_ravi.len());
        assert!(times.values().all(|&times| times == 1), "{times:?}");
    }
}

/// One mail, as the queue and the server have it.
struct Told {
    row: Value,
    taken: usize,
    offered: Vec<Mail>,
}

impl Told {
    #[track_caller]
    fn assert_is(&self, (state, attempts, taken): Fate, what: &str) {
        assert_eq!(self.row["state"], state, "{what}: {}", self.row);
        assert_eq!(self.row["attempts"], attempts, "{what}: {}", self.row);
        assert_eq!(self.taken, taken, "{what}");
        let bytes: Vec<_> = self.offered.iter().map(|mail| &mail.bytes).collect();
        assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "{what}: each attempt the same bytes");
        let id = self.offered.first().and_then(|mail| mail.header("Message-ID"));
        assert_eq!(id.is_some(), taken > 0 || !self.offered.is_empty());
    }
}

async fn check(at: At, fates: [Fate; ALL.len()]) {
    let (mut office, daemon) = Office::open().await;
    for (trouble, fate) in ALL.into_iter().zip(fates) {
        let told = office.hire(|to| trouble.fault(at).only_for(to)).await;
        told.assert_is(fate, &format!("{trouble:?} at {at:?}"));
    }
    office.assert_the_others();
    daemon.stop().await;
}

/// Before anybody is named: one of the two mails meets it.
async fn check_before(at: At, refused: [u64; ALL.len()]) {
    let (mut office, daemon) = Office::open().await;
    for (trouble, refused) in ALL.into_iter().zip(refused) {
        let told = office.hire(|_| trouble.fault(at)).await;
        let what = format!("{trouble:?} at {at:?}");
        let tried = office.scene.site.count(
            "SELECT count(*) FROM attempt WHERE message > (SELECT max(seq) - 2 FROM message) AND outcome <> 'delivered'",
        );
        assert_eq!(u64::try_from(tried).expect("a number"), refused, "{what}");
        assert_eq!((told.row["state"].as_str(), told.taken), (Some("delivered"), 1), "{what}");
    }
    office.assert_the_others();
    daemon.stop().await;
}

#[tokio::test]
async fn m04_at_the_greeting_nothing_is_learnt_of_a_message() {
    check_before(At::Connect, [1, 1, 1, 1, 1, 0]).await;
}

#[tokio::test]
async fn m04_at_ehlo_nothing_is_learnt_of_a_message() {
    check_before(At::Ehlo, [1, 1, 1, 1, 1, 0]).await;
}

#[tokio::test]
async fn m04_at_starttls_nothing_is_learnt_of_a_message() {
    check_before(At::StartTls, [1, 1, 1, 1, 1, 0]).await;
}

#[tokio::test]
async fn m04_at_the_login_nothing_is_learnt_of_a_message() {
    check_before(At::Auth, [1, 1, 1, 1, 1, 0]).await;
}

#[tokio::test]
async fn m04_at_rcpt_the_others_are_served() {
    check(At::Rcpt, [AGAIN, REFUSED, AGAIN, AGAIN, AGAIN, AT_ONCE]).await;
}

#[tokio::test]
async fn m04_at_data_the_others_are_served() {
    check(At::Data, [AGAIN, REFUSED, AGAIN, AGAIN, AGAIN, AT_ONCE]).await;
}

#[tokio::test]
async fn m02_m04_after_the_message_each_attempt_is_the_same() {
    check(At::Message, [AGAIN, REFUSED, AGAIN, AGAIN, AGAIN, AT_ONCE]).await;
}

#[tokio::test]
async fn m02_a_lost_answer_makes_a_duplicate_that_can_be_seen() {
    // A 5yz means that the server has it not, whatever it did: tried again only by hand.
    check(At::Taken, [TWICE, ("failed", 1, 1), TWICE, TWICE, TWICE, AT_ONCE]).await;
}

#[tokio::test]
async fn m02_m04_at_mail_the_sender_is_refused_and_nobody_else() {
    let (mut office, daemon) = Office::open().await;
    for trouble in ALL {
        // Whose mail it strikes is decided by who is first.
        office.hire(|_| trouble.fault(At::Mail)).await;
        let state = |state: &str| {
            let count = format!("SELECT count(*) FROM message WHERE state = '{state}'");
            usize::try_from(office.scene.site.count(&count)).expect("a number")
        };
        // The one that was refused for good, from then on.
        assert_eq!(state("failed"), usize::from(trouble != Later), "{trouble:?}");
        assert_eq!(state("failed") + office.scene.smtp.mails().len(), 2 * office.people, "{trouble:?}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn m02_whatever_is_said_to_quit_a_stop_is_a_stop() {
    for trouble in ALL {
        let (mut office, daemon) = Office::open().await;
        office.hire(|_| Fault::at(At::Connect).trickle().times(1)).await;
        office.scene.smtp.script(trouble.fault(At::Quit));
        daemon.stop().await;
        let daemon = office.scene.live().await;
        office.hire(|_| Fault::at(At::Connect).trickle().times(1)).await;
        office.assert_the_others();
        daemon.stop().await;
    }
}

#[tokio::test]
async fn odd_answers_are_read_for_what_they_are() {
    let long = |text: &str| format!("{text}\r\n").repeat(1 << 20 >> 4).into_bytes();
    let many_lines = [long("250-2.1.5 hello"), b"250 2.1.5 ok\r\n".to_vec()].concat();
    let (mut office, daemon) = Office::open().await;
    for (what, bytes, fate) in [
        ("several lines", b"250-2.1.5 one\r\n250-2.1.5 two\r\n250 2.1.5 three\r\n".to_vec(), AT_ONCE),
        ("an enhanced code of another class", b"250 5.1.1 no such user\r\n".to_vec(), AT_ONCE),
        ("no words", b"250\r\n".to_vec(), AT_ONCE),
        ("LF alone", b"250 ok\n".to_vec(), AT_ONCE),
        ("NUL", b"250 o\0k\0\r\n".to_vec(), AT_ONCE),
        ("octets of any kind", b"250 \xff\xfe\x1b[31m\xc3\r\n".to_vec(), AT_ONCE),
        ("a megabyte in lines", many_lines, AT_ONCE),
    ] {
        let told = office.hire(|to| Fault::at(At::Rcpt).only_for(to).times(1).agree(bytes)).await;
        told.assert_is(fate, what);
    }
    for (what, bytes) in [
        ("a megabyte in one line", [b"250 ".to_vec(), vec![b'x'; 1 << 20]].concat()),
        ("no line end", b"250 ok".to_vec()),
        ("no SMTP", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("binary", vec![0xff; 3000]),
        ("codes that differ", b"250-ok\r\n354 go on\r\n".to_vec()),
    ] {
        for at in [At::Rcpt, At::Message] {
            let bytes = bytes.clone();
            let told = office.hire(|to| Fault::at(at).only_for(to).times(1).bare(bytes)).await;
            told.assert_is(AGAIN, &format!("{what} at {at:?}"));
        }
    }
    office.assert_the_others();
    daemon.stop().await;
}

#[tokio::test]
async fn an_answer_to_what_was_not_asked_yet_delivers_nothing() {
    let (mut office, daemon) = Office::open().await;
    for (at, bytes) in [
        (At::Rcpt, &b"250 2.1.5 ok\r\n354 go on\r\n250 2.0.0 queued\r\n"[..]),
        (At::Rcpt, b"250 2.1.5 ok\r\n354 go"),
        (At::Data, b"354 go on\r\n250 2.0.0 queued\r\n"),
        (At::Data, b"354 go on\r\n250-2.0.0 queu"),
    ] {
        let told = office.hire(|to| Fault::at(at).only_for(to).times(1).bare(bytes)).await;
        told.assert_is(AGAIN, &String::from_utf8_lossy(bytes));
    }
    // A refusal may come at any time.
    let early = b"250 2.1.5 ok\r\n421 4.3.2 shutting down\r\n";
    let told = office.hire(|to| Fault::at(At::Rcpt).only_for(to).times(1).bare(early)).await;
    told.assert_is(AGAIN, "421");
    let attempts = "SELECT count(*) FROM attempt WHERE answer LIKE '421 4.3.2%'";
    assert_eq!(office.scene.site.count(attempts), 1);
    office.assert_the_others();
    daemon.stop().await;
}
