//! What did embedding each source's documents take?
//!
//! A visit is over long before what it brought is embedded: the pipeline notes seconds here, and the planner takes them
//! when it accounts for the source's next visit.
//!
//! Invariants:
//! - Nothing is counted twice: what is taken is gone.
//! - A restart forgets what was noted and not taken: at most what one visit of each source brought.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wellspring_core::source::SourceName;

/// Seconds of embedding, by source.
#[derive(Debug, Default)]
pub struct EmbeddingMeter(Mutex<HashMap<SourceName, f64>>);

impl EmbeddingMeter {
    /// Notes seconds that a source's documents took.
    pub fn add(&self, source: &SourceName, seconds: f64) {
        let mut spent = self.spent();
        match spent.get_mut(source) {
            Some(sum) => *sum += seconds,
            None => _ = spent.insert(source.clone(), seconds),
        }
    }

    /// What was noted for a source since the last call.
    pub fn take(&self, source: &SourceName) -> f64 {
        self.spent().remove(source).unwrap_or(0.0)
    }

    fn spent(&self) -> MutexGuard<'_, HashMap<SourceName, f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
