//! Freshness: how long after a push is it found, alone and beside a bulk load?
//!
//! Each push is a new document of five chunks, timed from the request to the acknowledgement of `wait=searchable`, and
//! then searched for: one that is not found at once fails the measurement.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::quantile;
use crate::client::{Client, document_path};
use crate::commands::add;
use crate::commands::measured::MeasuredService;
use crate::output;

/// Sections of a pushed document; each becomes a chunk.
const SECTIONS: usize = 5;
/// Words of a section: made-up ones of some four tokens each, so that a section is one chunk.
const SECTION_WORDS: usize = 48;

/// Milliseconds from a push to its being searchable.
#[derive(Debug, Serialize)]
struct Latency {
    pushes: usize,
    p50_ms: f64,
    p95_ms: f64,
    max_ms: f64,
}

impl Latency {
    fn of(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        Self {
            pushes: milliseconds.len(),
            p50_ms: quantile(&milliseconds, 0.5),
            p95_ms: quantile(&milliseconds, 0.95),
            max_ms: quantile(&milliseconds, 1.0),
        }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
struct FreshnessReport {
    chunks_per_push: u64,
    idle: Latency,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<Latency>,
}

/// Measures and prints.
pub(super) async fn run(corpus: Option<&Path>, pushes: usize, json: bool) -> anyhow::Result<()> {
    let service = MeasuredService::start().await?;
    let mut words = Words { state: 7 };
    // The first push pays for what is made once.
    push(&service.client, &mut words, "warm-up").await?;
    let mut idle = Vec::new();
    for number in 0..pushes {
        idle.push(push(&service.client, &mut words, &format!("idle-{number}")).await?);
    }
    let document: Value = service.client.json(service.client.request(Method::GET, "/v1/documents/warm-up")).await?;
    let chunks_per_push = document.pointer("/chunks").and_then(Value::as_u64).context("a document has chunks")?;
    let loaded = match corpus {
        Some(corpus) => Some(Latency::of(beside_a_load(&service, &mut words, corpus, pushes).await?)),
        None => None,
    };
    service.stop().await;
    let report = FreshnessReport { chunks_per_push, idle: Latency::of(idle), loaded };
    if json {
        return output::json(&report);
    }
    output::line(format!("pushes of {} chunks, until the next search finds them", report.chunks_per_push));
    for (name, latency) in [("idle", Some(&report.idle)), ("loaded", report.loaded.as_ref())] {
        if let Some(Latency { pushes, p50_ms, p95_ms, max_ms }) = latency {
            output::line(format!(
                "{name:7} p50 {p50_ms:.0} ms, p95 {p95_ms:.0} ms, longest {max_ms:.0} ms ({pushes} pushes)"
            ));
        }
    }
    Ok(())
}

/// Pushes while a corpus is being loaded; only pushes that began and ended during the load count.
async fn beside_a_load(
    service: &MeasuredService,
    words: &mut Words,
    corpus: &Path,
    pushes: usize,
) -> anyhow::Result<Vec<f64>> {
    let corpus = [PathBuf::from(corpus)];
    let load = async {
        add::push(&service.client, &corpus, "default").await?;
        add::wait(&service.client).await
    };
    tokio::pin!(load);
    let mut milliseconds = Vec::new();
    while milliseconds.len() < pushes {
        let key = format!("loaded-{}", milliseconds.len());
        tokio::select! {
            biased;
            loaded = &mut load => {
                loaded?;
                break;
            }
            // A second client, since nothing may queue behind the load's own connection.
            pushed = push(&service.client, words, &key) => milliseconds.push(pushed?),
        }
    }
    ensure!(!milliseconds.is_empty(), "the load was over before the first push; name a larger corpus");
    Ok(milliseconds)
}

/// Pushes one document and searches for it; the milliseconds until it was searchable.
async fn push(client: &Client, words: &mut Words, key: &str) -> anyhow::Result<f64> {
    let mark = words.next();
    let sections = (0..SECTIONS).map(|section| {
        let body: Vec<String> = (0..SECTION_WORDS).map(|_| words.next()).collect();
        format!("## Part {section} of {mark}\n\n{}.\n", body.join(" "))
    });
    let text: String = sections.collect::<Vec<_>>().join("\n");
    let started = Instant::now();
    let request = client
        .request(Method::PUT, &document_path(key)?)
        .query(&[("wait", "searchable")])
        .header("content-type", "text/markdown")
        .body(text);
    client.send(request).await?;
    let elapsed = started.elapsed().as_secs_f64() * 1000.0;
    let search = client.request(Method::POST, "/v1/search").json(&json!({ "query": mark, "limit": 3 }));
    let found: Value = client.json(search).await?;
    let first = found.pointer("/hits/0/document").and_then(Value::as_str);
    ensure!(first == Some(key), "`{key}` was acknowledged as searchable and not found");
    Ok(elapsed)
}

/// Words that no two pushes share, so that nothing is known already.
struct Words {
    state: u64,
}

impl Words {
    fn next(&mut self) -> String {
        // Knuth's MMIX generator; the upper bits are good enough for syllables.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bits = self.state >> 24;
        let mut word = String::new();
        for _ in 0..3 {
            word.push("bdfgklmnprstvz".as_bytes()[(bits % 14) as usize] as char);
            bits /= 14;
            word.push("aeiou".as_bytes()[(bits % 5) as usize] as char);
            bits /= 5;
        }
        word
    }
}
