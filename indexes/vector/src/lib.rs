//! Which chunks mean nearly the same as a question?
//!
//! The vector view, kept by Qdrant Edge inside the process.
//!
//! Invariants:
//! - The checkpoint is written only after the index has been flushed (I-3), and a flush that failed once is never
//!   trusted again: the view then refuses to commit until it is reopened or cleared.
//! - A process that ends while the index is being rearranged leaves one that is filled anew, never one that has chunks
//!   back which were removed.
//! - Two processes never hold one folder.
//! - No panic of the vendor's leaves this crate: it becomes a [`ViewError`](wellspring_core::view::ViewError).

mod edge;
mod manifest;
mod operation_log;
mod shape;
mod shard;
mod writer;

pub use edge::EdgeVectors;
pub use shape::{Quantisation, Shape};
