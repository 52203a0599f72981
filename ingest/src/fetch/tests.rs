//! The client against servers that lie, stall, flood and point elsewhere.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use futures::FutureExt;
use tokio::net::TcpListener;
use wellspring_core::fetch::Admit;

use super::address::Forbidden;
use super::decode::tests::{brotli, gzip, zlib};
use super::server::{Deed, Server, answer, raw};
use super::*;

#[path = "wishes_tests.rs"]
mod wishes;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A loopback address that the tests' rule calls public.
const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SHORT: Duration = Duration::from_millis(50);

fn rule(address: IpAddr) -> Result<(), Forbidden> {
    if address == PUBLIC { Ok(()) } else { address::public(address) }
}

/// Answers look-ups from a list; the last answer is repeated.
#[derive(Default)]
struct Prepared {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Lookup for Prepared {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn options() -> FetchOptions {
    FetchOptions { host_pause: Duration::ZERO, ..FetchOptions::default() }
}

fn client_with(options: FetchOptions, answers: &[&[IpAddr]]) -> (HttpFetch, Arc<Prepared>) {
    let answers = Mutex::new(answers.iter().map(|answer| answer.to_vec()).collect());
    let lookup = Arc::new(Prepared { answers, ..Prepared::default() });
    (HttpFetch::assemble(options, Arc::clone(&lookup) as Arc<dyn Lookup>, rule).unwrap(), lookup)
}

fn client() -> HttpFetch {
    client_with(options(), &[]).0
}

/// A request that may go to the tests' servers.
fn request(url: impl Into<String>) -> FetchRequest {
    FetchRequest {
        url: url.into(),
        validators: Validators::default(),
        accept: None,
        bytes_max: 100_000,
        private_hosts: vec!["127.0.0.1".into()],
        insists: false,
        hops: None,
    }
}

/// The same without leave.
fn public_request(url: impl Into<String>) -> FetchRequest {
    FetchRequest { private_hosts: Vec::new(), ..request(url) }
}

async fn get(server: &Server, path: &str) -> Result<Fetched, FetchError> {
    client().fetch(request(server.url(path))).await
}

fn body(fetched: Result<Fetched, FetchError>) -> Vec<u8> {
    match fetched.unwrap().answer {
        FetchAnswer::Content { body, .. } => body,
        other => panic!("no content: {other:?}"),
    }
}

fn kind(fetched: Result<Fetched, FetchError>) -> FetchErrorKind {
    fetched.expect_err("an error").kind()
}

/// What the path of a head says, which is how a test tells its server what to do.
fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn a_page_comes_with_what_its_head_says() {
    let lines = [
        "Content-Type: text/html; charset=latin1",
        "ETag: \"v1\"",
        "Last-Modified: Tue, 24 Nov 2026 12:00:00 GMT",
        "Cache-Control: max-age=300",
        "Link: </hub>; rel=hub",
    ];
    let server = Server::start(move |_| answer("200 OK", &lines, b"hello")).await;
    let options = FetchOptions { contact: Some("https://example.com/about".into()), ..options() };
    let (client, _) = client_with(options, &[]);
    let asked = FetchRequest { accept: Some("text/html".into()), ..request(server.url("/page?q#part")) };
    let fetched = client.fetch(asked).await.unwrap();
    let content_type = Some("text/html; charset=latin1".into());
    assert_eq!(fetched.answer, FetchAnswer::Content { content_type, body: b"hello".to_vec() });
    assert_eq!((fetched.url, fetched.moved_permanently), (server.url("/page?q"), false));
    assert_eq!(fetched.validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(fetched.fresh_for, Some(Duration::from_secs(300)));
    assert_eq!(fetched.links, [("hub".to_owned(), server.url("/hub"))]);
    assert_eq!(fetched.wire_bytes, 5);
    let head = server.seen()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /page?q http/1.1\r\n"), "{head}");
    let agent = format!("user-agent: wellspring/{} (+https://example.com/about)\r\n", env!("CARGO_PKG_VERSION"));
    for line in [agent.as_str(), "accept: text/html\r\n", "accept-encoding: gzip, deflate, br\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    for line in ["cookie", "referer", "authorization", "if-none-match", "if-modified-since"] {
        assert!(!head.contains(line), "{head}");
    }
}

#[test]
fn a_contact_is_plain_text() {
    assert!(agent(None).unwrap().starts_with("Wellspring/"));
    for contact in ["", "a b", "a\r\nx: y", "a)b", "ä", &"a".repeat(2000)] {
        assert!(agent(Some(contact)).is_err(), "{contact:?}");
    }
}

#[tokio::test]
async fn an_answer_that_still_holds_costs_no_body() {
    let server = Server::start(|head| match head.to_ascii_lowercase().contains("if-none-match: \"v1\"") {
        true => raw("HTTP/1.1 304 Not Modified\r\nLast-Modified: then\r\nConnection: close\r\n\r\n"),
        false => answer("200 OK", &["ETag: \"v1\""], b"new"),
    })
    .await;
    let known = Validators { etag: Some("\"v1\"".into()), last_modified: Some("Tue, 24 Nov 2026 12:00:00 GMT".into()) };
    let fetched = client().fetch(FetchRequest { validators: known, ..request(server.url("/")) }).await.unwrap();
    assert_eq!((fetched.answer, fetched.wire_bytes), (FetchAnswer::NotModified, 0));
    let kept = Validators { etag: Some("\"v1\"".into()), last_modified: Some("then".into()) };
    assert_eq!(fetched.validators, kept, "what the answer repeats, and what was known");
    assert!(server.seen()[0].to_ascii_lowercase().contains("if-modified-since: tue, 24 nov 2026"));
    let odd = Validators { etag: Some("a\nb".into()), last_modified: None };
    let fetched = client().fetch(FetchRequest { validators: odd, ..request(server.url("/")) }).await;
    assert_eq!(body(fetched), b"new", "what cannot be sent is left out");
}

#[tokio::test]
async fn each_status_is_one_kind_of_answer() {
    let server = Server::start(|head| {
        let status = path(head).trim_start_matches('/').replace('_', " ");
        let (status, line) = status.split_once('+').unwrap_or((&status, "X: y"));
        answer(status, &[&line.replace('=', ": ")], b"")
    })
    .await;
    for (status, wanted) in [
        ("404", FetchAnswer::Gone(false)),
        ("410", FetchAnswer::Gone(true)),
        ("204", FetchAnswer::Content { content_type: None, body: Vec::new() }),
        ("203", FetchAnswer::Content { content_type: None, body: Vec::new() }),
    ] {
        assert_eq!(get(&server, &format!("/{status}_X")).await.unwrap().answer, wanted, "{status}");
    }
    for (status, wanted) in [
        ("400", FetchErrorKind::Denied(400)),
        ("401", FetchErrorKind::Denied(401)),
        ("403", FetchErrorKind::Denied(403)),
        ("451", FetchErrorKind::Denied(451)),
        ("408", FetchErrorKind::TimedOut),
        ("429", FetchErrorKind::Throttled(None)),
        ("503", FetchErrorKind::Throttled(None)),
        ("503_X+Retry-After=120", FetchErrorKind::Throttled(Some(Duration::from_secs(120)))),
        ("500", FetchErrorKind::ServerError(500)),
        ("599", FetchErrorKind::ServerError(599)),
        ("202", FetchErrorKind::ServerError(202)),
        ("206", FetchErrorKind::ServerError(206)),
        ("300", FetchErrorKind::ServerError(300)),
        ("302", FetchErrorKind::ServerError(302)),
        ("304", FetchErrorKind::ServerError(304)),
        ("799", FetchErrorKind::ServerError(799)),
    ] {
        let path = if status.contains('_') { format!("/{status}") } else { format!("/{status}_X") };
        assert_eq!(kind(get(&server, &path).await), wanted, "{status}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_undone_and_what_is_broken_or_unknown_is_said() {
    let text = b"A spring is where water comes to light. ".repeat(100);
    let bodies = [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("br", brotli(&text)), ("identity", text.clone())];
    for (coding, wire) in bodies {
        let (bytes, line) = (wire.len() as u64, format!("Content-Encoding: {coding}"));
        let server = Server::start(move |head| match path(head) {
            "/cut" => answer("200 OK", &[&line], &wire[..wire.len() / 2]),
            _ => answer("200 OK", &[&line], &wire),
        })
        .await;
        let fetched = get(&server, "/").await.unwrap();
        assert_eq!(fetched.wire_bytes, bytes);
        assert_eq!(body(Ok(fetched)), text, "{coding}");
        if coding != "identity" {
            let error = get(&server, "/cut").await.unwrap_err();
            assert_eq!(error.kind(), FetchErrorKind::BadBody, "{coding}");
            assert!(error.chain().contains("the body cannot be decompressed"), "{coding}: {}", error.chain());
        }
    }
    for line in ["Content-Encoding: zstd", "Content-Encoding: gzip, gzip", "Content-Encoding: compress"] {
        let server = Server::start(move |_| answer("200 OK", &[line], b"x")).await;
        assert_eq!(kind(get(&server, "/").await), FetchErrorKind::BadBody, "{line}");
    }
}

#[tokio::test]
async fn bombs_and_endless_bodies_end_at_the_bound() {
    let bomb = gzip(&vec![0; 5 << 20]);
    let server = Server::start(move |head| match path(head) {
        "/bomb" => answer("200 OK", &["Content-Encoding: gzip"], &bomb),
        "/announced" => raw("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n"),
        "/endless" => {
            vec![Deed::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Deed::SayForEver(b"more and more ".to_vec())]
        }
        "/chunks" => vec![
            Deed::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
            Deed::SayForEver(b"4\r\nmore\r\n".to_vec()),
        ],
        // Members that hold nothing: the decoded body never grows.
        "/nothing" => {
            vec![Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_vec()), Deed::SayForEver(gzip(b""))]
        }
        "/full" => answer("200 OK", &[], &[b'x'; 100_000]),
        _ => unreachable!(),
    })
    .await;
    for path in ["/bomb", "/announced", "/endless", "/chunks", "/nothing"] {
        let error = get(&server, path).await.unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::BadBody, "{path}");
        assert!(error.chain().contains("the body is longer than 100000 bytes"), "{path}: {}", error.chain());
    }
    assert_eq!(body(get(&server, "/full").await).len(), 100_000, "the bound itself is allowed");
}

#[tokio::test]
async fn a_broken_line_is_not_a_short_page() {
    let server = Server::start(|head| match path(head) {
        "/short" => raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        "/chunked" => raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        "/badchunk" => raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
        "/garbage" => raw("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        "/status" => raw("HTTP/1.1 abc OK\r\n\r\n"),
        "/silent" => Vec::new(),
        "/twice" => raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        "/headers" => {
            let lines: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
            raw(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n"))
        }
        "/header" => {
            vec![Deed::Say(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), Deed::SayForEver(vec![b'y'; 4096])]
        }
        _ => unreachable!(),
    })
    .await;
    for path in ["/short", "/chunked", "/badchunk", "/garbage", "/status", "/silent", "/twice", "/headers", "/header"] {
        assert_eq!(kind(get(&server, path).await), FetchErrorKind::Unreachable, "{path}");
    }
    let closed = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let url = format!("http://{}/secret?token=hidden", closed.local_addr().unwrap());
    drop(closed);
    let error = client().fetch(request(url)).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Unreachable);
    assert!(!error.chain().contains("hidden"), "{}", error.chain());
    let (client, _) = client_with(options(), &[]);
    assert_eq!(kind(client.fetch(public_request("http://nowhere.example/")).await), FetchErrorKind::Unreachable);
}

#[tokio::test]
async fn more_than_was_announced_is_not_read() {
    let server = Server::start(|_| raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more")).await;
    assert_eq!(body(get(&server, "/").await), b"hello");
}

#[tokio::test]
async fn each_wait_for_a_server_has_its_end() {
    let server = Server::start(|head| match path(head) {
        "/head" => vec![Deed::Wait],
        _ => vec![Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe".to_vec()), Deed::Wait],
    })
    .await;
    let with = |options| client_with(options, &[]).0;
    let head = with(FetchOptions { head_timeout: SHORT, ..options() });
    assert_eq!(kind(head.fetch(request(server.url("/head"))).await), FetchErrorKind::TimedOut);
    let idle = with(FetchOptions { idle_timeout: SHORT, ..options() });
    assert_eq!(kind(idle.fetch(request(server.url("/body"))).await), FetchErrorKind::TimedOut);
    let visit = with(FetchOptions { visit_timeout: SHORT, ..options() });
    assert_eq!(kind(visit.fetch(request(server.url("/body"))).await), FetchErrorKind::TimedOut);
    assert_eq!(kind(visit.fetch(request(server.url("/head"))).await), FetchErrorKind::TimedOut);
}

#[tokio::test]
async fn a_body_that_drips_ends_long_before_a_visit_does() {
    let server = Server::start(|_| {
        let head = vec![Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n".to_vec())];
        let drops = (0..5000).flat_map(|_| [Deed::Say(b"x".to_vec()), Deed::Pause(Duration::from_millis(5))]);
        head.into_iter().chain(drops).collect()
    })
    .await;
    let client = client_with(FetchOptions { rate_window: SHORT, ..options() }, &[]).0;
    let error = client.fetch(request(server.url("/"))).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::TimedOut);
    assert_eq!(error.to_string(), "127.0.0.1 sends fewer than 1024 bytes a second");
}

#[tokio::test]
async fn no_leave_opens_the_services_own_port() {
    let own = Server::start(|_| answer("200 OK", &[], b"secret")).await;
    let own_port = own.address.port();
    let other = Server::start(move |head| match path(head) {
        "/name" => answer("302 Found", &[&format!("Location: http://localhost:{own_port}/v1/status")], b""),
        "/literal" => answer("302 Found", &[&format!("Location: http://127.0.0.1:{own_port}/v1/status")], b""),
        _ => answer("200 OK", &[], b"ok"),
    })
    .await;
    let client = HttpFetch::new(FetchOptions { own_ports: vec![own_port], ..options() }).unwrap();
    let hosts = ["localhost", "127.0.0.1", "127.0.0.2", "0.0.0.0", "::1"].map(str::to_owned).to_vec();
    let named = |url: String| FetchRequest { private_hosts: hosts.clone(), ..request(url) };
    for host in ["localhost", "127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]"] {
        let url = format!("http://{host}:{own_port}/v1/status");
        let error = client.fetch(named(url.clone())).await.unwrap_err();
        assert_eq!(error.kind(), FetchErrorKind::Refused, "{host}");
        assert!(error.chain().contains("this service's own"), "{}", error.chain());
        let refused = client.admit(&url, &hosts).await.unwrap_err();
        assert_eq!(refused.private_host, None, "no leave helps: {}", refused.why);
    }
    for path in ["/name", "/literal"] {
        assert_eq!(kind(client.fetch(named(other.url(path))).await), FetchErrorKind::Refused, "{path}");
    }
    assert_eq!(body(client.fetch(named(other.url("/"))).await), b"ok");
    assert!(own.seen().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_and_remembered_when_they_are_for_ever() {
    let server = Server::start(|head| match path(head) {
        "/for-ever" => answer("301 Moved", &["Location: /then"], b"ignored"),
        "/then" => answer("308 Moved", &["Location: end?x=%20y#part"], b""),
        "/for-now" => answer("301 Moved", &["Location: /now"], b""),
        "/now" => answer("307 Moved", &["Location: /end"], b""),
        "/see" => answer("303 See", &["Location: /end"], b""),
        _ => answer("200 OK", &["ETag: \"e\""], b"end"),
    })
    .await;
    let fetched = get(&server, "/for-ever").await.unwrap();
    assert_eq!((fetched.url.as_str(), fetched.moved_permanently), (server.url("/end?x=%20y").as_str(), true));
    assert_eq!(body(Ok(fetched)), b"end");
    for path in ["/for-now", "/see"] {
        let fetched = get(&server, path).await.unwrap();
        assert_eq!((fetched.url, fetched.moved_permanently), (server.url("/end"), false));
    }
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|head| match path(head).trim_start_matches('/') {
        "self" => answer("302 Found", &["Location: #part"], b""),
        "ping" => answer("302 Found", &["Location: pong"], b""),
        "pong" => answer("302 Found", &["Location: ping"], b""),
        number => match number.parse::<usize>().unwrap() {
            0 => answer("200 OK", &[], b"end"),
            left => answer("302 Found", &[&format!("Location: {}", left - 1)], b""),
        },
    })
    .await;
    for path in ["/self", "/ping"] {
        assert_eq!(kind(get(&server, path).await), FetchErrorKind::TooManyRedirects, "{path}");
    }
    assert_eq!(server.seen().len(), 3);
    assert_eq!(body(get(&server, &format!("/{}", limits::FETCH_REDIRECTS_MAX)).await), b"end");
    let one_more = format!("/{}", limits::FETCH_REDIRECTS_MAX + 1);
    assert_eq!(kind(get(&server, &one_more).await), FetchErrorKind::TooManyRedirects);
}

#[tokio::test]
async fn a_redirect_opens_no_door_that_was_closed() {
    let trap = Server::start(|_| answer("200 OK", &[], b"secret")).await;
    let port = trap.address.port();
    let listener = TcpListener::bind((PUBLIC, 0)).await.unwrap();
    let server = Server::serve(listener, move |head| {
        let target = path(head).strip_prefix('/').unwrap().replace("PORT", &port.to_string());
        answer("302 Found", &[&format!("Location: {target}")], b"")
    });
    let (client, lookup) = client_with(options(), &[&[LOOPBACK]]);
    for target in [
        "http://127.0.0.1:PORT/",
        "http://2130706433:PORT/",
        "http://0x7f.1:PORT/",
        "//0177.0.0.1:PORT/",
        "http://[::1]:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "http://[64:ff9b::7f00:1]:PORT/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0:PORT/",
        "http://localhost:PORT/",
        "http://rebound.example:PORT/",
        "http://user:secret@127.0.0.2:PORT/",
        "http://127.0.0.2:25/",
        "file:///etc/passwd",
        "ftp://127.0.0.2/",
        "data:text/plain,x",
        "http://",
    ] {
        let fetched = client.fetch(public_request(server.url(&format!("/{target}")))).await;
        assert_eq!(kind(fetched), FetchErrorKind::Refused, "{target}");
    }
    assert!(trap.seen().is_empty());
    assert_eq!(*lookup.asked.lock().unwrap(), ["localhost", "rebound.example"]);
    // The same redirect is followed where the request names the host.
    let url = server.url("/http://127.0.0.1:PORT/");
    assert_eq!(body(client.fetch(request(url)).await), b"secret");
}

#[tokio::test]
async fn validators_stay_with_their_host() {
    let other = Server::start(|_| answer("200 OK", &["ETag: \"other\""], b"text")).await;
    let (here, there) = (other.url("/page"), other.url("/").replace("127.0.0.1", "private.example"));
    let server = Server::start(move |head| match path(head) {
        "/there" => answer("302 Found", &[&format!("Location: {there}")], b""),
        "/for-ever" => answer("301 Moved", &[&format!("Location: {there}")], b""),
        _ => answer("302 Found", &[&format!("Location: {here}")], b""),
    })
    .await;
    let (client, _) = client_with(options(), &[&[LOOPBACK]]);
    let known = Validators { etag: Some("\"mine\"".into()), last_modified: None };
    let request = |path| FetchRequest {
        validators: known.clone(),
        private_hosts: vec!["127.0.0.1".into(), "Private.Example".into()],
        ..request(server.url(path))
    };
    let sent = |server: &Server| server.seen().last().unwrap().contains("\"mine\"");
    let fetched = client.fetch(request("/here")).await.unwrap();
    assert!(sent(&server) && sent(&other), "another port of the host");
    assert_eq!(fetched.validators.etag.as_deref(), Some("\"other\""));
    let fetched = client.fetch(request("/there")).await.unwrap();
    assert!(sent(&server) && !sent(&other));
    assert_eq!(fetched.validators, Validators::default(), "they would be sent to the first host next time");
    let fetched = client.fetch(request("/for-ever")).await.unwrap();
    assert_eq!(fetched.validators.etag.as_deref(), Some("\"other\""), "the address will change");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_judged_for_each_connection() {
    let [public, private] = Server::pair([PUBLIC, LOOPBACK]).await;
    let port = public.local_addr().unwrap().port();
    let public = Server::serve(public, |_| answer("200 OK", &[], b"public"));
    let private = Server::serve(private, |_| answer("200 OK", &[], b"secret"));
    let (client, lookup) = client_with(options(), &[&[PUBLIC], &[LOOPBACK], &[LOOPBACK, PUBLIC], &[LOOPBACK]]);
    let url = format!("http://Rebinding.example:{port}/");
    let get = || client.fetch(public_request(url.as_str()));
    assert_eq!(body(get().await), b"public");
    let error = get().await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::Refused);
    assert!(error.chain().contains("loopback"), "{}", error.chain());
    assert_eq!(body(get().await), b"public", "the open one of two addresses is used");
    assert_eq!(kind(get().await), FetchErrorKind::Refused);
    assert_eq!((public.seen().len(), private.seen().len()), (2, 0));
    assert_eq!(lookup.asked.lock().unwrap().len(), 4, "one look-up for each connection");
    let named = FetchRequest { private_hosts: vec!["rebinding.EXAMPLE".into()], ..public_request(url.as_str()) };
    assert_eq!(body(client.fetch(named).await), b"secret");
}

#[tokio::test]
async fn a_connection_that_one_request_was_allowed_is_not_lent_to_another() {
    let server =
        Server::start(|_| vec![Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()), Deed::KeepOpen])
            .await;
    let (client, lookup) = client_with(options(), &[&[LOOPBACK]]);
    let url = format!("http://intranet.example:{}/", server.address.port());
    let named = FetchRequest { private_hosts: vec!["intranet.example".into()], ..public_request(url.as_str()) };
    let mut visits = 0;
    // A connection goes back to its pool a moment after its answer, so the first visits may open new ones.
    while lookup.asked.lock().unwrap().len() == visits {
        assert_eq!(body(client.fetch(named.clone()).await), b"ok");
        visits += 1;
        assert!(visits < 100, "no connection is used again");
    }
    assert_eq!(kind(client.fetch(public_request(url)).await), FetchErrorKind::Refused);
    assert_eq!(server.seen().len(), visits);
}

#[tokio::test]
async fn a_host_sees_one_request_at_a_time_and_a_given_up_one_frees_it() {
    let server = Server::start(|head| match path(head) {
        "/slow" => vec![Deed::Wait],
        _ => answer("200 OK", &[], b"ok"),
    })
    .await;
    let client = Arc::new(client());
    let (slow, next) = (Arc::clone(&client), Arc::clone(&client));
    let (slow_url, next_url) = (server.url("/slow"), server.url("/next"));
    let slow = tokio::spawn(async move { slow.fetch(request(slow_url)).await.map(drop) });
    while server.seen().is_empty() {
        assert!(!slow.is_finished(), "it waits");
        tokio::task::yield_now().await;
    }
    let mut next = Box::pin(async move { next.fetch(request(next_url)).await });
    assert!((&mut next).now_or_never().is_none());
    assert_eq!(server.seen().len(), 1);
    slow.abort();
    assert_eq!(body(next.await), b"ok");
}

#[tokio::test]
async fn a_pause_is_kept_and_a_host_may_ask_for_a_longer_one() {
    let server = Server::start(|_| answer("200 OK", &[], b"ok")).await;
    let pause = Duration::from_millis(80);
    let client = client_with(FetchOptions { private_host_pause: pause, ..options() }, &[]).0;
    let began = Instant::now();
    body(client.fetch(request(server.url("/"))).await);
    body(client.fetch(request(server.url("/"))).await);
    assert!(began.elapsed() >= pause);
    client.pause_at_least(&server.url("/any"), Duration::from_secs(60));
    client.pause_at_least("no address", Duration::from_secs(60));
    assert!(client.fetch(request(server.url("/"))).now_or_never().is_none());
    assert_eq!(server.seen().len(), 2);
}

/// The same client, with the system's resolver and the real rule.
#[tokio::test]
async fn without_leave_this_machine_is_out_of_reach() {
    let server = Server::start(|_| answer("200 OK", &[], b"secret")).await;
    let client = HttpFetch::new(options()).unwrap();
    let port = server.address.port();
    for host in ["localhost", "127.0.0.1", "127.0.0.2", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "127.1"] {
        let fetched = client.fetch(public_request(format!("http://{host}:{port}/"))).await;
        assert_eq!(kind(fetched), FetchErrorKind::Refused, "{host}");
    }
    assert!(server.seen().is_empty());
    let named =
        FetchRequest { private_hosts: vec!["LocalHost".into()], ..public_request(format!("http://localhost:{port}/")) };
    assert_eq!(body(client.fetch(named).await), b"secret");
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_is_refused_when_it_is_named() {
    let private: IpAddr = "10.0.0.7".parse().unwrap();
    let (client, lookup) = client_with(options(), &[&[private]]);
    let refused = client.admit("http://Wiki.internal./x", &[]).await.unwrap_err();
    assert_eq!(refused.private_host.as_deref(), Some("wiki.internal"));
    assert_eq!(refused.why, "leads to `wiki.internal` (10.0.0.7): the address is private");
    assert_eq!(*lookup.asked.lock().unwrap(), ["wiki.internal"]);
    assert!(client.admit("http://wiki.internal/x", &["wiki.internal".to_owned()]).await.is_ok());
    assert!(client.admit("http://10.0.0.8/", &[]).await.is_err());
    assert_eq!(lookup.asked.lock().unwrap().len(), 1, "what is named or literal is not looked up");

    let (client, _) = client_with(options(), &[&[private, PUBLIC]]);
    assert!(client.admit("http://both.example/", &[]).await.is_ok(), "the private address is left out at a request");
    let (client, _) = client_with(options(), &[]);
    assert!(client.admit("http://nobody.example/", &[]).await.is_ok(), "it may be there by the first visit");
}
