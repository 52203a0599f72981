//! Feeds.

use std::time::Duration;

use wellspring_core::document::MediaType;
use wellspring_core::fetch::FetchErrorKind;
use wellspring_core::source::Origin;

use super::world::{Reply, World};

const FEED: &str = "https://example.org/feed.xml";

fn feed_of(articles: bool) -> World {
    World::of(Origin::Feed { url: FEED.to_owned(), articles })
}

fn serve(world: &World, xml: &str) {
    world.web.says(FEED, Reply::Body { content_type: "application/xml", body: xml.into() });
}

fn item(id: &str, text: &str) -> String {
    format!(
        "<item><title>Title {id}</title><guid isPermaLink='false'>{id}</guid><link>https://example.org/{id}</link>\
         <category>rivers</category><pubDate>Wed, 04 Mar 2026 05:06:00 GMT</pubDate>\
         <description>{text}</description></item>"
    )
}

fn rss(head: &str, items: &[String]) -> String {
    format!(
        "<rss version='2.0'><channel><title>T</title><language>en</language>{head}{}</channel></rss>",
        items.concat()
    )
}

pub(crate) async fn entries_become_documents() {
    let mut world = feed_of(false);
    serve(&world, &rss("", &[item("a", "&lt;p&gt;First words&lt;/p&gt;"), item("b", "Second words")]));
    let outcome = world.visit().await;
    assert_eq!((outcome.visit.items, outcome.visit.changed, outcome.visit.failed), (2, 2, 0));
    assert!(outcome.visit.complete && outcome.visit.requests == 1 && outcome.visit.wire_bytes == 100);
    assert_eq!(world.store.keys(), ["s/a", "s/b"]);
    let draft = world.store.draft("s/a");
    assert_eq!(draft.media_type, MediaType::Html);
    assert_eq!(draft.attributes.title.as_deref(), Some("Title a"));
    assert_eq!(draft.attributes.url.as_deref(), Some("https://example.org/a"));
    assert_eq!(
        (draft.attributes.language.as_deref(), draft.attributes.tags),
        (Some("en"), vec!["own".to_owned(), "rivers".to_owned()])
    );
    assert_eq!(draft.attributes.published_at.unwrap().to_string(), "2026-03-04T05:06:00Z");
    let parsed = world.source.reader.parse(MediaType::Html, draft.content).await.unwrap();
    assert_eq!(parsed.text, "Title a\n\nFirst words");
}

pub(crate) async fn an_unchanged_feed_costs_one_request_and_nothing_else() {
    for has_tags in [true, false] {
        let mut world = feed_of(false);
        *world.web.has_tags.lock().unwrap() = has_tags;
        serve(&world, &rss("", &[item("a", "words")]));
        world.visit().await;
        world.store.take_log();
        world.web.take_requests();
        let outcome = world.visit().await;
        assert_eq!((outcome.visit.items, outcome.visit.changed, outcome.visit.requests), (0, 0, 1));
        assert!(outcome.visit.complete && outcome.forget.is_empty());
        assert!(world.store.take_log().is_empty(), "nothing is even offered");
    }
}

pub(crate) async fn an_edited_entry_is_a_new_revision_and_one_that_left_stays() {
    let mut world = feed_of(false);
    serve(&world, &rss("", &[item("a", "old"), item("b", "same")]));
    world.visit().await;
    world.store.take_log();
    serve(&world, &rss("", &[item("c", "new"), item("a", "edited")]));
    let outcome = world.visit().await;
    assert_eq!(world.store.take_log(), ["Created s/c", "Updated s/a"]);
    assert_eq!((outcome.visit.changed, outcome.visit.deleted), (2, 0));
    assert!(world.store.text("s/a").contains("edited"));
    assert_eq!(world.store.keys(), ["s/a", "s/b", "s/c"], "a feed is a window");
    // Renamed, but the same entry: its identifier says so.
    serve(&world, &rss("", &[item("a", "edited").replace("Title a", "Another title")]));
    world.visit().await;
    assert_eq!(world.store.take_log(), ["Updated s/a"]);
}

pub(crate) async fn entries_with_one_identifier_are_told_apart_by_their_links() {
    let mut world = feed_of(false);
    let same = |link: &str| {
        format!(
            "<item><title>x {link}</title><guid isPermaLink='false'>post</guid><link>https://example.org/{link}</link></item>"
        )
    };
    serve(&world, &rss("", &[same("1"), same("2"), same("2")]));
    let outcome = world.visit().await;
    assert_eq!(world.store.keys(), ["s/example.org/1", "s/example.org/2"]);
    assert_eq!((outcome.visit.items, outcome.visit.errors.len()), (2, 1));
}

pub(crate) async fn an_entry_without_an_identifier_is_known_by_its_link() {
    let mut world = feed_of(false);
    for tracked in ["?utm_source=feed", "", "?utm_source=other#more"] {
        let entry = format!("<item><title>x</title><link>https://example.org/1{tracked}</link></item>");
        serve(&world, &rss("", &[entry]));
        world.visit().await;
        assert_eq!(world.store.keys(), ["s/example.org/1"]);
    }
    assert_eq!(
        world.store.take_log(),
        ["Created s/example.org/1", "Unchanged s/example.org/1", "Unchanged s/example.org/1"]
    );
}

pub(crate) async fn articles_are_asked_once_and_stand_in_for_their_entries() {
    let mut world = feed_of(true);
    serve(&world, &rss("", &[item("a", "summary"), item("b", "summary of b"), item("c", "summary of c")]));
    world.web.page("https://example.org/a", "<h1>The whole article</h1>");
    world.web.says("https://example.org/b", Reply::Fails(FetchErrorKind::Denied(403)));
    world.web.excluded.lock().unwrap().push("/c".to_owned());
    let outcome = world.visit().await;
    assert_eq!(outcome.visit.requests, 3, "the feed, a and b; c is excluded");
    let article = world.store.draft("s/a");
    assert_eq!(article.content, b"<h1>The whole article</h1>");
    assert_eq!(article.attributes.title.as_deref(), Some("Title a"));
    assert!(world.store.text("s/b").contains("summary of b"));
    assert!(world.store.draft("s/b").attributes.metadata["article"].as_str().unwrap().contains("does not give it"));
    assert!(world.store.draft("s/c").attributes.metadata["article"].as_str().unwrap().contains("robots.txt"));
    world.store.take_log();
    serve(&world, &rss("", &[item("d", "new"), item("a", "summary"), item("b", "summary of b")]));
    world.web.page("https://example.org/d", "<p>d");
    world.web.take_requests();
    world.visit().await;
    assert_eq!(world.web.take_requests(), [FEED, "https://example.org/d"], "known entries cost nothing");
    assert_eq!(world.store.take_log(), ["Created s/d"]);
}

pub(crate) async fn an_article_that_leads_where_robots_are_excluded_is_not_read() {
    let mut world = feed_of(true);
    serve(&world, &rss("", &[item("z/8", "summary"), item("z/9", "summary of 9")]));
    world.web.says("https://example.org/z/8", Reply::Moved("https://example.org/nope/8".to_owned()));
    world.web.page("https://example.org/nope/8", "<p>not for robots");
    world.web.says("https://example.org/z/9", Reply::Moved("https://example.org/fine/9".to_owned()));
    world.web.page("https://example.org/fine/9", "<p>whole");
    world.web.excluded.lock().unwrap().push("/nope".to_owned());
    let visit = world.visit().await.visit;
    assert!(world.store.text("s/z/8").contains("summary"), "{}", world.store.text("s/z/8"));
    assert_eq!(world.store.text("s/z/9"), "<p>whole");
    assert_eq!(visit.errors, ["skipped: an article was not read: robots.txt excludes where it leads"]);
    assert_eq!((visit.failed, visit.complete), (0, true));
}

pub(crate) async fn an_article_that_fails_for_now_does_not_replace_what_was_read() {
    let mut world = feed_of(true);
    serve(&world, &rss("", &[item("a", "summary")]));
    world.web.page("https://example.org/a", "<p>whole");
    world.visit().await;
    serve(&world, &rss("", &[item("a", "edited summary"), item("b", "summary of b")]));
    world.web.says("https://example.org/a", Reply::Fails(FetchErrorKind::ServerError(500)));
    world.web.says("https://example.org/b", Reply::Fails(FetchErrorKind::TimedOut));
    world.visit().await;
    assert_eq!(world.store.text("s/a"), "<p>whole");
    assert!(world.store.text("s/b").contains("summary of b"), "better than nothing");
    // The feed has not changed, but what was owed is asked for again.
    world.web.page("https://example.org/a", "<p>whole, edited");
    world.web.page("https://example.org/b", "<p>b, whole");
    world.visit().await;
    assert_eq!(
        (world.store.text("s/a"), world.store.text("s/b")),
        ("<p>whole, edited".to_owned(), "<p>b, whole".to_owned())
    );
    assert!(world.store.draft("s/b").attributes.metadata.is_empty());
    world.web.take_requests();
    world.visit().await;
    assert_eq!(world.web.take_requests(), [FEED]);
}

pub(crate) async fn articles_that_cannot_be_asked_for_are_told_and_asked_again_when_a_person_wants_it() {
    let mut world = feed_of(true);
    serve(&world, &rss("", &[item("a", "summary"), item("b", "summary of b")]));
    world.web.page("https://example.org/a", "<p>whole");
    world.web.page("https://example.org/b", "<p>whole b");
    *world.web.has_no_rules.lock().unwrap() = true;
    let visit = world.visit().await.visit;
    assert_eq!((visit.changed, visit.failed, visit.complete), (2, 2, true), "what failed is no secret");
    assert!(visit.errors[0].contains("its robots.txt cannot be had"), "{:?}", visit.errors);
    assert_eq!(std::mem::take(&mut *world.web.told_since.lock().unwrap()), [false, false]);
    *world.web.has_no_rules.lock().unwrap() = false;
    world.source.asked.ask(&world.settings.name);
    let visit = world.visit().await.visit;
    assert_eq!(std::mem::take(&mut *world.web.told_since.lock().unwrap()), [true, true]);
    assert_eq!((visit.changed, visit.failed), (2, 0));
    assert_eq!(world.store.text("s/a"), "<p>whole");
    world.visit().await;
    assert!(world.web.told_since.lock().unwrap().iter().all(|asked| !asked), "it was asked for once");
}

pub(crate) async fn an_article_whose_host_may_not_be_asked_says_so() {
    let mut world = feed_of(true);
    serve(&world, &rss("", &[item("a", "summary")]));
    world.web.page("https://example.org/a", "<p>whole");
    let why =
        "example.org may not be asked: the address is private; `--private-host example.org` lets it, if it is meant";
    *world.web.refused.lock().unwrap() = Some(why.to_owned());
    let visit = world.visit().await.visit;
    assert_eq!(visit.errors, [format!("https://example.org/a: the article was not read: {why}")]);
    let said = world.store.draft("s/a").attributes.metadata["article"].as_str().unwrap().to_owned();
    assert_eq!(said, format!("not read: {why}"));
    *world.web.refused.lock().unwrap() = None;
    world.visit().await;
    assert_eq!(world.store.text("s/a"), "<p>whole", "once it is named, it is asked");
}

pub(crate) async fn what_failed_is_told_before_what_is_only_to_know() {
    let mut world = feed_of(true);
    let broken_off = rss("", &[item("a", "summary")]).replace("</channel></rss>", "<item><tit");
    serve(&world, &broken_off);
    world.web.says("https://example.org/a", Reply::Fails(FetchErrorKind::Unreachable));
    let errors = world.visit().await.visit.errors;
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("https://example.org/a: ") && errors[1].contains("breaks off"), "{errors:?}");
}

pub(crate) async fn entries_are_read_although_the_host_of_their_articles_is_dead() {
    for (kind, requests) in [(FetchErrorKind::Unreachable, 5), (FetchErrorKind::Throttled(None), 1)] {
        let mut world = feed_of(true);
        let ids: Vec<String> = (0..20).map(|n| format!("e{n}")).collect();
        serve(&world, &rss("", &ids.iter().map(|id| item(id, "summary")).collect::<Vec<_>>()));
        ids.iter().for_each(|id| world.web.says(&format!("https://example.org/{id}"), Reply::Fails(kind)));
        let outcome = world.visit().await;
        assert_eq!((outcome.visit.changed, outcome.visit.requests), (20, 1 + requests));
        assert!(outcome.visit.complete && outcome.visit.failed == 20);
    }
}

pub(crate) async fn a_broken_feed_deletes_nothing_and_says_so() {
    let mut world = feed_of(false);
    serve(&world, &rss("", &[item("a", "words")]));
    world.visit().await;
    for (body, items) in [
        ("<html><body>Down for repair</body></html>", 0),
        ("", 0),
        ("<rss><channel><item><title>x</title></item><item><tit", 1),
    ] {
        serve(&world, body);
        let outcome = world.visit().await;
        assert!(!outcome.visit.complete && !outcome.visit.errors.is_empty(), "{body}");
        assert!(outcome.visit.errors.iter().all(|error| !error.contains("repair")), "no text in reasons");
        assert_eq!(outcome.visit.items, items, "{body}");
    }
    for reply in [Reply::Gone(true), Reply::Fails(FetchErrorKind::Unreachable)] {
        world.web.says(FEED, reply);
        let outcome = world.visit().await;
        assert!(!outcome.visit.complete && outcome.visit.deleted == 0);
    }
    assert!(world.store.keys().contains(&"s/a".to_owned()));
    serve(&world, &rss("", &[item("a", "words again")]));
    assert_eq!(world.visit().await.visit.changed, 1);
}

pub(crate) async fn a_feed_that_is_gone_for_good_is_asked_once_a_day() {
    let mut world = feed_of(false);
    serve(&world, &rss("", &[item("a", "words")]));
    world.visit().await;
    world.web.says(FEED, Reply::Gone(true));
    let visit = world.visit().await.visit;
    assert_eq!((visit.complete, visit.deleted), (false, 0));
    assert!(visit.errors[0].contains("410") && visit.errors[0].contains("once a day"), "{:?}", visit.errors);
    assert_eq!(visit.not_before.map(|at| at.to_string()).as_deref(), Some("2026-11-26T00:00:00Z"));
    // Missing is not gone for good: it is tried again as after any failure.
    world.web.says(FEED, Reply::Gone(false));
    assert_eq!(world.visit().await.visit.not_before, None);
}

pub(crate) async fn an_entity_bomb_does_no_harm() {
    let mut world = feed_of(false);
    let entities: String =
        (1..30).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
    let head =
        format!("<!DOCTYPE rss [<!ENTITY e0 \"boom\">{entities}<!ENTITY file SYSTEM \"file:///etc/hostname\">]>");
    serve(&world, &format!("{head}{}", rss("", &[item("a", "&e29; &file; words")])));
    let outcome = world.visit().await;
    assert_eq!((outcome.visit.changed, outcome.visit.failed), (1, 0));
    let text = world.store.text("s/a");
    assert!(text.len() < 500 && text.contains("words"), "{text}");
}

pub(crate) async fn a_feed_says_when_it_wants_to_be_visited_and_who_tells_of_changes() {
    let mut world = feed_of(false);
    let head = "<ttl>60</ttl><link xmlns='http://www.w3.org/2005/Atom' rel='hub' href='https://hub.example.org/'/>\
                <link xmlns='http://www.w3.org/2005/Atom' rel='self' href='https://example.org/own.xml'/>";
    serve(&world, &rss(head, &[item("a", "words")]));
    for _ in 0..2 {
        let outcome = world.visit().await;
        assert_eq!(outcome.visit.hub.as_deref(), Some("https://hub.example.org/"), "unchanged or not");
        assert_eq!(outcome.visit.topic.as_deref(), Some("https://example.org/own.xml"));
        assert_eq!(outcome.visit.not_before.unwrap().to_string(), "2026-11-25T01:00:00Z");
    }
    *world.web.fresh_for.lock().unwrap() = Some(Duration::from_secs(365 * 24 * 3600));
    *world.web.links.lock().unwrap() = vec![("hub".to_owned(), "https://other.example.org/".to_owned())];
    let outcome = world.visit().await;
    assert_eq!(outcome.visit.not_before.unwrap().to_string(), "2026-11-26T00:00:00Z", "a day at most");
    assert_eq!(outcome.visit.hub.as_deref(), Some("https://other.example.org/"));
}

pub(crate) async fn other_tags_make_new_documents_of_an_unchanged_feed() {
    let mut world = feed_of(false);
    serve(&world, &rss("", &[item("a", "words")]));
    world.visit().await;
    world.settings.tags = vec!["other".to_owned()];
    assert_eq!(world.visit().await.visit.changed, 1);
    assert_eq!(world.store.draft("s/a").attributes.tags, ["other", "rivers"]);
}

pub(crate) async fn a_refused_acceptance_is_not_remembered() {
    let mut world = World::of(Origin::Page { url: "https://example.org/p".to_owned() });
    world.web.page("https://example.org/p", "<p>words");
    *world.store.refuses.lock().unwrap() = true;
    let outcome = world.visit().await;
    assert_eq!((outcome.visit.failed, outcome.visit.changed), (1, 0));
    *world.store.refuses.lock().unwrap() = false;
    assert_eq!(world.visit().await.visit.changed, 1);
}
