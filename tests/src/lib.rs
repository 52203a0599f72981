//! What does the whole promise, and how do we know?
//!
//! The testkit: memory doubles of every seam, stricter than the real parts, and one conformance suite a seam that
//! each implementation passes by one line. The journeys, the crash gate and the architecture rules are in `tests/`.

pub mod conformance;
pub mod doubles;
pub mod service;
