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

    /// Two feeds that bring as much as often; embedding what one of them brings takes minutes.
    #[test]
    fn a_source_whose_documents_are_dear_to_embed_is_visited_less_often() {
        let meter = Arc::new(EmbeddingMeter::default());
        let budget = PollBudget::new(60.0, 60.0).unwrap();
        let planner = SharedPlanner::new(budget, 1, meter.clone(), start);
        let names: [SourceName; 2] = ["cheap", "dear"].map(|name| name.parse().unwrap());
        for name in &names {
            let origin = Origin::Feed { url: format!("https://{name}.example/feed"), articles: false };
            let settings = SourceSettings {
                name: name.clone(),
                collection: Default::default(),
                origin,
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
        }
        let end = start() + 48.hours();
        let mut visits = [0, 0];
        let mut now = start();
        while let Some((name, at)) = planner.next(now).filter(|(_, at)| *at < end) {
            now = now.max(at);
            let at = now;
            planner.begin(&name, at);
            let place = usize::from(name == names[1]);
            visits[place] += 1;
            let visit = Visit {
                began_at: at,
                took_ms: 100,
                requests: 1,
                wire_bytes: 10_000,
                items: 20,
                changed: 5,
                deleted: 0,
                failed: 0,
                errors: Vec::new(),
                complete: true,
                not_before: None,
                hub: None,
                topic: None,
            };
            planner.record(&name, &visit, at);
            meter.add(&name, [0.1, 300.0][place]);
        }
        assert!(visits[0] > 2 * visits[1] && visits[1] > 0, "{visits:?}");
    }
}
