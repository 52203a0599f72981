//! How is a write taken in?
//!
//! Invariants:
//! - What `accept` returns is on the disk (I-1), in the order it came, in one transaction.
//! - A revision number is never given twice, not even after a deletion (I-4).
//! - A deletion hides the document in the transaction that accepts it (I-2).

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use wellspring_core::catalog::{
    Accepted, CatalogError, Journal, Outcome, Refusal, Retried, Sequence, Stage, Write, lane_of,
};
use wellspring_core::document::{
    Attributes, CollectionName, ContentHash, DocumentId, DocumentKey, Draft, MediaType, Revision,
};
use wellspring_core::embedding::Lane;
use wellspring_core::push::{Condition, Push, Pushed, request_digest};
use wellspring_core::source::SourceName;

mod hollow;
mod owners;

use crate::claim::lane_name;
use crate::events::trim_events;
use crate::open::SqliteCatalog;
use crate::repeat;
use crate::rows::{self, integer, json_array, json_list, json_pair};
use crate::trouble::Trouble;
use hollow::{Hollow, mark_unread, pass_over};
use owners::Owners;

/// Rows of one insert: well below SQLite's bound on parameters, and enough to make a batch few statements.
const INSERT_ROWS_MAX: usize = 128;

/// What one write was answered.
type Answer = Result<Accepted, Refusal>;

#[async_trait]
impl Journal for SqliteCatalog {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Answer>, CatalogError> {
        match self.push(writes.into()).await? {
            Pushed::New(answers) | Pushed::Repeated(answers) => Ok(answers),
            // Only a key can have been used before.
            Pushed::KeyReused => Ok(Vec::new()),
        }
    }

    async fn push(&self, push: Push) -> Result<Pushed, CatalogError> {
        self.accept_push(push).await.map_err(|trouble| trouble.while_trying("could not accept writes"))
    }

    async fn retry(&self, collection: &CollectionName, key: &DocumentKey) -> Result<Retried, CatalogError> {
        self.retry_document(collection, key)
            .await
            .map_err(|trouble| trouble.while_trying("could not try a document again"))
    }

    async fn source_items(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError> {
        self.items_of(source).await.map_err(|trouble| trouble.while_trying("could not list a source's items"))
    }
}

/// A document as the batch leaves it.
struct Head {
    collection: CollectionName,
    key: DocumentKey,
    source: SourceName,
    revision: Revision,
    sequence: Sequence,
    state: String,
    content_hash: Option<ContentHash>,
    fingerprint: Option<String>,
    deleted: bool,
    /// Whether its source was removed, so that it belongs to nobody.
    ownerless: bool,
    /// Whether this batch deleted it, and at which revision and entry.
    deletion: Option<(Revision, Sequence)>,
    changed: bool,
}

impl Head {
    /// Whether the newest entry came to nothing: then the same write is no repetition.
    fn failed(&self) -> bool {
        matches!(self.state.as_str(), "failed" | "quarantined")
    }

    /// Whether another source than this one has a say about the document.
    fn belongs_to_another_than(&self, source: &SourceName) -> bool {
        self.source != *source && !self.ownerless
    }
}

/// A new row of the journal.
struct Entry {
    sequence: Sequence,
    document: DocumentId,
    revision: Revision,
    says: Says,
}

/// What an entry says of its document.
#[expect(clippy::large_enum_variant, reason = "nearly every entry is a put; a box each would only cost")]
enum Says {
    Draft(Draft),
    Ends,
    Nothing(Nothing),
}

/// A version without content, which ended when it was accepted.
struct Nothing {
    /// Its state, as the catalog writes it.
    state: &'static str,
    stage: Option<Stage>,
    reason: String,
    /// The format of a document that has no earlier revision to take it from.
    media_type: Option<MediaType>,
}

impl SqliteCatalog {
    async fn items_of(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT collection, key, fingerprint FROM document WHERE source = ? AND deleted = 0
             ORDER BY collection, key",
        )
        .bind(source.as_str())
        .fetch_all(&mut *read)
        .await?;
        rows.iter()
            .map(|row| Ok((rows::parsed(row, "collection")?, rows::parsed(row, "key")?, row.try_get("fingerprint")?)))
            .collect()
    }

    async fn accept_push(&self, Push { writes, key }: Push) -> Result<Pushed, Trouble> {
        let lane = lane_of(writes.iter().map(|(write, _)| write));
        // Hashing megabytes takes milliseconds.
        let writes = tokio::task::spawn_blocking(move || writes.into_iter().map(identified).collect::<Vec<_>>())
            .await
            .map_err(|_| Trouble::Cancelled)?;
        let digest = request_digest(writes.iter().map(|(document, hash, condition, _)| (*document, *hash, *condition)));
        let now = (self.clock)();

        let mut transaction = self.begin_write().await?;
        if let Some(key) = &key
            && let Some(before) = repeat::recall(&mut transaction, key, digest, now).await?
        {
            return Ok(before);
        }
        let mut heads = load_heads(&mut transaction, writes.iter().map(|(document, ..)| *document)).await?;
        let owners = Owners::load(&mut transaction, writes.iter().map(|(.., write)| write)).await?;
        let mut last = last_sequence(&mut transaction).await?;
        let mut entries = Vec::new();
        let mut answers = Vec::with_capacity(writes.len());
        for (document, content_hash, condition, write) in writes {
            if let Some(refusal) = refused(&heads, &owners, document, condition, &write) {
                answers.push(Err(refusal));
                continue;
            }
            let answer = match write {
                Write::Put(draft) => put(&mut heads, &mut entries, &mut last, document, content_hash, draft),
                Write::Delete { key, source, .. } => delete(&mut heads, &mut entries, &mut last, document, key, source),
                Write::Unread { collection, key, source, reason, media_type } => {
                    let unread = Hollow { document, content_hash, collection, key, source, reason, media_type };
                    mark_unread(&mut heads, &mut entries, &mut last, unread)
                }
                Write::PassOver { collection, key, source, reason, media_type, fingerprint } => {
                    let media_type = Some(media_type);
                    let hollow = Hollow { document, content_hash, collection, key, source, reason, media_type };
                    pass_over(&mut heads, &mut entries, &mut last, hollow, fingerprint)
                }
            };
            answers.push(answer);
        }
        heads.retain(|_, head| head.changed);
        let key = key.filter(|_| answers.iter().any(Result::is_ok));
        if heads.is_empty() && key.is_none() {
            return Ok(Pushed::New(answers));
        }
        if let Some(key) = &key {
            repeat::remember(&mut transaction, key, digest, &answers, now).await?;
        }
        save_heads(&mut transaction, &heads).await?;
        save_entries(&mut transaction, &entries, lane).await?;
        supersede_deleted(&mut transaction, &heads).await?;
        entries.retain(|entry| heads[&entry.document].deletion.is_none_or(|(at, _)| at < entry.revision));
        save_revisions(&mut transaction, entries, now.as_millisecond()).await?;
        trim_events(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Pushed::New(answers))
    }
}

fn identified((write, condition): (Write, Condition)) -> (DocumentId, Option<ContentHash>, Condition, Write) {
    (write.document(), write.content_hash(), condition, write)
}

/// The newest revision of a document that is there.
fn current(heads: &HashMap<DocumentId, Head>, document: DocumentId) -> Option<Revision> {
    heads.get(&document).filter(|head| !head.deleted).map(|head| head.revision)
}

/// Why a write is refused before it is looked at closer: the key is a source's to give, or the condition does not hold.
/// Who may not write at all is told that first.
fn refused(
    heads: &HashMap<DocumentId, Head>,
    owners: &Owners,
    document: DocumentId,
    condition: Condition,
    write: &Write,
) -> Option<Refusal> {
    let live = heads.get(&document).filter(|head| !head.deleted);
    if live.is_none()
        && let Some(owner) = owners.of(write)
    {
        return Some(Refusal::KeyOfSource(owner));
    }
    let foreign = live.is_some_and(|head| head.source != *write.source());
    (!foreign && !condition.holds(current(heads, document))).then(|| Refusal::Changed(current(heads, document)))
}

fn put(
    heads: &mut HashMap<DocumentId, Head>,
    entries: &mut Vec<Entry>,
    last: &mut Sequence,
    document: DocumentId,
    content_hash: Option<ContentHash>,
    draft: Draft,
) -> Answer {
    let head = heads.get_mut(&document);
    let live = head.as_ref().is_some_and(|head| !head.deleted);
    if let Some(head) = head.filter(|head| !head.deleted) {
        if head.belongs_to_another_than(&draft.source) {
            return Err(Refusal::OwnedBySource(head.source.clone()));
        }
        if head.content_hash == content_hash && !head.failed() {
            if head.fingerprint != draft.fingerprint || head.source != draft.source {
                head.fingerprint = draft.fingerprint;
                head.source = draft.source;
                head.ownerless = false;
                head.changed = true;
            }
            return Ok(Accepted {
                key: draft.key,
                document,
                revision: head.revision,
                sequence: Some(head.sequence),
                outcome: Outcome::Unchanged,
            });
        }
    }
    let before = heads.remove(&document);
    last.0 += 1;
    let head = Head {
        collection: draft.collection.clone(),
        key: draft.key.clone(),
        source: draft.source.clone(),
        revision: Revision(before.as_ref().map_or(0, |head| head.revision.0) + 1),
        sequence: *last,
        state: "pending".to_owned(),
        content_hash,
        fingerprint: draft.fingerprint.clone(),
        deleted: false,
        ownerless: false,
        deletion: before.and_then(|head| head.deletion),
        changed: true,
    };
    let outcome = if live { Outcome::Updated } else { Outcome::Created };
    let accepted =
        Accepted { key: draft.key.clone(), document, revision: head.revision, sequence: Some(*last), outcome };
    entries.push(Entry { sequence: *last, document, revision: head.revision, says: Says::Draft(draft) });
    heads.insert(document, head);
    Ok(accepted)
}

fn delete(
    heads: &mut HashMap<DocumentId, Head>,
    entries: &mut Vec<Entry>,
    last: &mut Sequence,
    document: DocumentId,
    key: DocumentKey,
    source: SourceName,
) -> Answer {
    // A deletion that failed left chunks in the views: deleting once more tries again.
    let Some(head) = heads.get_mut(&document).filter(|head| !head.deleted || head.failed()) else {
        let revision = heads.get(&document).map_or(Revision(0), |head| head.revision);
        return Ok(Accepted { key, document, revision, sequence: None, outcome: Outcome::Absent });
    };
    if !head.deleted && head.belongs_to_another_than(&source) {
        return Err(Refusal::OwnedBySource(head.source.clone()));
    }
    last.0 += 1;
    head.revision = Revision(head.revision.0 + 1);
    head.sequence = *last;
    head.state = "pending".to_owned();
    head.content_hash = None;
    head.fingerprint = None;
    head.deleted = true;
    head.deletion = Some((head.revision, *last));
    head.changed = true;
    entries.push(Entry { sequence: *last, document, revision: head.revision, says: Says::Ends });
    Ok(Accepted { key, document, revision: head.revision, sequence: Some(*last), outcome: Outcome::Deleted })
}

async fn load_heads(
    connection: &mut SqliteConnection,
    documents: impl Iterator<Item = DocumentId>,
) -> Result<HashMap<DocumentId, Head>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, collection, key, source, accepted_revision, accepted_sequence, state, content_hash, fingerprint,
                deleted, source IN (SELECT name FROM former_source) AS ownerless
         FROM document WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    )
    .bind(json_list(documents))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let content_hash: Option<&[u8]> = row.try_get("content_hash")?;
            let head = Head {
                collection: rows::parsed(row, "collection")?,
                key: rows::parsed(row, "key")?,
                source: rows::parsed(row, "source")?,
                revision: Revision(rows::number(row, "accepted_revision")?),
                sequence: Sequence(rows::number(row, "accepted_sequence")?),
                state: row.try_get("state")?,
                content_hash: content_hash
                    .map(|bytes| bytes.try_into().map(ContentHash::from_bytes))
                    .transpose()
                    .map_err(|_| Trouble::Damaged("content_hash"))?,
                fingerprint: row.try_get("fingerprint")?,
                deleted: row.try_get("deleted")?,
                ownerless: row.try_get("ownerless")?,
                deletion: None,
                changed: false,
            };
            Ok((rows::identity(row, "id")?, head))
        })
        .collect()
}

/// Entries are never removed, so the largest number is the last one given.
async fn last_sequence(connection: &mut SqliteConnection) -> Result<Sequence, Trouble> {
    let row = sqlx::query("SELECT coalesce(max(sequence), 0) AS sequence FROM journal").fetch_one(connection).await?;
    Ok(Sequence(rows::number(&row, "sequence")?))
}

async fn save_heads(connection: &mut SqliteConnection, heads: &HashMap<DocumentId, Head>) -> Result<(), Trouble> {
    let heads: Vec<_> = heads.iter().collect();
    for heads in heads.chunks(INSERT_ROWS_MAX) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO document (id, collection, key, source, accepted_revision, accepted_sequence, state,
                                   content_hash, fingerprint, deleted, erased_through) ",
        );
        insert.push_values(heads, |mut row, (document, head)| {
            row.push_bind(document.as_bytes().as_slice())
                .push_bind(head.collection.as_str())
                .push_bind(head.key.as_str())
                .push_bind(head.source.as_str())
                .push_bind(integer(head.revision.0))
                .push_bind(integer(head.sequence.0))
                .push_bind(head.state.as_str())
                .push_bind(head.content_hash.map(|hash| hash.as_bytes().to_vec()))
                .push_bind(head.fingerprint.as_deref())
                .push_bind(head.deleted)
                .push_bind(integer(head.deletion.map_or(0, |(revision, _)| revision.0)));
        });
        // I-2: a deletion takes the published revision away here, before any view knows of it.
        insert.push(
            " ON CONFLICT (id) DO UPDATE SET
                  source = excluded.source,
                  accepted_revision = excluded.accepted_revision,
                  accepted_sequence = excluded.accepted_sequence,
                  state = excluded.state,
                  content_hash = excluded.content_hash,
                  fingerprint = excluded.fingerprint,
                  deleted = excluded.deleted,
                  erased_through = max(erased_through, excluded.erased_through),
                  published_revision = iif(excluded.erased_through > 0, NULL, published_revision),
                  chunks = iif(excluded.erased_through > 0, 0, chunks)",
        );
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn save_entries(connection: &mut SqliteConnection, entries: &[Entry], lane: Lane) -> Result<(), Trouble> {
    for entries in entries.chunks(INSERT_ROWS_MAX) {
        let mut insert =
            QueryBuilder::<Sqlite>::new("INSERT INTO journal (sequence, document, revision, kind, state, lane) ");
        insert.push_values(entries, |mut row, entry| {
            row.push_bind(integer(entry.sequence.0))
                .push_bind(entry.document.as_bytes().as_slice())
                .push_bind(integer(entry.revision.0))
                .push_bind(if matches!(entry.says, Says::Ends) { "delete" } else { "put" })
                .push_bind("pending")
                .push_bind(lane_name(lane));
        });
        insert.build().execute(&mut *connection).await?;
    }
    for entry in entries {
        let Says::Nothing(Nothing { state, stage, reason, .. }) = &entry.says else { continue };
        // An entry that is made pending and then ends is told of as any other that ends.
        sqlx::query("UPDATE journal SET state = ?, stage = ?, reason = ?, attempt = ? WHERE sequence = ?")
            .bind(*state)
            .bind(stage.map(rows::stage_word))
            .bind(reason)
            .bind(i64::from(stage.is_some()))
            .bind(integer(entry.sequence.0))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// A deletion takes the place of everything of its document that was still to be done.
async fn supersede_deleted(
    connection: &mut SqliteConnection,
    heads: &HashMap<DocumentId, Head>,
) -> Result<(), Trouble> {
    let deletions = heads.iter().filter_map(|(document, head)| Some((document, head.deletion?.1)));
    let deletions = json_array(deletions, |json, (document, sequence)| json_pair(json, document, sequence.0));
    if deletions != "[]" {
        supersede(connection, &deletions).await?;
    }
    Ok(())
}

/// Marks the pending entries before each given one as superseded by it, and says which revisions they were. `newest`
/// is a JSON array of `[document, sequence]`.
pub(crate) async fn supersede(
    connection: &mut SqliteConnection,
    newest: &str,
) -> Result<Vec<(DocumentId, Revision)>, Trouble> {
    let rows = sqlx::query(
        "WITH newest (document, sequence) AS MATERIALIZED (SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?))
         UPDATE journal SET state = 'superseded', superseded_by = newest.sequence
         FROM newest
         WHERE journal.state = 'pending' AND journal.document = newest.document
           AND journal.sequence < newest.sequence
         RETURNING document, revision",
    )
    .bind(newest)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((rows::identity(row, "document")?, Revision(rows::number(row, "revision")?)))).collect()
}

async fn save_revisions(
    connection: &mut SqliteConnection,
    entries: Vec<Entry>,
    accepted_at: i64,
) -> Result<(), Trouble> {
    let (mut drafts, mut hollow) = (Vec::new(), Vec::new());
    for Entry { document, revision, says, .. } in entries {
        match says {
            Says::Draft(draft) => drafts.push((document, revision, draft)),
            Says::Nothing(Nothing { media_type, .. }) => hollow.push((document, revision, media_type)),
            Says::Ends => {}
        }
    }
    let mut rows = drafts.into_iter().peekable();
    while rows.peek().is_some() {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO revision (document, revision, media_type, bytes, attributes, title, accepted_at, content) ",
        );
        insert.push_values(rows.by_ref().take(INSERT_ROWS_MAX), |mut row, (document, revision, draft)| {
            // The attributes are plain data with string keys, which JSON can always hold.
            let attributes = serde_json::to_string(&draft.attributes).expect("attributes are representable in JSON");
            row.push_bind(document.as_bytes().as_slice())
                .push_bind(integer(revision.0))
                .push_bind(draft.media_type.as_str())
                .push_bind(integer(draft.content.len() as u64))
                .push_bind(attributes)
                .push_bind(draft.attributes.title)
                .push_bind(accepted_at)
                .push_bind(draft.content);
        });
        insert.build().execute(&mut *connection).await?;
    }
    for (document, revision, media_type) in hollow {
        let media_type = media_type.map(|media_type| media_type.as_str());
        // What is said about the document, and who may read it, holds on; where there was none, nothing is said.
        sqlx::query(
            "INSERT INTO revision (document, revision, media_type, bytes, attributes, title, accepted_at)
             SELECT ?1, ?2, coalesce(?4, before.media_type), 0, coalesce(before.attributes, ?5), before.title, ?3
             FROM (SELECT 1) LEFT JOIN (
                 SELECT media_type, attributes, title FROM revision
                 WHERE document = ?1 AND revision < ?2 AND ?4 IS NULL ORDER BY revision DESC LIMIT 1) AS before",
        )
        .bind(document.as_bytes().as_slice())
        .bind(integer(revision.0))
        .bind(accepted_at)
        .bind(media_type)
        .bind(serde_json::to_string(&Attributes::default()).expect("attributes are representable in JSON"))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
