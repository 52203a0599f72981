//! Which passages bear on a query, when words and meaning each have an opinion?
//!
//! ```text
//! route by language -> keyword arm | vector arm (side by side) -> fuse scores -> lean the question towards the best
//! and fuse again -> hydrate through the catalog -> rerank, where a model is configured -> choose by age, by document, by repetition
//! ```
//!
//! Invariants:
//! - What comes out went through one hydration, so a result is in a published revision and no document shows two
//!   revisions in one list (I-2).
//! - An arm that fails costs its vote, not the search; the results say so.
//! - An embedder never votes on a language it was not trained for.

#![deny(missing_docs)]

mod arms;
mod choose;
mod explain;
mod feedback;
mod fuse;
mod hybrid;
pub mod measure;
mod rerank;

pub use feedback::Feedback;
pub use fuse::{Balance, Fused, NEAR_COSINE, Votes, fuse};
pub use hybrid::HybridRetriever;
pub use rerank::Reranking;

#[cfg(test)]
mod fakes;
