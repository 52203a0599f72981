//! How often a host's rules are asked for, and what their absence means.

use std::collections::VecDeque;

use async_trait::async_trait;
use wellspring_core::fetch::FetchError;

use super::*;

type Answer = Result<Fetched, FetchErrorKind>;

/// A host that gives prepared answers, and remembers what it was asked.
#[derive(Default)]
struct Prepared {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<FetchRequest>>,
    pauses: Mutex<Vec<(String, Duration)>>,
}

#[async_trait]
impl Fetch for Prepared {
    async fn fetch(&self, request: FetchRequest) -> Result<Fetched, FetchError> {
        held(&self.asked).push(request);
        tokio::task::yield_now().await;
        held(&self.answers).pop_front().unwrap().map_err(|kind| FetchError::new(kind, "prepared"))
    }

    fn pause_at_least(&self, url: &str, pause: Duration) {
        held(&self.pauses).push((url.to_owned(), pause));
    }
}

fn answer(answer: FetchAnswer, fresh_for: Option<Duration>) -> Answer {
    Ok(Fetched {
        answer,
        url: "http://elsewhere.example/robots.txt".into(),
        moved_permanently: false,
        validators: Validators { etag: Some("\"1\"".into()), last_modified: None },
        fresh_for,
        robots: Default::default(),
        links: Vec::new(),
        wire_bytes: 0,
    })
}

fn text(body: &str) -> Answer {
    answer(FetchAnswer::Content { content_type: None, body: body.into() }, None)
}

fn robots(answers: impl IntoIterator<Item = Answer>) -> (Robots, Arc<Prepared>) {
    let fetch = Arc::new(Prepared { answers: Mutex::new(answers.into_iter().collect()), ..Prepared::default() });
    (Robots::new(Arc::clone(&fetch) as Arc<dyn Fetch>), fetch)
}

/// As if the time that the host's answer holds were over.
async fn expire(robots: &Robots, origin: &str) {
    robots.host(origin).kept.lock().await.as_mut().unwrap().until = Instant::now();
}

#[tokio::test]
async fn who_waits_for_the_answer_does_not_put_up_with_an_old_failure() {
    let (robots, fetch) =
        robots([Err(FetchErrorKind::ServerError(500)), Err(FetchErrorKind::ServerError(500)), text("")]);
    let asks = || held(&fetch.asked).len();
    assert_eq!(page(&robots).await, Allowance::Unknown);
    assert_eq!((page(&robots).await, asks()), (Allowance::Unknown, 1), "a failure is remembered");
    let since = Instant::now();
    for _ in 0..2 {
        let rules = robots.rules_told(SITE, &[], Some(since)).await;
        assert_eq!((rules.allowed("https://example.com/page"), asks()), (Allowance::Unknown, 2), "once in a visit");
    }
    let rules = robots.rules_told(SITE, &[], Some(Instant::now())).await;
    assert_eq!((rules.allowed("https://example.com/page"), asks()), (Allowance::Allowed, 3));
    robots.rules_told(SITE, &[], Some(Instant::now())).await;
    assert_eq!(asks(), 3, "what a host has told holds");
}

const SITE: &str = "https://example.com";

async fn page(robots: &Robots) -> Allowance {
    robots.allowed("https://example.com/page", &[]).await
}

#[tokio::test]
async fn a_host_is_asked_once_and_its_rules_are_passed_on() {
    let (robots, fetch) = robots([text(
        "user-agent: *\ndisallow: /no\ndisallow: /*?secret\ncrawl-delay: 7\nsitemap: https://example.com/sitemap.xml",
    )]);
    let at = |path: &str| format!("{SITE}{path}");
    let private = ["example.com".to_owned()];
    let (yes, no, query) = (at("/yes#no"), at("/no/page"), at("/page?secret=1"));
    let (yes, no, query) =
        tokio::join!(robots.allowed(&yes, &private), robots.allowed(&no, &private), robots.allowed(&query, &private));
    assert_eq!((yes, no, query), (Allowance::Allowed, Allowance::Disallowed, Allowance::Disallowed));
    let rules = robots.rules(SITE, &private).await;
    assert_eq!(rules.crawl_delay(), Some(Duration::from_secs(7)));
    assert_eq!(rules.sitemaps(), ["https://example.com/sitemap.xml"]);
    assert_eq!(rules.allowed("https://example.com:8443/yes"), Allowance::Unknown, "another origin");
    let asked = held(&fetch.asked);
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].url.as_str(), &asked[0].private_hosts[..]), ("https://example.com/robots.txt", &private[..]));
    assert_eq!(held(&fetch.pauses)[0], (SITE.to_owned(), Duration::from_secs(7)));
}

#[tokio::test]
async fn what_a_host_answers_decides_over_what_is_not_written() {
    for (answered, wanted) in [
        (answer(FetchAnswer::Gone(false), None), Allowance::Allowed),
        (answer(FetchAnswer::Gone(true), None), Allowance::Allowed),
        (Err(FetchErrorKind::Denied(403)), Allowance::Allowed),
        (Err(FetchErrorKind::TooManyRedirects), Allowance::Allowed),
        (Err(FetchErrorKind::ServerError(500)), Allowance::Unknown),
        (Err(FetchErrorKind::Throttled(None)), Allowance::Unknown),
        (Err(FetchErrorKind::Unreachable), Allowance::Unknown),
        (Err(FetchErrorKind::TimedOut), Allowance::Unknown),
        (Err(FetchErrorKind::BadBody), Allowance::Unknown),
        (Err(FetchErrorKind::Refused), Allowance::Unknown),
        (answer(FetchAnswer::NotModified, None), Allowance::Unknown),
        (text("<html>sorry</html>"), Allowance::Allowed),
    ] {
        let case = format!("{answered:?}");
        let (robots, fetch) = robots([answered]);
        assert_eq!(page(&robots).await, wanted, "{case}");
        assert_eq!(held(&fetch.asked).len(), 1);
    }
}

#[tokio::test]
async fn a_host_that_could_not_tell_is_asked_again_later_and_an_old_copy_serves_until_then() {
    let (robots, fetch) = robots([
        Err(FetchErrorKind::ServerError(500)),
        text("user-agent: *\ndisallow: /page"),
        Err(FetchErrorKind::Unreachable),
        answer(FetchAnswer::NotModified, None),
        answer(FetchAnswer::Gone(false), None),
    ]);
    assert_eq!(page(&robots).await, Allowance::Unknown);
    assert_eq!(page(&robots).await, Allowance::Unknown);
    assert_eq!(held(&fetch.asked).len(), 1, "not asked again at once");
    for wanted in [Allowance::Disallowed, Allowance::Disallowed, Allowance::Disallowed, Allowance::Allowed] {
        expire(&robots, SITE).await;
        assert_eq!(page(&robots).await, wanted);
    }
    let etags: Vec<_> = held(&fetch.asked).iter().map(|asked| asked.validators.etag.is_some()).collect();
    assert_eq!(etags, [false, false, true, true, true]);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let (robots, fetch) = robots([Err(FetchErrorKind::Refused), text("")]);
    assert_eq!(page(&robots).await, Allowance::Unknown);
    assert_eq!(page(&robots).await, Allowance::Allowed);
    assert_eq!(held(&fetch.asked).len(), 2);
}

#[tokio::test]
async fn an_answer_holds_as_long_as_its_host_says_within_bounds() {
    let day = limits::ROBOTS_FRESH_MAX;
    for (said, held_for) in
        [(None, day), (Some(Duration::ZERO), limits::ROBOTS_FRESH_MIN), (Some(2 * day), day), (Some(day / 2), day / 2)]
    {
        let before = Instant::now();
        let (robots, _) = robots([answer(FetchAnswer::Content { content_type: None, body: Vec::new() }, said)]);
        page(&robots).await;
        let until = robots.host(SITE).kept.lock().await.as_ref().unwrap().until;
        assert!(until >= before + held_for && until <= Instant::now() + held_for, "{said:?}");
    }
}

#[tokio::test]
async fn remembered_hosts_are_bounded() {
    let hosts = 2 * limits::ROBOTS_HOSTS_MAX;
    let (robots, _) = robots((0..hosts).map(|_| text("")));
    for number in 0..hosts {
        robots.allowed(&format!("http://host{number}.example/"), &[]).await;
    }
    assert_eq!(held(&robots.hosts).len(), limits::ROBOTS_HOSTS_MAX);
}

#[tokio::test]
async fn what_is_no_web_address_is_not_asked_about() {
    let (robots, fetch) = robots([]);
    for url in ["", "file:///etc/passwd", "data:,x", "mailto:a@b"] {
        assert_eq!(robots.allowed(url, &[]).await, Allowance::Unknown, "{url}");
    }
    assert!(held(&fetch.asked).is_empty());
}
