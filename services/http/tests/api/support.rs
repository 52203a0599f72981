//! A server on a port of its own, and doubles of what finds and answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use wellspring_core::answer::{
    Answer, AnswerEvent, AnswerFailure, AnswerMode, AnswerStatus, AnswerStyle, CascadeStep, CheckedSentence, Citation,
    EntailmentStatus, EntailmentUse, LookedAt, Position, Question, Spent, Support,
};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::hit::Passage;
use wellspring_core::place::{Place, PlaceMark};
use wellspring_core::retriever::{
    ArmStatus, Ranked, RerankStatus, Retriever, SearchError, SearchErrorKind, SearchRequest, SearchResults,
};
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;
use wellspring_http::{AccessKey, Answers, HttpSettings, Readiness, Service, serve};

use crate::sources::Sources;
use crate::store::Store;
use crate::webhooks::Endpoints;
use crate::websub::Callbacks;

/// One passage of the Danube's page.
pub(crate) fn ranked() -> Ranked {
    let text = "The Danube is 2850 km long.";
    let key: DocumentKey = "rivers/danube".parse().unwrap();
    let document_id = DocumentId::of(&CollectionName::default(), &key);
    Ranked {
        passage: Passage {
            document: key,
            document_id,
            revision: Revision(3),
            chunk: ChunkId::of(document_id, text, 0),
            ordinal: 0,
            span: Span::of(text, 0..text.len()),
            text: text.into(),
            title: Some("Danube".into()),
            heading: "Rivers".into(),
            url: None,
            published_at: None,
            accepted_at: "2026-11-05T08:30:00Z".parse().unwrap(),
            source: SourceName::push(),
            places: vec![PlaceMark { start: 0, place: Place::Page { number: 3 } }],
            outdated: true,
        },
        score: 0.5,
        keyword_score: Some(7.25),
        vector_score: None,
        rerank_score: None,
        explain: None,
        duplicates: Vec::new(),
        neighbours: None,
    }
}

/// A retriever that always finds the Danube, or fails as it is told.
#[derive(Default)]
pub(crate) struct Searcher {
    pub(crate) failure: Mutex<Option<SearchErrorKind>>,
    pub(crate) asked: Mutex<Vec<SearchRequest>>,
    /// While set, a search does not end.
    pub(crate) hang: AtomicBool,
    pub(crate) panic: AtomicBool,
}

#[async_trait]
impl Retriever for Searcher {
    async fn search(&self, request: SearchRequest) -> Result<SearchResults, SearchError> {
        assert!(!self.panic.load(Ordering::SeqCst), "a planned panic");
        self.asked.lock().unwrap().push(request);
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(kind) = *self.failure.lock().unwrap() {
            return Err(SearchError::new(kind, "could not search"));
        }
        let vector = ArmStatus::Skipped { reason: "the embedder does not speak this language".into() };
        Ok(SearchResults { hits: vec![ranked()], keyword: ArmStatus::Ok, vector, rerank: RerankStatus::Off })
    }
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    /// With a `Done` that says that the documents do not say.
    Insufficient,
    Failed,
    /// Without a terminal event.
    BrokenOff,
    /// Never, after the passages.
    Hanging,
}

/// Answers every question with the Danube.
pub(crate) struct Answerer {
    pub(crate) ending: Mutex<Ending>,
    pub(crate) asked: Mutex<Vec<Question>>,
    /// Told when an answer's stream is dropped.
    pub(crate) dropped: Arc<Notify>,
}

/// The answer that every question gets.
pub(crate) fn answer() -> Answer {
    let passage = ranked().passage;
    Answer {
        answer: "2850 km".into(),
        status: AnswerStatus::Answered,
        mode: AnswerMode::Extract,
        note: Some("no generator".into()),
        rewritten: Some("How long is the Danube?".into()),
        style: Some(AnswerStyle::Short),
        citations: vec![citation()],
        cascade: vec![CascadeStep { model: "small".into(), ms: 800.0, is_kept: false, reason: Some("r".into()) }],
        sentences: vec![CheckedSentence {
            answer_span: Span::of("2850 km", 0..7),
            support: Support::Supported,
            entailment: Some(JUDGED),
        }],
        entailment: Some(EntailmentUse { judged: 3, lowered: 2, late: 1, too_long: 0, failed: 4, ms: 250.0 }),
        positions: vec![Position {
            says: "2850 km".into(),
            dated: Timestamp::UNIX_EPOCH,
            published: true,
            preferred: true,
            documents: 1,
            citation: citation(),
        }],
        looked_at: vec![LookedAt {
            document: passage.document,
            title: passage.title,
            chunk: passage.chunk,
            score: 0.5,
        }],
        sufficiency: 1.5,
        model: Some("none".into()),
        spent: Spent::default(),
    }
}

/// Its citation.
pub(crate) fn citation() -> Citation {
    let passage = ranked().passage;
    Citation {
        document: passage.document,
        revision: passage.revision,
        chunk: passage.chunk,
        quote: passage.text.clone(),
        source_span: passage.span,
        answer_span: Span::of("2850 km", 0..7),
        support: Support::Supported,
        title: passage.title,
        url: None,
        place: Some(Place::Page { number: 3 }),
        outdated: true,
        entailment: Some(JUDGED),
    }
}

/// What a model said of it.
pub(crate) const JUDGED: EntailmentStatus =
    EntailmentStatus::Judged { entailed: 0.75, contradicted: 0.125, lowered: false };

struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Answers for Answerer {
    fn ask(&self, question: Question) -> BoxStream<'static, AnswerEvent> {
        self.asked.lock().unwrap().push(question);
        let mut events = vec![AnswerEvent::Passages(vec![ranked()])];
        let text =
            [AnswerEvent::Delta("2850".into()), AnswerEvent::Delta(" km".into()), AnswerEvent::Citation(citation())];
        let failure = AnswerFailure {
            code: "generator_unavailable".into(),
            message: "the model is being loaded".into(),
            hint: "ask again in a moment".into(),
            retry_after: None,
        };
        let ending = *self.ending.lock().unwrap();
        match ending {
            Ending::Done => {
                events.extend(text);
                events.push(AnswerEvent::Done(answer()));
                // What must never be seen.
                events.push(AnswerEvent::Delta("after the end".into()));
            }
            Ending::Insufficient => events.push(AnswerEvent::Done(Answer {
                status: AnswerStatus::InsufficientEvidence,
                note: None,
                citations: Vec::new(),
                ..answer()
            })),
            Ending::Failed => events.push(AnswerEvent::Error(failure)),
            Ending::BrokenOff => events.extend(text),
            Ending::Hanging => {}
        }
        let guard = Dropped(self.dropped.clone());
        let events = stream::iter(events);
        let events = if ending == Ending::Hanging { events.chain(stream::pending()).boxed() } else { events.boxed() };
        events
            .map(move |event| {
                let _alive = &guard;
                event
            })
            .boxed()
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) client: reqwest::Client,
    pub(crate) store: Arc<Store>,
    pub(crate) searcher: Arc<Searcher>,
    pub(crate) answerer: Arc<Answerer>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) webhooks: Arc<Endpoints>,
    pub(crate) hubs: Arc<Callbacks>,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: tokio::task::JoinHandle<()>,
}

/// Starts a server as it comes.
pub(crate) async fn start() -> Server {
    start_with(HttpSettings::default(), None).await
}

/// Starts a server with bounds and a key.
pub(crate) async fn start_with(settings: HttpSettings, key: Option<&str>) -> Server {
    static CRYPTO: Once = Once::new();
    // The client insists on a provider even for plain HTTP.
    CRYPTO.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    let (store, searcher) = (Arc::new(Store::new()), Arc::new(Searcher::default()));
    let answerer = Arc::new(Answerer {
        ending: Mutex::new(Ending::Done),
        asked: Mutex::default(),
        dropped: Arc::new(Notify::new()),
    });
    let (sources, webhooks) = (Arc::new(Sources::default()), Arc::new(Endpoints::default()));
    let hubs = Arc::new(Callbacks::default());
    let (readiness, ready) = watch::channel(Readiness::ready());
    let service = Service {
        writes: store.clone(),
        reader: store.clone(),
        sources: sources.clone(),
        webhooks: webhooks.clone(),
        hubs: Some(hubs.clone()),
        residues: store.clone(),
        retriever: searcher.clone(),
        answers: answerer.clone(),
        status: store.clone(),
        readiness: ready,
        key: key.and_then(AccessKey::new),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = serve(listener, service, settings, shutdown.clone());
    let ended = tokio::spawn(async move { serving.await.unwrap() });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = format!("http://{address}");
    Server { base, address, client, store, searcher, answerer, sources, webhooks, hubs, readiness, shutdown, ended }
}

impl Server {
    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub(crate) fn put(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.put(format!("{}{path}", self.base))
    }

    pub(crate) fn patch(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.patch(format!("{}{path}", self.base))
    }

    pub(crate) fn delete(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.delete(format!("{}{path}", self.base))
    }
}

/// Sends a request and reads the JSON it is answered with.
pub(crate) async fn json(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Sends a request that must fail: its status and code. Every error has the one form.
pub(crate) async fn refusal(request: reqwest::RequestBuilder) -> (u16, String) {
    let (status, body) = json(request).await;
    let error = body["error"].as_object().unwrap_or_else(|| panic!("no error form: {body}"));
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    let mut fields: Vec<_> = error.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["code", "hint", "message"]);
    assert!(error.values().all(|text| text.as_str().is_some_and(|text| !text.is_empty())), "{body}");
    (status, error["code"].as_str().unwrap().to_owned())
}
