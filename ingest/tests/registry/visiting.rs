//! Feeds, sites and pages: when they are visited, and what stops that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use wellspring_core::source::{SourceAdmin, SourceError};

use crate::doubles::{Running, named, page, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_visited_when_it_is_added_and_again_when_asked() {
    let mut running = Running::start();
    let (info, is_new) = running.registry.add(page("a")).await.unwrap();
    assert!(is_new && info.last_visit.is_none());
    running.until("the visit", |running| running.store.record("a").unwrap().last_visit.is_some()).await;
    running.until("the plan", |running| running.store.record("a").unwrap().next_visit_at.is_some()).await;
    let info = running.registry.show(&named("a")).await.unwrap();
    assert_eq!((info.staleness_seconds.is_some(), info.last_error), (true, None));
    assert_eq!(info.next_visit_reason, "every so often");
    assert!(info.next_visit_at.unwrap() > info.added_at);

    running.registry.refresh(&named("a")).await.unwrap();
    running.until("the second visit", |running| running.visits() == 2).await;
    assert_eq!(*running.visitor.asked.lock().unwrap(), ["a"], "the visitor knows that a person waits");
    let remembered = running.visitor.remembered.lock().unwrap().clone();
    assert_eq!(remembered, [vec![], vec!["http://a/".to_owned()]], "the second visit knows what the first has seen");

    // A restart costs no visit: the plan is kept, and what was learnt.
    running.until("its end", |running| running.store.record("a").unwrap().learnt == json!({ "visits": 2 })).await;
    running.stop().await;
    let mut again = Running::over(running.store.clone(), SignedDuration::from_hours(1));
    again.until("the take-up", |again| again.store.record("a").unwrap().learnt == json!({ "visits": 2 })).await;
    let info = again.registry.refresh(&named("a")).await.unwrap();
    assert!(info.next_visit_at.is_some());
    again.until("the third visit", |again| again.visits() == 1).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_visits_come_by_themselves_and_never_too_many_at_once() {
    let mut running = Running::over(Arc::default(), SignedDuration::ZERO);
    running.visitor.hold.store(true, Ordering::SeqCst);
    for name in ["a", "b", "c", "d"] {
        running.registry.add(page(name)).await.unwrap();
    }
    running.until("two visits", |running| running.visitor.under_way.load(Ordering::SeqCst) == 2).await;
    running.visitor.hold.store(false, Ordering::SeqCst);
    running.visitor.go.notify_waiters();
    running.until("all, and again", |running| running.visits() >= 12).await;
    assert_eq!(running.visitor.most_under_way.load(Ordering::SeqCst), 2);
    let visits = running.visitor.visits.lock().unwrap().clone();
    for name in ["a", "b", "c", "d"] {
        assert!(visits.iter().any(|visited| visited == name), "{name} was never visited");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_wait_for_one_host_keep_no_other_out() {
    let mut running = Running::start();
    running.visitor.hold.store(true, Ordering::SeqCst);
    let at = |name: &str, kind: &str, host: &str| {
        settings(json!({ "name": name, "origin": { "kind": kind, "url": format!("http://{host}/{name}") } }))
    };
    // As many as there are places for visits, and then some.
    for name in ["a", "b", "c"] {
        running.registry.add(at(name, "page", "slow.example")).await.unwrap();
    }
    running.until("the first", |running| running.visits() == 1).await;
    running.registry.add(at("d", "page", "other.example")).await.unwrap();
    running.until("the other host's", |running| running.visits() == 2).await;
    assert_eq!(*running.visitor.visits.lock().unwrap(), ["a", "d"]);
    let waiting = running.registry.show(&named("b")).await.unwrap();
    assert!(!waiting.visiting && waiting.next_visit_reason.contains("another visit of its host"), "{waiting:?}");
    assert!(running.registry.show(&named("a")).await.unwrap().visiting);
    // What is asked for waits for its host too, and all are visited in the end, in the order in which they came.
    running.registry.refresh(&named("c")).await.unwrap();
    running.visitor.hold.store(false, Ordering::SeqCst);
    running.visitor.go.notify_waiters();
    running.until("all", |running| running.store.record("b").unwrap().last_visit.is_some()).await;
    running.until("all", |running| running.store.record("c").unwrap().last_visit.is_some()).await;
    assert_eq!(running.visits(), 4, "one that was due and asked for is visited once");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_visit_holds_up_no_short_one_of_its_host() {
    let mut running = Running::start();
    running.visitor.hold.store(true, Ordering::SeqCst);
    let site = settings(json!({ "name": "a", "origin": { "kind": "site", "url": "http://host.example/" } }));
    running.registry.add(site).await.unwrap();
    running.until("the site", |running| running.visits() == 1).await;
    let page = settings(json!({ "name": "b", "origin": { "kind": "page", "url": "http://HOST.example./b" } }));
    running.registry.add(page).await.unwrap();
    running.until("the page", |running| running.visits() == 2).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_stops_the_visit_under_way_and_a_resume_makes_up_for_it() {
    let mut running = Running::start();
    running.visitor.hold.store(true, Ordering::SeqCst);
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.visits() == 1).await;
    let info = running.registry.pause(&named("a"), true).await.unwrap();
    assert!(info.paused && info.next_visit_at.is_none());
    assert!(running.registry.pause(&named("a"), true).await.unwrap().paused);
    running.until("the stop", |running| running.visitor.stopped.load(Ordering::SeqCst) == 1).await;
    running.until("what it has seen", |running| !running.store.urls.lock().unwrap().is_empty()).await;
    assert_eq!(running.store.record("a").unwrap().last_visit, None, "a visit that was stopped is none");
    assert!(matches!(running.registry.refresh(&named("a")).await, Err(SourceError::Paused)));

    running.visitor.hold.store(false, Ordering::SeqCst);
    running.registry.pause(&named("a"), false).await.unwrap();
    running.until("the visit", |running| running.store.record("a").unwrap().last_visit.is_some()).await;

    // A paused source stays paused over a restart.
    running.registry.pause(&named("a"), true).await.unwrap();
    running.stop().await;
    let mut again = Running::over(running.store.clone(), SignedDuration::ZERO);
    again.registry.add(page("b")).await.unwrap();
    again.until("the other's visits", |again| again.visits() >= 3).await;
    assert!(!again.visitor.visits.lock().unwrap().contains(&"a".to_owned()));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_that_panics_is_recorded_and_the_others_go_on() {
    let mut running = Running::start();
    running.visitor.panic.store(true, Ordering::SeqCst);
    running.registry.add(page("a")).await.unwrap();
    running.until("the record", |running| running.store.record("a").unwrap().last_visit.is_some()).await;
    let info = running.registry.show(&named("a")).await.unwrap();
    assert!(info.last_error.unwrap().contains("failed unexpectedly"));
    assert_eq!(info.staleness_seconds, None, "it was never visited whole");
    running.registry.add(page("b")).await.unwrap();
    running.until("the other", |running| running.store.record("b").unwrap().last_visit.is_some()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shutdown_ends_visits() {
    let mut running = Running::start();
    running.visitor.hold.store(true, Ordering::SeqCst);
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.visits() == 1).await;
    running.stop().await;
    assert_eq!(running.visitor.stopped.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn adding_again_is_harmless_tuning_is_taken_and_another_place_is_refused() {
    let mut running = Running::start();
    let site = |depth: u32| {
        settings(json!({ "name": "a", "origin": { "kind": "site", "url": "http://a.example", "depth_max": depth } }))
    };
    assert!(running.registry.add(site(1)).await.unwrap().1);
    running.until("the visit", |running| running.store.record("a").unwrap().next_visit_at.is_some()).await;
    assert!(!running.registry.add(site(1)).await.unwrap().1);
    let (info, is_new) = running.registry.add(site(2)).await.unwrap();
    assert!(!is_new);
    running.until("a visit by the new settings", |running| running.visits() == 2).await;
    let kept = serde_json::to_value(info).unwrap();
    assert_eq!(kept["origin"]["depth_max"], 2);
    assert_eq!(kept["origin"]["url"], "http://a.example/", "in its one form");
    assert!(matches!(running.registry.add(page("a")).await, Err(SourceError::Exists)));
    let bad = settings(json!({ "name": "b", "origin": { "kind": "page", "url": "http://user:pass@b/" } }));
    assert!(matches!(running.registry.add(bad).await, Err(SourceError::Invalid(error)) if error.field == "url"));
    assert!(matches!(running.registry.show(&named("b")).await, Err(SourceError::Unknown)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_a_visit_holds_back_wait_for_a_yes() {
    let mut running = Running::start();
    *running.visitor.held.lock().unwrap() = 40;
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.store.record("a").unwrap().next_visit_at.is_some()).await;
    assert_eq!(running.registry.show(&named("a")).await.unwrap().held_deletions, 40);
    running.registry.release(&named("a")).await.unwrap();
    let before = running.store.record("a").unwrap().last_visit.unwrap().began_at;
    running
        .until("the next visit", |running| running.store.record("a").unwrap().last_visit.unwrap().began_at > before)
        .await;
    assert_eq!(running.registry.show(&named("a")).await.unwrap().held_deletions, 0);
    assert!(matches!(running.registry.release(&named("a")).await, Err(SourceError::NothingHeld)));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asked_to_be_left_alone_is_no_secret_and_a_person_may_ask_it_all_the_same() {
    let mut running = Running::start();
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.visits() == 1).await;
    assert_eq!(running.registry.show(&named("a")).await.unwrap().left_alone_until, None);
    *running.visitor.left_alone.lock().unwrap() = Some(Duration::from_secs(3600));
    let info = running.registry.refresh(&named("a")).await.unwrap();
    let until = info.left_alone_until.unwrap();
    assert!(info.next_visit_reason.contains(&until.to_string()), "{}", info.next_visit_reason);
    running.until("the visit that was asked for", |running| running.visits() == 2).await;
    assert_eq!(*running.visitor.asked.lock().unwrap(), ["a"]);
    running.stop().await;
}
