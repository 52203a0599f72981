//! When is it this request's turn to trouble a host?
//!
//! Invariants:
//! - At most one request is in flight at one host, body included, and the pause is counted from the end of the last.
//! - Who came first goes first. Giving up while waiting costs nobody anything.
//! - An origin (host and port) that asked to be left alone is not asked, by anybody, until its time is over, within a
//!   bound; who insists, since a person waits, asks it once in a while all the same. A host that was too slow again and
//!   again is left alone too, since each of those in its line would wait as long.
//! - A request that waits for its host holds no place among the requests in work.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Line, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use wellspring_core::limits;

/// The lines in front of all hosts.
pub(super) struct Turns {
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Host {
    /// Fair: it wakes those who wait in the order in which they came.
    line: Arc<Line<()>>,
    memory: Mutex<Memory>,
}

/// What is known of one host.
#[derive(Debug, Default, Clone)]
struct Memory {
    last_end: Option<Instant>,
    /// What the host asked for, beyond the pause of the caller.
    pause: Duration,
    /// The pause that the last visit was to keep.
    kept: Duration,
    /// What its origins asked for, by their ports; another port is another service, which asked for nothing.
    silences: BTreeMap<u16, Silence>,
    /// It was too slow again and again.
    slow_until: Option<Instant>,
    slow_in_a_row: u32,
}

/// An origin's wish to be left alone.
#[derive(Debug, Clone, Copy)]
struct Silence {
    until: Instant,
    /// When it was last asked all the same, or said so.
    asked_at: Instant,
}

/// Why it is nobody's turn, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silent {
    pub(super) left: Duration,
    /// The origin asked for it; otherwise its host was too slow.
    pub(super) is_wish: bool,
}

impl Memory {
    fn ready_at(&self, pause: Duration) -> Option<Instant> {
        self.last_end.map(|end| end + pause.max(self.pause))
    }

    /// The wish of the origin at a port, while it holds.
    fn wish(&self, port: u16, now: Instant) -> Option<Duration> {
        self.silences.get(&port).and_then(|silence| left(silence.until, now))
    }

    fn silence(&self, port: u16, insists: bool, now: Instant) -> Option<Silent> {
        let may_try = |silence: &Silence| insists && now >= silence.asked_at + limits::FETCH_INSIST_PAUSE;
        let wish = self.wish(port, now).filter(|_| !self.silences.get(&port).is_some_and(may_try));
        let slow = self.slow_until.and_then(|until| left(until, now));
        if wish >= slow {
            wish.map(|left| Silent { left, is_wish: true })
        } else {
            slow.map(|left| Silent { left, is_wish: false })
        }
    }

    /// Whether forgetting the host would make us impolite.
    fn matters(&self, now: Instant) -> bool {
        let untils = self.silences.values().map(|silence| silence.until);
        untils.chain(self.slow_until).chain(self.ready_at(self.kept)).any(|until| until > now)
    }
}

fn left(until: Instant, now: Instant) -> Option<Duration> {
    until.checked_duration_since(now).filter(|left| !left.is_zero())
}

/// The right to trouble one host, until dropped.
pub(super) struct Turn {
    host: Arc<Host>,
    port: u16,
    pause: Duration,
    _place: OwnedSemaphorePermit,
    _line: OwnedMutexGuard<()>,
}

impl Turns {
    pub(super) fn new(places: usize) -> Self {
        Self { hosts: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for the host's turn; fails with the time that is left when the origin asked to be left alone. Who `insists`
    /// asks such an origin all the same, unless that was done less than [`limits::FETCH_INSIST_PAUSE`] ago.
    pub(super) async fn take(&self, host: &str, port: u16, pause: Duration, insists: bool) -> Result<Turn, Silent> {
        let host = self.host(host);
        let line = Arc::clone(&host.line).lock_owned().await;
        while let Some(at) = host.ready_at(port, pause, insists)? {
            sleep_until(at).await;
        }
        // The semaphore is never closed.
        let closed = |_| Silent { left: Duration::ZERO, is_wish: false };
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        Ok(Turn { host, port, pause, _place: place, _line: line })
    }

    /// How much longer an origin wants to be left alone, where it asked for that.
    pub(super) fn wish(&self, host: &str, port: u16) -> Option<Duration> {
        let host = held(&self.hosts).get(host).cloned()?;
        held(&host.memory).wish(port, Instant::now())
    }

    /// The host wants at least this between two visits.
    pub(super) fn pause_at_least(&self, host: &str, pause: Duration) {
        held(&self.host(host).memory).pause = pause.min(limits::FETCH_HOST_PAUSE_MAX);
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = held(&self.hosts);
        if let Some(host) = hosts.get(name) {
            return Arc::clone(host);
        }
        if hosts.len() >= limits::FETCH_HOSTS_MAX {
            forget(&mut hosts, Instant::now());
        }
        Arc::clone(hosts.entry(name.to_owned()).or_default())
    }
}

impl Host {
    /// When it may be asked, if not now; who may ask now is taken to do so.
    fn ready_at(&self, port: u16, pause: Duration, insists: bool) -> Result<Option<Instant>, Silent> {
        let (mut memory, now) = (held(&self.memory), Instant::now());
        if let Some(silent) = memory.silence(port, insists, now) {
            return Err(silent);
        }
        let at = memory.ready_at(pause).filter(|at| *at > now);
        if let (None, Some(silence)) = (at, memory.silences.get_mut(&port)) {
            silence.asked_at = now;
        }
        Ok(at)
    }
}

/// Makes room for one host: first go those that need no memory, and if there are none, the one that rests the longest.
/// Those in use stay, each held by a caller that waits.
fn forget(hosts: &mut HashMap<String, Arc<Host>>, now: Instant) {
    hosts.retain(|_, host| Arc::strong_count(host) > 1 || held(&host.memory).matters(now));
    if hosts.len() < limits::FETCH_HOSTS_MAX {
        return;
    }
    let idle = hosts.iter().filter(|(_, host)| Arc::strong_count(host) == 1);
    let oldest = idle.min_by_key(|(_, host)| held(&host.memory).last_end).map(|(name, _)| name.clone());
    if let Some(oldest) = oldest {
        hosts.remove(&oldest);
    }
}

impl Turn {
    /// The origin asked to be left alone for this long; what it says beyond [`limits::FETCH_SILENCE_MAX`] is for the one
    /// address that was asked, and not for all the others.
    pub(super) fn silence(&self, wanted: Duration) {
        let (mut memory, now) = (held(&self.host.memory), Instant::now());
        memory.silences.retain(|_, silence| silence.until > now);
        if memory.silences.len() >= limits::FETCH_SILENCES_PER_HOST_MAX {
            let first = memory.silences.iter().min_by_key(|(_, silence)| silence.until).map(|(port, _)| *port);
            first.map(|port| memory.silences.remove(&port));
        }
        let until = now + wanted.min(limits::FETCH_SILENCE_MAX);
        memory.silences.insert(self.port, Silence { until, asked_at: now });
    }

    /// The origin answers: what it asked for before is over.
    pub(super) fn was_answered(&self) {
        held(&self.host.memory).silences.remove(&self.port);
    }
}

impl Turn {
    /// The host was too slow, or was not.
    pub(super) fn was_slow(&self, is_slow: bool) {
        let mut memory = held(&self.host.memory);
        memory.slow_in_a_row = if is_slow { memory.slow_in_a_row + 1 } else { 0 };
        if memory.slow_in_a_row >= limits::FETCH_SLOW_IN_A_ROW_MAX {
            memory.slow_in_a_row = 0;
            memory.slow_until = memory.slow_until.max(Some(Instant::now() + limits::FETCH_SLOW_PAUSE));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut memory = held(&self.host.memory);
        memory.last_end = Some(Instant::now());
        memory.kept = self.pause;
    }
}

/// A lock that no one holds while anything can fail.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn take(turns: &Turns, host: &str, pause: Duration) -> Result<Turn, Silent> {
        turns.take(host, 443, pause, false).await
    }

    #[tokio::test]
    async fn a_host_is_asked_once_at_a_time_and_in_the_order_of_asking() {
        let turns = Turns::new(8);
        let first = take(&turns, "a", Duration::ZERO).await.unwrap();
        let (mut second, mut third) =
            (Box::pin(take(&turns, "a", Duration::ZERO)), Box::pin(take(&turns, "a", Duration::ZERO)));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        assert!(take(&turns, "b", Duration::ZERO).await.is_ok(), "another host does not wait");
        drop(first);
        assert!(poll!(&mut third).is_pending(), "the third came after the second");
        let Poll::Ready(Ok(turn)) = poll!(&mut second) else { panic!("the second is next") };
        assert!(poll!(&mut third).is_pending());
        drop(turn);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_line() {
        let turns = Turns::new(8);
        let first = take(&turns, "a", Duration::ZERO).await.unwrap();
        let mut second = Box::pin(take(&turns, "a", Duration::ZERO));
        let mut third = Box::pin(take(&turns, "a", Duration::ZERO));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(second);
        drop(first);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn a_host_rests_between_two_visits() {
        let turns = Turns::new(8);
        drop(take(&turns, "a", HOUR).await.unwrap());
        assert!(poll!(Box::pin(take(&turns, "a", HOUR))).is_pending());
        assert!(poll!(Box::pin(take(&turns, "a", Duration::ZERO))).is_ready(), "the pause is the caller's");
        turns.pause_at_least("a", HOUR);
        assert!(poll!(Box::pin(take(&turns, "a", Duration::ZERO))).is_pending(), "unless the host wants one");
        turns.pause_at_least("a", Duration::ZERO);
        assert!(poll!(Box::pin(take(&turns, "a", Duration::ZERO))).is_ready());
    }

    #[test]
    fn the_pause_counts_from_the_end_of_the_last_visit_and_has_a_bound() {
        let (turns, end) = (Turns::new(1), Instant::now());
        turns.pause_at_least("a", 100 * HOUR);
        let memory = Memory { last_end: Some(end), ..held(&turns.host("a").memory).clone() };
        assert_eq!(memory.ready_at(Duration::ZERO), Some(end + limits::FETCH_HOST_PAUSE_MAX));
        assert_eq!(memory.ready_at(HOUR), Some(end + HOUR));
    }

    #[tokio::test]
    async fn a_host_that_asked_to_be_left_alone_is_left_alone_by_all() {
        let turns = Turns::new(8);
        take(&turns, "a", Duration::ZERO).await.unwrap().silence(HOUR);
        let Silent { left, is_wish } = take(&turns, "a", Duration::ZERO).await.err().unwrap();
        assert!(left <= HOUR && left > HOUR / 2 && is_wish);
        assert!(take(&turns, "b", Duration::ZERO).await.is_ok());
        held(&turns.host("a").memory).silences.clear();
        assert!(take(&turns, "a", Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn a_wish_to_be_left_alone_is_that_of_one_origin_and_has_a_bound() {
        let turns = Turns::new(8);
        take(&turns, "a", Duration::ZERO).await.unwrap().silence(24 * HOUR);
        assert!(turns.take("a", 8443, Duration::ZERO, false).await.is_ok(), "another port asked for nothing");
        let left = take(&turns, "a", Duration::ZERO).await.err().unwrap().left;
        assert!(left <= limits::FETCH_SILENCE_MAX);
        assert!(turns.wish("a", 443).is_some() && turns.wish("a", 8443).is_none() && turns.wish("b", 443).is_none());
        for port in 0..2 * limits::FETCH_SILENCES_PER_HOST_MAX as u16 {
            turns.take("b", port, Duration::ZERO, false).await.unwrap().silence(HOUR);
        }
        assert_eq!(held(&turns.host("b").memory).silences.len(), limits::FETCH_SILENCES_PER_HOST_MAX);
    }

    #[tokio::test]
    async fn who_insists_asks_once_in_a_while_what_asked_to_be_left_alone() {
        let turns = Turns::new(8);
        take(&turns, "a", Duration::ZERO).await.unwrap().silence(HOUR);
        let insist = || turns.take("a", 443, Duration::ZERO, true);
        assert!(insist().await.is_err(), "it has just said so");
        let later = || {
            let host = turns.host("a");
            held(&host.memory).silences.values_mut().for_each(|silence| silence.asked_at -= limits::FETCH_INSIST_PAUSE);
        };
        later();
        assert!(take(&turns, "a", Duration::ZERO).await.is_err(), "nobody else does");
        drop(insist().await.unwrap());
        assert!(insist().await.is_err(), "not again at once");
        later();
        insist().await.unwrap().was_answered();
        assert!(take(&turns, "a", Duration::ZERO).await.is_ok(), "an answer ends the silence for all");
    }

    #[tokio::test]
    async fn a_host_that_is_slow_again_and_again_is_left_alone() {
        let turns = Turns::new(8);
        for slow in [true, true, false, true, true] {
            take(&turns, "a", Duration::ZERO).await.unwrap().was_slow(slow);
        }
        let last = take(&turns, "a", Duration::ZERO).await.unwrap();
        let mut behind = Box::pin(take(&turns, "a", Duration::ZERO));
        assert!(poll!(&mut behind).is_pending());
        last.was_slow(true);
        drop(last);
        let Poll::Ready(Err(silent)) = poll!(&mut behind) else { panic!("who waits is told at once") };
        assert!(silent.left <= limits::FETCH_SLOW_PAUSE && !silent.is_wish);
    }

    #[tokio::test]
    async fn requests_in_work_are_bounded_and_those_that_wait_for_a_host_hold_no_place() {
        let turns = Turns::new(2);
        let _a = take(&turns, "a", Duration::ZERO).await.unwrap();
        let mut behind = Box::pin(take(&turns, "a", Duration::ZERO));
        assert!(poll!(&mut behind).is_pending());
        let b = take(&turns, "b", Duration::ZERO).await.unwrap();
        let mut third = Box::pin(take(&turns, "c", Duration::ZERO));
        assert!(poll!(&mut third).is_pending());
        drop(b);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn remembered_hosts_are_bounded_and_those_that_rest_are_kept_longest() {
        let turns = Turns::new(8);
        let using = take(&turns, "in use", Duration::ZERO).await.unwrap();
        drop(take(&turns, "resting", HOUR).await.unwrap());
        for number in 0..2 * limits::FETCH_HOSTS_MAX {
            drop(take(&turns, &format!("host {number}"), Duration::ZERO).await.unwrap());
        }
        let remembered = |name: &str| held(&turns.hosts).contains_key(name);
        assert!(held(&turns.hosts).len() <= limits::FETCH_HOSTS_MAX);
        assert!(remembered("in use") && remembered("resting"));
        drop(using);
        for number in 0..limits::FETCH_HOSTS_MAX + 10 {
            drop(take(&turns, &format!("{number}"), HOUR).await.unwrap());
        }
        assert!(held(&turns.hosts).len() <= limits::FETCH_HOSTS_MAX);
        assert!(!remembered("resting"), "the longest rest is nearest to its end");
    }
}
