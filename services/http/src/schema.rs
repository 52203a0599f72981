//! What do the core's types look like in JSON?
//!
//! The core knows nothing of OpenAPI, so its types are described here, for `docs/openapi.json` alone: nothing is ever
//! read or written through these. A test compares each with what its original is really written as.

use utoipa::ToSchema;

pub mod answer;
pub mod request;
pub mod search;
pub mod webhook;

pub use answer::{
    Answer, AnswerMode, AnswerStatus, AnswerStyle, CascadeStep, CheckedSentence, Citation, LookedAt, Place, PlaceMark,
    Position, Spent, Support, Usage, Verify,
};

/// A run of characters; half-open, in Unicode code points and in UTF-8 bytes.
#[derive(Debug, ToSchema)]
pub struct Span {
    /// First code point.
    pub start: u64,
    /// One past the last code point.
    pub end: u64,
    /// First byte.
    pub byte_start: u64,
    /// One past the last byte.
    pub byte_end: u64,
}

/// Where a revision is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum StateName {
    /// Accepted; it will be searchable.
    Received,
    /// Read and cut into passages.
    Parsed,
    /// Every passage has its vector.
    Embedded,
    /// Searchable; of a deletion, gone from the indexes too.
    Searchable,
    /// A newer revision was taken instead.
    Superseded,
    /// It will not be searchable unless it is tried again.
    Failed,
    /// It killed the parser too often.
    Quarantined,
    /// Screening dropped it; the revision before it is not searchable either.
    Skipped,
}

/// Where the revision of a write is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ReceiptState {
    /// Accepted; it will be searchable, or gone from the indexes.
    Received,
    /// Read and cut into passages.
    Parsed,
    /// Every passage has its vector.
    Embedded,
    /// Searchable.
    Searchable,
    /// A deletion that is done in the indexes too.
    Deleted,
    /// A newer revision was taken instead.
    Superseded,
}

/// What a write did.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Outcome {
    /// The first revision.
    Created,
    /// A new revision.
    Updated,
    /// The newest revision says the same.
    Unchanged,
    /// The document is gone for readers.
    Deleted,
    /// There was nothing to delete.
    Absent,
}

/// A document as its owner sees it.
#[derive(Debug, ToSchema)]
pub struct DocumentInfo {
    /// Its name.
    pub key: String,
    /// Its identity.
    pub id: String,
    /// Its collection.
    pub collection: String,
    /// Who sends it.
    pub source: String,
    /// The newest accepted revision.
    pub revision: u64,
    /// The revision readers see; `null` before there is one.
    pub published_revision: Option<u64>,
    /// The place of the newest revision in the journal.
    pub sequence: u64,
    /// Where the newest revision is.
    pub state: StateName,
    /// Where it failed: `receive`, `parse`, `embed` or `apply`.
    pub stage: Option<String>,
    /// Why it failed, was quarantined or skipped.
    pub reason: Option<String>,
    /// How often it was tried, where it failed.
    pub attempt: Option<u32>,
    /// When it is tried again by itself, where it failed and is.
    pub next_retry_at: Option<String>,
    /// The title, given or found.
    pub title: Option<String>,
    /// The format it came in: `text`, `markdown` or `html`.
    pub media_type: String,
    /// The content's size as it came.
    pub bytes: u64,
    /// When the newest revision was accepted.
    pub accepted_at: String,
    /// Passages of the published revision.
    pub chunks: u64,
    /// What publishing the newest revision cost.
    pub cost: Cost,
    /// What is said about it.
    pub attributes: Attributes,
    /// What screening said about the newest revision.
    pub screening: Vec<Decision>,
}

/// What one rule of screening said about a revision.
#[derive(Debug, ToSchema)]
pub struct Decision {
    /// `exact_duplicate`, `near_duplicate`, `boilerplate`, `entropy`, `language` or `flood`.
    pub rule: String,
    /// `marked`; `trimmed`, published without some paragraphs; or `dropped`, not published.
    pub verdict: String,
    /// Why, for people.
    pub reason: String,
    /// The key of the document that it repeats.
    pub duplicate_of: Option<String>,
    /// How much of both documents is common, 0 to 1.
    pub similarity: Option<f64>,
}

/// What publishing a revision cost and saved.
#[derive(Debug, ToSchema)]
pub struct Cost {
    /// Passages in the revision.
    pub chunks: u64,
    /// Passages of which a part had to be embedded.
    pub chunks_embedded: u64,
    /// Tokens that were embedded, special ones included.
    pub tokens_embedded: u64,
    /// Passages that no index had to touch.
    pub chunks_kept: u64,
    /// Passages removed from the indexes.
    pub chunks_removed: u64,
}

/// What happened to a document.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum EventKind {
    /// A revision was accepted.
    Accepted,
    /// It is found by the next search.
    Searchable,
    /// It failed.
    Failed,
    /// It killed its parser too often.
    Quarantined,
    /// It was left out by choice.
    Skipped,
    /// It is tried again.
    Retried,
    /// The document was deleted: no reader sees it.
    Deleted,
    /// The indexes have forgotten it too.
    Removed,
}

/// One thing that happened to a document.
#[derive(Debug, ToSchema)]
pub struct Event {
    /// Its place among all events, rising.
    pub number: u64,
    /// When.
    pub at: String,
    /// What.
    pub kind: EventKind,
    /// The document's collection.
    pub collection: String,
    /// The document's name.
    pub key: String,
    /// The revision it happened to.
    pub revision: u64,
    /// That revision's place in the journal.
    pub sequence: u64,
    /// Where it failed: `receive`, `parse`, `embed` or `apply`.
    pub stage: Option<String>,
    /// Why it failed, was quarantined or skipped.
    pub reason: Option<String>,
}

/// What the catalog holds of a document.
#[derive(Debug, ToSchema)]
pub struct CatalogResidue {
    /// Revisions, each with its title and attributes.
    pub revisions: u64,
    /// Of those, revisions whose bytes are kept as they came.
    pub contents: u64,
    /// Of those, revisions whose text is kept.
    pub texts: u64,
    /// Passages, searchable or not.
    pub chunks: u64,
    /// Vectors that only this document needs or needed, or that it needs now.
    pub vectors: u64,
    /// Writes accepted and not finished.
    pub pending: u64,
}

/// What is said about a document beside its content; what was not given is absent.
#[derive(Debug, ToSchema)]
pub struct Attributes {
    /// The title.
    pub title: Option<String>,
    /// Where a person can read the original.
    pub url: Option<String>,
    /// When its author published it.
    pub published_at: Option<String>,
    /// A BCP 47 language tag.
    pub language: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// Access labels; absent where everybody finds the document.
    pub acl: Option<Vec<String>>,
    /// The caller's own fields.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<serde_json::Value>,
}

/// The catalog in numbers.
#[derive(Debug, ToSchema)]
pub struct CatalogStatus {
    /// Documents that are not deleted.
    pub documents: u64,
    /// Of those, searchable ones.
    pub searchable: u64,
    /// Passages of published revisions.
    pub chunks: u64,
    /// Writes accepted and not finished.
    pub pending: u64,
    /// Documents whose newest revision failed.
    pub failed: u64,
    /// Documents whose newest revision is quarantined.
    pub quarantined: u64,
    /// Documents whose newest revision is left out.
    pub skipped: u64,
    /// Vectors kept, spare ones included.
    pub vectors: u64,
    /// The newest write.
    pub sequence: u64,
    /// The newest publication.
    pub publication: u64,
    /// Passages embedded since the catalog was made.
    pub chunks_embedded: u64,
    /// Tokens embedded since the catalog was made.
    pub tokens_embedded: u64,
    /// Passages that edits left untouched since the catalog was made.
    pub chunks_kept: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Whether a generator can be asked.
#[derive(Debug, ToSchema)]
pub struct GeneratorStatus {
    /// How it is.
    pub state: GeneratorState,
    /// The model's name, when ready.
    pub model: Option<String>,
    /// Why it cannot be started, when failed.
    pub reason: Option<String>,
}

/// How the generator is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum GeneratorState {
    /// None is configured.
    Off,
    /// Its model is being loaded.
    Loading,
    /// It can be asked.
    Ready,
    /// It cannot be started.
    Failed,
}

/// Where a source's documents are, and how much of it is wanted.
#[derive(Debug, serde::Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A folder on the service's machine, kept up with as it changes.
    Folder {
        /// The folder, absolute.
        path: String,
        /// Globs below the folder that are wanted; all where absent. One without `/` means a name, wherever it stands.
        include: Option<Vec<String>>,
        /// Globs below the folder that are not.
        exclude: Option<Vec<String>>,
        /// Whether `.gitignore` files say what else is not wanted.
        gitignore: Option<bool>,
    },
    /// An RSS, Atom or JSON feed; each entry is a document.
    Feed {
        /// The feed's address.
        url: String,
        /// Whether the article behind an entry is fetched too, and is the document.
        articles: Option<bool>,
    },
    /// The pages of one host.
    Site {
        /// Where to begin.
        url: String,
        /// A sitemap; where absent, one is asked for before pages are crawled. One that is named is read whatever
        /// `depth_max` says.
        sitemap: Option<String>,
        /// Links from the beginning to a page; 3 where absent.
        depth_max: Option<u32>,
        /// Pages in all; 1000 where absent.
        pages_max: Option<u32>,
    },
    /// One page.
    Page {
        /// Its address.
        url: String,
    },
}

/// What becomes of the documents of a source that is removed.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Remains {
    /// They stay readable and belong to nobody.
    Keep,
    /// They are deleted.
    Delete,
}

/// A source as its owner sees it.
#[derive(Debug, ToSchema)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Where its documents go.
    pub collection: String,
    /// Where they come from.
    pub origin: Origin,
    /// Host names that may lie in a private network; absent when there are none.
    pub private_hosts: Option<Vec<String>>,
    /// Labels that each of its documents gets; absent when there are none.
    pub tags: Option<Vec<String>>,
    /// Whether it is left alone for now.
    pub paused: bool,
    /// Whether the configuration file names it.
    pub declared: bool,
    /// What becomes of its documents, while it is being removed.
    pub removing: Option<Remains>,
    /// When it was added.
    pub added_at: String,
    /// Its documents, counted by state.
    #[schema(value_type = Object)]
    pub documents: serde_json::Value,
    /// The last visit; for a folder, the last whole look.
    pub last_visit: Option<Visit>,
    /// The next visit, where one is planned.
    pub next_visit_at: Option<String>,
    /// Why then.
    pub next_visit_reason: String,
    /// Until when its server asked to be left alone; a refresh asks it all the same, once a minute at most.
    pub left_alone_until: Option<String>,
    /// What stands in its way.
    pub last_error: Option<String>,
    /// Seconds since the last visit began that reached the source as a whole; `null` before the first.
    pub staleness_seconds: Option<u64>,
    /// Deletions that wait for `POST /v1/sources/{name}/release`: so many at once look like a lost disk.
    pub held_deletions: u64,
    /// Whether it is being visited now.
    pub visiting: bool,
    /// How it stands with the hub that it names; `null` where it names none.
    pub subscription: Option<webhook::Subscription>,
}

/// What one visit of a source found and cost.
#[derive(Debug, ToSchema)]
pub struct Visit {
    /// When it began.
    pub began_at: String,
    /// How long it took.
    pub took_ms: u64,
    /// Requests made.
    pub requests: u64,
    /// Bytes over the wire.
    pub wire_bytes: u64,
    /// Items seen: files, entries, pages.
    pub items: u64,
    /// Of those, documents that were new or had changed.
    pub changed: u64,
    /// Documents deleted.
    pub deleted: u64,
    /// Items that could not be taken.
    pub failed: u64,
    /// Items that were left out and are documents with a state that says why.
    pub passed_over: u64,
    /// Files in no format that is read: they are no documents, and have no state.
    pub left_out: u64,
    /// Some of those by name; absent when there are none.
    pub left_out_names: Option<Vec<String>>,
    /// Why the visit, or items of it, failed; some of them, absent when there are none.
    pub errors: Option<Vec<String>>,
    /// Whether the source as a whole was reached.
    pub complete: bool,
    /// The source asks not to be visited before this.
    pub not_before: Option<String>,
    /// A hub that tells of changes (WebSub), where the source names one.
    pub hub: Option<String>,
    /// What the hub knows the source as, where the source says so.
    pub topic: Option<String>,
}
