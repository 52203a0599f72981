//! How often does a source change?
//!
//! A belief about a rate λ (changes an hour) is a Gamma distribution, written as pseudo-observations: so many events in
//! so many hours. It answers everything the planner asks in closed form, for example the chance that nothing happens
//! in `w` hours: `E[exp(-λw)] = (hours / (hours + w))^events`.
//!
//! Observations:
//! - *n changes in w hours* is conjugate to it: add n to the events and w to the hours.
//! - *it changed, at least once, in w hours* is censored; its likelihood is `1 - exp(-λw)`. The exact posterior is a
//!   difference of two Gammas; the Gamma with its mean and variance stands for it (assumed-density filtering). This
//!   is the problem of Cho and Garcia-Molina, "Estimating frequency of change" (ACM TOIT 2003), whose estimator
//!   `-ln((n - x + ½) / (n + ½)) / w` for x changed of n regular visits it agrees with; it takes irregular visits too.
//!
//! A source may change its habits, or come in bursts. So three beliefs that forget at different speeds stand side by
//! side, weighted by how well each foretold what visits found; what a fast one has forgotten it takes from the next
//! slower. Weights leak a little towards their start at each visit (fixed share: Herbster and Warmuth 1998), so that no
//! belief is ever out of the game.
//!
//! Invariants:
//! - All numbers stay finite and positive, whatever is observed.
//! - No information, no move: a change seen over a very long time leaves the belief as it was.

/// Beliefs side by side.
pub(super) const BELIEFS: usize = 3;
/// Hours after which a belief has forgotten half: a burst, a week's habits, a season.
const HALF_LIVES_HOURS: [f64; BELIEFS] = [6.0, 96.0, 2880.0];
/// What each belief counts for at first.
const WEIGHTS_AT_FIRST: [f64; BELIEFS] = [0.2, 0.3, 0.5];
/// The part of the weights that goes back to their start at each visit.
const WEIGHT_LEAK: f64 = 0.02;
/// Events that a belief without any observation is worth: half an event is easily moved, by orders of magnitude.
pub(super) const PRIOR_EVENTS: f64 = 0.5;
/// Where events and hours are kept, so that neither corrupt state nor a strange source leaves the arithmetic's range.
const EVENTS: (f64, f64) = (1e-3, 1e6);
const HOURS: (f64, f64) = (1e-6, 1e7);

/// A Gamma distribution of a rate, in pseudo-observations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gamma {
    /// Its shape.
    pub(super) events: f64,
    /// Its rate: the inverse of its scale.
    pub(super) hours: f64,
}

impl Gamma {
    fn bounded(events: f64, hours: f64) -> Self {
        Self { events: events.clamp(EVENTS.0, EVENTS.1), hours: hours.clamp(HOURS.0, HOURS.1) }
    }

    /// Changes an hour, expected.
    pub(super) fn mean(self) -> f64 {
        self.events / self.hours
    }

    /// The chance of no change in `hours`.
    fn quiet(self, hours: f64) -> f64 {
        (-self.events * (hours / self.hours).ln_1p()).exp()
    }

    /// The chance of exactly one change in `hours`.
    fn one(self, hours: f64) -> f64 {
        self.quiet(hours) * self.events * hours / (self.hours + hours)
    }

    /// After `count` changes in `hours`.
    fn counted(self, count: f64, hours: f64) -> Self {
        Self::bounded(self.events + count, self.hours + hours)
    }

    /// After at least one change in `hours`: the Gamma of the exact posterior's mean and variance.
    ///
    /// With `L = ln(1 + w / hours)`, moment k of the posterior is moment k of the prior times
    /// `(1 - exp(-(events + k) L)) / (1 - exp(-events L))`.
    fn changed(self, hours: f64) -> Self {
        let stretch = (hours / self.hours).ln_1p();
        let seen = -(-self.events * stretch).exp_m1();
        if seen < 1e-9 {
            // So short a time that the change pins the moment down: one event counted.
            return self.counted(1.0, hours);
        }
        let moment = |k: f64| -(-(self.events + k) * stretch).exp_m1() / seen;
        let mean = self.mean() * moment(1.0);
        let square = self.mean() * (self.events + 1.0) / self.hours * moment(2.0);
        let variance = (square - mean * mean).max(mean * mean * 1e-6);
        Self::bounded(mean * mean / variance, mean / variance)
    }

    /// Forgets all but `keep`, going back to a weak belief in `mean`.
    fn faded(self, keep: f64, mean: f64) -> Self {
        let mean = mean.clamp(1e-7, 1e5);
        let events = PRIOR_EVENTS + (self.events - PRIOR_EVENTS) * keep;
        let hours = PRIOR_EVENTS / mean * (1.0 - keep) + self.hours * keep;
        Self::bounded(events, hours)
    }
}

/// What a visit tells of the time since the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Seen {
    /// Nothing changed.
    Nothing,
    /// It changed, once or more often.
    Changed,
    /// It changed so many times; fractions are allowed.
    Times(f64),
}

/// Beliefs of different memory, and what each counts for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rate {
    /// The fastest to forget first.
    pub(super) beliefs: [Gamma; BELIEFS],
    /// Sum to one.
    pub(super) weights: [f64; BELIEFS],
    /// Where the slowest belief goes back to, in changes an hour.
    pub(super) prior_mean: f64,
}

impl Rate {
    /// What is believed before any visit.
    pub(super) fn new(prior_mean: f64) -> Self {
        let prior = Gamma::bounded(PRIOR_EVENTS, PRIOR_EVENTS / prior_mean);
        Self { beliefs: [prior; BELIEFS], weights: WEIGHTS_AT_FIRST, prior_mean }
    }

    /// From what was kept; `None` for numbers that no observation leads to.
    pub(super) fn restored(beliefs: [(f64, f64); BELIEFS], weights: [f64; BELIEFS], prior_mean: f64) -> Option<Self> {
        let sound = |number: f64| number.is_finite() && number > 0.0;
        let total: f64 = weights.iter().sum();
        if !beliefs.iter().all(|(events, hours)| sound(*events) && sound(*hours))
            || !weights.iter().all(|weight| (0.0..=1.0).contains(weight))
            || !(0.9..1.1).contains(&total)
        {
            return None;
        }
        let beliefs = beliefs.map(|(events, hours)| Gamma::bounded(events, hours));
        Some(Self { beliefs, weights: weights.map(|weight| weight / total), prior_mean })
    }

    /// Changes an hour, expected.
    pub(super) fn mean(&self) -> f64 {
        self.each(Gamma::mean)
    }

    /// The chance of no change in `hours`.
    pub(super) fn quiet(&self, hours: f64) -> f64 {
        self.each(|belief| belief.quiet(hours))
    }

    /// The chance of two changes or more in `hours`, of which a page shows only the last.
    pub(super) fn several(&self, hours: f64) -> f64 {
        self.each(|belief| 1.0 - belief.quiet(hours) - belief.one(hours)).max(0.0)
    }

    /// Learns: `exposure` is the time since the last visit in hours as the source's rhythm counts them, `elapsed` as
    /// the clock does.
    pub(super) fn observe(&mut self, seen: Seen, exposure: f64, elapsed: f64) {
        if !(exposure > 0.0 && elapsed > 0.0) {
            return;
        }
        let mut slower = self.prior_mean;
        for (belief, half_life) in self.beliefs.iter_mut().zip(HALF_LIVES_HOURS).rev() {
            *belief = belief.faded((-elapsed / half_life).exp2(), slower);
            slower = belief.mean();
        }
        let mut weights = self.weights;
        for (weight, belief) in weights.iter_mut().zip(self.beliefs) {
            let quiet = belief.quiet(exposure);
            *weight *= if seen == Seen::Nothing { quiet } else { 1.0 - quiet }.max(1e-9);
        }
        let total: f64 = weights.iter().sum();
        for (place, weight) in weights.into_iter().enumerate() {
            self.weights[place] = weight / total * (1.0 - WEIGHT_LEAK) + WEIGHTS_AT_FIRST[place] * WEIGHT_LEAK;
        }
        for belief in &mut self.beliefs {
            *belief = match seen {
                Seen::Nothing => belief.counted(0.0, exposure),
                Seen::Changed => belief.changed(exposure),
                Seen::Times(count) => belief.counted(count, exposure),
            };
        }
    }

    fn each(&self, of: impl Fn(Gamma) -> f64) -> f64 {
        self.beliefs.iter().zip(self.weights).map(|(belief, weight)| of(*belief) * weight).sum()
    }
}

#[cfg(test)]
#[path = "rate_tests.rs"]
mod tests;
