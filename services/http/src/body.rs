//! How much of a request's body is read, and how long is it waited for?
//!
//! Invariants:
//! - A body is bounded by bytes as they arrive, whatever `Content-Length` says or does not say.
//! - The bytes of all bodies in memory together are bounded; beyond that a request is refused, never queued.
//! - A sender that falls silent is cut off.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wellspring_core::limits;

use crate::error::{ApiError, Code};

/// Bodies of up to this many times the allowed size are read and dropped when they are refused.
const ANNOUNCED_DISCARD_FACTOR: usize = 4;

/// How bodies are read: one for the service, cloned into each request.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    idle_timeout: Duration,
    /// For a small body as a whole.
    request_timeout: Duration,
    budget: Arc<Semaphore>,
}

/// A body, and its place in the memory that all bodies share.
#[derive(Debug)]
pub(crate) struct Collected {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Given back when the request is done with them.
    pub(crate) held: Held,
}

/// Bytes taken from the shared budget.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes more bytes, or says that there are none to be had now.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let overloaded =
            || ApiError::new(Code::Overloaded, "too much data is being received at once", "try again in a moment");
        let bytes = u32::try_from(bytes).map_err(|_| overloaded())?;
        let more = self.budget.clone().try_acquire_many_owned(bytes).map_err(|_| overloaded())?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Gives bytes back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            drop(permit.split(bytes.min(permit.num_permits())));
        }
    }
}

impl Bodies {
    /// Reads bodies whose next piece comes within `idle_timeout`.
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        let budget = Arc::new(Semaphore::new(limits::BODIES_BYTES_MAX));
        Self { idle_timeout, request_timeout: limits::REQUEST_BODY_TIMEOUT, budget }
    }

    /// How long a sender may be silent.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// No bytes yet, of the memory that all bodies share.
    pub(crate) fn held(&self) -> Held {
        Held { budget: self.budget.clone(), permit: None }
    }

    /// Reads a whole body of at most `bytes_max`.
    pub(crate) async fn collect(&self, body: Body, bytes_max: usize) -> Result<Collected, ApiError> {
        // A body that announces too much is not waited for; one that is under way and soon over is let pass, so that
        // its sender is there to hear why.
        let announced = body.size_hint().lower();
        let mut stream = body.into_data_stream();
        if announced > bytes_max as u64 {
            if announced <= bytes_max.saturating_mul(ANNOUNCED_DISCARD_FACTOR) as u64 {
                discard(&mut stream).await;
            }
            return Err(too_large(bytes_max));
        }
        // A question is short: who drips it would hold a place among the requests for as long as an upload may take.
        let whole =
            if bytes_max <= limits::REQUEST_BODY_BYTES_MAX { self.request_timeout } else { limits::BODY_TIMEOUT };
        match tokio::time::timeout(whole, self.collect_stream(&mut stream, bytes_max)).await {
            Err(_) => Err(body_timeout()),
            Ok(Err(error)) if error.code() == Code::BodyTooLarge.as_str() => {
                discard(&mut stream).await;
                Err(error)
            }
            Ok(result) => result,
        }
    }

    async fn collect_stream(&self, stream: &mut BodyDataStream, bytes_max: usize) -> Result<Collected, ApiError> {
        let mut collected = Collected { bytes: Vec::new(), held: self.held() };
        while let Some(piece) = next_piece(stream, self.idle_timeout).await? {
            if collected.bytes.len() + piece.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            collected.held.grow(piece.len())?;
            collected.bytes.extend_from_slice(&piece);
        }
        Ok(collected)
    }

    /// Reads a body line by line.
    pub(crate) fn lines(&self, body: Body) -> Lines {
        Lines {
            stream: body.into_data_stream(),
            idle_timeout: self.idle_timeout,
            held: self.held(),
            buffer: BytesMut::new(),
            scanned: 0,
            received: 0,
            number: 0,
            skipping: false,
            ended: false,
        }
    }
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(Code::BodyTooLarge, format!("the body is larger than {bytes_max} bytes"), "send less at once")
}

/// A line of a streamed body.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number, from 1; blank lines count.
    pub(crate) number: u64,
    /// Its bytes without the line break; `None` when there are more of them than a line may have.
    pub(crate) bytes: Option<Bytes>,
}

/// The lines of a streamed body.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: BodyDataStream,
    idle_timeout: Duration,
    held: Held,
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no line break.
    scanned: usize,
    received: usize,
    number: u64,
    /// Inside a line that is too long, up to its line break.
    skipping: bool,
    ended: bool,
}

impl Lines {
    /// The next line that is not blank; `None` at the end. Dropping the future loses nothing, so a caller may stop
    /// waiting and ask again.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, ApiError> {
        loop {
            if let Some(line) = self.buffered() {
                if line.bytes.as_ref().is_none_or(|bytes| !bytes.trim_ascii().is_empty()) {
                    return Ok(Some(line));
                }
                self.release(line.bytes.map_or(0, |bytes| bytes.len()));
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            match next_piece(&mut self.stream, self.idle_timeout).await? {
                None => self.ended = true,
                Some(piece) => self.receive(&piece)?,
            }
        }
    }

    /// Gives back the memory of lines that are done with.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.held.shrink(bytes);
    }

    fn receive(&mut self, piece: &[u8]) -> Result<(), ApiError> {
        self.received += piece.len();
        if self.received > limits::STREAM_BODY_BYTES_MAX {
            return Err(ApiError::new(
                Code::BodyTooLarge,
                format!("the stream is larger than {} bytes", limits::STREAM_BODY_BYTES_MAX),
                "send the rest in another request",
            ));
        }
        self.held.grow(piece.len())?;
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// Takes a line out of the buffer, if one is there whole.
    fn buffered(&mut self) -> Option<Line> {
        let line_break = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let length = match line_break {
            Some(offset) => self.scanned + offset,
            None if self.ended && (self.skipping || !self.buffer.is_empty()) => self.buffer.len(),
            None => {
                self.scanned = self.buffer.len();
                if self.skipping || self.buffer.len() > limits::DOCUMENT_BODY_BYTES_MAX {
                    self.skipping = true;
                    self.held.shrink(self.buffer.len());
                    self.buffer.clear();
                    self.scanned = 0;
                }
                return None;
            }
        };
        let bytes = self.buffer.split_to(length).freeze();
        if line_break.is_some() {
            self.buffer.advance(1);
            self.held.shrink(1);
        }
        self.scanned = 0;
        self.number += 1;
        let too_long = std::mem::take(&mut self.skipping) || bytes.len() > limits::DOCUMENT_BODY_BYTES_MAX;
        if too_long {
            self.held.shrink(bytes.len());
        }
        Some(Line { number: self.number, bytes: (!too_long).then_some(bytes) })
    }
}

/// The next piece of a body, within the time a sender may be silent.
async fn next_piece(stream: &mut BodyDataStream, idle_timeout: Duration) -> Result<Option<Bytes>, ApiError> {
    match tokio::time::timeout(idle_timeout, stream.next()).await {
        Err(_) => Err(body_timeout()),
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(_))) => {
            Err(ApiError::new(Code::InvalidBody, "the body broke off before its end", "send the request again"))
        }
    }
}

/// Reads and drops the rest of a refused body for a while: closing at once would reset the connection, and the
/// sender would lose the answer that says why.
async fn discard(stream: &mut BodyDataStream) {
    let rest = async { while let Some(Ok(_)) = stream.next().await {} };
    let _ = tokio::time::timeout(limits::BODY_DISCARD_TIMEOUT, rest).await;
}

pub(crate) fn body_timeout() -> ApiError {
    ApiError::new(Code::BodyTimeout, "the body did not arrive in time", "send it without pauses")
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn pieces(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes()))).collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn lines_are_whole_however_they_are_cut() {
        let mut lines = Bodies::new(Duration::from_secs(1)).lines(pieces(&["a", "b\n\n", " \nc\nd", "e"]));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push((line.number, line.bytes.unwrap()));
        }
        let expected = [(1, "ab"), (4, "c"), (5, "de")].map(|(number, text)| (number, Bytes::from(text)));
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn i7_a_line_beyond_its_bound_is_skipped_and_the_next_one_read() {
        let piece = Bytes::from(vec![b'x'; 8 << 20]);
        let long = limits::DOCUMENT_BODY_BYTES_MAX / piece.len() + 1;
        let mut all = vec![piece; long].into_iter().map(Ok::<_, std::io::Error>).collect::<Vec<_>>();
        all.push(Ok(Bytes::from_static(b"x\nshort\n")));
        let bodies = Bodies::new(Duration::from_secs(1));
        let mut lines = bodies.lines(Body::from_stream(stream::iter(all)));
        assert!(lines.next().await.unwrap().unwrap().bytes.is_none());
        let short = lines.next().await.unwrap().unwrap();
        assert_eq!((short.number, short.bytes.unwrap()), (2, Bytes::from("short")));
        assert!(lines.next().await.unwrap().is_none());
        lines.release(5);
        assert_eq!(bodies.budget.available_permits(), limits::BODIES_BYTES_MAX);
    }

    #[tokio::test]
    async fn i7_bodies_share_one_budget() {
        let bodies = Bodies::new(Duration::from_secs(1));
        let mut other = bodies.held();
        other.grow(limits::BODIES_BYTES_MAX - 2).unwrap();
        assert_eq!(bodies.collect(pieces(&["abc"]), 10).await.unwrap_err().code(), "overloaded");
        drop(other);
        let collected = bodies.collect(pieces(&["abc"]), 10).await.unwrap();
        assert_eq!(bodies.budget.available_permits(), limits::BODIES_BYTES_MAX - 3);
        drop(collected);
        assert_eq!(bodies.budget.available_permits(), limits::BODIES_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_silent_sender_is_cut_off() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let error = Bodies::new(Duration::from_millis(20)).collect(body, 10).await.unwrap_err();
        assert_eq!(error.code(), "body_timeout");
    }

    #[tokio::test]
    async fn i7_a_question_that_drips_is_cut_off_and_an_upload_is_not() {
        let drip = || {
            let piece = |left: u32| async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                (left > 0).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"x")), left - 1))
            };
            Body::from_stream(stream::unfold(20u32, piece))
        };
        let bodies = Bodies { request_timeout: Duration::from_millis(50), ..Bodies::new(Duration::from_secs(1)) };
        let error = bodies.collect(drip(), limits::REQUEST_BODY_BYTES_MAX).await.unwrap_err();
        assert_eq!(error.code(), "body_timeout");
        let upload = bodies.collect(drip(), limits::DOCUMENT_BODY_BYTES_MAX).await.unwrap();
        assert_eq!(upload.bytes.len(), 20);
    }
}
