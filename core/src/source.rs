//! Where do documents come from?
//!
//! Invariants:
//! - A document belongs to the source that first sent it; another source's write to the same key is refused, so a
//!   folder scan can neither overwrite nor delete what was pushed.
//! - A source that is not asked for a while keeps what was remembered of it: a restart costs no visit.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::CatalogError;
use crate::document::{CollectionName, ContentHash, NameError, short_name};
use crate::fetch::Validators;

/// The name of a source, in the alphabet of short names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

/// The source of everything that clients push over HTTP.
pub const PUSH: &str = "push";

impl SourceName {
    /// The source of everything that clients push over HTTP.
    pub fn push() -> Self {
        Self(PUSH.to_owned())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        short_name(name)?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for SourceName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> String {
        name.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a source's documents are, and how much of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// A folder on this machine, kept up with as it changes.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Globs below the folder that are wanted; empty for all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
        /// Globs below the folder that are not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        exclude: Vec<String>,
        /// Whether `.gitignore` files say what else is not wanted.
        #[serde(default)]
        gitignore: bool,
    },
    /// An RSS, Atom or JSON feed; each entry is a document.
    Feed {
        /// The feed's address.
        url: String,
        /// Whether the article behind an entry is fetched too, and is the document.
        #[serde(default)]
        articles: bool,
    },
    /// The pages of one host.
    Site {
        /// Where to begin; pages of other hosts are not followed.
        url: String,
        /// A sitemap; where absent, `robots.txt` and `/sitemap.xml` are asked for one before pages are crawled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sitemap: Option<String>,
        /// Links from the beginning to a page; pages of a sitemap have depth 1.
        #[serde(default = "depth_default")]
        depth_max: u32,
        /// Pages in all.
        #[serde(default = "pages_default")]
        pages_max: u32,
    },
    /// One page.
    Page {
        /// Its address.
        url: String,
    },
}

fn depth_default() -> u32 {
    crate::limits::SITE_DEPTH_DEFAULT
}

fn pages_default() -> u32 {
    crate::limits::SITE_PAGES_DEFAULT
}

impl Origin {
    /// The kind as it is written: `folder`, `feed`, `site` or `page`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::Feed { .. } => "feed",
            Self::Site { .. } => "site",
            Self::Page { .. } => "page",
        }
    }
}

/// A source as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Its name, unique.
    pub name: SourceName,
    /// Where its documents go.
    #[serde(default)]
    pub collection: CollectionName,
    /// Where they come from.
    pub origin: Origin,
    /// Host names that may lie in a private network; none unless named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private_hosts: Vec<String>,
    /// Labels that each of its documents gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What one visit of a source found and cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// When it began.
    pub began_at: Timestamp,
    /// How long it took.
    pub took_ms: u64,
    /// Requests made.
    pub requests: u64,
    /// Bytes over the wire.
    pub wire_bytes: u64,
    /// Items seen: entries, pages.
    pub items: u64,
    /// Of those, documents that were new or had changed.
    pub changed: u64,
    /// Documents deleted.
    pub deleted: u64,
    /// Items passed over, with a reason each in `errors` as far as there is room.
    pub failed: u64,
    /// Why the visit, or items of it, failed; each short, at most [`crate::limits::VISIT_ERRORS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Whether the source as a whole was reached: a visit that was not proves nothing about deletions.
    pub complete: bool,
    /// The source asks not to be visited before this (`Retry-After`, `Cache-Control`, a feed's `ttl`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// A hub that tells of changes (WebSub), where the source names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
}

/// What is remembered of one address between visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlMemory {
    /// The address.
    pub url: String,
    /// To ask whether it changed.
    pub validators: Validators,
    /// The digest of the body last read; the truth about change.
    pub body_hash: Option<ContentHash>,
}

/// A source, what is known about it, and when it is visited.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// As described.
    pub settings: SourceSettings,
    /// Whether it is left alone for now.
    pub paused: bool,
    /// When it was added.
    pub added_at: Timestamp,
    /// The last visit.
    pub last_visit: Option<Visit>,
    /// The next visit, where one is planned.
    pub next_visit_at: Option<Timestamp>,
    /// Why then, for people.
    pub next_visit_reason: String,
    /// What the planner has learnt, in its own form.
    pub learnt: serde_json::Value,
}

/// Keeps sources and what is remembered of them. Contract for implementors: every change is durable when the call
/// returns, and a source that is not known is answered with `false` or an empty list.
#[async_trait]
pub trait SourceStore: Send + Sync {
    /// All sources, by name.
    async fn sources(&self) -> Result<Vec<SourceRecord>, CatalogError>;

    /// Adds a source, or replaces the settings of the one of that name; `true` when it is new.
    async fn put_source(&self, settings: &SourceSettings, now: Timestamp) -> Result<bool, CatalogError>;

    /// Pauses or resumes; whether there is such a source.
    async fn set_paused(&self, name: &SourceName, paused: bool) -> Result<bool, CatalogError>;

    /// Forgets a source and what is remembered of it, its documents aside; whether there was one.
    async fn remove_source(&self, name: &SourceName) -> Result<bool, CatalogError>;

    /// Records a visit; whether there is such a source.
    async fn record_visit(&self, name: &SourceName, visit: &Visit) -> Result<bool, CatalogError>;

    /// Plans the next visit and keeps what the planner has learnt; whether there is such a source.
    async fn plan_visit(
        &self,
        name: &SourceName,
        at: Option<Timestamp>,
        reason: &str,
        learnt: &serde_json::Value,
    ) -> Result<bool, CatalogError>;

    /// What is remembered of a source's addresses.
    async fn url_memory(&self, name: &SourceName) -> Result<Vec<UrlMemory>, CatalogError>;

    /// Remembers addresses, replacing what was remembered of the same ones.
    async fn remember_urls(&self, name: &SourceName, urls: Vec<UrlMemory>) -> Result<(), CatalogError>;

    /// Forgets addresses.
    async fn forget_urls(&self, name: &SourceName, urls: &[String]) -> Result<(), CatalogError>;
}
