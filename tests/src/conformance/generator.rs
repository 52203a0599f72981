//! Does a generator keep its contract?
//!
//! Written against the trait alone. The generator must be ready, idle, and able to write more than a few words to a
//! simple question.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use futures::StreamExt;
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, GenerationEvent, GenerationOptions, GenerationRequest, Generator,
    GeneratorStatus, Message, Role, Usage,
};

/// A question that every model answers at length.
const QUESTION: &str = "Write a long story about a river, a mill and a miller who could not swim.";
/// Another one, which shares nothing with it.
const OTHER: &str = "List the months of the year, one after another.";
/// A step is a token or a piece of a prompt; even on a busy machine some of them fit in here, and a whole text does
/// not.
const SOME_STEPS: Duration = Duration::from_secs(5);

/// The whole suite. `context_tokens` is what prompt and text may take together.
pub async fn conforms(generator: &dyn Generator, context_tokens: usize) {
    assert!(matches!(generator.status(), GeneratorStatus::Ready { .. }));
    ends_once_after_whole_pieces(generator).await;
    keeps_the_token_limit(generator).await;
    greedy_text_depends_on_its_prompt_alone(generator).await;
    same_seed_same_text(generator).await;
    stops_before_a_stop_text(generator).await;
    refuses_what_is_malformed(generator).await;
    refuses_a_prompt_longer_than_the_context(generator, context_tokens).await;
    a_dropped_stream_frees_the_generator(generator).await;
}

/// A greedy request of one turn.
pub fn ask(question: impl Into<String>, tokens_max: usize) -> GenerationRequest {
    let messages = vec![Message { role: Role::User, content: question.into() }];
    GenerationRequest {
        messages,
        tokens_max,
        temperature: 0.0,
        seed: 1,
        stop: vec![],
        options: GenerationOptions::default(),
    }
}

/// A text, its end and its cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// All pieces.
    pub text: String,
    /// Why it ended.
    pub reason: FinishReason,
    /// What it cost.
    pub usage: Usage,
}

/// Reads a generation to its end, holding it to the contract of a stream.
pub async fn answer(generator: &dyn Generator, request: GenerationRequest) -> Result<Answer, GenerateError> {
    let mut generation = generator.generate(request).await?;
    let mut text = String::new();
    loop {
        match generation.next().await.expect("a stream ends with Done or an error, not in silence")? {
            GenerationEvent::Text(piece) => {
                assert!(!piece.is_empty(), "an empty piece of text");
                text.push_str(&piece);
            }
            GenerationEvent::Tokens(_) => panic!("nobody asked how likely the tokens were"),
            GenerationEvent::Done { reason, usage } => {
                assert!(generation.next().await.is_none(), "something follows the end");
                return Ok(Answer { text, reason, usage });
            }
        }
    }
}

async fn ends_once_after_whole_pieces(generator: &dyn Generator) {
    let answer = answer(generator, ask(QUESTION, 12)).await.unwrap();
    assert!(!answer.text.is_empty());
    assert!((1..=12).contains(&answer.usage.completion_tokens));
    assert!(answer.usage.prompt_tokens > 0 && answer.usage.cached_tokens < answer.usage.prompt_tokens);
}

async fn keeps_the_token_limit(generator: &dyn Generator) {
    for tokens_max in [1, 3] {
        let answer = answer(generator, ask(QUESTION, tokens_max)).await.unwrap();
        assert_eq!((answer.reason, answer.usage.completion_tokens), (FinishReason::Length, tokens_max));
    }
}

async fn greedy_text_depends_on_its_prompt_alone(generator: &dyn Generator) {
    let first = answer(generator, ask(QUESTION, 24)).await.unwrap();
    let again = answer(generator, ask(QUESTION, 24)).await.unwrap();
    assert_eq!(first.text, again.text, "the same prompt again");
    let longer = format!("{QUESTION} The mill has a red door. {QUESTION}");
    for between in [OTHER.to_owned(), longer, QUESTION[..QUESTION.len() / 2].to_owned()] {
        answer(generator, ask(between, 9)).await.unwrap();
        let after = answer(generator, ask(QUESTION, 24)).await.unwrap();
        assert_eq!(first.text, after.text, "the same prompt after another one");
    }
}

async fn same_seed_same_text(generator: &dyn Generator) {
    let sampled = |seed| GenerationRequest { temperature: 1.0, seed, ..ask(QUESTION, 16) };
    let first = answer(generator, sampled(7)).await.unwrap();
    answer(generator, ask(OTHER, 5)).await.unwrap();
    let again = answer(generator, sampled(7)).await.unwrap();
    assert_eq!(first.text, again.text);
    let others = [answer(generator, sampled(8)).await.unwrap().text, answer(generator, sampled(9)).await.unwrap().text];
    assert!(others.iter().any(|other| *other != first.text), "every seed gives the same text");
}

async fn stops_before_a_stop_text(generator: &dyn Generator) {
    let whole = answer(generator, ask(QUESTION, 24)).await.unwrap().text;
    // From the middle of one word to the middle of another, so that it lies across tokens.
    let characters: Vec<char> = whole.chars().collect();
    let middle = characters.len() / 2;
    let stop: String = characters[middle - 4..middle + 3].iter().collect();
    let request = GenerationRequest { stop: vec!["never said ☃".to_owned(), stop.clone()], ..ask(QUESTION, 24) };
    let stopped = answer(generator, request).await.unwrap();
    let expected = whole.split_once(&stop).expect("the stop text is in the text").0;
    assert_eq!((stopped.text.as_str(), stopped.reason), (expected, FinishReason::Stop));
}

async fn refuses_what_is_malformed(generator: &dyn Generator) {
    let good = || ask(QUESTION, 4);
    let malformed = [
        GenerationRequest { messages: vec![], ..good() },
        GenerationRequest { tokens_max: 0, ..good() },
        GenerationRequest { temperature: -1.0, ..good() },
        GenerationRequest { temperature: f32::NAN, ..good() },
        GenerationRequest { stop: vec![String::new()], ..good() },
    ];
    for request in malformed {
        let description = format!("{request:?}");
        let error = answer(generator, request).await.expect_err(&description);
        assert_eq!(error.kind(), GenerateErrorKind::Refused, "{description}");
    }
}

async fn refuses_a_prompt_longer_than_the_context(generator: &dyn Generator, context_tokens: usize) {
    let error = answer(generator, ask("river ".repeat(context_tokens + 1), 4)).await.expect_err("it is too long");
    assert_eq!(error.kind(), GenerateErrorKind::Refused);
    let message = error.to_string();
    assert!(message.contains(&context_tokens.to_string()), "the limit is not in: {message}");
    assert!(!message.contains("river"), "the prompt is in: {message}");
    answer(generator, ask(QUESTION, 1)).await.expect("a refusal leaves the generator as it was");
}

async fn a_dropped_stream_frees_the_generator(generator: &dyn Generator) {
    let mut generation = generator.generate(ask(QUESTION, 100_000)).await.unwrap();
    generation.next().await.expect("a first piece").unwrap();
    // Another one waits behind it, and nobody waits for that one either.
    drop(generator.generate(ask(OTHER, 100_000)).await.unwrap());
    drop(generation);
    let dropped = Instant::now();
    answer(generator, ask(QUESTION, 1)).await.unwrap();
    let waited = dropped.elapsed();
    assert!(waited < SOME_STEPS, "the next request waited {waited:?}");
}
