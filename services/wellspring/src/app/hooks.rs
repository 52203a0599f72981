//! Who is told what happens, and by what?
//!
//! Wires the webhooks to the catalog and the guarded client.
//!
//! Invariants:
//! - Offline, nothing is sent: events wait in the catalog.

use std::sync::Arc;

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::fetch::Post;
use wellspring_core::limits;
use wellspring_core::retry::Patience;
use wellspring_ingest::fetch::HttpFetch;
use wellspring_ingest::intake::Intake;
use wellspring_ingest::webhook::{WebhookParts, Webhooks};

/// The webhooks; nothing is sent before their `run`.
pub(super) fn webhooks(catalog: Arc<SqliteCatalog>, intake: &Intake, client: Option<Arc<HttpFetch>>) -> Webhooks {
    Webhooks::new(WebhookParts {
        store: catalog.clone(),
        traces: catalog,
        changes: intake.changes(),
        post: client.map(|client| client as Arc<dyn Post>),
        clock: Timestamp::now,
        patience: Patience::WEBHOOKS,
        timeout: limits::WEBHOOK_TIMEOUT,
    })
}
