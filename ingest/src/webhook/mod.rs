//! Who is told what happens to documents, and by whom?
//!
//! ```text
//! something happened -> each endpoint's task: events behind its cursor -> wanted? -> sign -> post
//!                          ^                                                          |
//!                          +--- taken: the cursor moves --- not taken: a pause -------+
//! ```
//!
//! Invariants:
//! - One task an endpoint, with one message in flight at most: an endpoint that is slow or away delays nobody else, and
//!   no write ever waits for one.
//! - The catalog's events are the queue; nothing is buffered here but one page of them.
//! - Offline, nothing is sent and nothing is lost: the cursors stay where they are.

mod admin;
mod deliver;
mod message;
mod send;
pub(crate) mod sign;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wellspring_core::fetch::{Admit, Post};
use wellspring_core::limits;
use wellspring_core::retry::Patience;
use wellspring_core::trace::Traces;
use wellspring_core::webhook::{WebhookId, WebhookRecord, WebhookStore};

use self::deliver::Delivery;

/// What deliveries work with.
#[derive(Clone)]
pub struct WebhookParts {
    /// Keeps endpoints.
    pub store: Arc<dyn WebhookStore>,
    /// Knows what happened.
    pub traces: Arc<dyn Traces>,
    /// Changes whenever something was accepted or published.
    pub changes: watch::Receiver<u64>,
    /// Sends; `None` offline.
    pub post: Option<Arc<dyn Post>>,
    /// Says whether an address that is named would be told.
    pub admit: Arc<dyn Admit>,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// With an endpoint that takes nothing; [`Patience::WEBHOOKS`] in the service.
    pub patience: Patience,
    /// An endpoint answers within this; [`limits::WEBHOOK_TIMEOUT`] in the service.
    pub timeout: Duration,
}

/// Owns the endpoints' tasks. Cloning gives another handle of the same ones.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    parts: WebhookParts,
    /// Changes are made one after the other: each looks at all endpoints, and acts on what it saw.
    changes: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    tests: Semaphore,
    tasks: TaskTracker,
}

/// What is at work now.
#[derive(Default)]
struct State {
    /// The parent of every task's stop; `None` before the start and after the shutdown.
    stop: Option<CancellationToken>,
    live: BTreeMap<WebhookId, Live>,
}

/// One endpoint at work, disabled ones included.
struct Live {
    /// As it is now; its task writes here before it writes to the store.
    record: Arc<Mutex<WebhookRecord>>,
    stop: CancellationToken,
    /// Held by the task at work, so that two never tell one endpoint.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Webhooks {
    /// Puts the parts together; nothing is sent before [`Webhooks::run`].
    pub fn new(parts: WebhookParts) -> Self {
        let (changes, state, tasks) = Default::default();
        let tests = Semaphore::new(limits::WEBHOOK_TESTS_MAX);
        Self { inner: Arc::new(Inner { parts, changes, state, tests, tasks }) }
    }

    /// Tells all endpoints until the shutdown, and returns when their tasks have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        self.take_up(&shutdown).await;
        shutdown.cancelled().await;
        if let Some(stop) = self.inner.state().stop.take() {
            stop.cancel();
        }
        self.inner.tasks.close();
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.inner.tasks.len(), "webhooks that did not stop in time are left");
        }
    }

    /// Starts what the store has, as soon as it can be read.
    async fn take_up(&self, shutdown: &CancellationToken) {
        loop {
            let changes = self.inner.changes.lock().await;
            match self.inner.parts.store.webhooks().await {
                Ok(records) => {
                    self.inner.state().stop = Some(shutdown.child_token());
                    if self.inner.parts.post.is_none() && !records.is_empty() {
                        tracing::info!(
                            webhooks = records.len(),
                            "offline: webhooks are sent nothing, their events wait"
                        );
                    }
                    for record in records {
                        self.start(record);
                    }
                    return;
                }
                Err(error) => tracing::error!(error = %error.chain(), "the webhooks could not be read"),
            }
            drop(changes);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::SOURCE_RETRY_PAUSE) => {}
            }
        }
    }

    /// Has an endpoint told as its record says, in place of whatever was at work. Nothing happens before the start.
    fn start(&self, record: WebhookRecord) {
        let mut state = self.inner.state();
        let Some(root) = state.stop.clone() else { return };
        let before = state.live.remove(&record.id);
        if let Some(before) = &before {
            before.stop.cancel();
        }
        let turn = before.map(|before| before.turn).unwrap_or_default();
        let (id, stop, works) = (record.id.clone(), root.child_token(), record.progress.disabled.is_none());
        let record = Arc::new(Mutex::new(record));
        state.live.insert(id, Live { record: record.clone(), stop: stop.clone(), turn: turn.clone() });
        drop(state);
        let Some(post) = self.inner.parts.post.clone().filter(|_| works) else { return };
        let delivery = Delivery::new(self.inner.parts.clone(), post, record, stop);
        self.inner.tasks.spawn(async move {
            let _turn = turn.lock_owned().await;
            delivery.run().await;
        });
    }
}

impl Inner {
    /// Held only for a look or a change, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        held(&self.state)
    }
}

/// A lock that no one holds while anything can fail.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
