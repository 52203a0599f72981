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
    Accepted, CatalogError, CatalogErrorKind, CatalogReader, EntryState, Journal, Outcome, Refusal, Retried, Sequence,
    Write, lane_of,
};
use wellspring_core::document::{CollectionName, DocumentKey};
use wellspring_core::embedding::Lane;
use wellspring_core::push::{Push, Pushed};

use crate::progress::ProgressBoard;
use crate::room::Room;
use crate::source::Accept;

/// Takes writes from every source and lets their senders wait.
pub struct Intake {
    journal: Arc<dyn Journal>,
    reader: Arc<dyn CatalogReader>,
    signals: Arc<Signals>,
    room: Room,
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
    /// How often something was accepted or published since the start.
    changed: watch::Sender<u64>,
    /// How far pending entries are.
    pub(crate) progress: ProgressBoard,
    /// Why what was accepted does not become searchable; `None` while it does.
    pub(crate) stuck: watch::Sender<Option<String>>,
}

impl Signals {
    /// What wakes a lane of the pipeline.
    pub(crate) fn waiting(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Interactive => &self.interactive,
            Lane::Bulk => &self.bulk,
        }
    }

    /// Wakes a lane of the pipeline, and whoever follows what happens.
    fn accepted(&self, lane: Lane) {
        self.waiting(lane).notify_one();
        self.changed.send_modify(|count| *count += 1);
    }

    /// Why what was accepted does not become searchable, and when it does again.
    pub fn stuck(&self) -> watch::Receiver<Option<String>> {
        self.stuck.subscribe()
    }

    /// Wakes whoever waits for a publication, or follows what happens.
    pub(crate) fn published(&self) {
        self.published.send_modify(|count| *count += 1);
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            interactive: Notify::new(),
            bulk: Notify::new(),
            published: watch::Sender::new(0),
            changed: watch::Sender::new(0),
            progress: ProgressBoard::default(),
            stuck: watch::Sender::new(None),
        }
    }
}

impl Intake {
    /// Connects the journal with the pipeline that shares `signals`.
    pub fn new(journal: Arc<dyn Journal>, reader: Arc<dyn CatalogReader>, signals: Arc<Signals>) -> Self {
        Self { journal, reader, signals, room: Room::endless() }
    }

    /// The same where writes need room on the disk: without it they fail, but for deletions, which make some.
    pub fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    fn need_room<'a>(&self, mut writes: impl Iterator<Item = &'a Write>) -> Result<(), CatalogError> {
        if writes.all(|write| matches!(write, Write::Delete { .. })) {
            return Ok(());
        }
        self.room.lacking().map_or(Ok(()), |reason| Err(CatalogError::new(CatalogErrorKind::Full, reason)))
    }

    /// Accepts writes in order; each receipt is durable (I-1), each refusal is about its own write.
    pub async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        self.need_room(writes.iter())?;
        let lane = lane_of(&writes);
        let receipts = self.journal.accept(writes).await?;
        if receipts.iter().any(wrote) {
            self.signals.accepted(lane);
        }
        Ok(receipts)
    }

    /// Accepts the writes of one request under their conditions; see [`Journal::push`].
    pub async fn push(&self, push: Push) -> Result<Pushed, CatalogError> {
        self.need_room(push.writes.iter().map(|(write, _)| write))?;
        let lane = lane_of(push.writes.iter().map(|(write, _)| write));
        let pushed = self.journal.push(push).await?;
        if matches!(&pushed, Pushed::New(receipts) if receipts.iter().any(wrote)) {
            self.signals.accepted(lane);
        }
        Ok(pushed)
    }

    /// Tries a document again whose newest revision came to nothing; see [`Journal::retry`].
    pub async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError> {
        let retried = self.journal.retry(collection, key).await?;
        if matches!(retried, Retried::Again { .. }) {
            // Its entry is in the lane in which it was accepted.
            self.signals.accepted(Lane::Interactive);
            self.signals.accepted(Lane::Bulk);
        }
        Ok(retried)
    }

    /// A state as it is shown: a pending entry with how far the pipeline is with it.
    pub fn shown(&self, sequence: Sequence, state: EntryState) -> EntryState {
        self.signals.progress.shown(sequence, state)
    }

    /// Changes whenever something was accepted or published.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.signals.changed.subscribe()
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

/// Whether a write changed anything.
fn wrote(receipt: &Result<Accepted, Refusal>) -> bool {
    matches!(receipt, Ok(accepted) if !matches!(accepted.outcome, Outcome::Unchanged | Outcome::Absent))
}

#[async_trait]
impl Accept for Intake {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        Intake::accept(self, writes).await
    }
}
