//! How is the service doing?

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wellspring_answer::Pool;
use wellspring_core::catalog::{CatalogError, CatalogReader};
use wellspring_core::embedding::EmbeddingSpace;
use wellspring_core::generator::GeneratorStatus;
use wellspring_core::source::{SourceAdmin, SourceError};
use wellspring_http::{Readiness, ServiceStatus, StatusSource};

use crate::config::{Config, GeneratorChoice, GeneratorPlace};

/// The part of the readiness that is about what was accepted and is not searchable yet.
const PUBLISHING: &str = "publishing";

/// The part of the readiness that is about an index that cannot be searched.
const SEARCHING: &str = "searching";

/// Says in the readiness, until the stop, why what was accepted does not become searchable.
pub(super) async fn watch_over_publishing(
    mut stuck: watch::Receiver<Option<String>>,
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let reason = stuck.borrow_and_update().clone();
        readiness.send_modify(|readiness| readiness.impair(PUBLISHING, reason));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            // Nobody is left to publish: the service is stopping.
            changed = stuck.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Says in the readiness, until the stop, which index cannot be searched; where none can, nothing is answered.
pub(super) async fn watch_over_searching(
    mut indexes: [watch::Receiver<Option<String>>; 2],
    readiness: watch::Sender<Readiness>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut were_missing = false;
    loop {
        let reasons: Vec<String> = indexes.iter_mut().filter_map(|index| index.borrow_and_update().clone()).collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        let are_missing = reasons.len() == indexes.len();
        readiness.send_modify(|readiness| {
            if are_missing {
                readiness.set_missing(Readiness::ready().without("indexes", reason.clone().unwrap_or_default()));
            } else if were_missing {
                readiness.set_missing(Readiness::ready());
            }
            readiness.impair(SEARCHING, reason);
        });
        were_missing = are_missing;
        let [vector, keyword] = &mut indexes;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            // Nobody is left to search: the service is stopping.
            changed = vector.changed() => if changed.is_err() { return Ok(()) },
            changed = keyword.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Gathers the status from the parts.
pub(super) struct Status {
    started: Instant,
    reader: Arc<dyn CatalogReader>,
    steps: Vec<Arc<Pool>>,
    sources: Arc<dyn SourceAdmin>,
    embedder: Value,
    /// What is configured for each generator.
    configured: Vec<(String, Value)>,
}

impl Status {
    /// Remembers where to ask.
    pub(super) fn new(
        reader: Arc<dyn CatalogReader>,
        steps: Vec<Arc<Pool>>,
        config: &Config,
        space: &EmbeddingSpace,
        sources: Arc<dyn SourceAdmin>,
    ) -> Self {
        let model = |place: &GeneratorPlace| match place {
            GeneratorPlace::Own(GeneratorChoice::Off) => Value::Null,
            GeneratorPlace::Own(GeneratorChoice::Named(name)) => json!(name),
            GeneratorPlace::Own(GeneratorChoice::File(path)) => json!(path),
            GeneratorPlace::Url { model, .. } => json!(model),
        };
        let configured = config.generators.iter().map(|entry| (entry.name.clone(), model(&entry.place))).collect();
        let embedder =
            json!({ "kind": "embedder", "model": space.model, "dimension": space.dimension, "space": space.id() });
        Self { started: Instant::now(), reader, steps, sources, embedder, configured }
    }

    /// Whether a generator can be asked: the best that any says.
    fn generator(&self) -> GeneratorStatus {
        let said: Vec<GeneratorStatus> = self.steps.iter().map(|pool| pool.status()).collect();
        let ready = said.iter().find(|status| matches!(status, GeneratorStatus::Ready { .. }));
        let loading = || said.iter().find(|status| matches!(status, GeneratorStatus::Loading));
        ready.or_else(loading).or(said.first()).cloned().unwrap_or(GeneratorStatus::Off)
    }

    /// The models; each generator's with its work in numbers, step by step.
    fn models(&self) -> Vec<Value> {
        let mut models = vec![self.embedder.clone()];
        for (step, pool) in self.steps.iter().enumerate() {
            for member in pool.members() {
                let configured = self.configured.iter().find(|(name, _)| *name == member.name);
                let mut model = json!(member);
                model["kind"] = json!("generator");
                model["step"] = json!(step + 1);
                if model.get("model").is_none() {
                    model["model"] = configured.map_or(Value::Null, |(_, model)| model.clone());
                }
                models.push(model);
            }
        }
        if self.steps.is_empty() {
            models.push(json!({ "kind": "generator", "model": null }));
        }
        models
    }
}

#[async_trait]
impl StatusSource for Status {
    async fn status(&self) -> Result<ServiceStatus, CatalogError> {
        let sources = match self.sources.list().await {
            Ok(sources) => sources.iter().map(|source| json!(source)).collect(),
            Err(SourceError::Catalog(error)) => return Err(error),
            // Listing can fail for no other reason.
            Err(_) => Vec::new(),
        };
        Ok(ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            memory_bytes: memory_bytes(),
            catalog: self.reader.status().await?,
            generator: self.generator(),
            sources,
            models: self.models(),
        })
    }
}

/// Resident memory of this process; 0 where the machine does not tell.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
