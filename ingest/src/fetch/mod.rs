//! How does a byte come from the network, without leading us where we should not go?
//!
//! One client for all sources ([ADR 0007](../../../docs/adr/0007-one-guarded-client.md)):
//!
//! ```text
//! target: may this address be asked? -> turns: is it our turn? -> resolve: where is it, checked -> exchange
//!    ^                                                                                                |
//!    +------------------------------------ redirect, judged as the first -----------------------------+
//! ```
//!
//! Invariants:
//! - Nothing connects to an address that did not pass the check, whether it came from a name, a literal or a redirect;
//!   private networks are open to the hosts that a request names, and to no others.
//! - Nothing connects to this service itself, whoever names it: what only its API's callers may read would become a
//!   document.
//! - Two clients, and so two pools of connections: one that a named host may use, and one that never saw an unchecked
//!   address. A connection that one source was allowed is not lent to another. Ports that are our own have two more.
//! - Where a request obeys `robots.txt`, every hop does: a redirect is judged before it is followed.
//! - No proxy, no cookie, no credential, no referrer. What validates an answer goes to no other host.
//! - What is sent (`post`) passes the same checks, follows no redirect, and stands in no line.
//! - Waiting is bounded everywhere but in front of a host's line, where it is fair and can be given up.

mod address;
mod admit;
mod decode;
mod exchange;
mod headers;
mod post;
mod resolve;
mod robots;
mod target;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, redirect};
use thiserror::Error;
use tokio::time::{Instant, timeout};
use url::Url;
use wellspring_core::fetch::{Fetch, FetchAnswer, FetchError, FetchErrorKind, FetchRequest, Fetched, Hop, Validators};
use wellspring_core::limits;

use self::address::AddressRule;
use self::exchange::{Question, Reply};
use self::resolve::{CheckedResolver, Lookup, SystemLookup};
use self::target::{Gate, Target};
use self::turns::{Turn, Turns};

pub use self::admit::ByItsForm;
pub(crate) use self::admit::{admit_address, admit_source, refusal};
pub use self::robots::{Allowance, Robots, RobotsRules};

/// The name by which we are known to servers and in a robots.txt.
pub const PRODUCT: &str = "Wellspring";

/// How to behave towards servers. The defaults are those of `core/src/limits.rs`.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// An address where a server's owner finds out who asks, shown in the `User-Agent`.
    pub contact: Option<String>,
    /// Between two requests to one host.
    pub host_pause: Duration,
    /// The same for hosts that the request names as private: they are the operator's own.
    pub private_host_pause: Duration,
    /// Requests in work at once, over all hosts.
    pub requests_max: usize,
    /// Opening a connection.
    pub connect_timeout: Duration,
    /// The head of an answer, the connection included.
    pub head_timeout: Duration,
    /// The next piece of a body.
    pub idle_timeout: Duration,
    /// Over which the least rate of a body is measured.
    pub rate_window: Duration,
    /// One visit, redirects and body included, waiting for turns aside.
    pub visit_timeout: Duration,
    /// Ports on which this service itself listens: no leave opens them at an address of this machine.
    pub own_ports: Vec<u16>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            contact: None,
            host_pause: limits::FETCH_HOST_PAUSE,
            private_host_pause: Duration::ZERO,
            requests_max: limits::FETCHES_MAX,
            connect_timeout: limits::FETCH_CONNECT_TIMEOUT,
            head_timeout: limits::FETCH_HEAD_TIMEOUT,
            idle_timeout: limits::FETCH_IDLE_TIMEOUT,
            rate_window: limits::FETCH_RATE_WINDOW,
            visit_timeout: limits::FETCH_TIMEOUT,
            own_ports: Vec::new(),
        }
    }
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum FetchOptionsError {
    /// The contact cannot stand in a header.
    #[error("the contact shown to servers is not plain text; give an address such as https://example.com/about")]
    Contact,
    /// The TLS library or its certificates are not in order.
    #[error("could not prepare the HTTP client; see that the system's certificates are installed")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The guarded client. Reads and tells over HTTP/1.1, with and without TLS.
pub struct HttpFetch {
    options: FetchOptions,
    rule: AddressRule,
    lookup: Arc<dyn Lookup>,
    public: Clients,
    private: Clients,
    turns: Turns,
}

/// The clients of one rule.
struct Clients {
    anywhere: Client,
    /// For ports on which we listen ourselves: it leaves out the addresses of this machine.
    elsewhere: Client,
}

impl HttpFetch {
    /// A client that resolves names with the system's resolver.
    pub fn new(options: FetchOptions) -> Result<Self, FetchOptionsError> {
        Self::assemble(options, Arc::new(SystemLookup::new()), address::public)
    }

    fn assemble(options: FetchOptions, lookup: Arc<dyn Lookup>, rule: AddressRule) -> Result<Self, FetchOptionsError> {
        // Another part of the program may have chosen a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = agent(options.contact.as_deref())?;
        let client = |rule, elsewhere| {
            Client::builder()
                .user_agent(agent.as_str())
                .dns_resolver(CheckedResolver { lookup: Arc::clone(&lookup), rule, elsewhere })
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .http1_max_headers(limits::FETCH_HEADERS_MAX)
                // No more than one request is in flight at a host.
                .pool_max_idle_per_host(1)
                .pool_idle_timeout(limits::FETCH_KEEP_OPEN)
                .connect_timeout(options.connect_timeout)
                .build()
                .map_err(|error| FetchOptionsError::Client(error.into()))
        };
        let clients = |rule| Ok(Clients { anywhere: client(rule, false)?, elsewhere: client(rule, true)? });
        let (public, private) = (clients(Some(rule))?, clients(None)?);
        let turns = Turns::new(options.requests_max.max(1));
        Ok(Self { options, rule, lookup, public, private, turns })
    }

    fn gate<'a>(&'a self, private_hosts: &'a [String]) -> Gate<'a> {
        Gate { private_hosts, rule: self.rule, own_ports: &self.options.own_ports }
    }

    fn client(&self, target: &Target) -> &Client {
        let clients = if target.private { &self.private } else { &self.public };
        if target.own_port { &clients.elsewhere } else { &clients.anywhere }
    }

    async fn turn(&self, target: &Target, insists: bool) -> Result<Turn, FetchError> {
        let pause = if target.private { self.options.private_host_pause } else { self.options.host_pause };
        self.turns.take(&target.host, target.port(), pause, insists).await.map_err(|silent| {
            let attempted = match silent.is_wish {
                true => format!("{} asked to be left alone", target.host),
                false => format!("{} was too slow again and again, and is left alone", target.host),
            };
            FetchError::new(FetchErrorKind::Throttled(Some(silent.left)), attempted)
        })
    }
}

fn agent(contact: Option<&str>) -> Result<String, FetchOptionsError> {
    let version = env!("CARGO_PKG_VERSION");
    let Some(contact) = contact else { return Ok(format!("{PRODUCT}/{version}")) };
    let plain = contact.bytes().all(|byte| byte.is_ascii_graphic() && !b"()\\".contains(&byte));
    if contact.is_empty() || !plain || contact.len() > limits::FETCH_ATTRIBUTE_BYTES_MAX {
        return Err(FetchOptionsError::Contact);
    }
    Ok(format!("{PRODUCT}/{version} (+{contact})"))
}

fn may_follow(hop: Hop, next: &Target) -> Result<(), FetchError> {
    let failed = |kind, what: &str| Err(FetchError::new(kind, format!("it leads to {}, {what}", next.host)));
    match hop {
        Hop::Allowed => Ok(()),
        Hop::Excluded => failed(FetchErrorKind::Excluded, "whose robots.txt excludes that"),
        Hop::Refused(why) => Err(FetchError::new(FetchErrorKind::Refused, format!("it leads elsewhere: {why}"))),
        Hop::Unknown => failed(FetchErrorKind::RulesUnknown, "whose robots.txt cannot be had for now"),
    }
}

#[async_trait]
impl Fetch for HttpFetch {
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        let gate = self.gate(&request.private_hosts);
        let mut target = gate.first(&request.url)?;
        let first_host = target.host.clone();
        let mut seen: Vec<Url> = Vec::new();
        let (mut permanent, mut left) = (true, self.options.visit_timeout);
        loop {
            let turn = self.turn(&target, request.insists).await?;
            let began = Instant::now();
            let question = Question {
                target: &target,
                validators: (target.host == first_host).then_some(&request.validators),
                accept: request.accept.as_deref(),
                bytes_max: request.bytes_max,
                head_timeout: self.options.head_timeout,
                idle_timeout: self.options.idle_timeout,
                rate_window: self.options.rate_window,
            };
            let reply = timeout(left, question.ask(self.client(&target))).await.unwrap_or_else(|_| {
                Err(FetchError::new(FetchErrorKind::TimedOut, format!("{} took too long", target.host)))
            });
            match reply.as_ref().map_err(FetchError::kind) {
                Err(FetchErrorKind::Throttled(Some(wanted))) => turn.silence(wanted),
                Ok(_) => turn.was_answered(),
                Err(_) => {}
            }
            turn.was_slow(reply.as_ref().is_err_and(|error| error.kind() == FetchErrorKind::TimedOut));
            left = left.saturating_sub(began.elapsed());
            drop(turn);
            match reply? {
                Reply::Answer { answer, about, wire_bytes } => {
                    let moved_permanently = permanent && !seen.is_empty();
                    // What another host said would be sent to the first one next time, unless the address changes.
                    let usable = target.host == first_host || moved_permanently;
                    let mut validators = if usable { about.validators } else { Validators::default() };
                    if answer == FetchAnswer::NotModified {
                        validators.etag = validators.etag.or(request.validators.etag);
                        validators.last_modified = validators.last_modified.or(request.validators.last_modified);
                    }
                    let (fresh_for, robots, links) = (about.fresh_for, about.robots, about.links);
                    let url = target.url.into();
                    return Ok(Fetched {
                        answer,
                        url,
                        moved_permanently,
                        validators,
                        fresh_for,
                        robots,
                        links,
                        wire_bytes,
                    });
                }
                Reply::Redirect { permanent: for_ever, location } => {
                    let next = gate.redirect(&target, &location)?;
                    seen.push(target.url);
                    if seen.len() > limits::FETCH_REDIRECTS_MAX || seen.contains(&next.url) {
                        let attempted = format!("{first_host} redirects too often or in a circle");
                        return Err(FetchError::new(FetchErrorKind::TooManyRedirects, attempted));
                    }
                    if let Some(hops) = &request.hops {
                        may_follow(hops.judge(next.url.as_str()).await, &next)?;
                    }
                    permanent &= for_ever;
                    target = next;
                }
            }
        }
    }

    fn pause_at_least(&self, url: &str, pause: Duration) {
        if let Some(host) = Url::parse(url).ok().as_ref().and_then(Url::host) {
            self.turns.pause_at_least(&target::normal(host), pause);
        }
    }

    fn left_alone(&self, url: &str) -> Option<Duration> {
        let url = Url::parse(url).ok()?;
        self.turns.wish(&target::normal(url.host()?), url.port_or_known_default()?)
    }
}

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
