//! Here is a document, or an entry: what is left of it, and what did it do?
//!
//! Invariants:
//! - Every table that holds something of a document is counted, by the document's identity.

use async_trait::async_trait;
use wellspring_core::catalog::{CatalogError, Sequence};
use wellspring_core::document::DocumentId;
use wellspring_core::trace::{CatalogResidue, EventPage, Settlement, Traces};
use wellspring_core::view::ViewName;

use crate::open::SqliteCatalog;
use crate::publisher::checkpoint;
use crate::rows::{integer, number};
use crate::trouble::Trouble;

#[async_trait]
impl Traces for SqliteCatalog {
    async fn residue(&self, document: DocumentId) -> Result<CatalogResidue, CatalogError> {
        self.residue_of(document)
            .await
            .map_err(|trouble| trouble.while_trying("could not look for what is left of a document"))
    }

    async fn settlement(&self, sequence: Sequence) -> Result<Option<Settlement>, CatalogError> {
        self.settlement_of(sequence).await.map_err(|trouble| trouble.while_trying("could not read a journal entry"))
    }

    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        self.events_after(after, limit).await.map_err(|trouble| trouble.while_trying("could not read events"))
    }
}

impl SqliteCatalog {
    async fn residue_of(&self, document: DocumentId) -> Result<CatalogResidue, Trouble> {
        let mut read = self.begin_read().await?;
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM revision WHERE document = ?1) AS revisions,
                    (SELECT count(content) FROM revision WHERE document = ?1) AS contents,
                    (SELECT count(text) FROM revision WHERE document = ?1) AS texts,
                    (SELECT count(*) FROM chunk WHERE document = ?1)
                        + (SELECT count(*) FROM stray_chunk WHERE document = ?1) AS chunks,
                    (SELECT count(*) FROM embedding WHERE freed_by = ?1)
                        + (SELECT count(*) FROM embedding WHERE freed_by IS NOT ?1 AND key IN (
                               SELECT part.key FROM chunk CROSS JOIN part ON part.chunk = chunk.number
                               WHERE chunk.document = ?1)) AS vectors,
                    (SELECT count(*) FROM journal WHERE document = ?1 AND state = 'pending') AS pending",
        )
        .bind(document.as_bytes().as_slice())
        .fetch_one(&mut *read)
        .await?;
        Ok(CatalogResidue {
            revisions: number(&row, "revisions")?,
            contents: number(&row, "contents")?,
            texts: number(&row, "texts")?,
            chunks: number(&row, "chunks")?,
            vectors: number(&row, "vectors")?,
            pending: number(&row, "pending")?,
        })
    }

    async fn settlement_of(&self, sequence: Sequence) -> Result<Option<Settlement>, Trouble> {
        let mut read = self.begin_read().await?;
        // Whoever took an entry's place came later, so the chain ends.
        let row = sqlx::query(
            "WITH RECURSIVE chain (sequence) AS (
                 VALUES (?)
                 UNION ALL
                 SELECT journal.superseded_by FROM chain CROSS JOIN journal ON journal.sequence = chain.sequence
                 WHERE journal.superseded_by > chain.sequence)
             SELECT chunks_removed FROM journal
             WHERE sequence = (SELECT max(sequence) FROM chain) AND state != 'pending'",
        )
        .bind(integer(sequence.0))
        .fetch_optional(&mut *read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Settlement {
            chunks_removed: number(&row, "chunks_removed")?,
            vector: checkpoint(&mut read, ViewName::Vector.as_str()).await?,
            keyword: checkpoint(&mut read, ViewName::Keyword.as_str()).await?,
        }))
    }
}
