//! What was accepted, what is published, and what may a reader see? The answers, kept in SQLite.
//!
//! [`SqliteCatalog`] implements the three seams of [`wellspring_core::catalog`], and the memory of
//! [`wellspring_core::screen`] (`signatures`, `readmit`), over one database file. The path of
//! a write, one file a step: [`journal`] accepts, `claim` hands out, `stage` keeps the parsed revision, `publish`
//! makes it the one that readers see, `replay` brings a view that lost something forward again, `read` answers.
//! `sources` keeps where documents come from, `webhooks` who is told what happens to them,
//! `subscriptions` who tells us of changes.
//!
//! Invariants:
//! - One writer: writes go through one connection, and a lock file keeps a second process away.
//! - Every call is one transaction; a write is on the disk when the call returns (I-1).
//! - Nothing of a deleted text stays in the file: freed pages are overwritten with zeros.

mod check;
mod claim;
mod events;
mod hydrate;
mod journal;
mod known;
mod listing;
mod open;
mod publish;
mod publisher;
mod read;
mod readmit;
mod release;
mod repeat;
mod replay;
mod retry;
mod rows;
mod signatures;
mod sources;
mod stage;
mod subscriptions;
mod trace;
mod trouble;
mod webhooks;

pub use check::check;
pub use open::{Clock, SqliteCatalog};
