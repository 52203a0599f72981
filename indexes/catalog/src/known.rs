//! What may the views hold of a document, and which vectors need not be computed again?

use std::collections::HashMap;

use sqlx::Row;
use wellspring_core::catalog::KnownChunk;
use wellspring_core::chunk::{ChunkId, EmbeddingKey};
use wellspring_core::document::DocumentId;
use wellspring_core::embedding::{Embedding, SpaceId};

use crate::open::SqliteCatalog;
use crate::rows::{self, json_list};
use crate::trouble::Trouble;

impl SqliteCatalog {
    pub(crate) async fn chunks_known(&self, document: DocumentId) -> Result<Vec<KnownChunk>, Trouble> {
        let mut read = self.begin_read().await?;
        // The published row comes last, so that it wins over staged rows of the same chunk. An attempt that never was
        // published may have taken a published chunk out of the views, or replaced it: only where each attempt kept
        // the chunk as it was do the views still hold it.
        let rows = sqlx::query(
            "SELECT id, embedding_key, 0 AS published, 0 AS in_published FROM stray_chunk WHERE document = ?1
             UNION ALL
             SELECT chunk.id, chunk.embedding_key,
                    chunk.revision IS document.published_revision AND document.attempts =
                        (SELECT count(*) FROM chunk AS attempt
                         WHERE attempt.id = chunk.id AND attempt.revision > chunk.revision
                           AND attempt.embedding_key = chunk.embedding_key),
                    chunk.revision IS document.published_revision
             FROM document CROSS JOIN chunk ON chunk.document = document.id WHERE document.id = ?1
             ORDER BY in_published",
        )
        .bind(document.as_bytes().as_slice())
        .fetch_all(&mut *read)
        .await?;
        let mut known: HashMap<ChunkId, KnownChunk> = HashMap::with_capacity(rows.len());
        for row in &rows {
            let chunk = KnownChunk {
                id: rows::identity(row, "id")?,
                embedding_key: rows::identity(row, "embedding_key")?,
                published: row.try_get("published")?,
            };
            known.insert(chunk.id, chunk);
        }
        Ok(known.into_values().collect())
    }

    pub(crate) async fn vectors(
        &self,
        space: SpaceId,
        keys: &[EmbeddingKey],
    ) -> Result<Vec<(EmbeddingKey, Embedding)>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT key, vector FROM embedding
             WHERE key IN (SELECT unhex(value) FROM json_each(?)) AND space = ?",
        )
        .bind(json_list(keys.iter().copied()))
        .bind(space.as_bytes().as_slice())
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(|row| Ok((rows::identity(row, "key")?, rows::embedding(row, "vector")?))).collect()
    }
}
