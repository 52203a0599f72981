//! How is a source added, shown and steered while everything runs?

use async_trait::async_trait;
use jiff::Timestamp;

use wellspring_core::limits;
use wellspring_core::source::{
    DocumentCounts, Origin, Remains, Removal, SettingsError, SourceAdmin, SourceError, SourceInfo, SourceName,
    SourceRecord, SourceSettings,
};

use super::SourceRegistry;
use crate::fetch::admit_source;
use crate::source::folder::FolderReport;
use crate::source::settings::{apart, checked, same_place};

#[async_trait]
impl SourceAdmin for SourceRegistry {
    async fn list(&self) -> Result<Vec<SourceInfo>, SourceError> {
        let records = self.inner.parts.store.sources().await?;
        let mut counts = self.inner.parts.store.document_counts().await?;
        let now = self.inner.now();
        let info = |record: SourceRecord| {
            let documents = counts.remove(&record.settings.name).unwrap_or_default();
            self.info(record, documents, now)
        };
        Ok(records.into_iter().map(info).collect())
    }

    async fn show(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        let record = self.record(name).await?;
        let documents = self.inner.parts.store.document_counts().await?.remove(name).unwrap_or_default();
        Ok(self.info(record, documents, self.inner.now()))
    }

    async fn add(&self, settings: SourceSettings) -> Result<(SourceInfo, bool), SourceError> {
        let settings = well_formed(settings).await?;
        // Before the lock: a name that is looked up slowly holds up no other change.
        admit_source(&*self.inner.parts.admit, &settings).await.map_err(SourceError::Invalid)?;
        let _changes = self.inner.changes.lock().await;
        let store = &self.inner.parts.store;
        let records = store.sources().await?;
        let settings = self.checked_among(settings, &records).await?;
        let known = records.iter().find(|record| record.settings.name == settings.name);
        match known {
            Some(known) if known.removing.is_some() => return Err(SourceError::Removing),
            Some(known) if known.settings == settings => return Ok((self.show(&settings.name).await?, false)),
            Some(known) if !same_place(&known.settings, &settings) => return Err(SourceError::Exists),
            Some(_) => {}
            None if records.len() >= limits::SOURCES_MAX => return Err(SourceError::TooMany),
            None => {}
        }
        let is_new = store.put_source(&settings, self.inner.now()).await?;
        let record = self.record(&settings.name).await?;
        self.start(&record);
        // A folder that starts looks at everything; the plan of the others was made for what they were.
        if !is_new && !record.paused && !matches!(record.settings.origin, Origin::Folder { .. }) {
            self.want(&settings.name);
        }
        Ok((self.show(&settings.name).await?, is_new))
    }

    async fn pause(&self, name: &SourceName, paused: bool) -> Result<SourceInfo, SourceError> {
        let _changes = self.inner.changes.lock().await;
        let mut record = self.steerable(name).await?;
        if record.paused != paused {
            self.inner.parts.store.set_paused(name, paused).await?;
            record.paused = paused;
            match paused {
                true => self.rest(&record.settings),
                false => self.start(&record),
            }
        }
        self.show(name).await
    }

    async fn refresh(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        let record = self.steerable(name).await?;
        if record.paused {
            return Err(SourceError::Paused);
        }
        self.inner.parts.visitor.asked(name);
        self.want(name);
        self.show(name).await
    }

    async fn release(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        self.steerable(name).await?;
        let (folder, held) = self.inner.state().live.get(name).map_or((None, 0), |live| {
            let held = live.folder.as_ref().map_or(live.held_deletions, |folder| folder.report().held_deletions as u64);
            (live.folder.clone(), held)
        });
        if held == 0 {
            return Err(SourceError::NothingHeld);
        }
        match folder {
            Some(folder) => folder.release_held_deletions(),
            None => {
                self.inner.parts.visitor.release(name);
                self.want(name);
            }
        }
        self.show(name).await
    }

    async fn remove(&self, name: &SourceName, remains: Remains) -> Result<Removal, SourceError> {
        let changes = self.inner.changes.lock().await;
        let record = self.record(name).await?;
        match record.removing {
            Some(under_way) if under_way != remains => return Err(SourceError::Removing),
            Some(_) => {}
            None => {
                self.inner.parts.store.set_removing(name, remains).await?;
            }
        }
        let Some(mut done) = self.begin_removal(name, remains) else { return Ok(Removal::UnderWay) };
        drop(changes);
        match tokio::time::timeout(limits::SOURCE_REMOVAL_WAIT, done.wait_for(|done| *done)).await {
            Ok(Ok(_)) => Ok(Removal::Done),
            Ok(Err(_)) | Err(_) => Ok(Removal::UnderWay),
        }
    }
}

/// Settings in their checked form. A folder is asked about on the disk, which may take its time.
async fn well_formed(settings: SourceSettings) -> Result<SourceSettings, SourceError> {
    let checked = tokio::task::spawn_blocking(move || checked(settings)).await;
    checked
        .unwrap_or_else(|_| {
            Err(SettingsError {
                field: "origin",
                what: "could not be checked".to_owned(),
                hint: "try again".to_owned(),
            })
        })
        .map_err(SourceError::Invalid)
}

impl SourceRegistry {
    /// Asks for a visit; one that is asked for before the start is made after it.
    fn want(&self, name: &SourceName) {
        let mut state = self.inner.state();
        match state.live.get(name).map(|live| live.folder.clone()) {
            Some(Some(folder)) => folder.request_scan(),
            Some(None) | None => {
                state.wanted.insert(name.clone());
            }
        }
        drop(state);
        self.inner.wake.notify_one();
    }

    /// Visits a source because its hub says that it has changed; one that rests or is not there is left alone.
    pub fn told(&self, name: &SourceName) {
        let works = self.inner.state().live.get(name).is_some_and(|live| !live.stop.is_cancelled());
        if works {
            self.want(name);
        }
    }

    async fn record(&self, name: &SourceName) -> Result<SourceRecord, SourceError> {
        let records = self.inner.parts.store.sources().await?;
        records.into_iter().find(|record| record.settings.name == *name).ok_or(SourceError::Unknown)
    }

    /// A source that is not on its way out.
    async fn steerable(&self, name: &SourceName) -> Result<SourceRecord, SourceError> {
        let record = self.record(name).await?;
        if record.removing.is_some() { Err(SourceError::Removing) } else { Ok(record) }
    }

    /// Settings in their checked form, that get in no other source's way.
    pub(super) async fn checked_among(
        &self,
        settings: SourceSettings,
        records: &[SourceRecord],
    ) -> Result<SourceSettings, SourceError> {
        let name = settings.name.clone();
        let settings = well_formed(settings).await?;
        let others = records.iter().map(|record| &record.settings).filter(|other| other.name != name);
        apart(&settings, others).map_err(SourceError::Invalid)?;
        Ok(settings)
    }

    fn info(&self, record: SourceRecord, documents: DocumentCounts, now: Timestamp) -> SourceInfo {
        let name = &record.settings.name;
        let state = self.inner.state();
        let live = state.live.get(name);
        let report = live.and_then(|live| live.folder.as_ref()).map(|folder| folder.report());
        let (next_visit_at, mut next_visit_reason) = self.next_visit(&record, report.as_ref());
        if state.waits_for_host(name) {
            next_visit_reason = "it waits until another visit of its host is over".to_owned();
        }
        let rests = record.paused || record.removing.is_some();
        let left = self.inner.parts.visitor.left_alone(&record.settings).filter(|_| !rests);
        // A second more than whole ones: it is not over before.
        let left_alone_until =
            left.and_then(|left| Timestamp::from_second(now.as_second() + left.as_secs() as i64 + 1).ok());
        if let Some(until) = left_alone_until {
            next_visit_reason = format!("its server asked to be left alone until {until}");
        }
        let of_visit = || {
            let visit = record.last_visit.as_ref().filter(|visit| !visit.complete || visit.failed > 0)?;
            visit.errors.first().cloned()
        };
        let last_error = match (&report, live.and_then(|live| live.failure.clone())) {
            (_, Some(failure)) => Some(failure),
            (Some(report), None) if report.last_error.is_some() => report.last_error.clone(),
            _ => of_visit(),
        };
        let staleness = record.complete_at.map(|at| now.duration_since(at).as_secs().max(0) as u64);
        let scanning = report.as_ref().is_some_and(|report| report.scans == 0 && report.last_error.is_none());
        SourceInfo {
            paused: record.paused,
            declared: record.declared,
            removing: record.removing,
            added_at: record.added_at,
            documents,
            next_visit_at,
            next_visit_reason,
            left_alone_until,
            last_error,
            staleness_seconds: staleness,
            held_deletions: match &report {
                Some(report) => report.held_deletions as u64,
                None => live.map_or(0, |live| live.held_deletions),
            },
            subscription: record
                .last_visit
                .as_ref()
                .filter(|_| !record.paused && record.removing.is_none())
                .and_then(|visit| self.inner.parts.hubs.info(name, visit)),
            visiting: scanning || state.busy.contains_key(name),
            last_visit: record.last_visit,
            settings: record.settings,
        }
    }

    fn next_visit(&self, record: &SourceRecord, report: Option<&FolderReport>) -> (Option<Timestamp>, String) {
        if record.removing.is_some() {
            return (None, "it is being removed".to_owned());
        }
        if record.paused {
            return (None, "it is paused".to_owned());
        }
        if let (Origin::Folder { .. }, report) = (&record.settings.origin, report) {
            let reason = match report {
                Some(report) if report.watched => "changes are seen at once; a whole look finds what was missed",
                Some(_) => "the folder is not watched whole; whole looks find its changes",
                None => "it begins with the service",
            };
            return (report.and_then(|report| report.next_scan_at), reason.to_owned());
        }
        let told = self.inner.parts.hubs.told_until(&record.settings.name);
        match self.inner.parts.planner.plan(&record.settings.name) {
            Some(plan) if told.is_some_and(|until| until > self.inner.now()) => {
                (plan.at, "its hub tells of changes at once; a visit finds what was lost".to_owned())
            }
            Some(plan) => (plan.at, plan.reason),
            None => (record.next_visit_at, record.next_visit_reason.clone()),
        }
    }
}
