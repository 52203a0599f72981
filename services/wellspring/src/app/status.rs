//! How is the service doing?

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};
use wellspring_core::catalog::{CatalogError, CatalogReader};
use wellspring_core::embedding::EmbeddingSpace;
use wellspring_core::generator::Generator;
use wellspring_core::source::{SourceAdmin, SourceError};
use wellspring_http::{ServiceStatus, StatusSource};

use crate::config::{Config, GeneratorChoice};

/// Gathers the status from the parts.
pub(super) struct Status {
    started: Instant,
    reader: Arc<dyn CatalogReader>,
    generator: Arc<dyn Generator>,
    sources: Arc<dyn SourceAdmin>,
    models: Vec<Value>,
}

impl Status {
    /// Remembers where to ask.
    pub(super) fn new(
        reader: Arc<dyn CatalogReader>,
        generator: Arc<dyn Generator>,
        config: &Config,
        space: &EmbeddingSpace,
        sources: Arc<dyn SourceAdmin>,
    ) -> Self {
        let writer = match &config.generator_model {
            GeneratorChoice::Off => Value::Null,
            GeneratorChoice::Named(name) => json!(name),
            GeneratorChoice::File(path) => json!(path),
        };
        let models = vec![
            json!({ "kind": "embedder", "model": space.model, "dimension": space.dimension, "space": space.id() }),
            json!({ "kind": "generator", "model": writer }),
        ];
        Self { started: Instant::now(), reader, generator, sources, models }
    }
}

impl Status {
    /// The models, the generator's with its work in numbers while its process tells them.
    fn models(&self) -> Vec<Value> {
        let mut models = self.models.clone();
        if let (Some(writer), Some(statistics)) = (models.last_mut(), self.generator.statistics()) {
            writer["statistics"] = json!(statistics);
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
            generator: self.generator.status(),
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
