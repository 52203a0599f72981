//! What is new at this feed, site or page?
//!
//! ```text
//! settings + memory -> fetch -> unchanged? done
//!                            -> parse worker: entries | links -> drafts -> accept, a batch at a time
//!                            -> what is gone -> delete, or hold
//! ```
//!
//! - A **feed** is a window: entries that leave it are not deleted. An entry that comes again with other words is a new
//!   revision of its document.
//! - A **page** is one document. It is deleted when its address says that it is gone for good (410), or is missing
//!   (404) in several visits in a row. What its owner named is asked for whatever `robots.txt` says.
//! - A **site** is its sitemap, or what a crawl within the host finds. A page that asks not to be kept or followed, or
//!   that `robots.txt` excludes, is left alone. A page is deleted when it was asked for and is gone,
//!   or when a complete visit did not meet it.
//!
//! Invariants:
//! - What a server sent is read in the parse worker only (I-8), and kept for one batch at most (I-7).
//! - A visit that did not reach the whole source deletes only what it asked for and found gone.
//! - What the catalog has is read before the first request, so what arrives meanwhile is not taken for deleted.
//! - An address is remembered only after what it led to was accepted: a crash costs a request, never a document.

mod address;
mod articles;
mod crawl;
mod draft;
mod feed;
mod memory;
mod page;
mod robots;
mod session;
mod site;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::Journal;
use wellspring_core::fetch::Fetch;
use wellspring_core::source::{Origin, SourceName, SourceSettings, UrlMemory};

use super::Accept;
use crate::parse::ParsePool;
use session::Session;

pub use robots::{Robots, RobotsRules};

use super::registry::{VisitOutcome, WebVisitor};

/// Visits feeds, sites and pages.
pub struct WebSource {
    /// Reads addresses.
    pub fetch: Arc<dyn Fetch>,
    /// Knows which addresses may be asked.
    pub robots: Arc<dyn Robots>,
    /// Takes writes.
    pub accept: Arc<dyn Accept>,
    /// Knows which documents a source has.
    pub journal: Arc<dyn Journal>,
    /// Reads what came.
    pub reader: Arc<ParsePool>,
    /// Whose held deletions somebody has let go.
    pub releases: Releases,
    /// Whose next visit a person has asked for.
    pub asked: Asked,
}

impl WebSource {
    /// Visits a source once. `memory` is all that was remembered of it, `now` the time at the beginning.
    ///
    /// A folder is no business of this source: its visit is not complete and says so. When `stop` is cancelled the visit
    /// ends after the request or batch in work; what was accepted until then stands.
    pub async fn visit(
        &self,
        settings: &SourceSettings,
        memory: Vec<UrlMemory>,
        now: Timestamp,
        stop: CancellationToken,
    ) -> VisitOutcome {
        let mut session = Session::new(self, settings, memory, now, stop);
        let visited = match &settings.origin {
            Origin::Feed { url, articles } => feed::visit(&mut session, url, *articles).await,
            Origin::Page { url } => page::visit(&mut session, url).await,
            Origin::Site { url, sitemap, depth_max, pages_max } => {
                let wishes =
                    site::Wishes { url, sitemap: sitemap.as_deref(), depth_max: *depth_max, pages_max: *pages_max };
                site::visit(&mut session, &wishes).await
            }
            Origin::Folder { .. } => Err(session.halt("a folder is not visited over the network")),
        };
        session.finish(visited).await
    }
}

#[async_trait]
impl WebVisitor for WebSource {
    async fn visit(&self, settings: &SourceSettings, memory: Vec<UrlMemory>, stop: CancellationToken) -> VisitOutcome {
        Self::visit(self, settings, memory, Timestamp::now(), stop).await
    }

    fn release(&self, name: &SourceName) {
        self.releases.release(name);
    }

    fn asked(&self, name: &SourceName) {
        self.asked.ask(name);
    }

    fn left_alone(&self, settings: &SourceSettings) -> Option<Duration> {
        settings.origin.url().and_then(|url| self.fetch.left_alone(url))
    }
}

/// Sources whose next visit may delete however much it finds gone.
#[derive(Debug, Default)]
pub struct Releases(Marked);

impl Releases {
    /// Lets the next complete visit of a source make the deletions that were held.
    pub fn release(&self, source: &SourceName) {
        self.0.put(source);
    }

    fn take(&self, source: &SourceName) -> bool {
        self.0.take(source)
    }
}

/// Sources whose next visit was asked for by a person, who wants to know what is so now.
#[derive(Debug, Default)]
pub struct Asked(Marked);

impl Asked {
    /// Has the next visit of a source ask again what could not be told before.
    pub fn ask(&self, source: &SourceName) {
        self.0.put(source);
    }

    fn take(&self, source: &SourceName) -> bool {
        self.0.take(source)
    }
}

/// Sources with a mark that their next visit takes off. As many as there are sources at most: only those that are known
/// are marked.
#[derive(Debug, Default)]
struct Marked(Mutex<HashSet<SourceName>>);

impl Marked {
    fn put(&self, source: &SourceName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone());
    }

    fn take(&self, source: &SourceName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(source)
    }
}
