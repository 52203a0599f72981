//! What would the parts around an answer do? Small, exact stand-ins.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, EmbeddingSpace, Lane};
use wellspring_core::entailment::{EntailmentError, EntailmentErrorKind, EntailmentJudge, Judgement};
use wellspring_core::generator::{
    GenerateError, GenerateErrorKind, Generation, GenerationEvent, GenerationRequest, Generator, GeneratorStatus,
};
use wellspring_core::hit::Passage;
use wellspring_core::retriever::{
    ArmStatus, Ranked, RerankStatus, Retriever, SearchError, SearchErrorKind, SearchRequest, SearchResults,
};
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;

use crate::evidence::{Basis, Evidence, select};
use crate::lexical::candidates;
use crate::terms::{terms, words};

/// A passage that is the whole of its document.
pub(crate) fn passage(key: &str, title: Option<&str>, text: &str) -> Passage {
    Passage { title: title.map(str::to_owned), ..passage_at(key, text, 0..text.len()) }
}

/// A passage that is a part of its document.
pub(crate) fn passage_at(key: &str, whole: &str, range: Range<usize>) -> Passage {
    let key: DocumentKey = key.parse().unwrap();
    let document_id = DocumentId::of(&CollectionName::default(), &key);
    let text = whole[range.clone()].to_owned();
    Passage {
        chunk: ChunkId::of(document_id, &text, 0),
        document: key,
        document_id,
        revision: Revision(3),
        ordinal: 0,
        span: Span::of(whole, range),
        text,
        title: None,
        heading: String::new(),
        url: None,
        published_at: None,
        accepted_at: Timestamp::UNIX_EPOCH,
        source: SourceName::push(),
        places: Vec::new(),
        outdated: false,
    }
}

/// The evidence that words alone choose.
pub(crate) fn evidence(passages: &[Passage], question: &str) -> Evidence {
    let found = candidates(question, passages);
    select(passages.to_vec().into(), found, Basis::Words, usize::MAX, |text| words(text).len())
}

/// Embeds a text as the bag of its terms, hashed into a few dimensions.
pub(crate) struct BagOfWords {
    space: EmbeddingSpace,
    fails: bool,
    pub(crate) embedded: AtomicUsize,
}

impl BagOfWords {
    pub(crate) fn speaking(languages: &[&str]) -> Self {
        let space = EmbeddingSpace {
            model: "bag of words".to_owned(),
            model_digest: "00".to_owned(),
            dimension: 256,
            pooling: "mean".to_owned(),
            query_prefix: String::new(),
            passage_prefix: String::new(),
            tokens_max: 256,
            languages: languages.iter().map(|&language| language.to_owned()).collect(),
        };
        Self { space, fails: false, embedded: AtomicUsize::new(0) }
    }

    pub(crate) fn failing() -> Self {
        Self { fails: true, ..Self::speaking(&["en"]) }
    }

    fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        if self.fails {
            return Err(EmbedError::new(EmbedErrorKind::Busy, "the queue is full"));
        }
        self.embedded.fetch_add(1, Ordering::Relaxed);
        let mut values = vec![0.0; 256];
        values[0] = 0.01;
        for term in terms(text) {
            let place = term.bytes().fold(7usize, |hash, byte| hash.wrapping_mul(31) + usize::from(byte)) % 255;
            values[place + 1] += 1.0;
        }
        Ok(Embedding::new(values).unwrap())
    }
}

#[async_trait]
impl Embedder for BagOfWords {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    async fn embed_passages(&self, texts: Vec<String>, lane: Lane) -> Result<Vec<Embedding>, EmbedError> {
        assert_eq!(lane, Lane::Interactive, "a person waits for an answer");
        texts.iter().map(|text| self.embed(text)).collect()
    }

    async fn embed_query(&self, text: String) -> Result<Embedding, EmbedError> {
        self.embed(&text)
    }

    fn count_tokens(&self, text: &str) -> usize {
        words(text).len()
    }
}

/// Finds the same passages for every question of the default collection, or fails.
pub(crate) struct FixedRetriever {
    pub(crate) passages: Vec<Passage>,
    pub(crate) fails: bool,
}

#[async_trait]
impl Retriever for FixedRetriever {
    async fn search(&self, request: SearchRequest) -> Result<SearchResults, SearchError> {
        if self.fails {
            return Err(SearchError::new(SearchErrorKind::Unavailable, "no arm of the search could answer"));
        }
        if request.collection != CollectionName::default() {
            let attempted = format!("there is no collection named `{}`", request.collection);
            return Err(SearchError::new(SearchErrorKind::UnknownCollection, attempted));
        }
        let ranked = |passage: &Passage| Ranked {
            passage: passage.clone(),
            score: 0.5,
            keyword_score: Some(3.0),
            vector_score: None,
            rerank_score: None,
            explain: None,
            duplicates: Vec::new(),
            neighbours: None,
        };
        let hits = self.passages.iter().take(request.limit).map(ranked).collect();
        Ok(SearchResults { hits, keyword: ArmStatus::Ok, vector: ArmStatus::Ok, rerank: RerankStatus::Off })
    }
}

/// Writes what the script says, and never ends a generation whose script does not end.
pub(crate) struct ScriptedGenerator {
    pub(crate) status: GeneratorStatus,
    scripts: Mutex<VecDeque<Vec<Result<GenerationEvent, GenerateErrorKind>>>>,
    refusal: Option<GenerateErrorKind>,
    pub(crate) requests: Mutex<Vec<GenerationRequest>>,
    /// Set when a generation is dropped.
    pub(crate) dropped: Arc<AtomicBool>,
}

impl ScriptedGenerator {
    pub(crate) fn ready(script: Vec<Result<GenerationEvent, GenerateErrorKind>>) -> Self {
        Self {
            status: GeneratorStatus::Ready { model: "scripted-0.5b".to_owned() },
            scripts: Mutex::new(VecDeque::from([script])),
            refusal: None,
            requests: Mutex::default(),
            dropped: Arc::default(),
        }
    }

    /// What it writes when it is asked once more.
    pub(crate) fn then(&self, script: Vec<Result<GenerationEvent, GenerateErrorKind>>) {
        self.scripts.lock().unwrap().push_back(script);
    }

    pub(crate) fn with_status(status: GeneratorStatus) -> Self {
        Self { status, ..Self::ready(Vec::new()) }
    }

    pub(crate) fn refusing(kind: GenerateErrorKind) -> Self {
        Self { refusal: Some(kind), ..Self::ready(Vec::new()) }
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Generator for ScriptedGenerator {
    fn status(&self) -> GeneratorStatus {
        self.status.clone()
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        self.requests.lock().unwrap().push(request);
        if let Some(kind) = self.refusal {
            return Err(GenerateError::new(kind, "could not generate"));
        }
        let guard = SetOnDrop(Arc::clone(&self.dropped));
        let script = self.scripts.lock().unwrap().pop_front().unwrap_or_default();
        let ends = script.iter().any(|event| !matches!(event, Ok(GenerationEvent::Text(_))));
        let events = script.into_iter().map(|event| event.map_err(|kind| GenerateError::new(kind, "planned")));
        let silence = if ends { stream::empty().left_stream() } else { stream::pending().right_stream() };
        let generation = stream::iter(events).chain(silence).map(move |event| {
            let _held = &guard;
            event
        });
        Ok(generation.boxed())
    }
}

/// What a [`FixedJudge`] does with a pair.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Opinion {
    /// The probabilities of entailment and of contradiction.
    Says(f32, f32),
    /// It fails.
    Fails(EntailmentErrorKind),
    /// It never answers.
    Silent,
}

/// What it makes of a hypothesis.
pub(crate) type Opining = fn(&str) -> Opinion;

/// Judges by the hypothesis alone, and remembers what it was asked.
pub(crate) struct FixedJudge {
    opinion: Opining,
    pub(crate) asked: Mutex<Vec<(String, String)>>,
}

impl FixedJudge {
    pub(crate) fn of(opinion: Opining) -> Arc<Self> {
        Arc::new(Self { opinion, asked: Mutex::default() })
    }
}

#[async_trait]
impl EntailmentJudge for FixedJudge {
    async fn judge(&self, premise: String, hypothesis: String) -> Result<Judgement, EntailmentError> {
        let opinion = (self.opinion)(&hypothesis);
        self.asked.lock().unwrap().push((premise, hypothesis));
        match opinion {
            Opinion::Says(entailed, contradicted) => {
                Ok(Judgement::new(entailed, 1.0 - entailed - contradicted, contradicted).unwrap())
            }
            Opinion::Fails(kind) => Err(EntailmentError::new(kind, "planned")),
            Opinion::Silent => std::future::pending().await,
        }
    }
}
