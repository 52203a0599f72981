//! Where do documents come from?
//!
//! Invariants:
//! - A document belongs to the source that first sent it; another source's write to the same key is refused, so a
//!   folder scan can neither overwrite nor delete what was pushed.
//! - A source that is not asked for a while keeps what was remembered of it: a restart costs no visit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalog::CatalogError;
use crate::document::{CollectionName, ContentHash, NameError, short_name};
use crate::fetch::Validators;
use crate::websub::SubscriptionInfo;

/// The name of a source, in the alphabet of short names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

/// The file by which a data folder of this program is known: no source reads below it.
pub const DATA_FOLDER_MARK: &str = "catalog.lock";

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

    /// The name most like a text, such as a folder's name or a host: lower case, other characters as `-`, cut where it
    /// is too long. `None` where nothing is left.
    pub fn like(text: &str) -> Option<Self> {
        let letter =
            |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
        let name: String = text.chars().map(letter).collect();
        let name = name.trim_start_matches(['-', '_', '.']);
        let name = &name[..name.len().min(crate::limits::SHORT_NAME_BYTES_MAX)];
        name.trim_end_matches(['-', '.']).parse().ok()
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
        /// Links from the beginning to a page; pages of a sitemap have depth 1, and those of one that is named are wanted
        /// whatever this says.
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

    /// The address that its owner named; `None` of a folder.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Folder { .. } => None,
            Self::Feed { url, .. } | Self::Site { url, .. } | Self::Page { url } => Some(url),
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
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// Items that could not be taken, with a reason each in `errors` as far as there is room.
    pub failed: u64,
    /// Items that were left out and are documents with a state that says why: links, pipes, files that are too large or
    /// have names that no key can carry.
    #[serde(default)]
    pub passed_over: u64,
    /// Files in no format that is read: they are no documents, and have no state.
    #[serde(default)]
    pub left_out: u64,
    /// Some of those by name, at most [`crate::limits::LEFT_OUT_NAMES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out_names: Vec<String>,
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
    /// What the hub knows the source as, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
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

/// What becomes of the documents of a source that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remains {
    /// They stay readable and belong to nobody: a push may replace or delete them, and a source of the same name
    /// takes them up again.
    Keep,
    /// They are deleted.
    Delete,
}

impl Remains {
    /// The word as it is written: `keep` or `delete`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Delete => "delete",
        }
    }
}

/// A source, what is known about it, and when it is visited.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// As described.
    pub settings: SourceSettings,
    /// Whether it is left alone for now.
    pub paused: bool,
    /// Whether the configuration file names it.
    pub declared: bool,
    /// Set while it is being removed; it is taken up where it stopped after a restart.
    pub removing: Option<Remains>,
    /// When it was added.
    pub added_at: Timestamp,
    /// The last visit.
    pub last_visit: Option<Visit>,
    /// When the last visit began that reached the source as a whole.
    pub complete_at: Option<Timestamp>,
    /// The next visit, where one is planned.
    pub next_visit_at: Option<Timestamp>,
    /// Why then, for people.
    pub next_visit_reason: String,
    /// What the planner has learnt, in its own form.
    pub learnt: serde_json::Value,
}

/// Documents of one source by the serialised name of their newest entry's state (`pending`, `published`, …).
pub type DocumentCounts = BTreeMap<String, u64>;

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

    /// Says whether the configuration file names it; whether there is such a source.
    async fn set_declared(&self, name: &SourceName, declared: bool) -> Result<bool, CatalogError>;

    /// Marks a source as being removed, so that a restart goes on with it; whether there is such a source.
    async fn set_removing(&self, name: &SourceName, remains: Remains) -> Result<bool, CatalogError>;

    /// Forgets a source and what is remembered of it; whether there was one. Documents that it still has belong to
    /// nobody from then on: any source may replace or delete them, and putting a source of this name takes them up
    /// again.
    async fn remove_source(&self, name: &SourceName) -> Result<bool, CatalogError>;

    /// How many documents each source has, deleted ones left out, by the state of their newest entry; a source
    /// without documents is left out, one that was never put is not.
    async fn document_counts(&self) -> Result<BTreeMap<SourceName, DocumentCounts>, CatalogError>;

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

/// A source as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceInfo {
    /// As described.
    #[serde(flatten)]
    pub settings: SourceSettings,
    /// Whether it is left alone for now.
    pub paused: bool,
    /// Whether the configuration file names it.
    pub declared: bool,
    /// What becomes of its documents, while it is being removed.
    pub removing: Option<Remains>,
    /// When it was added.
    pub added_at: Timestamp,
    /// Its documents by state.
    pub documents: DocumentCounts,
    /// The last visit; for a folder, the last whole scan.
    pub last_visit: Option<Visit>,
    /// The next visit, where one is planned.
    pub next_visit_at: Option<Timestamp>,
    /// Why then, for people.
    pub next_visit_reason: String,
    /// Until when its server asked to be left alone (`Retry-After`); a refresh asks it all the same, once in
    /// [`crate::limits::FETCH_INSIST_PAUSE`] at most.
    pub left_alone_until: Option<Timestamp>,
    /// What stands in its way now.
    pub last_error: Option<String>,
    /// Seconds since the last visit began that reached the source as a whole; `None` before the first.
    pub staleness_seconds: Option<u64>,
    /// Deletions that wait for a person to say that they are meant.
    pub held_deletions: u64,
    /// Whether it is being visited now.
    pub visiting: bool,
    /// How it stands with the hub that it names; `None` where it names none.
    pub subscription: Option<SubscriptionInfo>,
}

/// How far a removal has come when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The source is gone, and so are its documents where that was asked.
    Done,
    /// It is marked, no longer visited, and its documents are being deleted; a restart goes on with it.
    UnderWay,
}

/// Why a source could not be added or steered.
#[derive(Debug, Error)]
pub enum SourceError {
    /// There is no source of this name.
    #[error("there is no such source")]
    Unknown,
    /// A source of this name comes from elsewhere or fills another collection.
    #[error("there is another source of this name")]
    Exists,
    /// The settings cannot be.
    #[error("{0}")]
    Invalid(SettingsError),
    /// There are as many as there may be.
    #[error("there are {} sources already", crate::limits::SOURCES_MAX)]
    TooMany,
    /// It is paused, and was asked to work.
    #[error("the source is paused")]
    Paused,
    /// It is being removed.
    #[error("the source is being removed")]
    Removing,
    /// It holds no deletions back.
    #[error("the source holds no deletions back")]
    NothingHeld,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// A setting that cannot be, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {what}")]
pub struct SettingsError {
    /// Which setting.
    pub field: &'static str,
    /// What is wrong with it, to be read after its name.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// Adds, shows and steers sources. Contract for implementors: what is answered is durable and takes effect at once,
/// without a restart.
#[async_trait]
pub trait SourceAdmin: Send + Sync {
    /// All sources, by name.
    async fn list(&self) -> Result<Vec<SourceInfo>, SourceError>;

    /// One source.
    async fn show(&self, name: &SourceName) -> Result<SourceInfo, SourceError>;

    /// Adds a source. One of this name that comes from the same place and fills the same collection gets the new
    /// settings. Whether it is new comes with it.
    async fn add(&self, settings: SourceSettings) -> Result<(SourceInfo, bool), SourceError>;

    /// Pauses or resumes; doing so again changes nothing.
    async fn pause(&self, name: &SourceName, paused: bool) -> Result<SourceInfo, SourceError>;

    /// Visits the source as soon as there is room, whatever was planned.
    async fn refresh(&self, name: &SourceName) -> Result<SourceInfo, SourceError>;

    /// Says that the deletions held back are meant.
    async fn release(&self, name: &SourceName) -> Result<SourceInfo, SourceError>;

    /// Removes a source; its documents are kept or deleted.
    async fn remove(&self, name: &SourceName, remains: Remains) -> Result<Removal, SourceError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_the_name_most_like_it() {
        let like = |text: &str| SourceName::like(text).map(|name| name.to_string());
        assert_eq!(like("My Notes").as_deref(), Some("my-notes"));
        assert_eq!(like(".hidden/").as_deref(), Some("hidden"));
        assert_eq!(like("Blog.example.org").as_deref(), Some("blog.example.org"));
        assert_eq!(like(&"x".repeat(100)).map(|name| name.len()), Some(crate::limits::SHORT_NAME_BYTES_MAX));
        assert_eq!(like("河流"), None);
    }

    #[test]
    fn settings_are_read_as_they_are_written_and_nothing_else_is() {
        let json = serde_json::json!({
            "name": "a", "collection": "default",
            "origin": { "kind": "site", "url": "http://a/", "depth_max": 3, "pages_max": 1000 },
        });
        let settings: SourceSettings = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), json);
        let mut unknown = json.clone();
        unknown["origin"]["dept"] = 1.into();
        assert!(serde_json::from_value::<SourceSettings>(unknown).is_err());
        let mut unknown = json;
        unknown["color"] = "red".into();
        assert!(serde_json::from_value::<SourceSettings>(unknown).is_err());
    }
}
