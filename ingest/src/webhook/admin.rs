//! How is an endpoint added, shown and steered while everything runs?

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use wellspring_core::limits;
use wellspring_core::webhook::{
    FormerSecret, WebhookAdmin, WebhookError, WebhookId, WebhookInfo, WebhookProgress, WebhookRecord, WebhookSecret,
    WebhookSettings, WebhookTest,
};

use super::message::Message;
use super::send::{Outcome, attempt};
use super::{Webhooks, held, sign};
use crate::fetch::admit_address;
use crate::source::settings::{address, hosts};

#[async_trait]
impl WebhookAdmin for Webhooks {
    async fn list(&self) -> Result<Vec<WebhookInfo>, WebhookError> {
        let records = self.inner.parts.store.webhooks().await?;
        Ok(records.into_iter().map(|record| self.info(record)).collect())
    }

    async fn add(&self, settings: WebhookSettings) -> Result<(WebhookInfo, String), WebhookError> {
        let settings = checked(settings)?;
        // Before the lock: a name that is looked up slowly holds up no other change.
        admit_address(&*self.inner.parts.admit, "url", &settings.url, &settings.private_hosts)
            .await
            .map_err(WebhookError::Invalid)?;
        let _changes = self.inner.changes.lock().await;
        let known = self.inner.parts.store.webhooks().await?;
        if let Some(same) = known.iter().find(|record| record.settings == settings) {
            return Err(WebhookError::Exists(same.id.clone()));
        }
        if known.len() >= limits::WEBHOOKS_MAX {
            return Err(WebhookError::TooMany);
        }
        // What happens from now on: the newest number that there is.
        let cursor = self.inner.parts.traces.events(u64::MAX, 1).await?.newest;
        let record = WebhookRecord {
            id: WebhookId::from_bytes(sign::random().ok_or(WebhookError::NoSecret)?),
            settings,
            secret: WebhookSecret::from_bytes(sign::random().ok_or(WebhookError::NoSecret)?),
            former: None,
            added_at: (self.inner.parts.clock)(),
            progress: WebhookProgress { cursor, ..WebhookProgress::default() },
        };
        self.inner.parts.store.put_webhook(&record).await?;
        self.start(record.clone());
        let secret = sign::shown(&record.secret);
        Ok((self.info(record), secret))
    }

    async fn remove(&self, id: &WebhookId) -> Result<(), WebhookError> {
        let _changes = self.inner.changes.lock().await;
        let removed = self.inner.parts.store.remove_webhook(id).await?;
        if let Some(live) = self.inner.state().live.remove(id) {
            live.stop.cancel();
        }
        if removed { Ok(()) } else { Err(WebhookError::Unknown) }
    }

    async fn test(&self, id: &WebhookId) -> Result<WebhookTest, WebhookError> {
        let record = self.record(id).await?;
        let Some(post) = &self.inner.parts.post else { return Err(WebhookError::Offline) };
        let _place = self.inner.tests.try_acquire().map_err(|_| WebhookError::Busy)?;
        let now = (self.inner.parts.clock)();
        let message = Message::test(id, now);
        let outcome = attempt(&**post, &record, &message, now, self.inner.parts.timeout).await;
        let (delivered, status, error) = match outcome {
            Outcome::Taken(status) => (true, Some(status), None),
            Outcome::Missed { status, error, .. } | Outcome::Refused { status, error } => (false, status, Some(error)),
        };
        Ok(WebhookTest { message: message.id, delivered, status, error })
    }

    async fn rotate(&self, id: &WebhookId, overlap: Duration) -> Result<(WebhookInfo, String), WebhookError> {
        let _changes = self.inner.changes.lock().await;
        let before = self.record(id).await?;
        let secret = WebhookSecret::from_bytes(sign::random().ok_or(WebhookError::NoSecret)?);
        let overlap = SignedDuration::try_from(overlap.min(limits::WEBHOOK_OVERLAP_MAX)).unwrap_or_default();
        let until = (self.inner.parts.clock)().checked_add(overlap).ok().filter(|_| overlap.is_positive());
        let former = until.map(|until| FormerSecret { secret: before.secret.clone(), until });
        if !self.inner.parts.store.replace_secret(id, &secret, former.as_ref()).await? {
            return Err(WebhookError::Unknown);
        }
        let shown = sign::shown(&secret);
        // Its task reads this at each attempt: the next one is signed anew, and the order of messages is not disturbed.
        if let Some(live) = self.inner.state().live.get(id) {
            let mut record = held(&live.record);
            (record.secret, record.former) = (secret.clone(), former.clone());
        }
        Ok((self.info(WebhookRecord { secret, former, ..before }), shown))
    }

    async fn resume(&self, id: &WebhookId) -> Result<WebhookInfo, WebhookError> {
        let _changes = self.inner.changes.lock().await;
        let mut record = self.record(id).await?;
        let WebhookProgress { cursor, delivered_event, delivered_at, .. } = record.progress;
        record.progress = WebhookProgress { cursor, delivered_event, delivered_at, ..WebhookProgress::default() };
        if !self.inner.parts.store.record_progress(id, &record.progress).await? {
            return Err(WebhookError::Unknown);
        }
        self.start(record.clone());
        Ok(self.info(record))
    }
}

impl Webhooks {
    /// An endpoint as it is now: its task knows more than the store.
    async fn record(&self, id: &WebhookId) -> Result<WebhookRecord, WebhookError> {
        let records = self.inner.parts.store.webhooks().await?;
        let record = records.into_iter().find(|record| record.id == *id).ok_or(WebhookError::Unknown)?;
        Ok(self.current(record))
    }

    fn current(&self, record: WebhookRecord) -> WebhookRecord {
        let state = self.inner.state();
        state.live.get(&record.id).map_or(record, |live| held(&live.record).clone())
    }

    fn info(&self, record: WebhookRecord) -> WebhookInfo {
        WebhookInfo::of(&self.current(record), self.inner.parts.post.is_none(), (self.inner.parts.clock)())
    }
}

/// Settings in their one form.
fn checked(settings: WebhookSettings) -> Result<WebhookSettings, WebhookError> {
    let WebhookSettings { url, mut states, collection, private_hosts } = settings;
    states.sort_unstable_by_key(|state| state.as_str());
    states.dedup();
    let url = address("url", &url).map_err(WebhookError::Invalid)?.into();
    let private_hosts = hosts(private_hosts).map_err(WebhookError::Invalid)?;
    Ok(WebhookSettings { url, states, collection, private_hosts })
}
