//! What does the configuration file say about sources, and what becomes of those it names no longer?
//!
//! A source that the file names no longer is paused, not removed: a line that was commented out, or another file by
//! mistake, must not cost documents. When the file names it again, it goes on.

use std::collections::BTreeSet;

use thiserror::Error;

use wellspring_core::source::{Origin, SourceError, SourceName, SourceRecord, SourceSettings};

use super::SourceRegistry;
use crate::fetch::{ByItsForm, admit_source};
use crate::source::settings::same_place;

/// A source of the configuration that cannot be used.
#[derive(Debug, Error)]
#[error("the source `{name}` of the configuration cannot be used")]
pub struct DeclareError {
    /// Which one.
    pub name: SourceName,
    /// Why.
    #[source]
    pub error: SourceError,
}

impl SourceRegistry {
    /// Takes the sources that the configuration names, all of them, before the start: new ones are added, changed ones
    /// changed, and those named no longer are paused.
    pub async fn declare(&self, declared: Vec<SourceSettings>) -> Result<(), DeclareError> {
        let _changes = self.inner.changes.lock().await;
        let mut names = BTreeSet::new();
        for settings in declared {
            let name = settings.name.clone();
            let fail = |error| DeclareError { name: name.clone(), error };
            if !names.insert(name.clone()) {
                return Err(fail(SourceError::Exists));
            }
            self.declare_one(settings).await.map_err(fail)?;
        }
        self.pause_undeclared(&names).await
    }

    async fn declare_one(&self, settings: SourceSettings) -> Result<(), SourceError> {
        let records = self.inner.parts.store.sources().await?;
        let known = records.iter().find(|record| record.settings.name == settings.name);
        if known.is_some_and(|known| known.removing.is_some()) {
            let source = settings.name.as_str();
            tracing::warn!(source, "the configuration names a source that is being removed; it is left out until then");
            return Ok(());
        }
        let settings = match self.checked_among(settings.clone(), &records).await {
            Ok(settings) => settings,
            // A disk that is not there today: the source is kept, and its folder is waited for.
            Err(SourceError::Invalid(error)) if error.field == "path" && known.is_some_and(is_folder_away) => {
                tracing::warn!(source = settings.name.as_str(), %error, "a folder is not there; its documents are kept");
                let Some(known) = known else { return Ok(()) };
                known.settings.clone()
            }
            Err(error) => return Err(error),
        };
        // By its form alone: whether the service starts must not hang on a name server.
        admit_source(&ByItsForm, &settings).await.map_err(SourceError::Invalid)?;
        if known.is_some_and(|known| !same_place(&known.settings, &settings)) {
            return Err(SourceError::Exists);
        }
        let store = &self.inner.parts.store;
        if known.is_none_or(|known| known.settings != settings) {
            store.put_source(&settings, self.inner.now()).await?;
        }
        if known.is_none_or(|known| !known.declared) {
            store.set_declared(&settings.name, true).await?;
            store.set_paused(&settings.name, false).await?;
        }
        Ok(())
    }

    async fn pause_undeclared(&self, names: &BTreeSet<SourceName>) -> Result<(), DeclareError> {
        let store = &self.inner.parts.store;
        let records =
            store.sources().await.map_err(|error| DeclareError { name: SourceName::push(), error: error.into() })?;
        for SourceRecord { settings: SourceSettings { name, .. }, declared, .. } in records {
            if !declared || names.contains(&name) {
                continue;
            }
            let paused = async {
                store.set_paused(&name, true).await?;
                store.set_declared(&name, false).await
            };
            paused.await.map_err(|error| DeclareError { name: name.clone(), error: error.into() })?;
            tracing::info!(source = name.as_str(), "the configuration names this source no longer: it is paused");
        }
        Ok(())
    }
}

fn is_folder_away(record: &SourceRecord) -> bool {
    matches!(&record.settings.origin, Origin::Folder { path, .. } if !path.is_dir())
}
