//! Which endpoints are there, and how far has each been told?
//!
//! Invariants:
//! - Every change is one transaction and durable when the call returns.
//! - A secret comes back as it was kept, or the row is damaged.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};
use wellspring_core::catalog::CatalogError;
use wellspring_core::webhook::{FormerSecret, WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookStore};

use crate::open::SqliteCatalog;
use crate::rows::{self, json, parsed_json};
use crate::trouble::Trouble;

#[async_trait]
impl WebhookStore for SqliteCatalog {
    async fn webhooks(&self) -> Result<Vec<WebhookRecord>, CatalogError> {
        self.all_webhooks().await.map_err(|trouble| trouble.while_trying("could not list webhooks"))
    }

    async fn put_webhook(&self, record: &WebhookRecord) -> Result<(), CatalogError> {
        let insert = query(
            "INSERT INTO webhook (id, settings, secret, former_secret, former_until, added_at, progress)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(record.id.as_str())
        .bind(json(&record.settings))
        .bind(record.secret.as_bytes().as_slice())
        .bind(record.former.as_ref().map(|former| former.secret.as_bytes().as_slice()))
        .bind(record.former.as_ref().map(|former| former.until.as_millisecond()))
        .bind(record.added_at.as_millisecond())
        .bind(json(&record.progress));
        self.update(insert).await.map(drop).map_err(|trouble| trouble.while_trying("could not keep a webhook"))
    }

    async fn record_progress(&self, id: &WebhookId, progress: &WebhookProgress) -> Result<bool, CatalogError> {
        let update = query("UPDATE webhook SET progress = ? WHERE id = ?").bind(json(progress)).bind(id.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not record how far a webhook is"))
    }

    async fn replace_secret(
        &self,
        id: &WebhookId,
        secret: &WebhookSecret,
        former: Option<&FormerSecret>,
    ) -> Result<bool, CatalogError> {
        let update = query("UPDATE webhook SET secret = ?, former_secret = ?, former_until = ? WHERE id = ?")
            .bind(secret.as_bytes().as_slice())
            .bind(former.map(|former| former.secret.as_bytes().as_slice()))
            .bind(former.map(|former| former.until.as_millisecond()))
            .bind(id.as_str());
        self.update(update).await.map_err(|trouble| trouble.while_trying("could not replace a webhook's secret"))
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, CatalogError> {
        let delete = query("DELETE FROM webhook WHERE id = ?").bind(id.as_str());
        self.update(delete).await.map_err(|trouble| trouble.while_trying("could not remove a webhook"))
    }
}

impl SqliteCatalog {
    async fn all_webhooks(&self) -> Result<Vec<WebhookRecord>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = query(
            "SELECT id, settings, secret, former_secret, former_until, added_at, progress FROM webhook
             ORDER BY added_at, id",
        )
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(record).collect()
    }
}

fn record(row: &SqliteRow) -> Result<WebhookRecord, Trouble> {
    let secret = |bytes: &[u8]| bytes.try_into().map(WebhookSecret::from_bytes).map_err(|_| Trouble::Damaged("secret"));
    let former = match row.try_get::<Option<&[u8]>, _>("former_secret")? {
        None => None,
        Some(former) => Some(FormerSecret { secret: secret(former)?, until: rows::timestamp(row, "former_until")? }),
    };
    Ok(WebhookRecord {
        id: rows::parsed(row, "id")?,
        settings: parsed_json(row.try_get("settings")?, "settings")?,
        secret: secret(row.try_get("secret")?)?,
        former,
        added_at: rows::timestamp(row, "added_at")?,
        progress: parsed_json(row.try_get("progress")?, "progress")?,
    })
}
