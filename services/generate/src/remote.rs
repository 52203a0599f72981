//! How is a generator behind a URL kept an eye on?
//!
//! Invariants:
//! - It counts as there only as long as it answers: nobody waits for a server that is gone.
//! - Asking ends with the [`Remote`].

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use wellspring_core::generator::{
    GenerateError, Generation, GenerationRequest, Generator, GeneratorStatistics, GeneratorStatus,
};
use wellspring_core::limits;

use crate::client::Client;

/// A generator that somebody else runs. Its health is asked again and again.
pub struct Remote {
    client: Client,
    status: Arc<Mutex<GeneratorStatus>>,
    task: JoinHandle<()>,
}

impl Remote {
    /// Begins to ask. Within a tokio runtime; the status is `Loading` until the first answer. `name` is the operator's, for
    /// the log.
    pub fn start(name: &str, client: Client) -> Self {
        let status = Arc::new(Mutex::new(GeneratorStatus::Loading));
        let task = tokio::spawn(watch(name.to_owned(), client.clone(), Arc::clone(&status)));
        Self { client, status, task }
    }
}

async fn watch(name: String, client: Client, status: Arc<Mutex<GeneratorStatus>>) {
    loop {
        let now = match client.probe(limits::GENERATOR_URL_HEALTH_TIMEOUT).await {
            Ok(status) => status,
            Err(error) => GeneratorStatus::Failed { reason: error.chain() },
        };
        let before = std::mem::replace(&mut *status.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        if before != now {
            match &now {
                GeneratorStatus::Failed { reason } => tracing::warn!(generator = name, reason, "a generator is gone"),
                now => tracing::info!(generator = name, status = ?now, "a generator's status changed"),
            }
        }
        tokio::time::sleep(limits::GENERATOR_URL_HEALTH_INTERVAL).await;
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl Generator for Remote {
    fn status(&self) -> GeneratorStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn statistics(&self) -> Option<GeneratorStatistics> {
        match self.status() {
            GeneratorStatus::Ready { .. } => self.client.statistics(),
            GeneratorStatus::Off | GeneratorStatus::Loading | GeneratorStatus::Failed { .. } => None,
        }
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        self.client.generate(request).await
    }
}
