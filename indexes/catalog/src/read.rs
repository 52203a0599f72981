//! What may a reader see?
//!
//! Invariants:
//! - Every call is one transaction: a reader never sees half a publication (I-2).
//! - Only the published revision of a document that is not deleted comes out, whatever an index says (I-2).

use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::Row;
use wellspring_core::catalog::{
    CatalogError, CatalogReader, CatalogStatus, ChunkPlace, DocumentFilter, DocumentInfo, DocumentPage, EntryState,
    Neighbours, RevisionText, Sequence,
};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::filter::Filter;
use wellspring_core::hit::Passage;

use crate::open::SqliteCatalog;
use crate::publisher::{CATALOG, checkpoint};
use crate::rows::{self, integer};
use crate::trouble::Trouble;

#[async_trait]
impl CatalogReader for SqliteCatalog {
    async fn collection_exists(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        self.has_collection(collection).await.map_err(|trouble| trouble.while_trying("could not look up a collection"))
    }

    async fn hydrate(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<Vec<Passage>, CatalogError> {
        self.passages(collection, chunks, filter)
            .await
            .map_err(|trouble| trouble.while_trying("could not read passages"))
    }

    async fn hidden(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<HashSet<ChunkId>, CatalogError> {
        self.chunks_hidden(collection, chunks, filter)
            .await
            .map_err(|trouble| trouble.while_trying("could not read access labels"))
    }

    async fn chunks_admitted(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        limit: usize,
    ) -> Result<Option<Vec<ChunkId>>, CatalogError> {
        self.chunks_of_admitted(collection, filter, limit)
            .await
            .map_err(|trouble| trouble.while_trying("could not look for the documents of a filter"))
    }

    async fn neighbours(&self, chunk: ChunkId, count: usize) -> Result<Neighbours, CatalogError> {
        self.neighbours_of(chunk, count)
            .await
            .map_err(|trouble| trouble.while_trying("could not read the neighbours of a passage"))
    }

    async fn document(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
    ) -> Result<Option<DocumentInfo>, CatalogError> {
        self.find_document(collection, key).await.map_err(|trouble| trouble.while_trying("could not read a document"))
    }

    async fn revision_text(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
        revision: Option<Revision>,
    ) -> Result<Option<RevisionText>, CatalogError> {
        self.text_of(collection, key, revision)
            .await
            .map_err(|trouble| trouble.while_trying("could not read a revision's text"))
    }

    async fn chunk_places(&self, document: DocumentId) -> Result<Vec<ChunkPlace>, CatalogError> {
        self.places(document).await.map_err(|trouble| trouble.while_trying("could not read a document's chunks"))
    }

    async fn documents(
        &self,
        collection: &CollectionName,
        filter: &DocumentFilter,
        after: Option<&DocumentKey>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError> {
        self.list_documents(collection, filter, after, limit)
            .await
            .map_err(|trouble| trouble.while_trying("could not list documents"))
    }

    async fn entry_state(&self, sequence: Sequence) -> Result<Option<EntryState>, CatalogError> {
        self.state_of(sequence).await.map_err(|trouble| trouble.while_trying("could not read a journal entry"))
    }

    async fn status(&self) -> Result<CatalogStatus, CatalogError> {
        self.count().await.map_err(|trouble| trouble.while_trying("could not count the catalog"))
    }
}

impl SqliteCatalog {
    async fn has_collection(&self, collection: &CollectionName) -> Result<bool, Trouble> {
        let mut read = self.begin_read().await?;
        let row = sqlx::query("SELECT 1 FROM collection WHERE name = ?")
            .bind(collection.as_str())
            .fetch_optional(&mut *read)
            .await?;
        Ok(row.is_some())
    }

    async fn text_of(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
        revision: Option<Revision>,
    ) -> Result<Option<RevisionText>, Trouble> {
        let mut read = self.begin_read().await?;
        let row = sqlx::query(
            "SELECT revision.revision, revision.text, revision.title, revision.attributes FROM document
             CROSS JOIN revision ON revision.document = document.id
                                AND revision.revision = coalesce(?2, document.published_revision)
             WHERE document.id = ?1 AND document.deleted = 0 AND revision.revision > document.erased_through",
        )
        .bind(DocumentId::of(collection, key).as_bytes().as_slice())
        .bind(revision.map(|revision| integer(revision.0)))
        .fetch_optional(&mut *read)
        .await?;
        row.map(|row| {
            Ok(RevisionText {
                revision: Revision(rows::number(&row, "revision")?),
                text: row.try_get("text")?,
                title: row.try_get("title")?,
                attributes: serde_json::from_str(row.try_get("attributes")?)
                    .map_err(|_| Trouble::Damaged("attributes"))?,
            })
        })
        .transpose()
    }

    async fn places(&self, document: DocumentId) -> Result<Vec<ChunkPlace>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT chunk.id, chunk.start, chunk.\"end\", chunk.byte_start, chunk.byte_end
             FROM document CROSS JOIN chunk
                  ON chunk.document = document.id AND chunk.revision = document.published_revision
             WHERE document.id = ? AND document.deleted = 0 ORDER BY chunk.ordinal",
        )
        .bind(document.as_bytes().as_slice())
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(|row| Ok(ChunkPlace { id: rows::identity(row, "id")?, span: rows::span(row)? })).collect()
    }

    async fn state_of(&self, sequence: Sequence) -> Result<Option<EntryState>, Trouble> {
        let mut read = self.begin_read().await?;
        // Whoever took an entry's place came later, so the chain ends.
        let row = sqlx::query(
            "WITH RECURSIVE chain (sequence) AS (
                 VALUES (?)
                 UNION ALL
                 SELECT journal.superseded_by FROM chain CROSS JOIN journal ON journal.sequence = chain.sequence
                 WHERE journal.superseded_by > chain.sequence)
             SELECT state, stage, reason, attempt, next_retry_at FROM journal WHERE sequence = (SELECT max(sequence) FROM chain)",
        )
        .bind(integer(sequence.0))
        .fetch_optional(&mut *read)
        .await?;
        row.as_ref().map(rows::entry_state).transpose()
    }

    async fn count(&self) -> Result<CatalogStatus, Trouble> {
        let mut status = CatalogStatus { bytes: self.bytes_on_disk().await, ..CatalogStatus::default() };
        let mut read = self.begin_read().await?;
        let documents = sqlx::query(
            "SELECT state, count(*) AS documents, count(published_revision) AS searchable, sum(chunks) AS chunks
             FROM document INDEXED BY document_count WHERE deleted = 0 GROUP BY state",
        )
        .fetch_all(&mut *read)
        .await?;
        for row in &documents {
            let documents = rows::number(row, "documents")?;
            status.documents += documents;
            status.searchable += rows::number(row, "searchable")?;
            status.chunks += rows::number(row, "chunks")?;
            match row.try_get("state")? {
                "failed" => status.failed = documents,
                "quarantined" => status.quarantined = documents,
                "skipped" => status.skipped = documents,
                _ => {}
            }
        }
        let totals = sqlx::query(
            "SELECT (SELECT count(*) FROM journal WHERE state = 'pending') AS pending,
                    (SELECT count(*) FROM embedding) AS vectors,
                    (SELECT coalesce(max(sequence), 0) FROM journal) AS sequence,
                    chunks_embedded, tokens_embedded, chunks_kept FROM ledger",
        )
        .fetch_one(&mut *read)
        .await?;
        status.pending = rows::number(&totals, "pending")?;
        status.vectors = rows::number(&totals, "vectors")?;
        status.sequence = rows::number(&totals, "sequence")?;
        status.chunks_embedded = rows::number(&totals, "chunks_embedded")?;
        status.tokens_embedded = rows::number(&totals, "tokens_embedded")?;
        status.chunks_kept = rows::number(&totals, "chunks_kept")?;
        status.publication = checkpoint(&mut read, CATALOG).await?.0;
        Ok(status)
    }
}
