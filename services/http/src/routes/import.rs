//! How do many documents come in as one stream?
//!
//! ```text
//! lines -> a batch (bounded by documents, bytes and a short silence) -> drafts -> one transaction -> result lines
//! ```
//!
//! Invariants:
//! - One result line for each line that is not blank, in order; a bad line stops nothing.
//! - The answer flows while the stream comes: nothing waits for the end of the upload.
//! - The last line is written exactly once, and says whether everything was read.
//! - Nothing runs by itself: the work advances as the response is read and ends when the caller leaves.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, Stream};
use serde::Serialize;
use wellspring_core::catalog::{Accepted, EntryState, Outcome, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentKey, Draft, Revision};
use wellspring_core::limits;

use super::Shared;
use super::write::{no_result, off_thread};
use crate::body::{Line, Lines};
use crate::draft::{RefusedDraft, from_json};
use crate::error::{ApiError, Code, ErrorDetail};

/// Answers a stream of documents.
pub(super) fn respond(shared: &Shared, body: Body, collection: CollectionName, wait: bool) -> Response {
    let import = Import {
        lines: shared.bodies.lines(body),
        shared: shared.clone(),
        collection,
        wait,
        lines_read: 0,
        summary: Summary::default(),
        sequences: Vec::new(),
    };
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(import.into_stream())).into_response()
}

/// One stream being read.
struct Import {
    shared: Shared,
    lines: Lines,
    collection: CollectionName,
    wait: bool,
    lines_read: usize,
    summary: Summary,
    /// The entries to wait for at the end, at most one for each line.
    sequences: Vec<Sequence>,
}

/// The line that answers one document.
#[derive(Debug, Serialize)]
struct LineResult {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<DocumentKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<Sequence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDetail>,
}

/// The last line.
#[derive(Debug, Default, Serialize)]
struct Summary {
    done: bool,
    accepted: u64,
    unchanged: u64,
    failed: u64,
    #[serde(flatten)]
    waited: Option<Waited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDetail>,
}

/// What became of the documents that were waited for.
#[derive(Debug, Default, Serialize)]
struct Waited {
    /// Found by the next search.
    searchable: u64,
    /// Accepted, and never to be found: `GET /v1/documents?state=failed` says why.
    unpublished: u64,
    /// Not known to be searchable when the wait ended.
    pending: u64,
}

/// Where the stream goes on after a batch.
enum Next {
    /// There may be more lines.
    Read,
    /// It was read to its end.
    Finish,
    /// It cannot be read on.
    Abort(ApiError),
}

/// Lines to be accepted together.
struct Batch {
    lines: Vec<Line>,
    bytes: usize,
    next: Next,
}

/// A line on its way to its result.
struct Parsed {
    line: u64,
    draft: Result<Draft, RefusedDraft>,
}

impl Import {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(Some((self, Next::Read)), |state| async move {
            let (mut import, next) = state?;
            let error = match next {
                Next::Read => {
                    let batch = import.gather().await;
                    if !batch.lines.is_empty() {
                        let (written, next) = import.accept(batch).await;
                        return Some((Ok(written), Some((import, next))));
                    }
                    match batch.next {
                        Next::Abort(error) => Some(error),
                        Next::Read | Next::Finish => None,
                    }
                }
                Next::Finish => None,
                Next::Abort(error) => Some(error),
            };
            Some((Ok(import.finish(error).await), None))
        })
    }

    /// Waits for a line, then takes what comes without a pause, up to the bounds of a batch.
    async fn gather(&mut self) -> Batch {
        let mut batch = Batch { lines: Vec::new(), bytes: 0, next: Next::Read };
        while batch.lines.len() < limits::ACCEPT_BATCH_DOCUMENTS_MAX && batch.bytes < limits::ACCEPT_BATCH_BYTES_MAX {
            let line = if batch.lines.is_empty() {
                self.lines.next().await
            } else {
                match tokio::time::timeout(limits::ACCEPT_BATCH_IDLE, self.lines.next()).await {
                    Ok(line) => line,
                    Err(_) => break,
                }
            };
            match line {
                Ok(Some(_)) if self.lines_read == limits::STREAM_LINES_MAX => {
                    batch.next = Next::Abort(too_many_lines());
                    break;
                }
                Ok(Some(line)) => {
                    self.lines_read += 1;
                    batch.bytes += line.bytes.as_ref().map_or(0, Bytes::len);
                    batch.lines.push(line);
                }
                Ok(None) => {
                    batch.next = Next::Finish;
                    break;
                }
                Err(error) => {
                    batch.next = Next::Abort(error);
                    break;
                }
            }
        }
        batch
    }

    /// Accepts a batch in one transaction and writes its result lines.
    async fn accept(&mut self, batch: Batch) -> (Bytes, Next) {
        let Batch { lines, bytes, next } = batch;
        let collection = self.collection.clone();
        let parsed = off_thread(bytes, move || lines.into_iter().map(|line| parse(line, &collection)).collect()).await;
        let parsed: Vec<Parsed> = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return (Bytes::new(), Next::Abort(error)),
        };
        let mut writes = Vec::with_capacity(parsed.len());
        let mut places = Vec::with_capacity(parsed.len());
        for Parsed { line, draft } in parsed {
            match draft {
                Ok(draft) => {
                    places.push((line, Some(draft.key.clone()), None));
                    writes.push(Write::Put(draft));
                }
                Err(refused) => places.push((line, refused.key, Some(refused.error))),
            }
        }
        let accepted = if writes.is_empty() { Ok(Vec::new()) } else { self.shared.service.writes.accept(writes).await };
        let mut accepted = match accepted {
            Ok(accepted) => accepted.into_iter(),
            Err(error) => return (Bytes::new(), Next::Abort(error.into())),
        };
        self.lines.release(bytes);
        let mut written = Vec::new();
        for (line, key, refused) in places {
            let result = match refused {
                Some(error) => Err(error),
                None => accepted.next().ok_or_else(no_result).and_then(|result| result.map_err(ApiError::from)),
            };
            write_line(&self.count(line, key, result), &mut written);
        }
        (written.into(), next)
    }

    /// Counts a result and makes its line.
    fn count(&mut self, line: u64, key: Option<DocumentKey>, result: Result<Accepted, ApiError>) -> LineResult {
        match result {
            Ok(accepted) => {
                match accepted.outcome {
                    Outcome::Unchanged => self.summary.unchanged += 1,
                    _ => self.summary.accepted += 1,
                }
                self.sequences.extend(accepted.sequence.filter(|_| self.wait));
                LineResult {
                    line,
                    key: Some(accepted.key),
                    outcome: Some(accepted.outcome),
                    revision: Some(accepted.revision),
                    sequence: accepted.sequence,
                    error: None,
                }
            }
            Err(error) => {
                self.summary.failed += 1;
                LineResult { line, key, outcome: None, revision: None, sequence: None, error: Some(error.detail()) }
            }
        }
    }

    /// Waits, if asked to, and writes the last line.
    async fn finish(&mut self, error: Option<ApiError>) -> Bytes {
        let error = match error {
            None if self.wait => self.wait_searchable().await.err(),
            error => error,
        };
        self.summary.done = error.is_none();
        self.summary.error = error.map(|error| error.detail());
        let mut written = Vec::new();
        write_line(&self.summary, &mut written);
        written.into()
    }

    /// Waits for every accepted document in turn, as long as they keep becoming searchable: the bound is on the wait
    /// for the next one, since an import may rightly take longer than any one document.
    async fn wait_searchable(&mut self) -> Result<(), ApiError> {
        let mut waited = Waited { pending: self.sequences.len() as u64, ..Waited::default() };
        let wait_max = self.shared.settings.searchable_wait_max;
        let mut outcome = Ok(());
        for sequence in std::mem::take(&mut self.sequences) {
            match self.shared.service.writes.settled(sequence, wait_max).await {
                Ok(Some(EntryState::Published)) => waited.searchable += 1,
                Ok(Some(EntryState::Failed { .. } | EntryState::Quarantined { .. } | EntryState::Skipped { .. })) => {
                    waited.unpublished += 1
                }
                Ok(Some(EntryState::Superseded)) => continue,
                Ok(Some(EntryState::Pending | EntryState::Parsed | EntryState::Embedded) | None) => break,
                Err(error) => {
                    outcome = Err(error.into());
                    break;
                }
            }
            waited.pending -= 1;
        }
        self.summary.waited = Some(waited);
        outcome
    }
}

/// Reads one line as a document.
fn parse(line: Line, collection: &CollectionName) -> Parsed {
    let draft = match &line.bytes {
        Some(bytes) => from_json(bytes, collection.clone(), None),
        None => Err(RefusedDraft { key: None, error: line_too_long() }),
    };
    Parsed { line: line.number, draft }
}

/// Writes a value as one line.
fn write_line(value: &impl Serialize, written: &mut Vec<u8>) {
    serde_json::to_writer(&mut *written, value).expect("results have only string keys: always JSON");
    written.push(b'\n');
}

fn line_too_long() -> ApiError {
    ApiError::new(
        Code::LineTooLong,
        format!("the line is longer than {} bytes", limits::DOCUMENT_BODY_BYTES_MAX),
        "split the document into several",
    )
}

fn too_many_lines() -> ApiError {
    ApiError::new(
        Code::TooManyLines,
        format!("the stream has more than {} lines", limits::STREAM_LINES_MAX),
        "send the rest in another request",
    )
}
