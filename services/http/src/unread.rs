//! What is a client told whose request is no HTTP at all?
//!
//! The protocol's own answer to a head that it cannot read is a status without a body, made below everything that this
//! service decides. It is replaced on its way out.
//!
//! Invariants:
//! - Only an answer that the protocol made itself is replaced: it is empty, and carries no request id, which every answer
//!   of the service does.
//! - The connection ends after it, as it would have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{ApiError, Code, ErrorBody};

/// A connection that speaks for the protocol where that has nothing to say.
#[derive(Debug)]
pub(crate) struct SpokenFor<C> {
    connection: C,
    /// What is sent in place of an answer, how much of it is gone, and how long the answer was.
    instead: Option<(Vec<u8>, usize, usize)>,
}

impl<C> SpokenFor<C> {
    /// Watches over a connection.
    pub(crate) fn new(connection: C) -> Self {
        Self { connection, instead: None }
    }
}

impl<C: AsyncWrite + Unpin> SpokenFor<C> {
    /// Sends what stands in for an answer; that answer counts as written once all of it is gone.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some((text, sent, stands_for)) = &mut self.instead {
            if *sent == text.len() {
                let written = *stands_for;
                self.instead = None;
                return Poll::Ready(Ok(written));
            }
            let taken = ready!(Pin::new(&mut self.connection).poll_write(cx, &text[*sent..]))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += taken;
        }
        Poll::Ready(Ok(0))
    }
}

/// What is said in place of an answer that the protocol made itself; `None` for any other bytes.
fn instead_of(answer: &[u8]) -> Option<Vec<u8>> {
    let answer = std::str::from_utf8(answer).ok().filter(|answer| answer.ends_with("\r\n\r\n"))?;
    let (status, fields) = answer.split_once("\r\n")?;
    let has = |field: &str| fields.lines().any(|line| line.to_ascii_lowercase().starts_with(field));
    if !has("content-length: 0") || has("x-request-id:") {
        return None;
    }
    let error = match status.strip_prefix("HTTP/1.1 ")?.split(' ').next()? {
        "400" => ApiError::new(
            Code::InvalidRequest,
            "this is no request that HTTP/1.1 knows",
            "percent-encode the path, write each header as `name: value`, and speak HTTP/1.1 without TLS",
        ),
        "414" => ApiError::new(Code::UrlTooLong, "the URL is too long", "send long texts as a body, with `POST`"),
        "431" => ApiError::new(Code::HeadersTooLarge, "the headers are too many or too long", "send fewer of them"),
        _ => return None,
    };
    let body = serde_json::to_string(&ErrorBody { error: error.detail() }).ok()?;
    let fields: String = fields
        .lines()
        .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("content-length:"))
        .map(|line| format!("{line}\r\n"))
        .collect();
    let kind = "content-type: application/json\r\nx-content-type-options: nosniff";
    Some(format!("{status}\r\n{fields}{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

impl<C: AsyncRead + Unpin> AsyncRead for SpokenFor<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for SpokenFor<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = instead_of(bytes).map(|text| (text, 0, bytes.len()));
        }
        match self.instead {
            Some(_) => self.poll_instead(cx),
            None => Pin::new(&mut self.connection).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = pieces {
            return self.poll_write(cx, only);
        }
        Pin::new(&mut self.connection).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_protocols_own_answers_are_replaced() {
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let said = String::from_utf8(instead_of(own).unwrap()).unwrap();
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"), "{said}");
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{said}");
        assert!(body.starts_with(r#"{"error":{"code":"invalid_request""#), "{said}");
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            b"\xff",
            b"",
        ] {
            assert_eq!(instead_of(other), None);
        }
    }
}
