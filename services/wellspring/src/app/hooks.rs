//! Who is told what happens, and who tells us?
//!
//! Wires the webhooks and the hubs of feeds to the catalog and the guarded client.
//!
//! Invariants:
//! - Offline, nothing is sent: events wait in the catalog, and no hub is asked.

use std::sync::Arc;

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::fetch::Post;
use wellspring_core::limits;
use wellspring_core::retry::Patience;
use wellspring_ingest::fetch::HttpFetch;
use wellspring_ingest::intake::Intake;
use wellspring_ingest::source::registry::{HubWatcher, SourceRegistry};
use wellspring_ingest::webhook::{WebhookParts, Webhooks};
use wellspring_ingest::websub::{HubParts, Hubs, NoHubs, VisitSoon};

use super::sources;
use crate::config::Config;

/// The webhooks; nothing is sent before their `run`.
pub(super) fn webhooks(catalog: Arc<SqliteCatalog>, intake: &Intake, client: Option<Arc<HttpFetch>>) -> Webhooks {
    Webhooks::new(WebhookParts {
        store: catalog.clone(),
        traces: catalog,
        changes: intake.changes(),
        admit: sources::admit(client.as_ref()),
        post: client.map(|client| client as Arc<dyn Post>),
        clock: Timestamp::now,
        patience: Patience::WEBHOOKS,
        timeout: limits::WEBHOOK_TIMEOUT,
    })
}

/// The hubs of feeds; no hub is asked before their `run`. `None` without an address that hubs can reach, or offline.
pub(super) fn hubs(config: &Config, catalog: Arc<SqliteCatalog>, client: Option<Arc<HttpFetch>>) -> Option<Hubs> {
    let (post, public_url) = (client?, config.public_url.clone()?);
    Some(Hubs::new(HubParts {
        store: catalog,
        post,
        public_url,
        clock: Timestamp::now,
        patience: Patience::HUBS,
        visit_interval_min: limits::WEBSUB_VISIT_INTERVAL_MIN,
    }))
}

/// What sources ask about hubs.
pub(super) fn watcher(config: &Config, hubs: Option<&Hubs>) -> Arc<dyn HubWatcher> {
    match hubs {
        Some(hubs) => Arc::new(hubs.clone()),
        None if config.offline => Arc::new(NoHubs::OFFLINE),
        None => Arc::new(NoHubs::NO_ADDRESS),
    }
}

/// What a hub that tells brings about.
pub(super) fn visit_soon(sources: &SourceRegistry) -> VisitSoon {
    let sources = sources.clone();
    Arc::new(move |source| sources.told(source))
}
