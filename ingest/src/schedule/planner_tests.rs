//! Who is visited when, within the budget and without starving anybody.

use proptest::prelude::*;

use super::*;

const FEED: Nature = Nature { counted: true, changes_per_day: 1.0, requests: 1.0, host: None };
const HOUR: i64 = 3_600_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_760_000_000_000 + ms).unwrap()
}

fn since(moment: Timestamp) -> i64 {
    moment.as_millisecond() - 1_760_000_000_000
}

fn name(number: usize) -> SourceName {
    format!("s{number}").parse().unwrap()
}

fn visit(now: Timestamp, requests: u64, changed: u64) -> Visit {
    Visit {
        began_at: now,
        took_ms: 0,
        requests,
        wire_bytes: 0,
        items: 1,
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

fn planner(requests_per_hour: f64, sources: usize) -> Planner {
    let mut planner = Planner::new(PollBudget::new(requests_per_hour, 3600.0).unwrap(), 1, at(0));
    for number in 0..sources {
        planner.upsert(&name(number), FEED, Learnt::new(FEED), false, at(0));
    }
    planner
}

/// Makes the next visit; when, and of which source.
fn step(planner: &mut Planner, now: Timestamp, requests: u64, changed: u64) -> (Timestamp, SourceName) {
    let next = planner.next(now).unwrap();
    assert!(planner.begin(&next.name, next.at));
    assert!(planner.record(&next.name, &visit(next.at, requests, changed), 0.0, next.at));
    (next.at, next.name)
}

#[test]
fn a_new_source_is_visited_at_once_and_no_other_is() {
    let mut planner = planner(60.0, 1);
    let (now, _) = step(&mut planner, at(5), 1, 0);
    assert_eq!(now, at(5));
    planner.upsert(&name(1), FEED, Learnt::new(FEED), false, at(7));
    let next = planner.next(at(7)).unwrap();
    assert_eq!((next.name, next.at), (name(1), at(7)));
    assert!(next.reason.starts_with("new"), "{}", next.reason);
    step(&mut planner, at(7), 1, 0);
    assert!(planner.next(at(7)).unwrap().at > at(60_000), "both were just visited");
}

#[test]
fn a_restart_costs_no_visit() {
    let mut before = planner(60.0, 1);
    let (now, _) = step(&mut before, at(0), 1, 3);
    let kept = before.learnt(&name(0)).unwrap().to_json();
    let mut after = planner(60.0, 0);
    let (learnt, fault) = Learnt::read(&kept, FEED);
    assert_eq!(fault, None);
    after.upsert(&name(0), FEED, learnt, false, now);
    assert!(after.next(now).unwrap().at > now);
}

#[test]
fn what_a_source_asks_for_is_respected_up_to_a_bound() {
    let mut planner = planner(3600.0, 1);
    planner.begin(&name(0), at(0));
    let mut told = visit(at(0), 1, 9);
    told.not_before = Some(at(30 * HOUR));
    planner.record(&name(0), &told, 0.0, at(0));
    let next = planner.next(at(0)).unwrap();
    assert_eq!(next.at, at(30 * HOUR));
    assert!(next.reason.contains("asks"), "{}", next.reason);
    // Not even on request.
    planner.visit_soon(&name(0), at(HOUR));
    assert_eq!(planner.next(at(HOUR)).unwrap().at, at(30 * HOUR));

    planner.begin(&name(0), at(30 * HOUR));
    let mut forever = visit(at(30 * HOUR), 1, 0);
    forever.not_before = Some(at(100_000 * HOUR));
    planner.record(&name(0), &forever, 0.0, at(30 * HOUR));
    let next = planner.next(at(30 * HOUR)).unwrap();
    assert_eq!(since(next.at) - 30 * HOUR, POLL_HINT_MAX.as_millis() as i64);
}

#[test]
fn failures_back_off_to_a_bound_and_one_success_forgives_them() {
    let mut planner = planner(3600.0, 1);
    let mut now = at(0);
    let mut pauses = Vec::new();
    for _ in 0..16 {
        planner.begin(&name(0), now);
        let mut failed = visit(now, 1, 0);
        (failed.complete, failed.items) = (false, 0);
        planner.record(&name(0), &failed, 0.0, now);
        let next = planner.next(now).unwrap();
        pauses.push(since(next.at) - since(now));
        now = next.at;
    }
    let (least, most) = (POLL_RETRY_PAUSE_MIN.as_millis() as i64, POLL_RETRY_PAUSE_MAX.as_millis() as i64);
    assert!((least / 2..=least).contains(&pauses[0]), "{pauses:?}");
    assert!(pauses.windows(3).all(|three| three[2] > three[0] || three[2] >= most / 2), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= most) && pauses[15] >= most / 2, "{pauses:?}");
    assert!(planner.plan_of(&name(0), now).unwrap().reason.contains("16 visits failed"));
    step(&mut planner, now, 1, 0);
    assert_eq!(planner.learnt(&name(0)).unwrap().failures, 0);
}

#[test]
fn failures_of_two_sources_do_not_come_back_together() {
    let pauses = [name(1), name(2)].map(|name| retry_pause_ms(&name, 3, 9));
    assert!((pauses[0] - pauses[1]).abs() > 1000, "{pauses:?}");
}

#[test]
fn a_paused_source_is_never_next_and_a_visit_under_way_is_not_begun_twice() {
    let mut planner = planner(60.0, 2);
    planner.set_paused(&name(0), true, at(0));
    assert_eq!(planner.plan_of(&name(0), at(0)).unwrap().next_at, None);
    assert_eq!(planner.next(at(0)).unwrap().name, name(1));
    assert!(planner.begin(&name(1), at(0)));
    assert!(!planner.begin(&name(1), at(0)));
    assert_eq!(planner.next(at(0)), None);
    planner.set_paused(&name(0), false, at(1));
    assert_eq!(planner.next(at(1)).unwrap().name, name(0));
    planner.cancel(&name(1), at(2));
    planner.remove(&name(0), at(2));
    assert_eq!(planner.next(at(2)).unwrap().name, name(1));
}

#[test]
fn what_is_asked_for_comes_before_what_is_due() {
    let mut planner = planner(60.0, 3);
    let mut now = at(0);
    for _ in 0..3 {
        (now, _) = step(&mut planner, now, 1, 0);
    }
    planner.visit_soon(&name(2), now);
    let next = planner.next(now).unwrap();
    assert_eq!((next.name, next.at, next.reason.as_str()), (name(2), now, "asked for"));
    (now, _) = step(&mut planner, now, 1, 0);
    assert!(planner.next(now).unwrap().at > now, "asked for once is visited once");
}

#[test]
fn a_visit_that_cost_more_than_expected_is_paid_back_first() {
    let mut planner = planner(100.0, 2);
    planner.begin(&name(0), at(0));
    planner.record(&name(0), &visit(at(0), 225, 0), 0.0, at(0));
    // 225 of a bucket of 25: two hours of debt, and the next visit's request.
    assert_eq!(since(planner.next(at(0)).unwrap().at), 2 * HOUR + 36_000);
}

#[test]
fn embedding_that_is_overdrawn_holds_visits_back() {
    let mut planner = planner(1000.0, 2);
    planner.charge_embedding(900.0 + 1800.0, at(0));
    let (now, _) = step(&mut planner, at(0), 1, 0);
    assert_eq!(since(now), HOUR / 2);
}

#[test]
fn a_busy_source_is_visited_more_often_than_a_dead_one() {
    let mut planner = planner(4.0, 10);
    let mut visits = [0; 10];
    let mut now = at(0);
    while since(now) < 1000 * HOUR {
        let next = planner.next(now).unwrap();
        now = next.at;
        let number: usize = next.name.as_str()[1..].parse().unwrap();
        planner.begin(&next.name, now);
        planner.record(&next.name, &visit(now, 1, u64::from(number < 2)), 0.0, now);
        visits[number] += 1;
    }
    assert!(visits[0] > 5 * visits[9] && visits[9] > 2, "{visits:?}");
    let total: i32 = visits.iter().sum();
    assert!(total > 3600, "the budget is used: {total} of 4000");
    let plan = planner.plan_of(&name(0), now).unwrap();
    assert!(plan.changes_per_day > 5.0 && plan.reason.contains("expected staleness"), "{plan:?}");
}

#[test]
fn an_idle_budget_does_not_pester_a_source_with_nothing_to_say() {
    let mut planner = planner(100_000.0, 1);
    let mut now = at(0);
    let mut visits = 0;
    while since(now) < 240 * HOUR {
        (now, _) = step(&mut planner, now, 1, 0);
        visits += 1;
    }
    assert!(visits < 240 * 6, "{visits} visits in 240 hours");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sources of any cost and rate under any budget, also when added all at once: nobody waits longer than is stated.
    #[test]
    fn no_source_waits_longer_than_the_stated_bound(
        costs in prop::collection::vec((1..40u64, 0..100u64), 2..30),
        requests_per_hour in 0.2..200.0f64,
    ) {
        let mut planner = Planner::new(PollBudget::new(requests_per_hour, 3600.0).unwrap(), 1, at(0));
        for (number, (requests, _)) in costs.iter().enumerate() {
            let nature = Nature { requests: *requests as f64, ..FEED };
            planner.upsert(&name(number), nature, Learnt::new(nature), false, at(0));
        }
        let bound = planner.wait_max().as_millis() as i64;
        let mut last = vec![0; costs.len()];
        let mut now = at(0);
        for _ in 0..40 * costs.len() {
            let next = planner.next(now).unwrap();
            now = next.at;
            let number: usize = next.name.as_str()[1..].parse().unwrap();
            let (requests, percent) = costs[number];
            planner.begin(&next.name, now);
            let changed = u64::from(since(now) as u64 / 1000 * 2_654_435_761 % 100 < percent);
            planner.record(&next.name, &visit(now, requests, changed), 0.0, now);
            last[number] = since(now);
            for waiting in &last {
                prop_assert!(since(now) - waiting <= bound, "{} h of {} h", (since(now) - waiting) / HOUR, bound / HOUR);
            }
        }
    }

    /// Whatever visits cost beyond what was expected: in any stretch no more is begun than the budget, a bucket, and the
    /// visit that goes into debt.
    #[test]
    fn the_budget_is_never_exceeded_by_more_than_a_bucket_and_a_visit(
        costs in prop::collection::vec(1..30u64, 1..200),
        requests_per_hour in 1.0..500.0f64,
        sources in 1..20usize,
    ) {
        let mut planner = planner(requests_per_hour, sources);
        let bucket = (requests_per_hour / 4.0).max(1.0);
        let mut spent = Vec::new();
        let mut now = at(0);
        for requests in costs {
            (now, _) = step(&mut planner, now, requests, 1);
            spent.push((since(now), requests as f64));
        }
        for from in 0..spent.len() {
            let mut total = 0.0;
            for to in from..spent.len() {
                let stretch = (spent[to].0 - spent[from].0) as f64 / HOUR as f64;
                // What came before the last one keeps to the budget; the last may go into debt.
                prop_assert!(total <= requests_per_hour * stretch + bucket + 1e-6, "{total} in {stretch} h");
                total += spent[to].1;
            }
        }
    }

    /// Any order of calls leaves the queue holding exactly the sources that are neither paused nor being visited.
    #[test]
    fn the_queue_holds_who_waits(calls in prop::collection::vec((0..7u8, 0..6usize), 1..200)) {
        let mut planner = planner(50.0, 3);
        let mut now = at(0);
        for (call, number) in calls {
            let name = name(number);
            match call {
                0 => planner.upsert(&name, FEED, Learnt::new(FEED), number == 4, now),
                1 => { planner.remove(&name, now); }
                2 => { planner.set_paused(&name, number % 2 == 0, now); }
                3 => { planner.begin(&name, now); }
                4 => { planner.record(&name, &visit(now, 1, 1), 1.0, now); }
                5 => { planner.cancel(&name, now); }
                _ => now = planner.next(now).map_or(now, |next| next.at),
            }
            let waiting = |slot: &Slot| !slot.paused && slot.in_flight.is_none();
            let expected: BTreeSet<&str> =
                planner.slots.iter().flatten().filter(|slot| waiting(slot)).map(|slot| slot.name.as_str()).collect();
            let queued: BTreeSet<&str> = planner
                .queue
                .iter()
                .map(|turn| planner.slots[turn.slot].as_ref().unwrap().name.as_str())
                .collect();
            prop_assert_eq!(queued, expected);
            prop_assert_eq!(planner.places.len(), planner.slots.iter().flatten().count());
        }
    }
}

/// Sources of one host, all visited once.
fn of_one_host(requests_per_hour: f64, sources: usize) -> (Planner, Timestamp) {
    let nature = Nature { host: Some(7), ..FEED };
    let mut planner = Planner::new(PollBudget::new(requests_per_hour, 3600.0).unwrap(), 1, at(0));
    for number in 0..sources {
        planner.upsert(&name(number), nature, Learnt::new(nature), false, at(0));
    }
    let mut now = at(0);
    // Each is new, then seen unchanged twice.
    for _ in 0..3 * sources {
        now = step(&mut planner, now, 1, 0).0;
    }
    (planner, now)
}

#[test]
fn a_change_brings_the_others_of_its_host_forward_and_one_that_finds_nothing_lets_them_wait() {
    let (mut planner, now) = of_one_host(10.0, 20);
    let next = planner.next(now).unwrap();
    let others: Vec<SourceName> = (0..20).map(name).filter(|name| *name != next.name).collect();
    let due = |planner: &Planner| -> Vec<Timestamp> {
        others.iter().map(|name| planner.plan_of(name, next.at).unwrap().next_at.unwrap()).collect()
    };
    let before = due(&planner);
    planner.begin(&next.name, next.at);
    planner.record(&next.name, &visit(next.at, 1, 3), 0.0, next.at);
    let after = due(&planner);
    let earlier = before.iter().zip(&after).filter(|(before, after)| after < before).count();
    assert!(earlier > 15, "{earlier} of 19");
    let forward = planner.next(next.at).unwrap();
    assert_eq!(forward.reason, "another source of its host has changed");

    planner.begin(&forward.name, forward.at);
    planner.record(&forward.name, &visit(forward.at, 1, 0), 0.0, forward.at);
    let later = others.iter().zip(&after).filter(|(name, after)| {
        **name != forward.name && planner.plan_of(name, forward.at).unwrap().next_at.unwrap() > **after
    });
    assert!(later.count() > 10, "an unchanged one speaks against it");
}

#[test]
fn strangers_are_left_where_they_are() {
    let mut planner = planner(10.0, 20);
    let mut now = at(0);
    for _ in 0..60 {
        now = step(&mut planner, now, 1, 0).0;
    }
    let next = planner.next(now).unwrap();
    let other = (0..20).map(name).find(|name| *name != next.name).unwrap();
    let before = planner.plan_of(&other, next.at).unwrap().next_at;
    planner.begin(&next.name, next.at);
    planner.record(&next.name, &visit(next.at, 1, 3), 0.0, next.at);
    let after = planner.plan_of(&other, next.at).unwrap().next_at;
    assert!(after >= before, "but for the price, which a change raises");
}

#[test]
fn no_source_of_a_busy_host_starves() {
    let (mut planner, mut now) = of_one_host(6.0, 30);
    let mut last: std::collections::HashMap<SourceName, Timestamp> = std::collections::HashMap::new();
    let begin = now;
    for round in 0..3000_u64 {
        // Half of them always change, so that there is always a hint about the others.
        let next = planner.next(now).unwrap();
        let number: u64 = next.name.as_str()[1..].parse().unwrap();
        (now, _) = step(&mut planner, now, 1, u64::from(number.is_multiple_of(2) && !round.is_multiple_of(3)));
        last.insert(next.name, now);
    }
    assert!(now > begin);
    let longest = last.values().map(|visited| now.duration_since(*visited)).max().unwrap();
    assert_eq!(last.len(), 30);
    assert!(longest.as_secs() as u64 <= planner.wait_max().as_secs(), "{longest:?}");
}

#[test]
fn a_removed_source_is_nobodys_kin() {
    let (mut planner, now) = of_one_host(10.0, 3);
    for number in 0..3 {
        assert!(planner.remove(&name(number), now));
    }
    assert!(planner.kin.is_empty());
    let nature = Nature { host: Some(7), ..FEED };
    planner.upsert(&name(9), nature, Learnt::new(nature), false, now);
    planner.upsert(&name(9), nature, Learnt::new(nature), false, now);
    assert_eq!(planner.kin[&7].members.len(), 1);
    planner.upsert(&name(9), FEED, Learnt::new(FEED), false, now);
    assert!(planner.kin.is_empty());
}
