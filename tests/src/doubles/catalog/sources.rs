//! Sources and what is remembered of them, in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use wellspring_core::catalog::{CatalogError, EntryState};
use wellspring_core::limits;
use wellspring_core::source::{
    DocumentCounts, Remains, SourceName, SourceRecord, SourceSettings, SourceStore, UrlMemory, Visit,
};

use super::MemoryCatalog;

#[async_trait]
impl SourceStore for MemoryCatalog {
    async fn sources(&self) -> Result<Vec<SourceRecord>, CatalogError> {
        Ok(self.state().sources.values().cloned().collect())
    }

    async fn put_source(&self, settings: &SourceSettings, now: Timestamp) -> Result<bool, CatalogError> {
        if self.edit_source(&settings.name, |record| record.settings = settings.clone()) {
            return Ok(false);
        }
        let mut state = self.state();
        assert_ne!(settings.name, SourceName::push(), "pushes are no source that anybody adds");
        assert!(state.sources.len() < limits::SOURCES_MAX, "sources beyond the bound reach no catalog");
        state.former_sources.remove(&settings.name);
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
        state.sources.insert(settings.name.clone(), record);
        Ok(true)
    }

    async fn set_paused(&self, name: &SourceName, paused: bool) -> Result<bool, CatalogError> {
        Ok(self.edit_source(name, |record| record.paused = paused))
    }

    async fn set_declared(&self, name: &SourceName, declared: bool) -> Result<bool, CatalogError> {
        Ok(self.edit_source(name, |record| record.declared = declared))
    }

    async fn set_removing(&self, name: &SourceName, remains: Remains) -> Result<bool, CatalogError> {
        Ok(self.edit_source(name, |record| record.removing = Some(remains)))
    }

    async fn remove_source(&self, name: &SourceName) -> Result<bool, CatalogError> {
        let mut state = self.state();
        if state.sources.remove(name).is_none() {
            return Ok(false);
        }
        state.urls.remove(name);
        if state.documents.values().any(|document| !document.deleted && document.source == *name) {
            state.former_sources.insert(name.clone());
        }
        Ok(true)
    }

    async fn document_counts(&self) -> Result<BTreeMap<SourceName, DocumentCounts>, CatalogError> {
        let state = self.state();
        let mut counts = BTreeMap::<SourceName, DocumentCounts>::new();
        for document in state.documents.values().filter(|document| !document.deleted) {
            let word = match state.journal[&document.newest].state {
                EntryState::Pending | EntryState::Parsed | EntryState::Embedded => "pending",
                EntryState::Published => "published",
                EntryState::Superseded => "superseded",
                EntryState::Failed { .. } => "failed",
                EntryState::Quarantined { .. } => "quarantined",
                EntryState::Skipped { .. } => "skipped",
            };
            *counts.entry(document.source.clone()).or_default().entry(word.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }

    async fn record_visit(&self, name: &SourceName, visit: &Visit) -> Result<bool, CatalogError> {
        assert!(visit.errors.len() <= limits::VISIT_ERRORS_MAX, "reasons beyond the bound reach no catalog");
        Ok(self.edit_source(name, |record| {
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
        Ok(self.edit_source(name, |record| {
            record.next_visit_at = at;
            record.next_visit_reason = reason.to_owned();
            record.learnt = learnt.clone();
        }))
    }

    async fn url_memory(&self, name: &SourceName) -> Result<Vec<UrlMemory>, CatalogError> {
        Ok(self.state().urls.get(name).map(|urls| urls.values().cloned().collect()).unwrap_or_default())
    }

    async fn remember_urls(&self, name: &SourceName, urls: Vec<UrlMemory>) -> Result<(), CatalogError> {
        let mut state = self.state();
        if state.sources.contains_key(name) {
            let urls = urls.into_iter().map(|memory| (memory.url.clone(), memory));
            state.urls.entry(name.clone()).or_default().extend(urls);
        }
        Ok(())
    }

    async fn forget_urls(&self, name: &SourceName, urls: &[String]) -> Result<(), CatalogError> {
        if let Some(known) = self.state().urls.get_mut(name) {
            known.retain(|url, _| !urls.contains(url));
        }
        Ok(())
    }
}

impl MemoryCatalog {
    /// Changes a source; whether there is one of this name.
    fn edit_source(&self, name: &SourceName, change: impl FnOnce(&mut SourceRecord)) -> bool {
        self.state().sources.get_mut(name).map(change).is_some()
    }
}
