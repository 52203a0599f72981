//! Does a request find its generator, whatever the others do?

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use wellspring_core::generator::{FinishReason, GenerationEvent, GenerationOptions, GeneratorStatistics, Usage};

use super::*;

/// What a generator does with its next request.
#[derive(Debug, Clone)]
enum Act {
    /// Writes these words and ends.
    Write(&'static [&'static str]),
    /// Writes one word and breaks off.
    Break,
    Refuse(GenerateErrorKind),
    /// Says when to come again.
    BusyFor(Duration),
    /// Accepts, and is silent.
    Silence,
}

struct Actor {
    status: Mutex<GeneratorStatus>,
    acts: Mutex<VecDeque<Act>>,
    slots: usize,
    asked: Mutex<usize>,
}

impl Actor {
    fn new(model: &str, acts: &[Act]) -> Arc<Self> {
        Arc::new(Self {
            status: Mutex::new(GeneratorStatus::Ready { model: model.to_owned() }),
            acts: Mutex::new(acts.iter().cloned().collect()),
            slots: 2,
            asked: Mutex::new(0),
        })
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

#[async_trait]
impl Generator for Actor {
    fn status(&self) -> GeneratorStatus {
        self.status.lock().unwrap().clone()
    }

    fn statistics(&self) -> Option<GeneratorStatistics> {
        Some(GeneratorStatistics { slots: self.slots, ..GeneratorStatistics::default() })
    }

    async fn generate(&self, _request: GenerationRequest) -> Result<Generation, GenerateError> {
        *self.asked.lock().unwrap() += 1;
        let act = self.acts.lock().unwrap().pop_front().unwrap_or(Act::Write(&["word"]));
        let text = |word: &str| Ok(GenerationEvent::Text(word.to_owned()));
        let events = match act {
            Act::Refuse(kind) => return Err(GenerateError::new(kind, "planned")),
            Act::BusyFor(pause) => {
                return Err(GenerateError::new(GenerateErrorKind::Busy, "planned").retry_after(pause));
            }
            Act::Silence => return Ok(stream::pending().boxed()),
            Act::Break => vec![text("word"), Err(GenerateError::new(GenerateErrorKind::Interrupted, "planned"))],
            Act::Write(words) => {
                let usage = Usage { prompt_tokens: 300, cached_tokens: 100, completion_tokens: words.len() };
                let done = Ok(GenerationEvent::Done { reason: FinishReason::Stop, usage });
                words.iter().map(|word| text(word)).chain([done]).collect()
            }
        };
        let paced = stream::iter(events).then(|event| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            event
        });
        Ok(paced.boxed())
    }
}

fn request() -> GenerationRequest {
    GenerationRequest {
        messages: Vec::new(),
        tokens_max: 8,
        temperature: 0.0,
        seed: 0,
        stop: Vec::new(),
        options: GenerationOptions::default(),
    }
}

fn pool(actors: &[&Arc<Actor>]) -> Pool {
    let named = |(place, actor): (usize, &&Arc<Actor>)| {
        let generator: Arc<dyn Generator> = Arc::<Actor>::clone(actor);
        (format!("g{place}"), generator)
    };
    Pool::new(actors.iter().enumerate().map(named).collect())
}

fn any(_: &str) -> bool {
    true
}

/// The model that wrote, the text, and how it ended.
async fn written(pool: &Pool) -> Result<(String, String, Result<(), GenerateErrorKind>), GenerateError> {
    let mut begun = pool.generate(&request(), &any, false).await?;
    let mut text = String::new();
    while let Some(event) = begun.generation.next().await {
        match event {
            Ok(GenerationEvent::Text(word)) => text.push_str(&word),
            Ok(GenerationEvent::Tokens(_)) => {}
            Ok(GenerationEvent::Done { .. }) => return Ok((begun.model, text, Ok(()))),
            Err(error) => return Ok((begun.model, text, Err(error.kind()))),
        }
    }
    panic!("a generation ends with an event")
}

#[tokio::test]
async fn another_generator_is_asked_before_the_first_token_and_never_behind_it() {
    for kind in [GenerateErrorKind::Unavailable, GenerateErrorKind::Busy, GenerateErrorKind::Interrupted] {
        let (first, second) = (Actor::new("a", &[Act::Refuse(kind)]), Actor::new("b", &[]));
        let pool = pool(&[&first, &second]);
        assert_eq!(written(&pool).await.unwrap(), ("b".to_owned(), "word".to_owned(), Ok(())));
        assert_eq!(pool.members()[0].counts.passed_on, 1);
    }
    let (first, second) = (Actor::new("a", &[Act::Break]), Actor::new("b", &[]));
    let pool = pool(&[&first, &second]);
    let broken = ("a".to_owned(), "word".to_owned(), Err(GenerateErrorKind::Interrupted));
    assert_eq!((written(&pool).await.unwrap(), second.asked()), (broken, 0));
    assert_eq!((pool.members()[0].counts.failed, pool.members()[0].in_work), (1, 0));
}

#[tokio::test]
async fn a_silent_generator_is_given_up_only_where_another_one_can_be_asked() {
    let (silent, other) = (Actor::new("a", &[Act::Silence]), Actor::new("b", &[]));
    let both = pool(&[&silent, &other]).passing_on_after(Duration::from_millis(20));
    assert_eq!(written(&both).await.unwrap().0, "b");
    assert_eq!((both.members()[0].counts.left, both.members()[0].in_work), (1, 0));

    let silent = Actor::new("a", &[Act::Silence]);
    let alone = pool(&[&silent]).passing_on_after(Duration::from_millis(20));
    let waited = tokio::time::timeout(Duration::from_millis(100), alone.generate(&request(), &any, false)).await;
    assert!(waited.is_err(), "its own bound is the client's");
    assert_eq!(alone.members()[0].in_work, 0, "whoever leaves gives the place back");
}

#[tokio::test]
async fn the_least_loaded_is_asked() {
    let (first, second) = (Actor::new("a", &[]), Actor::new("b", &[]));
    let pool = pool(&[&first, &second]);
    let one = pool.generate(&request(), &any, false).await.unwrap();
    let two = pool.generate(&request(), &any, false).await.unwrap();
    assert_eq!((one.model.as_str(), two.model.as_str()), ("a", "b"));
    drop(two);
    assert_eq!(pool.generate(&request(), &any, false).await.unwrap().model, "b");
    *second.status.lock().unwrap() = GeneratorStatus::Failed { reason: "gone".to_owned() };
    assert_eq!(pool.generate(&request(), &any, false).await.unwrap().model, "a", "one that is gone is not asked");
}

#[tokio::test]
async fn one_that_keeps_failing_is_shut_out_and_tried_again_later() {
    let failing =
        [Act::Refuse(GenerateErrorKind::Unavailable), Act::Refuse(GenerateErrorKind::Unavailable), Act::Break];
    let (bad, good) = (Actor::new("a", &failing), Actor::new("b", &[]));
    let pool = pool(&[&bad, &good]);
    // The one that breaks off begins well, which counts as nothing against it before it does.
    for _ in 0..2 {
        assert_eq!(written(&pool).await.unwrap().0, "b");
    }
    assert_eq!(written(&pool).await.unwrap().2, Err(GenerateErrorKind::Interrupted));
    bad.acts.lock().unwrap().extend(vec![Act::Refuse(GenerateErrorKind::Unavailable); 3]);
    for _ in 0..8 {
        assert_eq!(written(&pool).await.unwrap().0, "b");
    }
    // Whether the pause is over by now is the clock's affair; `circuit` tests that.
    let asked = bad.asked();
    assert!((3..8).contains(&asked), "{asked}");
}

#[tokio::test]
async fn one_that_asks_to_be_left_alone_is_and_the_caller_is_told_for_how_long() {
    let busy = Actor::new("a", &[Act::BusyFor(Duration::from_secs(7))]);
    let pool = pool(&[&busy]);
    let limit = Duration::from_secs(7);
    let error = written(&pool).await.unwrap_err();
    assert_eq!((error.kind(), error.retries_after()), (GenerateErrorKind::Busy, Some(limit)));
    let error = written(&pool).await.unwrap_err();
    assert_eq!((error.kind(), busy.asked()), (GenerateErrorKind::Busy, 1));
    let left = error.retries_after().unwrap();
    assert!(!left.is_zero() && left <= limit);
    assert!(pool.outlook(&any).unwrap().wait.unwrap() <= left && pool.retry_after() <= left);
}

#[tokio::test]
async fn what_is_busy_says_more_than_what_is_away() {
    let (away, busy) = (
        Actor::new("a", &[Act::Refuse(GenerateErrorKind::Unavailable)]),
        Actor::new("b", &[Act::Refuse(GenerateErrorKind::Busy)]),
    );
    assert_eq!(written(&pool(&[&busy, &away])).await.unwrap_err().kind(), GenerateErrorKind::Busy);
}

#[tokio::test]
async fn the_wait_follows_from_what_generations_took() {
    let actor = Actor::new("a", &[Act::Write(&["a", "b", "c", "d"]), Act::Silence, Act::Silence]);
    let pool = pool(&[&actor]);
    assert_eq!(pool.outlook(&any).unwrap().wait, Some(Duration::ZERO));
    let _ = written(&pool).await.unwrap();
    let outlook = pool.outlook(&any).unwrap();
    assert!(outlook.first_token_alone.is_some() && !outlook.is_shared);
    // 300 tokens, 100 of them from the cache, in the time before the first one.
    let expected = 200.0 / outlook.first_token_alone.unwrap().as_secs_f64();
    assert!((outlook.read_tokens_per_second.unwrap() / expected - 1.0).abs() < 1e-3);
    let took = Duration::from_secs_f64(pool.members()[0].generation_ms / 1e3);
    let held: Vec<_> = (0..2).map(|_| pool.members[0].begin(request())).collect();
    let mut held: Vec<_> = held.into_iter().map(Box::pin).collect();
    for begin in &mut held {
        assert!(futures::poll!(begin).is_pending());
    }
    // Two places: the next is free after half of what one takes.
    let wait = pool.outlook(&any).unwrap().wait.unwrap().as_secs_f64();
    assert!((wait / (took.as_secs_f64() / 2.0) - 1.0).abs() < 1e-3);
    assert_eq!(pool.retry_after(), RETRY_AFTER_MIN);
    drop(held);
    assert_eq!(pool.outlook(&any).unwrap().wait, Some(Duration::ZERO));
}

#[tokio::test]
async fn models_that_may_not_write_are_not_asked() {
    let (small, large) = (Actor::new("tiny-135m", &[]), Actor::new("b", &[]));
    let pool = pool(&[&small, &large]);
    let may_write = |model: &str| !model.contains("135m");
    assert_eq!(pool.generate(&request(), &may_write, false).await.unwrap().model, "b");
    assert_eq!(
        pool.generate(&request(), &|_| false, false).await.err().unwrap().kind(),
        GenerateErrorKind::Unavailable
    );
}
