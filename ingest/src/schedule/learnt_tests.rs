//! What is kept of a source, and what is made of broken remains.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const FEED: Nature = Nature { counted: true, changes_per_day: 1.0, requests: 1.0, host: None };
const PAGE: Nature = Nature { counted: false, changes_per_day: 0.2, requests: 1.0, host: None };

fn visit(hour: f64, changed: u64) -> Visit {
    Visit {
        began_at: Timestamp::from_millisecond(1_760_000_000_000 + (hour * 3_600_000.0) as i64).unwrap(),
        took_ms: 100,
        requests: 2,
        wire_bytes: 524_288,
        items: 10,
        changed,
        deleted: 0,
        failed: 0,
        passed_over: 0,
        left_out: 0,
        left_out_names: Vec::new(),
        errors: Vec::new(),
        complete: true,
        not_before: None,
        hub: None,
        topic: None,
    }
}

fn taught(nature: Nature, visits: u32, hours: f64, changed: impl Fn(u32) -> u64) -> Learnt {
    let mut learnt = Learnt::new(nature);
    for number in 0..visits {
        learnt.visited(&visit(f64::from(number) * hours, changed(number)), 1.5, nature);
    }
    learnt
}

#[test]
fn what_is_kept_is_read_back_as_it_was() {
    for nature in [FEED, PAGE] {
        let learnt = taught(nature, 300, 3.0, |number| u64::from(number % 5 == 0) * 4);
        let (read, fault) = Learnt::read(&learnt.to_json(), nature);
        assert_eq!(fault, None);
        assert!((read.changes_per_hour() / learnt.changes_per_hour() - 1.0).abs() < 0.01);
        assert_eq!((read.visits, read.last_ms, read.failures), (300, learnt.last_ms, 0));
        assert!((read.requests_worth() - 2.5).abs() < 0.01, "{}", read.requests_worth());
        let (again, _) = Learnt::read(&read.to_json(), nature);
        assert_eq!(again, read, "what was read once is stable");
    }
}

#[test]
fn nothing_kept_is_a_source_never_visited() {
    assert_eq!(Learnt::read(&Value::Null, FEED), (Learnt::new(FEED), None));
    assert_eq!(Learnt::read(&Learnt::new(FEED).to_json(), FEED), (Learnt::new(FEED), None));
}

#[test]
fn corrupt_state_starts_afresh_and_says_so() {
    let fresh = |kept: &Value, fault| assert_eq!(Learnt::read(kept, FEED), (Learnt::new(FEED), Some(fault)), "{kept}");
    let good = taught(FEED, 20, 3.0, |_| 1).to_json();
    for kept in [json!(3), json!("x"), json!([]), json!({}), json!({"form": 1})] {
        fresh(&kept, LearntFault::Form);
    }
    let with = |field: &str, value: Value| {
        let mut kept = good.clone();
        kept[field] = value;
        kept
    };
    fresh(&with("form", json!(2)), LearntFault::Form);
    fresh(&with("cells", json!([[0.0, 0.0]])), LearntFault::Form);
    fresh(&with("beliefs", json!([[1.0, 2.0]])), LearntFault::Form);
    fresh(&with("unknown", json!(1)), LearntFault::Form);
    fresh(&with("visits", json!(-1)), LearntFault::Form);
    fresh(&with("beliefs", json!([[-1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])), LearntFault::Numbers);
    fresh(&with("weights", json!([0.0, 0.0, 0.0])), LearntFault::Numbers);
    fresh(&with("spread", json!([1.0, 0.0, 1.0])), LearntFault::Numbers);
    fresh(&with("last_ms", json!(-5)), LearntFault::Numbers);
    fresh(&with("last_ms", Value::Null), LearntFault::Numbers);
    fresh(&with("wait_until_ms", json!(i64::MAX)), LearntFault::Numbers);
}

#[test]
fn the_first_visit_teaches_no_rate_but_a_cost() {
    let mut learnt = Learnt::new(FEED);
    let mut first = visit(0.0, 400);
    first.requests = 400;
    learnt.visited(&first, 80.0, FEED);
    assert_eq!(learnt.rate, Rate::new(1.0 / 24.0));
    assert_eq!(learnt.requests(), 400.0);
    assert!((learnt.embedding_seconds() - 0.2).abs() < 1e-9, "of one document, not of all");
}

#[test]
fn entries_that_come_ten_at_once_are_one_event_and_alone_are_ten() {
    // The same number of entries in the same time.
    let bursts = taught(FEED, 400, 2.0, |number| u64::from(number % 20 == 0) * 10);
    let alone = taught(FEED, 400, 2.0, |number| u64::from(number % 2 == 0));
    let ratio = alone.rate.beliefs[BELIEFS - 1].mean() / bursts.rate.beliefs[BELIEFS - 1].mean();
    assert!((4.0..14.0).contains(&ratio), "{ratio}");
}

#[test]
fn a_clock_that_goes_back_teaches_nothing() {
    let mut learnt = taught(FEED, 20, 3.0, |_| 1);
    let before = learnt.rate.clone();
    learnt.visited(&visit(1.0, 5), 0.0, FEED);
    assert_eq!(learnt.rate, before);
}

proptest! {
    #[test]
    fn what_is_kept_is_small_and_always_readable(
        counted: bool,
        visits in prop::collection::vec((0.0..1e5f64, any::<u64>(), any::<u64>(), any::<f64>()), 0..60),
    ) {
        let nature = Nature { counted, ..FEED };
        let mut learnt = Learnt::new(nature);
        let mut hour = 0.0;
        for (pause, changed, requests, embedding_seconds) in visits {
            hour += pause;
            let mut visit = visit(hour, changed % 1000 * (changed % 3));
            (visit.requests, visit.wire_bytes) = (requests, requests);
            learnt.visited(&visit, embedding_seconds, nature);
            let kept = learnt.to_json();
            prop_assert!(kept.to_string().len() < 4096);
            let (_, fault) = Learnt::read(&kept, nature);
            prop_assert_eq!(fault, None, "{}", kept);
        }
    }

    #[test]
    fn no_kept_number_makes_a_planner_unsound(place in 0..62usize, number: f64, field in 0..4usize) {
        let mut kept = taught(FEED, 20, 3.0, |_| 1).to_json();
        match field {
            0 => kept["cells"][place / 2][place % 2] = json!(number),
            1 => kept["beliefs"][place % 3][place % 2] = json!(number),
            2 => kept["weights"][place % 3] = json!(number),
            _ => kept["cost"]["requests"] = json!(number),
        }
        let (learnt, _) = Learnt::read(&kept, FEED);
        prop_assert!(learnt.changes_per_hour().is_finite() && learnt.changes_per_hour() > 0.0);
        prop_assert!(learnt.requests() >= 1.0 && learnt.requests().is_finite());
        prop_assert!(learnt.rhythm.exposure(0, 3_600_000 * 50).is_finite());
    }
}
