//! How does an address answer when there is no network?
//!
//! [`MemoryFetch`] is one host in a private network of its own. It is stricter than the real client: a request without a
//! bound, or with validators that hold a line break, is the caller's mistake.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use wellspring_core::fetch::{
    Fetch, FetchAnswer, FetchError, FetchErrorKind, FetchRequest, Fetched, RobotsWishes, Validators,
};
use wellspring_core::limits;

use crate::conformance::fetch::{Said, World};

/// The only host that there is.
const HOST: &str = "host.private";

/// A host that says what it was told to say.
#[derive(Debug, Default)]
pub struct MemoryFetch {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    said: BTreeMap<String, Said>,
    asked: HashMap<String, usize>,
}

impl MemoryFetch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World for MemoryFetch {
    fn fetch(&self) -> &dyn Fetch {
        self
    }

    fn says(&self, path: &str, said: Said) {
        self.state().said.insert(path.to_owned(), said);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{HOST}{path}")
    }

    fn host(&self) -> String {
        HOST.to_owned()
    }

    fn asked(&self, path: &str) -> usize {
        self.state().asked.get(path).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Fetch for MemoryFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        assert!(request.bytes_max > 0, "a body has a bound");
        let Validators { etag, last_modified } = &request.validators;
        let is_line = |text: &String| !text.contains(['\r', '\n']);
        assert!(etag.iter().chain(last_modified).all(is_line), "what was remembered of a head is one line");
        let (mut url, mut permanent, mut seen) = (request.url.clone(), true, Vec::new());
        loop {
            let path = path_of(&url, &request.private_hosts)?;
            let said = {
                let mut state = self.state();
                *state.asked.entry(path.clone()).or_default() += 1;
                state.said.get(&path).cloned()
            };
            match said {
                Some(Said::Moved(for_ever, to)) => {
                    permanent &= for_ever;
                    seen.push(url);
                    if seen.contains(&to) || seen.len() > limits::FETCH_REDIRECTS_MAX {
                        return Err(failed(FetchErrorKind::TooManyRedirects));
                    }
                    url = to;
                }
                said => {
                    let moved_permanently = permanent && !seen.is_empty();
                    return answer(said.unwrap_or(Said::Status(404, None)), &request, url, moved_permanently);
                }
            }
        }
    }
}

fn failed(kind: FetchErrorKind) -> FetchError {
    FetchError::new(kind, "the host of this test said so")
}

/// The path of an address of the host, where it may be asked.
fn path_of(url: &str, private_hosts: &[String]) -> Result<String, FetchError> {
    let refused = || failed(FetchErrorKind::Refused);
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or_else(refused)?;
    if host != HOST || !private_hosts.iter().any(|named| named == host) {
        return Err(refused());
    }
    Ok(format!("/{path}"))
}

fn answer(said: Said, request: &FetchRequest, url: String, moved_permanently: bool) -> Result<Fetched, FetchError> {
    let (body, etag, lines) = match said {
        Said::Page { body, etag, lines } => (body, etag, lines),
        Said::Status(404, _) => return Ok(bare(FetchAnswer::Gone(false), url, moved_permanently)),
        Said::Status(410, _) => return Ok(bare(FetchAnswer::Gone(true), url, moved_permanently)),
        Said::Status(429 | 503, seconds) => {
            return Err(failed(FetchErrorKind::Throttled(seconds.map(Duration::from_secs))));
        }
        Said::Status(status @ 400..=499, _) => return Err(failed(FetchErrorKind::Denied(status))),
        Said::Status(status, _) => return Err(failed(FetchErrorKind::ServerError(status))),
        Said::Moved(..) => unreachable!("it was followed"),
    };
    let line = |wanted: &str| lines.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let mut robots = RobotsWishes::default();
    line("x-robots-tag").into_iter().flat_map(|tag| tag.split(',')).for_each(|wish| robots.heed(wish.trim()));
    let fresh_for = line("cache-control").and_then(|value| value.strip_prefix("max-age=")?.parse().ok());
    let answer = match request.validators.etag.as_ref() == Some(&etag) {
        true => FetchAnswer::NotModified,
        false if body.len() > request.bytes_max => return Err(failed(FetchErrorKind::BadBody)),
        false => FetchAnswer::Content { content_type: line("content-type").map(str::to_owned), body },
    };
    let wire_bytes = match &answer {
        FetchAnswer::Content { body, .. } => body.len() as u64,
        FetchAnswer::NotModified | FetchAnswer::Gone(_) => 0,
    };
    Ok(Fetched {
        validators: Validators { etag: Some(etag), last_modified: None },
        fresh_for: fresh_for.map(Duration::from_secs),
        robots,
        wire_bytes,
        ..bare(answer, url, moved_permanently)
    })
}

fn bare(answer: FetchAnswer, url: String, moved_permanently: bool) -> Fetched {
    Fetched {
        answer,
        url,
        moved_permanently,
        validators: Validators::default(),
        fresh_for: None,
        robots: RobotsWishes::default(),
        links: Vec::new(),
        wire_bytes: 0,
    }
}
