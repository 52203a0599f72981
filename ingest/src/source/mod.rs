//! Where do documents come from, and how does a source hand them over?
//!
//! Invariants:
//! - A source only proposes: the journal decides what is new, what is unchanged and whose a document is.

use async_trait::async_trait;

use wellspring_core::catalog::{Accepted, CatalogError, Refusal, Write};

pub mod folder;
pub mod registry;
pub mod settings;
pub mod web;

/// Takes writes in; the intake in the service. Contract for implementors:
///
/// - When it returns, the accepted writes are durable (I-1); the answers are in the order of the writes.
/// - Accepting the same writes again is harmless. Dropping the future may leave them accepted.
#[async_trait]
pub trait Accept: Send + Sync {
    /// Accepts at most [`wellspring_core::limits::ACCEPT_BATCH_DOCUMENTS_MAX`] writes, in order.
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError>;
}
