//! Where does this page lead, and what does it ask of robots?
//!
//! Invariants:
//! - The tree is built with the same bounds as for reading, and walked in a loop.

use std::collections::HashSet;

use scraper::Node;
use scraper::node::Element;
use url::Url;

use wellspring_core::limits;

use super::super::{Refused, decode, html, tidy_title};
use super::{PageLinks, address};
use crate::fetch::PRODUCT;

/// What a feed calls itself in a page that names it.
const FEED_TYPES: [&str; 4] =
    ["application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"];

/// Reads what the page at `url` says of itself.
pub(super) fn read(url: &str, content: &[u8]) -> Result<PageLinks, Refused> {
    let page = html::build(&decode::html(content)?)?;
    let mut base = Url::parse(url).ok();
    let mut has_base = false;
    let mut found = PageLinks { is_whole: true, ..PageLinks::default() };
    let mut seen = HashSet::new();
    for node in page.tree.root().descendants() {
        let Node::Element(element) = node.value() else { continue };
        match element.name() {
            "base" if !has_base => {
                if let Some(href) = element.attr("href").filter(|href| href.len() <= limits::URL_BYTES_MAX) {
                    has_base = true;
                    base = base.as_ref().and_then(|base| base.join(href.trim()).ok()).or(base);
                }
            }
            "title" if found.title.is_none() => {
                let words: String =
                    node.children().filter_map(|child| child.value().as_text()).map(|text| &**text).collect();
                found.title = tidy_title(&words);
            }
            "meta" if is_for_robots(element) => {
                let wishes = element.attr("content").unwrap_or_default().to_ascii_lowercase();
                for wish in wishes.split([',', ';', ' ']).map(str::trim) {
                    found.noindex |= matches!(wish, "noindex" | "none");
                    found.nofollow |= matches!(wish, "nofollow" | "none");
                }
            }
            "link" => {
                let Some(href) = element.attr("href").and_then(|href| address(base.as_ref(), href)) else { continue };
                let kind = element.attr("type").unwrap_or_default();
                if has_relation(element, "canonical") && found.canonical.is_none() {
                    found.canonical = Some(href);
                } else if has_relation(element, "alternate")
                    && FEED_TYPES.contains(&kind)
                    && found.feeds.len() < limits::PAGE_LINKS_MAX
                {
                    found.feeds.push(href);
                }
            }
            "a" | "area" if !has_relation(element, "nofollow") => {
                let Some(href) = element.attr("href").and_then(|href| address(base.as_ref(), href)) else { continue };
                let href = href.split_once('#').map_or(href.as_str(), |(href, _)| href).to_owned();
                if found.links.len() == limits::PAGE_LINKS_MAX {
                    found.is_whole &= seen.contains(&href);
                } else if seen.insert(href.clone()) {
                    found.links.push(href);
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn is_for_robots(element: &Element) -> bool {
    let is_ours = |name: &str| name.eq_ignore_ascii_case("robots") || name.eq_ignore_ascii_case(PRODUCT);
    element.attr("name").is_some_and(|name| is_ours(name.trim()))
}

fn has_relation(element: &Element, relation: &str) -> bool {
    element.attr("rel").is_some_and(|rel| rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation)))
}
