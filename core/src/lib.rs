//! What do the words mean, and where do the parts meet?
//!
//! The vocabulary (nouns, one file each) and the seams (traits that an index, a model or a store implements).
//! Every other crate speaks through this one; two crates of the same layer never see each other.
//!
//! Invariants:
//! - No I/O, no clock, no randomness: everything here is a value, a pure function or a contract.
//! - No vendor's type: a seam names only types of this crate and of the standard library.
//! - One word per idea; the word list is in ARCHITECTURE.md.

pub mod answer;
pub mod catalog;
pub mod chunk;
pub mod document;
pub mod embedding;
pub mod entailment;
pub mod failure;
pub mod fetch;
pub mod filter;
pub mod generator;
pub mod hit;
pub mod limits;
pub mod place;
pub mod push;
pub mod rerank;
pub mod retriever;
pub mod retry;
pub mod screen;
pub mod source;
pub mod span;
pub mod text;
pub mod trace;
pub mod view;
pub mod webhook;
pub mod websub;
