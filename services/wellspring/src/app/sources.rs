//! Where do documents come from, and who goes there?
//!
//! Wires the registry: folders, the guarded client and the visitor behind it, the planner.
//!
//! Invariants:
//! - Offline, no source opens a socket: every visit says so.

use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::fetch::{Admit, Fetch, FetchError, FetchErrorKind, FetchRequest, Fetched};
use wellspring_core::limits;
use wellspring_core::source::{Origin, SourceSettings};
use wellspring_ingest::fetch::{ByItsForm, FetchOptions, HttpFetch, Robots};
use wellspring_ingest::intake::Intake;
use wellspring_ingest::parse::ParsePool;
use wellspring_ingest::schedule::{EmbeddingMeter, PollBudget, SharedPlanner};
use wellspring_ingest::source::registry::{HubWatcher, RegistryParts, SourceRegistry};
use wellspring_ingest::source::web::{Asked, Releases, WebSource};

use super::folders::{self, WatchedFolder};
use crate::config::Config;

/// The one guarded client, which never asks this service itself; `None` offline.
pub(super) fn client(config: &Config, own_port: u16) -> anyhow::Result<Option<Arc<HttpFetch>>> {
    if config.offline {
        return Ok(None);
    }
    let options =
        FetchOptions { contact: config.fetch_contact.clone(), own_ports: vec![own_port], ..FetchOptions::default() };
    Ok(Some(Arc::new(HttpFetch::new(options).context("could not prepare the client that visits sources")?)))
}

/// What judges the addresses that people name: without a client, nothing is looked up.
pub(super) fn admit(client: Option<&Arc<HttpFetch>>) -> Arc<dyn Admit> {
    match client {
        Some(client) => client.clone(),
        None => Arc::new(ByItsForm),
    }
}

/// What the registry is made of.
pub(super) struct SourceParts {
    /// Visits; `None` offline.
    pub(super) client: Option<Arc<HttpFetch>>,
    /// Knows which sources have a hub.
    pub(super) hubs: Arc<dyn HubWatcher>,
    /// Keeps sources, and knows their documents.
    pub(super) catalog: Arc<SqliteCatalog>,
    /// Takes documents.
    pub(super) intake: Arc<Intake>,
    /// Reads feeds and pages.
    pub(super) parser: Arc<ParsePool>,
    /// Told by the pipeline what embedding took.
    pub(super) meter: Arc<EmbeddingMeter>,
}

/// The registry with the sources that the configuration declares; nothing runs before its `run`.
pub(super) async fn registry(config: &Config, parts: SourceParts) -> anyhow::Result<SourceRegistry> {
    let SourceParts { client, hubs, catalog, intake, parser, meter } = parts;
    let admit = admit(client.as_ref());
    let fetch: Arc<dyn Fetch> = match client {
        None => Arc::new(Offline),
        Some(client) => client,
    };
    let visitor = WebSource {
        robots: Arc::new(Robots::new(fetch.clone())),
        fetch,
        accept: intake.clone(),
        journal: catalog.clone(),
        reader: parser,
        releases: Releases::default(),
        asked: Asked::default(),
    };
    let budget = PollBudget::new(config.poll_requests_per_hour, config.poll_embedding_seconds_per_hour)
        .context("the polling budget")?;
    let planner = SharedPlanner::new(budget, u64::from(std::process::id()), meter, Timestamp::now);
    let registry = SourceRegistry::new(RegistryParts {
        store: catalog.clone(),
        accept: intake,
        journal: catalog,
        visitor: Arc::new(visitor),
        admit,
        planner: Arc::new(planner),
        hubs,
        clock: Timestamp::now,
        visits_max: limits::VISITS_MAX,
    });
    let mut declared = config.sources.clone();
    for WatchedFolder { name, root } in folders::name(&config.data_dir, &config.watch)? {
        declared.push(SourceSettings {
            name,
            collection: config.collection.clone(),
            origin: Origin::Folder { path: root, include: Vec::new(), exclude: Vec::new(), gitignore: false },
            private_hosts: Vec::new(),
            tags: Vec::new(),
        });
    }
    registry.declare(declared).await.context("could not take up the configured sources")?;
    Ok(registry)
}

/// Stands where the client would, and opens nothing.
struct Offline;

#[async_trait]
impl Fetch for Offline {
    async fn fetch(&self, _request: FetchRequest) -> Result<Fetched, FetchError> {
        Err(FetchError::new(FetchErrorKind::Refused, "the service is offline; start it without --offline to visit it"))
    }
}
