//! At what price do all sources together spend the budget?
//!
//! Each planned interval `T` of a source that costs `c` spends `c / T`. When the sum is above the budget the price
//! rises, else it falls. A request's price has a floor: the worth of a visit after the shortest interval to a source that
//! always changes. So an idle budget is not spent on sources with nothing to say.
//!
//! Invariants:
//! - The price only orders and paces visits: the buckets keep the budget, whatever the price.

use wellspring_core::limits::POLL_INTERVAL_MIN;

/// Intervals grow as the second to third root of the price: spending follows the price to the power of -1/2.5.
const ELASTICITY: f64 = 2.5;
/// The lowest price of an embedding second, in squared hours; nothing, for all practical purposes.
const EMBEDDING_PRICE_MIN: f64 = 1e-6;
/// Beyond this a source waits for its longest interval anyway.
const PRICE_MAX: f64 = 1e9;

/// Requests and embedding seconds: of a visit, or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Spending {
    pub(super) requests: f64,
    pub(super) embedding_seconds: f64,
}

impl Spending {
    /// Adds the difference between what was and what is.
    pub(super) fn replace(&mut self, old: Self, new: Self) {
        self.requests = (self.requests + new.requests - old.requests).max(0.0);
        self.embedding_seconds = (self.embedding_seconds + new.embedding_seconds - old.embedding_seconds).max(0.0);
    }
}

/// What a request and an embedding second must bring, in squared hours of staleness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Price {
    pub(super) request: f64,
    pub(super) embedding_second: f64,
}

impl Price {
    /// The lowest.
    pub(super) fn least() -> Self {
        let shortest = POLL_INTERVAL_MIN.as_secs_f64() / 3600.0;
        Self { request: shortest * shortest / 2.0, embedding_second: EMBEDDING_PRICE_MIN }
    }

    /// Moves towards the price at which `planned` spends `budget`; a `part` of 1 goes all the way.
    pub(super) fn moved(self, planned: Spending, budget: Spending, part: f64) -> Self {
        let step = |planned: f64, budget: f64| {
            let excess = (planned / budget).max(1e-3).ln().clamp(-1.0, 1.0);
            (ELASTICITY * part.min(1.0) * excess).exp()
        };
        let least = Self::least();
        let request = self.request * step(planned.requests, budget.requests);
        let second = self.embedding_second * step(planned.embedding_seconds, budget.embedding_seconds);
        Self {
            request: request.clamp(least.request, PRICE_MAX),
            embedding_second: second.clamp(least.embedding_second, PRICE_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_settles_where_the_budget_is_spent() {
        // A thousand sources whose intervals are the cube root of the price.
        let budget = Spending { requests: 200.0, embedding_seconds: 1000.0 };
        let mut price = Price::least();
        for _ in 0..60 {
            let planned = Spending { requests: 1000.0 / price.request.cbrt(), embedding_seconds: 1.0 };
            price = price.moved(planned, budget, 0.5);
        }
        assert!((price.request.cbrt() / 5.0 - 1.0).abs() < 0.01, "{price:?}");
        assert_eq!(price.embedding_second, EMBEDDING_PRICE_MIN);
    }

    #[test]
    fn an_idle_budget_ends_at_the_lowest_price() {
        let budget = Spending { requests: 200.0, embedding_seconds: 1000.0 };
        let mut price = Price { request: 50.0, embedding_second: 1.0 };
        for _ in 0..60 {
            price = price.moved(Spending::default(), budget, 0.5);
        }
        assert_eq!(price, Price::least());
    }
}
