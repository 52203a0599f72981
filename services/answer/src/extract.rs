//! What do the documents themselves say, word for word?
//!
//! The answer where no generator writes one: the best sentences, each its own citation. The first sentence alone holds
//! the right answer on four of five measured questions.
//!
//! Invariants:
//! - Every character of the answer but the joints is a document's; each sentence is cited whole (I-6).

use wellspring_core::answer::{Citation, Support};
use wellspring_core::span::Span;

use crate::cite::citation;
use crate::evidence::{Evidence, joint};

/// Sentences of an extract, those that only explain a pronoun not counted.
const SENTENCES_MAX: usize = 3;
/// A sentence scored below this share of the best one adds words rather than an answer.
const SCORE_SHARE_MIN: f32 = 0.8;

/// The best sentences as an answer; empty only when there is no evidence.
pub(crate) fn extract(evidence: &Evidence) -> (String, Vec<Citation>) {
    let mut chosen: Vec<usize> = (0..evidence.sentences.len()).collect();
    let score = |index: usize| evidence.sentences[index].score;
    chosen.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    let least = SCORE_SHARE_MIN * evidence.best_score();
    chosen.retain(|&index| score(index) >= least && score(index) > 0.0);
    chosen.truncate(SENTENCES_MAX);
    let leaning = chosen.iter().filter(|&&index| evidence.sentences[index].leans_on_previous);
    let context: Vec<usize> = leaning.filter_map(|&index| index.checked_sub(1)).collect();
    chosen.extend(context);
    chosen.sort_unstable();
    chosen.dedup();

    let mut answer = String::new();
    let mut citations = Vec::with_capacity(chosen.len());
    for index in chosen {
        let source = &evidence.sentences[index];
        let quote = evidence.text(source);
        answer.push_str(joint(&answer));
        let start = answer.len();
        answer.push_str(quote);
        let answer_span = Span::of(&answer, start..answer.len());
        citations.push(citation(evidence, source, answer_span, Support::Supported));
    }
    (answer, citations)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fakes::{evidence, passage, passage_at};

    #[test]
    fn the_best_sentence_comes_with_what_its_pronoun_needs() {
        let passages = [passage("a.md", None, "Ada kept bees. She published notes on engines in 1843. Rain fell.")];
        let (answer, citations) = extract(&evidence(&passages, "published notes engines"));
        assert_eq!(answer, "Ada kept bees. She published notes on engines in 1843.");
        assert_eq!(citations.len(), 2);
    }

    #[test]
    fn weaker_sentences_are_left_out_and_three_are_the_most() {
        let passages = [passage("a.md", None, "Long deep rivers. Rivers. Cats sleep.")];
        assert_eq!(extract(&evidence(&passages, "long deep rivers")).0, "Long deep rivers.");
        let text = (1..9).map(|n| format!("River number {n} is long. ")).collect::<String>();
        assert_eq!(extract(&evidence(&[passage("b.md", None, &text)], "long river")).1.len(), 3);
    }

    #[test]
    fn chinese_sentences_are_joined_without_a_space() {
        let passages = [passage("a.md", None, "长江入海。黄河入海。")];
        assert_eq!(extract(&evidence(&passages, "长江、黄河")).0, "长江入海。黄河入海。");
    }

    proptest! {
        #[test]
        fn i6_every_citation_of_an_extract_resolves(
            front in "(.|\n){0,40}",
            text in "([a-d河长江é]{1,6}[ .。\n!]{1,2}){1,40}",
            question in "[a-d河长江 ]{1,12}",
        ) {
            let whole = format!("{front}{text}");
            let passages = [passage_at("a.md", &whole, front.len()..whole.len())];
            let (answer, citations) = extract(&evidence(&passages, &question));
            for citation in citations {
                prop_assert_eq!(citation.source_span.slice(&whole), Some(citation.quote.as_str()));
                prop_assert_eq!(citation.answer_span.slice(&answer), Some(citation.quote.as_str()));
                prop_assert_eq!(Span::of(&whole, citation.source_span.bytes()), citation.source_span);
                prop_assert_eq!(Span::of(&answer, citation.answer_span.bytes()), citation.answer_span);
            }
        }
    }
}
