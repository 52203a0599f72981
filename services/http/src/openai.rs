//! How does any OpenAI client speak to a generator?
//!
//! The router of the generator's own process, over whatever implements [`Generator`]: completions of chats and of plain
//! texts, as one answer or as a stream of events, the list of models, and the health that a supervisor asks for.
//!
//! Invariants:
//! - A number outside its range and a feature that is not there are refused, never ignored.
//! - A stream that ended well ends in `data: [DONE]`; one that did not ends in an `error` and without it.
//! - A client that hangs up drops the generation with its response.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::net::UnixListener;
use wellspring_core::generator::{
    FinishReason, Generation, GenerationEvent, Generator, GeneratorStatistics, GeneratorStatus,
};
use wellspring_core::limits;

mod likely;
mod reply;
mod request;

use likely::Likely;
use reply::{Completion, Refusal};
use request::{CompletionRequest, Endpoint};

/// Between two signs of life on a silent stream: a client that hung up is noticed by them at the latest.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

type Shared = Arc<dyn Generator>;

/// The routes of a generator's process.
pub fn router(generator: Arc<dyn Generator>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/completions", post(text_completions))
        .fallback(async || Refusal::no_such_path())
        .layer(DefaultBodyLimit::max(limits::REQUEST_BODY_BYTES_MAX))
        .with_state(generator)
}

/// Serves a router on a Unix socket until `shutdown` resolves, then waits for the answers in flight, but no longer
/// than the drain's bound.
pub async fn serve_unix(
    listener: UnixListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (draining, mut drain) = tokio::sync::watch::channel(false);
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        draining.send_replace(true);
    });
    let overdue = async {
        // An error says that the server ended already, and then the other branch is ready.
        let _ = drain.wait_for(|draining| *draining).await;
        tokio::time::sleep(limits::DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = overdue => Ok(()),
    }
}

/// How a generator is, and its work in numbers where it counts them.
#[derive(Serialize)]
struct Health {
    #[serde(flatten)]
    status: GeneratorStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<GeneratorStatistics>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adapters: Vec<String>,
}

/// Answered at once, also while a decode is running: a supervisor kills who does not answer.
async fn health(State(generator): State<Shared>) -> Response {
    let status = generator.status();
    let code = match status {
        GeneratorStatus::Ready { .. } => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(Health { status, statistics: generator.statistics(), adapters: generator.adapters() })).into_response()
}

async fn models(State(generator): State<Shared>) -> Response {
    Json(reply::models(&generator.status(), &generator.adapters())).into_response()
}

async fn chat_completions(
    State(generator): State<Shared>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    complete(generator, body, Endpoint::Chat).await.unwrap_or_else(IntoResponse::into_response)
}

async fn text_completions(
    State(generator): State<Shared>,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    complete(generator, body, Endpoint::Text).await.unwrap_or_else(IntoResponse::into_response)
}

async fn complete(
    generator: Shared,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
    endpoint: Endpoint,
) -> Result<Response, Refusal> {
    let body = body.map_err(|rejection| Refusal::unreadable_body(rejection.status()))?;
    let request = CompletionRequest::parse(&body)?;
    let GeneratorStatus::Ready { model } = generator.status() else { return Err(Refusal::not_ready()) };
    let adapters = generator.adapters();
    let model = request.model_name(model, &adapters)?;
    let wants_stream = request.stream;
    let separate_usage = request.wants_separate_usage();
    let generation = generator.generate(request.into_generation(endpoint, &adapters)?).await?;
    let completion = Completion::new(model, created(), endpoint);
    if wants_stream {
        let events = events(generation, completion, separate_usage);
        return Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    whole(generation, completion).await
}

/// The whole text as one answer.
async fn whole(mut generation: Generation, completion: Completion) -> Result<Response, Refusal> {
    let mut text = String::new();
    let mut tokens = Vec::new();
    while let Some(event) = generation.next().await {
        match event? {
            GenerationEvent::Text(more) => text.push_str(&more),
            GenerationEvent::Tokens(more) => tokens.extend(more),
            GenerationEvent::Done { reason, usage } => {
                return Ok(Json(completion.whole(&text, &tokens, reason, usage)).into_response());
            }
        }
    }
    Err(Refusal::ended_early())
}

/// The text as it comes.
fn events(
    generation: Generation,
    completion: Completion,
    separate_usage: bool,
) -> impl Stream<Item = Result<axum::response::sse::Event, Infallible>> {
    // The protocol says who speaks in a chat only.
    let first = completion.begin();
    // The generation ends the stream, so that nothing follows its end or its error, whatever the generator does.
    let likely = Likely::new(completion.endpoint());
    let rest = stream::unfold(Some((generation, likely)), move |state| {
        let completion = completion.clone();
        async move {
            let (mut generation, mut likely) = state?;
            let mut tokens = Vec::new();
            loop {
                let events = match generation.next().await {
                    Some(Ok(GenerationEvent::Tokens(more))) => {
                        tokens.extend(more);
                        continue;
                    }
                    Some(Ok(GenerationEvent::Text(text))) => {
                        let event = completion.text(&text, likely.body(&tokens));
                        return Some((vec![event], Some((generation, likely))));
                    }
                    Some(Ok(GenerationEvent::Done { reason, usage })) => {
                        // Tokens at the end that have no text.
                        let told = (!tokens.is_empty()).then(|| completion.text("", likely.body(&tokens)));
                        told.into_iter().chain(completion.end(reason, usage, separate_usage)).collect()
                    }
                    Some(Err(error)) => vec![reply::event(&Refusal::from(error).body())],
                    None => vec![reply::event(&Refusal::ended_early().body())],
                };
                return Some((events, None));
            }
        }
    });
    stream::iter(first).chain(rest.flat_map(stream::iter)).map(Ok)
}

/// The name that the protocol gives to a reason.
fn reason_name(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
    }
}

/// Seconds since 1970, for the `created` field.
fn created() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
