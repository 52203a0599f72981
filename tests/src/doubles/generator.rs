//! A generator that says what a test tells it to.
//!
//! Its tokens are words. Stricter than the real part: it asserts that nobody asks it while it is off, and it serves
//! one request at a time, so a stream that is held keeps the next one waiting.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wellspring_core::generator::{
    FinishReason, GenerateError, GenerateErrorKind, Generation, GenerationEvent, GenerationRequest, Generator,
    GeneratorStatus, Usage,
};
use wellspring_core::limits;

/// The name it is ready under.
pub const MODEL: &str = "scripted";

/// A generator with a script.
pub struct ScriptedGenerator {
    text: String,
    pause: Duration,
    fails_after: Option<usize>,
    context_tokens: usize,
    status: Mutex<GeneratorStatus>,
    requests: Mutex<Vec<GenerationRequest>>,
    turn: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl ScriptedGenerator {
    /// Says this to every question, and is ready.
    pub fn saying(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            pause: Duration::ZERO,
            fails_after: None,
            context_tokens: limits::GENERATOR_CONTEXT_TOKENS as usize,
            status: Mutex::new(GeneratorStatus::Ready { model: MODEL.to_owned() }),
            requests: Mutex::new(Vec::new()),
            turn: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(limits::GENERATOR_QUEUE_MAX + 1)),
        }
    }

    /// Takes this long for every word.
    pub fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Fails in every text after so many words.
    pub fn failing_after(self, words: usize) -> Self {
        Self { fails_after: Some(words), ..self }
    }

    /// Reads no more words than this, prompt and text together.
    pub fn with_context(self, context_tokens: usize) -> Self {
        Self { context_tokens, ..self }
    }

    /// Is in another state from now on.
    pub fn set_status(&self, status: GeneratorStatus) {
        *self.status.lock().expect("nobody panics while holding it") = status;
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<GenerationRequest> {
        self.requests.lock().expect("nobody panics while holding it").clone()
    }

    /// The words of one answer and why they end. Sampling begins the text at another word for every seed.
    fn words(&self, request: &GenerationRequest, room: usize) -> (Vec<String>, FinishReason) {
        let mut words: Vec<&str> = self.text.split_inclusive(' ').collect();
        if request.temperature > 0.0 && !words.is_empty() {
            let first = request.seed as usize % words.len();
            words.rotate_left(first);
        }
        let text = words.concat();
        let stop = request.stop.iter().filter_map(|stop| text.find(stop.as_str())).min();
        let mut words: Vec<String> =
            text[..stop.unwrap_or(text.len())].split_inclusive(' ').map(str::to_owned).collect();
        let tokens_max = request.tokens_max.min(room);
        let reason = if words.len() > tokens_max { FinishReason::Length } else { FinishReason::Stop };
        words.truncate(tokens_max);
        (words, reason)
    }
}

#[async_trait]
impl Generator for ScriptedGenerator {
    fn status(&self) -> GeneratorStatus {
        self.status.lock().expect("nobody panics while holding it").clone()
    }

    async fn generate(&self, request: GenerationRequest) -> Result<Generation, GenerateError> {
        let status = self.status();
        assert_ne!(status, GeneratorStatus::Off, "a generator that is off was asked");
        if !matches!(status, GeneratorStatus::Ready { .. }) {
            return Err(GenerateError::new(GenerateErrorKind::Unavailable, "the script has not begun"));
        }
        let prompt_tokens = request.messages.iter().map(|message| message.content.split_whitespace().count() + 1).sum();
        if prompt_tokens >= self.context_tokens {
            let attempted = format!("the prompt has {prompt_tokens} tokens, the context {}", self.context_tokens);
            return Err(GenerateError::new(GenerateErrorKind::Refused, attempted));
        }
        let malformed = request.messages.is_empty()
            || request.tokens_max == 0
            || !(0.0..=2.0).contains(&request.temperature)
            || request.stop.iter().any(String::is_empty);
        if malformed {
            return Err(GenerateError::new(GenerateErrorKind::Refused, "the request is malformed"));
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| GenerateError::new(GenerateErrorKind::Busy, "too many requests wait for the script"))?;
        self.requests.lock().expect("nobody panics while holding it").push(request.clone());
        let (words, reason) = self.words(&request, self.context_tokens - prompt_tokens);
        let usage = Usage { prompt_tokens, cached_tokens: 0, completion_tokens: words.len() };
        let mut events: Vec<Result<GenerationEvent, GenerateError>> =
            words.into_iter().map(|word| Ok(GenerationEvent::Text(word))).collect();
        match self.fails_after {
            Some(words) => {
                events.truncate(words);
                let died = GenerateError::new(GenerateErrorKind::Interrupted, "the script says to fail here");
                events.push(Err(died));
            }
            None => events.push(Ok(GenerationEvent::Done { reason, usage })),
        }
        Ok(one_at_a_time(events, self.pause, Arc::clone(&self.turn), place))
    }
}

/// Events in a paced stream that begins when it is its turn. Its place and its turn are given back when it ends or
/// is dropped.
fn one_at_a_time(
    events: Vec<Result<GenerationEvent, GenerateError>>,
    pause: Duration,
    turn: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
) -> Generation {
    let begin = async move {
        let turn = turn.acquire_owned().await.expect("the semaphore is never closed");
        stream::unfold((events.into_iter(), turn, place), move |(mut events, turn, place)| async move {
            let event = events.next()?;
            tokio::time::sleep(pause).await;
            Some((event, (events, turn, place)))
        })
    };
    stream::once(begin).flatten().boxed()
}
