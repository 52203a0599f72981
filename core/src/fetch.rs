//! What does this address say, and has it changed? And does it take what we have to tell?
//!
//! The seam to the outer world: every byte that a source takes from a network comes through a [`Fetch`], and every one
//! that is sent out by ourselves goes through a [`Post`].
//!
//! Invariants:
//! - What a server says about time and change is a hint to skip work; the content's hash is the truth.
//! - A body is never longer than the request allows, whatever its headers say and however it was compressed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What was remembered of an answer, to ask whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// The `ETag`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The `Last-Modified`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// One address to read.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// An absolute `http` or `https` address.
    pub url: String,
    /// Sent as `If-None-Match` and `If-Modified-Since`; empty for an unconditional request.
    pub validators: Validators,
    /// The `Accept` header; `None` takes anything.
    pub accept: Option<String>,
    /// The most bytes of a decoded body; a longer one is an error.
    pub bytes_max: usize,
    /// Host names (and literal addresses) that may lie in a private network. All others may not.
    pub private_hosts: Vec<String>,
    /// A person waits for the answer: a server that asked to be left alone is asked all the same, once in
    /// [`crate::limits::FETCH_INSIST_PAUSE`] at most.
    pub insists: bool,
    /// Asked before each redirect is followed; `None` follows every one that leads where requests may go.
    pub hops: Option<Arc<dyn Hops>>,
}

/// What is known of an address that a redirect leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// It may be asked.
    Allowed,
    /// Its host's `robots.txt` excludes it.
    Excluded,
    /// Its host could not tell, so it may not be asked for now.
    Unknown,
    /// Its host may not be asked anything, for this reason.
    Refused(String),
}

/// Says whether an address that a redirect leads to may be asked, before it is: for programs that follow links, by the
/// `robots.txt` of its host. Contract for implementors: it may ask that host, but holds no turn of another's meanwhile.
#[async_trait]
pub trait Hops: std::fmt::Debug + Send + Sync {
    /// Judges one absolute address.
    async fn judge(&self, url: &str) -> Hop;
}

/// What `X-Robots-Tag` says to everybody, or to this service by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RobotsWishes {
    /// What is here is not to be kept.
    pub noindex: bool,
    /// Where it leads is not to be followed.
    pub nofollow: bool,
}

impl RobotsWishes {
    /// Adds one directive, in lower case; what is none of these asks nothing of us.
    pub fn heed(&mut self, directive: &str) {
        self.noindex |= matches!(directive, "noindex" | "none");
        self.nofollow |= matches!(directive, "nofollow" | "none");
    }
}

/// What an address answered.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// What came.
    pub answer: FetchAnswer,
    /// The address that answered, after redirects.
    pub url: String,
    /// Whether every redirect on the way said it is for ever: then the source may remember the new address.
    pub moved_permanently: bool,
    /// To send next time.
    pub validators: Validators,
    /// How long the server wants not to be asked again (`Cache-Control: max-age`, `Expires`, `Retry-After` of a
    /// success); a hint.
    pub fresh_for: Option<Duration>,
    /// What the server asks of robots in its head.
    pub robots: RobotsWishes,
    /// The `Link` headers, as (relation, absolute address), such as a WebSub hub.
    pub links: Vec<(String, String)>,
    /// Bytes that came over the wire, headers aside: what the visit cost.
    pub wire_bytes: u64,
}

/// The answer itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchAnswer {
    /// What was remembered still holds (304).
    NotModified,
    /// A body.
    Content {
        /// The `Content-Type`, as it came, parameters included; may lie.
        content_type: Option<String>,
        /// The decoded body.
        body: Vec<u8>,
    },
    /// There is nothing at this address any more (404, 410): `true` when it said so for ever (410).
    Gone(bool),
}

/// Why an address could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchErrorKind {
    /// The address is not one that may be asked: its form, its scheme, or where it points. Asking again is useless.
    Refused,
    /// The host could not be found or reached, or the line broke. Later may go better.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// The server asked to be left alone (429, 503), for this long where it said so.
    Throttled(Option<Duration>),
    /// The server answered with an error of its own (5xx).
    ServerError(u16),
    /// The server will not give it to us (401, 403 and the other 4xx).
    Denied(u16),
    /// The body is longer than allowed, or cannot be decoded.
    BadBody,
    /// More redirects than allowed, or in a circle.
    TooManyRedirects,
    /// A redirect leads where `robots.txt` excludes programs: see [`Hops`].
    Excluded,
    /// A redirect leads where it cannot be told for now whether `robots.txt` excludes programs.
    RulesUnknown,
}

/// An error of [`Fetch::fetch`].
pub type FetchError = Failure<FetchErrorKind>;

/// Reads addresses. Contract for implementors:
///
/// - One call is at most one visit of one resource: redirects are followed, each checked as the first was, and by the
///   request's [`Hops`] before it is asked.
/// - Dropping the future gives up the request.
/// - Waiting for a host's turn (politeness) happens inside and counts against no timeout of the server's.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// Reads one address.
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError>;

    /// Asks for at least this pause between two visits of the address's host, as its robots.txt does; capped, and
    /// forgotten with the host. What is not polite to anybody, such as a double in a test, need not listen.
    fn pause_at_least(&self, _url: &str, _pause: Duration) {}

    /// How much longer the server of an address wants to be left alone, where it asked for that (`Retry-After`).
    fn left_alone(&self, _url: &str) -> Option<Duration> {
        None
    }
}

/// Why an address would not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAdmitted {
    /// What stands in the way, to be read after the setting's name.
    pub why: String,
    /// The host that would have to be named as private for the address to be asked; `None` where nothing would help.
    pub private_host: Option<String>,
}

/// Says whether an address would be asked, before anybody does. Contract for implementors:
///
/// - Nothing is connected to, and a name that cannot be looked up now is admitted.
/// - It is no lock: whoever asks the address later judges it anew.
#[async_trait]
pub trait Admit: Send + Sync {
    /// Judges one address, given the hosts that may lie in a private network.
    async fn admit(&self, url: &str, private_hosts: &[String]) -> Result<(), NotAdmitted>;
}

/// Something to tell one address.
#[derive(Debug, Clone)]
pub struct PostRequest {
    /// An absolute `http` or `https` address.
    pub url: String,
    /// Headers beyond those of every request, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Host names (and literal addresses) that may lie in a private network. All others may not.
    pub private_hosts: Vec<String>,
    /// The answer must be there within this, the connection included.
    pub timeout: Duration,
}

/// What the address answered to it; the answer's body is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status, whatever it is.
    pub status: u16,
    /// How long the server wants to be left alone (`Retry-After`); a hint.
    pub retry_after: Option<Duration>,
}

/// Tells addresses. Contract for implementors:
///
/// - Any status is an answer, a redirect too: nothing is sent anywhere but to the address itself.
/// - Only [`FetchErrorKind::Refused`] says that nothing was sent; after every other error it may have arrived.
/// - One call waits for no other; the caller bounds how many there are at once.
/// - Dropping the future gives up the request.
#[async_trait]
pub trait Post: Send + Sync {
    /// Tells one address.
    async fn post(&self, request: PostRequest) -> Result<Posted, FetchError>;
}
