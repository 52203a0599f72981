//! What do the documents themselves say, word for word?
//!
//! The answer where no generator writes one: the best sentences, each its own citation. The first sentence alone holds
//! the right answer on four of five measured questions.
//!
//! Invariants:
//! - Every character of the answer but the joints is a document's; each sentence is cited whole (I-6).
//! - A sentence that does not speak of the question's subject, or does not hold the kind of thing asked for, is given
//!   only where none does, and then as partial support; one that does not speak of what is asked of the subject is partial
//!   support too (`relation`), and one that another outdoes in bearing on the question is left out.
//! - A sentence that ends with a colon brings the list behind it, up to [`LIST_ITEMS_MAX`] items.
//! - A row of a table comes below the names of its columns, where they stand in its passage.

use std::ops::Range;

use wellspring_core::answer::{Citation, Support};
use wellspring_core::span::Span;

use crate::cite::citation;
use crate::evidence::{Evidence, Sentence, joint};
use crate::relation::Limit;
use crate::table::is_row;

/// Sentences of an extract, those that only explain a pronoun not counted.
const SENTENCES_MAX: usize = 3;
/// Items of a list that are told behind the sentence that leads to it.
const LIST_ITEMS_MAX: usize = 8;
/// A sentence scored below this share of the best one adds words rather than an answer.
const SCORE_SHARE_MIN: f32 = 0.8;

/// The best sentences as an answer; empty only when no sentence speaks of the question's subject.
pub(crate) fn extract(evidence: &Evidence, limits: &[Limit], outdone: &[bool]) -> (String, Vec<Citation>) {
    let bearing = |index: usize| limits[index].bearing;
    let mut chosen: Vec<usize> = (0..evidence.sentences.len()).collect();
    chosen.retain(|&index| bearing(index) != Support::Unsupported);
    if chosen.iter().any(|&index| bearing(index) == Support::Supported) {
        chosen.retain(|&index| bearing(index) == Support::Supported);
    }
    if chosen.iter().any(|&index| !outdone[index]) {
        chosen.retain(|&index| !outdone[index]);
    }
    let score = |index: usize| evidence.sentences[index].score;
    chosen.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    let least = SCORE_SHARE_MIN * chosen.first().map_or(0.0, |&best| score(best));
    chosen.retain(|&index| score(index) >= least && score(index) > 0.0);
    chosen.truncate(SENTENCES_MAX);
    let mut told: Vec<(usize, Support)> = chosen.iter().map(|&index| (index, limits[index].support)).collect();
    // What only explains a pronoun need not hold the answer itself: it stands with the sentence that leans on it.
    let leaning = chosen.iter().filter(|&&index| evidence.sentences[index].leans_on_previous);
    let context = leaning.filter_map(|&index| Some((index.checked_sub(1)?, limits[index].support)));
    told.extend(context.filter(|(index, _)| !chosen.contains(index)));
    told.sort_unstable_by_key(|&(index, _)| index);
    told.dedup_by_key(|&mut (index, _)| index);

    let mut answer = String::new();
    let mut citations = Vec::with_capacity(told.len());
    let mut named: Option<(usize, Range<usize>)> = None;
    for (index, support) in told {
        let source = &evidence.sentences[index];
        let header = source.header.clone().map(|range| (source.passage, range));
        if let Some((passage, range)) = header.clone().filter(|_| header != named) {
            let names = Sentence { passage, range, header: None, ..source.clone() };
            tell(evidence, &names, support, &mut answer, &mut citations);
        }
        named = header;
        tell(evidence, source, support, &mut answer, &mut citations);
        for range in items(evidence, source) {
            let item = Sentence { range, header: None, ..source.clone() };
            if citations.iter().all(|told| told.quote != evidence.text(&item)) {
                tell(evidence, &item, support, &mut answer, &mut citations);
            }
        }
    }
    (answer, citations)
}

/// The items of the list that a sentence leads to: those right behind its colon.
fn items(evidence: &Evidence, source: &Sentence) -> Vec<Range<usize>> {
    if !evidence.text(source).trim_end().ends_with([':', '：']) {
        return Vec::new();
    }
    let text = &evidence.passage(source).text;
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = source.range.end;
    for line in text[start..].split_inclusive('\n') {
        let own = line.trim();
        let at = start + (line.len() - line.trim_start().len());
        start += line.len();
        if own.is_empty() {
            continue;
        }
        if is_item(own) {
            if found.len() == LIST_ITEMS_MAX {
                break;
            }
            found.push(at..at + own.len());
        } else if let Some(item) = found.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            // An item goes on with what is set in below it.
            item.end = at + own.len();
        } else {
            break;
        }
    }
    found
}

fn is_item(sentence: &str) -> bool {
    let digits = sentence.len() - sentence.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    sentence.starts_with(['-', '*', '+', '•', '·'])
        || (digits > 0 && sentence[digits..].starts_with(['.', ')', '、', '．']))
}

/// Adds a sentence and its citation.
fn tell(evidence: &Evidence, source: &Sentence, support: Support, answer: &mut String, citations: &mut Vec<Citation>) {
    let quote = evidence.text(source);
    let row = is_row(quote) || is_item(quote) || answer.rsplit('\n').next().is_some_and(is_row);
    answer.push_str(if row && !answer.is_empty() { "\n" } else { joint(answer) });
    let start = answer.len();
    answer.push_str(quote);
    let answer_span = Span::of(answer, start..answer.len());
    citations.push(citation(evidence, source, answer_span, support));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fakes::{evidence, passage, passage_at};
    use crate::found::Found;
    use crate::subject::Subject;

    fn extract_for(question: &str, passages: &[wellspring_core::hit::Passage]) -> (String, Vec<Citation>) {
        let (evidence, subject) = (evidence(passages, question), Subject::default());
        Found::of(question, evidence, subject).extract()
    }

    #[test]
    fn the_best_sentence_comes_with_what_its_pronoun_needs() {
        let passages = [passage("a.md", None, "Ada kept bees. She published notes on engines in 1843. Rain fell.")];
        let (answer, citations) = extract_for("published notes engines", &passages);
        assert_eq!(answer, "Ada kept bees. She published notes on engines in 1843.");
        assert_eq!(citations.len(), 2);
    }

    #[test]
    fn weaker_sentences_are_left_out_and_three_are_the_most() {
        let passages = [passage("a.md", None, "Long deep rivers. Rivers. Cats sleep.")];
        assert_eq!(extract_for("long deep rivers", &passages).0, "Long deep rivers.");
        let text = (1..9).map(|n| format!("River number {n} is long. ")).collect::<String>();
        assert_eq!(extract_for("long river", &[passage("b.md", None, &text)]).1.len(), 3);
    }

    #[test]
    fn a_sentence_that_leads_to_a_list_brings_its_items() {
        let passages = [passage(
            "pump.md",
            None,
            "Steps to reset the pump:\n\n1. Switch it off.\n2. Wait a minute.\n\nRain fell.",
        )];
        let (answer, citations) = extract_for("reset pump steps", &passages);
        assert_eq!(answer, "Steps to reset the pump:\n1. Switch it off.\n2. Wait a minute.");
        assert_eq!(citations.len(), 3);
    }

    #[test]
    fn chinese_sentences_are_joined_without_a_space() {
        let passages = [passage("a.md", None, "长江入海。黄河入海。")];
        assert_eq!(extract_for("长江、黄河", &passages).0, "长江入海。黄河入海。");
    }

    #[test]
    fn a_sentence_without_the_kind_of_thing_asked_for_gives_way() {
        let passages = [passage("a.md", None, "The boat departs from the pier. The boat departs at seven.")];
        let (answer, citations) = extract_for("When does the boat depart from the pier?", &passages);
        assert_eq!((answer.as_str(), citations[0].support), ("The boat departs at seven.", Support::Supported));
        let (_, citations) = extract_for("When does the boat depart?", &[passage("a.md", None, "The boat departs.")]);
        assert_eq!(citations[0].support, Support::Partial);
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
            let (answer, citations) = extract_for(&question, &passages);
            for citation in citations {
                prop_assert_eq!(citation.source_span.slice(&whole), Some(citation.quote.as_str()));
                prop_assert_eq!(citation.answer_span.slice(&answer), Some(citation.quote.as_str()));
                prop_assert_eq!(Span::of(&whole, citation.source_span.bytes()), citation.source_span);
                prop_assert_eq!(Span::of(&answer, citation.answer_span.bytes()), citation.answer_span);
            }
        }
    }
}
