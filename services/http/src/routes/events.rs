//! What is happening to documents?
//!
//! Invariants:
//! - Events come in the order of their numbers, none twice and none left out: a reader who comes back with the last
//!   number it saw goes on behind it, over a restart of the service too.
//! - A reader that is further behind than the history is told so and never skipped ahead.
//! - A slow reader holds one page of events and its place; the number of places is bounded.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use wellspring_core::limits;
use wellspring_core::trace::{Event, EventPage};

use super::Shared;
use crate::error::{ApiError, Code, ErrorBody};
use crate::fields::{Parameters, invalid};
use crate::schema::request::EventParameters;

/// The header by which a browser says what it saw last.
const LAST_EVENT_ID: &str = "last-event-id";

/// Follows what happens to documents, as server-sent events.
///
/// Each event's `id` is its number, its name what happened (`accepted`, `searchable`, `failed`, `quarantined`,
/// `skipped`, `retried`, `deleted`, `removed`), its data an Event. `after` (or `Last-Event-ID`) goes on behind that
/// number, 0 begins with the oldest that is kept, and without either only what happens from now on is told. Numbers that
/// are no longer kept are answered 410 (`events_gone`), in a running stream by an `error` event that ends it: list the
/// documents, then begin anew.
#[utoipa::path(
    get, path = "/v1/events", tag = "documents", params(EventParameters),
    responses(
        (status = 200, content((String = "text/event-stream"))),
        (status = "default", body = ErrorBody)
    )
)]
pub(crate) async fn events(State(shared): State<Shared>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(&uri, &["after"])?;
    let seen = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let after = seen.or_else(|| parameters.get("after")).map(|text| {
        text.parse::<u64>()
            .map_err(|_| invalid("after", "is no event's number", "send the `id` of the event seen last"))
    });
    let after = after.transpose()?;
    let place = shared.event_readers.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(Code::Busy, "too many readers follow the events", "try again later, or end another reader")
    })?;
    // Subscribed before the first look, so that nothing happens unseen between the two.
    let changes = shared.service.writes.changes();
    let page = shared.service.residues.events(after.unwrap_or(u64::MAX), 1).await?;
    let after = match after {
        None => page.newest,
        Some(after) if gone(&page, after) => return Err(events_gone(&page, after)),
        Some(after) => after,
    };
    let reader = Reader { shared, after, changes, read: VecDeque::new(), _place: place };
    Ok(Sse::new(reader.into_stream()).keep_alive(KeepAlive::new().interval(limits::EVENT_HEARTBEAT)).into_response())
}

/// Whether events behind `after` are no longer kept, or were never told by this catalog.
fn gone(page: &EventPage, after: u64) -> bool {
    after.saturating_add(1) < page.oldest || after > page.newest
}

fn events_gone(page: &EventPage, after: u64) -> ApiError {
    if after > page.newest {
        return ApiError::new(
            Code::EventsGone,
            format!("there is no event {after} yet: the newest is {}", page.newest),
            "send the `id` of the event seen last; if this is one, the catalog was made anew or restored since: list the \
             documents with `GET /v1/documents`, then follow the events without `after`",
        );
    }
    ApiError::new(
        Code::EventsGone,
        format!("events behind that number are not kept; the oldest is {}, the newest {}", page.oldest, page.newest),
        "list the documents with `GET /v1/documents`, then follow the events without `after`",
    )
}

/// One reader of the events.
struct Reader {
    shared: Shared,
    /// The number of the event told last.
    after: u64,
    changes: watch::Receiver<u64>,
    read: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        stream::unfold(Some(self), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(event)) => Some((Ok(written(&event)), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Ok(error_event(&error)), None)),
            }
        })
    }

    /// The next event, waited for; `None` when the service stops.
    async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.after = event.number;
                return Ok(Some(event));
            }
            // Marked before the look: what happens between the look and the wait wakes the wait at once.
            self.changes.borrow_and_update();
            let page = self.shared.service.residues.events(self.after, limits::EVENTS_PAGE).await?;
            if gone(&page, self.after) {
                return Err(events_gone(&page, self.after));
            }
            if !page.events.is_empty() {
                self.read = page.events.into();
                continue;
            }
            let changed = tokio::select! {
                () = self.shared.stopping.cancelled() => return Ok(None),
                changed = self.changes.changed() => changed,
            };
            if changed.is_err() {
                return Ok(None);
            }
        }
    }
}

/// An event as it is sent.
fn written(event: &Event) -> SseEvent {
    let sent = SseEvent::default().id(event.number.to_string()).event(event.kind.as_str());
    sent.json_data(event).expect("the parts of an event have only string keys: always JSON")
}

/// The event that ends a stream which cannot go on.
fn error_event(error: &ApiError) -> SseEvent {
    let sent = SseEvent::default().event("error");
    sent.json_data(ErrorBody { error: error.detail() }).expect("an error has only string keys: always JSON")
}
