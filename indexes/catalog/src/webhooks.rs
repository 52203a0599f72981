//! Which endpoints are there, and how far has each been told?
//!
//! Invariants:
//! - Every change is one transaction and durable when the call returns.
//! - A secret comes back as it was kept, or the row is damaged.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};
use wellspring_core::catalog::CatalogError;
use wellspring_core::webhook::{WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookStore};

use crate::open::SqliteCatalog;
use crate::rows::{self, json, parsed_json};
use crate::trouble::Trouble;

#[async_trait]
impl WebhookStore for SqliteCatalog {
    async fn webhooks(&self) -> Result<Vec<WebhookRecord>, CatalogError> {
        self.all_webhooks().await.map_err(|trouble| trouble.while_trying("could not list webhooks"))
    }

    async fn put_webhook(&self, record: &WebhookRecord) -> Result<(), CatalogError> {
        let insert = query("INSERT INTO webhook (id, settings, secret, added_at, progress) VALUES (?, ?, ?, ?, ?)")
            .bind(record.id.as_str())
            .bind(json(&record.settings))
            .bind(record.secret.as_bytes().as_slice())
            .bind(record.added_at.as_millisecond())
            .bind(json(&record.progress));
        self.update(insert).await.map(drop).map_err(|trouble| trouble.while_trying("could not keep a webhook"))
    }

    async fn record_progress(&self, id: &WebhookId, progress: &WebhookProgress) -> Result<bool, CatalogError> {
        let update = query("UPDATE webhook SET progress = ? WHERE id = ?").bind(json(progress)).bind(id.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not record how far a webhook is"))
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, CatalogError> {
        let delete = query("DELETE FROM webhook WHERE id = ?").bind(id.as_str());
        self.update(delete).await.map_err(|trouble| trouble.while_trying("could not remove a webhook"))
    }
}

impl SqliteCatalog {
    async fn all_webhooks(&self) -> Result<Vec<WebhookRecord>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = query("SELECT id, settings, secret, added_at, progress FROM webhook ORDER BY added_at, id")
            .fetch_all(&mut *read)
            .await?;
        rows.iter().map(record).collect()
    }
}

fn record(row: &SqliteRow) -> Result<WebhookRecord, Trouble> {
    let secret: &[u8] = row.try_get("secret")?;
    Ok(WebhookRecord {
        id: rows::parsed(row, "id")?,
        settings: parsed_json(row.try_get("settings")?, "settings")?,
        secret: secret.try_into().map(WebhookSecret::from_bytes).map_err(|_| Trouble::Damaged("secret"))?,
        added_at: rows::timestamp(row, "added_at")?,
        progress: parsed_json(row.try_get("progress")?, "progress")?,
    })
}
