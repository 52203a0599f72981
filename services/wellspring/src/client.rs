//! How do the client commands speak with the service? Over the same HTTP API as everybody.
//!
//! Invariants:
//! - No proxy and no redirect: the request goes to the address the user named.
//! - The server's own message and hint reach the user unchanged.

use futures::{Stream, StreamExt};
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use wellspring_core::document::{DocumentKey, NameError};

use crate::environment;

/// The longest line of a streamed response: an answer with its citations, or the passages of a question.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Why the service did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address is none.
    #[error("`{server}` is no server's address")]
    Address {
        /// As given.
        server: String,
    },
    /// The key is none.
    #[error("the key `{key}` {reason}")]
    Key {
        /// As given.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answers.
    #[error("no Wellspring server answers at {server}")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The service said no.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The answer was cut off or is not what Wellspring sends.
    #[error("the server's answer could not be read: {reason}")]
    Garbled {
        /// Why.
        reason: String,
    },
}

impl ClientError {
    /// What the user can do.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Address { .. } => Some("name it as http://HOST:PORT, such as http://127.0.0.1:7700".to_owned()),
            Self::Key { .. } => Some("`wellspring documents` lists the keys".to_owned()),
            Self::Unreachable { .. } => {
                Some("start it with `wellspring serve`, or name another with --server URL".to_owned())
            }
            Self::Refused { hint, .. } if !hint.is_empty() => Some(hint.clone()),
            Self::Refused { .. } => None,
            Self::Garbled { .. } => {
                Some("is it a Wellspring server of this version? the server's log may say more".to_owned())
            }
        }
    }

    fn garbled(reason: impl std::fmt::Display) -> Self {
        Self::Garbled { reason: reason.to_string() }
    }
}

/// The form of every error of the service.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    code: String,
    message: String,
    #[serde(default)]
    hint: String,
}

/// An event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: String,
    /// Its JSON.
    pub(crate) data: String,
}

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    key: Option<String>,
}

impl Client {
    /// Prepares to talk to `server`, with the key of the environment where there is one.
    pub(crate) fn new(server: &str) -> Result<Self, ClientError> {
        let url =
            reqwest::Url::parse(server).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            return Err(ClientError::Address { server: server.to_owned() });
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(5))
            .build()
            .map_err(ClientError::garbled)?;
        let key = std::env::var(environment::KEY).ok().filter(|key| !key.is_empty());
        Ok(Self { http, server: server.trim_end_matches('/').to_owned(), key })
    }

    /// Starts a request to a path below the server; `segments` are escaped one by one.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends, and turns a refusal into an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| {
            if source.is_builder() {
                ClientError::Garbled { reason: format!("the address {} is not valid", self.server) }
            } else {
                ClientError::Unreachable { server: self.server.clone(), source }
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(ClientError::garbled)?;
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(ErrorBody { error: ErrorDetail { code, message, hint } }) => {
                Err(ClientError::Refused { status, code, message, hint })
            }
            Err(_) => Err(ClientError::garbled(format!("HTTP status {status}"))),
        }
    }

    /// Sends and reads JSON.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        self.send(request).await?.json().await.map_err(ClientError::garbled)
    }

    /// Sends and reads server-sent events.
    pub(crate) async fn events(
        &self,
        request: RequestBuilder,
    ) -> Result<impl Stream<Item = Result<Event, ClientError>> + Unpin, ClientError> {
        let response = self.send(request.header("accept", "text/event-stream")).await?;
        let mut name = String::new();
        let events = lines(response).filter_map(move |line| {
            let event = match line {
                Err(error) => Some(Err(error)),
                Ok(line) => match line.split_once(':') {
                    Some(("event", value)) => {
                        value.trim().clone_into(&mut name);
                        None
                    }
                    Some(("data", value)) => {
                        Some(Ok(Event { name: std::mem::take(&mut name), data: value.trim_start().to_owned() }))
                    }
                    _ => None,
                },
            };
            futures::future::ready(event)
        });
        Ok(events.boxed())
    }
}

/// The lines of a response as they arrive, each bounded.
pub(crate) fn lines(response: Response) -> impl Stream<Item = Result<String, ClientError>> + Unpin + Send {
    let bytes = response.bytes_stream().map(|piece| piece.map_err(std::io::Error::other));
    let codec = LinesCodec::new_with_max_length(LINE_BYTES_MAX);
    FramedRead::new(StreamReader::new(bytes), codec).map(|line| line.map_err(ClientError::garbled)).boxed()
}

/// What may follow a document's key in a path.
const ACTIONS: &[&str] = &["/residue", "/retry"];

/// A document's path in the API; the key's slashes stay, everything else that is not plain is escaped.
pub(crate) fn document_path(key: &str) -> Result<String, ClientError> {
    // A `..` would be folded on the way, escaped or not, and the request would be about another document.
    let key: DocumentKey =
        key.parse().map_err(|error: NameError| ClientError::Key { key: key.to_owned(), reason: error.to_string() })?;
    let key = key.as_str();
    let mut path = String::from("/v1/documents/");
    // A key may end like one of the actions that paths end with: then its slash is escaped.
    let action = ACTIONS.iter().filter(|action| key.ends_with(**action)).map(|action| key.len() - action.len()).next();
    for (place, byte) in key.bytes().enumerate() {
        match byte {
            b'/' if Some(place) == action => path.push_str("%2F"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => path.push(char::from(byte)),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_into_paths() {
        assert_eq!(document_path("a/b c?#%河").unwrap(), "/v1/documents/a/b%20c%3F%23%25%E6%B2%B3");
        assert_eq!(document_path("a/retry").unwrap(), "/v1/documents/a%2Fretry");
        assert!(document_path("a/../b").is_err());
    }
}
