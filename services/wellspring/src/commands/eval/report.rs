//! What came out of a measurement, for people and for programs?

use std::collections::BTreeMap;

use serde::Serialize;
use wellspring_retrieve::measure::Scores;

use super::run::ArmRun;
use super::set::LeftOut;
use crate::cli::Arm;
use crate::commands::bench::quantile;
use crate::output;

/// Milliseconds of one search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    p50: f64,
    p95: f64,
    p99: f64,
}

impl Latency {
    fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        let at = |share| quantile(&milliseconds, share);
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
    }
}

/// The means of one arm.
#[derive(Debug, Serialize)]
pub(super) struct ArmReport {
    #[serde(flatten)]
    scores: Scores,
    latency_ms: Latency,
    /// Queries on which the embedder had no vote, since it does not speak their language.
    #[serde(skip_serializing_if = "is_zero")]
    words_alone: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What an arm did, query by query.
#[derive(Debug, Default)]
pub(super) struct ArmTally {
    scores: Vec<Scores>,
    milliseconds: Vec<f64>,
    words_alone: usize,
}

impl ArmTally {
    /// Counts a query.
    pub(super) fn add(&mut self, run: &ArmRun, words_alone: bool) {
        self.scores.push(run.scores);
        self.milliseconds.push(run.latency_ms);
        self.words_alone += usize::from(words_alone);
    }

    fn report(self) -> ArmReport {
        let (scores, latency_ms) = (Scores::mean(&self.scores), Latency::of(self.milliseconds));
        ArmReport { scores, latency_ms, words_alone: self.words_alone }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct RetrievalReport {
    /// The set's name.
    pub(super) set: String,
    /// Documents that can be found.
    pub(super) documents: u64,
    /// Documents of the corpus that cannot: they have no text, or were screened out.
    pub(super) documents_not_searchable: u64,
    /// Their chunks.
    pub(super) chunks: u64,
    /// Queries that were asked.
    pub(super) queries: usize,
    /// What the set says that was not measured.
    #[serde(flatten)]
    pub(super) left_out: LeftOut,
    /// By arm.
    pub(super) arms: BTreeMap<Arm, ArmReport>,
}

impl RetrievalReport {
    /// Adds what the arms did.
    pub(super) fn with(mut self, tallies: BTreeMap<Arm, ArmTally>) -> Self {
        self.arms = tallies.into_iter().map(|(arm, tally)| (arm, tally.report())).collect();
        self
    }

    /// Prints it.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return output::json(self);
        }
        let Self { set, documents, chunks, queries, .. } = self;
        output::line(format!("{set}: {documents} documents, {chunks} chunks, {queries} queries"));
        let header = ["arm", "ndcg@10", "mrr@10", "recall@10", "recall@100", "p50 ms", "p95 ms", "p99 ms"];
        let rows = self.arms.iter().map(|(arm, ArmReport { scores, latency_ms, .. })| {
            let Scores { ndcg_at_10, mrr_at_10, recall_at_10, recall_at_100 } = scores;
            let shares = [ndcg_at_10, mrr_at_10, recall_at_10, recall_at_100].map(|share| format!("{share:.4}"));
            let times = [latency_ms.p50, latency_ms.p95, latency_ms.p99].map(|time| format!("{time:.1}"));
            [arm.as_str().to_owned()].into_iter().chain(shares).chain(times).collect()
        });
        output::table(&header, rows.collect());
        for remark in self.remarks() {
            output::note(remark);
        }
        Ok(())
    }

    /// What a reader of the figures should know.
    fn remarks(&self) -> Vec<String> {
        let LeftOut {
            queries_without_relevant_documents: unwanted,
            queries_without_text: empty,
            judgements_of_unknown_queries: unknown_queries,
            judgements_of_unknown_documents: unknown_documents,
        } = self.left_out;
        let skipped = self.arms.get(&Arm::Hybrid).map_or(0, |arm| arm.words_alone);
        let remarks = [
            (self.documents_not_searchable as usize, "documents cannot be found: without a text, or screened out"),
            (unwanted, "queries were left out, since nothing is wanted for them"),
            (empty, "queries were left out, since they have no text"),
            (unknown_queries, "judgements are of queries that the set does not have"),
            (
                unknown_documents,
                "judgements are of documents that the corpus does not have; wanted ones count as missed",
            ),
            (skipped, "queries are in a language that the embedder does not speak; words alone answered them"),
        ];
        remarks.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_programs_has_the_documented_names() {
        let scores = Scores { ndcg_at_10: 0.5, mrr_at_10: 0.5, recall_at_10: 1.0, recall_at_100: 1.0 };
        let mut tally = ArmTally::default();
        for latency_ms in [1.0, 2.0, 9.0] {
            tally.add(&ArmRun { scores, latency_ms, documents: Vec::new() }, false);
        }
        let report = RetrievalReport {
            set: "notes".into(),
            documents: 3,
            documents_not_searchable: 0,
            chunks: 4,
            queries: 3,
            left_out: LeftOut { queries_without_relevant_documents: 2, ..LeftOut::default() },
            arms: BTreeMap::new(),
        };
        let report = report.with(BTreeMap::from([(Arm::Keyword, tally)]));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (json["set"].as_str(), json["chunks"].as_u64(), json["queries"].as_u64()),
            (Some("notes"), Some(4), Some(3))
        );
        let expected = serde_json::json!({
            "ndcg@10": 0.5, "mrr@10": 0.5, "recall@10": 1.0, "recall@100": 1.0,
            "latency_ms": { "p50": 2.0, "p95": 9.0, "p99": 9.0 }
        });
        assert_eq!(json["arms"]["keyword"], expected);
        assert_eq!(report.remarks(), ["2 queries were left out, since nothing is wanted for them"]);
    }
}
