//! The course of the demo.

use std::{
    collections::BTreeSet,
    env, io,
    iter::repeat,
    path::PathBuf,
    process::{Output, Stdio},
    time::Instant,
};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};
use uuid::Uuid;

use super::{
    Afterwards, DemoError, PATIENCE, failed,
    mail::Mail,
    page::{Page, Told},
    patience,
    servers::{self, Place, Server, Slapd, end_of},
    story::{BASE, COPY_TO, EXPLAINED, PASSWORD, SHOWN, STEPS, Step},
};
use crate::{
    change::event::EventId,
    db::{EventFilter, EventRow, Reader},
    notify::reason::Reason,
    outbox::state::DeliveryState,
};

/// The state in which dirherald has read everything and tells every change.
const LIVE: &str = "live";

/// More than any change of the demo makes.
const EVENTS_OF_A_CHANGE: u32 = 100;

pub(super) async fn play(afterwards: Afterwards) -> Result<(), DemoError> {
    let begin = Instant::now();
    let page = Page::new();
    let shown = |written: io::Result<()>| written.map_err(DemoError::Output);

    let place = Place::new()?;
    let slapd = Slapd::start(&place).await?;
    let dirherald = servers::start_dirherald(&place, &slapd)?;
    let mut stage = Stage::ready(place, slapd, dirherald).await?;
    shown(introduce(&page, &stage))?;

    let (mut quoted, mut explained) = (None, None);
    let mut mails = 0;
    for (at, step) in STEPS.iter().enumerate() {
        shown(page.heading(&format!("{}. {}", at + 1, step.words)))?;
        let told = stage.play(step).await?;
        shown(answer(&page, step, &told))?;
        mails += told.mails.len();
        if at == EXPLAINED {
            explained = told.events.first().map(|row| row.event.id);
        }
        let (quoted_step, quoted_address) = SHOWN;
        if at == quoted_step {
            quoted = told.mails.into_iter().find(|letter| letter.address == quoted_address);
        }
    }
    if let Some(letter) = quoted {
        shown(quote(&page, &letter))?;
    }
    if let Some(event) = explained {
        let said = stage.explain(event).await?;
        shown(explain(&page, event, &said))?;
    }
    let seconds = begin.elapsed().as_secs_f32();
    shown(page.heading(&format!("{} changes became {mails} mails in {seconds:.1} s.", STEPS.len())))?;
    match afterwards {
        Afterwards::Mails => {
            let at = stage.leave_mails()?;
            shown(page.say(&format!(
                "They lie in {}, one file each.\nslapd and dirherald are stopped, and all else is removed.",
                at.display()
            )))
        }
        Afterwards::Everything => {
            shown(what_to_try(&page, &stage))?;
            stage.leave_everything();
            Ok(())
        }
    }
}

/// The servers, and a look at the state. What stands first is dropped first.
struct Stage {
    reader: Reader,
    last_event: i64,
    dirherald: Server,
    slapd: Slapd,
    place: Place,
}

/// What came of one step.
struct Answer {
    events: Vec<EventRow>,
    mails: Vec<Letter>,
}

/// A mail and the address it went to.
struct Letter {
    address: String,
    mail: Mail,
}

impl Stage {
    /// Waits until dirherald has read the directory and tells every change from then on.
    async fn ready(place: Place, slapd: Slapd, mut dirherald: Server) -> Result<Self, DemoError> {
        let (state, log) = (place.state(), place.log());
        let reader = patience("dirherald to read the directory", &log, || {
            if dirherald.has_ended() {
                return Err(DemoError::Ended { program: "dirherald", log: end_of(&log) });
            }
            let Some(reader) = Reader::open(&state)? else { return Ok(None) };
            let live = reader.status()?.iter().any(|store| store.state == LIVE);
            Ok(live.then_some(reader))
        })
        .await?;
        Ok(Self { reader, last_event: 0, dirherald, slapd, place })
    }

    /// Makes the change, and waits until everyone is told.
    async fn play(&mut self, step: &Step) -> Result<Answer, DemoError> {
        change(step, &self.slapd.url()).await?;
        let log = self.place.log();
        let (reader, dirherald, last) = (&self.reader, &mut self.dirherald, self.last_event);
        let events = patience("dirherald to tell of the change", &log, || {
            if dirherald.has_ended() {
                return Err(DemoError::Ended { program: "dirherald", log: end_of(&log) });
            }
            let events = reader.events_after(EventFilter::default(), last, EVENTS_OF_A_CHANGE)?;
            let done = !events.is_empty() && reader.in_hand()? == 0;
            Ok(done.then_some(events))
        })
        .await?;
        self.last_event = events.last().map_or(last, |row| row.seq);
        let mails = self.mails_about(&events)?;
        Ok(Answer { events, mails })
    }

    fn mails_about(&self, events: &[EventRow]) -> Result<Vec<Letter>, DemoError> {
        let ids: BTreeSet<Uuid> = events.iter().map(|row| row.event.id.0).collect();
        let mut mails = Vec::new();
        for message in self.reader.messages_after(None, 0, u32::MAX)? {
            if message.events.iter().all(|id| !ids.contains(id)) {
                continue;
            }
            if message.state != DeliveryState::Delivered {
                return Err(DemoError::Undelivered { answer: message.last_answer.unwrap_or_default() });
            }
            if let Some(whole) = self.reader.message(message.id)? {
                mails.push(Letter { address: message.to, mail: Mail::parse(&whole.bytes) });
            }
        }
        Ok(mails)
    }

    /// What `dirherald explain` says, as an administrator would ask.
    async fn explain(&self, event: EventId) -> Result<String, DemoError> {
        let mut command = Command::from(servers::own_program("explain", &self.place)?);
        let output = command.arg(event.to_string()).output().await;
        let Output { status, stdout, stderr } = output.map_err(failed("run dirherald explain"))?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        Err(DemoError::Explain { said: String::from_utf8_lossy(&stderr).trim().to_owned() })
    }

    fn leave_mails(self) -> Result<PathBuf, DemoError> {
        let Self { reader, dirherald, slapd, place, .. } = self;
        drop((reader, dirherald, slapd));
        place.keep_mails()
    }

    fn leave_everything(self) {
        self.dirherald.leave();
        self.slapd.server.leave();
        self.place.keep();
    }
}

/// Runs ldapmodify as the one who makes the change.
async fn change(step: &Step, url: &str) -> Result<(), DemoError> {
    let working = async {
        let mut child = Command::new("ldapmodify")
            .args(["-x", "-H", url, "-D", &step.bind_dn(), "-w", PASSWORD])
            // Not the settings of whoever runs the demo, see ldap.conf(5).
            .env("LDAPNOINIT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // Where it ended early, what it said tells more than the broken pipe.
        let _ = stdin.write_all(step.ldif().as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    };
    let refused = |said: String| DemoError::Change { step: step.words, said };
    let Ok(output) = timeout(PATIENCE, working).await else {
        return Err(refused(format!("no answer within {} seconds", PATIENCE.as_secs())));
    };
    let Output { status, stderr, .. } = output.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => DemoError::NotInstalled { program: "ldapmodify" },
        _ => DemoError::System { operation: "run ldapmodify", source },
    })?;
    if status.success() { Ok(()) } else { Err(refused(String::from_utf8_lossy(&stderr).trim().to_owned())) }
}

fn introduce(page: &Page, stage: &Stage) -> io::Result<()> {
    page.say(&format!(
        "A throw-away OpenLDAP listens at {}. In it: the company\n\
         Harbour & Vale, {} people and {} groups. `dirherald run` watches it.\n\n\
         On are the options logged_in_users, owner, manager, public_group_owner,\n\
         added_members and removed_members, and the address {COPY_TO}\n\
         gets a copy of everything. Each change is made with ldapmodify. Below it stands\n\
         who was told, by which option, and why.",
        stage.slapd.url(),
        servers::people(),
        servers::groups(),
    ))
}

fn answer(page: &Page, step: &Step, answer: &Answer) -> io::Result<()> {
    page.aside(&format!("seen as {}", names_of(&answer.events)))?;
    for letter in &answer.mails {
        page.told(&told(letter))?;
    }
    step.remark.map_or(Ok(()), |remark| page.aside(remark))
}

/// `object-deleted, member-removed (2)`
fn names_of(events: &[EventRow]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for name in events.iter().map(|row| row.event.change.name()) {
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    let words = counted.iter().map(|(name, count)| match count {
        1 => (*name).to_owned(),
        _ => format!("{name} ({count})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn told(Letter { address, mail }: &Letter) -> Told {
    let options = mail.reasons();
    if options == [Reason::Recipients.as_str()] {
        let local = address.split('@').next().unwrap_or_default();
        let reasons = options.into_iter().map(|option| (option, "a copy".to_owned())).collect();
        return Told { name: format!("{local}@…"), reasons };
    }
    Told { name: mail.recipient(), reasons: beside(options, mail.because()) }
}

/// Both are ordered by option. A sentence that goes without saying leaves its option alone, and the other way
/// round.
fn beside(options: Vec<String>, because: Vec<String>) -> Vec<(String, String)> {
    let rows = options.len().max(because.len());
    let filled = |list: Vec<String>| list.into_iter().chain(repeat(String::new()));
    filled(options).zip(filled(because)).take(rows).collect()
}

fn quote(page: &Page, letter: &Letter) -> io::Result<()> {
    page.heading("One of these mails, its plain text (there is an HTML part as well):")?;
    page.say("")?;
    for header in ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Dirherald-Reasons"] {
        page.quote(&format!("{header}: {}", letter.mail.header(header)))?;
    }
    page.quote("\n")?;
    page.quote(letter.mail.text.trim_end())
}

fn explain(page: &Page, event: EventId, said: &str) -> io::Result<()> {
    page.heading(&format!("`dirherald explain {event}` says of change {}:", EXPLAINED + 1))?;
    page.say("")?;
    page.quote(said.trim_end())
}

/// Commands stand at the beginning of their lines: LDIF with a space before it means something else.
fn what_to_try(page: &Page, stage: &Stage) -> io::Result<()> {
    let program = env::args_os().next().unwrap_or_default();
    page.say("slapd and dirherald run on. Paste this to try them:")?;
    page.say(&format!(
        "\n\
         demo={place}\n\
         \n\
         # Ravi Pillai adds Dmitri Volkov to his group\n\
         ldapmodify -x -H {url} -w {PASSWORD} \\\n\
         -D uid=ravi,ou=people,{BASE} <<END\n\
         dn: cn=warehouse,ou=groups,{BASE}\n\
         changetype: modify\n\
         add: member\n\
         member: uid=dmitri,ou=people,{BASE}\n\
         END\n\
         \n\
         # Lena Hartmann, who may change everything, deletes a group\n\
         ldapmodify -x -H {url} -w {PASSWORD} \\\n\
         -D uid=lena,ou=people,{BASE} <<END\n\
         dn: cn=crane-log,ou=groups,{BASE}\n\
         changetype: delete\n\
         END\n\
         \n\
         # How dirherald stands, what it has seen, and what it has written\n\
         {program} status --config $demo/dirherald.toml\n\
         {program} events --config $demo/dirherald.toml\n\
         {program} simulate --delete ravi --config $demo/dirherald.toml\n\
         {program} outbox list --config $demo/dirherald.toml\n\
         \n\
         # The mails, newest first; what dirherald logs; the whole company\n\
         ls -t $demo/mails\n\
         cat $demo/dirherald.log\n\
         ldapsearch -x -LLL -H {url} -b {BASE}\n",
        place = stage.place.path().display(),
        url = stage.slapd.url(),
        program = program.display(),
    ))?;
    // dirherald holds the lock until it has ended: before that, files come and go.
    page.say("To stop both, and to remove everything:")?;
    page.say(&format!(
        "\n\
         kill {dirherald} {slapd}\n\
         flock {place}/state.db.lock \\\n\
         rm -rf {place}",
        dirherald = stage.dirherald.pid(),
        slapd = stage.slapd.server.pid(),
        place = stage.place.path().display()
    ))
}
