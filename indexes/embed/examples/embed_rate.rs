//! How many passages a second does this machine embed, and how much faster is one model file than another?
//!
//! `cargo run --release -p wellspring-embed --example embed_rate [threads] [tokens a run] [words a passage] [file.onnx …]`
//!
//! Files take turns within one run, so that whatever else the machine does meets all of them alike: trust the ratios
//! more than the rates. Where none is named, the older file and the default one are compared.

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wellspring_core::embedding::{EmbedError, Embedder, Lane};
use wellspring_core::limits;
use wellspring_embed::{EmbedderFiles, EmbedderOptions, OnnxEmbedder};

/// Turns that each file has.
const ROUNDS: usize = 25;
/// Passages of one turn.
const TURN_PASSAGES: usize = 32;
/// Queries of one turn.
const TURN_QUERIES: usize = 16;
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

/// A file that takes its turns.
struct Entrant {
    name: String,
    embedder: OnnxEmbedder,
    turns: Vec<Turn>,
}

/// What one turn took.
struct Turn {
    /// A passage, on average.
    passage: Duration,
    /// A query, on average.
    query: Duration,
}

impl Entrant {
    fn load(model: &Path, options: EmbedderOptions) -> Result<Self, EmbedError> {
        let files = EmbedderFiles { model: model.to_owned(), ..support::files() };
        let name = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, embedder: OnnxEmbedder::load(&files, support::space(), options)?, turns: Vec::new() })
    }

    async fn turn(&self, words: usize, round: usize) -> Result<Turn, EmbedError> {
        let first = round * TURN_PASSAGES;
        let passages = (first..first + TURN_PASSAGES).map(|seed| passage(words, seed)).collect();
        let started = Instant::now();
        self.embedder.embed_passages(passages, Lane::Bulk).await?;
        let passage = started.elapsed() / TURN_PASSAGES as u32;
        let started = Instant::now();
        for _ in 0..TURN_QUERIES {
            self.embedder.embed_query("which measurement shows that growth depends on light".to_owned()).await?;
        }
        Ok(Turn { passage, query: started.elapsed() / TURN_QUERIES as u32 })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (files, numbers): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.ends_with(".onnx"));
    let numbers: Vec<usize> = numbers.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let mut files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    if files.is_empty() {
        files = [support::WEIGHT_ONLY, support::DYNAMIC].map(|weights| support::file(weights.file)).into();
    }
    let defaults = EmbedderOptions::default();
    let threads = numbers.first().copied().unwrap_or(defaults.threads);
    let run_tokens_max = numbers.get(1).copied().unwrap_or(limits::EMBED_BATCH_TOKENS_MAX);
    let words = numbers.get(2).copied().unwrap_or(205);
    let options = EmbedderOptions { threads, run_tokens_max };
    let mut entrants = files.iter().map(|file| Entrant::load(file, options)).collect::<Result<Vec<_>, _>>()?;
    let tokens = entrants.first().map_or(0, |entrant| entrant.embedder.count_tokens(&passage(words, 0)) + 2);
    for entrant in &entrants {
        // The first turn meets cold memory and counts for nobody.
        entrant.turn(words, 0).await?;
    }
    for round in 0..ROUNDS {
        // Each is first as often as last.
        let forwards = round % 2 == 0;
        for place in 0..entrants.len() {
            let index = if forwards { place } else { entrants.len() - 1 - place };
            let turn = entrants[index].turn(words, round).await?;
            entrants[index].turns.push(turn);
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{threads} threads, {run_tokens_max} tokens a run, passages of {tokens} tokens, {ROUNDS} turns each"
    )?;
    for entrant in &entrants {
        let rate = Quartiles::of(entrant.turns.iter().map(|turn| 1.0 / turn.passage.as_secs_f64()));
        let query = Quartiles::of(entrant.turns.iter().map(|turn| turn.query.as_secs_f64() * 1e3));
        writeln!(out, "{}: {rate:.1} passages/s, a query in {query:.2} ms", entrant.name)?;
    }
    for pair in entrants.windows(2) {
        let ratio = |time: fn(&Turn) -> Duration| {
            let pairs = pair[0].turns.iter().zip(&pair[1].turns);
            Quartiles::of(pairs.map(|(one, other)| time(one).as_secs_f64() / time(other).as_secs_f64()))
        };
        let (passage, query) = (ratio(|turn| turn.passage), ratio(|turn| turn.query));
        writeln!(out, "{} is {passage:.2} times as fast at passages, {query:.2} at queries", pair[1].name)?;
    }
    writeln!(out, "peak memory of all together {}", peak_memory())?;
    Ok(())
}

/// The median, with the quartiles around it.
struct Quartiles([f64; 3]);

impl Quartiles {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        Self([1, 2, 3].map(|quarter| sorted[(sorted.len() - 1) * quarter / 4]))
    }
}

impl std::fmt::Display for Quartiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (precision, [lower, median, upper]) = (f.precision().unwrap_or(2), self.0);
        write!(f, "{median:.precision$} ({lower:.precision$} to {upper:.precision$})")
    }
}

/// The peak of resident memory, where the system tells.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .map_or("unknown".to_owned(), |value| value.trim().to_owned())
}
