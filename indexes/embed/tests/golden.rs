//! Do the quantised weights still point where the official ones do?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod support;

use serde::Deserialize;
use wellspring_core::embedding::{Embedder, Embedding, Lane};
use wellspring_embed::{EmbedderOptions, OnnxEmbedder};

/// How near a file's vectors must stay; below that a search would see another model.
struct Nearness {
    sentence_cosine_min: f32,
    /// A text of one token has nothing to average rounding over.
    token_cosine_min: f32,
}

/// Measured: .9995 at worst, and .9959 for one token.
const WEIGHT_ONLY: Nearness = Nearness { sentence_cosine_min: 0.999, token_cosine_min: 0.995 };
/// Measured: .9967 at worst, and .9829 for one token.
const DYNAMIC: Nearness = Nearness { sentence_cosine_min: 0.996, token_cosine_min: 0.98 };

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    vector: Vec<f32>,
}

#[tokio::test]
async fn the_made_files_vectors_stay_near_the_official_fp32_ones() {
    stay_near(support::DYNAMIC, DYNAMIC).await;
}

#[tokio::test]
async fn the_older_files_vectors_stay_near_the_official_fp32_ones() {
    stay_near(support::WEIGHT_ONLY, WEIGHT_ONLY).await;
}

async fn stay_near(weights: support::Weights, nearness: Nearness) {
    let golden: Golden = serde_json::from_str(include_str!("golden.json")).unwrap();
    let (files, space) = (support::files_with(weights), support::space_of(weights));
    let embedder = OnnxEmbedder::load(&files, space, EmbedderOptions::default()).unwrap();
    let texts = golden.cases.iter().map(|case| case.text.clone()).collect();
    let embeddings = embedder.embed_passages(texts, Lane::Bulk).await.unwrap();
    for (case, embedding) in golden.cases.iter().zip(&embeddings) {
        let cosine = embedding.cosine(&Embedding::new(case.vector.clone()).unwrap());
        println!("{cosine:.5} {:.40}", case.text);
        let is_sentence = embedder.count_tokens(&case.text) > 1;
        let minimum = if is_sentence { nearness.sentence_cosine_min } else { nearness.token_cosine_min };
        assert!(cosine > minimum, "{cosine} for `{:.40}`", case.text);
    }
}

#[tokio::test]
async fn tokens_are_counted_whole_and_without_special_ones() {
    let embedder = OnnxEmbedder::load(&support::files(), support::space(), one_thread()).unwrap();
    assert_eq!(embedder.count_tokens(""), 0);
    assert_eq!(embedder.count_tokens("The ferry leaves the harbour at seven in the morning."), 11);
    assert_eq!(embedder.count_tokens("渡轮早上七点离开港口。"), 11);
    let long = "harbour ".repeat(1000);
    assert_eq!(embedder.count_tokens(&long), 1000);
}

#[tokio::test]
async fn text_beyond_the_model_changes_nothing_and_costs_little() {
    let embedder = OnnxEmbedder::load(&support::files(), support::space(), one_thread()).unwrap();
    let read = "harbour ".repeat(254);
    let flood = format!("{read}{}", "and more that nobody reads ".repeat(400_000));
    let embeddings = embedder.embed_passages(vec![read, flood], Lane::Bulk).await.unwrap();
    assert!(embeddings[0].cosine(&embeddings[1]) > 0.9999);
}

#[tokio::test]
async fn a_document_cannot_write_the_models_own_tokens() {
    let embedder = OnnxEmbedder::load(&support::files(), support::space(), one_thread()).unwrap();
    assert!(embedder.count_tokens("[SEP]") > 1, "it is read as a bracket, a word and a bracket");
}

fn one_thread() -> EmbedderOptions {
    EmbedderOptions { threads: 1, ..EmbedderOptions::default() }
}
