//! When is which source visited next?
//!
//! The operator gives one budget, not an interval for each source. What is learnt of a source says how stale it would
//! be ([`learnt`]); a visit is due when what waiting has cost passes what the visit costs ([`worth`]); the price is
//! such that all sources together spend the budget ([`planner`]), which two token buckets keep ([`budget`]).
//!
//! The shape of the solution, an index for each source against one price, is that of Cho and Garcia-Molina ("Effective
//! page refresh policies for web crawlers", ACM TODS 2003), which Azar, Horvitz, Lubetzky, Peres and Shahaf made
//! tractable ("Tractable near-optimal policies for crawling", PNAS 2018). Theirs maximise the share of sources that are
//! fresh, at the price of giving up on those that change most; ours minimises the age of what was not seen, for which
//! no source is hopeless.
//!
//! What a visit finds says something of the other sources of its host too ([`kin`]): those that change together are
//! visited together.
//!
//! Invariants:
//! - The same calls give the same plan: time and the seed of the jitter come in as arguments, nothing waits or reads a
//!   clock.
//! - No source starves: see [`Planner::wait_max`].
//! - What a source asks for is respected (`not_before`), up to a bound; a paused source is never visited.

mod budget;
mod kin;
mod learnt;
mod meter;
mod planner;
mod price;
mod rate;
mod reason;
mod rhythm;
mod shared;
mod worth;

pub use budget::{BudgetError, PollBudget};
pub use learnt::{Learnt, LearntFault, Nature};
pub use meter::EmbeddingMeter;
pub use planner::{Planned, Planner, SourcePlan};
pub use shared::SharedPlanner;
