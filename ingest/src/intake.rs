//! Where do writes come in, and when are they done?
//!
//! Invariants:
//! - Accepted means durable: the journal's fsync is behind every receipt (I-1).
//! - Waiting costs no polling: a waiter wakes when a publication happens, and asks the catalog about its own entry.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use wellspring_core::catalog::{
    Accepted, CatalogError, CatalogReader, EntryState, Journal, Outcome, Refusal, Sequence, Write, lane_of,
};
use wellspring_core::embedding::Lane;

use crate::source::Accept;

/// Takes writes from every source and lets their senders wait.
pub struct Intake {
    journal: Arc<dyn Journal>,
    reader: Arc<dyn CatalogReader>,
    signals: Arc<Signals>,
}

/// How the intake and the pipeline wake each other.
#[derive(Debug)]
pub struct Signals {
    /// Something was accepted that a person waits for.
    interactive: Notify,
    /// Something else was.
    bulk: Notify,
    /// How many publications have happened since the start.
    pub(crate) published: watch::Sender<u64>,
}

impl Default for Signals {
    fn default() -> Self {
        Self { interactive: Notify::new(), bulk: Notify::new(), published: watch::Sender::new(0) }
    }
}

impl Signals {
    /// What wakes a lane.
    pub(crate) fn accepted(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl Intake {
    /// Connects the journal with the pipeline that shares `signals`.
    pub fn new(journal: Arc<dyn Journal>, reader: Arc<dyn CatalogReader>, signals: Arc<Signals>) -> Self {
        Self { journal, reader, signals }
    }

    /// Accepts writes in order; each receipt is durable (I-1), each refusal is about its own write.
    pub async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        let lane = lane_of(&writes);
        let receipts = self.journal.accept(writes).await?;
        let wrote = |receipt: &Result<Accepted, Refusal>| matches!(receipt, Ok(accepted) if !matches!(accepted.outcome, Outcome::Unchanged | Outcome::Absent));
        if receipts.iter().any(wrote) {
            self.signals.accepted(lane).notify_one();
        }
        Ok(receipts)
    }

    /// Waits until an entry is no longer pending, at most `timeout`, and says where it is; `None` when there is no
    /// such entry. An entry overtaken by a newer one is waited for in its stead.
    pub async fn settled(&self, sequence: Sequence, timeout: Duration) -> Result<Option<EntryState>, CatalogError> {
        let deadline = tokio::time::Instant::now() + timeout;
        let mut published = self.signals.published.subscribe();
        loop {
            // Marked before the look: a publication between the look and the wait wakes the wait at once.
            published.borrow_and_update();
            let state = self.reader.entry_state(sequence).await?;
            if !matches!(state, Some(EntryState::Pending)) {
                return Ok(state);
            }
            match tokio::time::timeout_at(deadline, published.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(state),
            }
        }
    }
}

#[async_trait]
impl Accept for Intake {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        Intake::accept(self, writes).await
    }
}
