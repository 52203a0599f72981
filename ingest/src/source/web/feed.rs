//! Which entries of this feed are new, or say something else than before?
//!
//! Invariants:
//! - A feed is a window: an entry that is no longer in it is not deleted.
//! - A feed is remembered as read only when each of its entries found its end: accepted, or passed over for good.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use wellspring_core::document::DocumentKey;
use wellspring_core::fetch::{FetchAnswer, Fetched};
use wellspring_core::limits;

use crate::parse::{Feed, FeedEntry, ParseError};

use super::articles::{Article, Articles};
use super::memory::{body_hash, note, row};
use super::session::{Asking, Halted, Session};
use super::{address, draft};

/// What feeds are served as; others are read too.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, \
                      application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.5";
/// The note that keeps what a feed said of itself, for visits that find it unchanged.
const SAID: &str = "feed";

/// What a feed says of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Said {
    hub: Option<String>,
    #[serde(default)]
    topic: Option<String>,
    fresh_for_seconds: Option<u64>,
}

/// Visits a feed; whether it was reached and read whole.
pub(super) async fn visit(session: &mut Session<'_>, url: &str, articles: bool) -> Result<bool, Halted> {
    let Some(url) = address::canonical(url).map(String::from) else {
        return Err(session.halt("its address is none of the web"));
    };
    let asking = Asking { conditional: true, accept: Some(ACCEPT), bytes_max: limits::FEED_BYTES_MAX, obeys: false };
    let fetched = match session.fetch(&url, asking).await? {
        Ok(fetched) => fetched,
        Err(error) => {
            session.endure(&url, &error)?;
            return Ok(false);
        }
    };
    session.not_before(fetched.fresh_for);
    let said = session.memory.note(&url, SAID).and_then(|said| serde_json::from_str::<Said>(said).ok());
    let (content, hash) = match &fetched.answer {
        FetchAnswer::Gone(for_ever) => {
            session.note(match for_ever {
                true => "its feed is gone for good (410): its documents stay, and it is asked once a day",
                false => "there is no feed at its address any more; its documents stay",
            });
            session.not_before(for_ever.then_some(limits::POLL_RETRY_PAUSE_MAX));
            return Ok(false);
        }
        FetchAnswer::NotModified => {
            repeat(session, &fetched, said.unwrap_or_default());
            session.memory.keep_all();
            return Ok(true);
        }
        FetchAnswer::Content { body, .. } => (body, body_hash(body)),
    };
    let this = row(&url, &fetched.validators, Some(hash));
    if session.memory.has_body(&url, hash) {
        repeat(session, &fetched, said.unwrap_or_default());
        session.memory.remember(vec![this]);
        session.memory.keep_all();
        return Ok(true);
    }
    let feed = match session.web.reader.feed(&fetched.url, content.clone()).await {
        Ok(feed) => feed,
        Err(error @ ParseError::Unavailable { .. }) => return Err(session.halt(error.to_string())),
        Err(error) => {
            session.fail(&url, &error.to_string());
            return Ok(false);
        }
    };
    if !feed.is_whole {
        session.note("the feed breaks off, or has more entries than are taken; what came first was read");
    }
    let said = Said { hub: feed.hub.clone(), topic: feed.topic.clone(), fresh_for_seconds: feed.fresh_for_seconds };
    let said_row = note(&url, SAID, serde_json::to_string(&said).unwrap_or_default());
    repeat(session, &fetched, said);
    let settled = entries(session, &feed, articles).await?;
    session.flush().await?;
    session.memory.remember(vec![said_row]);
    if settled {
        session.memory.remember(vec![this]);
    }
    Ok(feed.is_whole)
}

/// Takes over what the feed says of itself, now or at the last visit that read it.
fn repeat(session: &mut Session<'_>, fetched: &Fetched, said: Said) {
    session.not_before(said.fresh_for_seconds.map(Duration::from_secs));
    session.visit.hub = linked(fetched, "hub").or(said.hub);
    session.visit.topic = linked(fetched, "self").or(said.topic).filter(|_| session.visit.hub.is_some());
}

/// Where a header of the answer leads by this relation.
pub(super) fn linked(fetched: &Fetched, relation: &str) -> Option<String> {
    let found = fetched.links.iter().find(|(named, _)| named.eq_ignore_ascii_case(relation));
    found.map(|(_, address)| address.clone())
}

/// Hands the entries over; whether each found its end.
async fn entries(session: &mut Session<'_>, feed: &Feed, articles: bool) -> Result<bool, Halted> {
    let named = names(session, feed);
    session.visit.items += named.len() as u64;
    let mut articles = if articles { Some(Articles::begin(session).await?) } else { None };
    let (language, mut settled) = (feed.language.as_deref(), true);
    for (key, entry) in named {
        match &mut articles {
            None => {
                let draft = draft::entry(session.settings, key, entry, language);
                session.put(draft, Vec::new()).await?;
            }
            Some(articles) => match articles.read(session, &key, entry, language).await? {
                Article::Draft(draft, rows, is_settled) => {
                    settled &= is_settled;
                    session.put(*draft, rows).await?;
                }
                Article::Known(rows) => session.memory.remember(rows),
                Article::Later => settled = false,
            },
        }
    }
    Ok(settled)
}

/// The entries by name. Where several have one identifier, which feeds made by hand do, their links tell them apart;
/// what is still the same is one entry, and the first counts.
fn names<'f>(session: &mut Session<'_>, feed: &'f Feed) -> Vec<(DocumentKey, &'f FeedEntry)> {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for id in feed.entries.iter().filter_map(|entry| entry.id.as_deref()) {
        *uses.entry(id).or_default() += 1;
    }
    let (mut seen, mut named) = (HashSet::new(), Vec::new());
    for entry in &feed.entries {
        let own = entry.id.as_deref().filter(|id| uses[id] == 1);
        let link = entry.link.as_deref().and_then(address::canonical);
        let link = link.as_ref().map(|link| link.as_str());
        let others = [link, entry.id.as_deref(), entry.title.as_deref(), entry.text.as_deref()];
        let Some(id) = own.or(others.into_iter().flatten().next()) else { continue };
        match address::entry_key(&session.settings.name, id) {
            Some(key) if seen.insert(key.clone()) => named.push((key, entry)),
            Some(_) => session.note("two entries of the feed have one identifier and one link; the first was taken"),
            None => {}
        }
    }
    named
}
