//! What is a hub answered when it asks back, and what happens when it tells?
//!
//! Invariants:
//! - A confirmation is in the store before it is given.
//! - A push is worth one visit at most, and a source gets one such visit in a while, however much is pushed.

use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use wellspring_core::catalog::CatalogError;
use wellspring_core::limits;
use wellspring_core::websub::{HubCallbacks, HubQuestion, SubscriptionProgress, SubscriptionState, Unguessable};

use super::{Hubs, signature};

#[async_trait]
impl HubCallbacks for Hubs {
    fn knows(&self, token: &Unguessable) -> bool {
        self.inner.state().live.contains_key(token)
    }

    async fn confirm(&self, token: &Unguessable, question: HubQuestion) -> Result<bool, CatalogError> {
        let current = self.inner.state().live.get(token).map(|live| live.record.clone());
        let Some(mut record) = current else { return Ok(false) };
        let ending = record.progress.state == SubscriptionState::Ending;
        let (topic, progress) = match question {
            HubQuestion::Unsubscribe { topic } => {
                if !ending || topic != record.settings.topic {
                    return Ok(false);
                }
                self.forget(token).await?;
                return Ok(true);
            }
            HubQuestion::Subscribe { topic, lease_seconds } => (topic, self.leased(lease_seconds)),
            HubQuestion::Denied { topic } => (topic, self.denied(&record.progress)),
        };
        if ending || topic != record.settings.topic {
            return Ok(false);
        }
        record.progress = progress;
        self.inner.parts.store.put_subscription(&record).await?;
        let mut state = self.inner.state();
        let Some(live) = state.live.get_mut(token) else { return Ok(false) };
        if live.record.progress.state == SubscriptionState::Ending {
            return Ok(false);
        }
        (live.record, live.confirmed) = (record, true);
        drop(state);
        self.inner.wake.notify_one();
        Ok(true)
    }

    async fn told(&self, token: &Unguessable, signature: Option<String>, body: Vec<u8>) {
        let secret = {
            let state = self.inner.state();
            let lasting = |progress: &SubscriptionProgress| progress.state != SubscriptionState::Ending;
            let live = state.live.get(token).filter(|live| lasting(&live.record.progress));
            live.map(|live| live.record.secret.clone())
        };
        let (Some(secret), Some(header)) = (secret, signature) else { return };
        // A megabyte takes milliseconds: that is not this thread's work.
        let right = tokio::task::spawn_blocking(move || signature::is_right(&secret, &header, &body)).await;
        if !right.unwrap_or(false) {
            tracing::debug!("what came to a callback was not signed by its hub");
            return;
        }
        let now = self.inner.now();
        let mut state = self.inner.state();
        let Some(live) = state.live.get_mut(token) else { return };
        let rested = live.visited_at.and_then(|at| at.checked_add(self.inner.parts.visit_interval_min).ok());
        let due = rested.map_or(now, |rested| rested.max(now));
        live.visit_due = Some(live.visit_due.map_or(due, |known| known.min(due)));
        drop(state);
        self.inner.wake.notify_one();
    }
}

impl Hubs {
    fn leased(&self, lease_seconds: Option<u64>) -> SubscriptionProgress {
        let now = self.inner.now();
        let lease = lease_seconds.map_or(limits::WEBSUB_LEASE, Duration::from_secs).min(limits::WEBSUB_LEASE_MAX);
        // Before the end, with room for a hub that is away; a short lease is not renewed without a pause.
        let renewal = lease.mul_f64(0.8).max(limits::WEBSUB_RENEWAL_PAUSE_MIN);
        let after = |wait: Duration| now.checked_add(SignedDuration::try_from(wait).unwrap_or_default()).ok();
        SubscriptionProgress {
            state: SubscriptionState::Active,
            lease_until: after(lease),
            attempts: 0,
            asked_at: Some(now),
            next_attempt_at: after(renewal),
            last_error: None,
        }
    }

    fn denied(&self, before: &SubscriptionProgress) -> SubscriptionProgress {
        SubscriptionProgress {
            state: SubscriptionState::Asked,
            lease_until: None,
            next_attempt_at: None,
            last_error: Some("the hub will not tell of this source".to_owned()),
            ..before.clone()
        }
    }
}
