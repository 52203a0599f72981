//! Is this one page still there, and does it say something new?
//!
//! Invariants:
//! - One missing answer deletes nothing, and is told: sites lose pages for an hour, so the document stays, marked as
//!   outdated. 410 says what it means.
//! - A version that cannot be read leaves what was read last, and says so at the document.

use wellspring_core::fetch::{FetchAnswer, Validators};
use wellspring_core::limits;
use wellspring_core::source::UrlMemory;

use super::feed::linked;
use super::memory::{body_hash, note, row};
use super::session::{Asking, Halted, Session, is_transient, said};
use super::{address, draft, site};

/// The note that counts the visits in a row at which the page was missing.
const MISSES: &str = "misses";

/// Visits a page; whether it was reached.
pub(super) async fn visit(session: &mut Session<'_>, url: &str) -> Result<bool, Halted> {
    let Some(url) = address::canonical(url) else { return Err(session.halt("its address is none of the web")) };
    let Some(key) = address::page_key(&session.settings.name, &url) else {
        return Err(session.halt("its address makes no name"));
    };
    let items = session.items().await?;
    let fetched = match session.fetch(url.as_str(), Asking::document(true)).await? {
        Ok(fetched) => fetched,
        Err(error) => {
            session.memory.keep(url.as_str());
            session.endure(url.as_str(), &error)?;
            if !is_transient(&error) {
                session.unread(key, said(&error), forgotten(url.as_str())).await?;
            }
            return Ok(false);
        }
    };
    session.not_before(fetched.fresh_for);
    session.visit.hub = linked(&fetched, "hub");
    session.visit.topic = linked(&fetched, "self").filter(|_| session.visit.hub.is_some());
    match fetched.answer {
        FetchAnswer::NotModified => {
            session.visit.items = 1;
            session.memory.keep(url.as_str());
            reset_misses(session, url.as_str());
        }
        FetchAnswer::Gone(for_ever) => {
            return gone(
                session,
                url.as_str(),
                for_ever,
                items.contains(&(session.settings.collection.clone(), key.clone())),
            )
            .await
            .map(|()| true);
        }
        FetchAnswer::Content { content_type, body } => {
            session.visit.items = 1;
            let hash = body_hash(&body);
            let remember = row(url.as_str(), &fetched.validators, Some(hash));
            if session.memory.has_body(url.as_str(), hash) {
                session.memory.remember(vec![remember]);
            } else {
                let Some(media_type) = draft::media_type_of(content_type.as_deref(), &fetched.url, &body) else {
                    let reason = "its format is not read";
                    session.fail(url.as_str(), reason);
                    session.unread(key, reason, forgotten(url.as_str())).await?;
                    return Ok(false);
                };
                let draft = draft::page(session.settings, key.clone(), &fetched.url, media_type, body);
                session.put(draft, vec![remember]).await?;
            }
            reset_misses(session, url.as_str());
        }
    }
    // What this source had under another address or in another collection goes when the new one is there. Much of it was
    // left by another source of the name, and waits for a yes.
    session.flush().await?;
    site::delete(session, items.into_iter().collect(), |other| *other != key, true).await?;
    Ok(true)
}

async fn gone(session: &mut Session<'_>, url: &str, for_ever: bool, is_known: bool) -> Result<(), Halted> {
    let misses = session.memory.note(url, MISSES).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0) + 1;
    let goes = for_ever || misses >= limits::PAGE_MISSES_MAX;
    session.fail(
        url,
        match (for_ever, is_known && !goes) {
            (true, _) => "it is gone for good (410)",
            (false, true) => "it is missing (404); its document is deleted when it stays so",
            (false, false) => "it is missing (404)",
        },
    );
    let key = address::canonical(url).and_then(|url| address::page_key(&session.settings.name, &url));
    let key = key.filter(|_| is_known);
    match key {
        Some(key) if goes => session.delete(session.settings.collection.clone(), key).await?,
        // The same at each of these visits: one mark, not one for each.
        Some(key) => session.unread(key, "it was missing at the last visit (404)", Vec::new()).await?,
        None => {}
    }
    // Asked without a condition next time: what was there last is of no use as long as it is missing.
    session.memory.remember(vec![row(url, &Validators::default(), None), note(url, MISSES, misses.to_string())]);
    Ok(())
}

/// What was there last is no measure for what comes next: the same words again are news.
fn forgotten(url: &str) -> Vec<UrlMemory> {
    vec![row(url, &Validators::default(), None)]
}

/// The page answers again.
fn reset_misses(session: &mut Session<'_>, url: &str) {
    if session.memory.note(url, MISSES).is_some_and(|count| count != "0") {
        session.memory.remember(vec![note(url, MISSES, "0".to_owned())]);
    }
}
