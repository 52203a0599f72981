//! What should the words count for beside the meaning?
//!
//! Each query is searched once, and what both arms said to every candidate is fused here again by each balance, with the
//! very function that searches use. The best balance on one half of the queries is compared with the default on the other.
//!
//! Invariants:
//! - What is reported as checked comes from queries that had no part in the fit.
//! - The candidates are those of an ordinary search: as many of each arm, whatever the balance.
//! - A query that the embedder has no vote on is left out and counted: no balance changes its answer.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wellspring_core::chunk::ChunkId;
use wellspring_core::hit::Hit;
use wellspring_core::limits;
use wellspring_core::retriever::{ArmStatus, Explanation};
use wellspring_retrieve::measure::{Comparison, Random, Scores, compare};
use wellspring_retrieve::{Balance, Votes, fuse};

use super::collection::{Collection, Holds};
use super::set::{Query, TestSet};
use crate::cli::FusionArguments;
use crate::client::Client;
use crate::config::Config;
use crate::output::{self, Progress};

/// Between two balances that are tried, in percent.
const STEP: usize = 5;
/// Balances that are tried.
const STEPS: usize = 100 / STEP + 1;
/// What reciprocal rank fusion adds to a rank (Cormack, Clarke and Büttcher 2009).
const RECIPROCAL_RANK_CONSTANT: f64 = 60.0;
/// Queries below which a half says nothing.
const QUERIES_MIN: usize = 4;

/// What was found.
#[derive(Debug, Serialize)]
struct FusionReport {
    set: String,
    /// Queries that both arms answered.
    queries: usize,
    /// Queries left out, as the embedder does not know their language.
    queries_by_words_alone: usize,
    /// The best on one half.
    keyword_percent: u32,
    /// The default against it, on the other half.
    checked: Comparison,
    /// Every balance, over all queries.
    curve: Vec<Point>,
    /// nDCG@10 of reciprocal rank fusion, which has no balance, over all queries; to compare with.
    reciprocal_rank: f64,
}

/// A balance, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Point {
    keyword_percent: u32,
    #[serde(rename = "ndcg@10")]
    ndcg_at_10: f64,
}

/// nDCG@10 of one query by each balance, from nothing for the words upwards.
#[derive(Debug, Clone, Copy)]
struct Curve {
    balances: [f64; STEPS],
    reciprocal_rank: f64,
}

/// Fits and prints.
pub(super) async fn run(arguments: &FusionArguments, json: bool) -> anyhow::Result<()> {
    let mut config = Config::load(&arguments.set.flags())?;
    config.without_generators();
    let mut set = TestSet::load(&arguments.set.folder)?;
    if let Some(count) = arguments.set.limit {
        ensure!(count > 0, "--limit 0 leaves no query to fit on");
        set.sample(count, arguments.set.seed);
    }
    let collection = Collection::open(&set, &config, arguments.set.keep.as_deref(), Holds::Corpus).await?;
    let curves = curves(&collection.service.client, &set.queries).await;
    collection.close().await;
    let mut curves = curves?;
    let queries_by_words_alone = set.queries.len() - curves.len();
    if curves.is_empty() {
        bail!(
            "the embedder knows the language of none of the queries: words alone answer them, and nothing can be fitted"
        );
    }
    ensure!(
        curves.len() >= QUERIES_MIN,
        "both arms answered {} queries, which are too few to fit on one half and check on the other",
        curves.len()
    );
    Random::new(arguments.set.seed).shuffle(&mut curves);
    let report = fit(set.name, &curves, queries_by_words_alone, arguments.set.seed);
    if json {
        return output::json(&report);
    }
    print(&report);
    Ok(())
}

/// Searches for each query, and fuses anew by each balance.
async fn curves(client: &Client, queries: &[Query]) -> anyhow::Result<Vec<Curve>> {
    let mut progress = Progress::start("queries asked", queries.len() as u64);
    let mut curves = Vec::with_capacity(queries.len());
    for (number, query) in queries.iter().enumerate() {
        let found = search(client, &query.text).await.with_context(|| format!("the query `{}` failed", query.id))?;
        curves.extend(found.map(|candidates| candidates.curve(query)));
        progress.at(number as u64 + 1);
    }
    progress.finish();
    Ok(curves)
}

/// What a search says, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Found {
    hits: Vec<FoundChunk>,
    arms: FoundArms,
}

#[derive(Debug, Deserialize)]
struct FoundArms {
    keyword: ArmStatus,
    vector: ArmStatus,
}

#[derive(Debug, Deserialize)]
struct FoundChunk {
    document: String,
    chunk: ChunkId,
    explain: Explanation,
}

/// Asks for all candidates; `None` where words alone answered.
async fn search(client: &Client, query: &str) -> anyhow::Result<Option<Candidates>> {
    let body = json!({ "query": query, "limit": limits::HITS_MAX, "explain": true });
    let found: Found = client.json(client.request(Method::POST, "/v1/search").json(&body)).await?;
    for (name, status) in [("keyword", &found.arms.keyword), ("vector", &found.arms.vector)] {
        if let ArmStatus::Failed { reason } = status {
            bail!("the {name} arm failed: {reason}");
        }
    }
    Ok(matches!(found.arms.vector, ArmStatus::Ok).then(|| Candidates::of(found.hits)))
}

/// What each arm said to the candidates of an ordinary search.
#[derive(Debug, Default)]
struct Candidates {
    documents: HashMap<ChunkId, String>,
    keyword: Vec<Hit>,
    vector: Vec<Hit>,
    /// The sum of one over the ranks.
    reciprocal_rank: Vec<Hit>,
}

impl Candidates {
    /// Leaves out what only a search for more results looks at.
    fn of(hits: Vec<FoundChunk>) -> Self {
        let mut candidates = Self::default();
        for FoundChunk { document, chunk, explain } in hits {
            let opinions = [explain.keyword, explain.vector];
            let ranks: Vec<usize> = opinions
                .into_iter()
                .flatten()
                .filter_map(|opinion| opinion.rank)
                .filter(|rank| within(*rank))
                .collect();
            if ranks.is_empty() {
                continue;
            }
            candidates.keyword.extend(explain.keyword.map(|opinion| Hit { chunk, score: opinion.score }));
            candidates.vector.extend(explain.vector.map(|opinion| Hit { chunk, score: opinion.score }));
            let sum: f64 = ranks.into_iter().map(|rank| 1.0 / (RECIPROCAL_RANK_CONSTANT + rank as f64)).sum();
            candidates.reciprocal_rank.push(Hit { chunk, score: sum as f32 });
            candidates.documents.insert(chunk, document);
        }
        candidates
    }

    fn curve(&self, query: &Query) -> Curve {
        let fused = |votes, balance| fuse(votes, balance).into_iter().map(|fused| fused.chunk);
        let both = Votes::Both { keyword: &self.keyword, vector: &self.vector };
        Curve {
            balances: std::array::from_fn(|step| self.score(fused(both, balance(step)), query)),
            reciprocal_rank: self.score(fused(Votes::Keyword(&self.reciprocal_rank), Balance::default()), query),
        }
    }

    /// nDCG@10 of an order: a document stands where its first chunk stands.
    fn score(&self, order: impl Iterator<Item = ChunkId>, query: &Query) -> f64 {
        let mut known = HashSet::new();
        let documents = order.filter_map(|chunk| self.documents.get(&chunk)).filter(|document| known.insert(*document));
        let grades: Vec<u32> = documents.map(|document| query.grades.get(document).copied().unwrap_or(0)).collect();
        Scores::of(&grades, &query.wanted).ndcg_at_10
    }
}

/// Whether an ordinary search looks as deep.
fn within(rank: usize) -> bool {
    rank <= limits::CANDIDATES_MAX
}

fn percent(step: usize) -> u32 {
    (step * STEP) as u32
}

fn balance(step: usize) -> Balance {
    Balance::of_keyword_percent(percent(step))
}

fn mean(curves: &[Curve], value: impl Fn(&Curve) -> f64) -> f64 {
    curves.iter().map(value).sum::<f64>() / curves.len().max(1) as f64
}

/// The step with the best mean; of equal ones the one next to the default.
fn best(curves: &[Curve]) -> usize {
    let means: Vec<f64> = (0..STEPS).map(|step| mean(curves, |curve| curve.balances[step])).collect();
    let highest = means.iter().copied().fold(f64::MIN, f64::max);
    let far = |step: &usize| percent(*step).abs_diff(Balance::KEYWORD_PERCENT_DEFAULT);
    // Sums in another order differ by their rounding.
    (0..STEPS).filter(|step| means[*step] > highest - 1e-9).min_by_key(far).unwrap_or_default()
}

fn fit(set: String, curves: &[Curve], queries_by_words_alone: usize, seed: u64) -> FusionReport {
    let (fitting, checking) = curves.split_at(curves.len() / 2);
    let step = best(fitting);
    let default = Balance::KEYWORD_PERCENT_DEFAULT as usize / STEP;
    let pairs: Vec<(f64, f64)> = checking.iter().map(|curve| (curve.balances[default], curve.balances[step])).collect();
    FusionReport {
        set,
        queries: curves.len(),
        queries_by_words_alone,
        keyword_percent: percent(step),
        checked: compare(&pairs, seed),
        curve: (0..STEPS)
            .map(|step| Point {
                keyword_percent: percent(step),
                ndcg_at_10: mean(curves, |curve| curve.balances[step]),
            })
            .collect(),
        reciprocal_rank: mean(curves, |curve| curve.reciprocal_rank),
    }
}

fn print(report: &FusionReport) {
    output::line(format!("{}: {} queries, half of them to fit on", report.set, report.queries));
    if report.queries_by_words_alone > 0 {
        output::note(format!(
            "{} queries are left out: the embedder does not know their language",
            report.queries_by_words_alone
        ));
    }
    let rows =
        report.curve.iter().map(|point| vec![point.keyword_percent.to_string(), format!("{:.4}", point.ndcg_at_10)]);
    let ranks = vec!["ranks alone (RRF)".to_owned(), format!("{:.4}", report.reciprocal_rank)];
    output::table(&["keyword percent", "ndcg@10"], rows.chain([ranks]).collect());
    output::line("");
    let Comparison { queries, before, after, difference, interval: [from, to], p } = report.checked;
    let fitted = report.keyword_percent;
    let default = Balance::KEYWORD_PERCENT_DEFAULT;
    output::line(format!(
        "best on one half: {fitted}; on the other ({queries} queries) {after:.4} against {before:.4} with the default of {default}: \
         {difference:+.4} ({from:+.4} to {to:+.4}), p {p:.4}"
    ));
    if difference > 0.0 && p < 0.05 {
        output::note(format!("set it: search.keyword_percent = {fitted}"));
    } else {
        output::note("keep the default: the other half shows no gain beyond chance");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use wellspring_core::retriever::{ArmOpinion, ArmWeights, FusedBy};
    use wellspring_retrieve::measure::Wanted;

    use super::*;

    fn found(number: u8, keyword: Option<(usize, f32)>, vector: (Option<usize>, f32)) -> FoundChunk {
        FoundChunk {
            document: format!("d{number}"),
            chunk: ChunkId::from_bytes([number; 16]),
            explain: Explanation {
                keyword: keyword.map(|(rank, score)| ArmOpinion { rank: Some(rank), score }),
                vector: Some(ArmOpinion { rank: vector.0, score: vector.1 }),
                fused_by: FusedBy::WeightedSum,
                weights: ArmWeights { keyword: 0.35, vector: 0.65 },
                leaned: None,
                recency: None,
                rerank: None,
            },
        }
    }

    fn query(wanted: &str) -> Query {
        let grades = BTreeMap::from([(wanted.to_owned(), 1)]);
        let wanted = Wanted::of(grades.values().copied()).unwrap();
        Query { id: "q".into(), text: "q".into(), grades, wanted }
    }

    fn curve(value: impl Fn(usize) -> f64) -> Curve {
        Curve { balances: std::array::from_fn(value), reciprocal_rank: 0.5 }
    }

    #[test]
    fn each_balance_orders_by_what_the_arms_said() {
        let hits = || vec![found(1, Some((1, 9.0)), (None, 0.1)), found(2, None, (Some(1), 0.8))];
        let by_words = Candidates::of(hits()).curve(&query("d1"));
        let by_meaning = Candidates::of(hits()).curve(&query("d2"));
        assert_eq!((by_words.balances[STEPS - 1], by_meaning.balances[0]), (1.0, 1.0));
        assert!(by_words.balances[0] < 1.0 && by_meaning.balances[STEPS - 1] < 1.0);
        assert!(by_words.balances.is_sorted() && by_meaning.balances.iter().rev().is_sorted());
    }

    #[test]
    fn what_only_a_deep_look_finds_is_left_out() {
        let deep = limits::CANDIDATES_MAX + 1;
        let candidates =
            Candidates::of(vec![found(1, Some((deep, 9.0)), (Some(deep), 0.9)), found(2, None, (Some(1), 0.8))]);
        assert_eq!((candidates.documents.len(), candidates.keyword.len(), candidates.vector.len()), (1, 0, 1));
    }

    #[test]
    fn of_equal_balances_the_one_next_to_the_default_is_taken() {
        assert_eq!(percent(best(&[curve(|_| 0.5)])), Balance::KEYWORD_PERCENT_DEFAULT);
        assert_eq!(percent(best(&[curve(|step| if step >= 10 { 0.6 } else { 0.5 })])), 50);
    }

    #[test]
    fn the_check_has_no_part_in_the_fit() {
        let low = curve(|step| 1.0 - step as f64 / 100.0);
        let high = curve(|step| step as f64 / 100.0);
        let report = fit("s".to_owned(), &[low, low, high, high], 3, 1);
        assert_eq!(report.keyword_percent, 0);
        assert_eq!((report.queries, report.queries_by_words_alone, report.checked.queries), (4, 3, 2));
        assert!(report.checked.difference < 0.0);
    }
}
