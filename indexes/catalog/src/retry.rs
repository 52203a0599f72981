//! Which failed entries are tried again, and what is kept for that?
//!
//! Invariants:
//! - Only a document's newest entry is tried again, and only while its content is kept.
//! - The content that failed documents keep is bounded together: the documents that failed longest ago lose theirs.

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::{Retried, Sequence};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::limits;

use crate::open::SqliteCatalog;
use crate::rows::{self, integer};
use crate::trouble::Trouble;

/// Makes entries pending whose time has come; whether there were any.
pub(crate) async fn revive_due(connection: &mut SqliteConnection, now: Timestamp) -> Result<bool, Trouble> {
    let due = sqlx::query(
        "UPDATE journal SET next_retry_at = NULL, state = iif(
             EXISTS (SELECT 1 FROM document
                     CROSS JOIN revision ON revision.document = document.id AND revision.revision = journal.revision
                     WHERE document.id = journal.document AND document.accepted_sequence = journal.sequence
                       AND document.deleted = 0 AND coalesce(revision.content, revision.text) IS NOT NULL),
             'pending', state)
         WHERE next_retry_at <= ? RETURNING sequence",
    )
    .bind(now.as_millisecond())
    .fetch_all(&mut *connection)
    .await?;
    for row in &due {
        follow(connection, row.try_get("sequence")?).await?;
    }
    Ok(!due.is_empty())
}

/// Repeats an entry's state at its document, if it is the newest one there.
async fn follow(connection: &mut SqliteConnection, sequence: i64) -> Result<(), Trouble> {
    sqlx::query(
        "UPDATE document SET state = journal.state FROM journal
         WHERE journal.sequence = ? AND document.accepted_sequence = journal.sequence",
    )
    .bind(sequence)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the bound on what failed documents keep. What failed before the newest revision is never read
/// again; what is still pending before one that could not be taken in is.
pub(crate) async fn trim_failed(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    sqlx::query(
        "WITH failed AS MATERIALIZED (
             SELECT revision.rowid AS number, revision.revision = document.accepted_revision AS newest,
                    sum(revision.bytes) OVER (ORDER BY document.accepted_sequence DESC, revision.revision DESC) AS total
             FROM document
             CROSS JOIN revision ON revision.document = document.id
                    AND revision.revision > coalesce(document.published_revision, 0)
             WHERE document.deleted = 0 AND document.state IN ('failed', 'quarantined', 'skipped')
               AND revision.content IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.document = document.id
                               AND journal.state = 'pending' AND journal.revision = revision.revision))
         UPDATE revision SET content = NULL
         WHERE rowid IN (SELECT number FROM failed WHERE newest = 0 OR total > ?)",
    )
    .bind(integer(limits::FAILED_CONTENT_BYTES_MAX))
    .execute(connection)
    .await?;
    Ok(())
}

impl SqliteCatalog {
    pub(crate) async fn retry_document(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
    ) -> Result<Retried, Trouble> {
        let mut transaction = self.begin_write().await?;
        let row = sqlx::query(
            "SELECT document.accepted_sequence, document.accepted_revision, document.state,
                    coalesce(revision.content, revision.text) IS NOT NULL AS kept
             FROM document LEFT JOIN revision
                  ON revision.document = document.id AND revision.revision = document.accepted_revision
             WHERE document.id = ? AND document.deleted = 0",
        )
        .bind(DocumentId::of(collection, key).as_bytes().as_slice())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(Retried::Absent) };
        if !matches!(row.try_get("state")?, "failed" | "quarantined" | "skipped") {
            return Ok(Retried::NotFailed);
        }
        if !row.try_get::<bool, _>("kept")? {
            return Ok(Retried::ContentGone);
        }
        let sequence = Sequence(rows::number(&row, "accepted_sequence")?);
        sqlx::query(
            "UPDATE journal SET state = 'pending', stage = NULL, reason = NULL, attempt = 0, next_retry_at = NULL
             WHERE sequence = ?",
        )
        .bind(integer(sequence.0))
        .execute(&mut *transaction)
        .await?;
        follow(&mut transaction, integer(sequence.0)).await?;
        transaction.commit().await?;
        Ok(Retried::Again { revision: Revision(rows::number(&row, "accepted_revision")?), sequence })
    }
}
