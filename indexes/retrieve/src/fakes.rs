//! What would the parts behind the retriever say? Scripted answers, and a record of what was asked.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use wellspring_core::catalog::{
    CatalogError, CatalogReader, CatalogStatus, ChunkPlace, DocumentFilter, DocumentInfo, DocumentPage, EntryState,
    Neighbour, Neighbours, RevisionText, Sequence,
};
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, EmbeddingSpace, Lane};
use wellspring_core::filter::Filter;
use wellspring_core::hit::{Hit, Passage};
use wellspring_core::retriever::SearchRequest;
use wellspring_core::source::SourceName;
use wellspring_core::span::Span;
use wellspring_core::view::{KeywordSearch, VectorSearch, ViewError, ViewErrorKind};

use crate::HybridRetriever;

/// The chunk by a number.
pub(crate) fn chunk(n: u16) -> ChunkId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    ChunkId::from_bytes(bytes)
}

fn hits(scores: &[(u16, f32)]) -> Vec<Hit> {
    scores.iter().map(|&(n, score)| Hit { chunk: chunk(n), score }).collect()
}

/// All parts at once.
#[derive(Clone)]
pub(crate) struct Fakes {
    published: Vec<ChunkId>,
    unasked: Vec<ChunkId>,
    admitted: Vec<ChunkId>,
    /// From the caller, by their access labels.
    hidden: Vec<ChunkId>,
    keyword: Option<Vec<Hit>>,
    /// What matches below the best.
    keyword_below: Vec<Hit>,
    nearest: Option<Vec<Hit>>,
    cosines: Option<HashMap<ChunkId, f32>>,
    /// What the leaned question is like; `None` where the directions cannot be read.
    leaned: Option<HashMap<ChunkId, f32>>,
    embedder_fails: bool,
    space: EmbeddingSpace,
    pub(crate) hydrations: Arc<Mutex<Vec<usize>>>,
    pub(crate) depths: Arc<Mutex<Vec<usize>>>,
    pub(crate) embedded: Arc<AtomicUsize>,
    /// The chunks that the question was leaned towards.
    pub(crate) leaned_towards: Arc<Mutex<Vec<ChunkId>>>,
}

impl Fakes {
    pub(crate) fn published(chunks: &[u16]) -> Self {
        let space = EmbeddingSpace {
            model: "fake".to_owned(),
            model_digest: "00".to_owned(),
            dimension: 2,
            pooling: "mean".to_owned(),
            query_prefix: String::new(),
            passage_prefix: String::new(),
            tokens_max: 256,
            languages: vec!["en".to_owned()],
        };
        Self {
            published: chunks.iter().map(|&n| chunk(n)).collect(),
            unasked: Vec::new(),
            admitted: Vec::new(),
            hidden: Vec::new(),
            keyword: Some(Vec::new()),
            keyword_below: Vec::new(),
            nearest: Some(Vec::new()),
            cosines: Some(HashMap::new()),
            leaned: Some(HashMap::new()),
            embedder_fails: false,
            space,
            hydrations: Arc::default(),
            depths: Arc::default(),
            embedded: Arc::default(),
            leaned_towards: Arc::default(),
        }
    }

    pub(crate) fn keyword(mut self, scores: &[(u16, f32)]) -> Self {
        self.keyword = Some(hits(scores));
        self
    }

    /// Matches that are told when they are asked for, and not among the best.
    pub(crate) fn keyword_below(mut self, scores: &[(u16, f32)]) -> Self {
        self.keyword_below = hits(scores);
        self
    }

    pub(crate) fn hidden(mut self, chunks: &[u16]) -> Self {
        self.hidden = chunks.iter().map(|&n| chunk(n)).collect();
        self
    }

    pub(crate) fn nearest(mut self, scores: &[(u16, f32)]) -> Self {
        self.nearest = Some(hits(scores));
        self
    }

    pub(crate) fn cosines(mut self, scores: &[(u16, f32)]) -> Self {
        self.cosines = Some(scores.iter().map(|&(n, score)| (chunk(n), score)).collect());
        self
    }

    /// The cosines to the leaned question.
    pub(crate) fn leaned(mut self, scores: &[(u16, f32)]) -> Self {
        self.leaned = Some(scores.iter().map(|&(n, score)| (chunk(n), score)).collect());
        self
    }

    pub(crate) fn failing_directions(mut self) -> Self {
        self.leaned = None;
        self
    }

    pub(crate) fn hydrating_also(mut self, n: u16) -> Self {
        self.unasked.push(chunk(n));
        self
    }

    pub(crate) fn admitting(mut self, chunks: &[u16]) -> Self {
        self.admitted = chunks.iter().map(|&n| chunk(n)).collect();
        self
    }

    pub(crate) fn failing_keyword(mut self) -> Self {
        self.keyword = None;
        self
    }

    pub(crate) fn failing_vector(mut self) -> Self {
        self.nearest = None;
        self
    }

    pub(crate) fn failing_similarities(mut self) -> Self {
        self.cosines = None;
        self
    }

    pub(crate) fn failing_embedder(mut self) -> Self {
        self.embedder_fails = true;
        self
    }

    pub(crate) fn retriever(&self) -> HybridRetriever {
        let parts = Arc::new(self.clone());
        HybridRetriever::new(parts.clone(), parts.clone(), parts.clone(), parts)
    }

    pub(crate) fn request(&self, query: &str, limit: usize) -> SearchRequest {
        SearchRequest {
            collection: CollectionName::default(),
            query: query.to_owned(),
            limit,
            ..SearchRequest::default()
        }
    }
}

#[async_trait]
impl KeywordSearch for Fakes {
    async fn matching(&self, _: &CollectionName, _: &str, limit: usize) -> Result<Vec<Hit>, ViewError> {
        self.depths.lock().unwrap().push(limit);
        let hits = self.keyword.as_ref();
        let hits = hits.ok_or_else(|| ViewError::new(ViewErrorKind::Closed, "keyword index is closed"))?;
        Ok(hits.iter().take(limit).copied().collect())
    }

    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        let best = self.matching(collection, query, limit).await?;
        let hits = best.iter().chain(&self.keyword_below);
        Ok(hits.filter(|hit| chunks.contains(&hit.chunk)).take(limit).copied().collect())
    }
}

#[async_trait]
impl VectorSearch for Fakes {
    async fn nearest(&self, _: &CollectionName, _: &Embedding, limit: usize) -> Result<Vec<Hit>, ViewError> {
        let hits = self.nearest.as_ref();
        let hits = hits.ok_or_else(|| ViewError::new(ViewErrorKind::Closed, "vector index is closed"))?;
        Ok(hits.iter().take(limit).copied().collect())
    }

    async fn similarities(
        &self,
        _: &CollectionName,
        question: &Embedding,
        chunks: &[ChunkId],
    ) -> Result<Vec<Hit>, ViewError> {
        let leaned = question.values()[1] != 0.0;
        let cosines = if leaned { self.leaned.as_ref() } else { self.cosines.as_ref() };
        let cosines = cosines.ok_or_else(|| ViewError::new(ViewErrorKind::Storage, "vector index is unreadable"))?;
        let known = |&chunk: &ChunkId| cosines.get(&chunk).map(|&score| Hit { chunk, score });
        Ok(chunks.iter().filter_map(known).collect())
    }

    async fn directions(&self, _: &CollectionName, chunks: &[ChunkId]) -> Result<Vec<(ChunkId, Embedding)>, ViewError> {
        self.leaned_towards.lock().unwrap().extend(chunks);
        if self.leaned.is_none() {
            return Err(ViewError::new(ViewErrorKind::Storage, "vector index is unreadable"));
        }
        // All across the question, which is how `similarities` tells the leaned one.
        Ok(chunks.iter().map(|&chunk| (chunk, Embedding::new(vec![0.0, 1.0]).unwrap())).collect())
    }
}

#[async_trait]
impl Embedder for Fakes {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    async fn embed_passages(&self, _: Vec<String>, _: Lane) -> Result<Vec<Embedding>, EmbedError> {
        unreachable!("a search embeds its query only")
    }

    async fn embed_query(&self, _: String) -> Result<Embedding, EmbedError> {
        self.embedded.fetch_add(1, Ordering::Relaxed);
        if self.embedder_fails {
            return Err(EmbedError::new(EmbedErrorKind::Stopped, "the embedder has stopped"));
        }
        Ok(Embedding::new(vec![1.0, 0.0]).unwrap())
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

#[async_trait]
impl CatalogReader for Fakes {
    async fn collection_exists(&self, collection: &CollectionName) -> Result<bool, CatalogError> {
        Ok(*collection == CollectionName::default())
    }

    async fn hydrate(&self, _: &CollectionName, chunks: &[ChunkId], _: &Filter) -> Result<Vec<Passage>, CatalogError> {
        self.hydrations.lock().unwrap().push(chunks.len());
        let live = chunks.iter().filter(|chunk| self.published.contains(chunk)).chain(&self.unasked);
        Ok(live.map(|&chunk| passage_of(chunk, "notes.md", "text")).collect())
    }

    async fn hidden(
        &self,
        _: &CollectionName,
        chunks: &[ChunkId],
        _: &Filter,
    ) -> Result<HashSet<ChunkId>, CatalogError> {
        Ok(chunks.iter().filter(|chunk| self.hidden.contains(chunk)).copied().collect())
    }

    async fn chunks_admitted(
        &self,
        _: &CollectionName,
        filter: &Filter,
        _: usize,
    ) -> Result<Option<Vec<ChunkId>>, CatalogError> {
        Ok(filter.demands().then(|| self.admitted.clone()))
    }

    async fn neighbours(&self, _: ChunkId, count: usize) -> Result<Neighbours, CatalogError> {
        let neighbour = |n| Neighbour { chunk: chunk(n), span: Span::of("text", 0..4), text: "text".to_owned() };
        Ok(Neighbours { before: vec![neighbour(999); count], behind: Vec::new() })
    }

    async fn document(&self, _: &CollectionName, _: &DocumentKey) -> Result<Option<DocumentInfo>, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }

    async fn revision_text(
        &self,
        _: &CollectionName,
        _: &DocumentKey,
        _: Option<Revision>,
    ) -> Result<Option<RevisionText>, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }

    async fn chunk_places(&self, _: DocumentId) -> Result<Vec<ChunkPlace>, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }

    async fn documents(
        &self,
        _: &CollectionName,
        _: &DocumentFilter,
        _: Option<&DocumentKey>,
        _: usize,
    ) -> Result<DocumentPage, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }

    async fn entry_state(&self, _: Sequence) -> Result<Option<EntryState>, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }

    async fn status(&self) -> Result<CatalogStatus, CatalogError> {
        unreachable!("a search hydrates chunks only")
    }
}

pub(crate) fn passage_of(chunk: ChunkId, key: &str, text: &str) -> Passage {
    let key: DocumentKey = key.parse().unwrap();
    Passage {
        document_id: DocumentId::of(&CollectionName::default(), &key),
        document: key,
        revision: Revision(1),
        chunk,
        ordinal: 0,
        span: Span::of(text, 0..text.len()),
        text: text.to_owned(),
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
