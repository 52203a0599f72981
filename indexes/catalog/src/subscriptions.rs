//! Which hubs were asked to tell us of changes?
//!
//! Invariants:
//! - Every change is one transaction and durable when the call returns.
//! - A subscription outlives its source: the hub is still to be told to stop.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, query};
use wellspring_core::catalog::CatalogError;
use wellspring_core::websub::{SubscriptionRecord, SubscriptionStore, Unguessable};

use crate::open::SqliteCatalog;
use crate::rows::{self, json, parsed_json};
use crate::trouble::Trouble;

#[async_trait]
impl SubscriptionStore for SqliteCatalog {
    async fn subscriptions(&self) -> Result<Vec<SubscriptionRecord>, CatalogError> {
        self.all_subscriptions().await.map_err(|trouble| trouble.while_trying("could not list subscriptions"))
    }

    async fn put_subscription(&self, record: &SubscriptionRecord) -> Result<(), CatalogError> {
        let insert = query(
            "INSERT OR REPLACE INTO subscription (token, source, settings, secret, progress) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(record.token.to_hexadecimal())
        .bind(record.source.as_str())
        .bind(json(&record.settings))
        .bind(record.secret.as_bytes().as_slice())
        .bind(json(&record.progress));
        self.update(insert).await.map(drop).map_err(|trouble| trouble.while_trying("could not keep a subscription"))
    }

    async fn remove_subscription(&self, token: &Unguessable) -> Result<bool, CatalogError> {
        let delete = query("DELETE FROM subscription WHERE token = ?").bind(token.to_hexadecimal());
        self.update(delete).await.map_err(|trouble| trouble.while_trying("could not forget a subscription"))
    }
}

impl SqliteCatalog {
    async fn all_subscriptions(&self) -> Result<Vec<SubscriptionRecord>, Trouble> {
        let mut read = self.begin_read().await?;
        let rows = query("SELECT token, source, settings, secret, progress FROM subscription ORDER BY source, token")
            .fetch_all(&mut *read)
            .await?;
        rows.iter().map(record).collect()
    }
}

fn record(row: &SqliteRow) -> Result<SubscriptionRecord, Trouble> {
    let secret: &[u8] = row.try_get("secret")?;
    Ok(SubscriptionRecord {
        token: rows::parsed(row, "token")?,
        source: rows::parsed(row, "source")?,
        settings: parsed_json(row.try_get("settings")?, "settings")?,
        secret: secret.try_into().map(Unguessable::from_bytes).map_err(|_| Trouble::Damaged("secret"))?,
        progress: parsed_json(row.try_get("progress")?, "progress")?,
    })
}
