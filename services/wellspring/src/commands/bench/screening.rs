//! Screening: are copies found that it was not tuned on, is anything else taken for one, and what is saved?
//!
//! Documents of a corpus go into a fresh service, then the same ones changed in ways of [`planted`], and strangers that only
//! share a frame. Once with every rule off, once with copies dropped: what was dropped says precision and recall, and the
//! difference of the two bills says what was saved.

mod planted;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::add;
use crate::commands::measured::MeasuredService;
use crate::config::Config;
use crate::output;

use planted::{Kind, Planted, plant};

/// Documents named in one page of a listing.
const PAGE: usize = 500;
/// The settings of the two services.
const OFF: &str =
    "[screen]\nexact_duplicate = \"off\"\nnear_duplicate = \"off\"\nboilerplate = \"off\"\nentropy = \"off\"\n";
const DROP: &str =
    "[screen]\nexact_duplicate = \"drop\"\nnear_duplicate = \"drop\"\nboilerplate = \"off\"\nentropy = \"off\"\n";

/// One kind of copies.
#[derive(Debug, Default, Serialize)]
struct Found {
    planted: usize,
    found: usize,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct ScreeningReport {
    documents: usize,
    seed: u64,
    copies: usize,
    strangers: usize,
    kinds: BTreeMap<&'static str, Found>,
    /// Dropped for the sake of a document that they are no copy of.
    wrong: usize,
    /// Documents of the corpus itself that were dropped: copies that were there before, or mistakes. In no figure.
    dropped_of_the_corpus: usize,
    precision: f64,
    recall: f64,
    /// Of what came after the corpus.
    tokens_without: u64,
    tokens_with: u64,
    seconds_without: f64,
    seconds_with: f64,
    embedding_seconds_saved: f64,
}

/// Measures and prints.
pub(super) async fn run(config: &Config, corpus: &Path, documents: usize, seed: u64, json: bool) -> anyhow::Result<()> {
    let report = measure(config, corpus, documents, seed).await?;
    if json {
        return output::json(&report);
    }
    output::line(format!(
        "{} documents, {} copies of {} kinds, {} strangers in a frame, seed {seed}",
        report.documents,
        report.copies,
        report.kinds.len(),
        report.strangers
    ));
    let row = |(kind, found): (&&str, &Found)| {
        let share = found.found as f64 / found.planted.max(1) as f64;
        vec![(*kind).to_owned(), found.planted.to_string(), found.found.to_string(), format!("{share:.3}")]
    };
    output::table(&["copy", "planted", "found", "recall"], report.kinds.iter().map(row).collect());
    output::line(format!(
        "precision {:.3} ({} wrong), recall {:.3}; {} of the corpus itself dropped",
        report.precision, report.wrong, report.recall, report.dropped_of_the_corpus
    ));
    output::line(format!(
        "embedded  {} tokens in {:.1} s without screening, {} in {:.1} s with it: {:.1} embedding seconds saved",
        report.tokens_without,
        report.seconds_without,
        report.tokens_with,
        report.seconds_with,
        report.embedding_seconds_saved
    ));
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    title: Option<String>,
    text: String,
}

async fn measure(config: &Config, corpus: &Path, documents: usize, seed: u64) -> anyhow::Result<ScreeningReport> {
    let lines = std::fs::read_to_string(corpus).with_context(|| format!("could not read {}", corpus.display()))?;
    let step = (lines.lines().count() / documents.max(1)).max(1);
    let texts = lines.lines().step_by(step).take(documents).map(|line| -> anyhow::Result<String> {
        let Line { title, text } = serde_json::from_str(line).context("a line is not a document")?;
        Ok(title.map_or_else(|| text.clone(), |title| format!("{title}\n\n{text}")))
    });
    let texts = texts.collect::<anyhow::Result<Vec<String>>>()?;
    ensure!(texts.len() > 1, "{} holds too few documents", corpus.display());
    let planted = plant(&texts, seed);
    let without = bill(config, OFF, &texts, &planted).await?;
    let with = bill(config, DROP, &texts, &planted).await?;
    let mut report = ScreeningReport {
        documents: texts.len(),
        seed,
        copies: planted.iter().filter(|planted| !planted.originals.is_empty()).count(),
        strangers: planted.iter().filter(|planted| planted.originals.is_empty()).count(),
        kinds: BTreeMap::new(),
        wrong: 0,
        dropped_of_the_corpus: 0,
        precision: 0.0,
        recall: 0.0,
        tokens_without: without.tokens,
        tokens_with: with.tokens,
        seconds_without: without.seconds,
        seconds_with: with.seconds,
        embedding_seconds_saved: (1.0 - with.tokens as f64 / without.tokens.max(1) as f64) * without.seconds,
    };
    judge(&mut report, &planted, &with.dropped);
    Ok(report)
}

/// Compares what was dropped with what was planted.
fn judge(report: &mut ScreeningReport, all: &[Planted], dropped: &HashMap<String, String>) {
    for (place, planted) in all.iter().enumerate() {
        let original = dropped.get(&copy_key(place));
        let is_right = original.is_some_and(|original| repeats(planted, original, all));
        report.wrong += usize::from(original.is_some() && !is_right);
        if planted.kind != Kind::Stranger {
            let found = report.kinds.entry(planted.kind.name()).or_default();
            found.planted += 1;
            found.found += usize::from(is_right);
        }
    }
    report.dropped_of_the_corpus = dropped.keys().filter(|key| key.starts_with("own/")).count();
    let found: usize = report.kinds.values().map(|found| found.found).sum();
    report.precision = found as f64 / (found + report.wrong).max(1) as f64;
    report.recall = found as f64 / report.copies.max(1) as f64;
}

/// Whether what a copy is said to repeat is one of its originals, or another copy of one that was let pass.
fn repeats(planted: &Planted, original: &str, all: &[Planted]) -> bool {
    let is_own = |place: &usize| planted.originals.contains(place);
    match original.split_once('/') {
        Some(("own", place)) => place.parse().is_ok_and(|place: usize| is_own(&place)),
        Some(("copy", place)) => {
            let other = place.parse().ok().and_then(|place: usize| all.get(place));
            other.is_some_and(|other| other.originals.iter().any(is_own))
        }
        _ => false,
    }
}

/// What a service did with it all.
struct Bill {
    /// Embedded of what came after the corpus.
    tokens: u64,
    /// From its first byte until all of it had found its end.
    seconds: f64,
    /// Dropped documents, and which they were said to repeat.
    dropped: HashMap<String, String>,
}

fn own_key(place: usize) -> String {
    format!("own/{place}")
}

fn copy_key(place: usize) -> String {
    format!("copy/{place}")
}

async fn bill(config: &Config, settings: &str, texts: &[String], planted: &[Planted]) -> anyhow::Result<Bill> {
    let service = MeasuredService::start_with(config, settings).await?;
    let own = texts.iter().enumerate().map(|(place, text)| (own_key(place), text.as_str()));
    send(&service, own).await?;
    let before = service.number("/catalog/tokens_embedded").await?;
    let started = Instant::now();
    send(&service, planted.iter().enumerate().map(|(place, planted)| (copy_key(place), planted.text.as_str()))).await?;
    let seconds = started.elapsed().as_secs_f64();
    let tokens = service.number("/catalog/tokens_embedded").await? - before;
    let dropped = dropped(&service).await?;
    service.stop().await;
    Ok(Bill { tokens, seconds, dropped })
}

/// Pushes documents and waits until each has found its end.
async fn send<'t>(service: &MeasuredService, documents: impl Iterator<Item = (String, &'t str)>) -> anyhow::Result<()> {
    let mut body = Vec::new();
    for (key, text) in documents {
        serde_json::to_writer(&mut body, &json!({ "id": key, "text": text }))?;
        body.push(b'\n');
    }
    let request =
        service.client.request(Method::POST, "/v1/documents").header("content-type", "application/x-ndjson").body(body);
    let answer = service.client.send(request).await?.text().await.context("the service broke off")?;
    ensure!(!answer.contains("\"error\""), "the service refused a document");
    add::wait(&service.client).await
}

async fn dropped(service: &MeasuredService) -> anyhow::Result<HashMap<String, String>> {
    let mut dropped = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let mut request = service
            .client
            .request(Method::GET, "/v1/documents")
            .query(&[("state", "skipped"), ("limit", PAGE.to_string().as_str())]);
        if let Some(after) = &after {
            request = request.query(&[("after", after)]);
        }
        let page: Value = service.client.json(request).await?;
        for document in page.get("documents").and_then(Value::as_array).context("a listing has documents")? {
            let key = document.get("key").and_then(Value::as_str).context("a document has a key")?;
            let mut decisions = document.get("screening").and_then(Value::as_array).into_iter().flatten();
            let original = decisions.find_map(|decision| decision.get("duplicate_of")?.as_str());
            dropped.insert(key.to_owned(), original.unwrap_or_default().to_owned());
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() {
            return Ok(dropped);
        }
    }
}
