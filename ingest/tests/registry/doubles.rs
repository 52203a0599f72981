//! A store, a journal, a visitor and a planner, each in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{
    Accepted, CatalogError, CatalogErrorKind, Journal, Outcome, Refusal, Retried, Sequence, Write,
};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::fetch::Validators;
use wellspring_core::limits;
use wellspring_core::push::{Push, Pushed};
use wellspring_core::source::{
    DocumentCounts, Remains, SourceName, SourceRecord, SourceSettings, SourceStore, UrlMemory, Visit,
};
use wellspring_core::websub::{SubscriptionInfo, SubscriptionState};
use wellspring_ingest::fetch::ByItsForm;
use wellspring_ingest::source::Accept;
use wellspring_ingest::source::registry::{
    HubWatcher, Plan, RegistryParts, SourceRegistry, VisitOutcome, VisitPlanner, WebVisitor,
};

/// Sources, addresses and documents in memory: what a restart finds again.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) sources: Mutex<BTreeMap<SourceName, SourceRecord>>,
    pub(crate) urls: Mutex<BTreeMap<(SourceName, String), UrlMemory>>,
    /// Documents by key, with their source and fingerprint.
    pub(crate) documents: Mutex<BTreeMap<String, (SourceName, Option<String>)>>,
    /// Batches that may still be accepted before the journal fails.
    pub(crate) batches_left: Mutex<Option<usize>>,
    pub(crate) batches: Mutex<Vec<usize>>,
}

impl Store {
    fn edit(&self, name: &SourceName, change: impl FnOnce(&mut SourceRecord)) -> bool {
        self.sources.lock().unwrap().get_mut(name).map(change).is_some()
    }

    pub(crate) fn record(&self, name: &str) -> Option<SourceRecord> {
        self.sources.lock().unwrap().get(&name.parse().unwrap()).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.documents.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn own(&self, source: &str, keys: impl IntoIterator<Item = String>) {
        let source: SourceName = source.parse().unwrap();
        self.documents.lock().unwrap().extend(keys.into_iter().map(|key| (key, (source.clone(), None))));
    }
}

#[async_trait]
impl SourceStore for Store {
    async fn sources(&self) -> Result<Vec<SourceRecord>, CatalogError> {
        Ok(self.sources.lock().unwrap().values().cloned().collect())
    }

    async fn put_source(&self, settings: &SourceSettings, now: Timestamp) -> Result<bool, CatalogError> {
        if self.edit(&settings.name, |record| record.settings = settings.clone()) {
            return Ok(false);
        }
        let record = SourceRecord {
            settings: settings.clone(),
            paused: false,
            declared: false,
            removing: None,
            added_at: now,
            last_visit: None,
            complete_at: None,
            next_visit_at: None,
            next_visit_reason: String::new(),
            learnt: Value::Null,
        };
        self.sources.lock().unwrap().insert(settings.name.clone(), record);
        Ok(true)
    }

    async fn set_paused(&self, name: &SourceName, paused: bool) -> Result<bool, CatalogError> {
        Ok(self.edit(name, |record| record.paused = paused))
    }

    async fn set_declared(&self, name: &SourceName, declared: bool) -> Result<bool, CatalogError> {
        Ok(self.edit(name, |record| record.declared = declared))
    }

    async fn set_removing(&self, name: &SourceName, remains: Remains) -> Result<bool, CatalogError> {
        Ok(self.edit(name, |record| record.removing = Some(remains)))
    }

    async fn remove_source(&self, name: &SourceName) -> Result<bool, CatalogError> {
        self.urls.lock().unwrap().retain(|(source, _), _| source != name);
        Ok(self.sources.lock().unwrap().remove(name).is_some())
    }

    async fn document_counts(&self) -> Result<BTreeMap<SourceName, DocumentCounts>, CatalogError> {
        let mut counts = BTreeMap::<SourceName, DocumentCounts>::new();
        for (source, _) in self.documents.lock().unwrap().values() {
            *counts.entry(source.clone()).or_default().entry("published".to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn record_visit(&self, name: &SourceName, visit: &Visit) -> Result<bool, CatalogError> {
        Ok(self.edit(name, |record| {
            record.last_visit = Some(visit.clone());
            if visit.complete {
                record.complete_at = Some(visit.began_at);
            }
        }))
    }

    async fn plan_visit(
        &self,
        name: &SourceName,
        at: Option<Timestamp>,
        reason: &str,
        learnt: &Value,
    ) -> Result<bool, CatalogError> {
        Ok(self.edit(name, |record| {
            record.next_visit_at = at;
            record.next_visit_reason = reason.to_owned();
            record.learnt = learnt.clone();
        }))
    }

    async fn url_memory(&self, name: &SourceName) -> Result<Vec<UrlMemory>, CatalogError> {
        let urls = self.urls.lock().unwrap();
        Ok(urls.iter().filter(|((source, _), _)| source == name).map(|(_, memory)| memory.clone()).collect())
    }

    async fn remember_urls(&self, name: &SourceName, urls: Vec<UrlMemory>) -> Result<(), CatalogError> {
        let urls = urls.into_iter().map(|memory| ((name.clone(), memory.url.clone()), memory));
        self.urls.lock().unwrap().extend(urls);
        Ok(())
    }

    async fn forget_urls(&self, name: &SourceName, urls: &[String]) -> Result<(), CatalogError> {
        self.urls.lock().unwrap().retain(|(source, url), _| source != name || !urls.contains(url));
        Ok(())
    }
}

#[async_trait]
impl Accept for Store {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        assert!(writes.len() <= limits::ACCEPT_BATCH_DOCUMENTS_MAX);
        if let Some(left) = self.batches_left.lock().unwrap().as_mut() {
            *left = left.checked_sub(1).ok_or_else(|| CatalogError::new(CatalogErrorKind::Storage, "a planned end"))?;
        }
        self.batches.lock().unwrap().push(writes.len());
        let mut documents = self.documents.lock().unwrap();
        let mut one = |write| {
            let (collection, key, outcome) = match write {
                Write::Put(draft) => {
                    documents.insert(draft.key.to_string(), (draft.source, draft.fingerprint));
                    (draft.collection, draft.key, Outcome::Created)
                }
                Write::Delete { collection, key, source } => {
                    assert_eq!(documents.remove(key.as_str()).map(|(owner, _)| owner), Some(source));
                    (collection, key, Outcome::Deleted)
                }
                Write::Unread { .. } | Write::PassOver { .. } => {
                    unreachable!("every file of these tests can be read")
                }
            };
            let document = DocumentId::of(&collection, &key);
            Ok(Accepted { key, document, revision: Revision(1), sequence: Some(Sequence(1)), outcome })
        };
        Ok(writes.into_iter().map(&mut one).collect())
    }
}

#[async_trait]
impl Journal for Store {
    async fn accept(&self, _: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        unreachable!("sources write through the intake")
    }

    async fn push(&self, _: Push) -> Result<Pushed, CatalogError> {
        unreachable!("sources write through the intake")
    }

    async fn retry(&self, _: &CollectionName, _: &DocumentKey) -> Result<Retried, CatalogError> {
        unreachable!("only a person tries again")
    }

    async fn source_items(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError> {
        let documents = self.documents.lock().unwrap();
        let ours = documents.iter().filter(|(_, (owner, _))| owner == source);
        Ok(ours.map(|(key, (_, print))| (CollectionName::default(), key.parse().unwrap(), print.clone())).collect())
    }
}

/// A visitor that counts, and holds each visit while it is told to.
#[derive(Default)]
pub(crate) struct Visitor {
    pub(crate) hold: AtomicBool,
    pub(crate) panic: AtomicBool,
    pub(crate) go: Notify,
    pub(crate) under_way: AtomicUsize,
    pub(crate) most_under_way: AtomicUsize,
    pub(crate) visits: Mutex<Vec<String>>,
    /// The addresses each visit was told of.
    pub(crate) remembered: Mutex<Vec<Vec<String>>>,
    pub(crate) stopped: AtomicUsize,
    /// Deletions that visits hold back until they are released.
    pub(crate) held: Mutex<u64>,
    /// Sources whose visit a person asked for.
    pub(crate) asked: Mutex<Vec<String>>,
    /// How long servers want to be left alone.
    pub(crate) left_alone: Mutex<Option<Duration>>,
}

#[async_trait]
impl WebVisitor for Visitor {
    async fn visit(&self, settings: &SourceSettings, memory: Vec<UrlMemory>, stop: CancellationToken) -> VisitOutcome {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(now, Ordering::SeqCst);
        self.visits.lock().unwrap().push(settings.name.to_string());
        self.remembered.lock().unwrap().push(memory.into_iter().map(|memory| memory.url).collect());
        assert!(!self.panic.swap(false, Ordering::SeqCst), "a planned panic");
        let mut complete = true;
        while self.hold.load(Ordering::SeqCst) && complete {
            tokio::select! {
                () = self.go.notified() => {}
                () = stop.cancelled() => complete = false,
            }
        }
        if !complete {
            self.stopped.fetch_add(1, Ordering::SeqCst);
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let url = format!("http://{}/", settings.name);
        let remember = vec![UrlMemory { url, validators: Validators::default(), body_hash: None }];
        let held_deletions = complete.then_some(*self.held.lock().unwrap());
        VisitOutcome { visit: visit(complete), remember, forget: Vec::new(), held_deletions }
    }

    fn release(&self, _: &SourceName) {
        *self.held.lock().unwrap() = 0;
    }

    fn asked(&self, name: &SourceName) {
        self.asked.lock().unwrap().push(name.to_string());
    }

    fn left_alone(&self, _: &SourceSettings) -> Option<Duration> {
        *self.left_alone.lock().unwrap()
    }
}

pub(crate) fn visit(complete: bool) -> Visit {
    Visit {
        began_at: Timestamp::now(),
        took_ms: 1,
        requests: 1,
        wire_bytes: 100,
        items: 1,
        changed: 1,
        deleted: 0,
        failed: 0,
        passed_over: 0,
        left_out: 0,
        left_out_names: Vec::new(),
        errors: if complete { vec![] } else { vec!["cut off".to_owned()] },
        complete,
        not_before: None,
        hub: Some("http://hub.example/".to_owned()),
        topic: None,
    }
}

/// Visits every source at a fixed interval, the first time at once.
pub(crate) struct FixedInterval {
    pub(crate) interval: SignedDuration,
    sources: Mutex<BTreeMap<SourceName, Schedule>>,
}

struct Schedule {
    at: Timestamp,
    visits: u64,
    paused: bool,
    under_way: bool,
}

impl FixedInterval {
    pub(crate) fn of(interval: SignedDuration) -> Self {
        Self { interval, sources: Mutex::default() }
    }
}

impl VisitPlanner for FixedInterval {
    fn upsert(&self, record: &SourceRecord, now: Timestamp) {
        let visits = record.learnt["visits"].as_u64().unwrap_or(0);
        let at = record.next_visit_at.unwrap_or(now);
        let mut sources = self.sources.lock().unwrap();
        let under_way = sources.get(&record.settings.name).is_some_and(|schedule| schedule.under_way);
        let schedule = Schedule { at, visits, paused: record.paused, under_way };
        sources.insert(record.settings.name.clone(), schedule);
    }

    fn remove(&self, name: &SourceName) {
        self.sources.lock().unwrap().remove(name);
    }

    fn paused(&self, name: &SourceName, paused: bool, _: Timestamp) {
        if let Some(schedule) = self.sources.lock().unwrap().get_mut(name) {
            schedule.paused = paused;
        }
    }

    fn begin(&self, name: &SourceName, _: Timestamp) {
        if let Some(schedule) = self.sources.lock().unwrap().get_mut(name) {
            assert!(!std::mem::replace(&mut schedule.under_way, true), "one visit of a source at a time");
        }
    }

    fn cancel(&self, name: &SourceName, _: Timestamp) {
        if let Some(schedule) = self.sources.lock().unwrap().get_mut(name) {
            schedule.under_way = false;
        }
    }

    fn record(&self, name: &SourceName, _: &Visit, now: Timestamp) {
        if let Some(schedule) = self.sources.lock().unwrap().get_mut(name) {
            schedule.under_way = false;
            schedule.at = now + self.interval;
            schedule.visits += 1;
        }
    }

    fn plan(&self, name: &SourceName) -> Option<Plan> {
        let sources = self.sources.lock().unwrap();
        let schedule = sources.get(name)?;
        let at = (!schedule.paused).then_some(schedule.at);
        Some(Plan { at, reason: "every so often".to_owned(), learnt: json!({ "visits": schedule.visits }) })
    }

    fn next(&self, _: Timestamp) -> Option<(SourceName, Timestamp)> {
        let sources = self.sources.lock().unwrap();
        let waiting = sources.iter().filter(|(_, schedule)| !schedule.paused && !schedule.under_way);
        waiting.min_by_key(|(_, schedule)| schedule.at).map(|(name, schedule)| (name.clone(), schedule.at))
    }
}

/// Hubs in memory, which are asked nothing.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) visited: Mutex<Vec<(String, Option<String>)>>,
    pub(crate) rested: Mutex<Vec<String>>,
    pub(crate) told_until: Mutex<Option<Timestamp>>,
}

impl HubWatcher for Watched {
    fn visited(&self, settings: &SourceSettings, visit: &Visit) {
        self.visited.lock().unwrap().push((settings.name.to_string(), visit.hub.clone()));
    }

    fn rests(&self, source: &SourceName) {
        self.rested.lock().unwrap().push(source.to_string());
    }

    fn told_until(&self, _: &SourceName) -> Option<Timestamp> {
        *self.told_until.lock().unwrap()
    }

    fn info(&self, _: &SourceName, visit: &Visit) -> Option<SubscriptionInfo> {
        let lease_until = *self.told_until.lock().unwrap();
        Some(SubscriptionInfo { hub: visit.hub.clone()?, state: SubscriptionState::Active, lease_until, note: None })
    }
}

/// A registry at work.
pub(crate) struct Running {
    pub(crate) registry: SourceRegistry,
    pub(crate) store: Arc<Store>,
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) hubs: Arc<Watched>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::over(Arc::default(), SignedDuration::from_hours(1))
    }

    pub(crate) fn over(store: Arc<Store>, interval: SignedDuration) -> Self {
        let mut running = Self::idle(store, interval);
        running.run();
        running
    }

    /// A registry that does not run yet.
    pub(crate) fn idle(store: Arc<Store>, interval: SignedDuration) -> Self {
        let (visitor, hubs) = (Arc::new(Visitor::default()), Arc::new(Watched::default()));
        let registry = SourceRegistry::new(RegistryParts {
            store: store.clone(),
            accept: store.clone(),
            journal: store.clone(),
            visitor: visitor.clone(),
            admit: Arc::new(ByItsForm),
            planner: Arc::new(FixedInterval::of(interval)),
            hubs: hubs.clone(),
            clock: Timestamp::now,
            visits_max: 2,
        });
        Self { registry, store, visitor, hubs, shutdown: CancellationToken::new(), task: None }
    }

    pub(crate) fn run(&mut self) {
        self.task = Some(tokio::spawn(self.registry.clone().run(self.shutdown.clone())));
    }

    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        self.task.take().unwrap().await.unwrap();
    }

    pub(crate) fn visits(&self) -> usize {
        self.visitor.visits.lock().unwrap().len()
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            assert!(Instant::now() < deadline, "gave up waiting for {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A page as a source.
pub(crate) fn page(name: &str) -> SourceSettings {
    settings(json!({ "name": name, "origin": { "kind": "page", "url": format!("http://{name}.example/") } }))
}

pub(crate) fn settings(value: Value) -> SourceSettings {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn named(name: &str) -> SourceName {
    name.parse().unwrap()
}
