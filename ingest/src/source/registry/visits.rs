//! How does one visit go, from its turn to the next plan?

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::CatalogError;
use wellspring_core::limits;
use wellspring_core::source::{SourceName, SourceSettings, Visit};

use super::{Live, SourceRegistry, VisitOutcome};

impl SourceRegistry {
    /// Visits a source that was claimed as due, in a task of its own.
    pub(super) fn begin_visit(&self, name: SourceName, room: OwnedSemaphorePermit) {
        let found = self.inner.state().live.get(&name).map(|live| {
            let Live { settings, stop, turn, .. } = live;
            (settings.clone(), stop.clone(), turn.clone())
        });
        let Some((settings, stop, turn)) = found else { return self.end_visit(&name) };
        let registry = self.clone();
        self.inner.tasks.spawn(async move {
            let turn = turn.lock_owned().await;
            if !stop.is_cancelled() {
                registry.visit(&settings, stop.clone()).await;
            }
            if stop.is_cancelled() {
                registry.inner.parts.planner.cancel(&settings.name, registry.inner.now());
            }
            drop((turn, room));
            registry.end_visit(&settings.name);
        });
    }

    fn end_visit(&self, name: &SourceName) {
        self.inner.state().busy.remove(name);
        self.inner.wake.notify_one();
    }

    async fn visit(&self, settings: &SourceSettings, stop: CancellationToken) {
        let (parts, name) = (&self.inner.parts, &settings.name);
        let began_at = self.inner.now();
        let outcome = match parts.store.url_memory(name).await {
            Ok(memory) => {
                let visit = AssertUnwindSafe(parts.visitor.visit(settings, memory, stop.clone())).catch_unwind();
                let overdue = async {
                    stop.cancelled().await;
                    tokio::time::sleep(limits::DRAIN_TIMEOUT).await;
                };
                tokio::select! {
                    outcome = visit => outcome.unwrap_or_else(|_| {
                        tracing::error!(source = name.as_str(), "a visit failed unexpectedly");
                        failed(began_at, "the visit failed unexpectedly; the service's log says more")
                    }),
                    // It was stopped and does not listen: let go of it.
                    () = overdue => return,
                }
            }
            Err(error) => failed(began_at, &format!("what is remembered could not be read: {}", error.chain())),
        };
        if let Err(error) = self.keep(settings, outcome, &stop).await {
            // Nothing is lost: the next visit asks more than it had to.
            tracing::warn!(source = name.as_str(), error = %error.chain(), "a visit could not be recorded");
        }
    }

    /// Keeps what a visit has brought. One that was stopped counts only for what it has done.
    async fn keep(
        &self,
        settings: &SourceSettings,
        outcome: VisitOutcome,
        stop: &CancellationToken,
    ) -> Result<(), CatalogError> {
        let VisitOutcome { mut visit, remember, forget, held_deletions } = outcome;
        let (name, store, planner) = (&settings.name, &self.inner.parts.store, &self.inner.parts.planner);
        // The plan comes first, in memory: a store that fails must not have the source visited again at once.
        let stopped = stop.is_cancelled();
        if !stopped {
            if let (Some(live), Some(held)) = (self.inner.state().live.get_mut(name), held_deletions) {
                live.held_deletions = held;
            }
            self.heed_hub(settings, &mut visit);
            planner.record(name, &visit, self.inner.now());
        }
        store.remember_urls(name, remember).await?;
        store.forget_urls(name, &forget).await?;
        if stopped {
            return Ok(());
        }
        store.record_visit(name, &visit).await?;
        if let Some(plan) = planner.plan(name) {
            store.plan_visit(name, plan.at, &plan.reason, &plan.learnt).await?;
        }
        Ok(())
    }
}

impl SourceRegistry {
    /// Says what the visit said of a hub; where one tells of changes, the next planned visit is late.
    fn heed_hub(&self, settings: &SourceSettings, visit: &mut Visit) {
        let (hubs, now) = (&self.inner.parts.hubs, self.inner.now());
        hubs.visited(settings, visit);
        let Some(until) = hubs.told_until(&settings.name).filter(|until| visit.complete && *until > now) else {
            return;
        };
        let seldom = now.checked_add(SignedDuration::try_from(limits::WEBSUB_POLL_INTERVAL).unwrap_or_default());
        // Soon after the lease has ended, if it was not renewed: from then on nobody tells.
        let late = seldom.map_or(until, |seldom| seldom.min(until));
        visit.not_before = Some(visit.not_before.map_or(late, |asked| asked.max(late)));
    }
}

/// A visit that came to nothing.
fn failed(began_at: Timestamp, reason: &str) -> VisitOutcome {
    let visit = Visit {
        began_at,
        took_ms: 0,
        requests: 0,
        wire_bytes: 0,
        items: 0,
        changed: 0,
        deleted: 0,
        failed: 0,
        passed_over: 0,
        left_out: 0,
        left_out_names: Vec::new(),
        errors: vec![reason.to_owned()],
        complete: false,
        not_before: None,
        hub: None,
        topic: None,
    };
    VisitOutcome { visit, remember: Vec::new(), forget: Vec::new(), held_deletions: None }
}
