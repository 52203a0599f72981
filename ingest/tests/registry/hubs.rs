//! Sources whose hub tells of changes: visited when told, seldom otherwise, and given up when they rest.

use jiff::{SignedDuration, Timestamp};
use wellspring_core::source::{Remains, SourceAdmin};

use crate::doubles::{Running, named, page};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_hub_tells_is_planned_late_and_visited_when_told() {
    let mut running = Running::start();
    running.registry.add(page("a")).await.unwrap();
    let visited = |running: &Running| running.store.record("a").unwrap().last_visit;
    running.until("the first visit", |running| visited(running).is_some()).await;
    let hub = Some("http://hub.example/".to_owned());
    assert_eq!(*running.hubs.visited.lock().unwrap(), [("a".to_owned(), hub.clone())]);
    assert_eq!(visited(&running).unwrap().not_before, None, "the hub has confirmed nothing yet");

    let until = Timestamp::now() + SignedDuration::from_hours(100);
    *running.hubs.told_until.lock().unwrap() = Some(until);
    running.registry.told(&named("a"));
    running.until("a visit", |running| running.visits() == 2).await;
    running.until("its plan", |running| visited(running).is_some_and(|visit| visit.not_before.is_some())).await;
    let wait = visited(&running).unwrap().not_before.unwrap().duration_since(Timestamp::now());
    assert!(wait > SignedDuration::from_hours(23) && wait <= SignedDuration::from_hours(24), "{wait}");
    let info = running.registry.show(&named("a")).await.unwrap();
    assert_eq!(info.subscription.map(|subscription| subscription.hub), hub);
    assert!(info.next_visit_reason.contains("its hub tells"), "{}", info.next_visit_reason);

    // A lease that ends sooner is no reason to wait for longer.
    *running.hubs.told_until.lock().unwrap() = Some(Timestamp::now() + SignedDuration::from_hours(1));
    running.registry.told(&named("a"));
    running.until("a third visit", |running| running.visits() == 3).await;
    let within = |running: &Running| {
        let wait = visited(running).unwrap().not_before.unwrap().duration_since(Timestamp::now());
        wait <= SignedDuration::from_hours(1)
    };
    running.until("its plan", within).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_rests_or_goes_is_not_visited_when_told_and_its_hub_hears_of_it() {
    let mut running = Running::start();
    running.registry.add(page("a")).await.unwrap();
    running.until("the visit", |running| running.store.record("a").unwrap().last_visit.is_some()).await;
    let info = running.registry.pause(&named("a"), true).await.unwrap();
    assert_eq!(info.subscription, None);
    assert_eq!(*running.hubs.rested.lock().unwrap(), ["a"]);
    running.registry.told(&named("a"));
    running.registry.told(&named("nobody"));
    running.registry.pause(&named("a"), false).await.unwrap();
    running.registry.remove(&named("a"), Remains::Keep).await.unwrap();
    assert_eq!(*running.hubs.rested.lock().unwrap(), ["a", "a"]);
    assert_eq!(running.visits(), 1);
    running.stop().await;
}
