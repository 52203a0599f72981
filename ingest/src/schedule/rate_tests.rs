//! How near the learnt rate comes to the true one.

use proptest::prelude::*;

use super::*;

/// Numbers between 0 and 1 from a seed (SplitMix64), so that a failure can be run again.
fn uniform(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Events of a Poisson process of `mean` events.
fn poisson(mean: f64, seed: &mut u64) -> f64 {
    let mut events = 0.0;
    let mut left = mean + uniform(seed).ln();
    while left > 0.0 {
        events += 1.0;
        left += uniform(seed).ln();
    }
    events
}

/// The exact posterior's mean after "changed at least once", by numbers.
fn integrated(prior: Gamma, w: f64) -> (f64, f64) {
    let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
    let top = prior.mean() * 60.0;
    for step in 0..400_000 {
        let rate = top * (step as f64 + 0.5) / 400_000.0;
        let density = ((prior.events - 1.0) * rate.ln() - prior.hours * rate).exp() * -(-rate * w).exp_m1();
        mass += density;
        first += density * rate;
        second += density * rate * rate;
    }
    let mean = first / mass;
    (mean, second / mass - mean * mean)
}

#[test]
fn a_censored_change_gives_the_exact_posteriors_mean_and_variance() {
    for (events, hours, w) in [(1.5, 10.0, 5.0), (3.0, 2.0, 0.1), (2.0, 50.0, 500.0), (8.0, 4.0, 1.0)] {
        let prior = Gamma { events, hours };
        let ours = prior.changed(w);
        let (mean, variance) = integrated(prior, w);
        assert!((ours.mean() / mean - 1.0).abs() < 1e-3, "mean {} of {mean}", ours.mean());
        let ours_variance = ours.events / (ours.hours * ours.hours);
        assert!((ours_variance / variance - 1.0).abs() < 1e-2, "variance {ours_variance} of {variance}");
    }
}

#[test]
fn a_change_in_a_moment_counts_once_and_in_an_age_not_at_all() {
    let prior = Gamma { events: 2.0, hours: 10.0 };
    let moment = prior.changed(1e-12);
    assert!((moment.events - 3.0).abs() < 1e-6 && (moment.hours - 10.0).abs() < 1e-6, "{moment:?}");
    let age = prior.changed(1e6);
    assert!((age.events - 2.0).abs() < 1e-3 && (age.hours - 10.0).abs() < 1e-2, "{age:?}");
}

#[test]
fn agrees_with_the_estimator_of_cho_and_garcia_molina() {
    // 100 visits an interval of 5 hours apart, of which 40 found a change.
    let (visits, changed, interval) = (100, 40, 5.0);
    let mut belief = Gamma { events: 0.5, hours: 5.0 };
    for visit in 0..visits {
        belief =
            if visit * changed % visits < changed { belief.changed(interval) } else { belief.counted(0.0, interval) };
    }
    let expected = -((visits - changed) as f64 + 0.5).ln() / interval + (visits as f64 + 0.5).ln() / interval;
    assert!((belief.mean() / expected - 1.0).abs() < 0.05, "{} of {expected}", belief.mean());
}

#[test]
fn the_mean_finds_the_true_rate() {
    for (truth, interval) in [(0.01, 24.0), (0.1, 6.0), (1.0, 0.7), (6.0, 0.2)] {
        for censored in [false, true] {
            let mut seed = 7;
            let mut rate = Rate::new(1.0 / 24.0);
            for _ in 0..1500 {
                let count = poisson(truth * interval, &mut seed);
                let seen = match (count > 0.0, censored) {
                    (false, _) => Seen::Nothing,
                    (true, true) => Seen::Changed,
                    (true, false) => Seen::Times(count),
                };
                rate.observe(seen, interval, interval);
            }
            // The slow belief remembers all of it; the mixture also listens to those that remember less.
            let slow = rate.beliefs[BELIEFS - 1].mean();
            assert!((slow / truth - 1.0).abs() < 0.2, "{slow} of {truth} an hour, censored: {censored}");
            assert!((rate.mean() / truth - 1.0).abs() < 0.35, "{} of {truth}, censored: {censored}", rate.mean());
        }
    }
}

#[test]
fn a_source_that_falls_silent_is_believed_silent_within_days() {
    let mut rate = Rate::new(1.0 / 24.0);
    for _ in 0..500 {
        rate.observe(Seen::Changed, 1.0, 1.0);
    }
    assert!(rate.mean() > 1.0, "{}", rate.mean());
    for _ in 0..4 * 24 {
        rate.observe(Seen::Nothing, 1.0, 1.0);
    }
    assert!(rate.mean() < 0.1, "{}", rate.mean());
    // And busy again within hours.
    for _ in 0..6 {
        rate.observe(Seen::Changed, 1.0, 1.0);
    }
    assert!(rate.mean() > 0.5, "{}", rate.mean());
}

#[test]
fn corrupt_numbers_are_refused() {
    let good = ([(0.5, 12.0); BELIEFS], [0.2, 0.3, 0.5]);
    assert!(Rate::restored(good.0, good.1, 0.1).is_some());
    for wrong in [f64::NAN, f64::INFINITY, 0.0, -2.0] {
        let mut beliefs = good.0;
        beliefs[1].0 = wrong;
        assert!(Rate::restored(beliefs, good.1, 0.1).is_none());
        beliefs[1] = (1.0, wrong);
        assert!(Rate::restored(beliefs, good.1, 0.1).is_none());
    }
    for weights in [[0.0; BELIEFS], [1.0; BELIEFS], [f64::NAN, 0.5, 0.5], [-0.5, 1.0, 0.5]] {
        assert!(Rate::restored(good.0, weights, 0.1).is_none());
    }
}

proptest! {
    #[test]
    fn whatever_is_seen_numbers_stay_sound(
        visits in prop::collection::vec((0..3u8, 0.0..1e6f64, -9.0..7.0f64), 1..80),
    ) {
        let mut rate = Rate::new(1.0 / 24.0);
        for (kind, count, magnitude) in visits {
            let hours = 10f64.powf(magnitude);
            let seen = [Seen::Nothing, Seen::Changed, Seen::Times(count)][kind as usize];
            rate.observe(seen, hours, hours);
            prop_assert!(rate.mean().is_finite() && rate.mean() > 0.0);
            let quiet = rate.quiet(1.0);
            prop_assert!((0.0..=1.0 + 1e-9).contains(&quiet), "{quiet}");
            prop_assert!((rate.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(rate.several(1.0) <= 1.0 - quiet + 1e-9);
        }
    }
}
