//! How do several tasks ask one planner?
//!
//! Invariants:
//! - A call holds the lock for as long as it computes, and no call waits for anything else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use wellspring_core::source::{SourceName, SourceRecord, Visit};

use super::{EmbeddingMeter, Learnt, Nature, Planner, PollBudget};
use crate::source::registry::{Plan, VisitPlanner};

/// The planner of the service, for the registry.
#[derive(Debug)]
pub struct SharedPlanner {
    planner: Mutex<Planner>,
    meter: Arc<EmbeddingMeter>,
    clock: fn() -> Timestamp,
}

impl SharedPlanner {
    /// Plans under one budget. The seed spreads the pauses after failures; the meter is the pipeline's.
    pub fn new(budget: PollBudget, seed: u64, meter: Arc<EmbeddingMeter>, clock: fn() -> Timestamp) -> Self {
        Self { planner: Mutex::new(Planner::new(budget, seed, clock())), meter, clock }
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
        self.meter.take(name);
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
        // What this visit brought is embedded later. The visit pays for what the one before it brought.
        self.planner().record(name, visit, self.meter.take(name), now);
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

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use wellspring_core::source::{Origin, SourceSettings};

    use super::*;

    fn start() -> Timestamp {
        Timestamp::from_second(1_700_000_000).unwrap()
    }

    /// A feed that brings something every half an hour, embedded in so many seconds: how often it was visited in a day.
    fn visits_in_a_day(embedding_seconds: f64) -> u32 {
        let meter = Arc::new(EmbeddingMeter::default());
        let planner = SharedPlanner::new(PollBudget::new(60.0, 60.0).unwrap(), 1, meter.clone(), start);
        let name: SourceName = "feed".parse().unwrap();
        let settings = SourceSettings {
            name: name.clone(),
            collection: Default::default(),
            origin: Origin::Feed { url: "https://example.org/feed".to_owned(), articles: false },
            private_hosts: Vec::new(),
            tags: Vec::new(),
        };
        let record = SourceRecord {
            settings,
            paused: false,
            declared: false,
            removing: None,
            added_at: start(),
            last_visit: None,
            complete_at: None,
            next_visit_at: None,
            next_visit_reason: String::new(),
            learnt: serde_json::Value::Null,
        };
        planner.upsert(&record, start());
        let (mut now, mut visits) = (start(), 0);
        while let Some((name, at)) = planner.next(now).filter(|(_, at)| *at < start() + 24.hours()) {
            now = now.max(at);
            planner.begin(&name, now);
            visits += 1;
            let visit = Visit { began_at: now, requests: 1, changed: 1, complete: true, ..Visit::default() };
            planner.record(&name, &visit, now);
            meter.add(&name, embedding_seconds);
        }
        assert_eq!(meter.take(&name), embedding_seconds, "all but the last visit's was taken");
        visits
    }

    #[test]
    fn a_source_pays_for_what_embedding_its_documents_took() {
        let (cheap, dear) = (visits_in_a_day(0.1), visits_in_a_day(300.0));
        assert!(cheap > 3 * dear && dear > 1, "{cheap} visits, and {dear} where each costs five hours of the budget");
    }
}
