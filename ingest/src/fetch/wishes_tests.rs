//! The client towards servers that want to be left alone, wholly or in part.

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
