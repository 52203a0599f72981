//! Do the slots of one generator leave each other alone, and is nothing left of those who left?

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it counted"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use wellspring_core::generator::{
    FinishReason, GenerateErrorKind, GenerationOptions, GenerationRequest, Generator, TextForm,
};
use wellspring_core::limits;
use wellspring_generate::{CacheType, Engine, EngineConfig};

mod support;

use support::{Answer, Chance, alone_and_cold, answer, ask, config, load, read, until};

/// Interleavings of the ordinary test.
const INTERLEAVINGS: u64 = 6;
/// Another number of them, for the long test.
const INTERLEAVINGS_ASKED: &str = "WELLSPRING_TEST_INTERLEAVINGS";
/// Another model's file, for the long test: others are computed by other routines.
const MODEL: &str = "WELLSPRING_TEST_ISOLATION_MODEL";
async fn engine() -> Engine {
    load(config()).await
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

/// All of them on one engine; says what it counted.
async fn interleavings(count: u64, tokens_max: usize) {
    let requests = prompts().into_iter().map(|prompt| ask(prompt, tokens_max)).collect();
    let cold = alone_and_cold(isolated_config(), requests).await;
    let engine = load(isolated_config()).await;
    let [finished, left, reused] = support::interleavings(&engine, &cold, count).await;
    println!(
        "{count} interleavings: {finished} texts as alone and cold, {left} left on the way, {reused} tokens reused"
    );
    assert!(finished > count && left > 0 && reused > 0);
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
    if cfg!(target_arch = "x86_64") {
        assert_eq!(now.streams_per_batch, 4, "this model's texts are the same side by side");
    }
    assert!(now.cache_bytes > 0 && now.read_tokens_per_second > 0.0 && now.first_token_ms.p95 > 0.0, "{now:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_a_cache_in_8_bits_are_written_apart() {
    let engine = load(EngineConfig { cache_type: CacheType::Q8, ..config() }).await;
    answer(&engine, ask("Why is the sea salty?", 3)).await.unwrap();
    assert_eq!(engine.statistics().unwrap().streams_per_batch, 1);
}

/// Of those who come at once with the same instructions, one reads them.
#[tokio::test(flavor = "multi_thread")]
async fn instructions_that_many_bring_at_once_are_read_once() {
    let instructions = "You count the mills by the river and write down who owns them. ".repeat(20);
    let prompt = |number: usize| ask(format!("{instructions} Mill {number} has which owner?"), 4);
    let cold = alone_and_cold(config(), (0..4).map(prompt).collect()).await;
    let engine = engine().await;
    let mut begun = Vec::new();
    for number in 0..4 {
        begun.push(engine.generate(prompt(number)).await.unwrap());
    }
    let mut reused = 0;
    for (generation, (_, cold)) in begun.into_iter().zip(&cold) {
        let written = read(generation).await.unwrap();
        assert_eq!(written.text, cold.text);
        reused += usize::from(written.usage.cached_tokens > 200);
    }
    assert_eq!(reused, 3);
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
            Err(error) if error.kind() != GenerateErrorKind::Busy => break error,
            // The drain has not begun: who came before it waits, or fills the queue.
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
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
    let grammars =
        ["root ::= (", "root ::= \"a\"{5,2}", "root ::= [z-a]"].map(|text| TextForm::Grammar(text.to_owned()));
    let schemas = [
        "{",
        r#"{"type":"array","minItems":5,"maxItems":2,"items":{"type":"integer"}}"#,
        r#"{"type":"string","minLength":5,"maxLength":2}"#,
        r#"{"type":"string","pattern":"^a{5,2}$"}"#,
        r#"{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":6}"#,
    ]
    .map(|text| TextForm::JsonSchema(text.to_owned()));
    // A text in twice as many places with each token.
    let slow = TextForm::Grammar("root ::= s\ns ::= \"a\" s \"b\" | \"a\" s \"c\"".to_owned());
    let refused = answer(&engine, GenerationRequest { tokens_max: 300, ..with(slow) }).await.unwrap_err();
    assert_eq!(refused.kind(), GenerateErrorKind::Refused);
    assert!(refused.chain().contains("took longer"), "{}", refused.chain());
    for broken in grammars.into_iter().chain(schemas) {
        let refused = answer(&engine, with(broken)).await.unwrap_err();
        assert_eq!(refused.kind(), GenerateErrorKind::Refused, "{}", refused.chain());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_likely_tokens_were_is_told_with_their_text() {
    let engine = engine().await;
    let asked = |count, temperature| {
        let options = GenerationOptions { likely_tokens: Some(count), ..GenerationOptions::default() };
        GenerationRequest { options, temperature, ..ask("Why is the sea salty?", 12) }
    };
    let Answer { text, usage, tokens, .. } = answer(&engine, asked(3, 0.0)).await.unwrap();
    assert_eq!(answer(&engine, ask("Why is the sea salty?", 12)).await.unwrap().text, text);
    assert_eq!(tokens.len(), usage.completion_tokens);
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.token.bytes.clone()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    for token in &tokens {
        assert_eq!(token.likeliest.len(), 3);
        assert_eq!(token.likeliest[0], token.token, "greedy text takes the likeliest");
        assert!(token.likeliest.is_sorted_by(|a, b| a.logprob >= b.logprob) && token.token.logprob <= 0.0);
        assert!(token.likeliest.iter().map(|token| token.logprob.exp()).sum::<f32>() <= 1.0 + 1e-4);
    }
    let sampled = answer(&engine, asked(0, 1.5)).await.unwrap();
    assert!(sampled.tokens.iter().all(|token| token.likeliest.is_empty() && token.token.logprob < 0.0));
}
