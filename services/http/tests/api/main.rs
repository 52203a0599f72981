//! Journeys through the API over real HTTP, against small doubles of what stands behind it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod ask;
mod documents;
mod events;
mod import;
mod locks;
mod openapi;
mod push;
mod search;
mod serving;
mod sources;
mod store;
mod support;
mod webhooks;
mod websub;
