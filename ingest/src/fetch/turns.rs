//! When is it this request's turn to trouble a host?
//!
//! Invariants:
//! - At most one request is in flight at one host, body included, and the pause is counted from the end of the last.
//! - Who came first goes first. Giving up while waiting costs nobody anything.
//! - A host that asked to be left alone is not asked, by anybody, until its time is over; one that was too slow again and
//!   again is left alone too, since each of those in its line would wait as long.
//! - A request that waits for its host holds no place among the requests in work.

use std::collections::HashMap;
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
#[derive(Debug, Default, Clone, Copy)]
struct Memory {
    last_end: Option<Instant>,
    /// What the host asked for, beyond the pause of the caller.
    pause: Duration,
    /// The pause that the last visit was to keep.
    kept: Duration,
    silent_until: Option<Instant>,
    slow_in_a_row: u32,
}

impl Memory {
    fn ready_at(&self, pause: Duration) -> Option<Instant> {
        self.last_end.map(|end| end + pause.max(self.pause))
    }

    fn silence(&self, now: Instant) -> Option<Duration> {
        self.silent_until.and_then(|until| until.checked_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Whether forgetting the host would make us impolite.
    fn matters(&self, now: Instant) -> bool {
        self.silence(now).is_some() || self.ready_at(self.kept).is_some_and(|at| at > now)
    }
}

/// The right to trouble one host, until dropped.
pub(super) struct Turn {
    host: Arc<Host>,
    pause: Duration,
    _place: OwnedSemaphorePermit,
    _line: OwnedMutexGuard<()>,
}

impl Turns {
    pub(super) fn new(places: usize) -> Self {
        Self { hosts: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits for the host's turn; fails with the time that is left when the host asked to be left alone.
    pub(super) async fn take(&self, host: &str, pause: Duration) -> Result<Turn, Duration> {
        let host = self.host(host);
        let line = Arc::clone(&host.line).lock_owned().await;
        loop {
            let memory = *held(&host.memory);
            if let Some(left) = memory.silence(Instant::now()) {
                return Err(left);
            }
            match memory.ready_at(pause) {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => break,
            }
        }
        // The semaphore is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Duration::ZERO)?;
        Ok(Turn { host, pause, _place: place, _line: line })
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
    /// The host asked to be left alone for this long.
    pub(super) fn silence(&self, wanted: Duration) {
        held(&self.host.memory).silent_until = Some(Instant::now() + wanted);
    }
}

impl Turn {
    /// The host was too slow, or was not.
    pub(super) fn was_slow(&self, is_slow: bool) {
        let mut memory = held(&self.host.memory);
        memory.slow_in_a_row = if is_slow { memory.slow_in_a_row + 1 } else { 0 };
        if memory.slow_in_a_row >= limits::FETCH_SLOW_IN_A_ROW_MAX {
            memory.slow_in_a_row = 0;
            memory.silent_until = memory.silent_until.max(Some(Instant::now() + limits::FETCH_SLOW_PAUSE));
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

    #[tokio::test]
    async fn a_host_is_asked_once_at_a_time_and_in_the_order_of_asking() {
        let turns = Turns::new(8);
        let first = turns.take("a", Duration::ZERO).await.unwrap();
        let (mut second, mut third) =
            (Box::pin(turns.take("a", Duration::ZERO)), Box::pin(turns.take("a", Duration::ZERO)));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        assert!(turns.take("b", Duration::ZERO).await.is_ok(), "another host does not wait");
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
        let first = turns.take("a", Duration::ZERO).await.unwrap();
        let mut second = Box::pin(turns.take("a", Duration::ZERO));
        let mut third = Box::pin(turns.take("a", Duration::ZERO));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop(second);
        drop(first);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn a_host_rests_between_two_visits() {
        let turns = Turns::new(8);
        drop(turns.take("a", HOUR).await.unwrap());
        assert!(poll!(Box::pin(turns.take("a", HOUR))).is_pending());
        assert!(poll!(Box::pin(turns.take("a", Duration::ZERO))).is_ready(), "the pause is the caller's");
        turns.pause_at_least("a", HOUR);
        assert!(poll!(Box::pin(turns.take("a", Duration::ZERO))).is_pending(), "unless the host wants one");
        turns.pause_at_least("a", Duration::ZERO);
        assert!(poll!(Box::pin(turns.take("a", Duration::ZERO))).is_ready());
    }

    #[test]
    fn the_pause_counts_from_the_end_of_the_last_visit_and_has_a_bound() {
        let (turns, end) = (Turns::new(1), Instant::now());
        turns.pause_at_least("a", 100 * HOUR);
        let memory = Memory { last_end: Some(end), ..*held(&turns.host("a").memory) };
        assert_eq!(memory.ready_at(Duration::ZERO), Some(end + limits::FETCH_HOST_PAUSE_MAX));
        assert_eq!(memory.ready_at(HOUR), Some(end + HOUR));
    }

    #[tokio::test]
    async fn a_host_that_asked_to_be_left_alone_is_left_alone_by_all() {
        let turns = Turns::new(8);
        turns.take("a", Duration::ZERO).await.unwrap().silence(HOUR);
        let left = turns.take("a", Duration::ZERO).await.err().unwrap();
        assert!(left <= HOUR && left > HOUR / 2);
        assert!(turns.take("b", Duration::ZERO).await.is_ok());
        held(&turns.host("a").memory).silent_until = Some(Instant::now());
        assert!(turns.take("a", Duration::ZERO).await.is_ok());
    }

    #[tokio::test]
    async fn a_host_that_is_slow_again_and_again_is_left_alone() {
        let turns = Turns::new(8);
        for slow in [true, true, false, true, true] {
            turns.take("a", Duration::ZERO).await.unwrap().was_slow(slow);
        }
        let last = turns.take("a", Duration::ZERO).await.unwrap();
        let mut behind = Box::pin(turns.take("a", Duration::ZERO));
        assert!(poll!(&mut behind).is_pending());
        last.was_slow(true);
        drop(last);
        let Poll::Ready(Err(left)) = poll!(&mut behind) else { panic!("who waits is told at once") };
        assert!(left <= limits::FETCH_SLOW_PAUSE);
    }

    #[tokio::test]
    async fn requests_in_work_are_bounded_and_those_that_wait_for_a_host_hold_no_place() {
        let turns = Turns::new(2);
        let _a = turns.take("a", Duration::ZERO).await.unwrap();
        let mut behind = Box::pin(turns.take("a", Duration::ZERO));
        assert!(poll!(&mut behind).is_pending());
        let b = turns.take("b", Duration::ZERO).await.unwrap();
        let mut third = Box::pin(turns.take("c", Duration::ZERO));
        assert!(poll!(&mut third).is_pending());
        drop(b);
        assert!(poll!(&mut third).is_ready());
    }

    #[tokio::test]
    async fn remembered_hosts_are_bounded_and_those_that_rest_are_kept_longest() {
        let turns = Turns::new(8);
        let using = turns.take("in use", Duration::ZERO).await.unwrap();
        drop(turns.take("resting", HOUR).await.unwrap());
        for number in 0..2 * limits::FETCH_HOSTS_MAX {
            drop(turns.take(&format!("host {number}"), Duration::ZERO).await.unwrap());
        }
        let remembered = |name: &str| held(&turns.hosts).contains_key(name);
        assert!(held(&turns.hosts).len() <= limits::FETCH_HOSTS_MAX);
        assert!(remembered("in use") && remembered("resting"));
        drop(using);
        for number in 0..limits::FETCH_HOSTS_MAX + 10 {
            drop(turns.take(&format!("{number}"), HOUR).await.unwrap());
        }
        assert!(held(&turns.hosts).len() <= limits::FETCH_HOSTS_MAX);
        assert!(!remembered("resting"), "the longest rest is nearest to its end");
    }
}
