//! When does a skipped document get another chance?
//!
//! Invariants:
//! - A skipped document goes back to pending in place: same revision, same entry, the content that was kept.
//! - Nothing stays dropped for the sake of an original that is deleted, failed, dropped, or of another text.

use sqlx::{Row, SqliteConnection};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};

use crate::rows::{self, json_list, json_revisions};
use crate::signatures::{show, take, unblob};
use crate::trouble::Trouble;

/// Skipped documents of a collection, one or all.
pub(crate) async fn skipped_of(
    connection: &mut SqliteConnection,
    collection: &CollectionName,
    key: Option<&DocumentKey>,
) -> Result<u64, Trouble> {
    let documents = sqlx::query(
        "SELECT id FROM document WHERE deleted = 0 AND state = 'skipped' AND collection = ?1 AND (?2 IS NULL OR key = ?2)
             AND EXISTS (SELECT 1 FROM revision
                         WHERE revision.document = document.id AND revision.revision = document.accepted_revision
                           AND coalesce(revision.content, revision.text) IS NOT NULL)",
    )
    .bind(collection.as_str())
    .bind(key.map(DocumentKey::as_str))
    .fetch_all(&mut *connection)
    .await?;
    let documents = documents.iter().map(|row| rows::identity(row, "id")).collect::<Result<Vec<DocumentId>, _>>()?;
    reopen(connection, &documents).await?;
    Ok(documents.len() as u64)
}

/// After `original` is none any more: its dropped copies are pending again, and its first marked copy takes its place.
pub(crate) async fn copies_of(connection: &mut SqliteConnection, original: DocumentId) -> Result<(), Trouble> {
    let dropped = sqlx::query("SELECT document FROM signature WHERE original = ? AND dropped = 1")
        .bind(original.as_bytes().as_slice())
        .fetch_all(&mut *connection)
        .await?;
    let dropped = dropped.iter().map(|row| rows::identity(row, "document")).collect::<Result<Vec<_>, _>>()?;
    reopen(connection, &dropped).await?;

    let heir = sqlx::query(
        "SELECT document, bands, blocks FROM signature WHERE original = ? AND dropped = 0 ORDER BY number LIMIT 1",
    )
    .bind(original.as_bytes().as_slice())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(heir) = heir else { return Ok(()) };
    let (bands, blocks) = (unblob(heir.try_get("bands")?)?, unblob(heir.try_get("blocks")?)?);
    let heir: DocumentId = rows::identity(&heir, "document")?;
    sqlx::query("UPDATE signature SET original = nullif(?1, document) WHERE original = ?2 AND dropped = 0")
        .bind(heir.as_bytes().as_slice())
        .bind(original.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    show(connection, heir, &bands, &blocks).await
}

/// Of documents that were just skipped, those whose original went while they were on their way.
pub(crate) async fn orphans_among(connection: &mut SqliteConnection, skipped: &[DocumentId]) -> Result<(), Trouble> {
    let orphans = sqlx::query(
        "SELECT copy.document FROM json_each(?) AS item
         CROSS JOIN signature AS copy ON copy.document = unhex(item.value)
         WHERE copy.original IS NOT NULL AND copy.dropped = 1 AND NOT EXISTS (
             SELECT 1 FROM signature CROSS JOIN document ON document.id = signature.document
             WHERE signature.document = copy.original AND signature.original IS NULL AND signature.dropped = 0
               AND document.deleted = 0)",
    )
    .bind(json_list(skipped.iter().copied()))
    .fetch_all(&mut *connection)
    .await?;
    let orphans = orphans.iter().map(|row| rows::identity(row, "document")).collect::<Result<Vec<_>, _>>()?;
    reopen(connection, &orphans).await
}

/// Forgets what was screened of these revisions, and of older ones unless `only_these`.
pub(crate) async fn forget(
    connection: &mut SqliteConnection,
    gone: impl IntoIterator<Item = (DocumentId, Revision)>,
    only_these: bool,
) -> Result<(), Trouble> {
    let signed = sqlx::query(
        "SELECT signature.document FROM json_each(?1) AS item
         CROSS JOIN signature ON signature.document = unhex(item.value ->> 0)
         WHERE signature.revision = item.value ->> 1 OR (NOT ?2 AND signature.revision < item.value ->> 1)",
    )
    .bind(json_revisions(gone))
    .bind(only_these)
    .fetch_all(&mut *connection)
    .await?;
    for row in &signed {
        let document = rows::identity(row, "document")?;
        take(connection, document).await?;
        copies_of(connection, document).await?;
    }
    Ok(())
}

/// Puts skipped documents among these back to pending.
async fn reopen(connection: &mut SqliteConnection, documents: &[DocumentId]) -> Result<(), Trouble> {
    if documents.is_empty() {
        return Ok(());
    }
    let list = json_list(documents.iter().copied());
    sqlx::query(
        "UPDATE journal SET state = 'pending', reason = NULL
         FROM json_each(?) AS item CROSS JOIN document ON document.id = unhex(item.value)
         WHERE journal.sequence = document.accepted_sequence AND journal.state = 'skipped'",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE document SET state = 'pending'
         WHERE id IN (SELECT unhex(value) FROM json_each(?)) AND state = 'skipped'",
    )
    .bind(&list)
    .execute(connection)
    .await?;
    Ok(())
}
