//! How does the engine do, in numbers?
//!
//! Invariants:
//! - Counting never waits: a lock is held for some additions, or for the sorting of a bounded number of times.
//! - Rates follow what happened lately: what was counted fades with every new count.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wellspring_core::generator::{GeneratorStatistics, Percentiles};
use wellspring_core::limits;

/// What is left of an older count after a newer one.
const FADE: f64 = 0.95;

/// Counts. Shared by the engine's thread and those who ask.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    statistics: GeneratorStatistics,
    reading: Rate,
    writing: Rate,
    /// Requests that ended and the time that they held their slots.
    holding: Rate,
    first_token: Times,
    inter_token: Times,
}

/// So much in so much time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rate {
    amount: f64,
    seconds: f64,
}

impl Rate {
    /// Counts one more.
    pub(crate) fn add(&mut self, amount: usize, time: Duration) {
        self.amount = FADE * self.amount + amount as f64;
        self.seconds = FADE * self.seconds + time.as_secs_f64();
    }

    /// So much in a second; `None` before anything was counted.
    pub(crate) fn a_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.amount / self.seconds)
    }
}

/// The last times of a kind, in milliseconds.
#[derive(Debug, Default)]
struct Times(VecDeque<f64>);

impl Times {
    fn add(&mut self, time: Duration) {
        if self.0.len() == limits::GENERATOR_TIMES_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(time.as_secs_f64() * 1e3);
    }

    fn percentiles(&self) -> Percentiles {
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(place.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Percentiles { p50: at(0.5), p95: at(0.95) }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything is written.
    Finished,
    /// Its reader left.
    Cancelled,
    /// It ended in an error.
    Failed,
}

impl Meter {
    /// The cache is made.
    pub(crate) fn loaded(&self, slots: usize, streams_per_batch: usize, cache_bytes: u64) {
        let mut counts = self.lock();
        counts.statistics.slots = slots;
        counts.statistics.streams_per_batch = streams_per_batch;
        counts.statistics.cache_bytes = cache_bytes;
    }

    /// How many are in work and how many wait.
    pub(crate) fn standing(&self, slots_used: usize, waiting: usize) {
        let mut counts = self.lock();
        counts.statistics.slots_used = slots_used;
        counts.statistics.waiting = waiting;
    }

    /// A request got a place.
    pub(crate) fn accepted(&self) {
        self.lock().statistics.accepted += 1;
    }

    /// A request found none.
    pub(crate) fn busy(&self) {
        self.lock().statistics.busy += 1;
    }

    /// A request got a slot that holds this many of its tokens.
    pub(crate) fn reused(&self, tokens: usize) {
        self.lock().statistics.prompt_tokens_reused += tokens as u64;
    }

    /// A piece of a prompt was read.
    pub(crate) fn read(&self, tokens: usize, time: Duration) {
        let mut counts = self.lock();
        counts.statistics.prompt_tokens_read += tokens as u64;
        counts.reading.add(tokens, time);
    }

    /// All streams that write have their next token.
    pub(crate) fn decoded(&self, tokens: usize, time: Duration) {
        self.lock().writing.add(tokens, time);
    }

    /// A token was written; since the request was accepted, or since the token before.
    pub(crate) fn written(&self, is_first: bool, since: Duration) {
        let mut counts = self.lock();
        counts.statistics.tokens_written += 1;
        match is_first {
            true => counts.first_token.add(since),
            false => counts.inter_token.add(since),
        }
    }

    /// A request ended; `held` is the time that it had a slot, if it had one.
    pub(crate) fn ended(&self, end: End, held: Option<Duration>) {
        let mut counts = self.lock();
        match end {
            End::Finished => counts.statistics.finished += 1,
            End::Cancelled => counts.statistics.cancelled += 1,
            End::Failed => counts.statistics.failed += 1,
        }
        if let Some(held) = held {
            counts.holding.add(1, held);
        }
    }

    /// After how long a place is likely to be free: what a request held its slot for lately, over the slots.
    pub(crate) fn retry_after(&self) -> Duration {
        let counts = self.lock();
        let held = counts.holding.a_second().map_or(1.0, |rate| 1.0 / rate.max(f64::MIN_POSITIVE));
        let seconds = held / counts.statistics.slots.max(1) as f64;
        Duration::from_secs_f64(seconds.clamp(1.0, limits::GENERATOR_RETRY_AFTER_MAX.as_secs_f64()))
    }

    /// Everything.
    pub(crate) fn statistics(&self) -> GeneratorStatistics {
        let counts = self.lock();
        GeneratorStatistics {
            read_tokens_per_second: counts.reading.a_second().unwrap_or(0.0),
            written_tokens_per_second: counts.writing.a_second().unwrap_or(0.0),
            first_token_ms: counts.first_token.percentiles(),
            inter_token_ms: counts.inter_token.percentiles(),
            ..counts.statistics.clone()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_percentiles() {
        let meter = Meter::default();
        assert_eq!(meter.statistics().inter_token_ms, Percentiles::default());
        for milliseconds in 1..=100 {
            meter.written(false, Duration::from_millis(milliseconds));
        }
        assert_eq!(meter.statistics().inter_token_ms, Percentiles { p50: 50.0, p95: 95.0 });
        assert_eq!(meter.statistics().tokens_written, 100);
    }

    #[test]
    fn a_rate_follows_what_happened_lately() {
        let meter = Meter::default();
        assert_eq!(meter.statistics().read_tokens_per_second, 0.0);
        meter.read(1000, Duration::from_secs(1));
        (0..200).for_each(|_| meter.read(100, Duration::from_secs(1)));
        assert_eq!(meter.statistics().read_tokens_per_second.round(), 100.0);
    }

    #[test]
    fn a_caller_without_a_place_comes_when_one_is_free() {
        let meter = Meter::default();
        meter.loaded(4, 1, 0);
        assert_eq!(meter.retry_after(), Duration::from_secs(1));
        meter.ended(End::Finished, Some(Duration::from_secs(20)));
        assert_eq!(meter.retry_after(), Duration::from_secs(5));
        (0..100).for_each(|_| meter.ended(End::Finished, Some(Duration::from_secs(2000))));
        assert_eq!(meter.retry_after(), limits::GENERATOR_RETRY_AFTER_MAX);
    }
}
