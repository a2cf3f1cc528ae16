//! Where a feed's batches go.

use tokio::sync::mpsc;

use crate::{
    connector::FeedEvent,
    directory::batch::{Batch, Phase},
};

/// Nobody takes the batches any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// How far a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// No batch was handed on.
    Nothing,
    /// Within the refresh.
    Refreshing,
    /// The refresh has ended.
    Live,
}

/// Hands batches on, and waits while whoever takes them is busy.
#[derive(Debug)]
pub struct Outlet {
    to: mpsc::Sender<FeedEvent>,
    progress: Progress,
}

impl Outlet {
    /// Nothing was handed on yet.
    pub fn new(to: mpsc::Sender<FeedEvent>) -> Self {
        Self { to, progress: Progress::Nothing }
    }

    /// Waits for room.
    pub async fn hand_on(&mut self, batch: Batch) -> Result<(), Gone> {
        let progress = match batch.phase {
            Phase::RefreshBegins | Phase::Refresh => Progress::Refreshing,
            Phase::RefreshEnds | Phase::Live => Progress::Live,
        };
        self.to.send(FeedEvent::Batch(batch)).await.map_err(|_| Gone)?;
        self.progress = progress;
        Ok(())
    }

    /// How far the batches got.
    pub fn progress(&self) -> Progress {
        self.progress
    }
}
