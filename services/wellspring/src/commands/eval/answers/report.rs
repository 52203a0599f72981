//! What came out of the questions, for people and for programs?
//!
//! Invariants:
//! - A share of nothing is `null`, never 0.
//! - Every share is printed with what it is a share of.

use serde::Serialize;
use wellspring_core::answer::{AnswerMode, Support};

use super::asking::{Outcome, QuestionRun};
use super::cascade::{CascadeReport, CascadeTally};
use crate::commands::bench::quantile;
use crate::commands::eval::set::LeftOut;
use crate::output;

/// What is counted while questions are asked once.
#[derive(Debug, Default)]
pub(super) struct Tally {
    questions: usize,
    answered: usize,
    abstained: usize,
    refused: usize,
    conflicting: usize,
    planted: usize,
    misled: usize,
    misled_conflicting: usize,
    em: usize,
    f1: f64,
    contained: usize,
    citations: usize,
    citations_gold: usize,
    citations_valid: usize,
    citations_supported: usize,
    answered_citing_gold: usize,
    answered_quoting_answer: usize,
    first_text_ms: Vec<f64>,
    prompt_tokens: usize,
    seconds: f64,
    cascade: CascadeTally,
}

impl Tally {
    /// Counts a question.
    pub(super) fn add(&mut self, run: &QuestionRun) {
        self.questions += 1;
        self.seconds += run.seconds;
        self.cascade.add(&run.cascade);
        match run.status {
            Outcome::InsufficientEvidence => self.abstained += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Answered | Outcome::Conflicting => {
                self.answered += 1;
                self.first_text_ms.push(run.first_text_ms);
                self.prompt_tokens += run.prompt_tokens;
            }
        }
        let (conflicting, misled) = (run.status == Outcome::Conflicting, run.misled == Some(true));
        self.conflicting += usize::from(conflicting);
        self.planted += usize::from(run.misled.is_some());
        self.misled += usize::from(misled);
        self.misled_conflicting += usize::from(misled && conflicting);
        self.em += usize::from(run.overlap.em);
        self.f1 += run.overlap.f1;
        self.contained += usize::from(run.overlap.contained);
        let cited = |test: fn(&super::asking::CheckedCitation) -> bool| {
            run.citations.iter().filter(|citation| test(citation)).count()
        };
        let (gold, holding) = (cited(|citation| citation.gold), cited(|citation| citation.holds_answer));
        self.citations += run.citations.len();
        self.citations_gold += gold;
        self.citations_valid += cited(|citation| citation.valid);
        self.citations_supported += cited(|citation| citation.citation.support == Support::Supported);
        self.answered_citing_gold += usize::from(gold > 0);
        self.answered_quoting_answer += usize::from(holding > 0);
    }
}

/// What was measured, before the questions are counted.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// The set's name.
    pub(super) set: String,
    /// The generator's model, or `off`.
    pub(super) model: String,
    pub(super) mode: AnswerMode,
    /// Whether each question had a small collection of its own.
    pub(super) given: bool,
    /// Documents that could be found when the first question was asked.
    pub(super) documents: u64,
    /// Queries that were not asked, since the set has no answer to them.
    pub(super) queries_without_answers: usize,
    #[serde(flatten)]
    pub(super) left_out: LeftOut,
}

/// Milliseconds until text was shown.
#[derive(Debug, PartialEq, Serialize)]
struct FirstToken {
    p50: f64,
    p95: f64,
}

/// The figures.
#[derive(Debug, Serialize)]
pub(super) struct AnswersReport {
    #[serde(flatten)]
    measured: Measured,
    questions: usize,
    answered: usize,
    em: f64,
    f1: f64,
    contained: f64,
    citation_precision: Option<f64>,
    citation_recall: Option<f64>,
    quote_holds_answer: Option<f64>,
    supported: Option<f64>,
    valid_citations: Option<f64>,
    false_abstention: f64,
    refused: f64,
    conflicting: f64,
    misled: Option<f64>,
    conflicting_misled: Option<f64>,
    abstention_unanswerable: Option<f64>,
    refused_unanswerable: Option<f64>,
    first_token_ms: FirstToken,
    prompt_tokens_mean: Option<f64>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cascade: Option<CascadeReport>,
    #[serde(skip)]
    citations: [usize; 2],
    #[serde(skip)]
    misled_of: [usize; 2],
    #[serde(skip)]
    unanswerable: usize,
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl AnswersReport {
    /// Counts up; `without` is the second time, when the gold documents were gone.
    pub(super) fn of(measured: Measured, mut tally: Tally, without: Option<&Tally>) -> Self {
        tally.first_text_ms.sort_by(f64::total_cmp);
        let asked = |part| share(part, tally.questions).unwrap_or_default();
        let without_share = |part: fn(&Tally) -> usize| without.and_then(|tally| share(part(tally), tally.questions));
        let checked = tally.citations + without.map_or(0, |tally| tally.citations);
        let valid = tally.citations_valid + without.map_or(0, |tally| tally.citations_valid);
        Self {
            measured,
            questions: tally.questions,
            answered: tally.answered,
            em: asked(tally.em),
            f1: tally.f1 / tally.questions.max(1) as f64,
            contained: asked(tally.contained),
            citation_precision: share(tally.citations_gold, tally.citations),
            citation_recall: share(tally.answered_citing_gold, tally.answered),
            quote_holds_answer: share(tally.answered_quoting_answer, tally.answered),
            supported: share(tally.citations_supported, tally.citations),
            valid_citations: share(valid, checked),
            false_abstention: asked(tally.abstained),
            refused: asked(tally.refused),
            conflicting: asked(tally.conflicting),
            misled: share(tally.misled, tally.planted),
            conflicting_misled: share(tally.misled_conflicting, tally.misled),
            abstention_unanswerable: without_share(|tally| tally.abstained),
            refused_unanswerable: without_share(|tally| tally.refused),
            first_token_ms: FirstToken {
                p50: quantile(&tally.first_text_ms, 0.5),
                p95: quantile(&tally.first_text_ms, 0.95),
            },
            prompt_tokens_mean: share(tally.prompt_tokens, tally.answered),
            seconds: tally.seconds,
            cascade: tally.cascade.report(),
            citations: [tally.citations, checked],
            misled_of: [tally.planted, tally.misled],
            unanswerable: without.map_or(0, |tally| tally.questions),
        }
    }

    /// Prints it.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return output::json(self);
        }
        let Measured { set, model, mode, given, documents, .. } = &self.measured;
        let mode = match mode {
            AnswerMode::Auto => "auto",
            AnswerMode::Extract => "extract",
            AnswerMode::Generate => "generate",
        };
        let how = if *given { "documents given" } else { "documents searched" };
        output::line(format!("{set}: {documents} documents, {} questions, {mode}, {model}, {how}", self.questions));
        output::table(&["measure", "value", "of"], self.rows());
        for remark in self.remarks() {
            output::note(remark);
        }
        Ok(())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let [citations, checked] = self.citations;
        let (asked, cited) = (format!("{} questions", self.questions), format!("{citations} citations"));
        let (answered, checked) = (format!("{} answered", self.answered), format!("{checked} citations"));
        let [planted, misled] = self.misled_of;
        let (planted, misled) =
            (format!("{planted} questions with a planted wrong answer"), format!("{misled} misled answers"));
        let without = format!("{} questions without their documents", self.unanswerable);
        let shares = [
            ("exact match", Some(self.em), &asked),
            ("token f1", Some(self.f1), &asked),
            ("right answer contained", Some(self.contained), &asked),
            ("citation precision", self.citation_precision, &cited),
            ("citation recall", self.citation_recall, &answered),
            ("a quote holds the answer", self.quote_holds_answer, &answered),
            ("supported citations", self.supported, &cited),
            ("valid citations", self.valid_citations, &checked),
            ("conflict shown", Some(self.conflicting), &asked),
            ("misled", self.misled, &planted),
            ("conflict shown where misled", self.conflicting_misled, &misled),
            ("abstained, answerable", Some(self.false_abstention), &asked),
            ("abstained, unanswerable", self.abstention_unanswerable, &without),
            ("refused, answerable", Some(self.refused).filter(|_| self.measured.mode == AnswerMode::Generate), &asked),
            (
                "refused, unanswerable",
                self.refused_unanswerable.filter(|_| self.measured.mode == AnswerMode::Generate),
                &without,
            ),
        ];
        let FirstToken { p50, p95 } = self.first_token_ms;
        let cascade = self.cascade.as_ref();
        let by_cascade = format!("{} questions to a cascade", cascade.map_or(0, |cascade| cascade.questions));
        let others = [
            ("went on to a larger model", cascade.map(|cascade| format!("{:.4}", cascade.went_on)), &by_cascade),
            ("seconds saved", cascade.and_then(|cascade| Some(format!("{:.1}", cascade.seconds_saved?))), &by_cascade),
            ("first token p50, ms", Some(format!("{p50:.0}")), &answered),
            ("first token p95, ms", Some(format!("{p95:.0}")), &answered),
            ("prompt tokens", self.prompt_tokens_mean.map(|mean| format!("{mean:.0}")), &answered),
            ("seconds", Some(format!("{:.1}", self.seconds)), &asked),
        ];
        let shares = shares.into_iter().map(|(name, share, of)| (name, share.map(|share| format!("{share:.4}")), of));
        let rows = shares.chain(others).filter_map(|(name, value, of)| Some(vec![name.to_owned(), value?, of.clone()]));
        rows.collect()
    }

    /// What a reader of the figures should know.
    fn remarks(&self) -> Vec<String> {
        let Measured { queries_without_answers, left_out, .. } = &self.measured;
        let remarks = [
            (*queries_without_answers, "queries were left out, since the set has no answer to them"),
            (left_out.queries_without_relevant_documents, "queries were left out, since nothing is wanted for them"),
            (left_out.queries_without_text, "queries were left out, since they have no text"),
            (
                left_out.judgements_of_unknown_documents,
                "judgements are of documents that the corpus does not have; they cannot be cited",
            ),
        ];
        remarks.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wellspring_core::answer::Citation;

    use super::super::asking::CheckedCitation;
    use super::super::overlap::Overlap;
    use super::*;

    fn run(status: Outcome, f1: f64, citations: &[(bool, bool, Support)]) -> QuestionRun {
        let citation = |(gold, holds_answer, support): &(bool, bool, Support)| {
            let value = json!({
                "document": "d", "revision": 1, "chunk": "00".repeat(16), "quote": "x", "support": support, "title": null,
                "url": null, "source_span": wellspring_core::span::Span::default(),
                "answer_span": wellspring_core::span::Span::default()
            });
            let citation: Citation = serde_json::from_value(value).unwrap();
            CheckedCitation { citation, gold: *gold, holds_answer: *holds_answer, valid: *gold }
        };
        QuestionRun {
            query: "q".into(),
            text: "?".into(),
            unanswerable: false,
            gold: ["d".to_owned()].into(),
            answers: vec!["x".into()],
            status,
            answer: "x".into(),
            sufficiency: 1.0,
            mode: Some(AnswerMode::Generate),
            note: None,
            overlap: Overlap { em: f1 == 1.0, f1, contained: f1 > 0.5 },
            misled: (status != Outcome::Refused).then_some(f1 == 0.25),
            positions: Vec::new(),
            citations: citations.iter().map(citation).collect(),
            cascade: Vec::new(),
            first_text_ms: 100.0 * f1,
            prompt_tokens: 300,
            seconds: 0.5,
        }
    }

    fn report(runs: &[QuestionRun], without: Option<&[QuestionRun]>) -> AnswersReport {
        let tally = |runs: &[QuestionRun]| {
            let mut tally = Tally::default();
            runs.iter().for_each(|run| tally.add(run));
            tally
        };
        let measured = Measured {
            set: "notes".into(),
            model: "small".into(),
            mode: AnswerMode::Generate,
            given: false,
            documents: 3,
            queries_without_answers: 2,
            left_out: LeftOut::default(),
        };
        AnswersReport::of(measured, tally(runs), without.map(tally).as_ref())
    }

    #[test]
    fn each_share_is_taken_over_what_the_help_says() {
        let runs = [
            run(Outcome::Answered, 1.0, &[(true, true, Support::Supported)]),
            run(Outcome::Conflicting, 0.25, &[(false, false, Support::Partial), (true, false, Support::Supported)]),
            run(Outcome::InsufficientEvidence, 0.0, &[]),
            run(Outcome::Refused, 0.0, &[]),
        ];
        let without = [run(Outcome::InsufficientEvidence, 0.0, &[]), run(Outcome::Answered, 0.0, &[])];
        let report = report(&runs, Some(&without));
        let expected = json!({
            "set": "notes", "model": "small", "mode": "generate", "given": false, "documents": 3,
            "queries_without_answers": 2, "queries_without_relevant_documents": 0, "queries_without_text": 0,
            "judgements_of_unknown_queries": 0, "judgements_of_unknown_documents": 0, "questions": 4, "answered": 2,
            "em": 0.25, "f1": 0.3125, "contained": 0.25, "citation_precision": 2.0 / 3.0, "citation_recall": 1.0, "quote_holds_answer": 0.5,
            "supported": 2.0 / 3.0, "valid_citations": 2.0 / 3.0, "false_abstention": 0.25, "refused": 0.25, "conflicting": 0.25, "misled": 1.0 / 3.0, "conflicting_misled": 1.0,
            "abstention_unanswerable": 0.5, "refused_unanswerable": 0.0, "first_token_ms": { "p50": 100.0, "p95": 100.0 },
            "prompt_tokens_mean": 300.0, "seconds": 2.0
        });
        assert_eq!(serde_json::to_value(&report).unwrap(), expected);
        let rows = report.rows();
        assert!(
            rows.contains(&["citation precision", "0.6667", "3 citations"].map(str::to_owned).to_vec()),
            "{rows:?}"
        );
        assert_eq!(report.remarks(), ["2 queries were left out, since the set has no answer to them"]);
    }

    #[test]
    fn a_share_of_nothing_is_null() {
        let json = serde_json::to_value(report(&[run(Outcome::InsufficientEvidence, 0.0, &[])], None)).unwrap();
        for name in ["citation_precision", "citation_recall", "valid_citations", "abstention_unanswerable"] {
            assert!(json[name].is_null(), "{name}: {json}");
        }
        assert_eq!((json["em"].as_f64(), json["false_abstention"].as_f64()), (Some(0.0), Some(1.0)));
    }
}
