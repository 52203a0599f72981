//! A judge without a model: a hypothesis follows from a premise that holds all of its words.
//!
//! Stricter than the real one: it yields before it answers, so that nobody relies on an answer without waiting, and as
//! many pairs wait as may.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use wellspring_core::entailment::{EntailmentError, EntailmentErrorKind, EntailmentJudge, Judgement};
use wellspring_core::limits;

/// An [`EntailmentJudge`] of words.
#[derive(Debug, Default)]
pub struct WordJudge {
    waiting: AtomicUsize,
}

/// A place among those that wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl EntailmentJudge for WordJudge {
    async fn judge(&self, premise: String, hypothesis: String) -> Result<Judgement, EntailmentError> {
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _place = Place(&self.waiting);
        if waiting > limits::ENTAILMENT_QUEUE_MAX {
            return Err(EntailmentError::new(EntailmentErrorKind::Busy, "too many pairs wait"));
        }
        tokio::task::yield_now().await;
        let tokens = premise.split_whitespace().count() + hypothesis.split_whitespace().count();
        if tokens > limits::ENTAILMENT_TOKENS_MAX {
            return Err(EntailmentError::new(EntailmentErrorKind::TooLong, "the pair is too long"));
        }
        let follows = hypothesis.split_whitespace().all(|word| premise.split_whitespace().any(|held| held == word));
        let judgement = if follows { Judgement::new(0.9, 0.08, 0.02) } else { Judgement::new(0.1, 0.85, 0.05) };
        Ok(judgement.expect("the numbers above are probabilities"))
    }
}
