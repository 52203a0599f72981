//! How do the write path and the answer service meet the HTTP API? Adapters of one line each: crates of one layer do
//! not know each other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::watch;
use wellspring_answer::Answerer;
use wellspring_core::answer::{AnswerEvent, Question};
use wellspring_core::catalog::{Accepted, CatalogError, EntryState, Publisher, Refusal, Retried, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey};
use wellspring_core::embedding::EmbeddingSpace;
use wellspring_core::push::{Push, Pushed};
use wellspring_core::trace::{EventPage, Residue, Settlement, TraceError};
use wellspring_http::{Answers, Residues, Writes};
use wellspring_ingest::intake::Intake;
use wellspring_ingest::trace::Tracer;

/// The intake, for the HTTP API.
pub(super) struct IntakeWrites {
    pub(super) intake: Arc<Intake>,
    pub(super) publisher: Arc<dyn Publisher>,
    /// The space that new collections are built in.
    pub(super) space: EmbeddingSpace,
}

#[async_trait]
impl Writes for IntakeWrites {
    async fn open_collection(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        let bound = self.publisher.bind_space(collection, self.space.id(), &self.space.model).await?;
        Ok(bound.is_ok())
    }

    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        self.intake.accept(writes).await
    }

    async fn push(&self, push: Push) -> Result<Pushed, CatalogError> {
        self.intake.push(push).await
    }

    async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError> {
        self.intake.retry(collection, key).await
    }

    fn shown(&self, sequence: Sequence, state: EntryState) -> EntryState {
        self.intake.shown(sequence, state)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.intake.changes()
    }

    async fn settled(&self, sequence: Sequence, timeout: Duration) -> Result<Option<EntryState>, CatalogError> {
        self.intake.settled(sequence, timeout).await
    }
}

/// The look into every store, for the HTTP API.
pub(super) struct TracerResidues(pub(super) Tracer);

#[async_trait]
impl Residues for TracerResidues {
    async fn residue(&self, document: DocumentId) -> Result<Residue, TraceError> {
        self.0.residue(document).await
    }

    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError> {
        self.0.settlement(sequence).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        self.0.events(after, limit).await
    }
}

/// The answer service, for the HTTP API.
pub(super) struct AnswererAnswers(pub(super) Arc<Answerer>);

impl Answers for AnswererAnswers {
    fn ask(&self, question: Question) -> BoxStream<'static, AnswerEvent> {
        self.0.ask(question).boxed()
    }
}
