//! The client towards servers that want to be left alone, wholly or in part.

use wellspring_core::fetch::Hops;

use super::*;

#[tokio::test]
async fn a_host_that_asked_to_be_left_alone_is_not_asked_again() {
    let server = Server::start(|_| answer("429 No", &["Retry-After: 3600"], b"")).await;
    let client = client();
    for _ in 0..3 {
        let FetchErrorKind::Throttled(Some(left)) = kind(client.fetch(request(server.url("/"))).await) else {
            panic!("not throttled")
        };
        assert!(left <= Duration::from_secs(3600) && left > Duration::from_secs(3000));
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_wish_to_be_left_alone_is_that_of_its_port_and_no_day_for_the_rest_of_it() {
    let server = Server::start(|_| answer("503 No", &["Retry-After: 86400"], b"")).await;
    let other = Server::start(|_| answer("200 OK", &[], b"words")).await;
    let client = client();
    let left = |kind| match kind {
        FetchErrorKind::Throttled(Some(left)) => left,
        kind => panic!("{kind:?}"),
    };
    let own = left(kind(client.fetch(request(server.url("/repair"))).await));
    assert_eq!(own, limits::FETCH_RETRY_AFTER_MAX, "what it says of the address itself");
    assert!(left(kind(client.fetch(request(server.url("/"))).await)) <= limits::FETCH_SILENCE_MAX);
    assert!(client.left_alone(&server.url("/")).is_some_and(|left| left <= limits::FETCH_SILENCE_MAX));
    assert!(client.fetch(request(other.url("/"))).await.is_ok(), "the other port asked for nothing");
    assert_eq!(client.left_alone(&other.url("/")), None);
}

/// Rules of all hosts alike.
#[derive(Debug)]
struct Rules;

#[async_trait]
impl Hops for Rules {
    async fn judge(&self, url: &str) -> Hop {
        match url {
            url if url.contains("/private/") => Hop::Excluded,
            url if url.contains("/unknown/") => Hop::Unknown,
            _ => Hop::Allowed,
        }
    }
}

#[tokio::test]
async fn a_redirect_to_where_robots_are_excluded_is_not_followed() {
    let other = Server::start(|_| answer("200 OK", &[], b"elsewhere")).await;
    let elsewhere = format!("Location: {}", other.url("/private/page"));
    let server = Server::start(move |head| match path(head) {
        "/go" => answer("302 Found", &["Location: /on"], b""),
        "/on" => answer("302 Found", &["Location: /private/secret"], b""),
        "/untold" => answer("302 Found", &["Location: /unknown/page"], b""),
        "/out" => answer("302 Found", &[&elsewhere], b""),
        "/fine" => answer("302 Found", &["Location: /words"], b""),
        _ => answer("200 OK", &[], b"words"),
    })
    .await;
    let client = client();
    let obeying = |path: &str| FetchRequest { hops: Some(Arc::new(Rules)), ..request(server.url(path)) };
    assert_eq!(kind(client.fetch(obeying("/go")).await), FetchErrorKind::Excluded, "the second hop");
    assert_eq!(kind(client.fetch(obeying("/out")).await), FetchErrorKind::Excluded);
    assert_eq!(kind(client.fetch(obeying("/untold")).await), FetchErrorKind::RulesUnknown);
    assert!(client.fetch(obeying("/fine")).await.is_ok());
    let asked: Vec<String> = server.seen().iter().map(|head| path(head).to_owned()).collect();
    assert_eq!(asked, ["/go", "/on", "/out", "/untold", "/fine", "/words"]);
    assert!(other.seen().is_empty());
    assert!(client.fetch(request(server.url("/go"))).await.is_ok(), "who obeys nobody follows");
}

#[tokio::test]
async fn rules_of_a_host_that_may_not_be_asked_say_why_and_what_would_open_it() {
    let server = Server::start(|_| answer("200 OK", &[], b"")).await;
    let own_ports = vec![Url::parse(&server.url("/")).unwrap().port().unwrap()];
    let (by_name, _) = client_with(options(), &[&[LOOPBACK]]);
    let (own, _) = client_with(FetchOptions { own_ports, ..options() }, &[&[LOOPBACK]]);
    let leave = ["127.0.0.1".to_owned()];
    let cases = [
        (client(), "http://10.0.0.7/page".to_owned(), &[][..], "the address is private; `--private-host 10.0.0.7`"),
        (by_name, "http://wiki.example/".to_owned(), &[][..], "the address is loopback; `--private-host wiki.example`"),
        (own, server.url("/"), &leave[..], "127.0.0.1 may not be asked: the address is this service's own"),
    ];
    for (client, url, private_hosts, why) in cases {
        let rules = Robots::new(Arc::new(client)).rules(&url, private_hosts).await;
        assert_eq!(rules.allowed(&url), Allowance::Unknown);
        assert!(rules.refused().is_some_and(|refused| refused.contains(why)), "{url}: {:?}", rules.refused());
    }
    assert!(server.seen().is_empty());
}
