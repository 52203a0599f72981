//! What may be forgotten after a publication?
//!
//! Invariants:
//! - Of a deleted text nothing remains: no revision, no chunk, no signature, no vector that nothing else needs.
//! - A removed chunk is remembered until a view that fell behind has had its chance, up to a bound; beyond it the
//!   catalog knows that a replay would be incomplete and says so.
//! - Vectors that an edit freed are kept as spare ones, up to a bound, oldest out first (I-9).

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use wellspring_core::chunk::{ChunkId, EmbeddingKey};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::limits;
use wellspring_core::view::Publication;

use crate::publisher::REPLAYABLE;
use crate::readmit;
use crate::rows::{self, integer, json_array, json_list, json_revisions};
use crate::trouble::Trouble;

/// A document of which nothing remains up to a revision.
pub(crate) struct Erasure {
    pub(crate) document: DocumentId,
    pub(crate) through: Revision,
}

/// A vector that a document's dropped chunks needed.
pub(crate) struct Freed {
    document: DocumentId,
    key: EmbeddingKey,
}

impl Freed {
    /// Reads the columns `document` and `key`.
    pub(crate) fn of(row: &SqliteRow) -> Result<Self, Trouble> {
        Ok(Self { document: rows::identity(row, "document")?, key: rows::identity(row, "key")? })
    }
}

/// Takes away the chunks of revisions before the given ones, remembers what left the views, and erases.
pub(crate) async fn release(
    connection: &mut SqliteConnection,
    publication: Publication,
    dropping: Vec<(DocumentId, Revision)>,
    removed: Vec<ChunkId>,
    erasing: &[Erasure],
) -> Result<(), Trouble> {
    if !dropping.is_empty() {
        let (dropped, freed) = drop_chunks(connection, &json_revisions(dropping)).await?;
        remember_removed(connection, publication, removed.into_iter().chain(dropped)).await?;
        free_vectors(connection, publication, &freed).await?;
    }
    if !erasing.is_empty() {
        erase(connection, erasing).await?;
        readmit::forget(connection, erasing.iter().map(|erasure| (erasure.document, erasure.through)), false).await?;
    }
    trim_spare_vectors(connection).await
}

/// Takes away chunk rows of older revisions, and strays: attempts before this publication are history. Returns the
/// chunks, and the vectors that they needed.
async fn drop_chunks(connection: &mut SqliteConnection, dropping: &str) -> Result<(Vec<ChunkId>, Vec<Freed>), Trouble> {
    let freed = sqlx::query(
        "SELECT DISTINCT chunk.document, part.key FROM json_each(?) AS item
         CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision < item.value ->> 1
         CROSS JOIN part ON part.chunk = chunk.number",
    )
    .bind(dropping)
    .fetch_all(&mut *connection)
    .await?;
    let mut rows = sqlx::query(
        "WITH older AS MATERIALIZED (
             SELECT chunk.number FROM json_each(?) AS item
             CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision < item.value ->> 1)
         DELETE FROM chunk WHERE number IN older RETURNING id",
    )
    .bind(dropping)
    .fetch_all(&mut *connection)
    .await?;
    let strays = sqlx::query(
        "DELETE FROM stray_chunk WHERE document IN (SELECT unhex(value ->> 0) FROM json_each(?))
         RETURNING id",
    )
    .bind(dropping)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query("UPDATE document SET attempts = 0 WHERE id IN (SELECT unhex(value ->> 0) FROM json_each(?))")
        .bind(dropping)
        .execute(connection)
        .await?;
    rows.extend(strays);
    let chunks = rows.iter().map(|row| rows::identity(row, "id")).collect::<Result<_, _>>()?;
    Ok((chunks, freed.iter().map(Freed::of).collect::<Result<_, _>>()?))
}

/// Remembers chunks that no revision holds any more, and forgets the oldest beyond the bound.
async fn remember_removed(
    connection: &mut SqliteConnection,
    publication: Publication,
    gone: impl Iterator<Item = ChunkId>,
) -> Result<(), Trouble> {
    sqlx::query(
        "INSERT OR REPLACE INTO removed_chunk (chunk, publication)
         SELECT DISTINCT gone.id, ?2 FROM (SELECT unhex(value) AS id FROM json_each(?1)) AS gone
         WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.id = gone.id)",
    )
    .bind(json_list(gone))
    .bind(integer(publication.0))
    .execute(&mut *connection)
    .await?;
    // Numbers rise without reuse, so the bound is a look-up, not a count.
    let forgotten = sqlx::query(
        "DELETE FROM removed_chunk WHERE number <= (SELECT max(number) FROM removed_chunk) - ?
         RETURNING publication",
    )
    .bind(integer(limits::REMOVED_CHUNKS_MAX))
    .fetch_all(&mut *connection)
    .await?;
    let mut newest = None;
    for row in &forgotten {
        newest = newest.max(Some(rows::number(row, "publication")?));
    }
    if let Some(newest) = newest {
        sqlx::query("UPDATE checkpoint SET publication = max(publication, ?) WHERE name = ?")
            .bind(integer(newest))
            .bind(REPLAYABLE)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Marks those vectors that no chunk needs any more as spare, each with the document that needed it last.
pub(crate) async fn free_vectors(
    connection: &mut SqliteConnection,
    publication: Publication,
    freed: &[Freed],
) -> Result<(), Trouble> {
    let list = json_array(freed, |json, freed| {
        json.push('[');
        rows::hexadecimal(json, &freed.key);
        json.push(',');
        rows::hexadecimal(json, &freed.document);
        json.push(']');
    });
    sqlx::query(
        "WITH freed (key, document) AS MATERIALIZED (
             SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1))
         UPDATE embedding SET spare_since = ?2, freed_by = freed.document
         FROM freed
         WHERE embedding.key = freed.key AND embedding.spare_since IS NULL
           AND NOT EXISTS (SELECT 1 FROM part WHERE part.key = freed.key)",
    )
    .bind(list)
    .bind(integer(publication.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes away what a deletion hid. Vectors that only the document needed are spare by now and carry its identity.
async fn erase(connection: &mut SqliteConnection, erasing: &[Erasure]) -> Result<(), Trouble> {
    let list = json_revisions(erasing.iter().map(|erasure| (erasure.document, erasure.through)));
    sqlx::query(
        "WITH erased AS MATERIALIZED (
             SELECT revision.rowid FROM json_each(?) AS item
             CROSS JOIN revision
                     ON revision.document = unhex(item.value ->> 0) AND revision.revision <= item.value ->> 1)
         DELETE FROM revision WHERE rowid IN erased",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    // Where the deletion's own work was overtaken by a write that then failed, the views still hold the chunks: their
    // identities stay known, their text goes.
    sqlx::query(
        "WITH hidden AS MATERIALIZED (
             SELECT chunk.number FROM json_each(?) AS item
             CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision <= item.value ->> 1)
         UPDATE chunk SET text = '', heading = '' WHERE number IN hidden",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM embedding WHERE freed_by IN (SELECT unhex(value ->> 0) FROM json_each(?))")
        .bind(&list)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps the text of the newest older revisions, against which citations are checked, and no older content.
/// `published` is a JSON array of `[document, revision]`.
pub(crate) async fn trim_revisions(connection: &mut SqliteConnection, published: &str) -> Result<(), Trouble> {
    sqlx::query(
        "WITH old AS MATERIALIZED (
             SELECT revision.rowid AS number,
                    row_number() OVER (PARTITION BY revision.document ORDER BY revision.revision DESC) AS age
             FROM json_each(?1) AS item
             CROSS JOIN revision
                     ON revision.document = unhex(item.value ->> 0) AND revision.revision < item.value ->> 1)
         DELETE FROM revision WHERE rowid IN (SELECT number FROM old WHERE age > ?2)",
    )
    .bind(published)
    .bind(integer(limits::REVISIONS_KEPT))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "WITH old AS MATERIALIZED (
             SELECT revision.rowid AS number FROM json_each(?1) AS item
             CROSS JOIN revision
                     ON revision.document = unhex(item.value ->> 0) AND revision.revision < item.value ->> 1)
         UPDATE revision SET content = NULL WHERE rowid IN (SELECT number FROM old) AND content IS NOT NULL",
    )
    .bind(published)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the bound on spare vectors. Counting walks an index of spare vectors only, which the bound keeps small.
async fn trim_spare_vectors(connection: &mut SqliteConnection) -> Result<(), Trouble> {
    let row = sqlx::query("SELECT count(*) AS spare FROM embedding WHERE spare_since IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    let excess = row.try_get::<i64, _>("spare")?.saturating_sub(integer(limits::SPARE_VECTORS_MAX));
    if excess > 0 {
        sqlx::query(
            "DELETE FROM embedding WHERE rowid IN (
                 SELECT rowid FROM embedding WHERE spare_since IS NOT NULL ORDER BY spare_since, rowid LIMIT ?)",
        )
        .bind(excess)
        .execute(connection)
        .await?;
    }
    Ok(())
}
