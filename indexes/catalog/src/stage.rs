//! How is a parsed revision kept before any view sees it?
//!
//! Invariants:
//! - Whatever a view may hold is known here first: chunks are on the disk when `stage` returns, and an attempt that is
//!   staged again does not make the catalog forget what the first one may have put into a view.
//! - A published revision is never staged over.
//! - A vector is kept once for a space and an input (I-9).

use std::collections::HashSet;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use wellspring_core::catalog::StagedRevision;
use wellspring_core::chunk::{Chunk, EmbeddingKey, Part};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::{Embedding, SpaceId};
use wellspring_core::place::PlaceMark;

use crate::open::SqliteCatalog;
use crate::publisher::{CATALOG, checkpoint};
use crate::release::{Freed, free_vectors};
use crate::rows::{integer, json_list, json_revisions};
use crate::trouble::Trouble;

/// Rows of one insert: 15 parameters each stay well below SQLite's bound, and a whole block reuses one statement.
const INSERT_ROWS_MAX: usize = 100;

impl SqliteCatalog {
    pub(crate) async fn stage_revisions(&self, space: SpaceId, revisions: Vec<StagedRevision>) -> Result<(), Trouble> {
        if revisions.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin_write().await?;
        refuse_published(&mut transaction, &revisions).await?;
        let given_up = clear_attempts(&mut transaction, &revisions).await?;

        let mut chunks = Vec::new();
        let mut embeddings = Vec::new();
        for revision in revisions {
            let StagedRevision { document, revision, text, title, screening, chunks: own, embeddings: new } = revision;
            // Plain data with string keys, which JSON can always hold.
            let screening = serde_json::to_string(&screening).expect("decisions are representable in JSON");
            save_text(&mut transaction, document, revision, text, title, screening).await?;
            chunks.extend(own.into_iter().map(|chunk| (document, revision, chunk)));
            embeddings.extend(new);
        }
        save_chunks(&mut transaction, &chunks).await?;
        drop_strays_that_returned(&mut transaction, &chunks).await?;
        let parts = chunks.iter().flat_map(|(.., chunk)| &chunk.parts);
        let needed: HashSet<EmbeddingKey> = parts.map(|part| part.key).collect();
        save_embeddings(&mut transaction, space, embeddings, &needed).await?;
        keep_embeddings(&mut transaction, &needed).await?;
        let publication = checkpoint(&mut transaction, CATALOG).await?;
        free_vectors(&mut transaction, publication, &given_up).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Publishing is the only way to change what readers see (I-2).
async fn refuse_published(connection: &mut SqliteConnection, revisions: &[StagedRevision]) -> Result<(), Trouble> {
    let published = sqlx::query(
        "SELECT 1 FROM json_each(?) AS item
         CROSS JOIN document ON document.id = unhex(item.value ->> 0)
         WHERE document.published_revision >= item.value ->> 1 LIMIT 1",
    )
    .bind(json_revisions(revisions.iter().map(|staged| (staged.document, staged.revision))))
    .fetch_optional(connection)
    .await?;
    match published {
        Some(_) => Err(Trouble::Refused("a revision that is staged is already published, or older".to_owned())),
        None => Ok(()),
    }
}

/// Takes earlier attempts at the same revisions away, remembers their chunks as strays, and counts the new attempts.
/// Returns whose vectors may be needed no more.
async fn clear_attempts(
    connection: &mut SqliteConnection,
    revisions: &[StagedRevision],
) -> Result<Vec<Freed>, Trouble> {
    let list = json_revisions(revisions.iter().map(|staged| (staged.document, staged.revision)));
    sqlx::query(
        "INSERT OR REPLACE INTO stray_chunk (document, id, embedding_key)
         SELECT chunk.document, chunk.id, chunk.embedding_key FROM json_each(?) AS item
         CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision = item.value ->> 1",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    let given_up = sqlx::query(
        "SELECT DISTINCT chunk.document, part.key FROM json_each(?) AS item
         CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision = item.value ->> 1
         CROSS JOIN part ON part.chunk = chunk.number",
    )
    .bind(&list)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "WITH attempt AS MATERIALIZED (
             SELECT chunk.number FROM json_each(?) AS item
             CROSS JOIN chunk ON chunk.document = unhex(item.value ->> 0) AND chunk.revision = item.value ->> 1)
         DELETE FROM chunk WHERE number IN attempt",
    )
    .bind(&list)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "UPDATE document SET attempts = attempts + 1
         WHERE id IN (SELECT unhex(value ->> 0) FROM json_each(?))",
    )
    .bind(&list)
    .execute(connection)
    .await?;
    given_up.iter().map(Freed::of).collect()
}

async fn save_text(
    connection: &mut SqliteConnection,
    document: DocumentId,
    revision: Revision,
    text: String,
    title: Option<String>,
    screening: String,
) -> Result<(), Trouble> {
    // Content that the text repeats byte by byte is kept once.
    sqlx::query(
        "UPDATE revision SET text = ?1, title = ?2, content = iif(content = CAST(?1 AS BLOB), NULL, content),
                             screening = ?5
         WHERE document = ?3 AND revision = ?4",
    )
    .bind(text)
    .bind(title)
    .bind(document.as_bytes().as_slice())
    .bind(integer(revision.0))
    .bind(screening)
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_chunks(
    connection: &mut SqliteConnection,
    chunks: &[(DocumentId, Revision, Chunk)],
) -> Result<(), Trouble> {
    // Numbers are given here, since an insert says in no certain order which it gave.
    let row = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'chunk'").fetch_optional(&mut *connection);
    let last: i64 = row.await?.map_or(Ok(0), |row| row.try_get("seq"))?;
    let numbered: Vec<(i64, &(DocumentId, Revision, Chunk))> = (last + 1..).zip(chunks).collect();
    for chunks in numbered.chunks(INSERT_ROWS_MAX) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO chunk (number, document, revision, ordinal, id, start, \"end\", byte_start, byte_end, tokens,
                                embedding_key, heading, text, places) ",
        );
        insert.push_values(chunks, |mut row, (number, (document, revision, chunk))| {
            row.push_bind(*number)
                .push_bind(document.as_bytes().as_slice())
                .push_bind(integer(revision.0))
                .push_bind(i64::from(chunk.ordinal))
                .push_bind(chunk.id.as_bytes().as_slice())
                .push_bind(integer(chunk.span.start as u64))
                .push_bind(integer(chunk.span.end as u64))
                .push_bind(integer(chunk.span.byte_start as u64))
                .push_bind(integer(chunk.span.byte_end as u64))
                .push_bind(i64::from(chunk.tokens))
                .push_bind(chunk.embedding_key.as_bytes().as_slice())
                .push_bind(chunk.heading.as_str())
                .push_bind(chunk.text.as_str())
                .push_bind(places(&chunk.places));
        });
        insert.build().execute(&mut *connection).await?;
    }
    let parts: Vec<(i64, i64, &Part)> = numbered
        .iter()
        .flat_map(|(number, (.., chunk))| (0..).zip(&chunk.parts).map(|(place, part)| (*number, place, part)))
        .collect();
    for parts in parts.chunks(INSERT_ROWS_MAX) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO part (chunk, place, key, weight) ");
        insert.push_values(parts, |mut row, (chunk, place, part)| {
            row.push_bind(*chunk).push_bind(*place).push_bind(part.key.as_bytes().as_slice()).push_bind(part.weight);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The marks as they are kept: nothing for none.
fn places(marks: &[PlaceMark]) -> Option<String> {
    // Plain data with string keys, which JSON can always hold.
    (!marks.is_empty()).then(|| serde_json::to_string(marks).expect("places are representable in JSON"))
}

async fn drop_strays_that_returned(
    connection: &mut SqliteConnection,
    chunks: &[(DocumentId, Revision, Chunk)],
) -> Result<(), Trouble> {
    if sqlx::query("SELECT 1 FROM stray_chunk LIMIT 1").fetch_optional(&mut *connection).await?.is_none() {
        return Ok(());
    }
    let documents: HashSet<DocumentId> = chunks.iter().map(|(document, ..)| *document).collect();
    sqlx::query(
        "DELETE FROM stray_chunk WHERE document IN (SELECT unhex(value) FROM json_each(?1))
           AND id IN (SELECT unhex(value) FROM json_each(?2))",
    )
    .bind(json_list(documents))
    .bind(json_list(chunks.iter().map(|(.., chunk)| chunk.id)))
    .execute(connection)
    .await?;
    Ok(())
}

async fn save_embeddings(
    connection: &mut SqliteConnection,
    space: SpaceId,
    embeddings: Vec<(EmbeddingKey, Embedding)>,
    needed: &HashSet<EmbeddingKey>,
) -> Result<(), Trouble> {
    if embeddings.is_empty() {
        return Ok(());
    }
    let publication = integer(checkpoint(connection, CATALOG).await?.0);
    for embeddings in embeddings.chunks(INSERT_ROWS_MAX) {
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO embedding (key, space, vector, spare_since) ");
        insert.push_values(embeddings, |mut row, (key, embedding)| {
            row.push_bind(key.as_bytes().as_slice())
                .push_bind(space.as_bytes().as_slice())
                .push_bind(embedding.to_bytes())
                .push_bind((!needed.contains(key)).then_some(publication));
        });
        insert.push(" ON CONFLICT (key, space) DO NOTHING");
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Spare vectors that are needed again are spare no more.
async fn keep_embeddings(connection: &mut SqliteConnection, needed: &HashSet<EmbeddingKey>) -> Result<(), Trouble> {
    sqlx::query(
        "UPDATE embedding SET spare_since = NULL, freed_by = NULL
         WHERE key IN (SELECT unhex(value) FROM json_each(?)) AND spare_since IS NOT NULL",
    )
    .bind(json_list(needed.iter().copied()))
    .execute(connection)
    .await?;
    Ok(())
}
