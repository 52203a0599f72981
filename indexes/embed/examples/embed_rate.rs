//! How many passages a second does this machine embed?
//!
//! `cargo run --release -p wellspring-embed --example embed_rate [threads] [tokens a run] [words a passage]`

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use wellspring_core::embedding::{Embedder, Lane};
use wellspring_core::limits;
use wellspring_embed::{EmbedderOptions, OnnxEmbedder};

/// How long to measure.
const MEASURED: Duration = Duration::from_secs(10);
/// Passages handed over at a time.
const BATCH_PASSAGES: usize = 64;
/// The words of the passages; most are one token of the model's vocabulary, some are two.
const WORDS: &[&str] = &[
    "the",
    "harbour",
    "measurement",
    "of",
    "protein",
    "cells",
    "in",
    "a",
    "controlled",
    "study",
    "shows",
    "that",
    "growth",
    "depends",
    "on",
    "temperature",
    "and",
    "light",
    "while",
    "patients",
    "with",
    "lower",
    "pressure",
    "respond",
    "to",
    "treatment",
    "after",
    "several",
    "weeks",
    "phosphorylation",
    "was",
    "observed",
];

/// A passage of so many words; each `seed` gives another.
fn passage(words: usize, seed: usize) -> String {
    let mut state = seed as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        WORDS[(state >> 33) as usize % WORDS.len()]
    };
    (0..words).map(|_| next()).collect::<Vec<_>>().join(" ")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let defaults = EmbedderOptions::default();
    let threads = arguments.first().copied().unwrap_or(defaults.threads);
    let run_tokens_max = arguments.get(1).copied().unwrap_or(limits::EMBED_BATCH_TOKENS_MAX);
    let words = arguments.get(2).copied().unwrap_or(205);

    let started = Instant::now();
    let embedder =
        OnnxEmbedder::load(&support::files(), support::space(), EmbedderOptions { threads, run_tokens_max })?;
    let loaded = started.elapsed();
    let tokens = embedder.count_tokens(&passage(words, 0)) + 2;
    embedder.embed_passages((0..BATCH_PASSAGES).map(|seed| passage(words, seed)).collect(), Lane::Bulk).await?;

    let started = Instant::now();
    let mut passages = 0;
    while started.elapsed() < MEASURED {
        let batch = (passages..passages + BATCH_PASSAGES).map(|seed| passage(words, seed)).collect();
        passages += embedder.embed_passages(batch, Lane::Bulk).await?.len();
    }
    let rate = passages as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for _ in 0..100 {
        embedder.embed_query("which measurement shows that growth depends on light".to_owned()).await?;
    }
    let query = started.elapsed() / 100;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{threads} threads, {run_tokens_max} tokens a run, passages of {tokens} tokens, loaded in {loaded:.0?}"
    )?;
    writeln!(out, "{rate:.1} passages/s, a query in {query:.1?}, peak memory {}", peak_memory())?;
    Ok(())
}

/// The peak of resident memory, where the system tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .map_or("unknown".to_owned(), |value| value.trim().to_owned())
}
