//! A web that says what it is told to, a catalog that remembers, and a source between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use wellspring_core::catalog::{Accepted, CatalogError, Journal, Outcome, Refusal, Retried, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Draft, Revision};
use wellspring_core::fetch::{
    Fetch, FetchAnswer, FetchError, FetchErrorKind, FetchRequest, Fetched, Hop, RobotsWishes, Validators,
};
use wellspring_core::limits;
use wellspring_core::push::{Push, Pushed};
use wellspring_core::source::{Origin, SourceName, SourceSettings, UrlMemory};
use wellspring_ingest::parse::{ParsePool, WorkerCommand};
use wellspring_ingest::source::Accept;
use wellspring_ingest::source::registry::VisitOutcome;
use wellspring_ingest::source::web::{Asked, Releases, Robots, RobotsRules, WebSource};

/// What an address answers.
#[derive(Clone)]
pub(crate) enum Reply {
    Body { content_type: &'static str, body: Vec<u8> },
    Moved(String),
    Gone(bool),
    Fails(FetchErrorKind),
}

/// Called at a request.
type Hook = Box<dyn Fn(usize) + Send>;

/// The scripted web.
#[derive(Default)]
pub(crate) struct Web {
    replies: Mutex<BTreeMap<String, Reply>>,
    /// Whether bodies carry an `ETag`, and an equal one is answered by 304.
    pub(crate) has_tags: Mutex<bool>,
    pub(crate) fresh_for: Mutex<Option<Duration>>,
    pub(crate) links: Mutex<Vec<(String, String)>>,
    /// What the server asks of robots.
    pub(crate) wishes: Mutex<BTreeMap<String, RobotsWishes>>,
    pub(crate) excluded: Mutex<Vec<String>>,
    /// Whether `robots.txt` cannot be had.
    pub(crate) has_no_rules: Mutex<bool>,
    /// Why hosts may not be asked at all.
    pub(crate) refused: Mutex<Option<String>>,
    pub(crate) sitemaps: Mutex<Vec<String>>,
    /// Of each time that the rules were asked for, whether what could not be told before was to be asked again.
    pub(crate) told_since: Mutex<Vec<bool>>,
    requests: Mutex<Vec<String>>,
    /// Of each request, whether a person insisted on it.
    pub(crate) insisted: Mutex<Vec<bool>>,
    /// Called at every request, with its number.
    pub(crate) on_request: Mutex<Option<Hook>>,
}

impl Web {
    pub(crate) fn says(&self, url: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(url.to_owned(), reply);
    }

    pub(crate) fn page(&self, url: &str, body: &str) {
        self.says(url, Reply::Body { content_type: "text/html; charset=utf-8", body: body.into() });
    }

    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn record(&self, request: &FetchRequest) {
        let number = {
            self.insisted.lock().unwrap().push(request.insists);
            let mut requests = self.requests.lock().unwrap();
            requests.push(request.url.clone());
            requests.len()
        };
        if let Some(hook) = &*self.on_request.lock().unwrap() {
            hook(number);
        }
    }

    /// Whether every redirect from an address may be followed.
    async fn may_follow(&self, request: &FetchRequest) -> Result<(), FetchError> {
        let Some(hops) = &request.hops else { return Ok(()) };
        let next_of = |url: &str| match self.replies.lock().unwrap().get(url) {
            Some(Reply::Moved(to)) => Some(to.clone()),
            _ => None,
        };
        let mut url = request.url.clone();
        while let Some(next) = next_of(&url) {
            let kind = match hops.judge(&next).await {
                Hop::Allowed => None,
                Hop::Excluded => Some(FetchErrorKind::Excluded),
                Hop::Unknown => Some(FetchErrorKind::RulesUnknown),
                Hop::Refused(_) => Some(FetchErrorKind::Refused),
            };
            if let Some(kind) = kind {
                return Err(FetchError::new(kind, "it leads elsewhere, as the script says"));
            }
            url = next;
        }
        Ok(())
    }

    fn answer(&self, request: &FetchRequest) -> Result<Fetched, FetchError> {
        let replies = self.replies.lock().unwrap();
        let mut url = request.url.clone();
        let reply = loop {
            match replies.get(&url) {
                Some(Reply::Moved(to)) => url = to.clone(),
                Some(reply) => break reply.clone(),
                None => break Reply::Gone(false),
            }
        };
        let has_tags = *self.has_tags.lock().unwrap();
        let (answer, validators) = match reply {
            Reply::Body { content_type, body } => {
                assert!(body.len() <= request.bytes_max);
                let etag = has_tags.then(|| blake3::hash(&body).to_hex().to_string());
                let answer = match etag.is_some() && request.validators.etag == etag {
                    true => FetchAnswer::NotModified,
                    false => FetchAnswer::Content { content_type: Some(content_type.to_owned()), body },
                };
                (answer, Validators { etag, last_modified: None })
            }
            Reply::Gone(for_ever) => (FetchAnswer::Gone(for_ever), Validators::default()),
            Reply::Fails(kind) => return Err(FetchError::new(kind, "could not read it, as the script says")),
            Reply::Moved(_) => unreachable!(),
        };
        Ok(Fetched {
            answer,
            moved_permanently: false,
            validators,
            fresh_for: *self.fresh_for.lock().unwrap(),
            robots: self.wishes.lock().unwrap().get(&url).copied().unwrap_or_default(),
            links: self.links.lock().unwrap().clone(),
            url,
            wire_bytes: 100,
        })
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        self.record(&request);
        self.may_follow(&request).await?;
        self.answer(&request)
    }
}

struct Rules {
    is_known: bool,
    refused: Option<String>,
    excluded: Vec<String>,
    sitemaps: Vec<String>,
}

impl RobotsRules for Rules {
    fn allowed(&self, url: &str) -> Option<bool> {
        self.is_known.then(|| !self.excluded.iter().any(|excluded| url.contains(excluded)))
    }

    fn refused(&self) -> Option<String> {
        self.refused.clone()
    }

    fn crawl_delay(&self) -> Option<Duration> {
        None
    }

    fn sitemaps(&self) -> Vec<String> {
        self.sitemaps.clone()
    }
}

#[async_trait]
impl Robots for Web {
    async fn rules(&self, _: &str, _: &[String], told_since: Option<Instant>) -> Arc<dyn RobotsRules> {
        self.told_since.lock().unwrap().push(told_since.is_some());
        let (excluded, sitemaps) = (self.excluded.lock().unwrap().clone(), self.sitemaps.lock().unwrap().clone());
        let refused = self.refused.lock().unwrap().clone();
        let is_known = refused.is_none() && !*self.has_no_rules.lock().unwrap();
        Arc::new(Rules { is_known, refused, excluded, sitemaps })
    }
}

/// A catalog in memory: the newest draft of each document, and every write in order.
#[derive(Default)]
pub(crate) struct Store {
    documents: Mutex<BTreeMap<(CollectionName, String), Draft>>,
    log: Mutex<Vec<String>>,
    /// Why the newest version of a document could not be taken.
    unread: Mutex<BTreeMap<(CollectionName, String), String>>,
    pub(crate) refuses: Mutex<bool>,
}

impl Store {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.documents.lock().unwrap().keys().map(|(_, key)| key.clone()).collect()
    }

    pub(crate) fn draft(&self, key: &str) -> Draft {
        let documents = self.documents.lock().unwrap();
        documents
            .values()
            .find(|draft| draft.key.as_str() == key)
            .unwrap_or_else(|| panic!("no document {key}"))
            .clone()
    }

    pub(crate) fn text(&self, key: &str) -> String {
        String::from_utf8(self.draft(key).content).unwrap()
    }

    /// Why the newest version of a document could not be taken.
    pub(crate) fn unread(&self, key: &str) -> Option<String> {
        let unread = self.unread.lock().unwrap();
        unread.iter().find(|((_, unread), _)| unread == key).map(|(_, reason)| reason.clone())
    }

    /// What was written since the last look.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub(crate) fn add(&self, source: &SourceName, key: &str) {
        let draft = Draft {
            collection: CollectionName::default(),
            key: key.parse().unwrap(),
            source: source.clone(),
            media_type: wellspring_core::document::MediaType::Text,
            content: Vec::new(),
            attributes: Default::default(),
            fingerprint: None,
        };
        self.documents.lock().unwrap().insert((draft.collection.clone(), key.to_owned()), draft);
    }

    fn write(&self, write: Write) -> Result<Accepted, Refusal> {
        let mut documents = self.documents.lock().unwrap();
        let (collection, key, outcome) = match write {
            Write::Put(_) if *self.refuses.lock().unwrap() => return Err(Refusal::OwnedBySource(SourceName::push())),
            Write::Put(draft) => {
                let (collection, key) = (draft.collection.clone(), draft.key.clone());
                let before = documents.insert((collection.clone(), key.to_string()), draft.clone());
                let was_unread = self.unread.lock().unwrap().remove(&(collection.clone(), key.to_string())).is_some();
                let outcome = match before {
                    None => Outcome::Created,
                    Some(before) if !was_unread && before.content_hash() == draft.content_hash() => Outcome::Unchanged,
                    Some(_) => Outcome::Updated,
                };
                (collection, key, outcome)
            }
            Write::Delete { collection, key, .. } => {
                let before = documents.remove(&(collection.clone(), key.to_string()));
                (collection, key, before.map_or(Outcome::Absent, |_| Outcome::Deleted))
            }
            Write::Unread { collection, key, reason, .. } => {
                let at = (collection.clone(), key.to_string());
                let outcome = match documents.contains_key(&at) {
                    false => Outcome::Absent,
                    true if self.unread.lock().unwrap().insert(at, reason.clone()) == Some(reason) => {
                        Outcome::Unchanged
                    }
                    true => Outcome::Updated,
                };
                (collection, key, outcome)
            }
            Write::PassOver { .. } => unreachable!("only a folder passes over"),
        };
        self.log.lock().unwrap().push(format!("{outcome:?} {key}"));
        let document = DocumentId::of(&collection, &key);
        Ok(Accepted { key, document, revision: Revision(1), sequence: Some(Sequence(1)), outcome })
    }
}

#[async_trait]
impl Accept for Store {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        assert!(writes.len() <= limits::ACCEPT_BATCH_DOCUMENTS_MAX);
        Ok(writes.into_iter().map(|write| self.write(write)).collect())
    }
}

#[async_trait]
impl Journal for Store {
    async fn accept(&self, _: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        unreachable!("the source writes through the intake")
    }

    async fn push(&self, _: Push) -> Result<Pushed, CatalogError> {
        unreachable!("the source writes through the intake")
    }

    async fn retry(&self, _: &CollectionName, _: &DocumentKey) -> Result<Retried, CatalogError> {
        unreachable!("only a person tries again")
    }

    async fn source_items(
        &self,
        source: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError> {
        let documents = self.documents.lock().unwrap();
        let own = documents.values().filter(|draft| draft.source == *source);
        Ok(own.map(|draft| (draft.collection.clone(), draft.key.clone(), None)).collect())
    }
}

/// A source with what it remembers between visits.
pub(crate) struct World {
    pub(crate) web: Arc<Web>,
    pub(crate) store: Arc<Store>,
    pub(crate) source: WebSource,
    pub(crate) settings: SourceSettings,
    pub(crate) memory: BTreeMap<String, UrlMemory>,
    pub(crate) now: Timestamp,
}

pub(crate) const NOW: &str = "2026-11-25T00:00:00Z";

impl World {
    pub(crate) fn of(origin: Origin) -> Self {
        let (web, store) = (Arc::new(Web::default()), Arc::new(Store::default()));
        *web.has_tags.lock().unwrap() = true;
        let program = std::env::current_exe().unwrap();
        let reader = Arc::new(ParsePool::new(WorkerCommand { program, args: vec!["parse-worker".to_owned()] }, 1));
        let source = WebSource {
            fetch: web.clone(),
            robots: web.clone(),
            accept: store.clone(),
            journal: store.clone(),
            reader,
            releases: Releases::default(),
            asked: Asked::default(),
        };
        let settings = SourceSettings {
            name: "s".parse().unwrap(),
            collection: CollectionName::default(),
            origin,
            private_hosts: Vec::new(),
            tags: vec!["own".to_owned()],
        };
        Self { web, store, source, settings, memory: BTreeMap::new(), now: NOW.parse().unwrap() }
    }

    pub(crate) async fn visit(&mut self) -> VisitOutcome {
        self.visit_until(CancellationToken::new()).await
    }

    pub(crate) async fn visit_until(&mut self, stop: CancellationToken) -> VisitOutcome {
        let memory = self.memory.values().cloned().collect();
        let outcome = sendable(self.source.visit(&self.settings, memory, self.now, stop)).await;
        assert!(outcome.visit.errors.len() <= limits::VISIT_ERRORS_MAX);
        for row in &outcome.remember {
            self.memory.insert(row.url.clone(), row.clone());
        }
        for url in &outcome.forget {
            self.memory.remove(url);
        }
        outcome
    }
}

/// Visits are tasks of their own in the service.
fn sendable<F: Future + Send>(visit: F) -> F {
    visit
}
