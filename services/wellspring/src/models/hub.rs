//! How does a file come from the model hub?
//!
//! One GET of a file at a pinned revision, which goes on where an earlier one stopped.
//!
//! Invariants:
//! - No more bytes are written than the manifest says, whatever the server sends.
//! - A redirect may change the host, never the scheme: a hub hands over to its storage, not to plain HTTP.
//! - Only a server that says where its bytes begin is believed to go on; any other answer starts over.

use std::io;
use std::path::Path;

use futures::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, StatusCode, redirect};
use thiserror::Error;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;
use wellspring_core::limits;

use super::manifest::HubSource;
use super::progress::Progress;

/// Why a file did not come from the hub.
#[derive(Debug, Error)]
pub(crate) enum HubError {
    /// No connection: the next file would fare no better.
    #[error("the hub cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The exchange broke off; what came is kept.
    #[error("the hub broke off")]
    Broken(#[source] reqwest::Error),
    /// The server answered with something else.
    #[error("the hub answered {0}")]
    Status(StatusCode),
    /// More bytes than the file has.
    #[error("the hub sent more than the {0} bytes of the file")]
    TooLong(u64),
    /// Fewer bytes than the file has; what came is kept.
    #[error("the hub sent {got} of {wanted} bytes")]
    TooShort {
        /// Bytes so far.
        got: u64,
        /// Bytes of the file.
        wanted: u64,
    },
    /// The bytes could not be written.
    #[error("could not write {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// The model hub.
pub(super) struct Hub {
    base: String,
    client: Client,
}

impl Hub {
    /// A client for the hub at `base`. Proxies are taken from the environment.
    pub(super) fn new(base: &str) -> Result<Self, HubError> {
        // Another part of the program may have chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("wellspring/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits::HUB_CONNECT_TIMEOUT)
            .read_timeout(limits::HUB_IDLE_TIMEOUT)
            .redirect(redirect::Policy::custom(follow))
            .build()
            .map_err(HubError::Unreachable)?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), client })
    }

    /// Brings the file at `part` from whatever it holds to `bytes`.
    pub(super) async fn fetch(
        &self,
        source: &HubSource,
        part: &Path,
        bytes: u64,
        progress: &dyn Progress,
    ) -> Result<(), HubError> {
        let write_error = |error| HubError::Write { path: part.display().to_string(), source: error };
        let mut file = OpenOptions::new().create(true).append(true).open(part).await.map_err(write_error)?;
        let mut held = file.metadata().await.map_err(write_error)?.len();
        if held > bytes {
            file.set_len(0).await.map_err(write_error)?;
            held = 0;
        }
        if held == bytes {
            return Ok(());
        }
        let HubSource { repository, revision, path } = source;
        let url = format!("{}/{repository}/resolve/{revision}/{path}", self.base);
        let mut request = self.client.get(url);
        if held > 0 {
            request = request.header(RANGE, format!("bytes={held}-"));
        }
        let response = request.send().await.map_err(|error| match error.is_connect() || error.is_timeout() {
            true => HubError::Unreachable(error),
            false => HubError::Broken(error),
        })?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if begins_at(&response, held) => {}
            StatusCode::OK => {
                file.set_len(0).await.map_err(write_error)?;
                held = 0;
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                file.set_len(0).await.map_err(write_error)?;
                return Err(HubError::Status(response.status()));
            }
            status => return Err(HubError::Status(status)),
        }
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    file.flush().await.map_err(write_error)?;
                    return Err(HubError::Broken(error));
                }
            };
            held += piece.len() as u64;
            if held > bytes {
                return Err(HubError::TooLong(bytes));
            }
            file.write_all(&piece).await.map_err(write_error)?;
            progress.reach(held);
        }
        file.flush().await.map_err(write_error)?;
        if held < bytes { Err(HubError::TooShort { got: held, wanted: bytes }) } else { Ok(()) }
    }
}

/// Whether a partial answer goes on exactly where the file ends.
fn begins_at(response: &reqwest::Response, held: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")).and_then(|range| range.split_once('-'));
    start.is_some_and(|(start, _)| start.parse() == Ok(held))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let scheme = attempt.previous().first().map(|url| url.scheme().to_owned());
    if attempt.previous().len() > limits::HUB_REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else if scheme.as_deref() != Some(attempt.url().scheme()) {
        attempt.error("a redirect to another scheme")
    } else {
        attempt.follow()
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
pub(super) mod tests;
