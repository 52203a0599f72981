//! Which entries does this JSON Feed hold? Versions 1 and 1.1.
//!
//! Invariants:
//! - A field of the wrong kind is passed over, not the feed: identifiers are numbers in many.

use serde_json::Value;
use url::Url;

use wellspring_core::limits;

use super::super::{Refused, tidy_title};
use super::{Feed, FeedEntry, address, time};

/// Reads the JSON of a feed.
pub(super) fn read(base: Option<&Url>, source: &str) -> Result<Feed, Refused> {
    let value: Value = serde_json::from_str(source).map_err(|_| Refused::because("it is not well-formed JSON"))?;
    let is_feed = value["version"].as_str().is_some_and(|version| version.contains("jsonfeed.org/version/"));
    let Some(items) = value["items"].as_array().filter(|_| is_feed) else {
        return Err(Refused::because("it is not a feed"));
    };
    let hubs = value["hubs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let hub = hubs.iter().find(|hub| hub["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("websub")));
    Ok(Feed {
        title: value["title"].as_str().and_then(tidy_title),
        language: value["language"].as_str().and_then(tidy_title),
        fresh_for_seconds: None,
        hub: hub.and_then(|hub| address(base, hub["url"].as_str()?)),
        topic: value["feed_url"].as_str().and_then(|own| address(base, own)),
        entries: items.iter().take(limits::FEED_ENTRIES_MAX).filter_map(|item| entry(base, item)).collect(),
        is_whole: items.len() <= limits::FEED_ENTRIES_MAX,
    })
}

fn entry(base: Option<&Url>, item: &Value) -> Option<FeedEntry> {
    let text = |name: &str| item[name].as_str().filter(|text| !text.trim().is_empty());
    let id = match &item["id"] {
        Value::String(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    let html = text("content_html");
    let tags = item["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let entry = FeedEntry {
        link: text("url").or(text("external_url")).or(id.as_deref()).and_then(|link| {
            // An identifier is an address only when it is whole.
            if item["url"].is_string() { address(base, link) } else { address(None, link) }
        }),
        id,
        title: text("title").and_then(tidy_title),
        text: html.or(text("content_text")).or(text("summary")).map(str::to_owned),
        is_html: html.is_some(),
        published_at: text("date_published").or(text("date_modified")).and_then(time::read),
        language: text("language").and_then(tidy_title),
        categories: tags.iter().filter_map(|tag| tidy_title(tag.as_str()?)).take(limits::TAGS_MAX).collect(),
    };
    (entry.text.is_some() || entry.title.is_some() || entry.link.is_some()).then_some(entry)
}
