//! How do people and programs reach the service?
//!
//! The public HTTP API under `/v1`, described by `docs/openapi.json`; `/healthz` and `/readyz` for whoever watches
//! the process; and, for the generator's process alone, the protocol of `openai`.
//!
//! Invariants of the public API:
//! - Every request is bounded: head, body, time, memory, and how many are in work at once (I-7).
//! - Every error has one form (`error`), every caller is checked in one place (`auth`).
//! - No log line carries a query string, a body, a question or a document's text.
//! - A caller that hangs up costs nothing more: its work is dropped with its connection.

pub mod auth;
mod body;
mod conditions;
mod draft;
pub mod error;
mod fields;
mod filter;
mod history;
mod layer;
mod leftover;
mod metrics;
pub mod openai;
pub mod openapi;
mod routes;
pub mod schema;
pub mod serve;
pub mod service;
mod stall;
mod unread;

pub use auth::AccessKey;
pub use error::{ApiError, Code};
pub use routes::router;
pub use serve::{HttpSettings, ServeError, serve};
pub use service::{Answers, Missing, Readiness, Residues, Service, ServiceStatus, StatusSource, Writes};
