//! How good is a ranking, and is another one really better?
//!
//! Pure arithmetic over grades and scores: no search happens here, and nothing is read. Randomness is seeded, so that
//! the same input always gives the same figures.

mod metrics;
mod random;
mod significance;

pub use metrics::{Scores, Wanted};
pub use random::Random;
pub use significance::{Comparison, compare};
