//! What may a caller demand of a write?
//!
//! A caller that edits what it has read demands that nobody wrote in between (a [`Condition`]); a caller that may
//! lose an answer demands that sending again does nothing twice (an [`IdempotencyKey`]).
//!
//! Invariants:
//! - A condition is looked at in the transaction that accepts the write: nothing comes between.
//! - A key and what it was answered are kept by that transaction too: a crash keeps both or neither.
//! - A key stands for one request: the same one again gets the first answer, another one is refused.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalog::{Accepted, Refusal, Write};
use crate::document::{ContentHash, DocumentId, Revision};
use crate::limits;

/// What must hold of a document for a write to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// There is a document.
    Present,
    /// There is none.
    Absent,
    /// The newest accepted revision is this one.
    Revision(Revision),
}

impl Condition {
    /// Whether it holds where the newest revision is `current`; `None` for a document that is absent or deleted.
    pub fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Self::None => true,
            Self::Present => current.is_some(),
            Self::Absent => current.is_none(),
            Self::Revision(wanted) => current == Some(wanted),
        }
    }

    /// The bytes by which one condition is told from another.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::None => vec![0],
            Self::Present => vec![1],
            Self::Absent => vec![2],
            Self::Revision(revision) => [&[3][..], &revision.0.to_be_bytes()].concat(),
        }
    }
}

/// A key that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an idempotency key is 1 to {} visible ASCII characters", limits::IDEMPOTENCY_KEY_BYTES_MAX)]
pub struct InvalidIdempotencyKey;

/// The caller's own name for one request.
///
/// - 1 to [`limits::IDEMPOTENCY_KEY_BYTES_MAX`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        let key = key.trim();
        let fits = (1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len());
        if fits && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

/// Writes that one request carries.
#[derive(Debug, Clone)]
pub struct Push {
    /// The writes in order, each with what must hold for it.
    pub writes: Vec<(Write, Condition)>,
    /// The caller's key for the request as a whole.
    pub key: Option<IdempotencyKey>,
}

impl From<Vec<Write>> for Push {
    fn from(writes: Vec<Write>) -> Self {
        Self { writes: writes.into_iter().map(|write| (write, Condition::None)).collect(), key: None }
    }
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The writes were looked at now: one result for each.
    New(Vec<Result<Accepted, Refusal>>),
    /// The same request came before under this key: nothing was written, these are its results.
    Repeated(Vec<Result<Accepted, Refusal>>),
    /// Another request came before under this key: nothing was written.
    KeyReused,
}

/// The digest by which a request is known again, of its writes in order: document, content (none for a deletion) and
/// condition. How the request was spelt does not count.
pub fn request_digest(writes: impl IntoIterator<Item = (DocumentId, Option<ContentHash>, Condition)>) -> ContentHash {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (document, content, condition) in writes {
        parts.push(document.as_bytes().to_vec());
        parts.push(content.map_or_else(Vec::new, |content| content.as_bytes().to_vec()));
        parts.push(condition.bytes());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    ContentHash::derive("wellspring request 1", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str) -> DocumentId {
        DocumentId::of(&Default::default(), &name.parse().unwrap())
    }

    #[test]
    fn a_condition_is_about_the_newest_revision() {
        let at = |revision| Some(Revision(revision));
        for (condition, holds) in [
            (Condition::None, [true, true, true]),
            (Condition::Present, [false, true, true]),
            (Condition::Absent, [true, false, false]),
            (Condition::Revision(Revision(2)), [false, false, true]),
        ] {
            assert_eq!([None, at(1), at(2)].map(|current| condition.holds(current)), holds, "{condition:?}");
        }
    }

    #[test]
    fn a_request_is_known_by_all_of_its_writes() {
        let hash = |text: &str| Some(ContentHash::derive("test", &[text.as_bytes()]));
        let requests = [
            vec![(document("a"), hash("x"), Condition::None)],
            vec![(document("b"), hash("x"), Condition::None)],
            vec![(document("a"), hash("y"), Condition::None)],
            vec![(document("a"), None, Condition::None)],
            vec![(document("a"), hash("x"), Condition::Absent)],
            vec![(document("a"), hash("x"), Condition::Revision(Revision(1)))],
            vec![(document("a"), hash("x"), Condition::Revision(Revision(2)))],
            vec![(document("a"), hash("x"), Condition::None), (document("b"), hash("x"), Condition::None)],
            vec![(document("b"), hash("x"), Condition::None), (document("a"), hash("x"), Condition::None)],
        ];
        let digests: std::collections::HashSet<_> = requests.iter().cloned().map(request_digest).collect();
        assert_eq!(digests.len(), requests.len());
        assert_eq!(request_digest(requests[0].clone()), request_digest(requests[0].clone()));
    }

    #[test]
    fn keys_are_visible_and_short() {
        assert_eq!(" 8e03978e-40d5 ".parse::<IdempotencyKey>().unwrap().as_str(), "8e03978e-40d5");
        let long = "x".repeat(limits::IDEMPOTENCY_KEY_BYTES_MAX + 1);
        for bad in ["", "  ", "a b", "é", "a\nb", &long] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad}");
        }
    }
}
