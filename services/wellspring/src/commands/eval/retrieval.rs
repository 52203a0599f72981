//! Retrieval: does what was wanted stand where a reader looks, by words, by meaning, and by both?
//!
//! Each query is searched for ten passages, which is timed, and then for more, until a hundred documents are known. The
//! second search takes the same candidates as the first, so the first ten documents are in the order in which people see
//! them; only the last one looks deeper, and only continues the list.
//!
//! Invariants:
//! - Queries are asked one after the other, as one person asks.
//! - A document stands where its first chunk stands, once.
//! - An arm that fails ends the measurement: the other alone would be measured in its name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use wellspring_core::limits;
use wellspring_core::retriever::{ArmStatus, RerankStatus};
use wellspring_retrieve::measure::Scores;

use super::collection::{Collection, Holds};
use super::per_query::PerQuery;
use super::report::{ArmTally, RetrievalReport};
use super::run::{ArmRun, FoundDocument, QueryRun};
use super::set::{Query, TestSet};
use crate::cli::{Arm, RetrievalArguments};
use crate::client::Client;
use crate::config::Config;
use crate::output::Progress;

/// Passages asked for, one search after the other, until enough documents are known.
const LOOKS: [usize; 3] = [limits::HITS_DEFAULT, limits::CANDIDATES_MAX, limits::HITS_MAX];
/// Documents of a ranking that a score looks at.
const DOCUMENTS: usize = 100;

/// Measures and prints.
pub(super) async fn run(arguments: &RetrievalArguments, json: bool) -> anyhow::Result<()> {
    let mut config = Config::load(&arguments.flags())?;
    config.without_generators();
    let mut set = TestSet::load(&arguments.folder)?;
    if let Some(count) = arguments.limit {
        ensure!(count > 0, "--limit 0 leaves no query to measure");
        set.sample(count, arguments.seed);
    }
    // Before the documents are read, which may take long.
    let per_query = PerQuery::create(arguments.per_query.as_deref())?;
    let collection = Collection::open(&set, &config, arguments.keep.as_deref(), Holds::Corpus).await?;
    let arms: BTreeSet<Arm> = arguments.arms.iter().copied().collect();
    let measured = measure(&collection.service.client, &set.queries, &arms, per_query).await;
    let Collection { documents, chunks, .. } = collection;
    collection.close().await;
    let report = RetrievalReport {
        set: set.name,
        documents,
        documents_not_searchable: (set.documents as u64).saturating_sub(documents),
        chunks,
        queries: set.queries.len(),
        left_out: set.left_out,
        arms: BTreeMap::new(),
    };
    report.with(measured?).print(json)
}

/// Asks every query of every arm.
async fn measure(
    client: &Client,
    queries: &[Query],
    arms: &BTreeSet<Arm>,
    mut per_query: PerQuery,
) -> anyhow::Result<BTreeMap<Arm, ArmTally>> {
    let mut tallies: BTreeMap<Arm, ArmTally> = arms.iter().map(|arm| (*arm, ArmTally::default())).collect();
    // The first search pays for what is made once, such as the dictionary.
    for (query, arm) in queries.iter().take(1).flat_map(|query| arms.iter().map(move |arm| (query, *arm))) {
        search(client, &query.text, arm, LOOKS[0]).await?;
    }
    let mut progress = Progress::start("queries asked", queries.len() as u64);
    for (number, query) in queries.iter().enumerate() {
        let mut runs = BTreeMap::new();
        for (arm, tally) in &mut tallies {
            let (run, words_alone) =
                ranking(client, query, *arm).await.with_context(|| format!("the query `{}` failed", query.id))?;
            tally.add(&run, words_alone);
            runs.insert(*arm, run);
        }
        let (text, judged) = (query.text.clone(), query.grades.clone());
        per_query.write(&QueryRun { query: query.id.clone(), text, judged, arms: runs })?;
        progress.at(number as u64 + 1);
    }
    progress.finish();
    per_query.finish()?;
    Ok(tallies)
}

/// The documents that an arm finds, and whether words alone found them in the name of both.
async fn ranking(client: &Client, query: &Query, arm: Arm) -> anyhow::Result<(ArmRun, bool)> {
    let (mut documents, mut known) = (Vec::new(), HashSet::new());
    let (mut latency_ms, mut words_alone) = (None, false);
    for look in LOOKS {
        let started = Instant::now();
        let found = search(client, &query.text, arm, look).await?;
        latency_ms.get_or_insert_with(|| started.elapsed().as_secs_f64() * 1000.0);
        words_alone = arm == Arm::Hybrid && matches!(found.arms.vector, ArmStatus::Skipped { .. });
        let more = found.hits.len() == look;
        documents.extend(found.hits.into_iter().filter(|hit| known.insert(hit.document.clone())));
        if documents.len() >= DOCUMENTS || !more {
            break;
        }
    }
    documents.truncate(DOCUMENTS);
    let grade = |found: &FoundDocument| query.grades.get(&found.document).copied().unwrap_or(0);
    let grades: Vec<u32> = documents.iter().map(grade).collect();
    let scores = Scores::of(&grades, &query.wanted);
    Ok((ArmRun { scores, latency_ms: latency_ms.unwrap_or_default(), documents }, words_alone))
}

/// What a search says, as far as it is looked at; a hit has more.
#[derive(Debug, Deserialize)]
struct Found {
    hits: Vec<FoundDocument>,
    arms: FoundArms,
    rerank: RerankStatus,
}

#[derive(Debug, Deserialize)]
struct FoundArms {
    keyword: ArmStatus,
    vector: ArmStatus,
}

async fn search(client: &Client, query: &str, arm: Arm, limit: usize) -> anyhow::Result<Found> {
    let arms: &[&str] = match arm {
        Arm::Keyword => &["keyword"],
        Arm::Vector => &["vector"],
        Arm::Hybrid => &["keyword", "vector"],
    };
    let body = json!({ "query": query, "limit": limit, "arms": arms });
    let found: Found = client.json(client.request(Method::POST, "/v1/search").json(&body)).await?;
    for (name, status) in [("keyword", &found.arms.keyword), ("vector", &found.arms.vector)] {
        if let ArmStatus::Failed { reason } = status {
            bail!("the {name} arm failed: {reason}");
        }
    }
    if let RerankStatus::Failed { reason } = &found.rerank {
        bail!("the reranker failed: {reason}");
    }
    Ok(found)
}
