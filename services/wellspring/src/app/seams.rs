//! How do the write path and the answer service meet the HTTP API? Adapters of one line each: crates of one layer do
//! not know each other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use wellspring_answer::Answerer;
use wellspring_core::answer::{AnswerEvent, Question};
use wellspring_core::catalog::{Accepted, CatalogError, EntryState, Refusal, Sequence, Write};
use wellspring_http::{Answers, Writes};
use wellspring_ingest::intake::Intake;

/// The intake, for the HTTP API.
pub(super) struct IntakeWrites(pub(super) Arc<Intake>);

#[async_trait]
impl Writes for IntakeWrites {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        self.0.accept(writes).await
    }

    async fn settled(&self, sequence: Sequence, timeout: Duration) -> Result<Option<EntryState>, CatalogError> {
        self.0.settled(sequence, timeout).await
    }
}

/// The answer service, for the HTTP API.
pub(super) struct AnswererAnswers(pub(super) Arc<Answerer>);

impl Answers for AnswererAnswers {
    fn ask(&self, question: Question) -> BoxStream<'static, AnswerEvent> {
        self.0.ask(question).boxed()
    }
}
