//! Full comparisons: the feed once more from nothing, for a purpose.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Directory, LOOK_AROUND,
    elsewhere::ElsewhereError,
    follow::{Ended, advised, follow, say_error, with_advice},
    ingest::{ASK_AGAIN, Ingest, Until},
    say,
};
use crate::{
    change::{observation::Observed, purpose::Purpose},
    clock,
    connector::{Basis, ConnectorError, Disposition},
    db::{Baseline, ComparisonNo, ComparisonStage, DbError, EntryCompared, NextComparison},
    directory::{batch::Image, dn::Dn, entry::EntryId},
    error_chain::chain,
};

/// Why everything was not compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    /// The state file.
    #[error(transparent)]
    Db(DbError),
    /// The directory could not be read to its end; what to do is said with it.
    #[error("the directory could not be read as a whole, and nothing was compared: {0}")]
    Directory(String),
    /// The directory is older than what is known of it.
    #[error(
        "the directory is older than what dirherald has already seen of it, as after restoring a backup: {0}"
    )]
    Behind(String),
    /// Somebody wanted it to end.
    #[error("stopped before everything was compared")]
    Stopped,
}

/// Reads everything once and compares it, for the comparison that is begun. Nothing is tried twice.
pub async fn compare_once(directory: Directory, cancel: &CancellationToken) -> Result<(), NotCompared> {
    match follow(&Arc::new(directory), Until::Compared, cancel).await {
        Ended::Compared => Ok(()),
        Ended::GivenUp(why) => Err(NotCompared::Directory(why)),
        Ended::Behind(why) => Err(NotCompared::Behind(why)),
        Ended::Unanswered(failure) => Err(NotCompared::Directory(with_advice(&failure))),
        Ended::Failed(failure @ DbError::NothingShown) => Err(NotCompared::Directory(chain(&failure))),
        Ended::Failed(failure) => Err(NotCompared::Db(failure)),
        Ended::Stopped | Ended::Refused | Ended::CutShort | Ended::Anew => Err(NotCompared::Stopped),
    }
}

/// Reads one entry once and accepts its differences, for the comparison `no`.
pub async fn accept_once(
    directory: Directory,
    no: ComparisonNo,
    id: EntryId,
    dn: &Dn,
) -> Result<(), NotCompared> {
    let directory = Arc::new(directory);
    let mut ingest = Ingest::new(directory, Baseline::Complete, Until::Compared, CancellationToken::new());
    let done = ingest.try_compare_entry(no, id, dn).await;
    ingest.lookup.close().await;
    done.map_err(|error| match error {
        ElsewhereError::Db(error) => NotCompared::Db(error),
        ElsewhereError::Connector(error) => NotCompared::Directory(with_advice(&error)),
    })
}

impl Ingest {
    /// What is wanted or due begins: an entry at once, everything with a new connection.
    pub(super) async fn look_for_comparison(&mut self) -> Result<Option<Ended>, ElsewhereError> {
        if self.is_too_old() {
            self.accept_older().await?;
            return Ok(None);
        }
        let store = Arc::clone(&self.store);
        let next = store.db.next_comparison(store.context.no, store.full_comparison, clock::now()).await?;
        match next {
            NextComparison::None { until } => self.look_at = Instant::now() + until,
            NextComparison::Entry { no, id, dn } => self.compare_entry(no, id, &dn).await?,
            NextComparison::Everything(open) => {
                info!(purpose = open.purpose.as_str(), "a full comparison begins");
                self.want(open.purpose);
            }
        }
        Ok(None)
    }

    /// Everything is read from now on. A directory that went back in time is said once for each time.
    pub(super) async fn begin_comparison(&mut self, url: &str, basis: Basis) -> Result<(), DbError> {
        let otherwise = match basis {
            Basis::WentBack => Purpose::BackInTime,
            Basis::Checkpoint | Basis::Nothing | Basis::Everything | Basis::CheckpointRefused => {
                Purpose::Tell
            }
        };
        let context = Arc::clone(&self.store.context);
        let begun = self.store.db.begin_comparison(context, otherwise, clock::now()).await?;
        self.say_told(&begun.told);
        match begun.open.purpose {
            Purpose::Tell | Purpose::Accept => {}
            Purpose::BackInTime => {
                if begun.before != Some(Purpose::BackInTime) {
                    error!(
                        url,
                        "the directory went back in time: it is compared with what was known, and all differences \
                         are held"
                    );
                }
                say_error(&self.store, Some(went_back(url))).await;
            }
        }
        Ok(())
    }

    /// Whoever accepts the directory as it is need not wait for a younger one; everybody else does.
    async fn accept_older(&mut self) -> Result<(), DbError> {
        self.look_at = Instant::now() + LOOK_AROUND;
        let open = self.store.db.open_comparison(self.store.context.no).await?;
        let wanted = open.filter(|open| open.stage == ComparisonStage::Wanted);
        match wanted.map(|open| open.purpose) {
            Some(Purpose::Accept) => self.want(Purpose::Accept),
            Some(Purpose::Tell | Purpose::BackInTime) | None => {}
        }
        Ok(())
    }

    /// A comparison by our own wish that only a person can let come to its end must not keep the directory from
    /// being followed. What it has found so far is told with what is new since the checkpoint.
    pub(super) async fn gives_up_comparison(
        &mut self,
        basis: Option<Basis>,
        failure: &str,
        disposition: &Disposition,
    ) -> Result<bool, DbError> {
        let (Some(Basis::Everything), Disposition::RetrySlowly { .. }) = (basis, disposition) else {
            return Ok(false);
        };
        let (db, no) = (&self.store.db, self.store.context.no);
        let Some(open) = db.open_comparison(no).await?.filter(|open| open.purpose == Purpose::Tell) else {
            return Ok(false);
        };
        let why = advised(failure.to_owned(), disposition);
        error!(error = why, "the full comparison could not be finished; following goes on without it");
        db.refuse_comparison(open.no, why, clock::now()).await?;
        Ok(true)
    }

    /// What is wrong as long as nothing else is.
    pub(super) async fn unfinished_comparison(&mut self) -> Option<String> {
        match self.store.db.unfinished_comparison(self.store.context.no).await {
            Ok(why) => why.map(|why| format!("the last full comparison could not be finished: {why}")),
            Err(error) => {
                say(&error, "cannot read what became of the last comparison");
                None
            }
        }
    }

    /// Reads one entry now and accepts its differences. Where the directory cannot be asked it is tried again.
    async fn compare_entry(&mut self, no: ComparisonNo, id: EntryId, dn: &Dn) -> Result<(), ElsewhereError> {
        match self.try_compare_entry(no, id, dn).await {
            Ok(()) => {
                self.look_at = Instant::now();
                Ok(())
            }
            Err(ElsewhereError::Connector(error)) => {
                warn!(%error, "cannot read the group that is to be accepted; it is tried again");
                self.look_at = Instant::now() + ASK_AGAIN;
                Ok(())
            }
            Err(error @ ElsewhereError::Db(_)) => Err(error),
        }
    }

    async fn try_compare_entry(
        &mut self,
        no: ComparisonNo,
        id: EntryId,
        dn: &Dn,
    ) -> Result<(), ElsewhereError> {
        let store = Arc::clone(&self.store);
        let Some(image) = self.read_entry(id, dn).await? else {
            let problem = "the directory does not show this group; whether it was deleted or is hidden, the feed or \
                           a full comparison tells";
            store.db.refuse_comparison(no, problem.to_owned(), clock::now()).await?;
            return Ok(());
        };
        let observed = Observed::new(image, &store.context.schema);
        loop {
            let context = Arc::clone(&store.context);
            match store.db.compare_entry(context, no, observed.clone(), clock::now()).await? {
                EntryCompared::Done(done) => {
                    self.say_told(&done);
                    return Ok(());
                }
                EntryCompared::Unresolved(names) => {
                    let looked_up = self.look_up_names(&names).await?;
                    store.db.learn(Arc::clone(&store.context), looked_up, clock::now()).await?;
                }
            }
        }
    }

    /// By its name, or where that is another's or nobody's by now, by its id.
    async fn read_entry(&mut self, id: EntryId, dn: &Dn) -> Result<Option<Image>, ConnectorError> {
        let named = self.lookup.entry(dn).await?;
        match named.filter(|image| image.id == id) {
            Some(image) => Ok(Some(image)),
            None => self.lookup.entry_with_id(id, self.store.context.tree.base()).await,
        }
    }
}

/// For `status`, while everything is compared; what is held says it afterwards.
fn went_back(url: &str) -> String {
    format!(
        "{url} went back in time: it is older than what was already seen of it, as after restoring a backup. What \
         differs is held and told to nobody: look at it with `dirherald held list`, then release or discard it"
    )
}
