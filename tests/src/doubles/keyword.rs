//! The keyword view in memory: BM25 over a map, with an analyser that only knows enough for tests.
//!
//! Stricter than the contract: checkpoints may not go backwards, and a chunk may not be both inserted and removed.
//! Nothing is visible before it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use wellspring_core::chunk::ChunkId;
use wellspring_core::document::{CollectionName, DocumentId};
use wellspring_core::hit::Hit;
use wellspring_core::text::is_cjk;
use wellspring_core::view::{Change, KeywordEntry, KeywordSearch, Publication, ViewError, ViewName, ViewWriter};

/// Endings that are taken off, longest first: no stemmer, but enough for regular verbs and plurals.
const ENDINGS: &[&str] = &["ing", "ed", "es", "s"];
/// Words that are not searched for.
const STOP_WORDS: &[&str] = &["a", "an", "and", "are", "be", "is", "not", "of", "or", "the", "to", "were", "with"];
/// BM25's usual saturation and length weight.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// A [`ViewWriter`] and [`KeywordSearch`] without a disk.
#[derive(Debug, Default)]
pub struct MemoryKeywords {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    committed: BTreeMap<ChunkId, KeywordEntry>,
    applied: BTreeMap<ChunkId, KeywordEntry>,
    checkpoint: Publication,
}

impl MemoryKeywords {
    /// An empty view.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terms of a text: words without their endings; of Han and kana, characters and pairs.
fn terms(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let mut found: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() || is_cjk(c))
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word))
        .map(|word| {
            let stem = ENDINGS.iter().find_map(|ending| word.strip_suffix(ending).filter(|stem| stem.len() > 2));
            stem.unwrap_or(word).to_owned()
        })
        .collect();
    for run in text.split(|c: char| !is_cjk(c)) {
        let characters: Vec<char> = run.chars().collect();
        found.extend(characters.iter().map(char::to_string));
        found.extend(characters.windows(2).map(|pair| pair.iter().collect::<String>()));
    }
    found
}

/// What of a chunk is searched: its title and headings count as its text does.
fn searched(entry: &KeywordEntry) -> Vec<String> {
    [&entry.title, &entry.heading, &entry.text].into_iter().flat_map(|text| terms(text)).collect()
}

#[async_trait]
impl ViewWriter<KeywordEntry> for MemoryKeywords {
    fn name(&self) -> ViewName {
        ViewName::Keyword
    }

    async fn apply(&self, change: Change<KeywordEntry>) -> Result<(), ViewError> {
        let mut state = self.state();
        for entry in &change.upserts {
            assert!(!change.removals.contains(&entry.chunk), "a chunk both inserted and removed");
        }
        for chunk in &change.removals {
            state.applied.remove(chunk);
        }
        state.applied.extend(change.upserts.into_iter().map(|entry| (entry.chunk, entry)));
        Ok(())
    }

    async fn commit(&self, checkpoint: Publication) -> Result<(), ViewError> {
        let mut state = self.state();
        assert!(checkpoint >= state.checkpoint, "a checkpoint that goes backwards");
        state.committed = state.applied.clone();
        state.checkpoint = checkpoint;
        Ok(())
    }

    async fn checkpoint(&self) -> Result<Publication, ViewError> {
        Ok(self.state().checkpoint)
    }

    async fn clear(&self) -> Result<(), ViewError> {
        *self.state() = State::default();
        Ok(())
    }

    async fn count(&self) -> Result<u64, ViewError> {
        Ok(self.state().committed.len() as u64)
    }

    async fn count_of(&self, document: DocumentId) -> Result<u64, ViewError> {
        let state = self.state();
        Ok(state.committed.values().filter(|entry| entry.document == document).count() as u64)
    }

    async fn contains_any(&self, chunks: &[ChunkId]) -> Result<bool, ViewError> {
        let state = self.state();
        Ok(chunks.iter().any(|chunk| state.committed.contains_key(chunk)))
    }
}

#[async_trait]
impl KeywordSearch for MemoryKeywords {
    async fn matching(&self, collection: &CollectionName, query: &str, limit: usize) -> Result<Vec<Hit>, ViewError> {
        Ok(self.rank(collection, query, limit, |_| true))
    }

    async fn matching_among(
        &self,
        collection: &CollectionName,
        query: &str,
        chunks: &[ChunkId],
        limit: usize,
    ) -> Result<Vec<Hit>, ViewError> {
        Ok(self.rank(collection, query, limit, |chunk| chunks.contains(chunk)))
    }
}

impl MemoryKeywords {
    fn rank(
        &self,
        collection: &CollectionName,
        query: &str,
        limit: usize,
        keep: impl Fn(&ChunkId) -> bool,
    ) -> Vec<Hit> {
        let state = self.state();
        let wanted: BTreeSet<String> = terms(query).into_iter().collect();
        let analysed: Vec<_> = state.committed.values().map(|entry| (entry, searched(entry))).collect();
        let documents = analysed.len() as f64;
        let total: usize = analysed.iter().map(|(_, words)| words.len()).sum();
        let mean_length = (total as f64 / documents).max(1.0);
        let mut hits = Vec::new();
        for (entry, words) in &analysed {
            let mut score = 0.0;
            for term in &wanted {
                let frequency = words.iter().filter(|word| *word == term).count() as f64;
                let with = analysed.iter().filter(|(_, words)| words.contains(term)).count() as f64;
                let rarity = (1.0 + (documents - with + 0.5) / (with + 0.5)).ln();
                let length = 1.0 - B + B * words.len() as f64 / mean_length;
                score += rarity * frequency * (K1 + 1.0) / (frequency + K1 * length);
            }
            if score > 0.0 && entry.collection == *collection && keep(&entry.chunk) {
                hits.push(Hit { chunk: entry.chunk, score: score as f32 });
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
        hits.truncate(limit);
        hits
    }
}
