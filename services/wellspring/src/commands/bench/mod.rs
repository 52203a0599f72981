//! `bench`: what does the service cost, and what does it promise by the clock? Each measurement starts a service of its own,
//! or indexes of its own, and compares within one run, so that its ratios mean something on any machine.

mod freshness;
mod ingest;
mod retrieval;
mod screening;
mod stream;

use crate::cli::{BenchAction, BenchArguments};
use crate::config::Config;

/// Runs a measurement and prints it.
pub(crate) async fn run(arguments: &BenchArguments, json: bool) -> anyhow::Result<()> {
    let config = Config::load(&arguments.service.flags())?;
    match &arguments.action {
        BenchAction::Ingest { corpus, sample } => ingest::run(&config, corpus, *sample, json).await,
        BenchAction::Stream { folder, limit } => stream::run(&config, folder, *limit, json).await,
        BenchAction::Freshness { corpus, pushes } => freshness::run(corpus.as_deref(), *pushes, json).await,
        BenchAction::Screening { corpus, documents, seed } => {
            screening::run(&config, corpus, *documents, *seed, json).await
        }
        BenchAction::Retrieval { chunks } => retrieval::run(&config, *chunks, json).await,
    }
}

/// The value below which a share of the sorted values lies; 0 for none.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
}
