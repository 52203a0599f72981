//! Does whoever reads addresses keep the contract of [`Fetch`]?
//!
//! A test of an implementation is one line: `fetch_conformance!(name, fresh)`, where `fresh` makes a [`World`]: an
//! implementation together with a host of its own, which says what a case has it say.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use wellspring_core::fetch::{
    Fetch, FetchAnswer, FetchError, FetchErrorKind, FetchRequest, Fetched, RobotsWishes, Validators,
};

/// What a host says at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A page with its tag; a request that brings the tag is answered with 304.
    Page {
        /// The body.
        body: Vec<u8>,
        /// The `ETag`.
        etag: String,
        /// Other lines of the head, names in lower case.
        lines: Vec<(String, String)>,
    },
    /// Nothing but a status, and how many seconds to wait where it says so.
    Status(u16, Option<u64>),
    /// It is elsewhere: for ever, or for now. The place is a whole address.
    Moved(bool, String),
}

impl Said {
    /// A page of plain text.
    pub fn page(body: &str, etag: &str) -> Self {
        let lines = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self::Page { body: body.as_bytes().to_vec(), etag: format!("\"{etag}\""), lines }
    }

    /// The same with one more line in its head.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Page { lines, .. } = &mut self {
            lines.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// An implementation, and a host in a private network that it can reach.
pub trait World: Send + Sync {
    /// The implementation.
    fn fetch(&self) -> &dyn Fetch;

    /// Has the host say something at a path from now on. Paths that were not told of are missing (404).
    fn says(&self, path: &str, said: Said);

    /// The address of a path of the host.
    fn url(&self, path: &str) -> String;

    /// The host, as a source names it to be let in.
    fn host(&self) -> String;

    /// How many requests came to a path.
    fn asked(&self, path: &str) -> usize;
}

fn request(world: &impl World, path: &str) -> FetchRequest {
    FetchRequest {
        url: world.url(path),
        validators: Validators::default(),
        accept: None,
        bytes_max: 1000,
        private_hosts: vec![world.host()],
        insists: false,
        hops: None,
    }
}

async fn get(world: &impl World, path: &str) -> Result<Fetched, FetchError> {
    world.fetch().fetch(request(world, path)).await
}

async fn kind(world: &impl World, request: FetchRequest) -> FetchErrorKind {
    let url = request.url.clone();
    world.fetch().fetch(request).await.expect_err(&url).kind()
}

fn body(fetched: &Fetched) -> &[u8] {
    match &fetched.answer {
        FetchAnswer::Content { body, .. } => body,
        other => panic!("a body was expected: {other:?}"),
    }
}

/// What a host says comes as it is, with what the head says of time and of robots.
pub async fn a_body_comes_with_what_is_said_about_it(world: impl World) {
    world.says("/a", Said::page("words", "1").with("cache-control", "max-age=60").with("x-robots-tag", "noindex"));
    let fetched = get(&world, "/a").await.unwrap();
    assert_eq!(body(&fetched), b"words");
    let FetchAnswer::Content { content_type, .. } = &fetched.answer else { panic!("a body") };
    assert_eq!(content_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!((fetched.url.as_str(), fetched.moved_permanently), (world.url("/a").as_str(), false));
    assert_eq!(fetched.validators.etag.as_deref(), Some("\"1\""));
    assert_eq!(fetched.fresh_for, Some(Duration::from_secs(60)));
    assert_eq!(fetched.robots, RobotsWishes { noindex: true, nofollow: false });
    assert!(fetched.wire_bytes >= 5);
    world.says("/b", Said::page("", "1"));
    let bare = get(&world, "/b").await.unwrap();
    assert_eq!((body(&bare), bare.fresh_for, bare.robots), (&b""[..], None, RobotsWishes::default()));
}

/// What was remembered is asked about, and holds until the host says otherwise.
pub async fn an_answer_that_still_holds_is_not_sent_again(world: impl World) {
    world.says("/a", Said::page("words", "1"));
    let known = get(&world, "/a").await.unwrap().validators;
    let again = FetchRequest { validators: known.clone(), ..request(&world, "/a") };
    let fetched = world.fetch().fetch(again.clone()).await.unwrap();
    assert_eq!(fetched.answer, FetchAnswer::NotModified);
    assert_eq!(fetched.validators.etag, known.etag, "to be sent next time too");
    assert_eq!(body(&get(&world, "/a").await.unwrap()), b"words", "who does not ask whether gets it whole");
    world.says("/a", Said::page("other words", "2"));
    let fetched = world.fetch().fetch(again).await.unwrap();
    assert_eq!((body(&fetched), fetched.validators.etag.as_deref()), (&b"other words"[..], Some("\"2\"")));
}

/// I-7: a body has a bound, whatever its host announces.
pub async fn i7_a_body_is_never_longer_than_allowed(world: impl World) {
    world.says("/a", Said::page(&"x".repeat(1000), "1"));
    assert_eq!(body(&get(&world, "/a").await.unwrap()).len(), 1000);
    world.says("/a", Said::page(&"x".repeat(1001), "2"));
    assert_eq!(kind(&world, request(&world, "/a")).await, FetchErrorKind::BadBody);
}

/// Each way of saying no is told from the others.
pub async fn what_a_status_says_is_told_apart(world: impl World) {
    assert_eq!(get(&world, "/missing").await.unwrap().answer, FetchAnswer::Gone(false));
    world.says("/gone", Said::Status(410, None));
    assert_eq!(get(&world, "/gone").await.unwrap().answer, FetchAnswer::Gone(true));
    for (path, said, expected) in [
        ("/denied", Said::Status(403, None), FetchErrorKind::Denied(403)),
        ("/broken", Said::Status(500, None), FetchErrorKind::ServerError(500)),
    ] {
        world.says(path, said);
        assert_eq!(kind(&world, request(&world, path)).await, expected);
    }
    // The last, since a host that asks to be left alone may be.
    world.says("/busy", Said::Status(503, Some(7)));
    assert_eq!(kind(&world, request(&world, "/busy")).await, FetchErrorKind::Throttled(Some(Duration::from_secs(7))));
}

/// A redirect is followed, remembered only where all of the way is for ever, and never in a circle.
pub async fn redirects_are_followed_to_their_end(world: impl World) {
    world.says("/end", Said::page("words", "1"));
    world.says("/for-ever", Said::Moved(true, world.url("/end")));
    world.says("/for-now", Said::Moved(false, world.url("/for-ever")));
    for (path, for_ever) in [("/for-ever", true), ("/for-now", false)] {
        let fetched = get(&world, path).await.unwrap();
        assert_eq!((body(&fetched), fetched.url.as_str()), (&b"words"[..], world.url("/end").as_str()));
        assert_eq!(fetched.moved_permanently, for_ever, "{path}");
    }
    world.says("/one", Said::Moved(true, world.url("/other")));
    world.says("/other", Said::Moved(true, world.url("/one")));
    assert_eq!(kind(&world, request(&world, "/one")).await, FetchErrorKind::TooManyRedirects);
    world.says("/inside", Said::Moved(true, "http://10.0.0.1/".to_owned()));
    world.says("/file", Said::Moved(true, "file:///etc/passwd".to_owned()));
    for path in ["/inside", "/file"] {
        assert_eq!(kind(&world, request(&world, path)).await, FetchErrorKind::Refused, "{path}");
    }
}

/// A private network is closed but for the hosts that the request names, and what is no address of the web is none.
pub async fn what_may_not_be_asked_is_refused(world: impl World) {
    world.says("/a", Said::page("words", "1"));
    let unnamed = FetchRequest { private_hosts: Vec::new(), ..request(&world, "/a") };
    assert_eq!(kind(&world, unnamed).await, FetchErrorKind::Refused);
    let other = FetchRequest { private_hosts: vec!["elsewhere.example".to_owned()], ..request(&world, "/a") };
    assert_eq!(kind(&world, other).await, FetchErrorKind::Refused);
    assert_eq!(world.asked("/a"), 0, "nobody was asked");
    for url in ["file:///etc/passwd", "ftp://example.org/", "http://", "no address", "http://user:word@example.org/"] {
        let request = FetchRequest { url: url.to_owned(), ..request(&world, "/a") };
        assert_eq!(kind(&world, request).await, FetchErrorKind::Refused, "{url}");
    }
    assert_eq!(body(&get(&world, "/a").await.unwrap()), b"words");
}

/// Writes one test for each case, in a module named `$name`, over worlds that `$fresh().await` makes.
#[macro_export]
macro_rules! fetch_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::fetch;

            $crate::fetch_conformance!(@cases $fresh,
                a_body_comes_with_what_is_said_about_it,
                an_answer_that_still_holds_is_not_sent_again,
                i7_a_body_is_never_longer_than_allowed,
                what_a_status_says_is_told_apart,
                redirects_are_followed_to_their_end,
                what_may_not_be_asked_is_refused);
        }
    };
    (@cases $fresh:path, $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                fetch::$case($fresh().await).await;
            }
        )+
    };
}
