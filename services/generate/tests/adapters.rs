//! Does an adapter change its own text and no other?

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::path::Path;

use wellspring_core::generator::{Adapter, GenerateErrorKind, GenerationRequest, Generator};
use wellspring_generate::{Engine, EngineConfig, LoadError};

mod support;

use support::{Chance, alone_and_cold, answer, ask, config, load};

/// The width of the test model's streams, and of its feed-forward layers.
const WIDTH: u64 = 576;
const INNER: u64 = 1536;
const RANK: u64 = 4;

/// A LoRA adapter for the test model: numbers by chance for the first matrix behind some feed-forward layers. `inner` is
/// what that matrix takes in.
fn write_adapter(path: &Path, seed: u64, inner: u64) {
    let mut chance = Chance(seed);
    let tensors: Vec<(String, [u64; 2])> = [3, 11, 20]
        .into_iter()
        .flat_map(|layer| {
            let name = format!("blk.{layer}.ffn_down.weight");
            [(format!("{name}.lora_a"), [inner, RANK]), (format!("{name}.lora_b"), [RANK, WIDTH])]
        })
        .collect();
    let mut bytes = Vec::from(b"GGUF");
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(4u64.to_le_bytes());
    for (key, value) in [("general.type", "adapter"), ("general.architecture", "llama"), ("adapter.type", "lora")] {
        text(&mut bytes, key);
        bytes.extend(8u32.to_le_bytes());
        text(&mut bytes, value);
    }
    text(&mut bytes, "adapter.lora.alpha");
    bytes.extend(6u32.to_le_bytes());
    bytes.extend((RANK as f32).to_le_bytes());
    let mut offset = 0u64;
    for (name, size) in &tensors {
        text(&mut bytes, name);
        bytes.extend(2u32.to_le_bytes());
        size.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        offset = (offset + 4 * size[0] * size[1]).next_multiple_of(32);
    }
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    for (_, size) in &tensors {
        for _ in 0..size[0] * size[1] {
            bytes.extend((chance.below(2001) as f32 / 4e3 - 0.25).to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
    }
    std::fs::write(path, bytes).unwrap();
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The test model with two adapters.
fn with_adapters(directory: &Path) -> EngineConfig {
    let adapters = ["first", "second"].into_iter().zip(1..).map(|(name, seed)| {
        let path = directory.join(name);
        write_adapter(&path, seed, INNER);
        (name.to_owned(), path)
    });
    EngineConfig { adapters: adapters.collect(), ..config() }
}

fn under(name: &str, scale: f32, mut request: GenerationRequest) -> GenerationRequest {
    request.options.adapter = Some(Adapter { name: name.to_owned(), scale });
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_changes_the_text_and_a_scale_of_zero_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let without = load(config()).await;
    let engine = load(with_adapters(directory.path())).await;
    assert_eq!(engine.adapters(), ["first", "second"]);
    let request = || ask("Why is the sea salty?", 12);
    let base = answer(&without, request()).await.unwrap().text;
    let first = answer(&engine, under("first", 1.0, request())).await.unwrap().text;
    assert_eq!(answer(&engine, request()).await.unwrap().text, base);
    let second = answer(&engine, under("second", 1.0, request())).await.unwrap().text;
    assert_eq!(answer(&engine, under("first", 0.0, request())).await.unwrap().text, base);
    assert!(base != first && base != second && first != second, "{base} / {first} / {second}");
    let unknown = answer(&engine, under("third", 1.0, request())).await.unwrap_err();
    assert_eq!(unknown.kind(), GenerateErrorKind::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_adapter_read_is_not_reused_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let engine = load(with_adapters(directory.path())).await;
    let instructions = "You count the mills by the river and write down who owns them. ".repeat(6);
    let request = || ask(format!("{instructions} Begin."), 6);
    let reused = async |request| answer(&engine, request).await.unwrap().usage.cached_tokens;
    assert_eq!(reused(under("first", 1.0, request())).await, 0);
    assert!(reused(under("first", 1.0, request())).await >= 64);
    assert_eq!(reused(request()).await, 0);
    assert_eq!(reused(under("second", 1.0, request())).await, 0);
    assert_eq!(reused(under("first", 0.5, request())).await, 0);
    assert!(reused(under("first", 0.0, request())).await >= 64, "it is the model alone");
}

/// Requests under two adapters, at two scales and without any, interleaved by chance.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_depends_on_its_prompt_and_its_adapter_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut requests = Vec::new();
    for count in [4, 12, 13] {
        let prompt = format!("Numbers: {}. Which is the largest?", "17 mills, ".repeat(count));
        requests.push(ask(prompt.clone(), 5));
        for (name, scale) in [("first", 1.0), ("first", 0.5), ("second", 1.0)] {
            requests.push(under(name, scale, ask(prompt.clone(), 5)));
        }
    }
    let cold = alone_and_cold(with_adapters(directory.path()), requests).await;
    let engine = load(with_adapters(directory.path())).await;
    let [finished, left, reused] = support::interleavings(&engine, &cold, 4).await;
    assert!(finished > 4 && left > 0 && reused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_of_another_model_is_an_error_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("narrow");
    write_adapter(&path, 1, INNER / 2);
    let narrow = EngineConfig { adapters: vec![("narrow".to_owned(), path.clone())], ..config() };
    let error = tokio::task::spawn_blocking(|| Engine::load(narrow)).await.unwrap().err().unwrap();
    assert!(matches!(error, LoadError::Adapter { .. }), "{error:?}");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    let truncated = EngineConfig { adapters: vec![("narrow".to_owned(), path.clone())], ..config() };
    assert!(tokio::task::spawn_blocking(|| Engine::load(truncated)).await.unwrap().is_err());
    // A model is no adapter, and a name stands for one thing.
    for adapters in [vec![("model".to_owned(), support::model())], vec![("smollm2-135m".to_owned(), path)]] {
        let config = EngineConfig { adapters, ..config() };
        assert!(tokio::task::spawn_blocking(|| Engine::load(config)).await.unwrap().is_err());
    }
}
