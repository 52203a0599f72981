//! What does a question mean, to judge by the passages that both arms put first?
//!
//! A question is a few words; the passages that words and meaning agree on say more about the same matter. The question's
//! direction is leaned towards the first three, and the candidates are compared with it once more: what is like them rises.
//! What the words say stays as it is, and no candidate is added. It is what Rocchio proposed (1971), by far weaker, from
//! what both arms found rather than one. What was measured stands in
//! [ADR 0022](../../../docs/adr/0022-feedback-of-the-best-passages.md).
//!
//! Invariants:
//! - Only passages that the catalog hydrates for this request lean its question: what was deleted, or what the caller may
//!   not read, moves nothing (I-2).
//! - The same question and the same passages give the same direction.

use wellspring_core::embedding::{Embedding, EmbeddingError};

/// How far a question is leaned towards the passages found for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feedback {
    share: f32,
}

impl Feedback {
    /// What the passages count for together, in percent of the question, where nobody set it.
    pub const PERCENT_DEFAULT: u32 = 50;
    /// Passages that lean a question. With one the first find decides too much, and the fifth is often about something else.
    pub const PASSAGES: usize = 3;
    /// The best candidates among which they are looked for, as some may be stale.
    pub(crate) const CANDIDATES: usize = 8;

    /// The passages count for so many percent of the question, 100 at most; `None` for 0, where nothing is asked again.
    pub fn of_percent(percent: u32) -> Option<Self> {
        (percent > 0).then(|| Self { share: percent.min(100) as f32 / 100.0 })
    }

    /// The direction between a question's and those of the best passages, best first: each counts for one over its place.
    /// An error where they cancel each other out.
    pub fn lean(self, question: &Embedding, best: &[Embedding]) -> Result<Embedding, EmbeddingError> {
        let places = || (1..=best.len()).map(|place| 1.0 / place as f32);
        let total: f32 = places().sum();
        let passages = places().zip(best).map(|(weight, passage)| (self.share * weight / total, passage));
        Embedding::sum([(1.0, question)].into_iter().chain(passages))
    }
}

impl Default for Feedback {
    fn default() -> Self {
        Self { share: Self::PERCENT_DEFAULT as f32 / 100.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(values: [f32; 2]) -> Embedding {
        Embedding::new(values.to_vec()).unwrap()
    }

    #[test]
    fn a_question_leans_towards_the_first_more_than_towards_the_second() {
        let (question, north, south) = (embedding([1.0, 0.0]), embedding([0.0, 1.0]), embedding([0.0, -1.0]));
        let half = Feedback::of_percent(50).unwrap();
        let leaned = half.lean(&question, &[north.clone(), south.clone()]).unwrap();
        // Two thirds of the half to the north and one to the south.
        assert_eq!(leaned, embedding([1.0, 0.5 / 3.0]));
        assert_eq!(half.lean(&question, std::slice::from_ref(&north)).unwrap(), embedding([1.0, 0.5]));
        assert_eq!(half.lean(&question, &[]).unwrap(), question);
        let all = Feedback::of_percent(900).unwrap();
        assert_eq!(all.lean(&question, &[north]).unwrap(), embedding([1.0, 1.0]), "a hundred at most");
        assert_eq!(Feedback::of_percent(0), None);
    }
}
