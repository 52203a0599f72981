//! What does one server answer to one request?
//!
//! Invariants:
//! - A redirect is told, never followed: where it leads is judged first, elsewhere.
//! - The body is read only of an answer that is wanted, in pieces, each within its time, all of them no slower than a
//!   least rate, and no further than its bound on the wire and decoded.
//! - Errors name the host and never the address, whose query may be a secret.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION};
use reqwest::{Client, Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use wellspring_core::fetch::{FetchAnswer, FetchError, FetchErrorKind, RobotsWishes, Validators};
use wellspring_core::limits;

use super::address::Forbidden;
use super::decode::{self, Coding, DecodeError, Decoder};
use super::headers;
use super::target::Target;

/// What to ask of one server.
pub(super) struct Question<'a> {
    pub(super) target: &'a Target,
    pub(super) validators: Option<&'a Validators>,
    pub(super) accept: Option<&'a str>,
    pub(super) bytes_max: usize,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) rate_window: Duration,
}

/// What came back.
pub(super) enum Reply {
    Answer { answer: FetchAnswer, about: About, wire_bytes: u64 },
    Redirect { permanent: bool, location: String },
}

/// What the head said beside the answer.
pub(super) struct About {
    pub(super) validators: Validators,
    pub(super) fresh_for: Option<Duration>,
    pub(super) robots: RobotsWishes,
    pub(super) links: Vec<(String, String)>,
}

impl Question<'_> {
    /// Asks it.
    pub(super) async fn ask(&self, client: &Client) -> Result<Reply, FetchError> {
        let mut request = client.get(self.target.url.clone()).header(ACCEPT_ENCODING, decode::ACCEPTED);
        let accept = HeaderValue::from_str(self.accept.unwrap_or("*/*"));
        request = request.header(ACCEPT, accept.map_err(|error| self.caused(FetchErrorKind::Refused, error))?);
        for (name, value) in self.conditions() {
            request = request.header(name, value);
        }
        let head = timeout(self.head_timeout, request.send()).await;
        let response = head.map_err(|_| self.failed(FetchErrorKind::TimedOut))?;
        let response = response.map_err(|error| self.broken(error))?;
        self.judge(response).await
    }

    fn conditions(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let etag = self.validators.and_then(|known| known.etag.as_deref()).map(|etag| (IF_NONE_MATCH, etag));
        let date = self.validators.and_then(|known| known.last_modified.as_deref());
        let date = date.map(|date| (IF_MODIFIED_SINCE, date));
        // What cannot be sent is left out: the answer is then whole.
        etag.into_iter().chain(date).filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)))
    }

    async fn judge(&self, response: Response) -> Result<Reply, FetchError> {
        let (status, head, now) = (response.status(), response.headers(), SystemTime::now());
        let about = About {
            validators: headers::validators(head),
            fresh_for: headers::fresh_for(head, now),
            links: headers::links(head, &self.target.url),
            robots: headers::robots(head),
        };
        let code = status.as_u16();
        let answer = match status {
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => return self.content(response, about).await,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => {
                FetchAnswer::Content { content_type: None, body: Vec::new() }
            }
            StatusCode::NOT_MODIFIED if self.conditions().next().is_some() => FetchAnswer::NotModified,
            StatusCode::NOT_FOUND => FetchAnswer::Gone(false),
            StatusCode::GONE => FetchAnswer::Gone(true),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let Some(location) = head.get(LOCATION) else {
                    return Err(self.failed(FetchErrorKind::ServerError(code)));
                };
                let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
                return Ok(Reply::Redirect { permanent: matches!(code, 301 | 308), location });
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                return Err(self.failed(FetchErrorKind::Throttled(headers::retry_after(head, now))));
            }
            StatusCode::REQUEST_TIMEOUT => return Err(self.failed(FetchErrorKind::TimedOut)),
            _ if status.is_client_error() => return Err(self.failed(FetchErrorKind::Denied(code))),
            // Also what no one asked for: a part, a 304 of nothing, and codes that do not exist. A 202 says that the
            // page will be there later.
            _ => return Err(self.failed(FetchErrorKind::ServerError(code))),
        };
        Ok(Reply::Answer { answer, about, wire_bytes: 0 })
    }

    async fn content(&self, mut response: Response, about: About) -> Result<Reply, FetchError> {
        let content_type = headers::content_type(response.headers());
        let coding = Coding::of(response.headers()).map_err(|error| self.bad_body(error))?;
        let wire_max = match coding {
            Coding::Identity => self.bytes_max,
            _ => self.bytes_max.saturating_add(limits::FETCH_CODING_SLACK_BYTES),
        } as u64;
        let too_long = || self.bad_body(DecodeError::TooLong(self.bytes_max));
        if response.content_length().is_some_and(|announced| announced > wire_max) {
            return Err(too_long());
        }
        let (mut decoder, mut wire_bytes) = (Decoder::new(coding, self.bytes_max), 0u64);
        // Measured from the first piece on: a page may be made for seconds, and then come at once.
        let mut window: Option<(Instant, u64)> = None;
        loop {
            let piece = timeout(self.idle_timeout, response.chunk()).await;
            let piece = piece.map_err(|_| self.failed(FetchErrorKind::TimedOut))?;
            let Some(piece) = piece.map_err(|error| self.broken(error))? else { break };
            wire_bytes += piece.len() as u64;
            let (since, before) = *window.get_or_insert((Instant::now(), wire_bytes));
            if since.elapsed() >= self.rate_window {
                let least = limits::FETCH_RATE_BYTES_MIN as f64 * since.elapsed().as_secs_f64();
                if ((wire_bytes - before) as f64) < least {
                    return Err(self.drips());
                }
                window = Some((Instant::now(), wire_bytes));
            }
            if wire_bytes > wire_max {
                return Err(too_long());
            }
            if coding == Coding::Identity {
                decoder.push(&piece).map_err(|error| self.bad_body(error))?;
                continue;
            }
            // A piece of a few kilobytes may stand for megabytes: that is not this thread's work.
            let decoded = spawn_blocking(move || decoder.push(&piece).map(|()| decoder)).await;
            decoder = decoded.map_err(|error| self.bad_body(error))?.map_err(|error| self.bad_body(error))?;
        }
        let body = decoder.finish().map_err(|error| self.bad_body(error))?;
        Ok(Reply::Answer { answer: FetchAnswer::Content { content_type, body }, about, wire_bytes })
    }

    fn drips(&self) -> FetchError {
        let (host, least) = (&self.target.host, limits::FETCH_RATE_BYTES_MIN);
        FetchError::new(FetchErrorKind::TimedOut, format!("{host} sends fewer than {least} bytes a second"))
    }

    fn broken(&self, error: reqwest::Error) -> FetchError {
        line_error(&self.target.host, error)
    }

    fn bad_body(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> FetchError {
        self.caused(FetchErrorKind::BadBody, error)
    }

    fn failed(&self, kind: FetchErrorKind) -> FetchError {
        let host = &self.target.host;
        FetchError::new(
            kind,
            match kind {
                FetchErrorKind::TimedOut => format!("{host} took too long"),
                FetchErrorKind::Throttled(_) => format!("{host} asked to be left alone"),
                FetchErrorKind::ServerError(code) | FetchErrorKind::Denied(code) => format!("{host} answered {code}"),
                _ => format!("could not fetch from {host}"),
            },
        )
    }

    fn caused(&self, kind: FetchErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> FetchError {
        FetchError::caused_by(kind, format!("could not fetch from {}", self.target.host), error)
    }
}

/// A failure of the line to a host, or of what was said over it.
pub(super) fn line_error(host: &str, error: reqwest::Error) -> FetchError {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let kind = match &error {
        _ if causes.any(|cause| cause.is::<Forbidden>()) => FetchErrorKind::Refused,
        // The address cannot be written into a request.
        error if error.is_builder() => FetchErrorKind::Refused,
        error if error.is_timeout() => FetchErrorKind::TimedOut,
        _ => FetchErrorKind::Unreachable,
    };
    FetchError::caused_by(kind, format!("could not reach {host}"), error.without_url())
}
