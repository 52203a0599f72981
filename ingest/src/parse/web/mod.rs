//! What do a feed, a sitemap and a page say about what else there is to read?
//!
//! What comes over a network is hostile, so these readings happen in a worker too (I-8): a source asks the pool, and
//! gets addresses, dates and short texts back.
//!
//! Invariants:
//! - Nothing is expanded that the input defines: entities of a document type stay names, so there is no bomb.
//! - Every list and text has its bound, which the pool checks again on what a worker says.
//! - Addresses are absolute and no longer than their bound; whether they may be asked is not decided here.

mod feed;
mod feed_json;
mod links;
mod sitemap;
mod time;
mod xml;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use wellspring_core::document::MediaType;
use wellspring_core::limits;

use super::Refused;

/// What is asked about a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// What does this document say?
    Document {
        /// The format it is said to be.
        media_type: MediaType,
    },
    /// Which entries does this feed hold?
    Feed {
        /// Its own address, against which links are resolved.
        url: String,
    },
    /// Which pages does this sitemap name?
    Sitemap,
    /// Where does this page lead, and may it be kept?
    Links {
        /// Its own address.
        url: String,
    },
}

/// A feed that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Its title.
    pub title: Option<String>,
    /// The language of its entries, where they do not name their own.
    pub language: Option<String>,
    /// How long it asks not to be read again, in seconds (`ttl`, `sy:updatePeriod`).
    pub fresh_for_seconds: Option<u64>,
    /// A WebSub hub.
    pub hub: Option<String>,
    /// What the feed calls itself (`rel=self`): a hub knows it by this.
    pub topic: Option<String>,
    /// Its entries, in its order.
    pub entries: Vec<FeedEntry>,
    /// Whether that is all of it: `false` when it breaks off or has more entries than are taken.
    pub is_whole: bool,
}

/// One entry of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Its stable name (`guid`, `id`), as it came.
    pub id: Option<String>,
    /// Where its article is.
    pub link: Option<String>,
    /// Its title, as plain text.
    pub title: Option<String>,
    /// What it says: the content, else the summary.
    pub text: Option<String>,
    /// Whether `text` is HTML.
    pub is_html: bool,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// Its language.
    pub language: Option<String>,
    /// What it is filed under.
    pub categories: Vec<String>,
}

/// A sitemap, or an index of sitemaps, that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitemap {
    /// Pages.
    pub pages: Vec<SitemapPage>,
    /// Further sitemaps.
    pub sitemaps: Vec<String>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// A page that a sitemap names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SitemapPage {
    /// Its address.
    pub url: String,
    /// When it last changed, as it was written; a hint.
    pub changed: Option<String>,
}

/// What a page says about itself and others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLinks {
    /// Its title.
    pub title: Option<String>,
    /// The address it wants to be known by (`rel=canonical`).
    pub canonical: Option<String>,
    /// Whether it asks not to be kept.
    pub noindex: bool,
    /// Whether it asks that its links are not followed.
    pub nofollow: bool,
    /// Where it leads, in its order and without repetition; links marked `nofollow` are left out.
    pub links: Vec<String>,
    /// Feeds that it names.
    pub feeds: Vec<String>,
    /// Whether those are all links.
    pub is_whole: bool,
}

/// What a worker found, checked again by the service.
pub(super) trait Found: Serialize + DeserializeOwned + Send + 'static {
    /// Whether it keeps the bounds of this module.
    fn is_bounded(&self) -> bool;
}

impl Found for Feed {
    fn is_bounded(&self) -> bool {
        self.entries.len() <= limits::FEED_ENTRIES_MAX
            && are_addresses(self.hub.iter().chain(&self.topic))
            && self.entries.iter().all(|entry| {
                let shorts = [&entry.title, &entry.language];
                are_addresses(entry.link.iter())
                    && shorts.into_iter().flatten().chain(&entry.categories).all(|text| is_short(text))
                    && entry.categories.len() <= limits::TAGS_MAX
            })
    }
}

impl Found for Sitemap {
    fn is_bounded(&self) -> bool {
        self.pages.len() <= limits::SITEMAP_URLS_MAX
            && self.sitemaps.len() <= limits::SITEMAP_URLS_MAX
            && are_addresses(self.pages.iter().map(|page| &page.url).chain(&self.sitemaps))
            && self.pages.iter().flat_map(|page| &page.changed).all(|date| date.len() <= limits::SITEMAP_DATE_BYTES_MAX)
    }
}

impl Found for PageLinks {
    fn is_bounded(&self) -> bool {
        self.links.len() <= limits::PAGE_LINKS_MAX
            && self.feeds.len() <= limits::PAGE_LINKS_MAX
            && self.title.as_deref().is_none_or(is_short)
            && are_addresses(self.canonical.iter().chain(&self.links).chain(&self.feeds))
    }
}

fn are_addresses<'a>(mut addresses: impl Iterator<Item = &'a String>) -> bool {
    addresses.all(|address| address.len() <= limits::URL_BYTES_MAX)
}

fn is_short(text: &str) -> bool {
    text.len() <= limits::ATTRIBUTE_BYTES_MAX
}

/// Reads what is not a document, as JSON. Only a worker may call this with content from outside (I-8).
pub(super) fn read(ask: &Ask, content: &[u8]) -> Result<String, Refused> {
    match ask {
        Ask::Document { .. } => Err(Refused::because("it is a document")),
        Ask::Feed { url } => pack(&feed::read(url, content)?),
        Ask::Sitemap => pack(&sitemap::read(content)?),
        Ask::Links { url } => pack(&links::read(url, content)?),
    }
}

fn pack(found: &impl Found) -> Result<String, Refused> {
    let json = serde_json::to_string(found).map_err(|_| Refused::because("what it holds cannot be written down"))?;
    if json.len() > limits::TEXT_BYTES_MAX {
        return Err(Refused::because(format!("it holds more than {} bytes", limits::TEXT_BYTES_MAX)));
    }
    Ok(json)
}

/// An absolute `http` or `https` address within its bound; relative ones are resolved.
fn address(base: Option<&Url>, text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > limits::URL_BYTES_MAX {
        return None;
    }
    let url = match base {
        Some(base) => base.join(text).ok()?,
        None => Url::parse(text).ok()?,
    };
    let fits = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= limits::URL_BYTES_MAX;
    fits.then(|| url.into())
}

#[cfg(test)]
mod tests;
