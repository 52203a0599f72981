//! Which sources are at work, and who looks after them?
//!
//! ```text
//! add, pause, resume, refresh, remove -> the store (durable) -> the running parts (at once)
//! folder  one task that keeps up with it
//! web     the planner says who is due -> room for a visit -> the visitor -> store: addresses, visit, plan
//! ```
//!
//! Invariants:
//! - One task at a time works for a source: each waits for its source's turn, so a change never meets what it replaces.
//! - What was handed over during a visit is remembered after it was accepted: a crash in between costs a visit, never a
//!   document.
//! - Visits under way are bounded, in all and for each host; one that waits for its host holds no place. Every task ends
//!   with the shutdown, within the drain.
//! - A source whose hub tells of changes is still visited, seldom: what a hub loses is found.
//! - A removal that was asked for goes on after a restart, wherever it stopped.

mod admin;
mod claim;
mod declared;
mod removal;
mod running;
mod visits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use wellspring_core::catalog::Journal;
use wellspring_core::fetch::Admit;
use wellspring_core::limits;
use wellspring_core::source::{SourceName, SourceRecord, SourceSettings, SourceStore, UrlMemory, Visit};
use wellspring_core::websub::SubscriptionInfo;

use super::Accept;
use super::folder::FolderStatus;

use claim::HostClaim;

pub use declared::DeclareError;

/// Visits feeds, sites and pages. Contract for implementors:
///
/// - What the visit returns as remembered stands behind documents that the journal has accepted.
/// - After `stop` it returns soon, with what it has done so far; that visit proves nothing about deletions.
/// - It never fails: what went wrong is in the visit.
#[async_trait]
pub trait WebVisitor: Send + Sync {
    /// Visits a source once, with what is remembered of its addresses.
    async fn visit(&self, settings: &SourceSettings, memory: Vec<UrlMemory>, stop: CancellationToken) -> VisitOutcome;

    /// Says that the deletions which the last visit of a source held back are meant: the next one makes them.
    fn release(&self, name: &SourceName);

    /// Says that a person asked for the next visit: it asks again what could not be told before.
    fn asked(&self, name: &SourceName);

    /// How much longer the server of a source wants to be left alone, where it asked for that; a visit that a person asks
    /// for asks it all the same, once in a while.
    fn left_alone(&self, settings: &SourceSettings) -> Option<Duration>;
}

/// What a visit found, and what is to be remembered for the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct VisitOutcome {
    /// What it found and cost.
    pub visit: Visit,
    /// Addresses to remember, in place of what was remembered of the same ones.
    pub remember: Vec<UrlMemory>,
    /// Addresses to forget.
    pub forget: Vec<String>,
    /// Deletions that were found and not made, because so many at once look like a lost site; `None` where the visit did
    /// not go far enough to tell.
    pub held_deletions: Option<u64>,
}

/// When a source is visited next, and why then.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// When; `None` while it is paused.
    pub at: Option<Timestamp>,
    /// Why then, for people.
    pub reason: String,
    /// What was learnt of the source, in the planner's own form, to be given back after a restart.
    pub learnt: serde_json::Value,
}

/// Decides which source is visited when. It knows the sources it was given, and is asked from several tasks. Contract
/// for implementors: no call waits or does I/O, and what is not known is passed over.
pub trait VisitPlanner: Send + Sync {
    /// Takes a source up, with what was learnt and planned before; or takes its new settings.
    fn upsert(&self, record: &SourceRecord, now: Timestamp);

    /// Forgets a source.
    fn remove(&self, name: &SourceName);

    /// Leaves a source out for now, or in again.
    fn paused(&self, name: &SourceName, paused: bool, now: Timestamp);

    /// Says that a visit of a source begins, whether it was due or asked for: it is left out until the visit is
    /// recorded or cancelled.
    fn begin(&self, name: &SourceName, now: Timestamp);

    /// Says that a visit that began came to nothing, because the source was stopped.
    fn cancel(&self, name: &SourceName, now: Timestamp);

    /// Learns from a visit, and plans the next one.
    fn record(&self, name: &SourceName, visit: &Visit, now: Timestamp);

    /// The plan of one source.
    fn plan(&self, name: &SourceName) -> Option<Plan>;

    /// The source to visit next, and when: at the latest now if it is due. Paused ones and ones under way are left out.
    fn next(&self, now: Timestamp) -> Option<(SourceName, Timestamp)>;
}

/// Knows which sources have a hub that tells of changes (WebSub). Contract for implementors: no call waits or does I/O.
pub trait HubWatcher: Send + Sync {
    /// Takes note of what a visit said about a hub.
    fn visited(&self, settings: &SourceSettings, visit: &Visit);

    /// Takes note that a source is paused or on its way out: its hub is asked to stop.
    fn rests(&self, source: &SourceName);

    /// Until when the hub of a source tells of its changes; `None` where none does.
    fn told_until(&self, source: &SourceName) -> Option<Timestamp>;

    /// How it stands with the hub of a source, given its last visit; `None` where it names none.
    fn info(&self, source: &SourceName, visit: &Visit) -> Option<SubscriptionInfo>;
}

/// What the registry works with.
pub struct RegistryParts {
    /// Keeps sources.
    pub store: Arc<dyn SourceStore>,
    /// Takes documents.
    pub accept: Arc<dyn Accept>,
    /// Knows which documents a source has.
    pub journal: Arc<dyn Journal>,
    /// Visits what is not a folder.
    pub visitor: Arc<dyn WebVisitor>,
    /// Says whether an address that is named would be asked.
    pub admit: Arc<dyn Admit>,
    /// Says when.
    pub planner: Arc<dyn VisitPlanner>,
    /// Knows which sources have a hub that tells of changes.
    pub hubs: Arc<dyn HubWatcher>,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Visits under way at once, [`limits::VISITS_MAX`] in the service.
    pub visits_max: usize,
}

/// Owns the running sources. Cloning gives another handle of the same registry.
#[derive(Clone)]
pub struct SourceRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    parts: RegistryParts,
    /// Changes are made one after the other: each looks at all sources, and acts on what it saw.
    changes: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Something about what is due next has changed.
    wake: Notify,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What is at work now.
#[derive(Default)]
struct State {
    /// The parent of every task's stop; `None` before the start and after the shutdown.
    stop: Option<CancellationToken>,
    live: BTreeMap<SourceName, Live>,
    /// To be visited as soon as there is room, whatever is planned.
    wanted: BTreeSet<SourceName>,
    /// Due by the plan, and waiting for another visit of their host to end; the planner has them as under way. As many as
    /// there are sources at most.
    in_line: VecDeque<SourceName>,
    /// Being visited, or about to be, each with what it takes of its host.
    busy: BTreeMap<SourceName, Option<HostClaim>>,
}

/// One source at work, paused ones and ones being removed included.
struct Live {
    settings: SourceSettings,
    /// What its visits take of their host.
    host_claim: Option<HostClaim>,
    stop: CancellationToken,
    turn: Arc<tokio::sync::Mutex<()>>,
    folder: Option<Arc<FolderStatus>>,
    /// Deletions that its last visit held back; a folder counts its own.
    held_deletions: u64,
    /// What went wrong that its visits cannot tell.
    failure: Option<String>,
    /// Told `true` when the removal is done.
    removal: Option<watch::Receiver<bool>>,
}

impl SourceRegistry {
    /// Puts the parts together; nothing works before [`SourceRegistry::run`].
    pub fn new(parts: RegistryParts) -> Self {
        let room = Arc::new(Semaphore::new(parts.visits_max.max(1)));
        let (changes, state, wake, tasks) = Default::default();
        Self { inner: Arc::new(Inner { parts, changes, state, wake, room, tasks }) }
    }

    /// Looks after all sources until the shutdown, and returns when their tasks have ended.
    pub async fn run(self, shutdown: CancellationToken) {
        self.take_up(&shutdown).await;
        while !shutdown.is_cancelled() {
            let due = self.inner.time_to_next();
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.inner.wake.notified() => continue,
                () = tokio::time::sleep(due) => {}
            }
            let room = tokio::select! {
                () = shutdown.cancelled() => break,
                room = self.inner.room.clone().acquire_owned() => room,
            };
            // The semaphore is never closed. What is due may have changed while there was no room.
            let Ok(room) = room else { break };
            if let Some(name) = self.inner.claim_due() {
                self.begin_visit(name, room);
            }
        }
        if let Some(stop) = self.inner.state().stop.take() {
            stop.cancel();
        }
        self.inner.tasks.close();
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.inner.tasks.len(), "sources that did not stop in time are left");
        }
    }

    /// Starts what the store has, as soon as it can be read.
    async fn take_up(&self, shutdown: &CancellationToken) {
        loop {
            let changes = self.inner.changes.lock().await;
            match self.inner.parts.store.sources().await {
                Ok(records) => {
                    self.inner.state().stop = Some(shutdown.child_token());
                    for record in &records {
                        self.start(record);
                    }
                    return;
                }
                Err(error) => tracing::error!(error = %error.chain(), "the sources could not be read"),
            }
            drop(changes);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(limits::SOURCE_RETRY_PAUSE) => {}
            }
        }
    }
}

/// The longest wait for a planned visit without a look at the clock, which may have been set meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

impl Inner {
    /// Held only for a look or a change, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    fn fail(&self, name: &SourceName, failure: Option<&str>) {
        if let Some(live) = self.state().live.get_mut(name) {
            live.failure = failure.map(str::to_owned);
        }
    }
}
