//! What does the HTTP API stand on?
//!
//! The parts it needs, as traits: the binary fills them in, a test brings doubles.
//!
//! Invariants:
//! - This crate knows no index, store or model: only these traits and the vocabulary of the core.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use wellspring_core::answer::{AnswerEvent, Question};
use wellspring_core::catalog::{
    Accepted, CatalogError, CatalogReader, CatalogStatus, EntryState, Refusal, Retried, Sequence, Write,
};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey};
use wellspring_core::generator::GeneratorStatus;
use wellspring_core::push::{Push, Pushed};
use wellspring_core::retriever::Retriever;
use wellspring_core::source::SourceAdmin;
use wellspring_core::trace::{EventPage, Residue, Settlement, TraceError};
use wellspring_core::webhook::WebhookAdmin;
use wellspring_core::websub::HubCallbacks;

use crate::auth::AccessKey;
use crate::schema;

/// Takes writes in and knows what became of them.
#[async_trait]
pub trait Writes: Send + Sync {
    /// Makes sure that a collection is there to be written to, and makes it where it is not. `false` when it cannot be
    /// written to: it was built in another embedding space (I-5).
    async fn open_collection(&self, collection: &CollectionName) -> Result<bool, CatalogError>;

    /// Accepts writes in order; durable when this returns (I-1).
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError>;

    /// Accepts the writes of one request under their conditions, once for each key.
    async fn push(&self, push: Push) -> Result<Pushed, CatalogError>;

    /// Tries a document again whose newest revision came to nothing.
    async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError>;

    /// A state as it is shown: a pending entry with how far it is.
    fn shown(&self, sequence: Sequence, state: EntryState) -> EntryState;

    /// Changes whenever something was accepted or published.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Waits until an entry is final or the time is up, and says where it is then. `None` when there is no such
    /// entry. Dropping the future ends the wait.
    async fn settled(&self, sequence: Sequence, timeout: Duration) -> Result<Option<EntryState>, CatalogError>;
}

/// Knows what happened to documents, and what is left of them.
#[async_trait]
pub trait Residues: Send + Sync {
    /// What each store holds of a document, looked up now.
    async fn residue(&self, document: DocumentId) -> Result<Residue, TraceError>;

    /// What a finished entry did to the views; `None` while it is pending.
    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError>;

    /// Up to `limit` things that happened behind the event `after`.
    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError>;
}

/// Answers questions.
pub trait Answers: Send + Sync {
    /// Starts an answer. The stream ends with exactly one `Done` or `Error`; dropping it stops the work.
    fn ask(&self, question: Question) -> BoxStream<'static, AnswerEvent>;
}

/// Says how the service is.
#[async_trait]
pub trait StatusSource: Send + Sync {
    /// The service in numbers, now.
    async fn status(&self) -> Result<ServiceStatus, CatalogError>;
}

/// The service in numbers, but for its readiness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceStatus {
    /// The version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Bytes of memory it holds; 0 where the machine does not tell.
    pub memory_bytes: u64,
    /// The catalog in numbers.
    #[schema(value_type = schema::CatalogStatus)]
    pub catalog: CatalogStatus,
    /// Whether a generator can be asked.
    #[schema(value_type = schema::GeneratorStatus)]
    pub generator: GeneratorStatus,
    /// Where documents come from, each with its own fields.
    #[schema(value_type = Vec<Object>)]
    pub sources: Vec<serde_json::Value>,
    /// The models in use, each with its own fields.
    #[schema(value_type = Vec<Object>)]
    pub models: Vec<serde_json::Value>,
}

/// Whether questions can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// What is not there yet; empty when ready.
    pub missing: Vec<Missing>,
    /// What is there and cannot do its work, while searches and questions are answered: `writes` while the disk is full,
    /// `publishing` while what was accepted does not become searchable, `searching` while one index cannot be searched.
    #[serde(default)]
    pub impaired: Vec<Missing>,
}

/// A part that is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// Which part.
    pub part: String,
    /// What it is doing, for people.
    pub reason: String,
}

impl Readiness {
    /// Everything is there.
    pub fn ready() -> Self {
        Self::default()
    }

    /// One more part is missing.
    pub fn without(mut self, part: impl Into<String>, reason: impl Into<String>) -> Self {
        self.missing.push(Missing { part: part.into(), reason: reason.into() });
        self
    }

    /// Says why a part cannot do its work, or that it can again.
    pub fn impair(&mut self, part: &str, reason: Option<String>) {
        self.impaired.retain(|impaired| impaired.part != part);
        self.impaired.extend(reason.map(|reason| Missing { part: part.to_owned(), reason }));
    }

    /// Why a part cannot do its work.
    pub fn impaired_by(&self, part: &str) -> Option<&str> {
        self.impaired.iter().find(|impaired| impaired.part == part).map(|impaired| impaired.reason.as_str())
    }

    /// Says anew what is missing, and keeps what is impaired.
    pub fn set_missing(&mut self, of: Self) {
        self.missing = of.missing;
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is missing, in one line.
    pub(crate) fn in_words(&self) -> String {
        let parts = self.missing.iter().map(|missing| format!("{} ({})", missing.part, missing.reason));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// Everything the API needs.
#[derive(Clone)]
pub struct Service {
    /// Takes writes in.
    pub writes: Arc<dyn Writes>,
    /// Reads documents.
    pub reader: Arc<dyn CatalogReader>,
    /// Adds, shows and steers sources.
    pub sources: Arc<dyn SourceAdmin>,
    /// Adds, shows and steers webhooks.
    pub webhooks: Arc<dyn WebhookAdmin>,
    /// Answers hubs that tell of changes; `None` where none is asked to.
    pub hubs: Option<Arc<dyn HubCallbacks>>,
    /// Looks for what is left of documents.
    pub residues: Arc<dyn Residues>,
    /// Finds passages.
    pub retriever: Arc<dyn Retriever>,
    /// Answers questions.
    pub answers: Arc<dyn Answers>,
    /// Says how the service is.
    pub status: Arc<dyn StatusSource>,
    /// Whether searches and questions are let in.
    pub readiness: watch::Receiver<Readiness>,
    /// The key that every caller must bring; without one only this machine's own callers are let in.
    pub key: Option<AccessKey>,
}
