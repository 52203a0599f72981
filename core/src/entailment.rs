//! Does one text follow from another, as a model reads the two?
//!
//! Invariants:
//! - A judgement is three probabilities whose sum is 1, or there is none.
//! - A judge reads both texts whole or says that it did not: half a premise carries less than the whole one does.

use async_trait::async_trait;

use crate::failure::Failure;

/// Why a pair was not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntailmentErrorKind {
    /// The model or one of its files cannot be used, or it gave no numbers.
    Model,
    /// More pairs wait for it than may; asking later may help.
    Busy,
    /// The pair is longer than what the model reads.
    TooLong,
    /// It has ended.
    Stopped,
}

/// A judgement that failed.
pub type EntailmentError = Failure<EntailmentErrorKind>;

/// What a model says of a pair.
///
/// - Each number is from 0 to 1.
/// - Their sum is 1, but for rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    entailed: f32,
    neutral: f32,
    contradicted: f32,
}

/// How far a sum of three rounded probabilities may be from 1.
const ROUNDING_MAX: f32 = 1e-3;

impl Judgement {
    /// Three probabilities; `None` where they are none.
    pub fn new(entailed: f32, neutral: f32, contradicted: f32) -> Option<Self> {
        let all = [entailed, neutral, contradicted];
        let sound = all.iter().all(|value| (0.0..=1.0).contains(value));
        let whole = (all.iter().sum::<f32>() - 1.0).abs() <= ROUNDING_MAX;
        (sound && whole).then_some(Self { entailed, neutral, contradicted })
    }

    /// How likely the hypothesis follows from the premise.
    pub fn entailed(&self) -> f32 {
        self.entailed
    }

    /// How likely the premise says nothing of it either way.
    pub fn neutral(&self) -> f32 {
        self.neutral
    }

    /// How likely both cannot be true.
    pub fn contradicted(&self) -> f32 {
        self.contradicted
    }
}

/// A model that judges pairs. Contract for implementors:
///
/// - No method blocks the caller's thread.
/// - A caller that hangs up costs no more than the pair that is being read at that moment.
/// - Whatever the texts hold, the answer is a judgement or an error; a mark that only the model may write is plain text.
#[async_trait]
pub trait EntailmentJudge: Send + Sync {
    /// What follows from `premise` for `hypothesis`.
    async fn judge(&self, premise: String, hypothesis: String) -> Result<Judgement, EntailmentError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_that_are_no_probabilities_are_no_judgement() {
        assert!(Judgement::new(0.7, 0.2, 0.1).is_some());
        for (entailed, neutral, contradicted) in
            [(0.7, 0.7, 0.1), (0.1, 0.1, 0.1), (1.5, -0.5, 0.0), (f32::NAN, 0.5, 0.5), (f32::INFINITY, 0.0, 0.0)]
        {
            assert_eq!(Judgement::new(entailed, neutral, contradicted), None);
        }
    }
}
