//! Which source is visited now, and which waits for another one of its host?
//!
//! A request waits for its host's turn, and a visit that waits so would hold one of the few places that all visits
//! share: a handful of sources at one slow host would keep out every other. So those wait here, before they have a place.
//!
//! Invariants:
//! - Of one host, one short visit (a page, a feed) and one long one (a site, a feed with its articles) are under way at
//!   most. Two of them, so that a crawl of an hour does not hold up a page.
//! - A source that waits for its host holds no place, and who came first goes first.
//! - What was asked for comes before what was planned.

use std::time::Duration;

use jiff::Timestamp;
use url::Url;
use wellspring_core::source::{Origin, SourceName};

use super::{Inner, LOOK_INTERVAL, State};

/// The part of a host that one visit takes: its name, and whether the visit is a long one.
pub(super) type HostClaim = (String, bool);

/// What a visit of a source claims; one of a folder claims nothing.
pub(super) fn host_claim_of(origin: &Origin) -> Option<HostClaim> {
    let (url, is_long) = match origin {
        Origin::Folder { .. } => return None,
        Origin::Page { url } => (url, false),
        Origin::Feed { url, articles } => (url, *articles),
        Origin::Site { url, .. } => (url, true),
    };
    let host = Url::parse(url).ok()?.host_str()?.trim_end_matches('.').to_owned();
    Some((host, is_long))
}

impl State {
    fn host_claim(&self, name: &SourceName) -> Option<&HostClaim> {
        self.live.get(name)?.host_claim.as_ref()
    }

    /// Whether a source is not under way, and no other visit of its host is.
    fn may_go(&self, name: &SourceName) -> bool {
        let claim = self.host_claim(name);
        !self.busy.contains_key(name) && (claim.is_none() || !self.busy.values().any(|taken| taken.as_ref() == claim))
    }

    /// Whether a source is due, and only waits for another visit of its host.
    pub(super) fn waits_for_host(&self, name: &SourceName) -> bool {
        (self.wanted.contains(name) || self.in_line.contains(name))
            && !self.busy.contains_key(name)
            && !self.may_go(name)
    }

    /// Takes a source out of the line; whether it stood there.
    pub(super) fn leave_line(&mut self, name: &SourceName) -> bool {
        let before = self.in_line.len();
        self.in_line.retain(|waiting| waiting != name);
        self.in_line.len() < before
    }

    fn has_one_to_go(&self) -> bool {
        self.wanted.iter().chain(&self.in_line).any(|name| self.may_go(name))
    }
}

impl Inner {
    /// How long nobody is due.
    pub(super) fn time_to_next(&self) -> Duration {
        let state = self.state();
        if state.has_one_to_go() {
            return Duration::ZERO;
        }
        let now = self.now();
        let next = self.parts.planner.next(now).filter(|(name, _)| !state.busy.contains_key(name));
        next.map_or(LOOK_INTERVAL, |(_, at)| {
            let wait = at.duration_since(now).try_into().unwrap_or(Duration::ZERO);
            LOOK_INTERVAL.min(wait)
        })
    }

    /// Takes the source that is to be visited now, if there is one.
    pub(super) fn claim_due(&self) -> Option<SourceName> {
        let mut state = self.state();
        let now = self.now();
        let name = match self.claim_waiting(&mut state, now) {
            Some(name) => name,
            None => self.claim_planned(&mut state, now)?,
        };
        let claim = state.host_claim(&name).cloned();
        state.busy.insert(name.clone(), claim);
        Some(name)
    }

    /// One that was asked for, or that was due before its host was free.
    fn claim_waiting(&self, state: &mut State, now: Timestamp) -> Option<SourceName> {
        let asked = state.wanted.iter().find(|name| state.may_go(name)).cloned();
        let name = asked.or_else(|| state.in_line.iter().find(|name| state.may_go(name)).cloned())?;
        state.wanted.remove(&name);
        let has_begun = state.leave_line(&name);
        if !state.live.contains_key(&name) {
            self.parts.planner.remove(&name);
            return None;
        }
        if !has_begun {
            self.parts.planner.begin(&name, now);
        }
        Some(name)
    }

    /// The one that is planned first and may go; those whose host is taken begin to wait for it.
    fn claim_planned(&self, state: &mut State, now: Timestamp) -> Option<SourceName> {
        loop {
            let (name, at) = self.parts.planner.next(now)?;
            if at > now || state.busy.contains_key(&name) {
                return None;
            }
            if !state.live.contains_key(&name) {
                self.parts.planner.remove(&name);
                return None;
            }
            self.parts.planner.begin(&name, now);
            if state.may_go(&name) {
                state.wanted.remove(&name);
                return Some(name);
            }
            state.in_line.push_back(name);
        }
    }
}
