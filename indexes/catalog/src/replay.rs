//! A view fell behind: what brings it forward?
//!
//! Invariants:
//! - Together the pages hold every published chunk that a later publication put into the views, and every chunk that one
//!   took away and that is not published now. Nothing is skipped silently: a chunk without a vector is an error.
//! - A chunk that moves while pages are read only moves towards the end, so it is met again rather than missed.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::{ReplayChunk, ReplayCursor, ReplayPage};
use wellspring_core::chunk::ChunkId;
use wellspring_core::embedding::{Embedding, SpaceId};
use wellspring_core::view::Publication;

use crate::open::SqliteCatalog;
use crate::publisher::{REPLAYABLE, checkpoint};
use crate::rows::{self, integer, json_array};
use crate::trouble::Trouble;

/// Set in a cursor among the removals; without it, a cursor is the number of the last chunk that was inserted.
const AMONG_REMOVALS: u64 = 1 << 63;

impl SqliteCatalog {
    pub(crate) async fn replay_page(
        &self,
        space: SpaceId,
        after: Publication,
        cursor: Option<ReplayCursor>,
        limit: usize,
    ) -> Result<Option<ReplayPage>, Trouble> {
        let limit = limit.max(1);
        let mut read = self.begin_read().await?;
        if after > Publication(0) && after < checkpoint(&mut read, REPLAYABLE).await? {
            return Ok(None);
        }
        let place = cursor.map_or(0, |cursor| cursor.0);
        let mut page = ReplayPage { upserts: Vec::new(), removals: Vec::new(), next: None };
        if place & AMONG_REMOVALS == 0 {
            let rows = upserts(&mut read, after, place, limit).await?;
            if let Some(last) = rows.last() {
                page.next = Some(ReplayCursor(rows::number(last, "number")?));
            }
            let mut vectors = vectors(&mut read, space, &rows).await?;
            page.upserts = rows.iter().map(|row| replay_chunk(row, &mut vectors)).collect::<Result<_, _>>()?;
            if rows.len() == limit {
                return Ok(Some(page));
            }
        }
        // From here on there are removals only.
        let from = if place & AMONG_REMOVALS == 0 { 0 } else { place & !AMONG_REMOVALS };
        let wanted = limit - page.upserts.len();
        let removals = removals(&mut read, after, from, wanted).await?;
        page.next = match removals.last() {
            Some((number, _)) if removals.len() == wanted => Some(ReplayCursor(number | AMONG_REMOVALS)),
            _ => None,
        };
        page.removals = removals.into_iter().map(|(_, chunk)| chunk).collect();
        Ok(Some(page))
    }
}

/// Chunks in the order of publication, then number: the order of the index. The cursor's chunk tells the place; where
/// it is gone the replay starts over, since applying twice does no harm.
async fn upserts(
    connection: &mut SqliteConnection,
    after: Publication,
    cursor: u64,
    limit: usize,
) -> Result<Vec<SqliteRow>, Trouble> {
    let from = sqlx::query("SELECT publication FROM chunk WHERE number = ? AND publication IS NOT NULL")
        .bind(integer(cursor))
        .fetch_optional(&mut *connection)
        .await?;
    let (publication, number) = match from {
        Some(row) => (row.try_get::<i64, _>("publication")?, integer(cursor)),
        None => (integer(after.0), i64::MAX),
    };
    let rows = sqlx::query(
        "SELECT chunk.number, chunk.id, chunk.document, document.collection, revision.title, chunk.heading, chunk.text
         FROM chunk INDEXED BY chunk_by_publication
         CROSS JOIN document ON document.id = chunk.document AND document.published_revision = chunk.revision
                            AND document.deleted = 0
         CROSS JOIN revision ON revision.document = chunk.document AND revision.revision = chunk.revision
         WHERE chunk.publication IS NOT NULL AND (chunk.publication, chunk.number) > (?1, ?2)
         ORDER BY chunk.publication, chunk.number LIMIT ?3",
    )
    .bind(publication)
    .bind(number)
    .bind(integer(limit as u64))
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// What the vectors of chunk rows are made of, by the chunks' numbers, in the order of their parts.
async fn vectors(
    connection: &mut SqliteConnection,
    space: SpaceId,
    chunks: &[SqliteRow],
) -> Result<HashMap<u64, Vec<(f32, Option<Embedding>)>>, Trouble> {
    let numbers = chunks.iter().map(|row| rows::number(row, "number")).collect::<Result<Vec<u64>, _>>()?;
    let parts = sqlx::query(
        "SELECT part.chunk, part.weight, embedding.vector FROM json_each(?1) AS item
         CROSS JOIN part ON part.chunk = item.value
         LEFT JOIN embedding ON embedding.key = part.key AND embedding.space = ?2
         ORDER BY part.chunk, part.place",
    )
    .bind(json_array(&numbers, |json, number| json.push_str(&number.to_string())))
    .bind(space.as_bytes().as_slice())
    .fetch_all(connection)
    .await?;
    let mut vectors: HashMap<u64, Vec<(f32, Option<Embedding>)>> = HashMap::with_capacity(numbers.len());
    for part in &parts {
        let held = part.try_get::<Option<&[u8]>, _>("vector")?.is_some();
        let vector = if held { Some(rows::embedding(part, "vector")?) } else { None };
        vectors.entry(rows::number(part, "chunk")?).or_default().push((part.try_get("weight")?, vector));
    }
    Ok(vectors)
}

fn replay_chunk(
    row: &SqliteRow,
    vectors: &mut HashMap<u64, Vec<(f32, Option<Embedding>)>>,
) -> Result<ReplayChunk, Trouble> {
    let document = rows::identity(row, "document")?;
    let parts = vectors.remove(&rows::number(row, "number")?).unwrap_or_default();
    let parts: Option<Vec<(f32, &Embedding)>> =
        parts.iter().map(|(weight, vector)| vector.as_ref().map(|vector| (*weight, vector))).collect();
    let embedding = parts.and_then(|parts| Embedding::sum(parts).ok()).ok_or(Trouble::MissingVector(document))?;
    Ok(ReplayChunk {
        chunk: rows::identity(row, "id")?,
        document,
        collection: rows::parsed(row, "collection")?,
        title: row.try_get("title")?,
        heading: row.try_get("heading")?,
        text: row.try_get("text")?,
        embedding,
    })
}

async fn removals(
    connection: &mut SqliteConnection,
    after: Publication,
    cursor: u64,
    limit: usize,
) -> Result<Vec<(u64, ChunkId)>, Trouble> {
    let rows = sqlx::query(
        "SELECT number, chunk FROM removed_chunk
         WHERE number > ?1 AND publication > ?2
           AND NOT EXISTS (SELECT 1 FROM chunk CROSS JOIN document
                           ON document.id = chunk.document AND document.published_revision = chunk.revision
                           WHERE chunk.id = removed_chunk.chunk)
         ORDER BY number LIMIT ?3",
    )
    .bind(integer(cursor))
    .bind(integer(after.0))
    .bind(integer(limit as u64))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((rows::number(row, "number")?, rows::identity(row, "chunk")?))).collect()
}
