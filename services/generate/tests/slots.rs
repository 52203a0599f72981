//! Do the slots of one generator leave each other alone, and is nothing left of those who left?

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it counted"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, Generation, GenerationEvent, GenerationOptions, GenerationRequest,
    Generator, GeneratorStatistics, Message, Role, Template, TextForm, Usage,
};
use wellspring_core::limits;
use wellspring_generate::{Engine, EngineConfig};

/// Interleavings of the ordinary test.
const INTERLEAVINGS: u64 = 6;
/// Another number of them, for the long test.
const INTERLEAVINGS_ASKED: &str = "WELLSPRING_TEST_INTERLEAVINGS";
/// Another model's file, for the long test: others are computed by other routines.
const MODEL: &str = "WELLSPRING_TEST_ISOLATION_MODEL";
/// Requests that are begun in one interleaving.
const REQUESTS: u64 = 6;

/// A text, its end and its cost.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    text: String,
    reason: FinishReason,
    usage: Usage,
}

/// The model for tests.
fn model() -> PathBuf {
    let directory = std::env::var_os("WELLSPRING_MODELS_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("there is a home directory");
        PathBuf::from(home).join(".local/share/wellspring/models")
    });
    let model = directory.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(model.is_file(), "{} is missing; run: wellspring models pull --set test", model.display());
    model
}

/// One thread: on a busy machine several wait for each other more than they compute.
fn config() -> EngineConfig {
    EngineConfig { context_tokens: 1024, threads: 1, ..EngineConfig::new(model(), "smollm2-135m") }
}

async fn engine() -> Engine {
    load(config()).await
}

/// A greedy request of one turn.
fn ask(question: impl Into<String>, tokens_max: usize) -> GenerationRequest {
    let messages = vec![Message { role: Role::User, content: question.into() }];
    let options = GenerationOptions::default();
    GenerationRequest { messages, tokens_max, temperature: 0.0, seed: 1, stop: vec![], options }
}

async fn answer(generator: &dyn Generator, request: GenerationRequest) -> Result<Answer, GenerateError> {
    read(generator.generate(request).await?).await
}

/// Numbers by chance, from a seed that is printed.
struct Chance(u64);

impl Chance {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        // Weyl's sequence, mixed: every seed is good.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Prompts that share beginnings of many lengths; some are longer than the cache is searched in one part.
fn prompts() -> Vec<String> {
    let words: Vec<String> = (0..130).map(|number| format!("{} mills", number * 7919 % 1000)).collect();
    let mut prompts = Vec::new();
    for (first, shared) in [(0, 3), (0, 9), (0, 10), (0, 17), (0, 24), (60, 8), (60, 21)] {
        let list = words[first..first + shared].join(", ");
        prompts.push(format!("Numbers: {list}. Which is the largest, and why?"));
        prompts.push(format!("Numbers: {list}; tell me a story about them."));
    }
    prompts.push(format!("Numbers: {}. Which is the largest, and why?", words[..130].join(", ")));
    prompts.extend(["Why is the sea salty?", "Why is the sea blue?", "?"].map(str::to_owned));
    prompts
}

fn isolated_config() -> EngineConfig {
    let model = std::env::var_os(MODEL).map_or(config().model, PathBuf::from);
    EngineConfig { model, ..config() }
}

async fn load(config: EngineConfig) -> Engine {
    tokio::task::spawn_blocking(|| Engine::load(config)).await.unwrap().expect("the model loads")
}

/// What each prompt becomes alone, with nothing of it in the cache.
async fn alone_and_cold(prompts: &[String], tokens_max: usize) -> BTreeMap<String, Answer> {
    let mut answers = BTreeMap::new();
    let engine = load(EngineConfig { slots: 1, ..isolated_config() }).await;
    for prompt in prompts {
        let cold = answer(&engine, ask(prompt.clone(), tokens_max)).await.unwrap();
        assert_eq!(cold.usage.cached_tokens, 0);
        answers.insert(prompt.clone(), cold);
        // Another text without a template shares no token with the next prompt and takes the only slot.
        let options = GenerationOptions { template: Template::Plain, ..GenerationOptions::default() };
        answer(&engine, GenerationRequest { options, ..ask("Nothing of this is asked again.", 1) }).await.unwrap();
    }
    answers
}

/// Begins, ends and leaves requests by chance; every text that was read to its end is the one of a cold engine.
/// Returns how many were read to their end, how many were left, and how many prompt tokens were reused.
async fn interleave(engine: &Engine, cold: &BTreeMap<String, Answer>, seed: u64, tokens_max: usize) -> [u64; 3] {
    let mut chance = Chance(seed);
    let prompts: Vec<&String> = cold.keys().collect();
    let mut ends = Vec::new();
    for _ in 0..REQUESTS {
        let prompt = prompts[chance.below(prompts.len() as u64) as usize].clone();
        let (leaves, events, pause) = (chance.below(3) == 0, chance.below(4), chance.below(60));
        let mut generation = match engine.generate(ask(prompt.clone(), tokens_max)).await {
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
            Some((prompt, read(generation).await.unwrap()))
        }));
        tokio::time::sleep(Duration::from_millis(chance.below(40))).await;
    }
    let mut counts = [0; 3];
    for end in ends {
        let Some((prompt, answer)) = end.await.unwrap() else {
            counts[1] += 1;
            continue;
        };
        let alone = &cold[&prompt];
        assert_eq!(answer.text, alone.text, "seed {seed}: {} tokens were reused", answer.usage.cached_tokens);
        assert_eq!(answer.usage.completion_tokens, alone.usage.completion_tokens, "seed {seed}");
        counts[0] += 1;
        counts[2] += answer.usage.cached_tokens as u64;
    }
    counts
}

async fn read(mut generation: Generation) -> Result<Answer, GenerateError> {
    let mut text = String::new();
    loop {
        match generation.next().await.expect("a stream has an end")? {
            GenerationEvent::Text(piece) => text.push_str(&piece),
            GenerationEvent::Done { reason, usage } => return Ok(Answer { text, reason, usage }),
        }
    }
}

async fn interleavings(count: u64, tokens_max: usize) {
    let cold = alone_and_cold(&prompts(), tokens_max).await;
    let engine = load(isolated_config()).await;
    let mut sums = [0; 3];
    for seed in 0..count {
        let counts = interleave(&engine, &cold, seed, tokens_max).await;
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    let [finished, left, reused] = sums;
    println!(
        "{count} interleavings: {finished} texts as alone and cold, {left} left on the way, {reused} tokens reused"
    );
    assert!(finished > count && left > 0 && reused > 0);
    until(&engine, |now| now.slots_used == 0 && now.waiting == 0).await;
}

/// Waits until an engine's numbers are as wanted.
async fn until(engine: &Engine, wanted: impl Fn(&GeneratorStatistics) -> bool) -> GeneratorStatistics {
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

/// The same greedy text alone and cold, with a reused prefix, beside others, and after neighbours that left anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_depends_on_its_prompt_alone() {
    interleavings(INTERLEAVINGS, 5).await;
}

/// The same, as long as is asked for: `WELLSPRING_TEST_INTERLEAVINGS=1000`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long; run it when the engine changes"]
async fn a_text_depends_on_its_prompt_alone_in_many_interleavings() {
    let count = std::env::var(INTERLEAVINGS_ASKED).map_or(100, |count| count.parse().expect("a number"));
    interleavings(count, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_written_side_by_side() {
    let engine = engine().await;
    let mut long = engine.generate(ask("Tell a long story.", 200)).await.unwrap();
    long.next().await.unwrap().unwrap();
    let short = answer(&engine, ask("Why is the sea salty?", 3)).await.unwrap();
    assert_eq!(short.usage.completion_tokens, 3);
    // The long one goes on.
    let now = until(&engine, |now| now.slots_used == 1 && now.finished == 1).await;
    assert_eq!(now.slots, limits::GENERATOR_SLOTS);
    assert!(now.cache_bytes > 0 && now.read_tokens_per_second > 0.0 && now.first_token_ms.p95 > 0.0, "{now:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_in_a_busy_slot_is_reused_by_others() {
    let engine = engine().await;
    let instructions = "You count the mills by the river and write down who owns them. ".repeat(8);
    let mut busy = engine.generate(ask(format!("{instructions} First."), 300)).await.unwrap();
    busy.next().await.unwrap().unwrap();
    let other = answer(&engine, ask(format!("{instructions} Second."), 4)).await.unwrap();
    assert!(other.usage.cached_tokens >= 64, "{:?}", other.usage);
    let cold = load(EngineConfig { slots: 1, ..config() }).await;
    assert_eq!(answer(&cold, ask(format!("{instructions} Second."), 4)).await.unwrap().text, other.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_many_requests_does_not_keep_another_waiting() {
    let engine = load(EngineConfig { slots: 1, ..config() }).await;
    let of = |caller: &str| {
        let options = GenerationOptions { caller: Some(caller.to_owned()), ..GenerationOptions::default() };
        GenerationRequest { options, ..ask("Tell a story.", 4) }
    };
    let many: Vec<_> = {
        let mut many = Vec::new();
        for _ in 0..6 {
            many.push(engine.generate(of("many")).await.unwrap());
        }
        many
    };
    let one = engine.generate(of("one")).await.unwrap();
    read(one).await.unwrap();
    let finished = engine.statistics().unwrap().finished;
    assert!(finished <= 3, "{finished} were finished before the other caller's turn");
    for generation in many {
        read(generation).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_cancelled_streams_leave_nothing() {
    let engine = Arc::new(engine().await);
    let mut chance = Chance(500);
    let (mut cancelled, mut level) = (0, 0);
    while cancelled < 500 {
        let mut burst = Vec::new();
        while burst.len() < limits::GENERATOR_QUEUE_MAX + limits::GENERATOR_SLOTS {
            let prompt = format!("Tell a story about the number {}.", chance.below(1000));
            match engine.generate(ask(prompt, 900)).await {
                Ok(generation) => burst.push(generation),
                // The places of the last burst are being given back.
                Err(error) => {
                    assert_eq!(error.kind(), GenerateErrorKind::Busy);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        assert_eq!(engine.generate(ask("?", 1)).await.err().unwrap().kind(), GenerateErrorKind::Busy);
        if chance.below(2) == 0 {
            burst[0].next().await.unwrap().unwrap();
        }
        cancelled += burst.len();
        drop(burst);
        until(&engine, |now| now.cancelled == cancelled as u64 && now.slots_used == 0 && now.waiting == 0).await;
        if level == 0 {
            level = resident_bytes();
        }
    }
    let now = engine.statistics().unwrap();
    assert_eq!((now.accepted, now.cancelled, now.finished, now.failed), (cancelled as u64, cancelled as u64, 0, 0));
    let grown = resident_bytes().saturating_sub(level);
    println!("{cancelled} cancelled; memory grew by {grown} bytes after the first 20");
    // An allocator keeps some pages; a leak of a slot's memory would be many times this.
    assert!(grown < 16 << 20, "memory grew by {grown} bytes");
    answer(&*engine, ask("?", 1)).await.unwrap();
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_place_is_told_when_to_come_again() {
    let engine = load(EngineConfig { slots: 1, ..config() }).await;
    let mut held = Vec::new();
    for _ in 0..limits::GENERATOR_QUEUE_MAX + 1 {
        held.push(engine.generate(ask("Tell a story.", 500)).await.unwrap());
    }
    let refusal = engine.generate(ask("?", 1)).await.err().unwrap();
    assert_eq!(refusal.kind(), GenerateErrorKind::Busy);
    assert!(refusal.retries_after().is_some_and(|pause| pause >= Duration::from_secs(1)));
    assert_eq!(engine.statistics().unwrap().busy, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_generation() {
    let engine = engine().await;
    let options = GenerationOptions { deadline: Some(Duration::from_millis(300)), ..GenerationOptions::default() };
    let late = answer(&engine, GenerationRequest { options, ..ask("Tell a long story.", 900) }).await.unwrap_err();
    assert_eq!((late.kind(), late.to_string().as_str()), (GenerateErrorKind::Interrupted, "the request's time is up"));
    until(&engine, |now| now.slots_used == 0 && now.failed == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_ends_and_newcomers_are_refused_while_it_drains() {
    let engine = Arc::new(engine().await);
    let running = tokio::spawn(read(engine.generate(ask("Tell a long story.", 12)).await.unwrap()));
    let draining = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.drain(Duration::from_secs(60)).await }
    });
    let refusal = loop {
        match engine.generate(ask("?", 1)).await {
            Ok(generation) => drop(generation),
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.kind(), GenerateErrorKind::Unavailable);
    let Answer { reason, usage, .. } = running.await.unwrap().unwrap();
    assert_eq!((reason, usage.completion_tokens), (FinishReason::Length, 12));
    assert!(draining.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_kept_or_refused() {
    let engine = engine().await;
    let with = |form| GenerationRequest {
        options: GenerationOptions { form, ..GenerationOptions::default() },
        ..ask("What is the capital of France?", 24)
    };
    let choice = answer(&engine, with(TextForm::Grammar("root ::= \"yes\" | \"no\"".to_owned()))).await.unwrap();
    assert!(["yes", "no"].contains(&choice.text.as_str()), "{choice:?}");
    let schema =
        r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}"#;
    let object = answer(&engine, with(TextForm::JsonSchema(schema.to_owned()))).await.unwrap();
    let value: serde_json::Value = serde_json::from_str(&object.text).expect(&object.text);
    assert!(value["n"].is_i64(), "{value}");
    for broken in [TextForm::Grammar("root ::= (".to_owned()), TextForm::JsonSchema("{".to_owned())] {
        let refused = answer(&engine, with(broken)).await.unwrap_err();
        assert_eq!(refused.kind(), GenerateErrorKind::Refused, "{}", refused.chain());
    }
}
