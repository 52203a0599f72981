//! Which characters of which document support this sentence of the answer?
//!
//! Found and checked here, whatever the model wrote: attached this way, citations name the right passage on every
//! measured question, where a small model's own name it on one in eight.
//!
//! Invariants:
//! - I-6: a quote comes from a sentence that was in the prompt, is cut from the passage's text by its own span, and
//!   the span is that of the whole revision.
//! - An unsupported sentence has no citation: the absence is the message.
//! - A sentence supports no more than its passage speaks of the question's subject (`subject`), and only a part where
//!   it does not hold the kind of thing asked for (`kind`) or does not speak of what is asked of the subject (`relation`).
//! - A value of a sentence supports an answer only where it is the one asked for (`fact`).
//! - Where a model judges entailment, it may take away from what was found here, and adds nothing (`judging`).
//! - A sentence that another one outdoes in bearing on the question is not cited in its stead ([`outdone`]): the price
//!   of a motorcycle is no answer where the price of a bicycle was asked for and found.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use wellspring_core::answer::{Citation, Support};
use wellspring_core::embedding::{Embedder, Embedding, Lane};
use wellspring_core::place::place_at;
use wellspring_core::span::Span;
use wellspring_core::text::{is_cjk, sentences};

use crate::evidence::{Basis, Evidence, Sentence};
use crate::fact;
use crate::judging::{Judge, Verdict};
use crate::polarity;
use crate::relation::Limit;
use crate::subject::subject_terms;
use crate::terms::{terms, words};
use crate::verify::{Claim, lesser, names};

/// A sentence of the evidence that bears on the question by less than this share of the best one supports no answer:
/// a small model likes to answer from a neighbour that speaks of something else, and the words would agree.
const CITED_SHARE_MIN: f32 = 0.65;

/// A claim of several words that no sentence holds word for word, and that is this far in meaning from the quote, is partial
/// support at most, however many words they share. Chosen low: words of one sentence in another order come out above .8.
const MEANING_MIN: f32 = 0.35;
/// Words from which on a claim has a meaning of its own: a name or a number alone has none to compare.
const MEANING_WORDS_MIN: usize = 6;

/// Attaches citations to the sentences of one answer.
pub(crate) struct Citer {
    question: String,
    evidence: Arc<Evidence>,
    /// What each sentence of the evidence can support at best.
    limits: Vec<Limit>,
    /// Which sentences of the evidence another one outdoes.
    outdone: Vec<bool>,
    embedder: Arc<dyn Embedder>,
    /// The model that may lower what was found.
    judge: Option<Judge>,
}

/// A sentence of an answer, or a part of one that documents support by parts, and what supports it.
#[derive(Debug, Clone)]
pub(crate) struct Cited {
    /// Its bytes in the answer.
    pub(crate) range: Range<usize>,
    /// Those of the whole sentence.
    pub(crate) sentence: Range<usize>,
    /// The citation; `None` when nothing supports it.
    pub(crate) citation: Option<Citation>,
    /// What came of judging it, where a model was asked.
    pub(crate) verdict: Option<Verdict>,
}

impl Citer {
    /// Cites from `evidence` for answers to `question`, never from what is outdone.
    pub(crate) fn new(
        question: &str,
        evidence: Arc<Evidence>,
        limits: Vec<Limit>,
        outdone: Vec<bool>,
        embedder: Arc<dyn Embedder>,
    ) -> Self {
        Self { question: question.to_owned(), evidence, limits, outdone, embedder, judge: None }
    }

    /// Has each sentence and its quote judged, where there is a judge.
    pub(crate) fn judged_by(self, judge: Option<Judge>) -> Self {
        Self { judge, ..self }
    }

    /// Finds what supports the sentence at `range` of `answer`: of "The Otter is 34 metres long and the Heron 27" each part has
    /// its own quote, where no quote says both.
    pub(crate) async fn cite(&self, answer: &str, range: Range<usize>) -> Vec<Cited> {
        let whole = self.cite_part(answer, range.clone(), range.clone()).await;
        let parts = statements(&answer[range.clone()]);
        if whole.citation.is_some() || parts.len() < 2 {
            return vec![whole];
        }
        let mut cited = Vec::with_capacity(parts.len());
        for part in parts {
            let part = range.start + part.start..range.start + part.end;
            cited.push(self.cite_part(answer, part, range.clone()).await);
        }
        // Half a sentence that something supports is a sentence that nothing does.
        if cited.iter().all(|part| part.citation.is_some()) { cited } else { vec![whole] }
    }

    /// Finds what supports the part at `range` of a sentence.
    async fn cite_part(&self, answer: &str, range: Range<usize>, whole: Range<usize>) -> Cited {
        let sentence = &answer[range.clone()];
        let claim = Claim::of(sentence, &self.question);
        let direction = self.direction(sentence, &claim).await;
        let least = least_bearing(&self.evidence, &self.outdone);
        let told: Vec<Option<bool>> = self
            .evidence
            .sentences
            .iter()
            .map(|source| polarity::told(&self.question, sentence, self.evidence.text(source)))
            .collect();
        if told.contains(&Some(false)) && !told.contains(&Some(true)) {
            return Cited { range, sentence: whole, citation: None, verdict: None };
        }
        let best = self
            .evidence
            .sentences
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.outdone[*index] && self.evidence.bearing(*index) >= least)
            .map(|(index, source)| {
                let title = Evidence::label(self.evidence.passage(source));
                let text = self.evidence.text(source);
                let checked = match told[index] {
                    Some(true) => Support::Supported,
                    Some(false) => Support::Unsupported,
                    None => claim.check(text, &title),
                };
                let support = lesser(checked, self.limits[index].support);
                let support =
                    lesser(support, fact::limit(&self.question, sentence, text, self.evidence.header(source)));
                let support = lesser(support, meaning_limit(source, &claim, direction.as_ref()));
                (source, support, self.nearness(source, &claim, direction.as_ref()))
            })
            .filter(|(_, support, _)| *support != Support::Unsupported)
            .max_by(|(_, a, near_a), (_, b, near_b)| rank(*a).cmp(&rank(*b)).then(near_a.total_cmp(near_b)));
        let Some((source, support, _)) = best else {
            return Cited { range, sentence: whole, citation: None, verdict: None };
        };
        let (support, verdict) = match &self.judge {
            Some(judge) => {
                let (left, verdict) = judge.limit(&self.question, &self.evidence, source, sentence, support).await;
                (left, Some(verdict))
            }
            None => (support, None),
        };
        let answer_span = Span::of(answer, range.clone());
        let mut citation = citation(&self.evidence, source, answer_span, support);
        citation.entailment = verdict.map(|verdict| verdict.status);
        let citation = Some(citation).filter(|_| support != Support::Unsupported);
        Cited { range, sentence: whole, citation, verdict }
    }

    /// How near a sentence of the evidence is to the claim. One that holds it word for word beats every other, and
    /// among those the one that bears most on the question.
    fn nearness(&self, source: &Sentence, claim: &Claim, direction: Option<&Embedding>) -> f32 {
        if claim.is_within(self.evidence.text(source)) {
            return 2.0 + source.score;
        }
        let shared = claim.terms().iter().filter(|term| source.terms.contains(*term)).count();
        let overlap = shared as f32 / claim.terms().len().max(1) as f32;
        let meaning = match (direction, &source.embedding) {
            (Some(direction), Some(embedding)) => direction.cosine(embedding).max(0.0),
            _ => 0.0,
        };
        0.5 * overlap + 0.5 * meaning
    }

    /// The claim's direction, where meaning helps to choose: not when some sentence holds it word for word.
    async fn direction(&self, sentence: &str, claim: &Claim) -> Option<Embedding> {
        let within = |source: &Sentence| claim.is_within(self.evidence.text(source));
        if self.evidence.basis != Basis::Fused || self.evidence.sentences.iter().any(within) {
            return None;
        }
        match self.embedder.embed_passages(vec![sentence.to_owned()], Lane::Interactive).await {
            Ok(mut directions) => directions.pop(),
            Err(failure) => {
                tracing::warn!(reason = failure.chain(), "could not embed a sentence to cite; words alone choose");
                None
            }
        }
    }
}

/// The parts of a sentence that state something of a name of their own each, as its byte ranges: what has no name in front is
/// said of the one before, and belongs to it.
fn statements(sentence: &str) -> Vec<Range<usize>> {
    const JOINTS: &[&str] =
        &[", and ", ", while ", ", whereas ", ", but ", "; ", " and ", " while ", " whereas ", " but "];
    /// Words before or within which the name of a statement stands.
    const SUBJECT_WORDS: usize = 3;
    const WORDS_MIN: usize = 4;
    let is_statement = |part: &str| {
        let begins: Vec<&str> = part.split_whitespace().take(SUBJECT_WORDS).collect();
        let named = begins.iter().any(|word| word.starts_with(char::is_uppercase) && !terms(word).is_empty());
        named && part.split_whitespace().count() >= WORDS_MIN
    };
    let mut found: Vec<Range<usize>> = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some((joint, length)) = JOINTS
        .iter()
        .filter_map(|joint| Some((at + sentence[at..].find(joint)?, joint.len())))
        .min_by_key(|(at, length)| (*at, usize::MAX - length))
    {
        at = joint + length;
        if is_statement(&sentence[at..]) && is_statement(&sentence[start..joint]) {
            found.push(start..joint);
            start = at;
        }
    }
    found.push(start..sentence.len());
    found
}

/// The sentences that an answer may rest on, those that may fully support one first, the best of each first.
pub(crate) fn citable<'a>(evidence: &'a Evidence, limits: &[Limit], outdone: &[bool]) -> Vec<&'a Sentence> {
    let least = least_bearing(evidence, outdone);
    let may = |&index: &usize| {
        !outdone[index] && evidence.bearing(index) >= least && limits[index].support != Support::Unsupported
    };
    let mut citable: Vec<usize> = (0..evidence.sentences.len()).filter(may).collect();
    citable.sort_by(|&one, &other| {
        let (a, b) = (&evidence.sentences[one], &evidence.sentences[other]);
        rank(limits[other].support).cmp(&rank(limits[one].support)).then(b.score.total_cmp(&a.score))
    });
    citable.into_iter().map(|index| &evidence.sentences[index]).collect()
}

/// How much a sentence must bear on the question to be cited.
fn least_bearing(evidence: &Evidence, outdone: &[bool]) -> f32 {
    let citable = evidence.sentences.iter().zip(outdone).filter(|(_, outdone)| !**outdone);
    CITED_SHARE_MIN * citable.map(|(source, _)| source.score).fold(0.0, f32::max)
}

/// The best support as far as meaning tells, where it was asked.
fn meaning_limit(source: &Sentence, claim: &Claim, direction: Option<&Embedding>) -> Support {
    match (direction, &source.embedding) {
        (Some(direction), Some(embedding))
            if claim.words() >= MEANING_WORDS_MIN && direction.cosine(embedding) < MEANING_MIN =>
        {
            Support::Partial
        }
        _ => Support::Supported,
    }
}

/// The sentences of an answer that will not change as more text comes: all but the last.
pub(crate) fn complete_sentences(answer: &str) -> Vec<Range<usize>> {
    let mut ranges = sentences(answer);
    ranges.pop();
    ranges
}

/// Puts a citation together. The quote is sliced by the very span that is given out (I-6).
pub(crate) fn citation(evidence: &Evidence, source: &Sentence, answer_span: Span, support: Support) -> Citation {
    let passage = evidence.passage(source);
    Citation {
        document: passage.document.clone(),
        revision: passage.revision,
        chunk: passage.chunk,
        quote: passage.text[source.range.clone()].to_owned(),
        source_span: passage.span.within(&passage.text, source.range.clone()),
        answer_span,
        support,
        title: passage.title.clone(),
        url: passage.url.clone(),
        place: place_at(&passage.places, source.range.start).cloned(),
        outdated: passage.outdated,
        entailment: None,
    }
}

/// Which sentences hold fewer of the question's words than another one does, and none that it lacks, while that other
/// one bears on the question at least as much, or may well support an answer.
///
/// Two words of the question side by side count as one more: a day ticket is not a ticket for a day. What stands in the
/// label counts as held, and so does what a sentence's pronoun points to. A question outdoes nothing,
/// and neither does a sentence the one right behind it: that may well be the answer.
pub(crate) fn outdone(question: &str, evidence: &Evidence, limits: &[Limit]) -> Vec<bool> {
    let asked: HashSet<String> = subject_terms(question).into_iter().collect();
    let pairs = pairs(question);
    let mut held: Vec<HashSet<&str>> = Vec::new();
    for (index, sentence) in evidence.sentences.iter().enumerate() {
        let label: HashSet<String> = terms(&Evidence::label(evidence.passage(sentence))).into_iter().collect();
        let own = asked.iter().filter(|term| sentence.terms.contains(*term) || label.contains(*term));
        let mut own: HashSet<&str> = own.map(String::as_str).collect();
        let said = side_by_side(&evidence.reading(sentence));
        own.extend(pairs.iter().filter(|pair| said.contains(*pair)).map(String::as_str));
        if let Some(before) = index.checked_sub(1).filter(|_| sentence.leans_on_previous) {
            own.extend(&held[before]);
        }
        held.push(own);
    }
    let nameless = nameless(question, evidence);
    let outdoes = |one: usize, other: usize| {
        let is_question = evidence.text(&evidence.sentences[one]).trim_end().ends_with(['?', '？']);
        let leads = one + 1 == other && evidence.sentences[one].passage == evidence.sentences[other].passage;
        let bears = evidence.bearing(one) >= evidence.bearing(other)
            || (!pairs.is_empty() && limits[one].support == Support::Supported);
        !is_question
            && !nameless[one]
            && !leads
            && bears
            && held[other].len() < held[one].len()
            && held[other].is_subset(&held[one])
    };
    let all = 0..evidence.sentences.len();
    all.clone().map(|other| nameless[other] || all.clone().any(|one| outdoes(one, other))).collect()
}

/// The neighbours among a question's words that may name one thing together: the last of them belongs to its subject.
fn pairs(question: &str) -> HashSet<String> {
    if question.contains(is_cjk) {
        return HashSet::new();
    }
    let subject: HashSet<String> = subject_terms(question).into_iter().collect();
    let named = |pair: &String| pair.split_once(' ').is_some_and(|(_, last)| subject.contains(last));
    side_by_side(question).into_iter().filter(named).collect()
}

/// Each two words of a text that stand side by side, neither of them one that every sentence has.
fn side_by_side(text: &str) -> HashSet<String> {
    let said: Vec<Option<String>> = words(text).iter().map(|word| terms(word).into_iter().next()).collect();
    said.windows(2).filter_map(|pair| Some(format!("{} {}", pair[0].as_ref()?, pair[1].as_ref()?))).collect()
}

/// Which sentences stand in a passage that lacks a name of the question, while another passage has it: they speak of
/// something else, whatever words they share.
fn nameless(question: &str, evidence: &Evidence) -> Vec<bool> {
    let asked: HashSet<String> = names(question).into_iter().collect();
    let held: Vec<HashSet<&String>> = evidence
        .sentences
        .iter()
        .map(|sentence| {
            let passage = evidence.passage(sentence);
            let around: HashSet<String> =
                terms(&passage.text).into_iter().chain(terms(&Evidence::label(passage))).collect();
            asked.iter().filter(|name| around.contains(*name)).collect()
        })
        .collect();
    let most = held.iter().map(HashSet::len).max().unwrap_or(0);
    held.iter().map(|names| names.len() < most).collect()
}

fn rank(support: Support) -> u8 {
    match support {
        Support::Unsupported => 0,
        Support::Partial => 1,
        Support::Supported => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{BagOfWords, evidence, passage, passage_at};
    use crate::relation::limits;
    use crate::subject::Subject;

    fn citer(question: &str, evidence: Evidence) -> Citer {
        let limits = limits(question, &evidence, &Subject::default());
        let outdone = outdone(question, &evidence, &limits);
        Citer::new(question, Arc::new(evidence), limits, outdone, Arc::new(BagOfWords::speaking(&["en"])))
    }

    async fn cite(evidence: Evidence, question: &str, answer: &str) -> Vec<Cited> {
        let citer = citer(question, evidence);
        let mut cited = Vec::new();
        for range in sentences(answer) {
            cited.extend(citer.cite(answer, range).await);
        }
        cited
    }

    #[tokio::test]
    async fn a_sentence_of_two_statements_has_a_quote_for_each() {
        let passages = [
            passage("otter.md", None, "The Otter is 34 metres long. She was built in 1978."),
            passage("heron.md", None, "The Heron is 27 metres long. She carries no cars."),
        ];
        let question = "How long are the Otter and the Heron?";
        let both = "The Otter is 34 metres long and the Heron is 27 metres long.";
        let cited = cite(evidence(&passages, question), question, both).await;
        let quotes: Vec<(&str, &str)> = cited
            .iter()
            .map(|cited| (&both[cited.range.clone()], cited.citation.as_ref().unwrap().quote.as_str()))
            .collect();
        assert_eq!(
            quotes,
            [
                ("The Otter is 34 metres long", "The Otter is 34 metres long."),
                ("the Heron is 27 metres long.", "The Heron is 27 metres long.")
            ]
        );
        for wrong in [
            "The Otter is 34 metres long and the Heron is 72 metres long.",
            "The Otter is 34 metres long and carries no cars.",
        ] {
            let cited = cite(evidence(&passages, question), question, wrong).await;
            assert!(cited.len() == 1 && cited[0].citation.is_none(), "{wrong} {cited:?}");
        }
    }

    #[test]
    fn what_has_no_name_of_its_own_is_no_statement_of_its_own() {
        let parts = |sentence: &str| {
            statements(sentence).into_iter().map(|range| sentence[range].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(parts("The Otter is long, and the Heron is not; the Dipper is old.").len(), 3);
        assert_eq!(
            parts("The Otter carries 120 passengers and eight cars."),
            ["The Otter carries 120 passengers and eight cars."]
        );
        assert_eq!(parts("Salt and pepper are in the Otter's kitchen and bar.").len(), 1);
    }

    #[tokio::test]
    async fn a_fragment_is_cited_from_the_sentence_that_bears_most_on_the_question() {
        let passages = [
            passage("boats.md", None, "In 1874 the boats were painted."),
            passage("lamp.md", None, "The harbour lamp was lit in 1874 for the first time."),
        ];
        let question = "When was the harbour lamp lit?";
        let cited = cite(evidence(&passages, question), question, "1874").await;
        let citation = cited[0].citation.as_ref().unwrap();
        assert_eq!(citation.document.as_str(), "lamp.md");
        assert_eq!(citation.support, Support::Supported);
    }

    #[tokio::test]
    async fn a_neighbour_that_speaks_of_something_else_is_not_cited_in_place_of_the_answer() {
        let passages = [
            passage("vehicles.md", Some("Fares"), "A motorcycle costs 5.20 crowns. Lorries are not carried."),
            passage("bicycles.md", Some("Fares"), "A bicycle costs 1.50 crowns. Dogs cost 0.80 crowns."),
        ];
        let question = "How much does a bicycle cost?";
        let cited = |answer: &'static str| {
            let evidence = evidence(&passages, question);
            async move { cite(evidence, question, answer).await.remove(0).citation }
        };
        assert!(cited("5.20 crowns").await.is_none());
        assert_eq!(cited("1.50 crowns").await.unwrap().quote, "A bicycle costs 1.50 crowns.");
    }

    #[tokio::test]
    async fn a_sentence_about_another_than_the_one_asked_about_is_not_cited() {
        let passages = [
            passage("boats.md", None, "The Kingfisher is a launch. She has room for 36 passengers."),
            passage("bus.md", None, "The replacement bus carried 7,940 passengers."),
        ];
        let question = "How many passengers does the Kingfisher carry?";
        let cited = |answer: &'static str| {
            let evidence = evidence(&passages, question);
            async move { cite(evidence, question, answer).await.remove(0).citation }
        };
        assert!(cited("7,940").await.is_none());
        assert_eq!(cited("36").await.unwrap().quote, "She has room for 36 passengers.");
    }

    #[tokio::test]
    async fn an_answer_right_behind_the_sentence_that_repeats_the_question_is_cited() {
        let passages =
            [passage("faq.md", None, "The bicycle price is easily told. The price was raised to 1.50 crowns.")];
        let question = "What is the price of a bicycle?";
        let mut evidence = evidence(&passages, question);
        for sentence in &mut evidence.sentences {
            sentence.score = 1.0;
        }
        assert!(cite(evidence, question, "1.50 crowns").await[0].citation.is_some());
        let passages = [
            passage("faq.md", None, "What is the price of a bicycle?"),
            passage("fares.md", None, "The bicycle price was raised to 1.50 crowns."),
        ];
        let evidence = crate::fakes::evidence(&passages, question);
        assert!(cite(evidence, question, "1.50 crowns").await[0].citation.is_some());
    }

    #[tokio::test]
    async fn a_sentence_that_hardly_bears_on_the_question_supports_no_answer() {
        let passages = [
            passage("lamp.md", None, "The harbour lamp was lit by the master in 1874."),
            passage("boats.md", None, "The boats were painted in the winter of 1880."),
        ];
        let question = "harbour lamp winter";
        let evidence = evidence(&passages, question);
        assert_eq!(evidence.sentences.len(), 2, "both are evidence");
        assert!(cite(evidence, question, "1880").await[0].citation.is_none());
    }

    #[tokio::test]
    async fn i6_spans_are_in_both_measures_of_the_whole_revision() {
        let whole = "前言：河流。αβγ first. 长江全长6300公里。 End.";
        let start = whole.find('长').unwrap();
        let passages = [passage_at("river.md", whole, start..whole.len())];
        let question = "长江有多长？";
        let answer = "答案：6300公里。";
        let evidence = evidence(&passages, question);
        let range = answer.find('6').unwrap()..answer.len();
        let citer = citer(question, evidence);
        let citation = citer.cite(answer, range).await.remove(0).citation.unwrap();
        assert_eq!(citation.quote, "长江全长6300公里。");
        assert_eq!(citation.source_span.slice(whole), Some(citation.quote.as_str()));
        let by_code_points: String = whole
            .chars()
            .skip(citation.source_span.start)
            .take(citation.source_span.end - citation.source_span.start)
            .collect();
        assert_eq!(by_code_points, citation.quote);
        assert_eq!(citation.answer_span.slice(answer), Some("6300公里。"));
        assert_eq!(citation.answer_span.start, 3);
    }

    #[test]
    fn words_in_common_support_no_more_than_their_meaning_does() {
        let evidence = evidence(&[passage("a.md", None, "The Danube is 2,850 km long.")], "Danube");
        let direction = |values: &[f32]| Embedding::new(values.to_vec()).unwrap();
        let source = Sentence { embedding: Some(direction(&[1.0, 0.0])), ..evidence.sentences[0].clone() };
        let claim = Claim::of("The Danube is 2,850 km long in all.", "How long?");
        assert_eq!(meaning_limit(&source, &claim, Some(&direction(&[0.1, 1.0]))), Support::Partial);
        assert_eq!(meaning_limit(&source, &claim, Some(&direction(&[1.0, 1.0]))), Support::Supported);
        let name = Claim::of("Danube", "Which river?");
        assert_eq!(meaning_limit(&source, &name, Some(&direction(&[0.1, 1.0]))), Support::Supported);
        assert_eq!(meaning_limit(&source, &claim, None), Support::Supported);
    }

    #[tokio::test]
    async fn an_unsupported_sentence_has_no_citation() {
        let question = "How long is the Danube?";
        let passages = [passage("danube.md", Some("Danube"), "The Danube is 2,850 km long.")];
        let cited = cite(evidence(&passages, question), question, "It is 2,850 km long. It has 40 bridges.").await;
        assert!(cited[0].citation.is_some());
        assert!(cited[1].citation.is_none());
    }
}
