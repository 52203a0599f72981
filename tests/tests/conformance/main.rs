//! Does every implementation of a seam, real or double, keep the contract?

mod catalog;
mod embedder;
mod entailment;
mod fetch;
mod generator;
mod keyword;
mod vector;
