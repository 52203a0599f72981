//! May this address be asked by a program that nobody watches?
//!
//! The seam to whoever fetches and reads `robots.txt`, keeps it for a while and knows what its absence means.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use wellspring_core::fetch::{Hop, Hops};

use crate::fetch::{self, Allowance};

/// What a host's `robots.txt` says to this service.
pub trait RobotsRules: Send + Sync {
    /// Whether an absolute address of that host may be asked; `None` when the host could not tell, and may not be asked
    /// for now.
    fn allowed(&self, url: &str) -> Option<bool>;

    /// Why the host was not asked at all, in words that are the same at each visit: it may not be.
    fn refused(&self) -> Option<String>;

    /// The pause between two requests that a visit has to keep; `None` where whoever fetches keeps it.
    fn crawl_delay(&self) -> Option<Duration>;

    /// The sitemaps that it names, as absolute addresses.
    fn sitemaps(&self) -> Vec<String>;
}

/// Knows the rules of hosts. Contract for implementors:
///
/// - A host without a `robots.txt` allows everything; one whose `robots.txt` cannot be had for now (5xx, no answer)
///   cannot tell, as RFC 9309 has it.
/// - Answers are kept, so that asking before every page costs nothing.
#[async_trait]
pub trait Robots: Send + Sync {
    /// The rules of the host of `url`, fetched under the same guard as pages: of private hosts only those named. Where the
    /// host could not tell, and that was before `told_since`, it is asked again.
    async fn rules(&self, url: &str, private_hosts: &[String], told_since: Option<Instant>) -> Arc<dyn RobotsRules>;
}

/// Judges redirects by the rules of the hosts that they lead to.
pub(super) struct RobotsHops {
    pub(super) robots: Arc<dyn Robots>,
    pub(super) private_hosts: Vec<String>,
    pub(super) told_since: Option<Instant>,
}

impl std::fmt::Debug for RobotsHops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RobotsHops").finish_non_exhaustive()
    }
}

#[async_trait]
impl Hops for RobotsHops {
    async fn judge(&self, url: &str) -> Hop {
        let rules = self.robots.rules(url, &self.private_hosts, self.told_since).await;
        match (rules.allowed(url), rules.refused()) {
            (Some(true), _) => Hop::Allowed,
            (Some(false), _) => Hop::Excluded,
            (None, Some(why)) => Hop::Refused(why),
            (None, None) => Hop::Unknown,
        }
    }
}

#[async_trait]
impl Robots for fetch::Robots {
    async fn rules(&self, url: &str, private_hosts: &[String], told_since: Option<Instant>) -> Arc<dyn RobotsRules> {
        Self::rules_told(self, url, private_hosts, told_since).await
    }
}

impl RobotsRules for fetch::RobotsRules {
    fn allowed(&self, url: &str) -> Option<bool> {
        match Self::allowed(self, url) {
            Allowance::Allowed => Some(true),
            Allowance::Disallowed => Some(false),
            Allowance::Unknown => None,
        }
    }

    fn refused(&self) -> Option<String> {
        Self::refused(self).map(str::to_owned)
    }

    fn crawl_delay(&self) -> Option<Duration> {
        // The client keeps it: it was told when the rules were read.
        None
    }

    fn sitemaps(&self) -> Vec<String> {
        Self::sitemaps(self).to_vec()
    }
}
