//! A stream of edits: is the bill proportional to what changed, and does the index end up as if it had always been so?
//!
//! The folder holds `corpus.jsonl`, one document a line `{id, title, text}`, and `events.jsonl` (or `.gz`), one commit a line
//! `{changes: [{op: "add" | "modify" | "delete", path, text}]}`.
//!
//! `changed_tokens` are the tokens of lines that are new in a document's next version, by a line diff; lines that only moved
//! away or were deleted count nothing, as they need no embedding.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};
use wellspring_core::embedding::Embedder;

use crate::app::load_embedder;
use crate::client::document_path;
use crate::commands::add;
use crate::commands::measured::MeasuredService;
use crate::config::Config;
use crate::output;

/// The most bytes of an event file, decompressed.
const EVENTS_BYTES_MAX: u64 = 1 << 30;
/// Questions by which both indexes are compared: a title and some lines of every document, at most this many.
const QUERIES_MAX: usize = 400;
/// Hits compared for each.
const HITS: usize = 10;

#[derive(Deserialize)]
struct Document {
    id: String,
    title: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct Event {
    changes: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    op: Operation,
    path: String,
    text: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    Add,
    Modify,
    Delete,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct StreamReport {
    documents: usize,
    events: usize,
    changed_tokens: u64,
    embedded_tokens: u64,
    embedded_chunks: u64,
    ratio: f64,
    /// What embedding every changed document whole would have cost.
    whole_document_tokens: u64,
    queries: usize,
    /// Of those, queries that a fresh ingestion of the end state answers with the same passages in the same order.
    identical: usize,
}

/// Measures and prints.
pub(super) async fn run(config: &Config, folder: &Path, limit: Option<usize>, json: bool) -> anyhow::Result<()> {
    let report = measure(config, folder, limit).await?;
    if json {
        return output::json(&report);
    }
    output::line(format!("{} documents at the end, after {} commits", report.documents, report.events));
    output::line(format!("changed   {} tokens in changed lines", report.changed_tokens));
    output::line(format!(
        "embedded  {} tokens in {} chunks; whole documents would have been {}",
        report.embedded_tokens, report.embedded_chunks, report.whole_document_tokens
    ));
    output::line(format!("ratio     {:.2}", report.ratio));
    output::line(format!(
        "retrieval {} of {} queries as after a fresh ingestion of the end state",
        report.identical, report.queries
    ));
    Ok(())
}

async fn measure(config: &Config, folder: &Path, limit: Option<usize>) -> anyhow::Result<StreamReport> {
    let embedder = load_embedder(config, config.embedder_model.name()).await?;
    let count = |text: &str| embedder.count_tokens(text) as u64;
    let mut state: BTreeMap<String, Document> = BTreeMap::new();
    for line in lines(&folder.join("corpus.jsonl"))? {
        let document: Document = serde_json::from_str(&line).context("a line of the corpus is not a document")?;
        state.insert(document.id.clone(), document);
    }
    let events = events(folder)?;
    let events = &events[..limit.unwrap_or(events.len()).min(events.len())];

    let service = MeasuredService::start().await?;
    let documents: Vec<&Document> = state.values().collect();
    send(&service, &documents).await?;
    let (tokens_before, chunks_before) = embedded(&service).await?;
    let (mut changed_tokens, mut whole_document_tokens) = (0, 0);
    let mut progress = output::Progress::start("commits replayed", events.len() as u64);
    for (number, event) in events.iter().enumerate() {
        let mut written = Vec::new();
        for edit in &event.changes {
            if matches!(edit.op, Operation::Delete) {
                state.remove(&edit.path);
                let path = document_path(&edit.path)?;
                service.client.send(service.client.request(Method::DELETE, &path)).await?;
                continue;
            }
            let text = edit.text.clone().context("an edit has no text")?;
            let before = state.get(&edit.path);
            changed_tokens += tokens_of_new_lines(before.map_or("", |before| &before.text), &text, &count);
            whole_document_tokens += count(&text);
            let title = before.map_or_else(|| Some(edit.path.clone()), |before| before.title.clone());
            state.insert(edit.path.clone(), Document { id: edit.path.clone(), title, text });
            written.push(edit.path.clone());
        }
        let written: Vec<&Document> = written.iter().filter_map(|path| state.get(path)).collect();
        if !written.is_empty() {
            send(&service, &written).await?;
        }
        progress.at(number as u64 + 1);
    }
    progress.finish();
    let (tokens_after, chunks_after) = embedded(&service).await?;

    let fresh = MeasuredService::start().await?;
    let documents: Vec<&Document> = state.values().collect();
    send(&fresh, &documents).await?;
    let queries = queries(&documents);
    let mut identical = 0;
    for query in &queries {
        identical += usize::from(hits(&service, query).await? == hits(&fresh, query).await?);
    }
    service.stop().await;
    fresh.stop().await;
    let embedded_tokens = tokens_after - tokens_before;
    Ok(StreamReport {
        documents: documents.len(),
        events: events.len(),
        changed_tokens,
        embedded_tokens,
        embedded_chunks: chunks_after - chunks_before,
        ratio: embedded_tokens as f64 / changed_tokens.max(1) as f64,
        whole_document_tokens,
        queries: queries.len(),
        identical,
    })
}

/// The lines of a file, which may be compressed.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let file = std::fs::File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let reader: Box<dyn Read> = match path.extension().is_some_and(|ending| ending == "gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let lines = BufReader::new(reader.take(EVENTS_BYTES_MAX)).lines();
    lines.collect::<Result<_, _>>().with_context(|| format!("could not read {}", path.display()))
}

fn events(folder: &Path) -> anyhow::Result<Vec<Event>> {
    let plain = folder.join("events.jsonl");
    let path = if plain.exists() { plain } else { folder.join("events.jsonl.gz") };
    let parse = |line: &String| serde_json::from_str(line).context("a line of the events is not a commit");
    lines(&path)?.iter().map(parse).collect()
}

/// Pushes documents and waits until they are searchable. They are Markdown, whatever their names end in.
async fn send(service: &MeasuredService, documents: &[&Document]) -> anyhow::Result<()> {
    let mut body = Vec::new();
    for document in documents {
        let file = json!({ "name": "document.md", "base64": add::base64(document.text.as_bytes()) });
        let line = json!({ "id": document.id, "title": document.title, "file": file });
        serde_json::to_writer(&mut body, &line)?;
        body.push(b'\n');
    }
    let request =
        service.client.request(Method::POST, "/v1/documents").header("content-type", "application/x-ndjson").body(body);
    let answer = service.client.send(request).await?.text().await.context("the service broke off")?;
    ensure!(!answer.contains("\"error\""), "the service refused a document");
    add::wait(&service.client).await
}

async fn embedded(service: &MeasuredService) -> anyhow::Result<(u64, u64)> {
    Ok((service.number("/catalog/tokens_embedded").await?, service.number("/catalog/chunks_embedded").await?))
}

/// The tokens of the lines that `after` has and `before` had not.
fn tokens_of_new_lines(before: &str, after: &str, count: &dyn Fn(&str) -> u64) -> u64 {
    let diff = TextDiff::from_lines(before, after);
    diff.iter_all_changes().filter(|change| change.tag() == ChangeTag::Insert).map(|change| count(change.value())).sum()
}

/// Titles, and lines from all over the documents.
fn queries(documents: &[&Document]) -> Vec<String> {
    let long = |line: &&str| line.split_whitespace().count() >= 6;
    let lines = documents.iter().flat_map(|document| document.text.lines().filter(long).step_by(9));
    let titles = documents.iter().filter_map(|document| document.title.as_deref());
    let all: Vec<&str> = titles.chain(lines).collect();
    let step = all.len().div_ceil(QUERIES_MAX).max(1);
    all.into_iter().step_by(step).map(|query| query.chars().take(200).collect()).collect()
}

/// The passages found for a query, in order: document and text.
async fn hits(service: &MeasuredService, query: &str) -> anyhow::Result<Vec<(Value, Value)>> {
    let body = json!({ "query": query, "limit": HITS });
    let found: Value = service.client.json(service.client.request(Method::POST, "/v1/search").json(&body)).await?;
    let hits = found.get("hits").and_then(Value::as_array).context("a search answers with hits")?;
    Ok(hits.iter().map(|hit| (hit["document"].clone(), hit["text"].clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_new_count() {
        let words = |text: &str| text.split_whitespace().count() as u64;
        let before = "one two\nthree\nfour five six\n";
        assert_eq!(tokens_of_new_lines(before, before, &words), 0);
        assert_eq!(tokens_of_new_lines(before, "one two\nfour five six\n", &words), 0);
        assert_eq!(tokens_of_new_lines(before, "one two\nthree and\nfour five six\n", &words), 2);
        assert_eq!(tokens_of_new_lines("", before, &words), 6);
    }
}
