//! Subscriptions, in memory.

use async_trait::async_trait;
use wellspring_core::catalog::CatalogError;
use wellspring_core::websub::{SubscriptionRecord, SubscriptionState, SubscriptionStore, Unguessable};

use super::MemoryCatalog;

#[async_trait]
impl SubscriptionStore for MemoryCatalog {
    async fn subscriptions(&self) -> Result<Vec<SubscriptionRecord>, CatalogError> {
        Ok(self.state().subscriptions.clone())
    }

    async fn put_subscription(&self, record: &SubscriptionRecord) -> Result<(), CatalogError> {
        assert_ne!(record.progress.state, SubscriptionState::Off, "what was never asked is not kept");
        let subscriptions = &mut self.state().subscriptions;
        subscriptions.retain(|known| known.token != record.token);
        subscriptions.push(record.clone());
        subscriptions.sort_by(|one, other| (&one.source, &one.token).cmp(&(&other.source, &other.token)));
        Ok(())
    }

    async fn remove_subscription(&self, token: &Unguessable) -> Result<bool, CatalogError> {
        let subscriptions = &mut self.state().subscriptions;
        let before = subscriptions.len();
        subscriptions.retain(|record| record.token != *token);
        Ok(subscriptions.len() < before)
    }
}
