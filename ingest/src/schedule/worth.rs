//! When is a visit worth its price?
//!
//! A source's age is how long the oldest change that was not seen has waited: zero when nothing has changed. With
//! `P(s)` the chance that something changed within `s` of the last visit, the expected age at `t` is `A(t) = ∫₀ᵗ P`
//! and a visit every `T` keeps the average at `G(T) / T`, where `G(T) = ∫₀ᵀ A`. Minimising the sum over sources of
//! `(G(T) + μ c) / T`, each visit costing `c` at price `μ`, asks of every source that `T A(T) - G(T) = μ c`, that is
//!
//! ```text
//! V(T) = ∫₀ᵀ s P(s) ds = μ c
//! ```
//!
//! V only grows, so a source is due when it passes the price. Staleness of all sources together is least when all are
//! visited at the same V per cost. P is the belief's: a rate known badly is a Gamma, not a number. It follows the
//! source's hours: V stands for what waiting has cost so far, and at night, when nothing happens, it costs nothing.
//!
//! Embedding is paid for a change, whenever it is found. Waiting saves it only where a later change takes the place
//! of an earlier one: `C(T) = e P(T)` adds `C - T C'` to the price, which for a Poisson source is `e` times the chance of
//! two changes or more. A feed's entries do not replace each other, and nothing is added.
//!
//! Invariants:
//! - `V(T) ≤ T² / 2`: a price asks for at least the interval of a source that always changes.
//! - The answer is never later than the interval given as the longest.

use super::kin::Hint;
use super::rate::Rate;
use super::rhythm::{HOUR_MS, Rhythm, hours};

/// Hours looked at one by one; days after that, until the day in which a visit is due.
const HOURS_FINE: f64 = 48.0;
/// Halvings of the hour in which a visit is due: to the second.
const HALVINGS: u32 = 12;

/// What a visit must be worth, in squared hours of staleness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Toll {
    /// At the lowest price.
    pub(super) least: f64,
    /// At the price of now, not less.
    pub(super) due: f64,
    /// The embedding that waiting might save.
    pub(super) saved_by_waiting: f64,
    /// What the source's kin says of it.
    pub(super) hint: Hint,
}

/// What is expected of a source that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Outlook {
    /// When a visit is worth the lowest price.
    pub(super) earliest_ms: i64,
    /// When it is worth the price of now.
    pub(super) due_ms: i64,
    /// The expected age by then.
    pub(super) age_hours: f64,
    /// The chance of a change by then.
    pub(super) changed: f64,
    /// Whether the longest interval came first.
    pub(super) capped: bool,
}

/// How things stand `waited` hours after the last visit.
#[derive(Debug, Clone, Copy)]
struct Stand {
    waited: f64,
    exposure: f64,
    changed: f64,
    age: f64,
    worth: f64,
}

impl Stand {
    /// After `length` more hours at `factor`, by Simpson's rule.
    fn on(self, rate: &Rate, length: f64, factor: f64) -> Self {
        let changed = |part: f64| 1.0 - rate.quiet(self.exposure + length * part * factor);
        let (middle, end) = (changed(0.5), changed(1.0));
        let waited = self.waited + length;
        let sixth = length / 6.0;
        Self {
            waited,
            exposure: self.exposure + length * factor,
            changed: end,
            age: self.age + sixth * (self.changed + 4.0 * middle + end),
            worth: self.worth
                + sixth * (self.waited * self.changed + 4.0 * (self.waited + length / 2.0) * middle + waited * end),
        }
    }

    /// The moment in the next `length` hours, at whose end the toll is paid, when it is paid first.
    fn until(self, rate: &Rate, length: f64, factor: f64, fee: Fee) -> Self {
        let (mut before, mut after) = (0.0, length);
        for _ in 0..HALVINGS {
            let middle = (before + after) / 2.0;
            match self.on(rate, middle, factor).pays(rate, fee) {
                true => after = middle,
                false => before = middle,
            }
        }
        self.on(rate, after, factor)
    }

    fn pays(self, rate: &Rate, fee: Fee) -> bool {
        let saved = if fee.saved_by_waiting > 0.0 { fee.saved_by_waiting * rate.several(self.exposure) } else { 0.0 };
        self.worth + fee.hint.worth(self.waited) >= fee.toll + saved
    }
}

/// One of a visit's prices.
#[derive(Debug, Clone, Copy)]
struct Fee {
    toll: f64,
    saved_by_waiting: f64,
    hint: Hint,
}

/// Looks ahead from the last visit, at most `interval_max` hours.
pub(super) fn outlook(rate: &Rate, rhythm: &Rhythm, from_ms: i64, toll: Toll, interval_max: f64) -> Outlook {
    let mut stand = Stand { waited: 0.0, exposure: 0.0, changed: 0.0, age: 0.0, worth: 0.0 };
    let mut earliest = None;
    let mut at_ms = from_ms;
    let mut fine_until_ms = from_ms + (HOURS_FINE * HOUR_MS as f64) as i64;
    let cheapest = Fee { toll: toll.least, saved_by_waiting: 0.0, hint: toll.hint };
    let usual = Fee { toll: toll.due, saved_by_waiting: toll.saved_by_waiting, hint: toll.hint };
    loop {
        let piece = if at_ms < fine_until_ms { rhythm.hour_from(at_ms) } else { rhythm.day_from(at_ms) };
        let length = piece.hours.min(interval_max - stand.waited);
        let next = stand.on(rate, length, piece.factor);
        let least = earliest.is_none() && next.pays(rate, cheapest);
        let due = next.pays(rate, usual);
        if (least || due) && piece.hours > 1.0 {
            // In this day: in which hour of it?
            fine_until_ms = piece.end_ms;
            continue;
        }
        let passing = |fee: Fee| stand.until(rate, length, piece.factor, fee);
        if least {
            earliest = Some(passing(cheapest).waited);
        }
        if due || interval_max - next.waited < 1e-9 {
            let end = if due { passing(usual) } else { next };
            let moment = |waited: f64| from_ms + (waited * HOUR_MS as f64).ceil() as i64;
            return Outlook {
                earliest_ms: moment(earliest.unwrap_or(end.waited).min(end.waited)),
                due_ms: moment(end.waited),
                age_hours: end.age,
                changed: end.changed,
                capped: !due,
            };
        }
        stand = next;
        at_ms = piece.end_ms;
    }
}

/// How old the oldest unseen change is expected to be now, in hours.
pub(super) fn age_hours(rate: &Rate, rhythm: &Rhythm, from_ms: i64, now_ms: i64) -> f64 {
    let waited = hours(now_ms - from_ms);
    if waited <= 0.0 {
        return 0.0;
    }
    outlook(
        rate,
        rhythm,
        from_ms,
        Toll { least: f64::MAX, due: f64::MAX, saved_by_waiting: 0.0, hint: Hint::default() },
        waited,
    )
    .age_hours
}

#[cfg(test)]
#[path = "worth_tests.rs"]
mod tests;
