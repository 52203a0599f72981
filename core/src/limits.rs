//! How much is too much?
//!
//! Every queue, batch, body, retry, prompt and stream has its bound here, with a unit in its name and its reason
//! beside it (I-7). A bound that an operator may move is a setting whose default is here.

use std::time::Duration;

/// Short names (collections, sources): they become file names and labels.
pub const SHORT_NAME_BYTES_MAX: usize = 64;
/// Document keys: the longest path most file systems allow a component chain in practice, and a fair URL.
pub const KEY_BYTES_MAX: usize = 1024;
/// One document's content. A long book is 2 MB; beyond this a file is data, not reading.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// Title, URL and the other short attributes, each.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;
/// Tags on one document.
pub const TAGS_MAX: usize = 64;
/// A document's `metadata`, as JSON.
pub const METADATA_BYTES_MAX: usize = 16 << 10;

/// A JSON request body that carries no document.
pub const REQUEST_BODY_BYTES_MAX: usize = 256 << 10;
/// A JSON body that carries one document: its content may grow sixfold under `\u0000` escapes, in practice twofold.
pub const DOCUMENT_BODY_BYTES_MAX: usize = 2 * DOCUMENT_BYTES_MAX;
/// A streamed NDJSON upload, whole. Larger imports are several requests.
pub const STREAM_BODY_BYTES_MAX: usize = 4 << 30;
/// Documents of a stream accepted in one catalog transaction: amortises the fsync, keeps the answer flowing.
pub const ACCEPT_BATCH_DOCUMENTS_MAX: usize = 128;
/// Bytes of a stream held before they are accepted.
pub const ACCEPT_BATCH_BYTES_MAX: usize = 16 << 20;
/// A question or a search query. Longer text is a document.
pub const QUERY_BYTES_MAX: usize = 8 << 10;
/// Results of one search.
pub const HITS_MAX: usize = 100;
/// Results of one search when the caller names no number.
pub const HITS_DEFAULT: usize = 10;
/// Documents of one page of a listing.
pub const PAGE_DOCUMENTS_MAX: usize = 1000;
/// Requests in work at once; more are answered 503 with `Retry-After`.
pub const REQUESTS_MAX: usize = 128;
/// Questions being answered at once; each may hold a generator's slot for seconds.
pub const QUESTIONS_MAX: usize = 16;
/// The head of a request must arrive within this, or a slow client holds a connection for nothing.
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The body's next piece must arrive within this.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// `?wait=searchable` gives up after this; the write itself stands.
pub const SEARCHABLE_WAIT_MAX: Duration = Duration::from_secs(120);

/// Documents claimed for one publication. Small when idle for freshness, up to this when there is a backlog, since
/// each publication costs two index commits.
pub const PUBLICATION_DOCUMENTS_MAX: usize = 128;
/// Content bytes claimed for one publication; bounds the pipeline's memory together with its two stages.
pub const PUBLICATION_BYTES_MAX: usize = 8 << 20;
/// Publications between embedding and applying: one being applied, one waiting.
pub const PUBLICATIONS_IN_FLIGHT: usize = 1;
/// A parsed document's text; a decompression bomb ends here.
pub const TEXT_BYTES_MAX: usize = 32 << 20;
/// Chunks of one document.
pub const CHUNKS_MAX: usize = 50_000;
/// Tokens of a chunk with its context: what the default embedder reads.
pub const CHUNK_TOKENS_MAX: usize = 256;
/// How often a document may kill the parser before it is quarantined.
pub const PARSE_ATTEMPTS_MAX: u32 = 3;
/// Wall time of one parse.
pub const PARSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Address space of a parse worker.
pub const PARSE_MEMORY_BYTES_MAX: u64 = 1 << 30;
/// CPU seconds of a parse worker before it is replaced; a fresh one is started long before this by choice.
pub const PARSE_CPU_SECONDS_MAX: u64 = 600;
/// Files a parse worker may hold open.
pub const PARSE_FILES_MAX: u64 = 16;
/// Parse workers.
pub const PARSE_WORKERS: usize = 2;
/// Older revisions of a document whose text stays readable, so that a citation can be checked after an edit.
pub const REVISIONS_KEPT: u64 = 8;
/// Vectors kept although no chunk needs them now, because text that was cut often comes back.
pub const SPARE_VECTORS_MAX: u64 = 20_000;
/// Attempts at a failing store or model before the pipeline records a failure.
pub const APPLY_ATTEMPTS_MAX: u32 = 5;

/// File events gathered before a folder is looked at: an editor's save is several events.
pub const WATCH_DEBOUNCE: Duration = Duration::from_millis(60);
/// Pending file events; an overflow is answered with a whole scan, never with growth.
pub const WATCH_EVENTS_MAX: usize = 4096;
/// Between two audits that find what the watcher missed.
pub const AUDIT_INTERVAL: Duration = Duration::from_secs(300);
/// Folders below a watched one.
pub const FOLDER_DEPTH_MAX: usize = 64;

/// Texts waiting for the embedder in one lane; a publication's worth and some queries.
pub const EMBED_QUEUE_MAX: usize = 4096;
/// Tokens embedded in one model run: short texts share a run, long ones go alone, since padding costs more.
pub const EMBED_BATCH_TOKENS_MAX: usize = 256;

/// Candidates each arm of a search contributes.
pub const CANDIDATES_MAX: usize = 100;
/// Passages an answer looks at.
pub const ANSWER_PASSAGES_MAX: usize = 8;
/// Sentences scored for evidence.
pub const EVIDENCE_SENTENCES_MAX: usize = 64;
/// Tokens of evidence in a prompt: on a CPU the prompt is the bill.
pub const EVIDENCE_TOKENS_MAX: usize = 300;
/// Tokens of one answer.
pub const ANSWER_TOKENS_MAX: usize = 192;
/// Tokens of a generator request's prompt and output together.
pub const GENERATOR_CONTEXT_TOKENS: u32 = 4096;
/// Requests waiting for the generator; more are answered `busy` and the extract stands.
pub const GENERATOR_QUEUE_MAX: usize = 16;
/// Events of an answer that a slow reader may leave unread before the decode waits for it.
pub const STREAM_EVENTS_MAX: usize = 64;
/// A generator that has not answered its health check for this long is replaced.
pub const GENERATOR_HEALTH_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause before a dead generator is started again; doubles up to the maximum while it keeps dying young.
pub const GENERATOR_RESTART_PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause between two starts of a generator.
pub const GENERATOR_RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A shutdown waits this long for work in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
