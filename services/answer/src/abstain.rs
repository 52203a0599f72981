//! Do the documents say enough to answer at all?
//!
//! Decided before anything is generated, by the score of the best sentence: small models that are told to abstain do
//! so on half of what they could answer. The defaults keep about 95 % of answerable questions. Measured over the best
//! eight passages by keyword, as shares of questions held to be answerable:
//!
//! | scores rest on, at least | questions | answerable | from another collection | with their own passage removed |
//! |---|---|---|---|---|
//! | words and meaning, .34 | 120 English scientific claims | .95 | .03 | .83 |
//! | words alone, .23 | 300 of the same | .95 | .36 | .86 |
//! | characters, .27 | 300 traditional Chinese questions | .94 | .03 | .26 |
//! | characters, .27 | 300 simplified Chinese questions | .98 | .01 | .21 |
//!
//! The scientific claims come from a collection whose other abstracts speak of the same things: there the last column
//! is a question of entailment, which no overlap decides.
//!
//! Where the passages do not speak of a part of the question's subject (`subject`), more is asked for; where they lack
//! a name of it, nothing is enough.
//!
//! Invariants:
//! - Without a single sentence there is never enough, whatever the thresholds.

use wellspring_core::answer::Support;

use crate::evidence::{Basis, Evidence};
use crate::subject::Subject;

/// The least score of the best sentence, by what the score rests on; each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Where the embedder speaks the language: half words, half cosine.
    pub fused: f32,
    /// Where words alone decide.
    pub words: f32,
    /// Where characters and pairs alone decide (Chinese and Japanese).
    pub characters: f32,
    /// Where a part of the question's subject was not found at all.
    pub strained: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { fused: 0.34, words: 0.23, characters: 0.27, strained: 0.55 }
    }
}

impl Thresholds {
    /// How much evidence there is, over the least that is worth an answer: from 1 on there is enough. 0 where nothing
    /// speaks of the question.
    pub(crate) fn sufficiency(&self, evidence: &Evidence, subject: &Subject) -> f32 {
        let least = match evidence.basis {
            Basis::Fused => self.fused,
            Basis::Words => self.words,
            Basis::Characters => self.characters,
        };
        let least = if subject.is_strained() { least.max(self.strained) } else { least };
        let mut sentences = evidence.sentences.iter().enumerate();
        let about_it = sentences.any(|(index, s)| s.score > 0.0 && subject.limit(index) != Support::Unsupported);
        if !about_it || subject.is_elsewhere() {
            return 0.0;
        }
        evidence.best_score() / least.max(f32::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{evidence, passage};

    #[test]
    fn a_foreign_question_finds_no_evidence_and_a_fitting_one_does() {
        let passages = [
            passage("a.md", Some("Danube"), "The Danube is 2,850 km long. It flows into the Black Sea."),
            passage("b.md", Some("Bread"), "Rye bread keeps for a week. Flour must rest."),
        ];
        let sufficient = |question: &str| {
            Thresholds::default().sufficiency(&evidence(&passages, question), &Subject::default()) >= 1.0
        };
        assert!(sufficient("How long is the Danube?"));
        assert!(!sufficient("Who painted the ceiling of the chapel in Rome?"));
    }

    #[test]
    fn how_much_money_is_answered_by_a_price_that_does_not_say_money() {
        let passages = [
            passage("fares.md", Some("票价"), "携带自行车需另付1.50克朗，持月票者免费。小狗每只0.80克朗，导盲犬免费。"),
            passage("walks.md", Some("游览"), "芦苇小径全长三公里，从斯凯罗码头出发，三月至七月请牵好您的狗。"),
        ];
        let sufficiency =
            |question: &str| Thresholds::default().sufficiency(&evidence(&passages, question), &Subject::default());
        assert!(sufficiency("狗多少钱？") >= 1.0, "{}", sufficiency("狗多少钱？"));
        assert!(sufficiency("大象多少钱？") < 1.0, "{}", sufficiency("大象多少钱？"));
    }

    #[test]
    fn no_sentence_is_never_enough() {
        let nothing = Thresholds { fused: 0.0, words: 0.0, characters: 0.0, strained: 0.0 };
        assert_eq!(nothing.sufficiency(&evidence(&[], "How long?"), &Subject::default()), 0.0);
    }
}
