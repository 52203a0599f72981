//! What does the article behind an entry say?
//!
//! An article is asked for when its entry is new or has changed, not at every visit: a feed of fifty entries would cost
//! fifty requests each time one of them is new.
//!
//! Invariants:
//! - An article that cannot be had for now does not replace one that was had before by a summary.
//! - The document says so (`metadata.article`) where the entry's own words stand for the article.

use std::collections::HashSet;

use wellspring_core::document::{ContentHash, DocumentKey, Draft, MediaType};
use wellspring_core::fetch::{FetchAnswer, FetchErrorKind};
use wellspring_core::source::UrlMemory;

use crate::fetch::refusal;
use crate::parse::FeedEntry;

use super::memory::{body_hash, row};
use super::session::{Asking, Halted, Session, is_transient, said};
use super::{address, draft};

/// The articles of one feed.
pub(super) struct Articles {
    /// Documents that the catalog has of this source.
    known: HashSet<DocumentKey>,
    /// A host asked to be left alone: no more of them are asked in this visit.
    is_throttled: bool,
}

/// What became of an entry.
pub(super) enum Article {
    /// Its document, what to remember once it is accepted, and whether that is its last word.
    Draft(Box<Draft>, Vec<UrlMemory>, bool),
    /// It is as it was; what to remember.
    Known(Vec<UrlMemory>),
    /// It cannot be had now, and stays as it is.
    Later,
}

impl Articles {
    pub(super) async fn begin(session: &mut Session<'_>) -> Result<Self, Halted> {
        let known = session.items().await?.into_iter().map(|(_, key)| key).collect();
        Ok(Self { known, is_throttled: false })
    }

    /// Reads the article behind an entry, where it has one and it is due.
    pub(super) async fn read(
        &mut self,
        session: &mut Session<'_>,
        key: &DocumentKey,
        entry: &FeedEntry,
        language: Option<&str>,
    ) -> Result<Article, Halted> {
        let own = |session: &Session<'_>| Box::new(draft::entry(session.settings, key.clone(), entry, language));
        let Some(url) = entry.link.as_deref().and_then(address::canonical).map(String::from) else {
            return Ok(Article::Draft(own(session), Vec::new(), true));
        };
        let entry_name = format!("{url}#entry");
        let entry_hash = hash_of(entry);
        let entry_row = row(&entry_name, &Default::default(), Some(entry_hash));
        let is_known = self.known.contains(key);
        if is_known && session.memory.has_body(&entry_name, entry_hash) {
            session.memory.keep(&url);
            return Ok(Article::Known(Vec::new()));
        }
        let (reason, is_transient) = match self.ask(session, &url, is_known).await? {
            Asked::Unchanged => {
                session.memory.keep(&url);
                return Ok(Article::Known(vec![entry_row]));
            }
            Asked::Body { media_type, body, row } => {
                let draft = draft::article(session.settings, key.clone(), entry, language, media_type, body);
                return Ok(Article::Draft(Box::new(draft), vec![row, entry_row], true));
            }
            Asked::Not { reason, is_transient, is_wish } => {
                match is_wish {
                    true => session.note(format!("skipped: an article was not read: {reason}")),
                    false => session.fail(&url, &format!("the article was not read: {reason}")),
                }
                if is_transient && is_known {
                    session.memory.keep(&url);
                    return Ok(Article::Later);
                }
                (reason, is_transient)
            }
        };
        let mut draft = own(session);
        draft.attributes.metadata.insert("article".to_owned(), format!("not read: {reason}").into());
        let rows = if is_transient { Vec::new() } else { vec![entry_row] };
        Ok(Article::Draft(draft, rows, !is_transient))
    }

    async fn ask(&mut self, session: &mut Session<'_>, url: &str, conditional: bool) -> Result<Asked, Halted> {
        let no = |reason: &str| Asked::Not { reason: reason.to_owned(), is_transient: false, is_wish: false };
        let later = |reason: &str| Asked::Not { reason: reason.to_owned(), is_transient: true, is_wish: false };
        let excluded = |reason: &str| Asked::Not { reason: reason.to_owned(), is_transient: false, is_wish: true };
        let rules = session.rules(url).await;
        match rules.allowed(url) {
            Some(true) => {}
            Some(false) => return Ok(excluded("robots.txt excludes it")),
            // The settings may name its host before the next visit.
            None => return Ok(later(&rules.refused().unwrap_or_else(|| "its robots.txt cannot be had".to_owned()))),
        }
        if self.is_throttled || session.is_failing() {
            // The entries' own words are had all the same.
            return Ok(later("its host does not answer"));
        }
        let fetched = match session.fetch(url, Asking::linked(conditional)).await? {
            Ok(fetched) => fetched,
            Err(error) => {
                self.is_throttled |= matches!(error.kind(), FetchErrorKind::Throttled(_));
                return Ok(match error.kind() {
                    FetchErrorKind::Excluded => excluded(said(&error)),
                    FetchErrorKind::Refused => later(&refusal(url, &error).unwrap_or_default()),
                    _ if is_transient(&error) => later(said(&error)),
                    _ => no(said(&error)),
                });
            }
        };
        let FetchAnswer::Content { content_type, body } = fetched.answer else {
            return Ok(match fetched.answer {
                FetchAnswer::NotModified => Asked::Unchanged,
                _ => no("there is nothing at its address"),
            });
        };
        let Some(media_type) = draft::media_type_of(content_type.as_deref(), &fetched.url, &body) else {
            return Ok(no("its format is not read"));
        };
        let row = row(url, &fetched.validators, Some(body_hash(&body)));
        Ok(Asked::Body { media_type, body, row })
    }
}

/// The answer of an article's address.
enum Asked {
    Unchanged,
    Body {
        media_type: MediaType,
        body: Vec<u8>,
        row: UrlMemory,
    },
    /// `is_wish` where its host wants it so, which is no fault.
    Not {
        reason: String,
        is_transient: bool,
        is_wish: bool,
    },
}

fn hash_of(entry: &FeedEntry) -> ContentHash {
    body_hash(&serde_json::to_vec(entry).unwrap_or_default())
}
