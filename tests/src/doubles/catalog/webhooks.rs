//! Endpoints, in memory.

use async_trait::async_trait;
use wellspring_core::catalog::CatalogError;
use wellspring_core::limits;
use wellspring_core::webhook::{FormerSecret, WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookStore};

use super::MemoryCatalog;

#[async_trait]
impl WebhookStore for MemoryCatalog {
    async fn webhooks(&self) -> Result<Vec<WebhookRecord>, CatalogError> {
        Ok(self.state().webhooks.clone())
    }

    async fn put_webhook(&self, record: &WebhookRecord) -> Result<(), CatalogError> {
        let mut state = self.state();
        assert!(state.webhooks.iter().all(|known| known.id != record.id), "an identity is taken once");
        assert!(state.webhooks.len() < limits::WEBHOOKS_MAX, "webhooks beyond the bound reach no catalog");
        state.webhooks.push(record.clone());
        state.webhooks.sort_by(|one, other| (one.added_at, &one.id).cmp(&(other.added_at, &other.id)));
        Ok(())
    }

    async fn record_progress(&self, id: &WebhookId, progress: &WebhookProgress) -> Result<bool, CatalogError> {
        let mut state = self.state();
        let Some(record) = state.webhooks.iter_mut().find(|record| record.id == *id) else { return Ok(false) };
        assert!(record.progress.cursor <= progress.cursor, "a cursor never goes back");
        record.progress = progress.clone();
        Ok(true)
    }

    async fn replace_secret(
        &self,
        id: &WebhookId,
        secret: &WebhookSecret,
        former: Option<&FormerSecret>,
    ) -> Result<bool, CatalogError> {
        let mut state = self.state();
        let Some(record) = state.webhooks.iter_mut().find(|record| record.id == *id) else { return Ok(false) };
        assert!(record.secret != *secret, "a new secret is another one");
        (record.secret, record.former) = (secret.clone(), former.cloned());
        Ok(true)
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, CatalogError> {
        let webhooks = &mut self.state().webhooks;
        let before = webhooks.len();
        webhooks.retain(|record| record.id != *id);
        Ok(webhooks.len() < before)
    }
}
