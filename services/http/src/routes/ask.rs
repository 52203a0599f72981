//! What do the documents say to this question?
//!
//! Invariants:
//! - A stream of events ends with exactly one `done` or `error`, even if what is behind it does not.
//! - A caller who leaves drops the answer's stream, and with it the work.
//! - What is not answered shortly before a shutdown cuts its connection ends in an error.
//! - "The documents do not say" never hides that some have not been read yet.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use serde::Serialize;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use wellspring_core::answer::{Answer, AnswerEvent, AnswerStatus, Question};
use wellspring_core::limits;

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody};
use crate::fields::{Fields, collection, query_text};
use crate::filter::filter_of;
use crate::history::{history_of, mode_of, style_of, verify_of};
use crate::schema::{self, request::AskBody};

const FIELDS: &[&str] = &["question", "collection", "mode", "style", "verify", "history", "filter", "acl", "stream"];
/// The content type of a stream of events.
const EVENT_STREAM: &str = "text/event-stream";
/// Which share of the time that a shutdown leaves an answer may take: the rest is for telling that it ends.
const DRAINED_SHARE: f32 = 0.9;

/// Answers a question from the documents, with citations.
///
/// As JSON, or as a stream of events: `passages` with `{"passages": [Hit]}`, `delta` with `{"text"}`, `citation` with a
/// Citation, and at the end `done` with the whole Answer or `error` with an Error.
#[utoipa::path(
    post, path = "/v1/ask", tag = "ask", request_body = AskBody,
    responses(
        (status = 200, content((schema::Answer = "application/json"), (String = "text/event-stream"))),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn ask(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let body = shared.bodies.collect(body, limits::REQUEST_BODY_BYTES_MAX).await?;
    let mut fields = Fields::parse(&body.bytes, FIELDS)?;
    let text = query_text("question", fields.string("question")?)?;
    let collection = collection(fields.string("collection")?.as_deref())?;
    let mode = mode_of(&mut fields)?;
    let (style, verify) = (style_of(&mut fields)?, verify_of(&mut fields)?);
    let history = history_of(&mut fields)?;
    let streamed = fields.boolean("stream")?.unwrap_or_else(|| accepts_events(&headers));
    let filter = filter_of(&mut fields)?;
    drop(body);

    shared.require_ready()?;
    shared.require_collection(&collection).await?;
    let place = shared.questions.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(Code::Busy, "too many questions are being answered", "try again in a few seconds")
    })?;
    let events = shared.service.answers.ask(Question {
        text,
        collection,
        mode,
        style,
        verify,
        history,
        filter,
        whole: !streamed,
    });
    let (stopping, grace) = (shared.stopping.clone(), shared.settings.drain_timeout.mul_f32(DRAINED_SHARE));
    let events = events
        .take_until(async move {
            stopping.cancelled().await;
            tokio::time::sleep(grace).await;
        })
        .boxed();
    if streamed {
        return Ok(Sse::new(sse(shared, events, place)).keep_alive(KeepAlive::default()).into_response());
    }
    let answer = with_unread(&shared, whole(&shared, events).await?).await;
    shared.metrics.answer(&answer);
    drop(place);
    Ok(Json(answer).into_response())
}

/// Whether the caller prefers events.
fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM))
}

/// Waits for the end of an answer.
async fn whole(shared: &Shared, mut events: BoxStream<'static, AnswerEvent>) -> Result<Answer, ApiError> {
    while let Some(event) = events.next().await {
        match event {
            AnswerEvent::Done(answer) => return Ok(answer),
            AnswerEvent::Error(failure) => return Err(failure.into()),
            AnswerEvent::Passages(_) | AnswerEvent::Delta(_) | AnswerEvent::Citation(_) => {}
        }
    }
    Err(interrupted(shared))
}

/// The answer, with a note of what has not been read yet where the documents do not say.
async fn with_unread(shared: &Shared, mut answer: Answer) -> Answer {
    if answer.status == AnswerStatus::InsufficientEvidence
        && let Some(unread) = unread(shared).await
    {
        answer.note = Some(answer.note.map_or_else(|| unread.clone(), |note| format!("{note}; {unread}")));
    }
    answer
}

/// What has not been read yet, for people; `None` when everything has.
async fn unread(shared: &Shared) -> Option<String> {
    let told = tokio::try_join!(shared.service.reader.status(), async {
        // Sources are listed or not; a question is answered all the same.
        Ok(shared.service.sources.list().await.unwrap_or_default())
    });
    let (catalog, sources) = match told {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(reason = error.chain(), "could not count what is unread");
            return None;
        }
    };
    if catalog.pending > 0 {
        let documents =
            if catalog.pending == 1 { "1 document is" } else { &format!("{} documents are", catalog.pending) };
        return Some(format!(
            "{documents} still being read, and may say it: ask again when `status` shows none pending"
        ));
    }
    let first = sources.iter().find(|source| source.staleness_seconds.is_none() && !source.paused)?;
    Some(format!("the source `{}` has not been read as a whole yet, and may say it", first.settings.name.as_str()))
}

/// Writes an answer as events; the place is given back when the stream is dropped.
fn sse(
    shared: Shared,
    events: BoxStream<'static, AnswerEvent>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // The state is gone after the terminal event, so nothing can follow it.
    stream::unfold(Some((shared, events, place)), |state| async move {
        let (shared, mut events, place) = state?;
        let event = events.next().await;
        let terminal = matches!(event, None | Some(AnswerEvent::Done(_) | AnswerEvent::Error(_)));
        let written = match event {
            Some(AnswerEvent::Passages(passages)) => written("passages", &json!({ "passages": passages })),
            Some(AnswerEvent::Delta(text)) => written("delta", &json!({ "text": text })),
            Some(AnswerEvent::Citation(citation)) => written("citation", &citation),
            Some(AnswerEvent::Done(answer)) => {
                shared.metrics.answer(&answer);
                written("done", &with_unread(&shared, answer).await)
            }
            Some(AnswerEvent::Error(failure)) => error_event(&failure.into()),
            None => error_event(&interrupted(&shared)),
        };
        Some((Ok(written), (!terminal).then_some((shared, events, place))))
    })
}

/// One event.
fn written(name: &'static str, data: &impl Serialize) -> Event {
    Event::default().event(name).json_data(data).expect("the parts of an answer have only string keys: always JSON")
}

/// The terminal event of a failure.
fn error_event(error: &ApiError) -> Event {
    written("error", &ErrorBody { error: error.detail() })
}

fn interrupted(shared: &Shared) -> ApiError {
    if shared.stopping.is_cancelled() {
        return ApiError::new(Code::AnswerInterrupted, "the service is being stopped", "ask again when it is back");
    }
    ApiError::new(Code::AnswerInterrupted, "the answer broke off", "ask again; see the service's log")
}
