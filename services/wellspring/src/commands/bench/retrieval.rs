//! Retrieval: what does a search cost over so many chunks, and what does it miss?
//!
//! Chunks are generated, and so are their directions: embedding as many would take hours. The catalog has no part in it.

mod corpus;
mod indexes;

use std::time::Instant;

use anyhow::Context;
use serde::Serialize;
use wellspring_core::embedding::Embedder;

use super::quantile;
use crate::app::load_embedder;
use crate::config::Config;
use crate::models::Manifest;
use crate::output;
use corpus::{Corpus, Query};
use indexes::Indexes;
use wellspring_vector::{Quantisation, Shape};

/// Queries, and how often each is searched for.
const QUERIES: u64 = 200;
const ROUNDS: usize = 5;
/// Of what a search by meaning finds, how much is compared with what there is.
const RECALL_DEPTH: usize = 10;

/// What was measured; times of a search in milliseconds.
#[derive(Debug, Serialize)]
struct RetrievalReport {
    chunks: u64,
    build_seconds: f64,
    /// From the end of the build until the vector index is as fast as it will be.
    settle_seconds: f64,
    chunks_in_graphs: u64,
    quantisation: Quantisation,
    resident_megabytes: u64,
    /// Of them, pages of the indexes' files, which the system takes back where memory is short.
    resident_of_files_megabytes: u64,
    search_p50_ms: f64,
    search_p95_ms: f64,
    search_p99_ms: f64,
    /// Where the embedder's files are there.
    with_embedding_p95_ms: Option<f64>,
    recall_at_10: f64,
    beside_upserts_p50_ms: f64,
    beside_upserts_p95_ms: f64,
}

/// Measures and prints.
pub(super) async fn run(config: &Config, chunks: u64, json: bool) -> anyhow::Result<()> {
    let report = measure(config, chunks).await?;
    if json {
        return output::json(&report);
    }
    let RetrievalReport { chunks, build_seconds, settle_seconds, chunks_in_graphs, .. } = report;
    let RetrievalReport { search_p50_ms, search_p95_ms, search_p99_ms, .. } = report;
    output::line(format!("{chunks} chunks, {chunks_in_graphs} of them reached through a graph"));
    output::line(format!("build     {build_seconds:.1} s, and {settle_seconds:.1} s until the graph was made"));
    output::line(format!(
        "memory    {} MiB resident, {} of them pages of files, quantisation {}",
        report.resident_megabytes, report.resident_of_files_megabytes, report.quantisation
    ));
    output::line(format!(
        "search    p50 {search_p50_ms:.1} ms, p95 {search_p95_ms:.1} ms, p99 {search_p99_ms:.1} ms, the query embedded"
    ));
    match report.with_embedding_p95_ms {
        Some(p95_ms) => output::line(format!("          p95 {p95_ms:.1} ms with the query's embedding")),
        None => output::line("          not measured with the query's embedding: the embedder's files are not there"),
    }
    let (p50_ms, p95_ms) = (report.beside_upserts_p50_ms, report.beside_upserts_p95_ms);
    output::line(format!("          p50 {p50_ms:.1} ms, p95 {p95_ms:.1} ms beside 80 new chunks a second"));
    output::line(format!("recall    {:.3} of the {RECALL_DEPTH} nearest", report.recall_at_10));
    Ok(())
}

async fn measure(config: &Config, chunks: u64) -> anyhow::Result<RetrievalReport> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let dimension = Manifest::builtin().embedder(config.embedder_model.name())?.space().dimension;
    let indexes = Indexes::open(
        folder.path(),
        Corpus::new(dimension)?,
        Shape { quantisation: config.vector_quantisation, ..Shape::of(dimension) },
    )?;
    let started = Instant::now();
    indexes.fill(chunks).await?;
    let build_seconds = started.elapsed().as_secs_f64();
    let chunks_in_graphs = indexes.settle().await?;
    let settle_seconds = started.elapsed().as_secs_f64() - build_seconds;

    let corpus = Corpus::new(dimension)?;
    let queries: Vec<Query> = (0..QUERIES).map(|number| corpus.query(number, chunks)).collect::<Result<_, _>>()?;
    // The first searches read from the disk.
    indexes.searches(&queries, 1, None).await?;
    let [resident_megabytes, resident_of_files_megabytes] =
        ["VmRSS:", "RssFile:"].map(|figure| memory_bytes(figure) >> 20);
    let idle = indexes.searches(&queries, ROUNDS, None).await?;
    let with_embedding_p95_ms = match load_embedder(config, config.embedder_model.name()).await {
        Ok(embedder) => {
            let embedder: &dyn Embedder = &embedder;
            indexes.searches(&queries[..1], 1, Some(embedder)).await?;
            Some(quantile(&indexes.searches(&queries, 1, Some(embedder)).await?, 0.95))
        }
        Err(error) => {
            tracing::debug!(%error, "no embedder to measure with");
            None
        }
    };
    let recall_at_10 = indexes.recall(&queries, chunks, RECALL_DEPTH).await?;
    let beside = indexes.searches_beside_upserts(&queries, ROUNDS, chunks).await?;
    Ok(RetrievalReport {
        chunks,
        build_seconds,
        settle_seconds,
        chunks_in_graphs,
        quantisation: config.vector_quantisation,
        resident_megabytes,
        resident_of_files_megabytes,
        search_p50_ms: quantile(&idle, 0.5),
        search_p95_ms: quantile(&idle, 0.95),
        search_p99_ms: quantile(&idle, 0.99),
        with_embedding_p95_ms,
        recall_at_10,
        beside_upserts_p50_ms: quantile(&beside, 0.5),
        beside_upserts_p95_ms: quantile(&beside, 0.95),
    })
}

/// What the system says of this process's memory (`VmRSS:`, files it has mapped and read included); 0 where it does not.
fn memory_bytes(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(figure));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}
