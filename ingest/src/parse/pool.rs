//! Who reads the documents, and what if one of them kills its reader?
//!
//! Invariants:
//! - A worker's death costs one attempt of one document and nothing else (I-8): it is replaced, and other documents
//!   wait at most for one attempt, since the place is given up between two.
//! - A short plain text waits for no other format: however many documents take their time, it has a place of its own.
//! - Everything a worker says is checked before it is believed.
//! - No worker outlives the pool: each is killed when it is dropped, and reads the end of its input if the service
//!   dies first.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use wellspring_core::document::MediaType;
use wellspring_core::limits;

use super::web::{Ask, Feed, Found, PageLinks, Sitemap};
use super::{ParseError, Parsed, content_bytes_max};

mod process;

use process::{Answer, Exchange, Worker};

/// How to start a worker: a command that ends in [`super::worker::run`].
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program; the service's own binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Parse workers, started when they are first needed.
#[derive(Debug)]
pub struct ParsePool {
    command: WorkerCommand,
    /// One permit for each worker that may run.
    places: Semaphore,
    /// One more, for what takes no time.
    quick_place: Semaphore,
    idle: Mutex<Vec<Worker>>,
    timeout: Duration,
}

impl ParsePool {
    /// A pool of at most `workers` processes, at least one, and one more for short plain texts.
    pub fn new(command: WorkerCommand, workers: usize) -> Self {
        Self {
            command,
            places: Semaphore::new(workers.max(1)),
            quick_place: Semaphore::new(1),
            idle: Mutex::new(Vec::new()),
            timeout: limits::PARSE_TIMEOUT,
        }
    }

    /// The same pool with another bound on the wall time of one attempt.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Reads one document. Dropping the future kills the worker in the middle of its work.
    pub async fn parse(&self, media_type: MediaType, content: Vec<u8>) -> Result<Parsed, ParseError> {
        match self.ask(Ask::Document { media_type }, content).await? {
            Answer::Parsed(parsed) => Ok(parsed),
            Answer::Found(_) => Err(of_another_kind()),
        }
    }

    /// Reads a feed that was found at `url`, at most [`limits::FEED_BYTES_MAX`] of it. Dropping as for `parse`.
    pub async fn feed(&self, url: &str, content: Vec<u8>) -> Result<Feed, ParseError> {
        self.find(Ask::Feed { url: url.to_owned() }, content).await
    }

    /// Reads a sitemap, packed or not. Dropping as for `parse`.
    pub async fn sitemap(&self, content: Vec<u8>) -> Result<Sitemap, ParseError> {
        self.find(Ask::Sitemap, content).await
    }

    /// Reads what the page at `url` says about itself and where it leads. Dropping as for `parse`.
    pub async fn links(&self, url: &str, content: Vec<u8>) -> Result<PageLinks, ParseError> {
        self.find(Ask::Links { url: url.to_owned() }, content).await
    }

    async fn find<T: Found>(&self, ask: Ask, content: Vec<u8>) -> Result<T, ParseError> {
        let Answer::Found(json) = self.ask(ask, content).await? else { return Err(of_another_kind()) };
        // A long list takes milliseconds to read.
        let found = tokio::task::spawn_blocking(move || serde_json::from_slice::<T>(&json).ok().filter(T::is_bounded));
        match found.await {
            Ok(Some(found)) => Ok(found),
            _ => Err(ParseError::Refused { reason: "its parse worker broke the protocol".to_owned() }),
        }
    }

    async fn ask(&self, ask: Ask, content: Vec<u8>) -> Result<Answer, ParseError> {
        let max = content_bytes_max(&ask);
        if content.len() > max {
            return Err(ParseError::Refused { reason: format!("it is longer than {max} bytes") });
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&ask, &content).await? {
                Exchange::Answered(answer) => return Ok(answer),
                Exchange::Refused(reason) => return Err(ParseError::Refused { reason }),
                Exchange::Died(reason) if attempts >= limits::PARSE_ATTEMPTS_MAX => {
                    return Err(ParseError::Killed { attempts, reason });
                }
                Exchange::Overdue(reason) => return Err(ParseError::Killed { attempts, reason }),
                Exchange::Died(reason) => tracing::warn!(attempts, reason, "a parse worker died and is replaced"),
            }
        }
    }

    async fn attempt(&self, ask: &Ask, content: &[u8]) -> Result<Exchange, ParseError> {
        let place = tokio::select! {
            biased;
            place = self.places.acquire() => place,
            place = self.quick_place.acquire(), if is_quick(ask, content) => place,
        };
        let _place = place.map_err(|_| ParseError::Unavailable { reason: "the pool is closed".to_owned() })?;
        let mut worker = match self.take_idle() {
            Some(worker) => worker,
            None => Worker::start(&self.command).await.map_err(|reason| ParseError::Unavailable { reason })?,
        };
        let began = Instant::now();
        let exchange = match tokio::time::timeout(self.timeout, worker.exchange(ask, content)).await {
            Ok(exchange) => exchange,
            Err(_) => {
                worker.kill().await;
                Exchange::Overdue(format!("took longer than {:.0?}", self.timeout))
            }
        };
        let alive = !matches!(exchange, Exchange::Died(_) | Exchange::Overdue(_));
        if alive && worker.may_go_on(content.len(), began.elapsed()) {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        } else {
            worker.kill().await;
        }
        Ok(exchange)
    }

    /// An idle worker that still lives; one that was killed from outside is no document's fault.
    fn take_idle(&self) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut worker) = idle.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
        }
        None
    }
}

/// Whether reading it takes no time, whatever it says: short texts whose readers go over them once.
fn is_quick(ask: &Ask, content: &[u8]) -> bool {
    let is_plain = matches!(ask, Ask::Document { media_type: MediaType::Text | MediaType::Markdown });
    is_plain && content.len() <= limits::PARSE_QUICK_BYTES_MAX
}

/// The exchange with a worker lets no answer of another kind through; were it otherwise, the content would be passed over.
fn of_another_kind() -> ParseError {
    ParseError::Refused { reason: "its parse worker answered another question".to_owned() }
}

/// How a process ended, to follow "it".
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("was ended by signal {signal} ({name})"),
            None => format!("was ended by signal {signal}"),
        },
        (None, Some(code)) => format!("exited with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// What the signals mean that end a process which breaks its bounds.
fn signal_name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let named = [
        (Signal::ABORT, "it gave up by itself, mostly for want of memory"),
        (Signal::BUS, "a bad address"),
        (Signal::FPE, "an impossible calculation"),
        (Signal::ILL, "an impossible instruction"),
        (Signal::KILL, "killed"),
        (Signal::SEGV, "a bad address, or nested too deep"),
        (Signal::XCPU, "out of processor time"),
    ];
    named.into_iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| name)
}
