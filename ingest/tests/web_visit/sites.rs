//! Whole sites.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use wellspring_core::document::MediaType;
use wellspring_core::fetch::{FetchErrorKind, RobotsWishes};
use wellspring_core::limits;
use wellspring_core::source::Origin;

use super::world::{Reply, World};

const HOST: &str = "https://example.org";

fn site_with(depth_max: u32, pages_max: u32) -> World {
    World::of(Origin::Site { url: HOST.to_owned(), sitemap: None, depth_max, pages_max })
}

fn site() -> World {
    site_with(5, 100)
}

fn at(path: &str) -> String {
    format!("{HOST}{path}")
}

fn links(paths: &[&str]) -> String {
    paths.iter().map(|path| format!("<a href='{path}'>link</a> ")).collect()
}

fn page(world: &World, path: &str, paths: &[&str]) {
    world.web.page(&at(path), &format!("<title>{path}</title><p>words of {path}</p>{}", links(paths)));
}

/// `/` leads to `/a` and `/b`, `/a` to `/a/deep`.
fn small(world: &World) {
    page(world, "/", &["/a#part", "/b?utm_source=x"]);
    page(world, "/a", &["/", "deep", "/a/deep"]);
    page(world, "/b", &["/"]);
    page(world, "/a/deep", &[]);
    page(world, "/deep", &[]);
}

pub(crate) async fn a_small_site_is_walked_within_its_rules() {
    let mut world = site_with(1, 100);
    page(
        &world,
        "/",
        &[
            "/a",
            "/a#again",
            "/secret/x",
            "/hidden",
            "/b?fbclid=1",
            "https://other.example/",
            "mailto:a@example.org",
            "/logo.png",
            "/missing",
        ],
    );
    page(&world, "/a", &["/too-deep"]);
    page(&world, "/too-deep", &[]);
    page(&world, "/b", &[]);
    world.web.page(&at("/hidden"), "<meta name=robots content=noindex><a href=/from-hidden>x</a>");
    world.web.excluded.lock().unwrap().push("/secret".to_owned());
    let outcome = world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/a", "s/b"]);
    assert!(outcome.visit.complete, "{:?}", outcome.visit);
    assert_eq!((outcome.visit.items, outcome.visit.changed, outcome.visit.failed), (3, 3, 0));
    assert_eq!(
        world.web.take_requests(),
        [
            "https://example.org/",
            "https://example.org/sitemap.xml",
            "https://example.org/a",
            "https://example.org/hidden",
            "https://example.org/b",
            "https://example.org/missing"
        ]
    );
}

pub(crate) async fn a_page_that_cannot_be_read_any_more_is_marked() {
    for has_tags in [true, false] {
        let mut world = site();
        *world.web.has_tags.lock().unwrap() = has_tags;
        small(&world);
        world.visit().await;
        world.web.says(&at("/a"), Reply::Fails(FetchErrorKind::BadBody));
        let visit = world.visit().await.visit;
        assert_eq!((visit.complete, visit.failed, visit.deleted), (true, 1, 0), "{visit:?}");
        assert_eq!(world.store.unread("s/a").as_deref(), Some("it is too long or cannot be decoded"));
        assert!(world.store.keys().contains(&"s/a/deep".to_owned()), "what it led to stays");
        page(&world, "/a", &["/", "deep", "/a/deep"]);
        assert_eq!(world.visit().await.visit.changed, 1);
        assert_eq!(world.store.unread("s/a"), None);
    }
}

pub(crate) async fn what_a_server_asks_of_robots_is_done() {
    for has_tags in [true, false] {
        let mut world = site();
        *world.web.has_tags.lock().unwrap() = has_tags;
        page(&world, "/", &["/a", "/report", "/hidden", "/out/x"]);
        page(&world, "/a", &["/behind"]);
        page(&world, "/behind", &[]);
        world.web.says(&at("/report"), Reply::Body { content_type: "text/plain", body: b"a report".to_vec() });
        world.web.page(&at("/hidden"), "<meta name=Wellspring content=noindex><p>not for us");
        world.web.excluded.lock().unwrap().push("/out/".to_owned());
        let visit = world.visit().await.visit;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/behind", "s/report"]);
        assert_eq!(
            visit.errors,
            [
                format!("skipped: robots.txt excludes 1 addresses, such as {HOST}/out/x"),
                format!("skipped: 1 pages ask not to be kept (noindex), such as {HOST}/hidden"),
            ]
        );
        assert_eq!((visit.complete, visit.failed), (true, 0));

        // The head says so of what has no other place to say it, though not a byte of the body changed.
        let ask = |path: &str, noindex, nofollow| {
            world.web.wishes.lock().unwrap().insert(at(path), RobotsWishes { noindex, nofollow });
        };
        ask("/report", true, false);
        ask("/a", false, true);
        let visit = world.visit().await.visit;
        assert_eq!(world.store.keys(), ["s/", "s/a"], "{visit:?}");
        assert!(visit.errors.iter().any(|error| error.starts_with("skipped: 2 pages ask not to be kept")), "{visit:?}");
        world.web.wishes.lock().unwrap().clear();
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/behind", "s/report"]);
    }
}

pub(crate) async fn an_unchanged_site_is_walked_by_what_was_remembered() {
    for has_tags in [true, false] {
        let mut world = site();
        *world.web.has_tags.lock().unwrap() = has_tags;
        small(&world);
        assert_eq!(world.visit().await.visit.changed, 5);
        world.store.take_log();
        let outcome = world.visit().await;
        assert_eq!((outcome.visit.items, outcome.visit.changed, outcome.visit.deleted), (5, 0, 0));
        assert!(outcome.visit.complete && outcome.forget.is_empty());
        assert!(world.store.take_log().is_empty(), "nothing is even offered");
        page(&world, "/a/deep", &["/new"]);
        page(&world, "/new", &[]);
        let outcome = world.visit().await;
        assert_eq!(world.store.take_log(), ["Updated s/a/deep", "Created s/new"]);
        assert!(outcome.visit.complete);
    }
}

pub(crate) async fn a_page_that_is_no_longer_linked_is_deleted() {
    let mut world = site();
    small(&world);
    world.visit().await;
    page(&world, "/", &["/a"]);
    world.web.says(&at("/deep"), Reply::Gone(false));
    let outcome = world.visit().await;
    assert_eq!(
        (outcome.visit.deleted, world.store.keys()),
        (2, vec!["s/".to_owned(), "s/a".to_owned(), "s/a/deep".to_owned()])
    );
    assert!(outcome.forget.iter().any(|url| url == &at("/b")) && outcome.forget.iter().any(|url| url == &at("/deep")));
}

pub(crate) async fn a_sitemap_says_what_there_is() {
    let mut world = site();
    small(&world);
    page(&world, "/only-in-the-map", &[]);
    let sitemap = |paths: &[&str]| {
        let urls: String = paths.iter().map(|path| format!("<url><loc>{HOST}{path}</loc></url>")).collect();
        Reply::Body {
            content_type: "application/xml",
            body: format!("<urlset>{urls}<url><loc>https://other.example/</loc></url></urlset>").into(),
        }
    };
    *world.web.sitemaps.lock().unwrap() = vec![at("/index.xml")];
    let index = format!("<sitemapindex><sitemap><loc>{HOST}/map.xml</loc></sitemap></sitemapindex>");
    world.web.says(&at("/index.xml"), Reply::Body { content_type: "application/xml", body: index.into() });
    world.web.says(&at("/map.xml"), sitemap(&["/a", "/only-in-the-map"]));
    let outcome = world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/a", "s/only-in-the-map"], "links are not followed");
    assert!(outcome.visit.complete);
    world.store.take_log();
    assert_eq!(world.visit().await.visit.changed, 0);
    world.web.says(&at("/map.xml"), sitemap(&["/a", "/b"]));
    world.store.take_log();
    world.visit().await;
    assert_eq!(world.store.take_log(), ["Created s/b", "Deleted s/only-in-the-map"]);
}

pub(crate) async fn a_sitemap_that_is_named_is_read_however_deep_links_are_followed() {
    let mut world = site_with(0, 100);
    small(&world);
    world.settings.origin =
        Origin::Site { url: HOST.to_owned(), sitemap: Some(at("/map.xml")), depth_max: 0, pages_max: 100 };
    let map = format!("<urlset><url><loc>{HOST}/b</loc></url></urlset>");
    world.web.says(&at("/map.xml"), Reply::Body { content_type: "application/xml", body: map.into() });
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/b"]);
    // Where it names nothing, no link is followed in its stead.
    world.web.says(&at("/map.xml"), Reply::Body { content_type: "application/xml", body: b"<urlset/>".to_vec() });
    world.web.take_requests();
    world.visit().await;
    assert_eq!(world.web.take_requests(), [at("/"), at("/map.xml")]);
}

pub(crate) async fn a_sitemap_is_believed_for_some_days() {
    let mut world = site();
    let dates = ["2026-01-01", "2026-11-25T00:00:00Z"];
    let urls = |dates: [&str; 2]| {
        let url = |n: usize| format!("<url><loc>{HOST}/p{n}</loc><lastmod>{}</lastmod></url>", dates[n]);
        let body = format!("<urlset>{}{}</urlset>", url(0), url(1)).into();
        Reply::Body { content_type: "application/xml", body }
    };
    world.web.says(&at("/sitemap.xml"), urls(dates));
    ["/", "/p0", "/p1"].iter().for_each(|path| page(&world, path, &[]));
    let (mut days_asked, mut today_asked) = (0, 0);
    for day in 0..1 + limits::SITEMAP_TRUST_DAYS {
        world.web.take_requests();
        let outcome = world.visit().await;
        assert!(outcome.visit.complete && outcome.visit.items == 3 && outcome.visit.deleted == 0);
        let requests = world.web.take_requests();
        days_asked += usize::from(day > 0 && requests.contains(&at("/p0")));
        today_asked += usize::from(requests.contains(&at("/p1")));
        world.now += Duration::from_secs(24 * 3600);
    }
    assert_eq!(days_asked, 1, "asked on its day");
    assert!(today_asked >= 2, "a page that changed on the day of the visit is asked again");
    page(&world, "/p0", &["/news"]);
    world.web.says(&at("/sitemap.xml"), urls(["2026-11-30", dates[1]]));
    assert_eq!(world.visit().await.visit.changed, 1);
}

pub(crate) async fn a_sitemap_that_always_gives_one_date_hides_no_change_for_long() {
    let mut world = site();
    let map = format!("<urlset><url><loc>{HOST}/a</loc><lastmod>2026-01-01</lastmod></url></urlset>");
    world.web.says(&at("/sitemap.xml"), Reply::Body { content_type: "application/xml", body: map.into() });
    page(&world, "/", &[]);
    page(&world, "/a", &[]);
    world.visit().await;
    page(&world, "/a", &["/one"]);
    assert_eq!(world.visit().await.visit.changed, 0, "the sitemap is believed today");
    world.source.asked.ask(&world.settings.name);
    assert_eq!(world.visit().await.visit.changed, 1, "but not when a person asks");
    for (turn, has_tags) in [true, false, true].into_iter().enumerate() {
        *world.web.has_tags.lock().unwrap() = has_tags;
        page(&world, "/a", &[&format!("/another/{turn}")]);
        world.now += Duration::from_secs(24 * 3600 * limits::SITEMAP_TRUST_DAYS as u64);
        assert_eq!(world.visit().await.visit.changed, 1, "nor beyond its bound, whenever the visits are");
        world.now += Duration::from_secs(24 * 3600 * limits::SITEMAP_TRUST_DAYS as u64);
        world.visit().await;
        world.web.take_requests();
        world.visit().await;
        let asked = world.web.take_requests().contains(&at("/a"));
        assert!(!asked, "a page that was found unchanged today is believed today");
    }
}

pub(crate) async fn canonical_pages_stand_for_their_copies() {
    let mut world = site();
    page(&world, "/", &["/print/a", "/x", "/y", "/elsewhere", "/missing-copy"]);
    world.web.page(&at("/print/a"), "<link rel=canonical href=/a><p>copy");
    page(&world, "/a", &[]);
    world.web.page(&at("/x"), "<link rel=canonical href=/y><p>x");
    world.web.page(&at("/y"), "<link rel=canonical href=/x><p>y");
    world.web.page(&at("/elsewhere"), "<link rel=canonical href=https://other.example/><p>words");
    for visit in 0..2 {
        let outcome = world.visit().await;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/elsewhere", "s/y"], "visit {visit}");
        assert!(outcome.visit.complete && outcome.visit.deleted == 0);
    }
    // Same answers, walked by what was remembered.
    page(&world, "/print/a", &[]);
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/elsewhere", "s/print/a", "s/y"]);
}

pub(crate) async fn redirects_out_of_the_host_are_not_followed() {
    let mut world = site();
    page(&world, "/", &["/out", "/old", "/into-secret", "/a"]);
    page(&world, "/a", &[]);
    page(&world, "/secret", &[]);
    world.web.says(&at("/out"), Reply::Moved("https://other.example/x".to_owned()));
    world.web.says(&at("/old"), Reply::Moved(at("/a")));
    world.web.says(&at("/into-secret"), Reply::Moved(at("/secret")));
    world.web.page("https://other.example/x", "<p>not ours");
    world.web.excluded.lock().unwrap().push("/secret".to_owned());
    let outcome = world.visit().await;
    assert_eq!((world.store.keys(), outcome.visit.complete), (vec!["s/".to_owned(), "s/a".to_owned()], true));
    let led_out = format!("skipped: 1 addresses lead where robots.txt excludes us, such as {}", at("/into-secret"));
    assert_eq!((outcome.visit.errors, outcome.visit.failed), (vec![led_out], 0));
    // A page that moves keeps its document under its new name, also while it cannot be asked.
    world.web.says(&at("/a"), Reply::Moved(at("/moved")));
    page(&world, "/moved", &[]);
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/moved"]);
    world.web.says(&at("/old"), Reply::Fails(FetchErrorKind::TimedOut));
    world.web.says(&at("/a"), Reply::Fails(FetchErrorKind::TimedOut));
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/moved"]);
    let mut world = site();
    world.web.says(&at("/"), Reply::Moved("https://other.example/x".to_owned()));
    let outcome = world.visit().await;
    assert!(!outcome.visit.complete && world.store.keys().is_empty());
}

pub(crate) async fn a_host_has_the_name_it_answers_by() {
    let mut world = site();
    let www = |path: &str| format!("https://www.example.org{path}");
    world.web.says(&at("/"), Reply::Moved(www("/")));
    world
        .web
        .page(&www("/"), &links(&["http://example.org/plain", "https://example.org/a", "https://www.example.org/b"]));
    world.web.page(&www("/a"), "<p>a");
    world.web.page(&www("/b"), "<p>b");
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/a", "s/b"]);
    let mut world = site();
    world.web.page(&at("/"), &format!("<link rel=canonical href='{}'>{}", www("/"), links(&[&www("/a")])));
    page(&world, "/a", &[]);
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/a"]);
    page(&world, "/a", &[&www("/b")]);
    page(&world, "/b", &[]);
    for _ in 0..2 {
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/b"], "the first page has not changed");
    }
}

pub(crate) async fn calendars_do_not_go_on_for_ever() {
    let mut world = site_with(1000, 1000);
    page(&world, "/", &["/calendar?day=0", "/a/"]);
    for day in 0..300 {
        page(
            &world,
            &format!("/calendar?day={day}"),
            &[&format!("/calendar?day={}", day + 1), &format!("/calendar?day={}", day + 2)],
        );
    }
    let mut path = "/a/".to_owned();
    for _ in 0..50 {
        page(&world, &path, &["a/", "/"]);
        path += "a/";
    }
    let outcome = world.visit().await;
    let days = world.store.keys().iter().filter(|key| key.contains("calendar")).count();
    assert_eq!(days, limits::SITE_QUERIES_PER_PATH_MAX);
    assert_eq!(world.store.keys().iter().filter(|key| key.contains("a/")).count(), limits::SITE_PATH_REPEATS_MAX);
    assert!(outcome.visit.errors.iter().any(|error| error.contains("endless")));
}

pub(crate) async fn a_limited_visit_deletes_nothing() {
    let mut world = site();
    small(&world);
    world.visit().await;
    world.web.says(&at("/b"), Reply::Gone(true));
    world.settings.origin = Origin::Site { url: HOST.to_owned(), sitemap: None, depth_max: 5, pages_max: 2 };
    let outcome = world.visit().await;
    assert!(!outcome.visit.complete && outcome.visit.deleted == 0 && !outcome.visit.errors.is_empty());
    assert_eq!(world.store.keys().len(), 5);
}

pub(crate) async fn a_page_that_says_that_it_is_gone_goes_whatever_else_was_missed() {
    for for_ever in [true, false] {
        let mut world = site_with(5, 3);
        page(&world, "/", &["/a", "/b", "/c", "/d"]);
        ["/a", "/b", "/c", "/d"].iter().for_each(|path| page(&world, path, &[]));
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/b"]);
        world.web.says(&at("/a"), Reply::Gone(for_ever));
        let visit = world.visit().await.visit;
        assert_eq!((visit.complete, visit.deleted), (false, 1), "{visit:?}");
        assert_eq!(world.store.keys(), ["s/", "s/b", "s/c"], "what was not asked for stays");
        page(&world, "/a", &[]);
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/", "s/a", "s/b", "s/c"], "the words of before are news");
    }
}

pub(crate) async fn many_pages_gone_at_once_are_held_by_a_limited_visit_too() {
    let mut world = site_with(1, 40);
    let paths: Vec<String> = (0..100).map(|n| format!("/p{n}")).collect();
    page(&world, "/", &paths.iter().map(String::as_str).collect::<Vec<_>>());
    paths.iter().for_each(|path| page(&world, path, &[]));
    world.visit().await;
    assert_eq!(world.store.keys().len(), 40);
    paths[..30].iter().for_each(|path| world.web.says(&at(path), Reply::Gone(true)));
    let outcome = world.visit().await;
    let visit = outcome.visit;
    assert_eq!((visit.complete, visit.deleted, outcome.held_deletions), (false, 0, Some(30)), "{visit:?}");
    assert!(visit.errors.iter().any(|error| error.contains("30 of 40")), "{:?}", visit.errors);
    world.source.releases.release(&world.settings.name);
    assert_eq!(world.visit().await.visit.deleted, 30);
}

pub(crate) async fn a_stopped_visit_deletes_nothing() {
    let mut world = site();
    small(&world);
    world.visit().await;
    page(&world, "/", &["/a"]);
    let stop = CancellationToken::new();
    let (from_hook, began) = (stop.clone(), world.web.take_requests().len());
    assert!(began > 3);
    *world.web.on_request.lock().unwrap() = Some(Box::new(move |number| {
        if number == 3 {
            from_hook.cancel();
        }
    }));
    let outcome = world.visit_until(stop).await;
    assert!(!outcome.visit.complete && outcome.visit.requests == 3 && outcome.visit.deleted == 0);
    assert_eq!(outcome.visit.changed, 1, "what was read until then stands");
    *world.web.on_request.lock().unwrap() = None;
    assert_eq!(world.visit().await.visit.deleted, 1, "and the next visit goes on");
}

pub(crate) async fn a_failing_page_keeps_its_document_and_what_it_led_to() {
    for kind in [FetchErrorKind::ServerError(500), FetchErrorKind::Denied(403)] {
        let mut world = site();
        small(&world);
        world.visit().await;
        world.web.says(&at("/a"), Reply::Fails(kind));
        let outcome = world.visit().await;
        assert_eq!((outcome.visit.failed, outcome.visit.deleted, world.store.keys().len()), (1, 0, 5));
        assert!(outcome.visit.complete, "what it led to is remembered");
    }
}

pub(crate) async fn a_sitemap_that_fails_deletes_nothing() {
    let mut world = site();
    page(&world, "/", &[]);
    page(&world, "/a", &[]);
    let map = format!("<urlset><url><loc>{HOST}/a</loc></url></urlset>");
    world.web.says(&at("/sitemap.xml"), Reply::Body { content_type: "application/xml", body: map.into() });
    world.visit().await;
    assert_eq!(world.store.keys(), ["s/", "s/a"]);
    world.web.says(&at("/sitemap.xml"), Reply::Fails(FetchErrorKind::ServerError(502)));
    let outcome = world.visit().await;
    assert!(!outcome.visit.complete && outcome.visit.deleted == 0);
    let outcome = world.visit().await;
    assert!(outcome.visit.complete && outcome.visit.deleted == 1, "at the next visit it is believed");
}

pub(crate) async fn many_deletions_are_held_until_they_are_released() {
    let mut world = site_with(1, 200);
    let paths: Vec<String> = (0..60).map(|n| format!("/p{n}")).collect();
    page(&world, "/", &paths.iter().map(String::as_str).collect::<Vec<_>>());
    paths.iter().for_each(|path| page(&world, path, &[]));
    world.visit().await;
    assert_eq!(world.store.keys().len(), 61);
    page(&world, "/", &[]);
    for _ in 0..2 {
        let outcome = world.visit().await;
        assert_eq!((outcome.held_deletions, outcome.visit.deleted, outcome.forget.len()), (Some(60), 0, 0));
        assert!(outcome.visit.errors.iter().any(|error| error.contains("60 of 61")), "{:?}", outcome.visit.errors);
    }
    world.source.releases.release(&world.settings.name);
    let outcome = world.visit().await;
    assert_eq!((outcome.held_deletions, outcome.visit.deleted), (Some(0), 60));
}

pub(crate) async fn what_arrives_during_a_visit_is_not_deleted() {
    let mut world = site();
    small(&world);
    world.visit().await;
    let (store, name) = (world.store.clone(), world.settings.name.clone());
    *world.web.on_request.lock().unwrap() = Some(Box::new(move |_| store.add(&name, "s/meanwhile")));
    assert_eq!(world.visit().await.visit.deleted, 0);
    assert!(world.store.keys().contains(&"s/meanwhile".to_owned()));
}

pub(crate) async fn a_host_that_cannot_tell_its_rules_is_left_alone() {
    let mut world = site();
    small(&world);
    world.visit().await;
    *world.web.has_no_rules.lock().unwrap() = true;
    let outcome = world.visit().await;
    assert_eq!((outcome.visit.requests, outcome.visit.deleted, outcome.visit.complete), (0, 0, false));
    *world.web.has_no_rules.lock().unwrap() = false;
    world.web.excluded.lock().unwrap().push("/a".to_owned());
    let outcome = world.visit().await;
    assert!(outcome.visit.complete);
    assert_eq!(world.store.keys(), ["s/", "s/b"], "what is excluded from now on goes");
}

pub(crate) async fn where_the_first_page_leads_is_asked_for_its_rules_too() {
    let mut world = site();
    world.web.says(&at("/"), Reply::Moved("https://www.example.org/secret".to_owned()));
    world.web.page("https://www.example.org/secret", "<p>secret");
    world.web.excluded.lock().unwrap().push("/secret".to_owned());
    let visit = world.visit().await.visit;
    assert_eq!((visit.complete, visit.requests), (false, 1));
    assert_eq!(visit.errors, ["robots.txt excludes where it leads"]);
}

pub(crate) async fn a_host_that_does_not_answer_is_given_up() {
    let mut world = site();
    let paths: Vec<String> = (0..50).map(|n| format!("/p{n}")).collect();
    page(&world, "/", &paths.iter().map(String::as_str).collect::<Vec<_>>());
    paths.iter().for_each(|path| world.web.says(&at(path), Reply::Fails(FetchErrorKind::Unreachable)));
    let outcome = world.visit().await;
    assert!(!outcome.visit.complete);
    assert_eq!(outcome.visit.requests, 2 + u64::from(limits::VISIT_FAILURES_IN_A_ROW_MAX));
}

pub(crate) async fn a_throttled_visit_ends_and_says_when_to_come_back() {
    let mut world = site();
    small(&world);
    world.web.says(&at("/a"), Reply::Fails(FetchErrorKind::Throttled(Some(Duration::from_secs(600)))));
    let outcome = world.visit().await;
    assert!(!outcome.visit.complete && outcome.visit.requests == 3);
    assert_eq!(outcome.visit.not_before.unwrap().to_string(), "2026-11-25T00:10:00Z");
    assert_eq!(world.store.keys(), ["s/"], "what was read stands");
}

pub(crate) async fn what_one_page_asks_for_is_not_asked_for_the_whole_site() {
    let day = Duration::from_secs(24 * 3600);
    for (path, not_before) in [("/a", "2026-11-25T01:00:00Z"), ("/", "2026-11-26T00:00:00Z")] {
        let mut world = site();
        small(&world);
        world.web.says(&at(path), Reply::Fails(FetchErrorKind::Throttled(Some(day))));
        let visit = world.visit().await.visit;
        assert_eq!(visit.not_before.unwrap().to_string(), not_before, "{path}");
        assert!(visit.errors[0].contains(" until 2026-11-26T00:00:"), "{:?}", visit.errors);
        assert!(world.web.insisted.lock().unwrap().iter().all(|insisted| !insisted));
        world.web.insisted.lock().unwrap().clear();
        world.source.asked.ask(&world.settings.name);
        world.visit().await;
        assert!(world.web.insisted.lock().unwrap().iter().all(|insisted| *insisted), "a person waits");
    }
}

pub(crate) async fn documents_of_other_formats_are_kept_too() {
    let mut world = site();
    page(&world, "/", &["/report", "/style", "/image"]);
    world.web.says(&at("/report"), Reply::Body { content_type: "application/pdf", body: b"%PDF-1.4".to_vec() });
    world.web.says(&at("/style"), Reply::Body { content_type: "text/css", body: b"p {}".to_vec() });
    world.web.says(&at("/image"), Reply::Body { content_type: "image/png", body: b"\x89PNG".to_vec() });
    let outcome = world.visit().await;
    assert_eq!((world.store.keys(), outcome.visit.failed), (vec!["s/".to_owned(), "s/report".to_owned()], 0));
    assert_eq!(world.store.draft("s/report").media_type, MediaType::Pdf);
    world.web.take_requests();
    let outcome = world.visit().await;
    assert!(outcome.visit.complete && outcome.visit.changed == 0);
}
