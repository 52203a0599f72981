//! Does an implementation keep its seam's contract?
//!
//! One suite a seam, written against the trait alone. An implementation's test calls it in one line.

pub mod catalog;
pub mod embedder;
pub mod entailment;
pub mod fetch;
pub mod generator;
pub mod hooks;
pub mod keyword;
pub mod screen;
pub mod sources;
pub mod vector;
