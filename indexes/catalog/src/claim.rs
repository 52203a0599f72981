//! Which writes are next?
//!
//! Invariants:
//! - A document is worked on once at a time, at its newest entry; the older ones step aside for it (I-4).
//! - A claim lives in memory: after a restart everything pending may be claimed again.

use std::collections::HashSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::{Sequence, Task, Work};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::Lane;

use crate::journal::supersede;
use crate::open::SqliteCatalog;
use crate::retry::revive_due;
use crate::rows::{self, json_array, json_pair, json_revisions};
use crate::trouble::Trouble;

/// Pending entries looked at in one statement.
const LOOK_AT: i64 = 256;

/// The newest entry of a document that has something pending.
struct Candidate {
    sequence: Sequence,
    document: DocumentId,
    bytes: usize,
}

impl SqliteCatalog {
    pub(crate) async fn claim_work(
        &self,
        lane: Option<Lane>,
        documents: usize,
        bytes: usize,
    ) -> Result<Vec<Work>, Trouble> {
        let busy: HashSet<DocumentId> = self.claimed().keys().copied().collect();
        let mut transaction = self.begin_write().await?;
        let revived = revive_due(&mut transaction, (self.clock)()).await?;
        let chosen = choose(&mut transaction, lane, &busy, documents.max(1), bytes).await?;
        if chosen.is_empty() {
            if revived {
                transaction.commit().await?;
            }
            return Ok(Vec::new());
        }
        let newest = json_array(&chosen, |json, candidate| json_pair(json, &candidate.document, candidate.sequence.0));
        let superseded = supersede(&mut transaction, &newest).await?;
        if !superseded.is_empty() {
            forget_revisions(&mut transaction, superseded).await?;
        }
        let mut work = load(&mut transaction, &newest).await?;
        transaction.commit().await?;
        work.sort_by_key(|work| chosen.iter().position(|candidate| candidate.sequence == work.sequence));
        self.claimed().extend(work.iter().map(|work| (work.document, work.sequence)));
        Ok(work)
    }

    /// Lets documents be claimed again whose work is finished.
    pub(crate) fn release_claims(&self, finished: &[(DocumentId, Sequence)]) {
        let mut claimed = self.claimed();
        for (document, sequence) in finished {
            if claimed.get(document) == Some(sequence) {
                claimed.remove(document);
            }
        }
    }
}

/// Pending entries behind a sequence, oldest first, each with its document's newest pending one: a newer one still may
/// be a version that could not be taken in, which ended when it was accepted.
const PENDING: &str = "
    SELECT entry.sequence AS oldest, newest.sequence, newest.document, coalesce(revision.bytes, 0) AS bytes
    FROM journal AS entry INDEXED BY journal_pending
    CROSS JOIN journal AS newest ON newest.sequence = (
        SELECT max(pending.sequence) FROM journal AS pending INDEXED BY journal_pending_of
        WHERE pending.state = 'pending' AND pending.document = entry.document)
    LEFT JOIN revision ON revision.document = newest.document AND revision.revision = newest.revision
    WHERE entry.state = 'pending' AND entry.sequence > ?
    ORDER BY entry.sequence LIMIT ?";
/// The same in one lane.
const PENDING_IN_LANE: &str = "
    SELECT entry.sequence AS oldest, newest.sequence, newest.document, coalesce(revision.bytes, 0) AS bytes
    FROM journal AS entry INDEXED BY journal_pending_in_lane
    CROSS JOIN journal AS newest ON newest.sequence = (
        SELECT max(pending.sequence) FROM journal AS pending INDEXED BY journal_pending_of
        WHERE pending.state = 'pending' AND pending.document = entry.document)
    LEFT JOIN revision ON revision.document = newest.document AND revision.revision = newest.revision
    WHERE entry.state = 'pending' AND entry.lane = ? AND entry.sequence > ?
    ORDER BY entry.sequence LIMIT ?";

/// The word that the journal keeps for a lane.
pub(crate) fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Interactive => "interactive",
        Lane::Bulk => "bulk",
    }
}

/// Walks the pending entries from the oldest on until there is enough.
async fn choose(
    connection: &mut SqliteConnection,
    lane: Option<Lane>,
    busy: &HashSet<DocumentId>,
    documents: usize,
    bytes: usize,
) -> Result<Vec<Candidate>, Trouble> {
    let (mut chosen, mut seen, mut total, mut after) = (Vec::new(), HashSet::new(), 0_usize, 0_i64);
    loop {
        let page = match lane {
            Some(lane) => sqlx::query(PENDING_IN_LANE).bind(lane_name(lane)),
            None => sqlx::query(PENDING),
        };
        let page = page.bind(after).bind(LOOK_AT).fetch_all(&mut *connection).await?;
        for row in &page {
            after = row.try_get("oldest")?;
            let candidate = candidate(row)?;
            if busy.contains(&candidate.document) || !seen.insert(candidate.document) {
                continue;
            }
            let enough = chosen.len() == documents || total.saturating_add(candidate.bytes) > bytes;
            if enough && !chosen.is_empty() {
                return Ok(chosen);
            }
            total = total.saturating_add(candidate.bytes);
            chosen.push(candidate);
        }
        if page.is_empty() {
            return Ok(chosen);
        }
    }
}

fn candidate(row: &SqliteRow) -> Result<Candidate, Trouble> {
    Ok(Candidate {
        sequence: Sequence(rows::number(row, "sequence")?),
        document: rows::identity(row, "document")?,
        bytes: usize::try_from(rows::number(row, "bytes")?).map_err(|_| Trouble::Damaged("bytes"))?,
    })
}

/// What stepped aside before it was published is never read again.
async fn forget_revisions(
    connection: &mut SqliteConnection,
    revisions: Vec<(DocumentId, Revision)>,
) -> Result<(), Trouble> {
    sqlx::query(
        "WITH given_up AS MATERIALIZED (
             SELECT revision.rowid FROM json_each(?) AS item
             CROSS JOIN revision
                     ON revision.document = unhex(item.value ->> 0) AND revision.revision = item.value ->> 1)
         DELETE FROM revision WHERE rowid IN given_up",
    )
    .bind(json_revisions(revisions))
    .execute(connection)
    .await?;
    Ok(())
}

async fn load(connection: &mut SqliteConnection, newest: &str) -> Result<Vec<Work>, Trouble> {
    let rows = sqlx::query(
        "SELECT journal.sequence, journal.document, journal.revision, journal.kind, document.collection, document.key,
                document.source, revision.media_type, revision.attributes, coalesce(revision.content, CAST(revision.text AS BLOB)) AS content
         FROM (SELECT value ->> 1 AS sequence FROM json_each(?)) AS chosen
         CROSS JOIN journal ON journal.sequence = chosen.sequence
         CROSS JOIN document ON document.id = journal.document
         LEFT JOIN revision ON revision.document = journal.document AND revision.revision = journal.revision",
    )
    .bind(newest)
    .fetch_all(connection)
    .await?;
    rows.iter().map(work).collect()
}

fn work(row: &SqliteRow) -> Result<Work, Trouble> {
    let task = match row.try_get("kind")? {
        "delete" => Task::Delete,
        _ => Task::Put {
            media_type: rows::parsed(row, "media_type")?,
            content: row.try_get("content")?,
            attributes: serde_json::from_str(row.try_get("attributes")?).map_err(|_| Trouble::Damaged("attributes"))?,
        },
    };
    Ok(Work {
        sequence: Sequence(rows::number(row, "sequence")?),
        document: rows::identity(row, "document")?,
        collection: rows::parsed(row, "collection")?,
        key: rows::parsed(row, "key")?,
        source: rows::parsed(row, "source")?,
        revision: Revision(rows::number(row, "revision")?),
        task,
    })
}
