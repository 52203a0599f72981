//! Which chunks say the words of a question?
//!
//! The keyword view, kept by tantivy inside the process, over BM25.
//!
//! Invariants:
//! - The checkpoint travels inside the commit it belongs to, and the folder is synced after it (I-3); a writer that
//!   failed once is never trusted again: the view then refuses to write until it is reopened.
//! - Index and query go through one analyser; an index made by another version of it starts anew.
//! - Deleted chunks count in no score: what ranks depends on what is there, not on what was.
//! - No text is a syntax error.

mod adjacency;
mod analyser;
mod cjk;
mod compound;
mod index;
mod language;
mod query;
mod schema;
mod spelling;
mod statistics;
mod stop_words;

pub use index::TantivyKeywords;
