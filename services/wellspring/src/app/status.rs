//! How is the service doing?

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value, json};
use wellspring_core::catalog::{CatalogError, CatalogReader};
use wellspring_core::embedding::EmbeddingSpace;
use wellspring_core::generator::Generator;
use wellspring_http::{ServiceStatus, StatusSource};
use wellspring_ingest::source::folder::{FolderSource, FolderStatus};

use crate::config::{Config, GeneratorChoice};

/// Gathers the status from the parts.
pub(super) struct Status {
    started: Instant,
    reader: Arc<dyn CatalogReader>,
    generator: Arc<dyn Generator>,
    folders: Vec<(FolderSource, Arc<FolderStatus>)>,
    models: Vec<Value>,
}

impl Status {
    /// Remembers where to ask.
    pub(super) fn new(
        reader: Arc<dyn CatalogReader>,
        generator: Arc<dyn Generator>,
        config: &Config,
        space: &EmbeddingSpace,
        sources: &[(FolderSource, Arc<FolderStatus>)],
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
        Self { started: Instant::now(), reader, generator, folders: sources.to_vec(), models }
    }
}

#[async_trait]
impl StatusSource for Status {
    async fn status(&self) -> Result<ServiceStatus, CatalogError> {
        Ok(ServiceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            memory_bytes: memory_bytes(),
            catalog: self.reader.status().await?,
            generator: self.generator.status(),
            sources: self.folders.iter().map(|(source, status)| folder(source, status)).collect(),
            models: self.models.clone(),
        })
    }
}

/// A watched folder: its name, where it is, and its own report.
fn folder(source: &FolderSource, status: &FolderStatus) -> Value {
    let FolderSource { name, root, collection } = source;
    json!({ "kind": "folder", "name": name, "root": root, "collection": collection, "report": status.report() })
}

/// Resident memory of this process; 0 where the machine does not tell.
fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
