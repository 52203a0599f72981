//! `bench`: what does the service lose against its own parts? Measured in one run, so that the ratio means something.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wellspring_core::chunk::Chunk;
use wellspring_core::document::{CollectionName, DocumentId, MediaType};
use wellspring_core::embedding::{Embedder, Lane};

use super::add;
use crate::app::load_embedder;
use crate::cli::{BenchAction, BenchArguments};
use crate::client::Client;
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

/// Runs a measurement and prints it.
pub(crate) async fn run(arguments: &BenchArguments, json: bool) -> anyhow::Result<()> {
    let config = Config::load(&arguments.service.flags())?;
    let BenchAction::Ingest { corpus, sample } = &arguments.action;
    let report = ingest(&config, corpus, *sample).await?;
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
    let inputs = passages(config, corpus, sample).await?;
    ensure!(!inputs.is_empty(), "{} holds no text", corpus.display());
    let before = embedder_rate(config, &inputs).await?;
    let measured = service(corpus).await?;
    let after = embedder_rate(config, &inputs).await?;
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

/// What the embedder reads for passages spread over the corpus, at most `sample`.
async fn passages(config: &Config, corpus: &Path, sample: usize) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Line {
        title: Option<String>,
        text: String,
    }
    let embedder = load_embedder(config).await?;
    let lines = std::fs::read_to_string(corpus).with_context(|| format!("could not read {}", corpus.display()))?;
    let total = lines.lines().count();
    let step = (total / sample.max(1)).max(1);
    let document = DocumentId::of(&CollectionName::default(), &"bench".parse()?);
    let mut inputs = Vec::new();
    for line in lines.lines().step_by(step) {
        let Line { title, text } = serde_json::from_str(line).context("a line is not a document")?;
        let parsed = wellspring_ingest::parse::parse(MediaType::Text, text.as_bytes())?;
        let count = |text: &str| embedder.count_tokens(text);
        for chunk in wellspring_ingest::chunk::chunk(document, title.as_deref(), &parsed, &count)? {
            inputs.push(Chunk::embedding_input(title.as_deref(), &chunk.heading, &chunk.text));
        }
    }
    inputs.truncate(sample);
    Ok(inputs)
}

/// The embedder alone, as the service runs it.
async fn embedder_rate(config: &Config, inputs: &[String]) -> anyhow::Result<f64> {
    let embedder = load_embedder(config).await?;
    let started = Instant::now();
    embedder.embed_passages(inputs.to_vec(), Lane::Bulk).await?;
    Ok(inputs.len() as f64 / started.elapsed().as_secs_f64())
}

/// What the service did.
struct Measured {
    documents: u64,
    passages: u64,
    tokens: u64,
    seconds: f64,
    peak_memory_bytes: u64,
}

/// A fresh service over a temporary folder, fed over HTTP until everything is searchable.
async fn service(corpus: &Path) -> anyhow::Result<Measured> {
    let folder = tempfile::tempdir().context("could not make a temporary folder")?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["serve", "--listen", "127.0.0.1:0", "--generator-model", "off", "--log", "warn", "--data-dir"])
        .arg(folder.path())
        .env_remove(crate::environment::KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("could not start the service")?;
    let stdout = child.stdout.take().context("the service has no output")?.into_owned_fd()?;
    let address = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(std::fs::File::from(stdout)).read_line(&mut line).map(|_| line)
    });
    let line = address.await??;
    let server = line.trim().strip_prefix("listening on ").context("the service did not start")?.to_owned();
    let client = Client::new(&server)?;
    while client.send(client.request(Method::GET, "/readyz")).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    let summary = add::push(&client, &[PathBuf::from(corpus)], "default").await?;
    add::wait(&client).await?;
    let seconds = started.elapsed().as_secs_f64();
    let status: Value = client.json(client.request(Method::GET, "/v1/status")).await?;
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let peak_memory_bytes = child.id().map_or(0, peak_memory_bytes);
    let measured = Measured {
        documents: summary.accepted,
        passages: number("/catalog/chunks"),
        tokens: number("/catalog/tokens_embedded"),
        seconds,
        peak_memory_bytes,
    };
    child.kill().await.ok();
    Ok(measured)
}

/// The most memory that a process has held; 0 where the machine does not tell.
fn peak_memory_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
