//! Is the file that is made of the official weights the one that the manifest names, and does it keep texts apart?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Instant;

use sha2::{Digest, Sha256};
use wellspring_core::embedding::{Embedder, Embedding, Lane};
use wellspring_embed::quantise::{MakeError, Recipe, make};
use wellspring_embed::{EmbedderOptions, OnnxEmbedder};

/// Measured: .9999997 at worst. A scale for a whole batch instead of one a token gave .987 in an earlier try.
const BATCH_COSINE_MIN: f32 = 0.99999;

#[test]
fn equal_weights_give_the_file_that_the_manifest_names() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("made.onnx");
    let started = Instant::now();
    make(Recipe::MinilmDynamicInt8, &support::file(support::OFFICIAL_FILE), &target).unwrap();
    println!("made in {:.2?}", started.elapsed());
    let digest: String = Sha256::digest(fs::read(&target).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, support::DYNAMIC.sha256);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn damaged_weights_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("weights"), folder.path().join("made.onnx"));
    let official = fs::read(support::file(support::OFFICIAL_FILE)).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&source, bytes).unwrap();
        let error = make(Recipe::MinilmDynamicInt8, &source, &target).unwrap_err();
        assert!(matches!(error, MakeError::Weights { .. }), "{error}");
        assert!(!target.exists());
    };
    // The last megabyte belongs to a part of the model that no embedder runs.
    for length in [0, 7, 8, 5_000, 50_000, official.len() / 2, official.len() - (1 << 20)] {
        refused(&official[..length]);
    }
    refused(&fs::read(support::file("all-MiniLM-L6-v2.tokenizer.json")).unwrap());
    let mut other = official;
    let place = position(&other, b"[30522,384]");
    other[place..place + 11].copy_from_slice(b"[30521,384]");
    refused(&other);
    assert!(make(Recipe::MinilmDynamicInt8, Path::new("/nowhere/weights"), &target).is_err());
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|window| window == of).unwrap()
}

#[tokio::test]
async fn a_text_has_the_same_vector_alone_and_beside_others() {
    let texts = mixed_texts();
    let alone = embed(texts.clone(), 1).await;
    let together = embed(texts.clone(), 1 << 16).await;
    let mut worst = 1.0f32;
    for ((text, alone), together) in texts.iter().zip(&alone).zip(&together) {
        let cosine = alone.cosine(together);
        worst = worst.min(cosine);
        assert!(cosine > BATCH_COSINE_MIN, "{cosine} for a text of {} bytes", text.len());
    }
    println!("{worst:.7} at worst");
}

/// Long texts first, so that the model is still at work on the first while the others gather behind it.
fn mixed_texts() -> Vec<String> {
    let sentence = "Phosphorylation of the protein was observed in 43% of patients after several weeks of treatment. ";
    let mut texts: Vec<String> = [9, 7, 5, 3, 2, 1].iter().map(|count| sentence.repeat(*count)).collect();
    texts.extend(
        ["harbour", "!", "ZQX-9 zqx9 0x00", "渡轮早上七点离开港口。", "When does the ferry leave?"].map(str::to_owned),
    );
    texts
}

async fn embed(texts: Vec<String>, run_tokens_max: usize) -> Vec<Embedding> {
    let options = EmbedderOptions { threads: 1, run_tokens_max };
    let embedder = OnnxEmbedder::load(&support::files(), support::space(), options).unwrap();
    embedder.embed_passages(texts, Lane::Bulk).await.unwrap()
}
