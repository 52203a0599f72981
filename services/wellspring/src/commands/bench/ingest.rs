//! Ingestion: what does the service lose against its own embedder?

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use wellspring_core::document::{CollectionName, DocumentId, MediaType};
use wellspring_core::embedding::{Embedder, Lane};

use crate::app::load_embedder;
use crate::commands::add;
use crate::commands::measured::MeasuredService;
use crate::config::Config;
use crate::output;

/// What was measured; rates in passages a second.
#[derive(Debug, Serialize)]
struct IngestReport {
    documents: u64,
    passages: u64,
    tokens_per_passage: f64,
    seconds: f64,
    service_rate: f64,
    embedder_rate_before: f64,
    embedder_rate_after: f64,
    ratio: f64,
    peak_memory_megabytes: u64,
}

/// Measures and prints.
pub(super) async fn run(config: &Config, corpus: &Path, sample: usize, json: bool) -> anyhow::Result<()> {
    let report = ingest(config, corpus, sample).await?;
    if json {
        return output::json(&report);
    }
    let IngestReport { documents, passages, seconds, service_rate, ratio, .. } = &report;
    let embedder = (report.embedder_rate_before + report.embedder_rate_after) / 2.0;
    output::line(format!("{documents} documents, {passages} passages of {:.0} tokens", report.tokens_per_passage));
    output::line(format!("service   {service_rate:.1} passages/s ({seconds:.1} s until all were searchable)"));
    output::line(format!(
        "embedder  {embedder:.1} passages/s alone (before {:.1}, after {:.1})",
        report.embedder_rate_before, report.embedder_rate_after
    ));
    output::line(format!("ratio     {ratio:.2}"));
    output::line(format!("memory    {} MB at the highest, generator not counted", report.peak_memory_megabytes));
    Ok(())
}

async fn ingest(config: &Config, corpus: &Path, sample: usize) -> anyhow::Result<IngestReport> {
    let sample = passages(config, corpus, sample).await?;
    ensure!(sample.passages > 0, "{} holds no text", corpus.display());
    let before = embedder_rate(config, &sample).await?;
    let measured = service(corpus).await?;
    let after = embedder_rate(config, &sample).await?;
    let service_rate = measured.passages as f64 / measured.seconds;
    Ok(IngestReport {
        documents: measured.documents,
        passages: measured.passages,
        tokens_per_passage: measured.tokens as f64 / measured.passages.max(1) as f64,
        seconds: measured.seconds,
        service_rate,
        embedder_rate_before: before,
        embedder_rate_after: after,
        ratio: service_rate / ((before + after) / 2.0),
        peak_memory_megabytes: measured.peak_memory_bytes >> 20,
    })
}

/// What the embedder reads for some passages.
struct Sample {
    passages: usize,
    texts: Vec<String>,
}

/// Passages spread over the corpus, at most about `wanted`.
async fn passages(config: &Config, corpus: &Path, wanted: usize) -> anyhow::Result<Sample> {
    #[derive(Deserialize)]
    struct Line {
        title: Option<String>,
        text: String,
    }
    let embedder = load_embedder(config, config.embedder_model.name()).await?;
    let lines = std::fs::read_to_string(corpus).with_context(|| format!("could not read {}", corpus.display()))?;
    let total = lines.lines().count();
    let step = (total / wanted.max(1)).max(1);
    let document = DocumentId::of(&CollectionName::default(), &"bench".parse()?);
    let mut sample = Sample { passages: 0, texts: Vec::new() };
    let mut seen = HashSet::new();
    for line in lines.lines().step_by(step) {
        let Line { title, text } = serde_json::from_str(line).context("a line is not a document")?;
        let parsed = wellspring_ingest::parse::parse(MediaType::Text, text.as_bytes())?;
        let count = |text: &str| embedder.count_tokens(text);
        for chunk in wellspring_ingest::chunk::chunk(document, title.as_deref(), &parsed, &count)? {
            if sample.passages == wanted {
                return Ok(sample);
            }
            sample.passages += 1;
            let new = chunk.parts.iter().filter(|part| seen.insert(part.key));
            sample.texts.extend(new.map(|part| chunk.reads(part, title.as_deref()).to_owned()));
        }
    }
    Ok(sample)
}

/// The embedder alone, as the service runs it.
async fn embedder_rate(config: &Config, sample: &Sample) -> anyhow::Result<f64> {
    let embedder = load_embedder(config, config.embedder_model.name()).await?;
    let started = Instant::now();
    embedder.embed_passages(sample.texts.clone(), Lane::Bulk).await?;
    Ok(sample.passages as f64 / started.elapsed().as_secs_f64())
}

/// What the service did.
struct Measured {
    documents: u64,
    passages: u64,
    tokens: u64,
    seconds: f64,
    peak_memory_bytes: u64,
}

/// A fresh service, fed over HTTP until everything is searchable.
async fn service(corpus: &Path) -> anyhow::Result<Measured> {
    let service = MeasuredService::start().await?;
    let started = Instant::now();
    let summary = add::push(&service.client, &[PathBuf::from(corpus)], "default").await?;
    add::wait(&service.client).await?;
    let seconds = started.elapsed().as_secs_f64();
    let measured = Measured {
        documents: summary.accepted,
        passages: service.number("/catalog/chunks").await?,
        tokens: service.number("/catalog/tokens_embedded").await?,
        seconds,
        peak_memory_bytes: service.peak_memory_bytes(),
    };
    service.stop().await;
    Ok(measured)
}
