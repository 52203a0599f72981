//! Which screened texts are like this one, and how is a screened text remembered?
//!
//! Invariants:
//! - Only originals stand in buckets and count paragraphs: a look-up never finds a copy, nor what was dropped.
//! - A record replaces the one before it whole: what stood in a bucket or a count for it goes with it.

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};
use wellspring_core::catalog::CatalogError;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey};
use wellspring_core::limits;
use wellspring_core::screen::{Arrival, Findings, Inquiry, Original, Record, Signature, SignatureStore, TextDigest};

use crate::open::SqliteCatalog;
use crate::readmit;
use crate::rows::{self, integer};
use crate::trouble::Trouble;

#[async_trait]
impl SignatureStore for SqliteCatalog {
    async fn look_up(&self, inquiries: Vec<Inquiry>) -> Result<Vec<Findings>, CatalogError> {
        let found = async {
            let mut read = self.begin_read().await?;
            let mut found = Vec::with_capacity(inquiries.len());
            for inquiry in &inquiries {
                found.push(findings(&mut read, inquiry).await?);
            }
            Ok(found)
        };
        found.await.map_err(|trouble: Trouble| trouble.while_trying("could not look up screened texts"))
    }

    async fn record(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        let kept = async {
            let mut transaction = self.begin_write().await?;
            for record in &records {
                keep(&mut transaction, record).await?;
            }
            Ok(transaction.commit().await?)
        };
        kept.await.map_err(|trouble: Trouble| trouble.while_trying("could not keep screened texts"))
    }

    async fn readmit(&self, collection: &CollectionName, key: Option<&DocumentKey>) -> Result<u64, CatalogError> {
        let readmitted = async {
            let mut transaction = self.begin_write().await?;
            let count = readmit::skipped_of(&mut transaction, collection, key).await?;
            transaction.commit().await?;
            Ok(count)
        };
        readmitted.await.map_err(|trouble: Trouble| trouble.while_trying("could not take skipped documents in again"))
    }
}

/// A row of `signature`, as far as it says what else is kept for it.
pub(crate) struct Kept {
    document: DocumentId,
    digest: TextDigest,
    bands: Vec<i64>,
    blocks: Vec<i64>,
    original: bool,
}

async fn findings(connection: &mut SqliteConnection, inquiry: &Inquiry) -> Result<Findings, Trouble> {
    let own = kept(connection, inquiry.document).await?.filter(|own| own.original);
    let is_own = |block: i64| own.as_ref().is_some_and(|own| own.blocks.contains(&block));
    let mut block_documents = Vec::with_capacity(inquiry.blocks.len());
    for (block, documents) in counts(connection, &inquiry.blocks).await? {
        block_documents.push(documents.saturating_sub(u64::from(is_own(block))));
    }
    let in_source = counts(connection, &[inquiry.scope]).await?;
    let source_documents =
        in_source.first().map_or(0, |(scope, documents)| documents.saturating_sub(u64::from(is_own(*scope))));
    let admitted = match &inquiry.arrival {
        Some(arrival) => admitted(connection, arrival).await?,
        None => (0, 0),
    };
    Ok(Findings { originals: originals(connection, inquiry).await?, block_documents, source_documents, admitted })
}

async fn originals(connection: &mut SqliteConnection, inquiry: &Inquiry) -> Result<Vec<Original>, Trouble> {
    let rows = sqlx::query(
        "WITH shared AS MATERIALIZED (
             SELECT signature_band.document, count(*) AS bands FROM json_each(?1) AS wanted
             CROSS JOIN signature_band ON signature_band.band = wanted.value AND signature_band.document IN
                 (SELECT bucket.document FROM signature_band AS bucket WHERE bucket.band = wanted.value LIMIT ?3)
             WHERE signature_band.document <> ?2
             GROUP BY signature_band.document ORDER BY bands DESC, signature_band.document LIMIT ?4)
         SELECT document.id, document.key, signature.digest, signature.minima FROM shared
         CROSS JOIN signature ON signature.document = shared.document
         CROSS JOIN document ON document.id = shared.document
         WHERE document.deleted = 0 AND signature.revision >= coalesce(document.published_revision, 0)
         ORDER BY shared.bands DESC, document.id",
    )
    .bind(json_hashes(&inquiry.bands))
    .bind(inquiry.document.as_bytes().as_slice())
    .bind(integer(limits::SCREEN_BUCKET_MAX as u64))
    .bind(integer(limits::SCREEN_CANDIDATES_MAX as u64))
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let signature = Signature::from_parts(rows::identity(row, "digest")?, row.try_get("minima")?);
            Ok(Original {
                document: rows::identity(row, "id")?,
                key: rows::parsed(row, "key")?,
                signature: signature.ok_or(Trouble::Damaged("minima"))?,
            })
        })
        .collect()
}

/// In how many originals each block stands, in the order asked.
async fn counts(connection: &mut SqliteConnection, blocks: &[u64]) -> Result<Vec<(i64, u64)>, Trouble> {
    let rows = sqlx::query(
        "SELECT wanted.value AS block, coalesce(block_count.documents, 0) AS documents FROM json_each(?) AS wanted
         LEFT JOIN block_count ON block_count.block = wanted.value ORDER BY wanted.key",
    )
    .bind(json_hashes(blocks))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("block")?, rows::number(row, "documents")?))).collect()
}

async fn admitted(connection: &mut SqliteConnection, arrival: &Arrival) -> Result<(u64, u64), Trouble> {
    let row = sqlx::query(
        "SELECT coalesce(sum(documents), 0) AS source,
                coalesce(sum(documents) FILTER (WHERE stratum = ?3), 0) AS stratum
         FROM arrival WHERE scope = ?1 AND hour = ?2",
    )
    .bind(arrival.scope as i64)
    .bind(integer(arrival.hour))
    .bind(arrival.stratum as i64)
    .fetch_one(connection)
    .await?;
    Ok((rows::number(&row, "source")?, rows::number(&row, "stratum")?))
}

async fn keep(connection: &mut SqliteConnection, record: &Record) -> Result<(), Trouble> {
    let before = take(connection, record.document).await?;
    let (bands, blocks) = (signed(&record.bands), signed(&record.blocks));
    sqlx::query(
        "INSERT INTO signature (document, revision, digest, minima, bands, blocks, original, dropped)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.document.as_bytes().as_slice())
    .bind(integer(record.revision.0))
    .bind(record.signature.digest.as_bytes().as_slice())
    .bind(record.signature.minima_bytes())
    .bind(blob(&bands))
    .bind(blob(&blocks))
    .bind(record.original.map(|original| original.as_bytes().to_vec()))
    .bind(record.dropped)
    .execute(&mut *connection)
    .await?;
    let original = record.original.is_none() && !record.dropped;
    if original {
        show(connection, record.document, &bands, &blocks).await?;
    }
    if let Some(arrival) = &record.arrival {
        count_arrival(connection, arrival).await?;
    }
    match before {
        Some(before) if before.original && !(original && before.digest == record.signature.digest) => {
            readmit::copies_of(connection, record.document).await
        }
        _ => Ok(()),
    }
}

async fn count_arrival(connection: &mut SqliteConnection, arrival: &Arrival) -> Result<(), Trouble> {
    sqlx::query("DELETE FROM arrival WHERE scope = ? AND hour <= ?")
        .bind(arrival.scope as i64)
        .bind(integer(arrival.hour) - integer(limits::SCREEN_ARRIVAL_HOURS_KEPT))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO arrival (scope, hour, stratum, documents) VALUES (?, ?, ?, 1)
         ON CONFLICT (scope, hour, stratum) DO UPDATE SET documents = documents + 1",
    )
    .bind(arrival.scope as i64)
    .bind(integer(arrival.hour))
    .bind(arrival.stratum as i64)
    .execute(connection)
    .await?;
    Ok(())
}

/// Lets an original be found, and counts its paragraphs.
pub(crate) async fn show(
    connection: &mut SqliteConnection,
    document: DocumentId,
    bands: &[i64],
    blocks: &[i64],
) -> Result<(), Trouble> {
    sqlx::query("INSERT OR IGNORE INTO signature_band (band, document) SELECT value, ?2 FROM json_each(?1)")
        .bind(json(bands))
        .bind(document.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO block_count (block, documents) SELECT value, 1 FROM json_each(?) WHERE true
         ON CONFLICT (block) DO UPDATE SET documents = documents + 1",
    )
    .bind(json(blocks))
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a document's record away, with everything that is kept for it.
pub(crate) async fn take(connection: &mut SqliteConnection, document: DocumentId) -> Result<Option<Kept>, Trouble> {
    let Some(kept) = kept(connection, document).await? else { return Ok(None) };
    sqlx::query("DELETE FROM signature WHERE document = ?")
        .bind(document.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    if kept.original {
        hide(connection, &kept).await?;
    }
    Ok(Some(kept))
}

async fn hide(connection: &mut SqliteConnection, kept: &Kept) -> Result<(), Trouble> {
    sqlx::query("DELETE FROM signature_band WHERE document = ?2 AND band IN (SELECT value FROM json_each(?1))")
        .bind(json(&kept.bands))
        .bind(kept.document.as_bytes().as_slice())
        .execute(&mut *connection)
        .await?;
    let blocks = json(&kept.blocks);
    sqlx::query("UPDATE block_count SET documents = documents - 1 WHERE block IN (SELECT value FROM json_each(?))")
        .bind(&blocks)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM block_count WHERE documents <= 0 AND block IN (SELECT value FROM json_each(?))")
        .bind(&blocks)
        .execute(connection)
        .await?;
    Ok(())
}

async fn kept(connection: &mut SqliteConnection, document: DocumentId) -> Result<Option<Kept>, Trouble> {
    let row = sqlx::query(
        "SELECT digest, bands, blocks, original IS NULL AND dropped = 0 AS original FROM signature WHERE document = ?",
    )
    .bind(document.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(Kept {
            document,
            digest: rows::identity(&row, "digest")?,
            bands: unblob(row.try_get("bands")?)?,
            blocks: unblob(row.try_get("blocks")?)?,
            original: row.try_get("original")?,
        })
    })
    .transpose()
}

/// Hashes as SQLite keeps them: the same 64 bits, read with a sign.
fn signed(hashes: &[u64]) -> Vec<i64> {
    hashes.iter().map(|hash| *hash as i64).collect()
}

fn json_hashes(hashes: &[u64]) -> String {
    json(&signed(hashes))
}

fn json(hashes: &[i64]) -> String {
    rows::json_array(hashes, |json, hash| json.push_str(&hash.to_string()))
}

fn blob(hashes: &[i64]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect()
}

/// The hashes of a blob.
pub(crate) fn unblob(bytes: &[u8]) -> Result<Vec<i64>, Trouble> {
    if !bytes.len().is_multiple_of(8) {
        return Err(Trouble::Damaged("hashes"));
    }
    let hash = |eight: &[u8]| eight.iter().rev().fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte)) as i64;
    Ok(bytes.chunks_exact(8).map(hash).collect())
}
