//! What did the last visit learn that saves work in this one?
//!
//! Beside addresses the memory keeps notes about them, as further rows: `ADDRESS#NAME`, with the note in the place of
//! the `ETag`. No address that is asked has a fragment, so the two never meet.
//!
//! Invariants:
//! - What was remembered under other settings is not used: other tags make other documents of the same bytes.
//! - An address is remembered only after the write it led to was accepted.

use std::collections::{HashMap, HashSet};

use wellspring_core::document::ContentHash;
use wellspring_core::fetch::Validators;
use wellspring_core::source::{SourceSettings, UrlMemory};

/// The row that says under which settings the others were made.
const SETTINGS: &str = "settings:";

/// The memory of a source during one visit.
#[derive(Debug)]
pub(super) struct Memory {
    before: HashMap<String, UrlMemory>,
    /// What the last visit remembered is not of use any more.
    is_stale: bool,
    settings: UrlMemory,
    news: HashMap<String, UrlMemory>,
    kept: HashSet<String>,
    dropped: HashSet<String>,
    keeps_all: bool,
}

impl Memory {
    pub(super) fn new(memory: Vec<UrlMemory>, settings: &SourceSettings) -> Self {
        let said = serde_json::to_vec(&(&settings.collection, &settings.origin, &settings.tags)).unwrap_or_default();
        let settings = UrlMemory {
            url: SETTINGS.to_owned(),
            validators: Validators::default(),
            body_hash: Some(digest("wellspring visit settings 1", &said)),
        };
        let before: HashMap<_, _> = memory.into_iter().map(|memory| (memory.url.clone(), memory)).collect();
        let is_stale = before.get(SETTINGS) != Some(&settings);
        let (news, kept, dropped) = Default::default();
        Self { before, is_stale, settings, news, kept, dropped, keeps_all: false }
    }

    fn of(&self, url: &str) -> Option<&UrlMemory> {
        let before = || self.before.get(url).filter(|_| !self.is_stale);
        self.news.get(url).or_else(before)
    }

    /// What to send, to ask whether an address changed.
    pub(super) fn validators(&self, url: &str) -> Validators {
        self.of(url).map(|memory| memory.validators.clone()).unwrap_or_default()
    }

    /// Whether this is the body that was read last.
    pub(super) fn has_body(&self, url: &str, hash: ContentHash) -> bool {
        self.of(url).is_some_and(|memory| memory.body_hash == Some(hash))
    }

    /// Whether the last visits may have read something at this address.
    pub(super) fn may_know(&self, url: &str) -> bool {
        self.is_stale || self.before.contains_key(url)
    }

    /// A note about an address.
    pub(super) fn note(&self, url: &str, name: &str) -> Option<&str> {
        self.of(&format!("{url}#{name}"))?.validators.etag.as_deref()
    }

    /// Remembers rows, of addresses and of notes.
    pub(super) fn remember(&mut self, rows: Vec<UrlMemory>) {
        self.news.extend(rows.into_iter().map(|row| (row.url.clone(), row)));
    }

    /// Keeps what was remembered of an address, its notes included, although this visit has nothing to add.
    pub(super) fn keep(&mut self, url: &str) {
        self.kept.insert(url.to_owned());
    }

    /// Forgets an address, its notes included, whatever else the visit meets: there is nothing at it, and what it said
    /// last would be news.
    pub(super) fn forget(&mut self, url: &str) {
        self.dropped.insert(url.to_owned());
    }

    /// Keeps everything: nothing was looked at.
    pub(super) fn keep_all(&mut self) {
        self.keeps_all = true;
    }

    /// What is to be remembered and what forgotten. What a complete visit did not meet is forgotten, and so is what any
    /// visit has dropped.
    pub(super) fn finish(mut self, forget: bool) -> (Vec<UrlMemory>, Vec<String>) {
        let forget = (forget && !self.keeps_all) || self.is_stale;
        let address_of = |url: &'_ str| url.split_once('#').map_or(url.len(), |(address, _)| address.len());
        let is_dropped = |url: &str| self.dropped.contains(&url[..address_of(url)]) && !self.news.contains_key(url);
        let is_kept = |url: &str| {
            let address = &url[..address_of(url)];
            url == SETTINGS || self.news.contains_key(url) || (!self.is_stale && self.kept.contains(address))
        };
        let forgotten =
            self.before.keys().filter(|url| (forget && !is_kept(url)) || is_dropped(url)).cloned().collect();
        if self.is_stale {
            self.news.insert(SETTINGS.to_owned(), self.settings);
        }
        let before = self.before;
        let news = self.news.into_values().filter(|row| before.get(&row.url) != Some(row)).collect();
        (news, forgotten)
    }
}

/// The row of an address.
pub(super) fn row(url: &str, validators: &Validators, body_hash: Option<ContentHash>) -> UrlMemory {
    UrlMemory { url: url.to_owned(), validators: validators.clone(), body_hash }
}

/// The row of a note.
pub(super) fn note(url: &str, name: &str, text: String) -> UrlMemory {
    let validators = Validators { etag: Some(text), last_modified: None };
    UrlMemory { url: format!("{url}#{name}"), validators, body_hash: None }
}

/// The digest of a body.
pub(super) fn body_hash(body: &[u8]) -> ContentHash {
    digest("wellspring body 1", body)
}

fn digest(context: &str, bytes: &[u8]) -> ContentHash {
    let whole = blake3::derive_key(context, bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    ContentHash::from_bytes(half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wellspring_core::source::Origin;

    fn settings(tag: &str) -> SourceSettings {
        SourceSettings {
            name: "s".parse().unwrap(),
            collection: Default::default(),
            origin: Origin::Page { url: "https://example.org/".to_owned() },
            private_hosts: Vec::new(),
            tags: vec![tag.to_owned()],
        }
    }

    fn first(tag: &str) -> Vec<UrlMemory> {
        let mut memory = Memory::new(Vec::new(), &settings(tag));
        let validators = Validators { etag: Some("v".to_owned()), last_modified: None };
        memory.remember(vec![row("u", &validators, Some(body_hash(b"body"))), note("u", "n", "said".to_owned())]);
        memory.finish(true).0
    }

    #[test]
    fn the_next_visit_knows_what_the_last_one_learnt() {
        let memory = Memory::new(first("a"), &settings("a"));
        assert_eq!(memory.validators("u").etag.as_deref(), Some("v"));
        assert!(memory.has_body("u", body_hash(b"body")) && !memory.has_body("u", body_hash(b"other")));
        assert_eq!(memory.note("u", "n"), Some("said"));
        assert_eq!(memory.finish(false), (vec![], vec![]));
    }

    #[test]
    fn other_settings_forget_everything() {
        let memory = Memory::new(first("a"), &settings("b"));
        assert_eq!(memory.validators("u"), Validators::default());
        let (news, mut forgotten) = memory.finish(false);
        forgotten.sort();
        assert_eq!((news.len(), forgotten), (1, vec!["u".to_owned(), "u#n".to_owned()]));
    }

    #[test]
    fn only_a_complete_visit_forgets_what_it_did_not_meet() {
        assert_eq!(Memory::new(first("a"), &settings("a")).finish(true).1.len(), 2);
        let mut memory = Memory::new(first("a"), &settings("a"));
        memory.keep("u");
        assert_eq!(memory.finish(true), (vec![], vec![]));
        let mut memory = Memory::new(first("a"), &settings("a"));
        memory.forget("u");
        assert_eq!(memory.finish(false).1.len(), 2, "but what is dropped, with its notes");
    }
}
