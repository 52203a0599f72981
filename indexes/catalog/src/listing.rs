//! Here is a name, or a filter: which documents are there, and how are they?

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use wellspring_core::catalog::{DocumentFilter, DocumentInfo, DocumentPage, Sequence};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::limits;

use crate::open::SqliteCatalog;
use crate::rows::{self, integer};
use crate::trouble::Trouble;

/// A document with its newest revision and that revision's entry.
const SELECT: &str = "
    SELECT document.id, document.collection, document.key, document.source, document.accepted_revision,
           document.accepted_sequence, document.published_revision, document.chunks, revision.title,
           revision.media_type, revision.bytes, revision.accepted_at, revision.attributes, revision.screening,
           journal.state, journal.stage, journal.reason, journal.attempt, journal.next_retry_at,
           journal.chunks AS entry_chunks, journal.chunks_embedded,
           journal.tokens_embedded, journal.chunks_kept, journal.chunks_removed
    FROM document
    CROSS JOIN revision ON revision.document = document.id AND revision.revision = document.accepted_revision
    CROSS JOIN journal ON journal.sequence = document.accepted_sequence
    WHERE document.deleted = 0 AND ";

impl SqliteCatalog {
    pub(crate) async fn find_document(
        &self,
        collection: &CollectionName,
        key: &DocumentKey,
    ) -> Result<Option<DocumentInfo>, Trouble> {
        let mut read = self.begin_read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("document.id = ").push_bind(DocumentId::of(collection, key).as_bytes().to_vec());
        let row = query.build().fetch_optional(&mut *read).await?;
        row.as_ref().map(document).transpose()
    }

    pub(crate) async fn list_documents(
        &self,
        collection: &CollectionName,
        filter: &DocumentFilter,
        after: Option<&DocumentKey>,
        limit: usize,
    ) -> Result<DocumentPage, Trouble> {
        let limit = limit.clamp(1, limits::PAGE_DOCUMENTS_MAX);
        let mut read = self.begin_read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push("document.collection = ").push_bind(collection.as_str());
        if let Some(source) = &filter.source {
            query.push(" AND document.source = ").push_bind(source.as_str());
        }
        if let Some(state) = &filter.state {
            query.push(" AND document.state = ").push_bind(state.as_str());
        }
        if let Some(after) = after {
            query.push(" AND document.key > ").push_bind(after.as_str());
        }
        // One more than asked tells whether there is a next page.
        query.push(" ORDER BY document.key LIMIT ").push_bind(integer(limit as u64 + 1));
        let rows = query.build().fetch_all(&mut *read).await?;
        let documents: Vec<_> = rows.iter().take(limit).map(document).collect::<Result<_, _>>()?;
        let next = if rows.len() > limit { documents.last().map(|document| document.key.clone()) } else { None };
        Ok(DocumentPage { documents, next })
    }
}

fn document(row: &SqliteRow) -> Result<DocumentInfo, Trouble> {
    let screening: Option<&str> = row.try_get("screening")?;
    Ok(DocumentInfo {
        key: rows::parsed(row, "key")?,
        id: rows::identity(row, "id")?,
        collection: rows::parsed(row, "collection")?,
        source: rows::parsed(row, "source")?,
        revision: Revision(rows::number(row, "accepted_revision")?),
        published_revision: rows::revision_if_any(row, "published_revision")?,
        sequence: Sequence(rows::number(row, "accepted_sequence")?),
        state: rows::entry_state(row)?,
        title: row.try_get("title")?,
        media_type: rows::parsed(row, "media_type")?,
        bytes: rows::number(row, "bytes")?,
        accepted_at: rows::timestamp(row, "accepted_at")?,
        chunks: rows::number(row, "chunks")?,
        cost: rows::cost(row)?,
        attributes: serde_json::from_str(row.try_get("attributes")?).map_err(|_| Trouble::Damaged("attributes"))?,
        screening: screening
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| Trouble::Damaged("screening"))?
            .unwrap_or_default(),
    })
}
