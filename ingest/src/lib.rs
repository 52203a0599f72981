//! How does a document become findable?
//!
//! The write path, one stage a file, in the order of the data:
//!
//! ```text
//! source -> intake -> (journal) -> prepare: parse, screen, chunk, diff -> embed -> apply -> (published)
//! ```
//!
//! Invariants:
//! - A write is acknowledged by the journal, never by a later stage (I-1).
//! - Work is proportional to what changed: unchanged documents stop at the intake, unchanged chunks at the diff,
//!   known texts at the embedder's door (I-9).
//! - A document that cannot be read ends in a recorded state; the others go on (I-8).

pub mod apply;
pub mod chunk;
pub mod diff;
pub mod embed;
pub mod fetch;
mod in_flight;
pub mod intake;
pub mod parse;
pub mod pipeline;
pub mod prepare;
mod progress;
pub mod recover;
mod retry;
pub mod room;
pub mod schedule;
pub mod screen;
pub mod source;
pub mod trace;
pub mod webhook;
pub mod websub;
