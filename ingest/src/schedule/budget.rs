//! How much may be spent on visits, and when is there enough again?
//!
//! Two token buckets, one of requests, one of embedding seconds: each fills at the operator's rate up to what may be
//! saved, [`POLL_BUCKET`] of it. A visit is paid as expected when it begins, and settled when it ends, so visits in
//! flight count. One that cost more than expected leaves a debt, and the next waits until it is paid.
//!
//! Invariants:
//! - In any stretch of time, what begins costs no more than the rate times the stretch, one bucket, and one visit as
//!   far as it is larger than a bucket. What visits cost beyond expectation is paid back before others begin.

use thiserror::Error;
use wellspring_core::limits::{POLL_BUCKET, POLL_EMBEDDING_SECONDS_PER_HOUR_DEFAULT, POLL_REQUESTS_PER_HOUR_DEFAULT};

use super::rhythm::{HOUR_MS, hours};

/// What the operator allows for keeping up with sources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PollBudget {
    requests_per_hour: f64,
    embedding_seconds_per_hour: f64,
}

/// A budget that no visit could be paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a poll budget is more than 0 and at most a million an hour; pause the sources to spend nothing")]
pub struct BudgetError;

impl PollBudget {
    /// Both more than zero and at most a million.
    pub fn new(requests_per_hour: f64, embedding_seconds_per_hour: f64) -> Result<Self, BudgetError> {
        let sound = |rate: f64| rate > 0.0 && rate <= 1e6;
        match sound(requests_per_hour) && sound(embedding_seconds_per_hour) {
            true => Ok(Self { requests_per_hour, embedding_seconds_per_hour }),
            false => Err(BudgetError),
        }
    }

    /// Requests an hour.
    pub fn requests_per_hour(&self) -> f64 {
        self.requests_per_hour
    }

    /// Seconds of embedding an hour.
    pub fn embedding_seconds_per_hour(&self) -> f64 {
        self.embedding_seconds_per_hour
    }
}

impl Default for PollBudget {
    fn default() -> Self {
        Self {
            requests_per_hour: POLL_REQUESTS_PER_HOUR_DEFAULT,
            embedding_seconds_per_hour: POLL_EMBEDDING_SECONDS_PER_HOUR_DEFAULT,
        }
    }
}

/// One kind of spending.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bucket {
    per_hour: f64,
    capacity: f64,
    level: f64,
    at_ms: i64,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_hour: f64, now_ms: i64) -> Self {
        let capacity = (per_hour * POLL_BUCKET.as_secs_f64() / 3600.0).max(1.0);
        Self { per_hour, capacity, level: capacity, at_ms: now_ms }
    }

    /// What it fills at.
    pub(super) fn per_hour(&self) -> f64 {
        self.per_hour
    }

    /// Takes what a visit costs, into debt if need be; less than nothing gives back.
    pub(super) fn take(&mut self, amount: f64, now_ms: i64) {
        self.fill(now_ms);
        self.level = (self.level - amount).min(self.capacity);
    }

    /// When a visit of this cost can begin: one larger than the bucket begins when the bucket is full.
    pub(super) fn ready_ms(&self, amount: f64) -> i64 {
        let missing = amount.min(self.capacity) - self.level;
        if missing <= 1e-9 {
            return self.at_ms;
        }
        self.at_ms + (missing / self.per_hour * HOUR_MS as f64).ceil() as i64
    }

    /// When a visit of this cost can begin that may leave a debt of so many hours' worth.
    pub(super) fn ready_in_debt_ms(&self, amount: f64, debt_hours: f64) -> i64 {
        let paid_in_ms = (debt_hours * HOUR_MS as f64) as i64;
        self.ready_ms(amount).saturating_sub(paid_in_ms).max(self.at_ms)
    }

    /// When it is full, and what is not spent is lost.
    pub(super) fn full_ms(&self) -> i64 {
        self.ready_ms(self.capacity)
    }

    /// A clock that goes back fills nothing.
    fn fill(&mut self, now_ms: i64) {
        let passed = hours(now_ms - self.at_ms);
        if passed > 0.0 {
            self.level = (self.level + passed * self.per_hour).min(self.capacity);
            self.at_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_nothing_or_of_nonsense_is_refused() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 2e6] {
            assert_eq!(PollBudget::new(wrong, 10.0), Err(BudgetError));
            assert_eq!(PollBudget::new(10.0, wrong), Err(BudgetError));
        }
        assert!(PollBudget::new(0.5, 10.0).is_ok());
    }

    #[test]
    fn a_debt_is_paid_before_the_next_visit() {
        let mut bucket = Bucket::new(4.0, 0);
        assert_eq!(bucket.ready_ms(1.0), 0);
        bucket.take(3.0, 0);
        assert_eq!(bucket.ready_ms(1.0), 3 * HOUR_MS / 4);
        assert_eq!(bucket.ready_ms(500.0), bucket.full_ms());
        bucket.take(-500.0, 10);
        assert_eq!(bucket.ready_ms(500.0), 10, "what is given back does not overflow");
    }

    #[test]
    fn a_debt_that_is_allowed_is_waited_for_less() {
        let mut bucket = Bucket::new(4.0, 0);
        bucket.take(bucket.capacity + 7.0, 0);
        assert_eq!(bucket.ready_ms(1.0), 2 * HOUR_MS);
        assert_eq!(bucket.ready_in_debt_ms(1.0, 0.5), 3 * HOUR_MS / 2);
        assert_eq!(bucket.ready_in_debt_ms(1.0, 3.0), 0, "but never earlier than now");
    }

    #[test]
    fn a_clock_that_goes_back_fills_nothing() {
        let mut bucket = Bucket::new(4.0, HOUR_MS);
        bucket.take(1.0, HOUR_MS);
        bucket.take(0.0, 0);
        assert_eq!(bucket.ready_ms(1.0), HOUR_MS + HOUR_MS / 4);
    }
}
