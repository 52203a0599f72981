//! May this page be read, according to its host?
//!
//! Invariants:
//! - A host without rules (4xx) allows everything; one that cannot tell (5xx, unreachable) is not known to allow
//!   anything, and is asked again after a while. A copy that was read before serves until then.
//! - A robots.txt is asked for once at a time, and kept for a day at most.
//! - What a host sent is read by code of our own that is total, bounded and linear, away from the threads that wait. So
//!   it needs no worker process.
//! - The rules are those of scheme, host and port, wherever a redirect found them.

mod rules;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Line;
use tokio::time::Instant;
use url::Url;
use wellspring_core::fetch::{Fetch, FetchAnswer, FetchErrorKind, FetchRequest, Fetched, Validators};
use wellspring_core::limits;

use self::rules::AgentRules;
use super::{PRODUCT, refusal};

/// What a host says to one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// It may be read.
    Allowed,
    /// It may not be read.
    Disallowed,
    /// The host could not tell, so it may not be read now; in ten minutes it is asked again, or when a person wants to know.
    Unknown,
}

/// The rules of one host, as they speak to us.
///
/// - They speak of addresses of this host alone: for another, they know nothing.
#[derive(Debug, Clone)]
pub struct RobotsRules {
    origin: String,
    /// `None` when the host could not tell.
    rules: Option<AgentRules>,
    /// Why nobody was asked.
    refused: Option<String>,
}

impl RobotsRules {
    /// Whether an address of this host may be read.
    pub fn allowed(&self, url: &str) -> Allowance {
        let url = Url::parse(url).ok().filter(|url| origin(url).as_deref() == Some(&self.origin));
        let (Some(url), Some(rules)) = (url, &self.rules) else { return Allowance::Unknown };
        let path_and_query = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        if rules.allow(&path_and_query) { Allowance::Allowed } else { Allowance::Disallowed }
    }

    /// Why the host was not asked at all, in words for people: it may not be.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The pause the host asks for between two visits; [`Robots`] has passed it on to the client already.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.rules.as_ref().and_then(|rules| rules.crawl_delay)
    }

    /// The sitemaps that the host names: addresses as they were written, of any host.
    pub fn sitemaps(&self) -> &[String] {
        self.rules.as_ref().map_or(&[], |rules| &rules.sitemaps)
    }
}

/// Asks hosts for their rules, and remembers them.
pub struct Robots {
    fetch: Arc<dyn Fetch>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

#[derive(Default)]
struct Host {
    /// Held while the host is asked, so that it is asked once.
    kept: Line<Option<Kept>>,
}

/// An answer and how long it holds.
#[derive(Clone)]
struct Kept {
    rules: Arc<RobotsRules>,
    validators: Validators,
    until: Instant,
    /// When the host failed to tell, where it did; older rules may stand in.
    failed_at: Option<Instant>,
}

impl Kept {
    fn holds(&self, now: Instant, told_since: Option<Instant>) -> bool {
        let is_too_old = self.failed_at.is_some_and(|failed_at| told_since.is_some_and(|since| failed_at < since));
        self.until > now && !is_too_old
    }
}

impl Robots {
    /// Rules that come through this client.
    pub fn new(fetch: Arc<dyn Fetch>) -> Self {
        Self { fetch, hosts: Mutex::default() }
    }

    /// Whether an address may be read. `private_hosts` is as in [`FetchRequest`].
    pub async fn allowed(&self, url: &str, private_hosts: &[String]) -> Allowance {
        self.rules(url, private_hosts).await.allowed(url)
    }

    /// The rules of an address's host. They hold for a while; a visit of many pages asks for each page anew, which costs
    /// nothing as long as they hold.
    pub async fn rules(&self, url: &str, private_hosts: &[String]) -> Arc<RobotsRules> {
        self.rules_told(url, private_hosts, None).await
    }

    /// The same, but a host that failed to tell before `told_since` is asked again: somebody waits for the answer.
    pub async fn rules_told(
        &self,
        url: &str,
        private_hosts: &[String],
        told_since: Option<Instant>,
    ) -> Arc<RobotsRules> {
        let Some(origin) = Url::parse(url).ok().as_ref().and_then(origin) else {
            return Arc::new(RobotsRules { origin: String::new(), rules: None, refused: None });
        };
        let host = self.host(&origin);
        let mut kept = host.kept.lock().await;
        let now = Instant::now();
        let current = match kept.take() {
            Some(current) if current.holds(now, told_since) => current,
            stale => self.ask(&origin, private_hosts, stale, told_since.is_some()).await,
        };
        if let Some(pause) = current.rules.crawl_delay() {
            self.fetch.pause_at_least(&origin, pause);
        }
        let rules = Arc::clone(&current.rules);
        *kept = Some(current);
        rules
    }

    async fn ask(&self, origin: &str, private_hosts: &[String], stale: Option<Kept>, insists: bool) -> Kept {
        let answered = self
            .fetch
            .fetch(FetchRequest {
                url: format!("{origin}/robots.txt"),
                validators: stale.as_ref().map(|stale| stale.validators.clone()).unwrap_or_default(),
                accept: Some("text/plain,*/*;q=0.5".to_owned()),
                bytes_max: limits::ROBOTS_BODY_BYTES_MAX,
                private_hosts: private_hosts.to_vec(),
                insists,
                // RFC 9309: the rules may lie anywhere, and nobody's rules forbid reading them.
                hops: None,
            })
            .await;
        let refused = answered.as_ref().err().and_then(|error| refusal(origin, error));
        let known = |rules, validators, fresh_for: Option<Duration>| {
            let fresh = fresh_for.unwrap_or(limits::ROBOTS_FRESH_MAX);
            let fresh = fresh.clamp(limits::ROBOTS_FRESH_MIN, limits::ROBOTS_FRESH_MAX);
            let rules = Arc::new(RobotsRules { origin: origin.to_owned(), rules: Some(rules), refused: None });
            Kept { rules, validators, until: Instant::now() + fresh, failed_at: None }
        };
        let nothing_known = |stale: Option<Kept>, pause: Duration| {
            let until = Instant::now() + pause;
            let unknown = || Arc::new(RobotsRules { origin: origin.to_owned(), rules: None, refused: refused.clone() });
            let told = stale.filter(|stale| stale.rules.rules.is_some());
            let (rules, validators) =
                told.map_or_else(|| (unknown(), Validators::default()), |stale| (stale.rules, stale.validators));
            Kept { rules, validators, until, failed_at: Some(Instant::now()) }
        };
        match answered {
            Ok(Fetched { answer: FetchAnswer::Content { body, .. }, validators, fresh_for, .. }) => {
                match tokio::task::spawn_blocking(move || AgentRules::read(&body, PRODUCT)).await {
                    Ok(rules) => known(rules, validators, fresh_for),
                    Err(_) => nothing_known(stale, limits::ROBOTS_UNKNOWN_PAUSE),
                }
            }
            Ok(Fetched { answer: FetchAnswer::Gone(_), .. }) => {
                known(AgentRules::default(), Validators::default(), None)
            }
            Ok(Fetched { answer: FetchAnswer::NotModified, validators, fresh_for, .. }) => {
                match stale.as_ref().and_then(|stale| stale.rules.rules.clone()) {
                    Some(rules) => known(rules, validators, fresh_for),
                    None => nothing_known(stale, limits::ROBOTS_UNKNOWN_PAUSE),
                }
            }
            Err(error) => match error.kind() {
                // RFC 9309: what is not there forbids nothing, and neither does what hides behind a circle.
                FetchErrorKind::Denied(_) | FetchErrorKind::TooManyRedirects => {
                    known(AgentRules::default(), Validators::default(), None)
                }
                FetchErrorKind::Throttled(pause) => {
                    let pause = pause.unwrap_or_default();
                    nothing_known(stale, pause.clamp(limits::ROBOTS_UNKNOWN_PAUSE, limits::FETCH_SILENCE_MAX))
                }
                // Nobody was asked, and another caller may be allowed to: nothing to remember.
                FetchErrorKind::Refused => nothing_known(stale, Duration::ZERO),
                FetchErrorKind::Unreachable
                | FetchErrorKind::TimedOut
                | FetchErrorKind::ServerError(_)
                | FetchErrorKind::BadBody
                | FetchErrorKind::Excluded
                | FetchErrorKind::RulesUnknown => nothing_known(stale, limits::ROBOTS_UNKNOWN_PAUSE),
            },
        }
    }

    fn host(&self, origin: &str) -> Arc<Host> {
        let mut hosts = held(&self.hosts);
        if let Some(host) = hosts.get(origin) {
            return Arc::clone(host);
        }
        if hosts.len() >= limits::ROBOTS_HOSTS_MAX {
            forget(&mut hosts);
        }
        Arc::clone(hosts.entry(origin.to_owned()).or_default())
    }
}

/// Makes room for one host: those nobody asks about and that hold no longer go, or else the one that holds the least.
fn forget(hosts: &mut HashMap<String, Arc<Host>>) {
    let until = |host: &Arc<Host>| match host.kept.try_lock() {
        Ok(kept) if Arc::strong_count(host) == 1 => Some(kept.as_ref().map(|kept| kept.until)),
        _ => None,
    };
    let now = Instant::now();
    hosts.retain(|_, host| until(host).is_none_or(|until| until.is_some_and(|until| until > now)));
    if hosts.len() < limits::ROBOTS_HOSTS_MAX {
        return;
    }
    let idle = hosts.iter().filter_map(|(origin, host)| Some((until(host)?, origin)));
    if let Some(origin) = idle.min().map(|(_, origin)| origin.clone()) {
        hosts.remove(&origin);
    }
}

/// Scheme, host and port, as an address without a path.
fn origin(url: &Url) -> Option<String> {
    let origin = url.origin();
    (origin.is_tuple() && matches!(url.scheme(), "http" | "https")).then(|| origin.ascii_serialization())
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "robots_tests.rs"]
mod tests;
