//! Which hubs tell us of changes, and when are they asked to?
//!
//! ```text
//! a visit names a hub -> ask it -> it asks back at the callback: confirmed, with a lease -> renewed before its end
//! the hub tells       -> is the signature its own? -> a visit, at most one in a while for each source
//! the source rests    -> the hub is asked to stop
//! ```
//!
//! Invariants:
//! - A subscription is in the store before its hub is asked, so that the hub is recognised whenever it asks back.
//! - What a hub sends is never read as a document: it only brings a visit forward.
//! - Requests to hubs are bounded at once and in number; none holds up another, or a visit.

mod ask;
mod callback;
mod signature;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wellspring_core::fetch::Post;
use wellspring_core::limits;
use wellspring_core::retry::Patience;
use wellspring_core::source::SourceName;
use wellspring_core::websub::{
    SubscriptionProgress, SubscriptionRecord, SubscriptionSettings, SubscriptionState, SubscriptionStore, Unguessable,
};

use crate::webhook::sign::random;

pub use self::watch::NoHubs;

/// What subscriptions work with.
pub struct HubParts {
    /// Keeps subscriptions.
    pub store: Arc<dyn SubscriptionStore>,
    /// Asks hubs.
    pub post: Arc<dyn Post>,
    /// Where hubs reach this service, without a slash at its end.
    pub public_url: String,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// With a hub that does not confirm; [`Patience::HUBS`] in the service.
    pub patience: Patience,
    /// Between two visits of one source that its hub asked for; [`limits::WEBSUB_VISIT_INTERVAL_MIN`] in the service.
    pub visit_interval_min: Duration,
}

/// Has a source visited soon.
pub type VisitSoon = Arc<dyn Fn(&SourceName) + Send + Sync>;

/// Owns the subscriptions. Cloning gives another handle of the same ones.
#[derive(Clone)]
pub struct Hubs {
    inner: Arc<Inner>,
}

struct Inner {
    parts: HubParts,
    state: Mutex<State>,
    /// Something about what is due next has changed.
    wake: Notify,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    /// What sources said since the last look; one entry a source at most.
    said: BTreeMap<SourceName, Option<Named>>,
    live: BTreeMap<Unguessable, Live>,
}

/// The hub that a source names.
#[derive(Clone)]
struct Named {
    hub: String,
    topic: String,
    private_hosts: Vec<String>,
}

/// One subscription at work.
struct Live {
    record: SubscriptionRecord,
    /// A request to its hub is under way.
    busy: bool,
    /// The hub has asked back since that request began.
    confirmed: bool,
    /// When its source was last visited because the hub asked for it.
    visited_at: Option<Timestamp>,
    /// When it is to be visited next for that reason.
    visit_due: Option<Timestamp>,
}

/// The longest wait without a look at the clock, which may have been set meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

impl Hubs {
    /// Puts the parts together; no hub is asked before [`Hubs::run`].
    pub fn new(parts: HubParts) -> Self {
        let room = Arc::new(Semaphore::new(limits::WEBSUB_REQUESTS_MAX));
        let (state, wake, tasks) = Default::default();
        Self { inner: Arc::new(Inner { parts, state, wake, room, tasks }) }
    }

    /// Looks after all subscriptions until the shutdown, and returns when its requests have ended.
    pub async fn run(self, visit_soon: VisitSoon, shutdown: CancellationToken) {
        self.take_up(&shutdown).await;
        while !shutdown.is_cancelled() {
            self.settle().await;
            for source in self.inner.due_visits() {
                visit_soon(&source);
            }
            self.ask_due(&shutdown);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.inner.wake.notified() => {}
                () = tokio::time::sleep(self.inner.time_to_next()) => {}
            }
        }
        self.inner.tasks.close();
        tokio::time::timeout(limits::DRAIN_TIMEOUT, self.inner.tasks.wait()).await.ok();
    }

    /// Takes up what the store has, as soon as it can be read.
    async fn take_up(&self, shutdown: &CancellationToken) {
        loop {
            match self.inner.parts.store.subscriptions().await {
                Ok(records) => {
                    for mut record in records {
                        let ours = record.settings.callback.starts_with(&self.inner.callback(""));
                        if !ours && record.progress.state != SubscriptionState::Ending {
                            // Hubs reach us elsewhere by now: the next visit asks anew.
                            record.progress = fresh(SubscriptionState::Ending, self.inner.now());
                        }
                        self.inner.state().live.insert(record.token.clone(), Live::new(record));
                    }
                    return;
                }
                Err(error) => tracing::error!(error = %error.chain(), "the subscriptions could not be read"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::SOURCE_RETRY_PAUSE) => {}
            }
        }
    }

    /// Makes of what sources said what is asked of hubs.
    async fn settle(&self) {
        let said = std::mem::take(&mut self.inner.state().said);
        for (source, named) in said {
            let current = self.inner.state().of_source(&source).map(|live| live.record.clone());
            if let (Some(current), Some(named)) = (&current, &named)
                && current.settings.hub == named.hub
                && current.settings.topic == named.topic
            {
                self.inner.renew_interest(&current.token, named);
                continue;
            }
            let outcome = async {
                if let Some(current) = current {
                    self.end(current).await?;
                }
                if let Some(named) = named {
                    self.begin(&source, named).await?;
                }
                Ok::<_, wellspring_core::catalog::CatalogError>(())
            };
            if let Err(error) = outcome.await {
                let source = source.as_str();
                // The next visit says it again.
                tracing::warn!(source, error = %error.chain(), "a subscription could not be kept");
            }
        }
    }

    async fn begin(&self, source: &SourceName, named: Named) -> Result<(), wellspring_core::catalog::CatalogError> {
        let (Some(token), Some(secret)) = (random(), random()) else {
            tracing::error!("no token could be made: the system has no randomness");
            return Ok(());
        };
        let (token, secret) = (Unguessable::from_bytes(token), Unguessable::from_bytes(secret));
        let Named { hub, topic, private_hosts } = named;
        let callback = self.inner.callback(&token.to_hexadecimal());
        let record = SubscriptionRecord {
            token: token.clone(),
            source: source.clone(),
            settings: SubscriptionSettings { hub, topic, callback, private_hosts },
            secret,
            progress: fresh(SubscriptionState::Asked, self.inner.now()),
        };
        self.inner.parts.store.put_subscription(&record).await?;
        self.inner.state().live.insert(token, Live::new(record));
        Ok(())
    }

    async fn end(&self, mut record: SubscriptionRecord) -> Result<(), wellspring_core::catalog::CatalogError> {
        record.progress = fresh(SubscriptionState::Ending, self.inner.now());
        self.inner.parts.store.put_subscription(&record).await?;
        if let Some(live) = self.inner.state().live.get_mut(&record.token) {
            *live = Live { busy: live.busy, ..Live::new(record) };
        }
        Ok(())
    }
}

/// The beginning of a subscription, or of its end.
fn fresh(state: SubscriptionState, now: Timestamp) -> SubscriptionProgress {
    SubscriptionProgress {
        state,
        lease_until: None,
        attempts: 0,
        asked_at: None,
        next_attempt_at: Some(now),
        last_error: None,
    }
}

impl Live {
    fn new(record: SubscriptionRecord) -> Self {
        Self { record, busy: false, confirmed: false, visited_at: None, visit_due: None }
    }
}

impl State {
    /// The subscription of a source that is not on its way out.
    fn of_source(&self, source: &SourceName) -> Option<&Live> {
        let lasting = |live: &&Live| live.record.progress.state != SubscriptionState::Ending;
        self.live.values().filter(lasting).find(|live| live.record.source == *source)
    }
}

impl Inner {
    /// Held only for a look or a change, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    /// The address of the callback with this token.
    fn callback(&self, token: &str) -> String {
        format!("{}/v1/websub/{token}", self.parts.public_url)
    }

    /// A source still names the hub that was asked: one that was given up is asked anew after a while.
    fn renew_interest(&self, token: &Unguessable, named: &Named) {
        let now = self.now();
        let mut state = self.state();
        let Some(live) = state.live.get_mut(token) else { return };
        live.record.settings.private_hosts.clone_from(&named.private_hosts);
        let progress = &mut live.record.progress;
        let rested = progress.asked_at.is_none_or(|asked| {
            now.duration_since(asked)
                >= jiff::SignedDuration::try_from(limits::WEBSUB_GIVEN_UP_PAUSE).unwrap_or_default()
        });
        if progress.next_attempt_at.is_none() && !live.busy && rested {
            progress.attempts = 0;
            progress.next_attempt_at = Some(now);
        }
    }

    /// The sources that are to be visited now.
    fn due_visits(&self) -> Vec<SourceName> {
        let now = self.now();
        let mut state = self.state();
        let due = state.live.values_mut().filter(|live| live.visit_due.is_some_and(|at| at <= now));
        due.map(|live| {
            (live.visited_at, live.visit_due) = (Some(now), None);
            live.record.source.clone()
        })
        .collect()
    }

    fn time_to_next(&self) -> Duration {
        let (now, state) = (self.now(), self.state());
        if !state.said.is_empty() {
            return Duration::ZERO;
        }
        // Without room the end of a request wakes us.
        let has_room = self.room.available_permits() > 0;
        let times = state.live.values().flat_map(|live| {
            let attempt = live.record.progress.next_attempt_at.filter(|_| has_room && !live.busy);
            [attempt, live.visit_due]
        });
        let next = times.flatten().min();
        next.map_or(LOOK_INTERVAL, |at| LOOK_INTERVAL.min(at.duration_since(now).try_into().unwrap_or(Duration::ZERO)))
    }
}

#[cfg(test)]
mod tests;
