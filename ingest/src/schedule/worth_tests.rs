//! When a visit is worth its price.

use super::super::rate::{BELIEFS, Seen};
use super::*;

/// A midnight.
const START: i64 = 20_000 * 24 * HOUR_MS;

/// A rate known exactly, as far as a belief can.
fn known(rate: f64) -> Rate {
    Rate::restored([(1e3, 1e3 / rate); BELIEFS], [0.2, 0.3, 0.5], rate).unwrap()
}

fn interval(rate: &Rate, due: f64) -> f64 {
    let toll = Toll { least: due, due, saved_by_waiting: 0.0, hint: Hint::default() };
    hours(outlook(rate, &Rhythm::default(), START, toll, 10_000.0).due_ms - START)
}

/// V and A of a Poisson process, in closed form.
fn closed(rate: f64, t: f64) -> (f64, f64) {
    let left = (-rate * t).exp();
    let worth = t * t / 2.0 - (1.0 - left * (1.0 + rate * t)) / (rate * rate);
    (worth, t - (1.0 - left) / rate)
}

#[test]
fn the_interval_is_where_the_closed_form_pays_the_toll() {
    for rate in [0.001, 0.05, 1.0, 30.0] {
        for toll in [0.0005, 0.2, 40.0, 5000.0] {
            let found = interval(&known(rate), toll);
            let (worth, _) = closed(rate, found);
            assert!((worth / toll - 1.0).abs() < 0.02, "rate {rate}, toll {toll}: {found} h is worth {worth}");
        }
    }
}

#[test]
fn no_other_intervals_of_two_sources_are_fresher_at_the_same_cost() {
    let rates = [0.05, 0.8];
    let ours = rates.map(|rate| interval(&known(rate), 2.0));
    let requests: f64 = ours.iter().map(|t| 1.0 / t).sum();
    let average = |rate: f64, t: f64| {
        let steps = 4000;
        (0..steps).map(|step| closed(rate, t * (step as f64 + 0.5) / steps as f64).1).sum::<f64>() / steps as f64
    };
    let total = |first: f64| average(rates[0], first) + average(rates[1], 1.0 / (requests - 1.0 / first));
    let best = total(ours[0]);
    for other in [0.5, 0.8, 0.95, 1.05, 1.2, 2.0] {
        assert!(total(ours[0] * other) >= best - 1e-4, "{other} times the interval is fresher");
    }
}

#[test]
fn a_quiet_night_puts_a_visit_off() {
    let mut rhythm = Rhythm::default();
    for hour in 0..60 * 24 {
        let from = START + hour * HOUR_MS;
        rhythm.observe(if (8..20).contains(&(hour % 24)) { 1.0 } else { 0.0 }, 0.5, from, from + HOUR_MS);
    }
    let wait = |from_hour: i64| {
        let from = START + from_hour * HOUR_MS;
        let toll = Toll { least: 1.0, due: 1.0, saved_by_waiting: 0.0, hint: Hint::default() };
        hours(outlook(&known(0.5), &rhythm, from, toll, 168.0).due_ms - from)
    };
    assert!(wait(21) > 2.0 * wait(9), "evening {}, morning {}", wait(21), wait(9));
}

#[test]
fn embedding_waits_only_for_what_waiting_saves() {
    let due = |rate: f64, saved_by_waiting: f64| {
        let toll = Toll { least: 0.01, due: 0.5, saved_by_waiting, hint: Hint::default() };
        outlook(&known(rate), &Rhythm::default(), START, toll, 168.0).due_ms
    };
    assert!(due(2.0, 10.0) > due(2.0, 0.0) + HOUR_MS, "a busy page is better read once than ten times");
    assert!(due(0.001, 10.0) < due(0.001, 0.0) + HOUR_MS, "a page that hardly changes has nothing to save");
}

#[test]
fn a_dead_source_is_due_at_the_longest_interval() {
    let mut rate = Rate::new(1.0 / 24.0);
    for _ in 0..50 {
        rate.observe(Seen::Nothing, 168.0, 168.0);
    }
    let toll = Toll { least: 100.0, due: 1e6, saved_by_waiting: 0.0, hint: Hint::default() };
    let outlook = outlook(&rate, &Rhythm::default(), START + 5, toll, 168.0);
    assert_eq!(outlook.due_ms, START + 5 + 168 * HOUR_MS);
    assert!(outlook.capped && outlook.earliest_ms <= outlook.due_ms && outlook.changed < 0.5);
}

#[test]
fn the_age_follows_the_closed_form() {
    let found = age_hours(&known(0.3), &Rhythm::default(), START, START + 7 * HOUR_MS);
    assert!((found / closed(0.3, 7.0).1 - 1.0).abs() < 0.01, "{found}");
}

#[test]
fn a_hint_brings_the_visit_forward_and_none_leaves_it_where_it_was() {
    let rate = Rate::new(1.0 / 1000.0);
    let due = |hint: Hint| {
        let toll = Toll { least: 1.0, due: 1.0, saved_by_waiting: 0.0, hint };
        outlook(&rate, &Rhythm::default(), 0, toll, 168.0).due_ms
    };
    let usual = due(Hint::default());
    assert_eq!(due(Hint { after_hours: 5.0, chance: 0.0 }), usual);
    let likely = due(Hint { after_hours: 5.0, chance: 0.5 });
    let hours = likely as f64 / 3_600_000.0;
    assert!((5.0..5.5).contains(&hours), "{hours}");
    assert!(due(Hint { after_hours: 5.0, chance: 0.05 }) > likely);
    assert_eq!(due(Hint { after_hours: 1000.0, chance: 1.0 }), usual);
}
