//! Does a sentence follow from the quote that code found for it, as a model of natural language inference reads both?
//!
//! | the model says | a support becomes |
//! |---|---|
//! | contradiction is at least as likely as is tolerated | unsupported |
//! | entailment is less likely than is asked for | partial at most |
//! | anything else | what it was |
//! | nothing in time, or nothing at all | what it was, and partial at most in a strict answer |
//!
//! The premise is the quote with what it needs to be understood: its title and headings, the sentence that its pronoun
//! points to, the names of its columns. The hypothesis is the sentence of the answer. Where that does not say itself what
//! it is about, as "17:15" does not, the question stands in front of it: a question claims nothing, so it adds nothing that
//! the quote would have to carry.
//!
//! Invariants:
//! - The model only lowers: no support is more than what code found.
//! - What was not judged says so ([`EntailmentStatus::NotJudged`]), and why.
//! - A sentence waits for the model no longer than the deadline.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wellspring_core::answer::{Citation, EntailmentGap, EntailmentStatus, EntailmentUse, Support};
use wellspring_core::entailment::{EntailmentError, EntailmentErrorKind, EntailmentJudge};

use crate::evidence::{Evidence, Sentence};
use crate::subject::subject_terms;
use crate::terms::terms;
use crate::verify::lesser;

/// A model, and what its word counts for.
#[derive(Clone)]
pub struct Judging {
    /// The model.
    pub model: Arc<dyn EntailmentJudge>,
    /// What a sentence waits for it at most.
    pub deadline: Duration,
    /// The probability of entailment below which a support is partial at most, from 0 to 1.
    pub entailed_min: f32,
    /// The probability of contradiction from which on nothing is supported, from 0 to 1.
    pub contradicted_min: f32,
}

/// The same for one answer.
#[derive(Clone)]
pub(crate) struct Judge {
    judging: Judging,
    /// Whether nothing may be called supported that was not judged.
    is_strict: bool,
}

/// What came of judging one sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) status: EntailmentStatus,
    /// What was waited for it.
    pub(crate) waited: Duration,
}

impl Judge {
    pub(crate) fn new(judging: Judging, is_strict: bool) -> Self {
        Self { judging, is_strict }
    }

    /// What is left of the support that code found for `sentence` in `source`.
    pub(crate) async fn limit(
        &self,
        question: &str,
        evidence: &Evidence,
        source: &Sentence,
        sentence: &str,
        support: Support,
    ) -> (Support, Verdict) {
        let started = Instant::now();
        let judged = self.judging.model.judge(premise(evidence, source), hypothesis(question, sentence));
        let judged = tokio::time::timeout(self.judging.deadline, judged).await;
        let waited = started.elapsed();
        let gap = match judged {
            Ok(Ok(judgement)) => {
                let (entailed, contradicted) = (judgement.entailed(), judgement.contradicted());
                let limit = if contradicted >= self.judging.contradicted_min {
                    Support::Unsupported
                } else if entailed < self.judging.entailed_min {
                    Support::Partial
                } else {
                    Support::Supported
                };
                let left = lesser(support, limit);
                let status = EntailmentStatus::Judged { entailed, contradicted, lowered: left != support };
                return (left, Verdict { status, waited });
            }
            Ok(Err(failure)) => gap(&failure),
            Err(_) => EntailmentGap::Deadline,
        };
        let (left, status) = not_judged(support, gap, self.is_strict);
        (left, Verdict { status, waited })
    }
}

/// Marks the citation of a sentence that was judged and then changed.
pub(crate) fn rewritten(citation: &mut Citation, is_strict: bool) {
    let (left, status) = not_judged(citation.support, EntailmentGap::Rewritten, is_strict);
    (citation.support, citation.entailment) = (left, Some(status));
}

/// A check that is missing takes "supported" away where the caller wants nothing less than what was checked, and never the
/// sentence: otherwise a slow model would silence every strict answer.
fn not_judged(support: Support, reason: EntailmentGap, is_strict: bool) -> (Support, EntailmentStatus) {
    let left = if is_strict { lesser(support, Support::Partial) } else { support };
    (left, EntailmentStatus::NotJudged { reason, lowered: left != support })
}

/// Why there is no judgement. A failure is logged here, where it is handled.
fn gap(failure: &EntailmentError) -> EntailmentGap {
    match failure.kind() {
        EntailmentErrorKind::Busy => EntailmentGap::Busy,
        EntailmentErrorKind::TooLong => EntailmentGap::TooLong,
        EntailmentErrorKind::Model | EntailmentErrorKind::Stopped => {
            tracing::warn!(reason = failure.chain(), "a sentence was not judged by the entailment model");
            EntailmentGap::Failed
        }
    }
}

/// What a sentence of the evidence says to somebody who reads nothing else of its document.
fn premise(evidence: &Evidence, source: &Sentence) -> String {
    let label = Evidence::label(evidence.passage(source));
    let stands_before = |other: &&Sentence| other.passage == source.passage && other.range.end <= source.range.start;
    let before = evidence.sentences.iter().filter(stands_before).max_by_key(|other| other.range.end);
    let before = before.filter(|_| source.leans_on_previous).map(|before| evidence.reading(before));
    let own = evidence.reading(source);
    let said = before.map_or_else(|| own.to_string(), |before| format!("{before} {own}"));
    if label.is_empty() { said } else { format!("{label}: {said}") }
}

/// What a sentence of the answer claims.
fn hypothesis(question: &str, sentence: &str) -> String {
    let (asked, said) = (subject_terms(question), terms(sentence));
    let said: HashSet<String> = said.into_iter().collect();
    let says_of_what = !asked.is_empty() && asked.iter().all(|term| said.contains(term));
    if says_of_what { sentence.to_owned() } else { format!("{} {sentence}", question.trim()) }
}

/// Adds up what the model was asked for the sentences of a text.
pub(crate) fn add<'a>(used: &mut Option<EntailmentUse>, verdicts: impl Iterator<Item = &'a Verdict>) {
    for Verdict { status, waited } in verdicts {
        let used = used.get_or_insert_default();
        used.ms += waited.as_secs_f64() * 1e3;
        let (counted, lowered) = match status {
            EntailmentStatus::Judged { lowered, .. } => (&mut used.judged, lowered),
            EntailmentStatus::NotJudged { reason, lowered } => match reason {
                EntailmentGap::Deadline | EntailmentGap::Busy => (&mut used.late, lowered),
                EntailmentGap::TooLong => (&mut used.too_long, lowered),
                EntailmentGap::Failed | EntailmentGap::Rewritten => (&mut used.failed, lowered),
            },
        };
        *counted += 1;
        used.lowered += u32::from(*lowered);
    }
}

#[cfg(test)]
mod tests {
    use wellspring_core::hit::Passage;

    use super::*;
    use crate::fakes::{FixedJudge, Opining, Opinion, evidence, passage};

    fn premises(passages: &[Passage], question: &str) -> Vec<String> {
        let evidence = evidence(passages, question);
        evidence.sentences.iter().map(|sentence| premise(&evidence, sentence)).collect()
    }

    #[test]
    fn a_premise_holds_what_its_sentence_needs_to_be_understood() {
        let passages = [passage("ada.md", Some("Ada"), "Ada kept bees. She published notes on engines in 1843.")];
        let found = premises(&passages, "published notes engines");
        assert_eq!(found[1], "Ada: Ada kept bees. She published notes on engines in 1843.");
        let table = "| boat | Monday | Sunday |\n|---|---|---|\n| Heron | 6:40 | 8:15 |";
        let found = premises(&[passage("times.md", None, table)], "Heron Sunday");
        assert!(found.iter().any(|row| row.contains("Sunday") && row.contains("8:15")), "{found:?}");
    }

    #[test]
    fn a_hypothesis_that_does_not_say_what_it_is_about_follows_its_question() {
        let question = "When does the last boat leave on Sundays?";
        assert_eq!(hypothesis(question, "17:15"), "When does the last boat leave on Sundays? 17:15");
        assert_eq!(hypothesis(question, "It leaves at 17:15."), format!("{question} It leaves at 17:15."));
        let whole = "The last boat leaves at 17:15 on Sundays.";
        assert_eq!(hypothesis(question, whole), whole);
        assert_eq!(hypothesis("周日末班船几点开？", "17:15"), "周日末班船几点开？ 17:15");
    }

    #[tokio::test]
    async fn no_opinion_raises_a_support() {
        use Support::{Partial, Supported, Unsupported};
        let passages = [passage("ada.md", Some("Ada"), "Ada published notes on engines in 1843.")];
        let evidence = evidence(&passages, "published notes engines");
        let opinions: [(Opining, Support); 8] = [
            (|_| Opinion::Says(1.0, 0.0), Supported),
            (|_| Opinion::Says(0.5, 0.25), Supported),
            (|_| Opinion::Says(0.49, 0.25), Partial),
            (|_| Opinion::Says(0.0, 0.0), Partial),
            (|_| Opinion::Says(0.5, 0.5), Unsupported),
            (|_| Opinion::Says(0.0, 1.0), Unsupported),
            (|_| Opinion::Fails(EntailmentErrorKind::Model), Supported),
            (|_| Opinion::Silent, Supported),
        ];
        for (opinion, limit) in opinions {
            for support in [Supported, Partial, Unsupported] {
                let judging = Judging {
                    model: FixedJudge::of(opinion),
                    deadline: Duration::from_millis(1),
                    entailed_min: 0.5,
                    contradicted_min: 0.5,
                };
                let judge = Judge::new(judging, false);
                let (left, verdict) =
                    judge.limit("published?", &evidence, &evidence.sentences[0], "In 1843.", support).await;
                assert_eq!(left, lesser(support, limit), "{verdict:?}");
                let (EntailmentStatus::Judged { lowered, .. } | EntailmentStatus::NotJudged { lowered, .. }) =
                    verdict.status;
                assert_eq!(lowered, left != support);
            }
        }
    }

    #[test]
    fn what_was_not_judged_is_supported_only_where_the_answer_is_not_strict() {
        for (support, is_strict, left, lowered) in [
            (Support::Supported, false, Support::Supported, false),
            (Support::Partial, false, Support::Partial, false),
            (Support::Supported, true, Support::Partial, true),
            (Support::Partial, true, Support::Partial, false),
        ] {
            let reason = EntailmentGap::Deadline;
            let expected = (left, EntailmentStatus::NotJudged { reason, lowered });
            assert_eq!(not_judged(support, reason, is_strict), expected);
        }
    }

    #[test]
    fn what_was_asked_is_added_up() {
        let mut used = None;
        add(&mut used, std::iter::empty());
        assert_eq!(used, None, "nothing was asked");
        let waited = Duration::from_millis(5);
        let judged = |lowered| EntailmentStatus::Judged { entailed: 0.5, contradicted: 0.25, lowered };
        let gap = |reason| EntailmentStatus::NotJudged { reason, lowered: false };
        let all = [
            judged(true),
            judged(false),
            gap(EntailmentGap::Deadline),
            gap(EntailmentGap::Busy),
            gap(EntailmentGap::TooLong),
            gap(EntailmentGap::Failed),
        ];
        let verdicts = all.map(|status| Verdict { status, waited });
        add(&mut used, verdicts.iter());
        let EntailmentUse { judged, lowered, late, too_long, failed, ms } = used.unwrap();
        assert_eq!((judged, lowered, late, too_long, failed), (2, 1, 2, 1, 1));
        assert!((ms - 30.0).abs() < 1e-6, "{ms}");
    }
}
