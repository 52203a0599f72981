//! How do several tasks ask one planner?
//!
//! Invariants:
//! - A call holds the lock for as long as it computes, and no call waits for anything else.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use wellspring_core::source::{SourceName, SourceRecord, Visit};

use super::{Learnt, Nature, Planner, PollBudget};
use crate::source::registry::{Plan, VisitPlanner};

/// The planner of the service, for the registry.
#[derive(Debug)]
pub struct SharedPlanner {
    planner: Mutex<Planner>,
    clock: fn() -> Timestamp,
}

impl SharedPlanner {
    /// Plans under one budget. The seed spreads the pauses after failures.
    pub fn new(budget: PollBudget, seed: u64, clock: fn() -> Timestamp) -> Self {
        Self { planner: Mutex::new(Planner::new(budget, seed, clock())), clock }
    }

    fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VisitPlanner for SharedPlanner {
    fn upsert(&self, record: &SourceRecord, now: Timestamp) {
        let nature = Nature::of(&record.settings.origin);
        let (learnt, fault) = Learnt::read(&record.learnt, nature);
        if let Some(fault) = fault {
            tracing::warn!(source = record.settings.name.as_str(), reason = %fault, "a source is learnt anew");
        }
        self.planner().upsert(&record.settings.name, nature, learnt, record.paused, now);
    }

    fn remove(&self, name: &SourceName) {
        self.planner().remove(name, (self.clock)());
    }

    fn paused(&self, name: &SourceName, paused: bool, now: Timestamp) {
        self.planner().set_paused(name, paused, now);
    }

    fn begin(&self, name: &SourceName, now: Timestamp) {
        self.planner().begin(name, now);
    }

    fn cancel(&self, name: &SourceName, now: Timestamp) {
        self.planner().cancel(name, now);
    }

    fn record(&self, name: &SourceName, visit: &Visit, now: Timestamp) {
        // What a visit brought is embedded later, among other things: its seconds are not known here.
        self.planner().record(name, visit, 0.0, now);
    }

    fn plan(&self, name: &SourceName) -> Option<Plan> {
        let planner = self.planner();
        let plan = planner.plan_of(name, (self.clock)())?;
        let learnt = planner.learnt(name)?.to_json();
        Some(Plan { at: plan.next_at, reason: plan.reason, learnt })
    }

    fn next(&self, now: Timestamp) -> Option<(SourceName, Timestamp)> {
        self.planner().next(now).map(|planned| (planned.name, planned.at))
    }
}
