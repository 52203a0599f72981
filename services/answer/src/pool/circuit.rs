//! May a generator that failed be asked again?
//!
//! Invariants:
//! - After [`FAILURES_MAX`] failures in a row nobody is sent there for a while; then one request alone tries, and how it
//!   ends decides. Each time that it fails again, the pause is twice as long.
//! - Requests that were under way when it was shut out say nothing new: a process that ends fails all of them at once.
//! - Time comes in as an argument.

use std::time::Duration;

use tokio::time::Instant;
use wellspring_core::limits;

/// Failures in a row that shut a generator out.
const FAILURES_MAX: u32 = 3;

/// How often in a row a generator failed, and until when it is left alone for that.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    shut_until: Option<Instant>,
    /// Whether one request tries how it is.
    trying: bool,
}

impl Circuit {
    /// Whether requests are kept away now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.shut_until.is_some_and(|until| self.trying || now < until)
    }

    /// A request is sent.
    pub(super) fn sent(&mut self) {
        self.trying = self.shut_until.is_some();
    }

    /// A request got its first token.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }

    /// A request ended in neither way: it proved nothing, so that another one may try.
    pub(super) fn proved_nothing(&mut self) {
        self.trying = false;
    }

    /// A request failed.
    pub(super) fn failed(&mut self, now: Instant) {
        if self.shut_until.is_some_and(|until| now < until) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.trying = false;
        if self.failures >= FAILURES_MAX {
            let doublings = (self.failures - FAILURES_MAX).min(16);
            let pause = limits::GENERATOR_SHUT_OUT_MIN * 2u32.pow(doublings);
            self.shut_until = Some(now + pause.min(limits::GENERATOR_SHUT_OUT_MAX));
        }
    }
}

/// How long a generator asked to be left alone.
pub(super) fn left(until: Option<Instant>, now: Instant) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_shut_it_out_and_one_request_alone_tries_again() {
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        circuit.failed(start);
        circuit.failed(start);
        circuit.worked();
        (0..FAILURES_MAX - 1).for_each(|_| circuit.failed(start));
        assert!(!circuit.is_open(start), "a success in between begins anew");
        circuit.failed(start);
        let later = start + limits::GENERATOR_SHUT_OUT_MIN;
        assert!(circuit.is_open(start) && !circuit.is_open(later));

        circuit.sent();
        assert!(circuit.is_open(later), "one alone");
        circuit.failed(later);
        assert!(circuit.is_open(later + limits::GENERATOR_SHUT_OUT_MIN), "twice as long");
        let again = later + 2 * limits::GENERATOR_SHUT_OUT_MIN;
        assert!(!circuit.is_open(again));
        circuit.sent();
        circuit.proved_nothing();
        assert!(!circuit.is_open(again));
        circuit.sent();
        circuit.worked();
        assert!(!circuit.is_open(again));
    }

    #[test]
    fn the_pause_has_an_end() {
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        let mut now = start;
        for _ in 0..1000 {
            circuit.failed(now);
            now += limits::GENERATOR_SHUT_OUT_MAX;
            assert!(!circuit.is_open(now));
        }
    }

    #[test]
    fn many_that_fail_at_once_shut_it_out_once() {
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        (0..1000).for_each(|_| circuit.failed(start));
        assert!(circuit.is_open(start) && !circuit.is_open(start + limits::GENERATOR_SHUT_OUT_MIN));
    }
}
