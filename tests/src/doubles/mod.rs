//! How does a seam behave when nothing lies beneath it?
//!
//! One memory implementation a seam. They are stricter than the real parts: what a contract forbids, they assert.

pub mod catalog;
pub mod embedder;
pub mod entailment;
pub mod fetch;
pub mod generator;
pub mod keyword;
pub mod openai;
pub mod vector;
