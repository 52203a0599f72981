//! Which sources are there, and what is remembered of them?
//!
//! Invariants:
//! - Every change is one transaction and durable when the call returns; a long list of addresses is several.
//! - Removing a source and releasing its documents is one transaction: no document ever belongs to a source that is
//!   neither there nor known to be gone.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use wellspring_core::catalog::CatalogError;
use wellspring_core::document::ContentHash;
use wellspring_core::fetch::Validators;
use wellspring_core::limits;
use wellspring_core::source::{
    DocumentCounts, Remains, SourceName, SourceRecord, SourceSettings, SourceStore, UrlMemory, Visit,
};

use crate::open::SqliteCatalog;
use crate::rows::{self, json, parsed_json};
use crate::trouble::Trouble;

/// Rows of one insert of addresses, five parameters each: well below SQLite's bound on parameters.
const INSERT_ROWS_MAX: usize = 128;

#[async_trait]
impl SourceStore for SqliteCatalog {
    async fn sources(&self) -> Result<Vec<SourceRecord>, CatalogError> {
        self.all_sources().await.map_err(|trouble| trouble.while_trying("could not list sources"))
    }

    async fn put_source(&self, settings: &SourceSettings, now: Timestamp) -> Result<bool, CatalogError> {
        self.insert_source(settings, now).await.map_err(|trouble| trouble.while_trying("could not keep a source"))
    }

    async fn set_paused(&self, name: &SourceName, paused: bool) -> Result<bool, CatalogError> {
        let update = sqlx::query("UPDATE source SET paused = ? WHERE name = ?").bind(paused).bind(name.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not pause or resume a source"))
    }

    async fn set_declared(&self, name: &SourceName, declared: bool) -> Result<bool, CatalogError> {
        let update = sqlx::query("UPDATE source SET declared = ? WHERE name = ?").bind(declared).bind(name.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not mark a source as declared"))
    }

    async fn set_removing(&self, name: &SourceName, remains: Remains) -> Result<bool, CatalogError> {
        let update =
            sqlx::query("UPDATE source SET removing = ? WHERE name = ?").bind(remains.as_str()).bind(name.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not mark a source for removal"))
    }

    async fn remove_source(&self, name: &SourceName) -> Result<bool, CatalogError> {
        self.delete_source(name).await.map_err(|trouble| trouble.while_trying("could not remove a source"))
    }

    async fn document_counts(&self) -> Result<BTreeMap<SourceName, DocumentCounts>, CatalogError> {
        self.count_by_source().await.map_err(|trouble| trouble.while_trying("could not count the documents of sources"))
    }

    async fn record_visit(&self, name: &SourceName, visit: &Visit) -> Result<bool, CatalogError> {
        let complete_at = visit.complete.then(|| visit.began_at.as_millisecond());
        let update =
            sqlx::query("UPDATE source SET last_visit = ?, complete_at = coalesce(?, complete_at) WHERE name = ?")
                .bind(json(visit))
                .bind(complete_at)
                .bind(name.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not record a visit"))
    }

    async fn plan_visit(
        &self,
        name: &SourceName,
        at: Option<Timestamp>,
        reason: &str,
        learnt: &serde_json::Value,
    ) -> Result<bool, CatalogError> {
        let update =
            sqlx::query("UPDATE source SET next_visit_at = ?, next_visit_reason = ?, learnt = ? WHERE name = ?")
                .bind(at.map(Timestamp::as_millisecond))
                .bind(reason.to_owned())
                .bind(learnt.to_string())
                .bind(name.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not plan a visit"))
    }

    async fn url_memory(&self, name: &SourceName) -> Result<Vec<UrlMemory>, CatalogError> {
        self.memory_of(name).await.map_err(|trouble| trouble.while_trying("could not recall addresses"))
    }

    async fn remember_urls(&self, name: &SourceName, urls: Vec<UrlMemory>) -> Result<(), CatalogError> {
        for urls in urls.chunks(limits::URL_MEMORY_BATCH_MAX) {
            self.remember(name, urls).await.map_err(|trouble| trouble.while_trying("could not remember addresses"))?;
        }
        Ok(())
    }

    async fn forget_urls(&self, name: &SourceName, urls: &[String]) -> Result<(), CatalogError> {
        for urls in urls.chunks(limits::URL_MEMORY_BATCH_MAX) {
            let delete =
                sqlx::query("DELETE FROM url_memory WHERE source = ? AND url IN (SELECT value FROM json_each(?))");
            let delete = delete.bind(name.as_str()).bind(json(&urls));
            self.update(delete).await.map_err(|trouble| trouble.while_trying("could not forget addresses"))?;
        }
        Ok(())
    }
}

/// A statement with its values.
pub(crate) type Statement<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

impl SqliteCatalog {
    async fn all_sources(&self) -> Result<Vec<SourceRecord>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT settings, paused, declared, removing, added_at, last_visit, complete_at, next_visit_at,
                    next_visit_reason, learnt
             FROM source ORDER BY name",
        )
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(record).collect()
    }

    async fn insert_source(&self, settings: &SourceSettings, now: Timestamp) -> Result<bool, Trouble> {
        let name = settings.name.as_str();
        let mut write = self.begin_write().await?;
        let known = sqlx::query("UPDATE source SET settings = ? WHERE name = ?")
            .bind(json(settings))
            .bind(name)
            .execute(&mut *write)
            .await?;
        let is_new = known.rows_affected() == 0;
        if is_new {
            sqlx::query("INSERT INTO source (name, settings, added_at) VALUES (?, ?, ?)")
                .bind(name)
                .bind(json(settings))
                .bind(now.as_millisecond())
                .execute(&mut *write)
                .await?;
            sqlx::query("DELETE FROM former_source WHERE name = ?").bind(name).execute(&mut *write).await?;
        }
        write.commit().await?;
        Ok(is_new)
    }

    async fn delete_source(&self, name: &SourceName) -> Result<bool, Trouble> {
        let mut write = self.begin_write().await?;
        sqlx::query(
            "INSERT OR IGNORE INTO former_source (name)
             SELECT name FROM source
             WHERE name = ? AND EXISTS (SELECT 1 FROM document WHERE source = source.name AND deleted = 0)",
        )
        .bind(name.as_str())
        .execute(&mut *write)
        .await?;
        let removed = sqlx::query("DELETE FROM source WHERE name = ?").bind(name.as_str()).execute(&mut *write).await?;
        write.commit().await?;
        Ok(removed.rows_affected() > 0)
    }

    async fn count_by_source(&self) -> Result<BTreeMap<SourceName, DocumentCounts>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = sqlx::query(
            "SELECT source, state, count(*) AS documents FROM document WHERE deleted = 0 GROUP BY source, state",
        )
        .fetch_all(&mut *read)
        .await?;
        let mut counts = BTreeMap::<SourceName, DocumentCounts>::new();
        for row in &rows {
            let of_source = counts.entry(rows::parsed(row, "source")?).or_default();
            of_source.insert(row.try_get("state")?, rows::number(row, "documents")?);
        }
        Ok(counts)
    }

    async fn memory_of(&self, name: &SourceName) -> Result<Vec<UrlMemory>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows =
            sqlx::query("SELECT url, etag, last_modified, body_hash FROM url_memory WHERE source = ? ORDER BY url")
                .bind(name.as_str())
                .fetch_all(&mut *read)
                .await?;
        rows.iter().map(memory).collect()
    }

    async fn remember(&self, name: &SourceName, urls: &[UrlMemory]) -> Result<(), Trouble> {
        let mut write = self.begin_write().await?;
        let known =
            sqlx::query("SELECT 1 FROM source WHERE name = ?").bind(name.as_str()).fetch_optional(&mut *write).await?;
        if known.is_none() {
            return Ok(());
        }
        for urls in urls.chunks(INSERT_ROWS_MAX) {
            let mut insert = QueryBuilder::<Sqlite>::new(
                "INSERT OR REPLACE INTO url_memory (source, url, etag, last_modified, body_hash) ",
            );
            insert.push_values(urls, |mut row, memory| {
                row.push_bind(name.as_str())
                    .push_bind(memory.url.as_str())
                    .push_bind(memory.validators.etag.as_deref())
                    .push_bind(memory.validators.last_modified.as_deref())
                    .push_bind(memory.body_hash.map(|hash| hash.as_bytes().to_vec()));
            });
            insert.build().execute(&mut *write).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Runs one statement; whether it found a row.
    pub(crate) async fn update(&self, statement: Statement<'_>) -> Result<bool, Trouble> {
        let mut write = self.begin_write().await?;
        let done = statement.execute(&mut *write).await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}

fn record(row: &SqliteRow) -> Result<SourceRecord, Trouble> {
    let time = |column: &'static str| {
        let milliseconds: Option<i64> = row.try_get(column)?;
        milliseconds.map(Timestamp::from_millisecond).transpose().map_err(|_| Trouble::Damaged(column))
    };
    let last_visit: Option<&str> = row.try_get("last_visit")?;
    let removing: Option<&str> = row.try_get("removing")?;
    Ok(SourceRecord {
        settings: parsed_json(row.try_get("settings")?, "settings")?,
        paused: row.try_get("paused")?,
        declared: row.try_get("declared")?,
        removing: match removing {
            None => None,
            Some("keep") => Some(Remains::Keep),
            Some("delete") => Some(Remains::Delete),
            Some(_) => return Err(Trouble::Damaged("removing")),
        },
        added_at: rows::timestamp(row, "added_at")?,
        last_visit: last_visit.map(|visit| parsed_json(visit, "last_visit")).transpose()?,
        complete_at: time("complete_at")?,
        next_visit_at: time("next_visit_at")?,
        next_visit_reason: row.try_get("next_visit_reason")?,
        learnt: parsed_json(row.try_get("learnt")?, "learnt")?,
    })
}

fn memory(row: &SqliteRow) -> Result<UrlMemory, Trouble> {
    let body_hash: Option<&[u8]> = row.try_get("body_hash")?;
    Ok(UrlMemory {
        url: row.try_get("url")?,
        validators: Validators { etag: row.try_get("etag")?, last_modified: row.try_get("last_modified")? },
        body_hash: body_hash
            .map(|bytes| bytes.try_into().map(ContentHash::from_bytes))
            .transpose()
            .map_err(|_| Trouble::Damaged("body_hash"))?,
    })
}
