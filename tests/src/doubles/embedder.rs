//! An embedder without a model: words are hashed to places of a vector, so that texts that share words lie near each
//! other.
//!
//! Stricter than the real one: it yields before every text, so that nobody relies on an answer without waiting; it
//! counts what it was asked for, so that a test can tell whether a text was embedded twice (I-9); and it fails when a
//! test says so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, EmbeddingSpace, Lane};
use wellspring_core::limits;
use wellspring_core::text::is_cjk;

/// How far the place that every text shares reaches: enough that an empty text has a direction.
const SHARED: f32 = 0.05;

/// An [`Embedder`] of hashed words.
#[derive(Debug)]
pub struct HashEmbedder {
    space: EmbeddingSpace,
    waiting: [AtomicUsize; 2],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    passages: HashMap<String, usize>,
    failure: Option<EmbedErrorKind>,
}

impl HashEmbedder {
    /// An embedder whose vectors have `dimension` values, at least 2: the first is shared by all texts.
    pub fn new(dimension: usize) -> Self {
        assert!(dimension >= 2, "a dimension of {dimension} tells no texts apart");
        let space = EmbeddingSpace {
            model: "hashed words".to_owned(),
            model_digest: "0".repeat(64),
            dimension,
            pooling: "mean".to_owned(),
            query_prefix: String::new(),
            passage_prefix: String::new(),
            tokens_max: limits::CHUNK_TOKENS_MAX,
            languages: vec!["en".to_owned(), "zh".to_owned()],
        };
        Self { space, waiting: Default::default(), state: Mutex::default() }
    }

    /// Lets every call fail with `kind` until it is told otherwise.
    pub fn fail(&self, kind: Option<EmbedErrorKind>) {
        self.state().failure = kind;
    }

    /// How often each passage was embedded.
    pub fn passages(&self) -> HashMap<String, usize> {
        self.state().passages.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails where the real one could: on demand, and when the interactive lane is full.
    fn admit(&self, lane: Lane, texts: usize) -> Result<Place<'_>, EmbedError> {
        if let Some(kind) = self.state().failure {
            return Err(EmbedError::new(kind, "the embedder was told to fail"));
        }
        let waiting = &self.waiting[lane as usize];
        if waiting.fetch_add(texts, Ordering::AcqRel) + texts > limits::EMBED_QUEUE_MAX && lane == Lane::Interactive {
            waiting.fetch_sub(texts, Ordering::AcqRel);
            return Err(EmbedError::new(EmbedErrorKind::Busy, "the embedder's queue is full"));
        }
        Ok(Place { waiting, texts })
    }

    fn direction(&self, text: &str) -> Embedding {
        let words = words(text);
        let read = &words[..words.len().min(self.space.tokens_max)];
        let mut values = vec![0.0; self.space.dimension];
        values[0] = SHARED;
        for word in read {
            values[1 + hash(word) as usize % (self.space.dimension - 1)] += 1.0;
        }
        Embedding::new(values).expect("the shared place is never zero")
    }
}

/// Places in a lane, given back on drop: a future that is dropped frees them.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    texts: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.texts, Ordering::AcqRel);
    }
}

#[async_trait]
impl Embedder for HashEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    async fn embed_passages(&self, texts: Vec<String>, lane: Lane) -> Result<Vec<Embedding>, EmbedError> {
        let _place = self.admit(lane, texts.len())?;
        let mut embeddings = Vec::with_capacity(texts.len());
        for text in texts {
            tokio::task::yield_now().await;
            embeddings.push(self.direction(&text));
            *self.state().passages.entry(text).or_default() += 1;
        }
        Ok(embeddings)
    }

    async fn embed_query(&self, text: String) -> Result<Embedding, EmbedError> {
        let _place = self.admit(Lane::Interactive, 1)?;
        tokio::task::yield_now().await;
        Ok(self.direction(&text))
    }

    fn count_tokens(&self, text: &str) -> usize {
        words(text).len()
    }
}

/// Runs of letters and digits in lower case, and each Han or kana character alone.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for run in text.split(|c: char| !c.is_alphanumeric()) {
        let mut word = String::new();
        for c in run.chars() {
            if is_cjk(c) {
                words.extend([std::mem::take(&mut word), c.to_string()]);
            } else {
                word.extend(c.to_lowercase());
            }
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// FNV-1a: the same on every machine and in every version, which the standard library's hash does not promise.
fn hash(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn texts_that_share_words_are_near() {
        let embedder = HashEmbedder::new(256);
        let query = embedder.embed_query("when does the ferry leave".to_owned()).await.unwrap();
        let texts = ["The ferry leaves when the tide does.", "Compilers optimise machine code."];
        let found = embedder.embed_passages(texts.map(str::to_owned).to_vec(), Lane::Bulk).await.unwrap();
        assert!(query.cosine(&found[0]) > 0.5 && query.cosine(&found[1]) < 0.2);
        assert_eq!(embedder.count_tokens("渡轮 at 7 am"), 5);
        assert_eq!(embedder.passages()[texts[0]], 1);
    }

    #[tokio::test]
    async fn a_failure_lasts_until_it_is_lifted() {
        let embedder = HashEmbedder::new(8);
        embedder.fail(Some(EmbedErrorKind::Busy));
        assert_eq!(embedder.embed_query(String::new()).await.unwrap_err().kind(), EmbedErrorKind::Busy);
        embedder.fail(None);
        assert!(embedder.embed_query(String::new()).await.is_ok());
    }
}
