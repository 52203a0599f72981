//! Single pages.

use wellspring_core::fetch::FetchErrorKind;
use wellspring_core::limits;
use wellspring_core::source::Origin;

use super::world::{Reply, World};

const PAGE: &str = "https://example.org/about?x=1";

fn page() -> World {
    let world = World::of(Origin::Page { url: format!("{PAGE}&utm_source=y#part") });
    world.web.page(PAGE, "<p>words");
    world
}

pub(crate) async fn a_page_is_read_once_and_then_asked_whether_it_changed() {
    for has_tags in [true, false] {
        let mut world = page();
        *world.web.has_tags.lock().unwrap() = has_tags;
        let outcome = world.visit().await;
        assert!(outcome.visit.complete && outcome.visit.changed == 1);
        assert_eq!(world.store.draft("s/about?x=1").attributes.url.as_deref(), Some(PAGE));
        world.store.take_log();
        assert_eq!(world.visit().await.visit.changed, 0);
        assert!(world.store.take_log().is_empty());
        world.web.page(PAGE, "<p>other words");
        assert_eq!(world.visit().await.visit.changed, 1);
        world.settings.origin = Origin::Page { url: "https://example.org/new".to_owned() };
        world.web.page("https://example.org/new", "<p>words");
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/new"], "what the source had under its former address goes");
    }
}

pub(crate) async fn one_missing_answer_deletes_nothing_and_several_do() {
    let mut world = page();
    world.visit().await;
    let script = |missing: bool| {
        if missing { Reply::Gone(false) } else { Reply::Body { content_type: "text/html", body: b"<p>words".to_vec() } }
    };
    world.web.says(PAGE, script(true));
    for _ in 1..limits::PAGE_MISSES_MAX {
        let visit = world.visit().await.visit;
        assert_eq!((visit.deleted, visit.failed, visit.complete), (0, 1, true));
        assert!(visit.errors[0].contains("it is missing (404); its document"), "{:?}", visit.errors);
        assert_eq!(world.store.unread("s/about?x=1").as_deref(), Some("it was missing at the last visit (404)"));
    }
    world.web.says(PAGE, script(false));
    assert_eq!(world.visit().await.visit.failed, 0);
    assert_eq!(world.store.unread("s/about?x=1"), None, "it is back, and as good as ever");
    world.web.says(PAGE, Reply::Fails(FetchErrorKind::ServerError(503)));
    assert!(!world.visit().await.visit.complete);
    world.web.says(PAGE, script(true));
    for _ in 1..limits::PAGE_MISSES_MAX {
        assert_eq!(world.visit().await.visit.deleted, 0, "the count began anew");
    }
    assert_eq!(world.visit().await.visit.deleted, 1);
    assert!(world.store.keys().is_empty());
    world.web.says(PAGE, script(false));
    assert_eq!(world.visit().await.visit.changed, 1, "it may come back");
}

pub(crate) async fn what_another_source_of_the_name_left_waits_for_a_yes() {
    let mut world = page();
    let name = world.settings.name.clone();
    for number in 0..25 {
        world.store.add(&name, &format!("s/left-{number}.md"));
    }
    let outcome = world.visit().await;
    assert_eq!((outcome.held_deletions, outcome.visit.deleted, world.store.keys().len()), (Some(25), 0, 26));
}

pub(crate) async fn a_page_that_never_was_there_is_no_success() {
    let mut world = page();
    world.web.says(PAGE, Reply::Gone(false));
    for _ in 0..=limits::PAGE_MISSES_MAX {
        let visit = world.visit().await.visit;
        assert_eq!((visit.failed, visit.errors.len()), (1, 1));
        assert!(visit.errors[0].ends_with("it is missing (404)"), "{:?}", visit.errors);
    }
}

pub(crate) async fn a_version_that_cannot_be_read_leaves_the_last_one_and_says_so() {
    for has_tags in [true, false] {
        let mut world = page();
        *world.web.has_tags.lock().unwrap() = has_tags;
        world.visit().await;
        for (reply, reason) in [
            (Reply::Fails(FetchErrorKind::BadBody), "it is too long or cannot be decoded"),
            (Reply::Fails(FetchErrorKind::Denied(403)), "its server does not give it"),
            (Reply::Body { content_type: "image/png", body: b"PNG".to_vec() }, "its format is not read"),
        ] {
            world.web.says(PAGE, reply);
            let visit = world.visit().await.visit;
            assert_eq!((visit.changed, visit.deleted, visit.failed), (0, 0, 1));
            assert_eq!(world.store.unread("s/about?x=1").as_deref(), Some(reason));
            assert_eq!(world.store.text("s/about?x=1"), "<p>words", "what was read last stays");
            // The same words again are news, whatever the server's tag says.
            world.web.page(PAGE, "<p>words");
            assert_eq!(world.visit().await.visit.changed, 1);
            assert_eq!(world.store.unread("s/about?x=1"), None);
        }
        world.web.says(PAGE, Reply::Fails(FetchErrorKind::TimedOut));
        world.visit().await;
        assert_eq!(world.store.unread("s/about?x=1"), None, "later may go better");
    }
}

pub(crate) async fn a_page_that_is_gone_for_good_is_deleted_at_once() {
    let mut world = page();
    world.visit().await;
    world.web.says(PAGE, Reply::Gone(true));
    assert_eq!(world.visit().await.visit.deleted, 1);
    assert_eq!(world.visit().await.visit.deleted, 0);
}
