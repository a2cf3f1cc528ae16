//! Questions beside the feed, on a connection of their own.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use ldap3::{Ldap, LdapError, Scope, controls::ManageDsaIt};

use super::{
    Connector, ConnectorError,
    decode::{DecodeError, Entry},
    error::{Answer, Problem, code},
    session::{Event, Found, Search, Session},
    settings::ServerUrl,
    wanted::WantedAttributes,
};
use crate::directory::{
    batch::{Existence, Image, Origin},
    dn::Dn,
    entry::{EntryId, Stamp},
    time::csn_time,
};

/// Searches in flight at once.
const IN_FLIGHT: usize = 32;
/// One after the other, for answers that are too large to be held side by side.
const ALONE: usize = 1;

const BELOW: &str = "search below a name";
/// What lies below a container that comes in is held in memory until it is told: so many bytes at most.
const MOST_BELOW: usize = 1 << 30;

/// Reads single entries as they are now. It connects when it is asked, again when the connection has died,
/// and every question has a limit.
#[derive(Debug)]
pub struct Lookup {
    connector: Connector,
    open: Option<Open>,
}

/// Where an entry is that the feed takes as gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// No longer anywhere.
    Nowhere,
    /// Within the base after all: it left and came back, and the feed is about to say so.
    Inside,
    /// Outside the base.
    Outside(Box<Image>),
}

/// What one question found.
#[derive(Debug)]
enum Sight {
    Entry(Box<Image>),
    Nothing,
    /// It may be on another server.
    Referred,
    /// The server does not say, and will not by being asked again.
    Refused(Answer),
    /// There is something of that name that no entry is: a root or a schema, which has no entryUUID.
    Unreadable(DecodeError),
}

impl Sight {
    fn entry(self) -> Option<Image> {
        match self {
            Self::Entry(image) => Some(*image),
            Self::Nothing | Self::Referred | Self::Refused(_) | Self::Unreadable(_) => None,
        }
    }
}

struct Open {
    session: Session,
    url: ServerUrl,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Lookup {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, open: None }
    }

    /// The entry named `dn`. `None`: there is none that we may read.
    pub async fn entry(&mut self, dn: &Dn) -> Result<Option<Image>, ConnectorError> {
        let mut found = self.entries(std::slice::from_ref(dn)).await?;
        Ok(found.pop().flatten())
    }

    /// The entries named `dns`, in their order, many questions at a time.
    pub async fn entries(&mut self, dns: &[Dn]) -> Result<Vec<Option<Image>>, ConnectorError> {
        let attributes = self.connector.shared.wanted.requested();
        let searches = dns.iter().map(|dn| Search::entry(dn.as_str(), Arc::clone(&attributes))).collect();
        let sights = self.ask(searches).await?;
        // What a referral names is on a server that is not ours to read. And whoever owns a group can write any name
        // into it: one of which nothing comes to be known holds up nobody.
        Ok(sights.into_iter().map(Sight::entry).collect())
    }

    /// The entry `base` and everything below it, as far as we may read it. None: there is nothing of that name.
    pub async fn below(&mut self, base: &Dn) -> Result<Vec<Image>, ConnectorError> {
        if let Some(open) = self.open.take()
            && let Ok(images) = self.below_on(open, base).await
        {
            return Ok(images);
        }
        let open = connect(&self.connector).await?;
        self.below_on(open, base).await
    }

    /// Keeps the connection if it is still good.
    async fn below_on(&mut self, mut open: Open, base: &Dn) -> Result<Vec<Image>, ConnectorError> {
        match read_below(&mut open.session, &self.connector, base).await {
            Ok(images) => {
                self.open = Some(open);
                Ok(images)
            }
            Err(problem) => Err(self.connector.failed(open.url, problem)),
        }
    }

    /// "Not there" is said of what a whole tree was searched for, and of nothing else.
    async fn entries_by_id(
        &mut self,
        ids: &[EntryId],
        base: &Dn,
    ) -> Result<Vec<Option<Image>>, ConnectorError> {
        let searches = ids.iter().map(|id| self.search_by_id(*id, base)).collect();
        let sights = self.ask(searches).await?;
        sights.into_iter().map(|sight| self.surely(sight)).collect()
    }

    fn surely(&self, sight: Sight) -> Result<Option<Image>, ConnectorError> {
        let problem = match sight {
            Sight::Entry(image) => return Ok(Some(*image)),
            Sight::Nothing => return Ok(None),
            Sight::Referred => Problem::WhereaboutsUnknown,
            Sight::Refused(answer) => refused(answer),
            Sight::Unreadable(error) => error.into(),
        };
        let url = self.connector.url(self.connector.url_in_use()).clone();
        Err(self.connector.failed(url, problem))
    }

    /// The entry `id`, wherever it is at `base` or below. `None`: there is none that we may read.
    pub async fn entry_with_id(&mut self, id: EntryId, base: &Dn) -> Result<Option<Image>, ConnectorError> {
        let found = self.entries_by_id(std::slice::from_ref(&id), base).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Where the entries `ids` are now, in their order, by the naming contexts (RFC 4512, section 5.1) that
    /// hold `base`. Where the base is a naming context itself nothing is asked, and they are nowhere.
    pub async fn whereabouts(
        &mut self,
        ids: &[EntryId],
        base: &Dn,
    ) -> Result<Vec<Whereabouts>, ConnectorError> {
        let mut found = vec![Whereabouts::Nowhere; ids.len()];
        for context in self.contexts_above(base).await? {
            for (place, image) in found.iter_mut().zip(self.entries_by_id(ids, &context).await?) {
                let Some(image) = image else { continue };
                *place = if image.dn.is_within(base) {
                    Whereabouts::Inside
                } else {
                    Whereabouts::Outside(Box::new(image))
                };
            }
        }
        Ok(found)
    }

    /// Whether `base` is only a part of a naming context.
    pub async fn has_outside(&mut self, base: &Dn) -> Result<bool, ConnectorError> {
        Ok(!self.contexts_above(base).await?.is_empty())
    }

    async fn contexts_above(&mut self, base: &Dn) -> Result<Vec<Dn>, ConnectorError> {
        let kept = match self.open.take() {
            Some(open) => self.contexts_on(open).await.ok(),
            None => None,
        };
        let mut contexts = match kept {
            Some(contexts) => contexts,
            None => self.contexts_on(connect(&self.connector).await?).await?,
        };
        contexts.retain(|context| base.is_below(context));
        Ok(contexts)
    }

    /// Keeps the connection if it is still good.
    async fn contexts_on(&mut self, mut open: Open) -> Result<Vec<Dn>, ConnectorError> {
        match open.session.naming_contexts().await {
            Ok(contexts) => {
                self.open = Some(open);
                Ok(contexts)
            }
            Err(problem) => Err(self.connector.failed(open.url, problem)),
        }
    }

    fn search_by_id(&self, id: EntryId, base: &Dn) -> Search {
        Search {
            scope: Scope::Subtree,
            filter: format!("(entryUUID={id})"),
            // An entry cannot move beyond a referral object, so those within the tree need not be followed. A
            // server that does not know the control refers us, and that is an error.
            controls: vec![ManageDsaIt.into()],
            ..Search::entry(base.as_str(), self.connector.shared.wanted.requested())
        }
    }

    /// Ends the connection, if there is one.
    pub async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.session.close().await;
        }
    }

    /// A connection that was open before may have died unnoticed, so its failure is tried once more.
    async fn ask(&mut self, searches: Vec<Search>) -> Result<Vec<Sight>, ConnectorError> {
        if searches.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(open) = self.open.take()
            && let Ok(found) = self.ask_on(open, searches.clone(), IN_FLIGHT).await
        {
            return Ok(found);
        }
        let open = connect(&self.connector).await?;
        match self.ask_on(open, searches.clone(), IN_FLIGHT).await {
            Err(error) if error.is_too_much() => {
                let open = connect(&self.connector).await?;
                self.ask_on(open, searches, ALONE).await
            }
            answered => answered,
        }
    }

    /// Keeps the connection if it is still good.
    async fn ask_on(
        &mut self,
        mut open: Open,
        searches: Vec<Search>,
        in_flight: usize,
    ) -> Result<Vec<Sight>, ConnectorError> {
        match read(&mut open.session, &self.connector, searches, in_flight).await {
            Ok(found) => {
                self.open = Some(open);
                Ok(found)
            }
            Err(problem) => Err(self.connector.failed(open.url, problem)),
        }
    }
}

/// The server of the feed first: it knows what the feed has shown.
async fn connect(connector: &Connector) -> Result<Open, ConnectorError> {
    let (session, index) = connector.open_any(connector.url_in_use()).await?;
    Ok(Open { session, url: connector.url(index).clone() })
}

async fn read(
    session: &mut Session,
    connector: &Connector,
    searches: Vec<Search>,
    in_flight: usize,
) -> Result<Vec<Sight>, Problem> {
    let mut sights = Vec::with_capacity(searches.len());
    // A limit for each handful, as a limit for all would depend on how many there are.
    let mut rest = searches.into_iter();
    loop {
        let some: Vec<Search> = rest.by_ref().take(in_flight).collect();
        if some.is_empty() {
            return Ok(sights);
        }
        let ldap = session.handle();
        let found = session.call("look-up", side_by_side(ldap, some)).await?;
        for found in found {
            sights.push(sight(found, &connector.shared.wanted)?);
        }
    }
}

async fn side_by_side(ldap: Ldap, searches: Vec<Search>) -> Result<Vec<Found>, LdapError> {
    stream::iter(searches).map(|search| search.first(ldap.clone())).buffered(IN_FLIGHT).try_collect().await
}

fn sight(found: Found, wanted: &WantedAttributes) -> Result<Sight, Problem> {
    if let Some(item) = found.entry {
        let image = image_of(Entry::decode(item.0, wanted)?);
        return Ok(image.map_or_else(Sight::Unreadable, |image| Sight::Entry(Box::new(image))));
    }
    match found.answer.code {
        code::REFERRAL => Ok(Sight::Referred),
        code::SUCCESS if found.references > 0 => Ok(Sight::Referred),
        // A name that is no DN to the server names nothing.
        code::SUCCESS | code::NO_SUCH_OBJECT | code::INVALID_DN_SYNTAX | code::INSUFFICIENT_ACCESS_RIGHTS => {
            Ok(Sight::Nothing)
        }
        // Of the part of the tree that holds the name, which may be another database than ours.
        code::STRONGER_AUTH_REQUIRED
        | code::CONFIDENTIALITY_REQUIRED
        | code::INAPPROPRIATE_AUTHENTICATION
        | code::UNWILLING_TO_PERFORM => Ok(Sight::Refused(found.answer)),
        _ => Err(refused(found.answer)),
    }
}

async fn read_below(session: &mut Session, connector: &Connector, base: &Dn) -> Result<Vec<Image>, Problem> {
    let wanted = &connector.shared.wanted;
    let search = Search {
        scope: Scope::Subtree,
        size_limit: i32::MAX,
        controls: vec![ManageDsaIt.into()],
        ..Search::entry(base.as_str(), wanted.requested())
    };
    let mut stream = session.follow(BELOW, search).await?;
    let mut images = Vec::new();
    let mut size = 0;
    loop {
        match session.next_entry(&mut stream, BELOW).await? {
            Event::Item(item) => {
                let entry = Entry::decode(item.0, wanted)?;
                size += entry.size;
                if size > MOST_BELOW {
                    return Err(Problem::TooMuch { during: BELOW, limit: MOST_BELOW });
                }
                match image_of(entry) {
                    Ok(image) => images.push(image),
                    // As the feed does: an error would come again with every question.
                    Err(error) => tracing::warn!(%error, "passed over an entry below one that came in"),
                }
            }
            Event::End(answer) => {
                return match answer.code {
                    code::SUCCESS | code::NO_SUCH_OBJECT | code::INSUFFICIENT_ACCESS_RIGHTS => Ok(images),
                    _ => Err(refused(answer)),
                };
            }
        }
    }
}

fn refused(answer: Answer) -> Problem {
    Problem::Refused { request: "look-up", answer }
}

fn image_of(entry: Entry) -> Result<Image, DecodeError> {
    let dn = entry.dn.map_err(|_| DecodeError::Entry("a readable name"))?;
    let Some(id) = entry.uuid else { return Err(DecodeError::NoEntryUuid { dn }) };
    let time = entry.csn.as_deref().and_then(|csn| csn_time(csn).ok());
    let stamp = entry.csn.as_deref().map(Stamp::from_csn);
    Ok(Image {
        id,
        dn,
        stamp,
        origin: Origin { time, actor: None },
        existence: Existence::New,
        attributes: entry.attributes,
    })
}
