//! What do the tests of the engine have in common?

#![allow(dead_code, reason = "every test uses a part of it")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::StreamExt;
use wellspring_core::generator::{
    FinishReason, GenerateError, Generation, GenerationEvent, GenerationOptions, GenerationRequest, Generator,
    GeneratorStatistics, Message, Role, Template, Usage, WrittenToken,
};
use wellspring_generate::{Engine, EngineConfig};

/// Requests that are begun in one interleaving.
const REQUESTS: u64 = 6;

/// A text, its end and its cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
    pub(crate) tokens: Vec<WrittenToken>,
}

/// The model for tests.
pub(crate) fn model() -> PathBuf {
    let directory = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("there is a home directory");
        PathBuf::from(home).join(".local/share/wellspring/models")
    });
    let model = directory.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(model.is_file(), "{} is missing; run: wellspring models pull --set test", model.display());
    model
}

/// One thread: on a busy machine several wait for each other more than they compute.
pub(crate) fn config() -> EngineConfig {
    EngineConfig { context_tokens: 1024, threads: 1, ..EngineConfig::new(model(), "smollm2-135m") }
}

pub(crate) async fn load(config: EngineConfig) -> Engine {
    tokio::task::spawn_blocking(|| Engine::load(config)).await.unwrap().expect("the model loads")
}

/// A greedy request of one turn.
pub(crate) fn ask(question: impl Into<String>, tokens_max: usize) -> GenerationRequest {
    let messages = vec![Message { role: Role::User, content: question.into() }];
    let options = GenerationOptions::default();
    GenerationRequest { messages, tokens_max, temperature: 0.0, seed: 1, stop: vec![], options }
}

pub(crate) async fn answer(generator: &dyn Generator, request: GenerationRequest) -> Result<Answer, GenerateError> {
    read(generator.generate(request).await?).await
}

pub(crate) async fn read(mut generation: Generation) -> Result<Answer, GenerateError> {
    let (mut text, mut tokens) = (String::new(), Vec::new());
    loop {
        match generation.next().await.expect("a stream has an end")? {
            GenerationEvent::Text(piece) => text.push_str(&piece),
            GenerationEvent::Tokens(more) => tokens.extend(more),
            GenerationEvent::Done { reason, usage } => return Ok(Answer { text, reason, usage, tokens }),
        }
    }
}

/// Numbers by chance, from a seed that is printed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Weyl's sequence, mixed: every seed is good.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What each request becomes alone, with nothing of it in the cache.
pub(crate) async fn alone_and_cold(
    config: EngineConfig,
    requests: Vec<GenerationRequest>,
) -> Vec<(GenerationRequest, Answer)> {
    let mut answers = Vec::new();
    let engine = load(EngineConfig { slots: 1, ..config }).await;
    for request in requests {
        let cold = answer(&engine, request.clone()).await.unwrap();
        assert_eq!(cold.usage.cached_tokens, 0);
        answers.push((request, cold));
        // Another text without a template shares no token with the next prompt and takes the only slot.
        let options = GenerationOptions { template: Template::Plain, ..GenerationOptions::default() };
        answer(&engine, GenerationRequest { options, ..ask("Nothing of this is asked again.", 1) }).await.unwrap();
    }
    answers
}

/// Begins, ends and leaves requests by chance; every text that was read to its end is the one of a cold engine.
/// Returns how many were read to their end, how many were left, and how many prompt tokens were reused.
pub(crate) async fn interleave(engine: &Engine, cold: &[(GenerationRequest, Answer)], seed: u64) -> [u64; 3] {
    let mut chance = Chance(seed);
    let mut ends = Vec::new();
    for _ in 0..REQUESTS {
        let asked = chance.below(cold.len() as u64) as usize;
        let (leaves, events, pause) = (chance.below(3) == 0, chance.below(4), chance.below(60));
        let mut generation = match engine.generate(cold[asked].0.clone()).await {
            Ok(generation) => generation,
            Err(error) => panic!("seed {seed}: {}", error.chain()),
        };
        ends.push(tokio::spawn(async move {
            if leaves {
                // In the queue, in the middle of its prompt, or after some tokens.
                let _ = tokio::time::timeout(Duration::from_millis(pause), async {
                    for _ in 0..events {
                        generation.next().await;
                    }
                })
                .await;
                return None;
            }
            Some((asked, read(generation).await.unwrap()))
        }));
        tokio::time::sleep(Duration::from_millis(chance.below(40))).await;
    }
    let mut counts = [0; 3];
    for end in ends {
        let Some((asked, answer)) = end.await.unwrap() else {
            counts[1] += 1;
            continue;
        };
        let (request, alone) = &cold[asked];
        let adapter = &request.options.adapter;
        let cached = answer.usage.cached_tokens;
        assert_eq!(answer.text, alone.text, "seed {seed}, {adapter:?}: {cached} tokens were reused");
        assert_eq!(answer.usage.completion_tokens, alone.usage.completion_tokens, "seed {seed}");
        counts[0] += 1;
        counts[2] += cached as u64;
    }
    counts
}

/// So many of them on one engine; returns the sums of their counts.
pub(crate) async fn interleavings(engine: &Engine, cold: &[(GenerationRequest, Answer)], count: u64) -> [u64; 3] {
    let mut sums = [0; 3];
    for seed in 0..count {
        let counts = interleave(engine, cold, seed).await;
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    until(engine, |now| now.slots_used == 0 && now.waiting == 0).await;
    sums
}

/// Waits until an engine's numbers are as wanted.
pub(crate) async fn until(engine: &Engine, wanted: impl Fn(&GeneratorStatistics) -> bool) -> GeneratorStatistics {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let now = engine.statistics().unwrap();
        if wanted(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "still {now:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
