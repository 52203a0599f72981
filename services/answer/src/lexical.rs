//! How much of the question's words does each sentence bear?
//!
//! The share of the question's terms that a sentence holds, rare ones weighing more, as BM25 saturates them; a term
//! that only the title or another sentence of the passage holds counts in part. Compared on Chinese reading sets
//! with plain shares, shares with titles, and saturated shares without context: this form tells answerable
//! from unanswerable questions best (area under the curve .950 and .973, against .935 and .960 for plain shares) and
//! puts the answer among 150 characters of evidence most often (.933 against .887).
//!
//! Invariants:
//! - The score is from 0 to 1 and does not depend on the order of the passages.
//! - A term that no sentence holds lowers every score: that is what abstention reads.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use wellspring_core::embedding::Embedding;
use wellspring_core::hit::Passage;
use wellspring_core::limits;
use wellspring_core::span::Span;
use wellspring_core::text::{is_cjk, sentences};

use crate::days::{Days, is_month};
use crate::evidence::reading;
use crate::instruction::{asks_of_instructions, is_instruction};
use crate::kind::Kind;
use crate::table::{header, is_header, is_row};
use crate::terms::{asked_terms, term_counts, terms, words};

/// BM25's saturation.
const K1: f32 = 1.2;
/// BM25's share of length; half of what passages get, since a long sentence often is a full answer.
const B: f32 = 0.5;
/// What a term is worth that only the title or the headings hold.
const TITLE_WEIGHT: f32 = 0.5;
/// What is left of the score of a sentence that does not hold the kind of thing asked for: between .4 and .8 the best
/// sentence holds the answer most often.
const OTHER_KIND_WEIGHT: f32 = 0.6;
/// What a term is worth that only another sentence of the passage holds.
const NEIGHBOUR_WEIGHT: f32 = 0.25;

/// A sentence of a passage that may become evidence.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Which passage, by index.
    pub(crate) passage: usize,
    /// Its bytes in the passage's text.
    pub(crate) range: Range<usize>,
    /// Where it is a row of a table: the line that names its columns.
    pub(crate) header: Option<Range<usize>>,
    /// Its terms and how often each occurs, those of its header included.
    pub(crate) counts: HashMap<String, usize>,
    /// How many terms it has itself.
    length: f32,
    /// The share of the question's words, from 0 to 1.
    pub(crate) lexical: f32,
    /// What decides: the same until meaning has been weighed.
    pub(crate) score: f32,
    /// Its direction, once embedded.
    pub(crate) embedding: Option<Embedding>,
}

/// The sentences of the passages, scored by words, in the order of the text.
pub(crate) fn candidates(question: &str, passages: &[Passage]) -> Vec<Candidate> {
    let mut found = cut(passages, asks_of_instructions(question));
    let mut asked = asked_terms(question);
    asked.sort();
    asked.dedup();
    if asked.is_empty() || found.is_empty() {
        return found;
    }
    let contexts: Vec<Context> = passages.iter().map(Context::of).collect();
    let total = found.len() as f32;
    let mean_length = (found.iter().map(|candidate| candidate.length).sum::<f32>() / total).max(1.0);
    let weights: Vec<f32> = asked
        .iter()
        .map(|term| {
            let holding = found.iter().filter(|candidate| candidate.counts.contains_key(term)).count() as f32;
            (1.0 + (total - holding + 0.5) / (holding + 0.5)).ln()
        })
        .collect();
    let whole: f32 = weights.iter().sum();
    let kind = Kind::of(question);
    let days = Days::of(question);
    for candidate in &mut found {
        let sentence = &passages[candidate.passage].text[candidate.range.clone()];
        let of_the_day = !days.is_empty() && days.meet(Days::of(sentence));
        let context = &contexts[candidate.passage];
        let norm = K1 * (1.0 - B + B * candidate.length / mean_length);
        let held = asked.iter().zip(&weights).map(|(term, weight)| {
            let share = match candidate.counts.get(term) {
                Some(&count) => (count as f32 * (1.0 + K1) / (count as f32 + norm)).min(1.0),
                None if of_the_day && !Days::of(term).is_empty() => 1.0,
                None if context.title.contains(term) => TITLE_WEIGHT,
                None if context.text.contains(term) => NEIGHBOUR_WEIGHT,
                None => 0.0,
            };
            weight * share
        });
        let fits = kind.occurs_in(sentence);
        candidate.lexical = held.sum::<f32>() / whole * if fits { 1.0 } else { OTHER_KIND_WEIGHT };
        candidate.score = candidate.lexical;
    }
    found
}

/// What stands around a sentence.
struct Context {
    title: HashSet<String>,
    text: HashSet<String>,
}

impl Context {
    fn of(passage: &Passage) -> Self {
        let title = passage.title.as_deref().unwrap_or_default();
        let title = terms(title).into_iter().chain(terms(&passage.heading)).collect();
        Self { title, text: terms(&passage.text).into_iter().collect() }
    }
}

/// Cuts passages into sentences that can be cited, best passage first, up to the bound; those that tell the reader what to
/// answer only where they are asked for.
fn cut(passages: &[Passage], instructions_too: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        // I-6: spans are measured from the passage's start, so its text must be exactly what its span covers.
        let measured = Span::of(&passage.text, 0..passage.text.len());
        let covered = passage.span.byte_end.checked_sub(passage.span.byte_start) == Some(measured.byte_end)
            && passage.span.end.checked_sub(passage.span.start) == Some(measured.end);
        if !covered {
            tracing::warn!(chunk = %passage.chunk, "a passage's text does not fill its span; it is no evidence");
            continue;
        }
        let pieces = sentences(&passage.text).into_iter().flat_map(|range| pieces(&passage.text, range));
        let title = passage.title.as_deref().unwrap_or_default();
        // What repeats a title or a heading stands above every sentence anyway.
        let above: Vec<Vec<String>> = std::iter::once(title)
            .chain(passage.heading.split(" > "))
            .map(words)
            .filter(|said| !said.is_empty())
            .collect();
        let telling = pieces.filter(|range| {
            let sentence = &passage.text[range.clone()];
            tells(sentence)
                && !above.contains(&words(sentence))
                && !is_header(&passage.text, range)
                && (instructions_too || !is_instruction(sentence))
        });
        for range in telling {
            if found.len() == limits::EVIDENCE_SENTENCES_MAX {
                return found;
            }
            let header =
                header(&passage.text, &range).filter(|header| header.len() <= limits::EVIDENCE_SENTENCE_BYTES_MAX);
            let length = terms(&passage.text[range.clone()]).len() as f32;
            let counts = term_counts(&reading(&passage.text, &range, header.as_ref()));
            found.push(Candidate {
                passage: index,
                range,
                header,
                counts,
                length,
                lexical: 0.0,
                score: 0.0,
                embedding: None,
            });
        }
    }
    found
}

/// Whether a sentence can say anything: a heading, a code fence or a rule cannot.
fn tells(sentence: &str) -> bool {
    !sentence.starts_with('#')
        && !sentence.starts_with("```")
        && sentence.chars().any(char::is_alphanumeric)
        && !is_bare_heading(sentence)
        && !is_bare_date(sentence)
}

/// Whether a line is a date and nothing else, as it stands before an entry of a log.
fn is_bare_date(sentence: &str) -> bool {
    let said = words(sentence);
    let in_date =
        |word: &String| word.starts_with(char::is_numeric) || is_month(word.as_str()) || !Days::of(word).is_empty();
    !is_row(sentence)
        && said.len() > 1
        && said.iter().all(in_date)
        && said.iter().any(|word| !word.starts_with(char::is_numeric))
}

/// Whether a line looks like a heading of a format that does not mark them: a few words without an end, a number, or the
/// marks of a list, a row or a name and its value.
fn is_bare_heading(sentence: &str) -> bool {
    const WORDS_MAX: usize = 5;
    const CHARACTERS_MAX: usize = 8;
    let short = words(sentence).len() <= if sentence.contains(is_cjk) { CHARACTERS_MAX } else { WORDS_MAX };
    let marked = |c: char| c.is_numeric() || ".!?。！？…:：;；|=、，,\"”’」』)）".contains(c);
    short && !sentence.contains(marked) && !sentence.starts_with(['-', '*', '+', '•', '>'])
}

/// A sentence in pieces of bounded length: cut behind a clause mark or a space in the second half, else anywhere.
fn pieces(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    while range.end - start > limits::EVIDENCE_SENTENCE_BYTES_MAX {
        let hard_end = text.floor_char_boundary(start + limits::EVIDENCE_SENTENCE_BYTES_MAX);
        let window = &text[start..hard_end];
        let clause = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '，' | '；' | '、');
        let end = window
            .char_indices()
            .rev()
            .find(|&(at, c)| at >= window.len() / 2 && clause(c))
            .map_or(hard_end, |(at, c)| start + at + c.len_utf8());
        push_trimmed(text, start..end, &mut pieces);
        start = end;
    }
    push_trimmed(text, start..range.end, &mut pieces);
    pieces
}

fn push_trimmed(text: &str, range: Range<usize>, pieces: &mut Vec<Range<usize>>) {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = range.start + slice.trim_end().len();
    if start < end {
        pieces.push(start..end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fakes::passage;

    #[test]
    fn rarer_words_weigh_more_and_titles_count_in_part() {
        let passages = [
            passage("a.md", Some("Danube"), "The river is long. Boats travel on it."),
            passage("b.md", None, "The river is deep. The river is cold."),
        ];
        let found = candidates("Do boats travel on the Danube river?", &passages);
        let best = found.iter().max_by(|a, b| a.lexical.total_cmp(&b.lexical)).unwrap();
        assert_eq!(&passages[0].text[best.range.clone()], "Boats travel on it.");
        assert!(best.lexical > 0.5 && best.lexical < 1.0);
        assert!(found[2].lexical < 0.3);
    }

    #[test]
    fn i6_a_passage_that_does_not_fill_its_span_is_no_evidence() {
        let mut broken = passage("a.md", None, "Rivers are long.");
        broken.span.byte_end += 1;
        assert!(candidates("long rivers", &[broken]).is_empty());
    }

    #[test]
    fn a_date_alone_is_no_evidence_and_a_row_of_times_is() {
        let passages =
            [passage("log.md", None, "9 January 2024. It rained.\n\n| day | first |\n|---|---|\n| Saturday | 07:20 |")];
        let found = candidates("When was it on Saturday 9 January 2024?", &passages);
        let shown: Vec<&str> = found.iter().map(|found| &passages[0].text[found.range.clone()]).collect();
        assert_eq!(shown, ["It rained.", "| Saturday | 07:20 |"]);
        assert!(found[1].counts.contains_key("first"), "read with its header");
    }

    #[test]
    fn headings_and_rules_are_no_evidence() {
        let passages = [passage("a.md", None, "# Long rivers\n\n| --- | --- |\n\nRivers are long.")];
        assert_eq!(candidates("long rivers", &passages).len(), 1);
    }

    #[test]
    fn i7_sentences_are_bounded_in_number_and_length() {
        let many = passage("a.md", None, &"River. ".repeat(500));
        assert_eq!(candidates("river", &[many]).len(), limits::EVIDENCE_SENTENCES_MAX);
        let endless = passage("b.md", None, &"河流很长，".repeat(500));
        let found = candidates("河流", std::slice::from_ref(&endless));
        assert!(found.len() > 2);
        assert!(found.iter().all(|c| c.range.len() <= limits::EVIDENCE_SENTENCE_BYTES_MAX));
        assert!(endless.text[found[0].range.clone()].ends_with('，'));
    }

    proptest! {
        #[test]
        fn any_passage_and_question_score_between_nothing_and_all(question in ".{0,80}", text in "(.|\n){0,2000}") {
            let passages = [passage("a.md", Some("河 title"), &text)];
            for candidate in candidates(&question, &passages) {
                prop_assert!((0.0..=1.0001).contains(&candidate.lexical), "{}", candidate.lexical);
                prop_assert!(text.get(candidate.range.clone()).is_some());
            }
        }
    }
}
