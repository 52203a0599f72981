//! How does a staged revision become the one that readers see?
//!
//! Invariants:
//! - One transaction: revisions, chunks, entries and both checkpoints change together or not at all (I-2, I-3).
//! - A revision is published only when it is newer than the published one and than the last deletion (I-4).
//! - What the views may still hold stays known until they have forgotten it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use wellspring_core::catalog::{Cost, End, Finished, Sequence, Stage};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::retry;
use wellspring_core::view::{Publication, ViewName};

use crate::events::trim_events;
use crate::open::SqliteCatalog;
use crate::publisher::{CATALOG, checkpoint, set_checkpoint};
use crate::readmit;
use crate::release::{self, Erasure};
use crate::retry::trim_failed;
use crate::rows::{self, integer, json_list, json_pair, json_revisions, stage_word};
use crate::trouble::Trouble;

/// An entry and its document before the publication.
struct Before {
    document: DocumentId,
    revision: Revision,
    pending: bool,
    attempt: u32,
    newest: Sequence,
    published: Option<Revision>,
    erased_through: Revision,
}

impl Before {
    /// I-4: whether publishing the entry's revision brings its document forward.
    fn brings_forward(&self) -> bool {
        self.pending
            && self.published.is_none_or(|published| self.revision > published)
            && self.revision > self.erased_through
    }
}

/// What a publication does, gathered before the first change.
#[derive(Default)]
struct Plan {
    ends: Vec<EntryEnd>,
    /// Documents whose staged revision becomes the published one, with the revision published before.
    published: Vec<(DocumentId, Revision, Option<Revision>)>,
    upserted: Vec<ChunkId>,
    removed: Vec<ChunkId>,
    /// Documents whose chunks of older revisions go.
    dropping: Vec<(DocumentId, Revision)>,
    /// Documents of which nothing remains up to a revision.
    erasing: Vec<Erasure>,
    /// Documents that screening dropped: what was published of them is withdrawn.
    withdrawn: Vec<(DocumentId, Revision)>,
    /// Revisions that came to nothing.
    failed: Vec<(DocumentId, Revision)>,
    cost: Cost,
}

/// The new state of an entry.
struct EntryEnd {
    sequence: Sequence,
    document: DocumentId,
    state: &'static str,
    superseded_by: Option<Sequence>,
    stage: Option<&'static str>,
    reason: Option<String>,
    /// How often it failed.
    attempt: u32,
    /// When it is tried again, in milliseconds since 1970.
    next_retry_at: Option<i64>,
    cost: Cost,
}

impl EntryEnd {
    fn fail(&mut self, stage: Stage, reason: String) {
        self.state = "failed";
        self.stage = Some(stage_word(stage));
        self.reason = Some(reason);
        self.attempt = self.attempt.saturating_add(1);
    }

    /// Whether its content is kept to be tried again.
    fn keeps_content(&self) -> bool {
        !matches!(self.state, "published" | "superseded")
    }
}

impl SqliteCatalog {
    pub(crate) async fn publish_finished(
        &self,
        publication: Publication,
        finished: Vec<Finished>,
    ) -> Result<(), Trouble> {
        let claims: Vec<(DocumentId, Sequence)> =
            finished.iter().map(|finished| (finished.document, finished.sequence)).collect();
        let mut transaction = self.begin_write().await?;
        let before = load(&mut transaction, &finished).await?;
        let current = checkpoint(&mut transaction, CATALOG).await?;
        let repeated = publication == current && before.values().all(|entry| !entry.pending);
        if publication <= current && !repeated {
            return Err(Trouble::Refused(format!(
                "publication {} is not newer than the published {}",
                publication.0, current.0
            )));
        }
        let plan = plan(&before, finished, (self.clock)())?;
        let erased = !plan.erasing.is_empty();
        if !repeated {
            apply(&mut transaction, publication, plan).await?;
            transaction.commit().await?;
        }
        self.release_claims(&claims);
        if erased && !repeated {
            self.restart_log().await?;
        }
        Ok(())
    }

    /// Folds the log into the database and empties it: what was erased there is still readable in the log.
    async fn restart_log(&self) -> Result<(), Trouble> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(&self.writer).await?;
        Ok(())
    }
}

async fn load(connection: &mut SqliteConnection, finished: &[Finished]) -> Result<HashMap<Sequence, Before>, Trouble> {
    let list = rows::json_array(finished, |json, finished| json_pair(json, &finished.document, finished.sequence.0));
    let rows = sqlx::query(
        "SELECT journal.sequence, journal.document, journal.revision, journal.state = 'pending' AS pending,
                journal.attempt, document.accepted_sequence, document.published_revision, document.erased_through
         FROM json_each(?) AS item
         CROSS JOIN journal ON journal.sequence = item.value ->> 1 AND journal.document = unhex(item.value ->> 0)
         CROSS JOIN document ON document.id = journal.document",
    )
    .bind(list)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((Sequence(rows::number(row, "sequence")?), before(row)?))).collect()
}

fn before(row: &SqliteRow) -> Result<Before, Trouble> {
    Ok(Before {
        document: rows::identity(row, "document")?,
        revision: Revision(rows::number(row, "revision")?),
        pending: rows::number(row, "pending")? == 1,
        attempt: u32::try_from(rows::number(row, "attempt")?).map_err(|_| Trouble::Damaged("attempt"))?,
        newest: Sequence(rows::number(row, "accepted_sequence")?),
        published: rows::revision_if_any(row, "published_revision")?,
        erased_through: Revision(rows::number(row, "erased_through")?),
    })
}

fn plan(before: &HashMap<Sequence, Before>, finished: Vec<Finished>, now: Timestamp) -> Result<Plan, Trouble> {
    let mut plan = Plan::default();
    let mut documents = HashSet::new();
    for Finished { sequence, document, revision, end } in finished {
        let entry = before.get(&sequence).filter(|entry| entry.document == document && entry.revision == revision);
        let Some(entry) = entry else {
            return Err(Trouble::Refused(format!("there is no journal entry {} for document {document}", sequence.0)));
        };
        if !documents.insert(document) {
            return Err(Trouble::Refused(format!("document {document} is finished twice in one publication")));
        }
        let mut ended = EntryEnd {
            sequence,
            document,
            state: "published",
            superseded_by: None,
            stage: None,
            reason: None,
            attempt: entry.attempt,
            next_retry_at: None,
            cost: Cost::default(),
        };
        // A deletion hides what came before it; the first end after it, whatever it is, takes the text away.
        if entry.erased_through > Revision(0) && entry.published.is_none() {
            plan.erasing.push(Erasure { document, through: entry.erased_through.min(revision) });
        }
        match end {
            End::Published { removed, upserted, cost } if entry.brings_forward() => {
                plan.published.push((document, revision, entry.published));
                plan.dropping.push((document, revision));
                plan.upserted.extend(upserted);
                plan.removed.extend(removed);
                ended.cost = cost;
                add(&mut plan.cost, cost);
            }
            End::Skipped { reason, removed } if entry.brings_forward() => {
                ended.state = "skipped";
                ended.reason = Some(reason);
                ended.cost.chunks_removed = removed.len() as u64;
                plan.withdrawn.push((document, revision));
                plan.dropping.push((document, revision));
                plan.removed.extend(removed);
            }
            // Overtaken: readers see no effect, and what was staged stays known until the next publication.
            End::Published { .. } | End::Skipped { .. } => {
                ended.state = "superseded";
                ended.superseded_by = Some(entry.newest);
            }
            End::Deleted { removed } => {
                ended.cost.chunks_removed = removed.len() as u64;
                plan.dropping.push((document, revision));
                plan.removed.extend(removed);
            }
            End::Failed { stage, reason } => {
                plan.failed.push((document, revision));
                ended.fail(stage, reason);
            }
            End::Faulted { stage, reason } => {
                plan.failed.push((document, revision));
                ended.fail(stage, reason);
                let pause = retry::pause(ended.attempt, sequence.0);
                ended.next_retry_at = pause.map(|pause| now.as_millisecond().saturating_add(pause.as_millis() as i64));
            }
            End::Quarantined { reason } => {
                ended.state = "quarantined";
                ended.reason = Some(reason);
            }
        }
        if entry.pending {
            plan.ends.push(ended);
        }
    }
    Ok(plan)
}

fn add(sum: &mut Cost, cost: Cost) {
    sum.chunks_embedded += cost.chunks_embedded;
    sum.tokens_embedded += cost.tokens_embedded;
    sum.chunks_kept += cost.chunks_kept;
}

async fn apply(connection: &mut SqliteConnection, publication: Publication, plan: Plan) -> Result<(), Trouble> {
    end_entries(connection, &plan.ends).await?;
    if !plan.published.is_empty() {
        number_chunks(connection, publication, &plan.published, plan.upserted).await?;
    }
    release::release(connection, publication, plan.dropping, plan.removed, &plan.erasing).await?;
    if !plan.published.is_empty() {
        show(connection, &plan.published).await?;
    }
    if plan.ends.iter().any(EntryEnd::keeps_content) {
        trim_failed(connection).await?;
    }
    if !plan.withdrawn.is_empty() {
        withdraw(connection, &plan.withdrawn).await?;
    }
    if !plan.failed.is_empty() {
        readmit::forget(connection, plan.failed, true).await?;
    }
    trim_events(connection).await?;
    account(connection, plan.cost).await?;
    for name in [CATALOG, ViewName::Vector.as_str(), ViewName::Keyword.as_str()] {
        set_checkpoint(connection, name, publication).await?; // I-3
    }
    Ok(())
}

async fn end_entries(connection: &mut SqliteConnection, ends: &[EntryEnd]) -> Result<(), Trouble> {
    for end in ends {
        sqlx::query(
            "UPDATE journal SET state = ?1, superseded_by = ?2, stage = ?3, reason = ?4, chunks = ?5,
                    chunks_embedded = ?6, tokens_embedded = ?7, chunks_kept = ?8, chunks_removed = ?9,
                    attempt = ?10, next_retry_at = ?11
             WHERE sequence = ?12",
        )
        .bind(end.state)
        .bind(end.superseded_by.map(|sequence| integer(sequence.0)))
        .bind(end.stage)
        .bind(end.reason.as_deref())
        .bind(integer(end.cost.chunks))
        .bind(integer(end.cost.chunks_embedded))
        .bind(integer(end.cost.tokens_embedded))
        .bind(integer(end.cost.chunks_kept))
        .bind(integer(end.cost.chunks_removed))
        .bind(i64::from(end.attempt))
        .bind(end.next_retry_at)
        .bind(integer(end.sequence.0))
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "UPDATE document SET state = journal.state
         FROM json_each(?) AS item CROSS JOIN journal ON journal.sequence = item.value ->> 1
         WHERE document.id = unhex(item.value ->> 0) AND document.accepted_sequence = journal.sequence",
    )
    .bind(rows::json_array(ends, |json, end| json_pair(json, &end.document, end.sequence.0)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives the staged chunks their publication: this one where a view was touched, else the one they had before.
async fn number_chunks(
    connection: &mut SqliteConnection,
    publication: Publication,
    published: &[(DocumentId, Revision, Option<Revision>)],
    upserted: Vec<ChunkId>,
) -> Result<(), Trouble> {
    let list = rows::json_array(published, |json, (document, revision, before)| {
        json.push('[');
        rows::hexadecimal(json, document);
        json.push_str(&format!(",{},{}]", revision.0, before.map_or(0, |before| before.0)));
    });
    sqlx::query(
        "WITH next (document, revision, before) AS MATERIALIZED (
             SELECT unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?1))
         UPDATE chunk SET publication = iif(
             id IN (SELECT unhex(value) FROM json_each(?2)), ?3,
             coalesce((SELECT kept.publication FROM chunk AS kept
                       WHERE kept.id = chunk.id AND kept.revision = next.before), ?3))
         FROM next WHERE chunk.document = next.document AND chunk.revision = next.revision",
    )
    .bind(list)
    .bind(json_list(upserted))
    .bind(integer(publication.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves readers to the new revisions (I-2).
async fn show(
    connection: &mut SqliteConnection,
    published: &[(DocumentId, Revision, Option<Revision>)],
) -> Result<(), Trouble> {
    let list = json_revisions(published.iter().map(|(document, revision, _)| (*document, *revision)));
    sqlx::query(
        "WITH next (document, revision) AS MATERIALIZED (
             SELECT unhex(value ->> 0), value ->> 1 FROM json_each(?))
         UPDATE document SET published_revision = next.revision,
             chunks = (SELECT count(*) FROM chunk
                       WHERE chunk.document = next.document AND chunk.revision = next.revision)
         FROM next WHERE document.id = next.document",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    release::trim_revisions(connection, &list).await
}

/// Takes what was published of dropped documents from the readers (I-2).
async fn withdraw(connection: &mut SqliteConnection, withdrawn: &[(DocumentId, Revision)]) -> Result<(), Trouble> {
    let list = json_revisions(withdrawn.iter().copied());
    sqlx::query(
        "UPDATE document SET published_revision = NULL, chunks = 0
         WHERE id IN (SELECT unhex(value ->> 0) FROM json_each(?))",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    release::trim_revisions(connection, &list).await?;
    let documents: Vec<DocumentId> = withdrawn.iter().map(|(document, _)| *document).collect();
    readmit::orphans_among(connection, &documents).await
}

async fn account(connection: &mut SqliteConnection, cost: Cost) -> Result<(), Trouble> {
    sqlx::query(
        "UPDATE ledger SET chunks_embedded = chunks_embedded + ?, tokens_embedded = tokens_embedded + ?,
                           chunks_kept = chunks_kept + ?",
    )
    .bind(integer(cost.chunks_embedded))
    .bind(integer(cost.tokens_embedded))
    .bind(integer(cost.chunks_kept))
    .execute(connection)
    .await?;
    Ok(())
}
