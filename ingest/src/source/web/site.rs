//! Which pages does this site have, and which has it no more?
//!
//! ```text
//! what the catalog has -> the first page (the host's own name) -> sitemaps? their pages : links, breadth first
//!                      -> deletions: what said itself that it is gone; all that was not met, when the whole site was
//! ```
//!
//! Invariants:
//! - A page is deleted when it was asked for and is gone (404, 410), or when a visit that met the whole site did not meet
//!   it; more than [`limits::SITE_DELETIONS_PERCENT_MAX`] percent at once only when somebody said that it is meant.
//! - Bounds on pages, requests and time end a visit early; what it did not ask for stays then.
//! - A visit that was stopped deletes nothing.

use std::collections::{HashSet, VecDeque};

use url::Url;

use wellspring_core::document::{CollectionName, DocumentKey};
use wellspring_core::fetch::FetchAnswer;
use wellspring_core::limits;

use crate::parse::{ParseError, Sitemap, SitemapPage};

use super::address;
use super::crawl::Crawl;
use super::memory::note;
use super::session::{Asking, Halted, Session, is_transient};

/// The note about the first page that says whether the last visit found a sitemap.
const HAS_SITEMAP: &str = "sitemap";

/// What the owner of the source wants of a site.
pub(super) struct Wishes<'w> {
    pub(super) url: &'w str,
    pub(super) sitemap: Option<&'w str>,
    pub(super) depth_max: u32,
    pub(super) pages_max: u32,
}

/// Visits a site; whether the whole of it was met.
pub(super) async fn visit(session: &mut Session<'_>, wishes: &Wishes<'_>) -> Result<bool, Halted> {
    let Some(start) = address::canonical(wishes.url) else {
        return Err(session.halt("its address is none of the web"));
    };
    let pages_max = wishes.pages_max.min(limits::SITE_PAGES_MAX);
    session.requests_max = u64::from(pages_max) * limits::SITE_REQUESTS_PER_PAGE_MAX + limits::SITE_REQUESTS_SPARE;
    let items = session.items().await?;
    let (mut crawl, links) = Crawl::begin(session, start.clone(), pages_max).await?;
    // A sitemap that was named is meant, however deep links are followed.
    if wishes.depth_max > 0 || wishes.sitemap.is_some() {
        let (pages, is_whole) = sitemap_pages(session, &crawl, wishes.sitemap).await?;
        let had_sitemap = session.memory.note(start.as_str(), HAS_SITEMAP) == Some("yes");
        // A sitemap that was there last time may be back next time; until then a crawl proves nothing.
        crawl.is_whole &= is_whole && !(pages.is_empty() && had_sitemap);
        if pages.is_empty() {
            crawl.follow(wishes.depth_max);
            for link in links.iter().filter(|_| wishes.depth_max > 0) {
                crawl.enqueue(link, 1);
                tokio::task::yield_now().await;
            }
        } else {
            for page in &pages {
                crawl.enqueue_listed(page);
                tokio::task::yield_now().await;
            }
        }
        let has_sitemap = if pages.is_empty() { "no" } else { "yes" };
        session.memory.remember(vec![note(start.as_str(), HAS_SITEMAP, has_sitemap.to_owned())]);
    }
    let ran = crawl.run(session).await;
    if session.is_stopped() {
        return ran.map(|()| false);
    }
    session.flush().await?;
    let is_whole = crawl.is_whole && ran.is_ok();
    session.judged_deletions = ran.is_ok();
    let is_gone = |key: &DocumentKey| !crawl.kept.contains(key) && (is_whole || crawl.gone.contains(key));
    delete(session, items, is_gone, is_whole).await?;
    ran.map(|()| is_whole)
}

/// The pages that the site's sitemaps name within the site, and whether those are all.
async fn sitemap_pages(
    session: &mut Session<'_>,
    crawl: &Crawl,
    wished: Option<&str>,
) -> Result<(Vec<SitemapPage>, bool), Halted> {
    // Each with whether it was named, and so must be there; the usual place is only tried.
    let mut waiting: VecDeque<(String, bool)> = match wished {
        Some(wished) => [(wished.to_owned(), true)].into(),
        None => {
            let named = crawl.rules.sitemaps().into_iter().map(|sitemap| (sitemap, true));
            named.chain([(crawl.scope.restored("/sitemap.xml"), false)]).collect()
        }
    };
    let (mut asked, mut pages, mut is_whole) = (HashSet::new(), Vec::new(), true);
    while let Some((sitemap, is_named)) = waiting.pop_front() {
        let Some(url) = address::canonical(&sitemap) else { continue };
        if !asked.insert(url.clone()) {
            continue;
        }
        if asked.len() > limits::SITEMAPS_MAX {
            session.note(format!("the site has more than {} sitemaps", limits::SITEMAPS_MAX));
            return Ok((pages, false));
        }
        let sitemap = match read_sitemap(session, &url, is_named).await? {
            Ok(sitemap) => sitemap,
            Err(is_gone) => {
                is_whole &= is_gone || !is_named;
                continue;
            }
        };
        is_whole &= sitemap.is_whole;
        // Each may name tens of thousands: what is beyond a site's bound is not kept in the first place.
        let within = sitemap.pages.into_iter().filter(|page| crawl.scope.adopt(&page.url).is_some());
        let room = limits::SITE_URLS_MAX.saturating_sub(pages.len());
        pages.extend(within.take(room));
        is_whole &= pages.len() < limits::SITE_URLS_MAX;
        let room = (limits::SITEMAPS_MAX + 1).saturating_sub(waiting.len());
        is_whole &= sitemap.sitemaps.len() <= room;
        waiting.extend(sitemap.sitemaps.into_iter().take(room).map(|sitemap| (sitemap, true)));
    }
    Ok((pages, is_whole))
}

/// Reads one sitemap; the inner error says whether there is none at that address for certain.
async fn read_sitemap(session: &mut Session<'_>, url: &Url, is_named: bool) -> Result<Result<Sitemap, bool>, Halted> {
    // Without a condition: a sitemap that did not change would have to be remembered whole.
    let asking = Asking { conditional: false, accept: None, bytes_max: limits::SITEMAP_BYTES_MAX, obeys: false };
    let (reason, is_gone) = match session.fetch(url.as_str(), asking).await? {
        Ok(fetched) => match fetched.answer {
            FetchAnswer::Content { body, .. } => match session.web.reader.sitemap(body).await {
                Ok(sitemap) => return Ok(Ok(sitemap)),
                Err(error @ ParseError::Unavailable { .. }) => return Err(session.halt(error.to_string())),
                Err(error) => (error.to_string(), false),
            },
            FetchAnswer::NotModified | FetchAnswer::Gone(_) => ("there is no sitemap".to_owned(), true),
        },
        Err(error) => {
            if is_named || is_transient(&error) {
                session.endure(url.as_str(), &error)?;
            }
            return Ok(Err(false));
        }
    };
    if is_named {
        session.fail(url.as_str(), &reason);
    }
    Ok(Err(is_gone))
}

/// Deletes what a source has no more, by `is_gone`, unless that is too much at once. Of one that was not met as a whole,
/// that is what said itself that it is gone.
pub(super) async fn delete(
    session: &mut Session<'_>,
    items: Vec<(CollectionName, DocumentKey)>,
    is_gone: impl Fn(&DocumentKey) -> bool,
    is_whole: bool,
) -> Result<(), Halted> {
    let (own, strays): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|(collection, _)| *collection == session.settings.collection);
    let known = own.len();
    let gone: Vec<_> = own.into_iter().filter(|(_, key)| is_gone(key)).collect();
    let is_much =
        gone.len() > limits::SITE_DELETIONS_MAX && gone.len() * 100 > known * limits::SITE_DELETIONS_PERCENT_MAX;
    let gone = if is_much && !session.web.releases.take(&session.settings.name) {
        session.held_deletions = gone.len() as u64;
        session.note(format!(
            "{} of {known} documents are gone at once: they are kept until that is confirmed",
            gone.len()
        ));
        Vec::new()
    } else {
        gone
    };
    // What lies in another collection was replaced by what was just accepted, when all was met: it is no loss.
    let strays = strays.into_iter().filter(|_| is_whole);
    for (collection, key) in gone.into_iter().chain(strays) {
        session.delete(collection, key).await?;
    }
    session.flush().await
}
