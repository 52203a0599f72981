//! How does a text become a vector, and which vectors may meet?
//!
//! Invariants:
//! - An [`Embedding`] has unit length and finite values: a single NaN would take over every result list.
//! - Vectors of two spaces never meet (I-5): the space's id digests everything that shapes a vector.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::document::digest_newtype;
use crate::failure::Failure;

digest_newtype! {
    /// The identity of an embedding space.
    SpaceId
}

/// Everything that shapes a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// The model's name, for people.
    pub model: String,
    /// SHA-256 of the weights, in hexadecimal.
    pub model_digest: String,
    /// Values in a vector.
    pub dimension: usize,
    /// How token vectors become one: `mean` or `cls`.
    pub pooling: String,
    /// Put in front of a query before it is embedded.
    pub query_prefix: String,
    /// Put in front of a passage before it is embedded.
    pub passage_prefix: String,
    /// Tokens the model reads; the rest of a longer text does not count.
    pub tokens_max: usize,
    /// The languages the model was trained for, as BCP 47 primary tags; its vote on others is not asked.
    pub languages: Vec<String>,
}

impl EmbeddingSpace {
    /// The identity: equal only when every vector would be equal. The name and the languages do not shape vectors.
    pub fn id(&self) -> SpaceId {
        SpaceId::derive(
            "wellspring embedding space 1",
            &[
                self.model_digest.as_bytes(),
                &(self.dimension as u64).to_le_bytes(),
                self.pooling.as_bytes(),
                self.query_prefix.as_bytes(),
                self.passage_prefix.as_bytes(),
                &(self.tokens_max as u64).to_le_bytes(),
            ],
        )
    }
}

/// A direction in an embedding space.
///
/// - Its length is 1 (to within rounding), so a dot product is a cosine.
/// - Every value is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

/// Values that are no direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmbeddingError {
    /// A NaN or an infinity among the values.
    #[error("an embedding holds a value that is not finite")]
    NotFinite,
    /// All values are zero, or there are none.
    #[error("an embedding has no length")]
    NoLength,
}

impl Embedding {
    /// Scales `values` to length 1.
    pub fn new(mut values: Vec<f32>) -> Result<Self, EmbeddingError> {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(EmbeddingError::NotFinite);
        }
        let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if length < f64::from(f32::EPSILON) {
            return Err(EmbeddingError::NoLength);
        }
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Ok(Self(values))
    }

    /// The direction of a weighted sum, such as that of a chunk's parts. Sums are made in the order given, so that equal
    /// parts give equal values.
    pub fn sum<'e>(weighted: impl IntoIterator<Item = (f32, &'e Self)>) -> Result<Self, EmbeddingError> {
        let mut sum: Vec<f32> = Vec::new();
        for (weight, Self(values)) in weighted {
            sum.resize(sum.len().max(values.len()), 0.0);
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        Self::new(sum)
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// The cosine of the angle between two directions of one space, from -1 to 1.
    pub fn cosine(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The values as little-endian bytes, the form a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Restores what [`Embedding::to_bytes`] wrote, checking it again: a damaged store must not poison results.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        let (words, _) = bytes.as_chunks::<4>();
        Self::new(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }
}

/// Who waits for an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A person: served before anything that has not begun.
    Interactive,
    /// Ingestion.
    Bulk,
}

/// Why texts were not embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbedErrorKind {
    /// The queue is full; later may go better.
    Busy,
    /// The model's thread has ended.
    Stopped,
    /// The model refused the texts or returned something that is no direction.
    Model,
}

/// An embedding that did not happen.
pub type EmbedError = Failure<EmbedErrorKind>;

/// Turns texts into directions. Contract for implementors:
///
/// - The same text gives the same embedding whatever it is batched with (to rounding).
/// - Dropping the future frees the queue's place; work that has begun may go on.
/// - Nothing blocks the caller's thread: CPU work happens on the model's own threads.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The space that every returned embedding lies in.
    fn space(&self) -> &EmbeddingSpace;

    /// Embeds passages, in order; the prefix is added here. An empty list gives an empty list.
    async fn embed_passages(&self, texts: Vec<String>, lane: Lane) -> Result<Vec<Embedding>, EmbedError>;

    /// Embeds a query; the prefix is added here.
    async fn embed_query(&self, text: String) -> Result<Embedding, EmbedError>;

    /// Counts a text's tokens as the model would read it, untruncated and without special tokens. Pure CPU, a few
    /// microseconds a word: call it off the async threads for more than a sentence.
    fn count_tokens(&self, text: &str) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_direction_are_refused() {
        assert_eq!(Embedding::new(vec![1.0, f32::NAN]), Err(EmbeddingError::NotFinite));
        assert_eq!(Embedding::new(vec![0.0; 4]), Err(EmbeddingError::NoLength));
        assert_eq!(Embedding::new(vec![]), Err(EmbeddingError::NoLength));
    }

    #[test]
    fn a_sum_points_between_its_parts() {
        let (east, north) = (Embedding::new(vec![1.0, 0.0]).unwrap(), Embedding::new(vec![0.0, 2.0]).unwrap());
        assert_eq!(Embedding::sum([(3.0, &east), (4.0, &north)]).unwrap().values(), [0.6, 0.8]);
        assert_eq!(Embedding::sum([(1.0, &east)]).unwrap(), east);
        let west = Embedding::new(vec![-1.0, 0.0]).unwrap();
        assert_eq!(Embedding::sum([(1.0, &east), (1.0, &west)]), Err(EmbeddingError::NoLength));
        assert_eq!(Embedding::sum([]), Err(EmbeddingError::NoLength));
    }

    #[test]
    fn bytes_restore_the_direction() {
        let embedding = Embedding::new(vec![3.0, -4.0]).unwrap();
        assert_eq!(embedding.values(), [0.6, -0.8]);
        let restored = Embedding::from_bytes(&embedding.to_bytes()).unwrap();
        assert!((restored.cosine(&embedding) - 1.0).abs() < 1e-6);
    }
}
