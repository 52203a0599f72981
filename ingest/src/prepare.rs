//! What does this document say, in which chunks, and which of them are new?
//!
//! The first stage of the pipeline: parse in a worker process, screen, cut, compare with what the catalog knows.
//!
//! Invariants:
//! - Every claimed entry comes out, readable or not: a refusal is a result.
//! - Parsing and cutting are CPU work: they happen in worker processes and on blocking threads.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::{End, Publisher, Stage, Task, Work};
use wellspring_core::chunk::{Chunk, ChunkId};
use wellspring_core::document::{Attributes, CollectionName, DocumentId, MediaType, Revision};
use wellspring_core::embedding::Embedder;
use wellspring_core::failure::Failure;
use wellspring_core::screen::Decision;
use wellspring_core::source::SourceName;

use crate::chunk::chunk;
use crate::diff::{ChunkDiff, diff};
use crate::parse::{NO_TEXT, ParseError, ParsePool, Parsed};
use crate::retry::until_done;
use crate::screen::{Screener, Subject};

/// Reads a format; the pool of worker processes in the service.
#[async_trait]
pub trait Parser: Send + Sync {
    /// Reads one document. CPU work and hostile input stay out of this process (I-8).
    async fn parse(&self, media_type: MediaType, content: Vec<u8>) -> Result<Parsed, ParseError>;
}

#[async_trait]
impl Parser for ParsePool {
    async fn parse(&self, media_type: MediaType, content: Vec<u8>) -> Result<Parsed, ParseError> {
        ParsePool::parse(self, media_type, content).await
    }
}

/// A claimed entry without its content.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) sequence: wellspring_core::catalog::Sequence,
    pub(crate) document: DocumentId,
    pub(crate) collection: CollectionName,
    /// Who sent it, and pays.
    pub(crate) source: SourceName,
    pub(crate) revision: Revision,
}

/// An entry that has been read and compared.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) entry: Entry,
    pub(crate) step: Step,
}

/// What is to be done for a prepared entry.
#[derive(Debug)]
pub(crate) enum Step {
    /// Publish these chunks.
    Publish { text: String, title: Option<String>, screening: Vec<Decision>, chunks: Vec<Chunk>, diff: ChunkDiff },
    /// Keep the text without chunks, and remove what an earlier revision had in the views.
    Skip { text: String, title: Option<String>, screening: Vec<Decision>, reason: String, removed: Vec<ChunkId> },
    /// Remove these chunks.
    Remove(Vec<ChunkId>),
    /// Record that it cannot be published.
    End(End),
}

/// A document that was read.
struct Readable {
    text: String,
    title: Option<String>,
    screening: Vec<Decision>,
    /// Its chunks, or why it has none.
    chunks: Result<Vec<Chunk>, String>,
}

/// The stage's parts.
pub(crate) struct Preparer {
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) parser: Arc<dyn Parser>,
    pub(crate) screener: Arc<Screener>,
    pub(crate) embedder: Arc<dyn Embedder>,
}

impl Preparer {
    /// Prepares one entry; many may be prepared side by side. `None` when stopped.
    pub(crate) async fn prepare(&self, work: Work, stop: &CancellationToken) -> Option<Prepared> {
        let Work { sequence, document, collection, key, source, revision, task } = work;
        let entry = Entry { sequence, document, collection: collection.clone(), source: source.clone(), revision };
        let known = until_done("look up known chunks", stop, || self.publisher.known_chunks(document)).await?;
        let step = match task {
            Task::Delete => Step::Remove(known.into_iter().map(|chunk| chunk.id).collect()),
            Task::Put { media_type, content, attributes } => {
                let (language, labels) = (attributes.language.clone(), attributes.acl.clone());
                let subject = Subject { document, collection, key, source, revision, language, labels };
                match self.read(subject, media_type, content, attributes, stop).await? {
                    Ok(Readable { text, title, screening, chunks: Ok(chunks) }) => {
                        let diff = diff(&known, &chunks);
                        Step::Publish { text, title, screening, chunks, diff }
                    }
                    Ok(Readable { text, title, screening, chunks: Err(reason) }) => {
                        let removed = known.into_iter().map(|chunk| chunk.id).collect();
                        Step::Skip { text, title, screening, reason, removed }
                    }
                    Err(end) => Step::End(end),
                }
            }
        };
        Some(Prepared { entry, step })
    }

    /// Parses, screens and cuts; an `Err` is how the entry ends. `None` when stopped.
    async fn read(
        &self,
        subject: Subject,
        media_type: MediaType,
        content: Vec<u8>,
        attributes: Attributes,
        stop: &CancellationToken,
    ) -> Option<Result<Readable, End>> {
        // A worker that cannot be started is the machine's fault, not the document's: that is tried again.
        let parse = || async {
            match self.parser.parse(media_type, content.clone()).await {
                Err(error @ ParseError::Unavailable { .. }) => Err(Failure::new((), error.to_string())),
                result => Ok(result),
            }
        };
        let parsed = match until_done("read a document", stop, parse).await? {
            Ok(parsed) => parsed,
            Err(error @ ParseError::Killed { .. }) => {
                return Some(Err(End::Quarantined { reason: error.to_string() }));
            }
            Err(ParseError::Refused { reason }) if reason == NO_TEXT => {
                let (text, title, screening) = (String::new(), attributes.title, Vec::new());
                return Some(Ok(Readable { text, title, screening, chunks: Err(reason) }));
            }
            Err(error) => return Some(Err(End::Failed { stage: Stage::Parse, reason: error.to_string() })),
        };
        let document = subject.document;
        let screened = self.screener.screen(subject, parsed, stop).await?;
        let dropped = screened.dropped().map(str::to_owned);
        let (parsed, screening) = (screened.parsed, screened.decisions);
        let title = attributes.title.or_else(|| parsed.title.clone());
        if let Some(reason) = dropped {
            return Some(Ok(Readable { text: parsed.text, title, screening, chunks: Err(reason) }));
        }
        let embedder = self.embedder.clone();
        let cut = move || {
            let chunks = chunk(document, title.as_deref(), &parsed, &|text| embedder.count_tokens(text))?;
            // There is nothing to find: a document that could be searched would be a promise that nothing keeps.
            let chunks = if chunks.is_empty() { Err(NO_TEXT.to_owned()) } else { Ok(chunks) };
            Ok(Readable { text: parsed.text, title, screening, chunks })
        };
        let failed = |reason: String| End::Failed { stage: Stage::Parse, reason };
        Some(match tokio::task::spawn_blocking(cut).await {
            Ok(result) => result.map_err(|error: crate::chunk::ChunkError| failed(error.to_string())),
            Err(_) => Err(failed("cutting the text into chunks failed unexpectedly".to_owned())),
        })
    }
}
