//! How is a hub asked to tell, to go on telling, or to stop?
//!
//! Invariants:
//! - A request is counted before its answer is known, and the number is bounded; a hub that never asks back is given up.
//! - What the hub confirmed meanwhile is not overwritten by the answer to the request.

use tokio_util::sync::CancellationToken;
use wellspring_core::fetch::PostRequest;
use wellspring_core::limits;
use wellspring_core::websub::{HubCallbacks, SubscriptionRecord, SubscriptionState, Unguessable};

use super::Hubs;

/// Requests by which a hub is asked to stop; then it is left to find out, since the callback knows it no longer.
const END_ATTEMPTS_MAX: u32 = 3;

impl Hubs {
    /// Asks every hub that is due, as far as there is room.
    pub(super) fn ask_due(&self, shutdown: &CancellationToken) {
        let now = self.inner.now();
        let mut state = self.inner.state();
        for live in state.live.values_mut() {
            let is_due = live.record.progress.next_attempt_at.is_some_and(|at| at <= now);
            if live.busy || !is_due {
                continue;
            }
            // The semaphore is never closed.
            let Ok(room) = self.inner.room.clone().try_acquire_owned() else { return };
            (live.busy, live.confirmed) = (true, false);
            live.record.progress.attempts += 1;
            live.record.progress.asked_at = Some(now);
            let (hubs, record, stop) = (self.clone(), live.record.clone(), shutdown.clone());
            self.inner.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = hubs.ask(record) => {}
                }
                drop(room);
                hubs.inner.wake.notify_one();
            });
        }
    }

    async fn ask(&self, record: SubscriptionRecord) {
        let ending = record.progress.state == SubscriptionState::Ending;
        let error = match self.inner.parts.post.post(request(&record, ending)).await {
            Ok(posted) if (200..300).contains(&posted.status) => None,
            Ok(posted) => Some(format!("the hub answered {}", posted.status)),
            Err(error) => Some(error.chain()),
        };
        let given_up = self.answered(&record.token, ending, error);
        let record = self.inner.state().live.get(&record.token).map(|live| live.record.clone()).unwrap_or(record);
        let kept = match given_up {
            true => self.forget(&record.token).await,
            false if self.knows(&record.token) => self.inner.parts.store.put_subscription(&record).await,
            false => Ok(()),
        };
        if let Err(error) = kept {
            tracing::warn!(error = %error.chain(), "a subscription could not be recorded");
        }
    }

    /// Notes what came of a request; whether the subscription is to be forgotten.
    fn answered(&self, token: &Unguessable, ending: bool, error: Option<String>) -> bool {
        let now = self.inner.now();
        let mut state = self.inner.state();
        let Some(live) = state.live.get_mut(token) else { return false };
        live.busy = false;
        let is_ending = live.record.progress.state == SubscriptionState::Ending;
        // It was confirmed meanwhile, or something else is wanted of the hub by now.
        if live.confirmed || is_ending != ending {
            return false;
        }
        let progress = &mut live.record.progress;
        if ending && (error.is_none() || progress.attempts >= END_ATTEMPTS_MAX) && progress.attempts > 1 {
            return true;
        }
        let seed = u64::from_be_bytes(token.as_bytes()[..8].try_into().unwrap_or_default());
        let pause = self.inner.parts.patience.pause(progress.attempts, seed);
        progress.next_attempt_at = pause.and_then(|pause| now.checked_add(pause).ok());
        let silent = || "the hub has not asked back yet; can it reach `serve.public_url`?".to_owned();
        progress.last_error = Some(error.unwrap_or_else(silent)).map(|mut error| {
            error.truncate(error.floor_char_boundary(limits::VISIT_ERROR_BYTES_MAX));
            error
        });
        false
    }

    /// Forgets a subscription: whatever its hub still sends is answered by nobody.
    pub(super) async fn forget(&self, token: &Unguessable) -> Result<(), wellspring_core::catalog::CatalogError> {
        self.inner.state().live.remove(token);
        self.inner.parts.store.remove_subscription(token).await.map(drop)
    }
}

fn request(record: &SubscriptionRecord, ending: bool) -> PostRequest {
    let settings = &record.settings;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("hub.mode", if ending { "unsubscribe" } else { "subscribe" });
    form.append_pair("hub.topic", &settings.topic).append_pair("hub.callback", &settings.callback);
    if !ending {
        form.append_pair("hub.secret", &record.secret.to_hexadecimal());
        form.append_pair("hub.lease_seconds", &limits::WEBSUB_LEASE.as_secs().to_string());
    }
    PostRequest {
        url: settings.hub.clone(),
        headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
        body: form.finish().into_bytes(),
        private_hosts: settings.private_hosts.clone(),
        timeout: limits::WEBSUB_TIMEOUT,
    }
}
