//! Is this document worth a reader's time, or has it been said already?
//!
//! Screening stands between parsing and cutting: what it drops is never embedded. Each rule is off, marks a document,
//! or drops it; each [`Decision`] is kept with the document, with its reason.
//!
//! Invariants:
//! - A dropped document keeps its content: it is screened again without being fetched ([`SignatureStore::readmit`]).
//! - A document is dropped as a copy only while its original is one that readers can see or soon will. When the
//!   original is deleted, fails, is dropped itself or says something else, what was dropped for its sake is screened
//!   again.
//! - A signature depends on the text alone: neither on what was there before nor on the order of arrival.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::catalog::CatalogError;
use crate::document::{CollectionName, DocumentId, DocumentKey, Revision, digest_newtype};
use crate::limits;

/// What a document is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Another document says the same, letter case and white space aside.
    ExactDuplicate,
    /// Another document says nearly the same.
    NearDuplicate,
    /// Some of its paragraphs stand in many documents of its source.
    Boilerplate,
    /// It says next to nothing for its length: a log, a keyboard mash, a dump.
    Entropy,
    /// It is in a language that nobody asked for.
    Language,
    /// Its source sends more than its budget.
    Flood,
}

/// What a rule may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing: the rule is not asked.
    #[default]
    Off,
    /// Say so, and publish.
    Mark,
    /// Do not publish; for boilerplate: leave those paragraphs out of the chunks.
    Drop,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The document is published, with this mark.
    Marked,
    /// The document is published without some of its paragraphs; its text stays whole.
    Trimmed,
    /// The document is not published.
    Dropped,
}

/// What one rule said about one revision when it was screened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The rule.
    pub rule: Rule,
    /// What followed.
    pub verdict: Verdict,
    /// Why, for people; never the document's text.
    pub reason: String,
    /// The document that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<DocumentKey>,
    /// How much of both documents is common, 0 to 1; estimated, within .13 of the truth in 99 cases of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

digest_newtype! {
    /// The digest of a text whose letter case, Unicode form and white space are levelled.
    TextDigest
}

impl TextDigest {
    /// The digest of a text that is levelled already.
    pub fn of(levelled: &str) -> Self {
        Self::derive("wellspring levelled text 1", &[levelled.as_bytes()])
    }
}

/// What is kept of a text to know it again, and its like: a MinHash.
///
/// - Two texts agree in the share of their minima that estimates the Jaccard similarity of their shingles, with a
///   standard error of at most `.5 / sqrt(SCREEN_MINIMA)`.
/// - Empty minima: the text is too short to be like another one; it can only be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The text, levelled.
    pub digest: TextDigest,
    /// None, or [`limits::SCREEN_MINIMA`]: 16 bits of the least hash under each permutation.
    pub minima: Vec<u16>,
}

impl Signature {
    /// The estimated share of shingles that two texts have in common; `None` where one of them is too short to say.
    pub fn similarity(&self, other: &Self) -> Option<f64> {
        if self.digest == other.digest {
            return Some(1.0);
        }
        if self.minima.is_empty() || self.minima.len() != other.minima.len() {
            return None;
        }
        let common = self.minima.iter().zip(&other.minima).filter(|(mine, theirs)| mine == theirs).count();
        Some(common as f64 / self.minima.len() as f64)
    }

    /// The bytes a store keeps of the minima.
    pub fn minima_bytes(&self) -> Vec<u8> {
        self.minima.iter().flat_map(|minimum| minimum.to_le_bytes()).collect()
    }

    /// Restores what a store kept; `None` when the bytes are none of ours.
    pub fn from_parts(digest: TextDigest, minima: &[u8]) -> Option<Self> {
        if !minima.is_empty() && minima.len() != 2 * limits::SCREEN_MINIMA {
            return None;
        }
        let minima = minima.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Some(Self { digest, minima })
    }
}

/// The place of a document in its source's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The source, in its collection.
    pub scope: u64,
    /// Hours since 1970.
    pub hour: u64,
    /// The part of the source that the document lies in.
    pub stratum: u64,
}

/// What a screening asks of everything screened before.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// Who asks: its own record is left out of every answer, and so is what was found to be its copy.
    pub document: DocumentId,
    /// The buckets that its like would be in.
    pub bands: Vec<u64>,
    /// Its paragraphs, each once.
    pub blocks: Vec<u64>,
    /// Its source, as a block that every document of it has.
    pub scope: u64,
    /// Where it counts; `None` where nobody keeps a budget.
    pub arrival: Option<Arrival>,
}

/// A document that an inquirer shares a bucket with.
#[derive(Debug, Clone, PartialEq)]
pub struct Original {
    /// The document.
    pub document: DocumentId,
    /// Its name.
    pub key: DocumentKey,
    /// Its text.
    pub signature: Signature,
}

/// The answer to an inquiry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// Live documents that are no copies themselves, most buckets in common first, at most
    /// [`limits::SCREEN_CANDIDATES_MAX`].
    pub originals: Vec<Original>,
    /// In how many other documents each block of the inquiry stands, in its order.
    pub block_documents: Vec<u64>,
    /// How many other documents its source has had counted.
    pub source_documents: u64,
    /// Documents admitted in the arrival's hour: of the source, and of its stratum.
    pub admitted: (u64, u64),
}

/// What is kept of a screened revision.
#[derive(Debug, Clone)]
pub struct Record {
    /// The document.
    pub document: DocumentId,
    /// The revision that was screened.
    pub revision: Revision,
    /// Its text.
    pub signature: Signature,
    /// The buckets it is found in while it is neither a copy nor dropped.
    pub bands: Vec<u64>,
    /// The paragraphs that are counted while it is neither a copy nor dropped, its scope among them, each once.
    pub blocks: Vec<u64>,
    /// The original that it repeats.
    pub original: Option<DocumentId>,
    /// Whether it is not published.
    pub dropped: bool,
    /// Where it is counted; `None` where it is not.
    pub arrival: Option<Arrival>,
}

/// Remembers what was screened. One screening at a time; a record goes when its document is deleted or fails.
#[async_trait]
pub trait SignatureStore: Send + Sync {
    /// Answers inquiries, in order, about one state of the store.
    async fn look_up(&self, inquiries: Vec<Inquiry>) -> Result<Vec<Findings>, CatalogError>;

    /// Keeps records, each in place of the one before it of its document; durable, and idempotent but for the
    /// arrivals, which count once more. Where a document is no original any more, or of another text, what was
    /// dropped for its sake is pending again, and the first of its marked copies takes its place.
    async fn record(&self, records: Vec<Record>) -> Result<(), CatalogError>;

    /// Makes skipped documents of a collection pending again, one or all of them, to be screened by today's rules
    /// from the content that was kept. Says how many; whoever calls wakes the pipeline.
    async fn readmit(&self, collection: &CollectionName, key: Option<&DocumentKey>) -> Result<u64, CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str, minima: Vec<u16>) -> Signature {
        Signature { digest: TextDigest::of(text), minima }
    }

    #[test]
    fn a_signature_comes_back_from_its_bytes() {
        let kept = signature("a", (0..limits::SCREEN_MINIMA as u16).map(|place| place.wrapping_mul(517)).collect());
        assert_eq!(Signature::from_parts(kept.digest, &kept.minima_bytes()), Some(kept.clone()));
        assert_eq!(Signature::from_parts(kept.digest, &[]).map(|short| short.minima.len()), Some(0));
        assert_eq!(Signature::from_parts(kept.digest, &[1, 2, 3, 4]), None);
    }

    #[test]
    fn short_texts_are_the_same_or_not_comparable() {
        let (one, other) = (signature("a", Vec::new()), signature("b", vec![7; limits::SCREEN_MINIMA]));
        assert_eq!(one.similarity(&one), Some(1.0));
        assert_eq!(one.similarity(&other), None);
        let half = signature("c", [[7; 64], [8; 64]].concat());
        assert_eq!(half.similarity(&other), Some(0.5));
    }

    #[test]
    fn a_decision_is_written_without_what_it_does_not_have() {
        let decision = Decision {
            rule: Rule::Entropy,
            verdict: Verdict::Marked,
            reason: "r".to_owned(),
            duplicate_of: None,
            similarity: None,
        };
        let written = serde_json::to_string(&decision).unwrap();
        assert_eq!(written, r#"{"rule":"entropy","verdict":"marked","reason":"r"}"#);
        assert_eq!(serde_json::from_str::<Decision>(&written).unwrap(), decision);
    }
}
