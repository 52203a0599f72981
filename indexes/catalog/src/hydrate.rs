//! Here are chunks, or a filter: which passages may this caller read, and what stands around one?
//!
//! Invariants:
//! - I-2: only chunks of the published revision of a live document come out, of documents that the filter admits.
//! - Whether a document is admitted is decided by [`Filter::admits`] and nowhere else; the statements here only leave out
//!   early what it would refuse.

use std::collections::HashSet;

use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use wellspring_core::catalog::{Neighbour, Neighbours};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{Attributes, CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::filter::{Described, Filter};
use wellspring_core::hit::Passage;
use wellspring_core::source::SourceName;

use crate::open::SqliteCatalog;
use crate::rows::{self, integer, json_list};
use crate::trouble::Trouble;

impl SqliteCatalog {
    pub(crate) async fn passages(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<Vec<Passage>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT document.key, document.id AS document, chunk.revision, chunk.id, chunk.ordinal, chunk.start,
                    chunk.\"end\", chunk.byte_start, chunk.byte_end, chunk.text, chunk.heading, chunk.places, revision.title,
                    revision.attributes, revision.accepted_at, document.source,
                    (SELECT newest.attributes ->> 'acl' FROM revision AS newest WHERE newest.document = document.id
                        AND newest.revision = document.accepted_revision) AS newest_acl,
                    document.state IN ('failed', 'quarantined') AS outdated
             FROM json_each(?1) AS wanted
             CROSS JOIN chunk ON chunk.id = unhex(wanted.value)
             CROSS JOIN document ON document.id = chunk.document AND document.published_revision = chunk.revision
                                AND document.deleted = 0 AND document.collection = ?2
             CROSS JOIN revision ON revision.document = chunk.document AND revision.revision = chunk.revision
             ORDER BY wanted.key",
        )
        .bind(json_list(chunks.iter().copied()))
        .bind(collection.as_str())
        .fetch_all(&mut *read)
        .await?;
        let passages = rows.iter().filter_map(|row| passage(row, filter).transpose());
        passages.collect()
    }

    pub(crate) async fn chunks_hidden(
        &self,
        collection: &CollectionName,
        chunks: &[ChunkId],
        filter: &Filter,
    ) -> Result<HashSet<ChunkId>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT chunk.id, revision.attributes ->> 'acl' AS acl, newest.attributes ->> 'acl' AS newest_acl
             FROM json_each(?1) AS wanted
             CROSS JOIN chunk ON chunk.id = unhex(wanted.value)
             CROSS JOIN document ON document.id = chunk.document AND document.collection = ?2
             CROSS JOIN revision ON revision.document = chunk.document AND revision.revision = chunk.revision
             LEFT JOIN revision AS newest ON newest.document = document.id
                                         AND newest.revision = document.accepted_revision
             WHERE coalesce(revision.attributes ->> 'acl', '[]') <> '[]'
                OR coalesce(newest.attributes ->> 'acl', '[]') <> '[]'",
        )
        .bind(json_list(chunks.iter().copied()))
        .bind(collection.as_str())
        .fetch_all(&mut *read)
        .await?;
        let mut hidden = HashSet::new();
        for row in &rows {
            if !(filter.may_read(&labels(row, "acl")?) && filter.may_read(&labels(row, "newest_acl")?)) {
                hidden.insert(rows::identity(row, "id")?);
            }
        }
        Ok(hidden)
    }

    pub(crate) async fn chunks_of_admitted(
        &self,
        collection: &CollectionName,
        filter: &Filter,
        limit: usize,
    ) -> Result<Option<Vec<ChunkId>>, Trouble> {
        let mut read = self.begin_read().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT document.id AS document, document.key, document.source, document.chunks, revision.accepted_at,
                    revision.attributes,
                    (SELECT newest.attributes ->> 'acl' FROM revision AS newest WHERE newest.document = document.id
                        AND newest.revision = document.accepted_revision) AS newest_acl
             FROM document
             CROSS JOIN revision ON revision.document = document.id AND revision.revision = document.published_revision
             WHERE document.deleted = 0 AND document.collection = ",
        );
        query.push_bind(collection.as_str());
        if let [source] = filter.sources.as_slice() {
            query.push(" AND document.source = ").push_bind(source.as_str());
        }
        let mut admitted: Vec<DocumentId> = Vec::new();
        let mut chunks = 0;
        {
            let mut rows = query.build().fetch(&mut *read);
            while let Some(row) = rows.try_next().await? {
                let attributes = attributes(&row)?;
                if described(&row, &attributes, filter)? {
                    chunks += rows::number(&row, "chunks")?;
                    if chunks > limit as u64 {
                        return Ok(None);
                    }
                    admitted.push(rows::identity(&row, "document")?);
                }
            }
        }
        let rows = sqlx::query(
            "SELECT chunk.id FROM json_each(?1) AS wanted
             CROSS JOIN document ON document.id = unhex(wanted.value)
             CROSS JOIN chunk ON chunk.document = document.id AND chunk.revision = document.published_revision",
        )
        .bind(json_list(admitted))
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(|row| rows::identity(row, "id")).collect::<Result<Vec<_>, _>>().map(Some)
    }

    pub(crate) async fn neighbours_of(&self, chunk: ChunkId, count: usize) -> Result<Neighbours, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT beside.id, beside.start, beside.\"end\", beside.byte_start, beside.byte_end, beside.text,
                    beside.ordinal < chunk.ordinal AS before
             FROM chunk
             CROSS JOIN document ON document.id = chunk.document AND document.published_revision = chunk.revision
                                AND document.deleted = 0
             CROSS JOIN chunk AS beside ON beside.document = chunk.document AND beside.revision = chunk.revision
                                       AND beside.ordinal BETWEEN chunk.ordinal - ?2 AND chunk.ordinal + ?2
                                       AND beside.ordinal <> chunk.ordinal
             WHERE chunk.id = ?1 ORDER BY beside.ordinal",
        )
        .bind(chunk.as_bytes().as_slice())
        .bind(integer(count as u64))
        .fetch_all(&mut *read)
        .await?;
        let mut around = Neighbours::default();
        for row in &rows {
            let side = if row.try_get("before")? { &mut around.before } else { &mut around.behind };
            side.push(Neighbour {
                chunk: rows::identity(row, "id")?,
                span: rows::span(row)?,
                text: row.try_get("text")?,
            });
        }
        Ok(around)
    }
}

fn attributes(row: &SqliteRow) -> Result<Attributes, Trouble> {
    serde_json::from_str(row.try_get("attributes")?).map_err(|_| Trouble::Damaged("attributes"))
}

/// Whether the filter admits the document of a row.
fn described(row: &SqliteRow, attributes: &Attributes, filter: &Filter) -> Result<bool, Trouble> {
    let (key, source): (DocumentKey, SourceName) = (rows::parsed(row, "key")?, rows::parsed(row, "source")?);
    let accepted_at = rows::timestamp(row, "accepted_at")?;
    let newest_acl = labels(row, "newest_acl")?;
    Ok(filter.admits(Described { key: &key, source: &source, accepted_at, attributes, newest_acl: &newest_acl }))
}

/// The access labels in a column.
fn labels(row: &SqliteRow, column: &str) -> Result<Vec<String>, Trouble> {
    let acl: Option<&str> = row.try_get(column)?;
    Ok(acl.map(|acl| rows::parsed_json(acl, "attributes")).transpose()?.unwrap_or_default())
}

/// The passage of a row; `None` where the filter refuses it.
fn passage(row: &SqliteRow, filter: &Filter) -> Result<Option<Passage>, Trouble> {
    let attributes = attributes(row)?;
    if !described(row, &attributes, filter)? {
        return Ok(None);
    }
    let places: Option<&str> = row.try_get("places")?;
    Ok(Some(Passage {
        document: rows::parsed(row, "key")?,
        document_id: rows::identity(row, "document")?,
        revision: Revision(rows::number(row, "revision")?),
        chunk: rows::identity(row, "id")?,
        ordinal: u32::try_from(rows::number(row, "ordinal")?).map_err(|_| Trouble::Damaged("ordinal"))?,
        span: rows::span(row)?,
        text: row.try_get("text")?,
        title: row.try_get("title")?,
        heading: row.try_get("heading")?,
        url: attributes.url,
        published_at: attributes.published_at,
        accepted_at: rows::timestamp(row, "accepted_at")?,
        source: rows::parsed(row, "source")?,
        places: places
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| Trouble::Damaged("places"))?
            .unwrap_or_default(),
        outdated: row.try_get("outdated")?,
    }))
}
