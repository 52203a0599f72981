//! The source registry over real folders, a store in memory and a visitor that does as it is told.
#![allow(clippy::unwrap_used, reason = "a check may fail loudly")]

mod doubles;
mod folders;
mod hubs;
mod removing;
mod visiting;
