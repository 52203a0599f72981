//! Which of a few passages answers a query best, when a model reads each beside the query?
//!
//! Invariants:
//! - A reranker orders what was found; it finds nothing, and what it cannot read stays where it was.

use async_trait::async_trait;

use crate::failure::Failure;

/// Why passages have no scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RerankErrorKind {
    /// The model or one of its files cannot be used, or it gave no number.
    Model,
    /// More searches wait for it than may; asking later may help.
    Busy,
    /// It has ended.
    Stopped,
}

/// A reranking that failed.
pub type RerankError = Failure<RerankErrorKind>;

/// A model that reads a query and a passage together. Contract for implementors:
///
/// - No method blocks the caller's thread.
/// - A caller that hangs up costs no more than what is being read at that moment.
#[async_trait]
pub trait Reranker: Send + Sync {
    /// How well each passage answers the query, in their order: finite numbers that compare only with each other.
    async fn score(&self, query: String, passages: Vec<String>) -> Result<Vec<f32>, RerankError>;

    /// Microseconds that reading one passage took lately; `None` before the first.
    fn passage_micros(&self) -> Option<u64>;
}
