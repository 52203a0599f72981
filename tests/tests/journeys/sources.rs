//! Sources that look after themselves, over a small web on the loopback.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

use crate::loopback::serve;

/// Pages by path, with how often each was sent whole.
#[derive(Clone, Default)]
struct Web {
    pages: Arc<Mutex<HashMap<String, (String, String)>>>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves until the test ends; gives the address of the root.
    fn serve(&self) -> String {
        let web = self.clone();
        serve(move |stream| web.answer(stream))
    }

    fn put(&self, path: &str, content_type: &str, body: &str) {
        self.pages.lock().unwrap().insert(path.to_owned(), (content_type.to_owned(), body.to_owned()));
    }

    fn remove(&self, path: &str) {
        self.pages.lock().unwrap().remove(path);
    }

    /// How often a path was sent whole.
    fn sent(&self, path: &str) -> usize {
        self.sent.lock().unwrap().iter().filter(|sent| *sent == path).count()
    }

    /// Answers requests on one connection, with an entity tag made of the body.
    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(request)) = lines.next() {
            let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
            let page = self.pages.lock().unwrap().get(&path).cloned();
            let response = match page {
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                Some((content_type, body)) => {
                    let tag =
                        format!("\"{}\"", body.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)));
                    let known = head
                        .iter()
                        .any(|line| line.to_ascii_lowercase().starts_with("if-none-match:") && line.contains(&tag));
                    if known {
                        format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n")
                    } else {
                        self.sent.lock().unwrap().push(path);
                        format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nETag: {tag}\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        )
                    }
                }
            };
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn feed(entries: &[(&str, &str)]) -> String {
    let items: String = entries
        .iter()
        .map(|(id, text)| format!("<item><guid isPermaLink=\"false\">{id}</guid><title>{id}</title><description>{text}</description></item>"))
        .collect();
    format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>News</title>{items}</channel></rss>")
}

async fn online(folder: &tempfile::TempDir) -> Service {
    Service::start(folder.path(), &Start { online: true, ..Start::default() }).await
}

async fn add(service: &Service, name: &str, origin: Value) {
    let source = json!({ "name": name, "origin": origin, "private_hosts": ["127.0.0.1"] });
    let (status, body) = service.json(service.request(Method::POST, "/v1/sources").json(&source)).await;
    assert!(status.is_success(), "{status} {body}");
}

async fn refresh(service: &Service, name: &str) {
    let visits = visit(service, name).await;
    let path = format!("/v1/sources/{name}/refresh");
    let (status, body) = service.json(service.request(Method::POST, &path)).await;
    assert!(status.is_success(), "{status} {body}");
    service.eventually("another visit", async || visit(service, name).await != visits).await;
    service.settle().await;
}

/// When the last visit began.
async fn visit(service: &Service, name: &str) -> Value {
    service.get(&format!("/v1/sources/{name}")).await["last_visit"]["began_at"].clone()
}

#[tokio::test]
async fn a_feed_is_read_followed_and_costs_nothing_when_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    web.put(
        "/feed.xml",
        "application/rss+xml",
        &feed(&[("first", "The pegelstand rises."), ("second", "A quiet day.")]),
    );
    let service = online(&folder).await;
    add(&service, "news", json!({ "kind": "feed", "url": format!("{root}/feed.xml") })).await;
    service.eventually("the first entry", async || service.holders("pegelstand").await == ["news/first"]).await;
    let embedded = service.number("/catalog/chunks_embedded").await;

    refresh(&service, "news").await;
    assert_eq!(web.sent("/feed.xml"), 1, "the second visit was answered by its tag");
    assert_eq!(service.number("/catalog/chunks_embedded").await, embedded);

    web.put(
        "/feed.xml",
        "application/rss+xml",
        &feed(&[("third", "The wehrklappe opens."), ("first", "The pegelstand falls.")]),
    );
    refresh(&service, "news").await;
    assert_eq!(service.holders("wehrklappe").await, ["news/third"]);
    assert_eq!(service.holders("falls").await, ["news/first"]);
    assert_eq!(service.number("/catalog/documents").await, 3, "an entry that left the feed's window stays");

    let source = service.get("/v1/sources/news").await;
    assert!(source["next_visit_at"].is_string() && source["next_visit_reason"] != "", "{source}");
    service.stop();
}

#[tokio::test]
async fn a_site_is_crawled_within_its_rules_and_a_removed_source_takes_its_documents_along() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    let page = |title: &str, body: &str| format!("<html><head><title>{title}</title></head><body>{body}</body></html>");
    web.put("/robots.txt", "text/plain", "User-agent: *\nDisallow: /private\n");
    web.put(
        "/",
        "text/html",
        &page("Home", "<p>Welcome to the schleuse.</p><a href=/one>one</a> <a href=/private/x>x</a>"),
    );
    web.put("/one", "text/html", &page("One", "<p>The drempel is worn.</p><a href=/>home</a>"));
    web.put("/private/x", "text/html", &page("X", "<p>A geheimnis.</p>"));
    let service = online(&folder).await;
    add(&service, "site", json!({ "kind": "site", "url": format!("{root}/") })).await;
    service.eventually("the second page", async || !service.holders("drempel").await.is_empty()).await;
    service.settle().await;
    assert_eq!(web.sent("/private/x"), 0, "robots.txt is obeyed");
    assert_eq!(service.number("/catalog/documents").await, 2);

    web.remove("/one");
    web.put("/", "text/html", &page("Home", "<p>Welcome to the schleuse.</p>"));
    refresh(&service, "site").await;
    assert!(service.holders("drempel").await.is_empty(), "a page that is gone is deleted");

    let (status, body) = service.json(service.request(Method::DELETE, "/v1/sources/site?documents=delete")).await;
    assert!(status.is_success(), "{body}");
    service.eventually("no documents", async || service.number("/catalog/documents").await == 0).await;
    assert_eq!(service.status_of("/v1/sources/site").await, StatusCode::NOT_FOUND);
    service.stop();
}

#[tokio::test]
async fn addresses_of_this_machine_are_refused_when_they_are_added_unless_the_source_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    web.put("/secret", "text/html", "<p>The interna of the neighbour.</p>");
    let service = online(&folder).await;
    for url in [format!("{root}/secret"), format!("{root}/secret").replace("127.0.0.1", "localhost")] {
        let host = if url.contains("localhost") { "localhost" } else { "127.0.0.1" };
        let source = json!({ "name": "page", "origin": { "kind": "page", "url": url } });
        let (status, body) = service.json(service.request(Method::POST, "/v1/sources").json(&source)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(body["error"]["code"], "invalid_field");
        assert!(body["error"]["message"].as_str().unwrap().contains(host), "{body}");
        assert!(body["error"]["hint"].as_str().unwrap().contains("private_hosts"), "{body}");
        let webhook = json!({ "url": url });
        let (status, body) = service.json(service.request(Method::POST, "/v1/webhooks").json(&webhook)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    assert_eq!(service.get("/v1/sources").await["sources"], json!([]));
    assert_eq!(web.sent("/secret"), 0);
    service.stop();
}

#[tokio::test]
async fn offline_no_source_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    web.put("/page", "text/html", "<p>Nobody reads this.</p>");
    let mut service = Service::start(folder.path(), &Start::default()).await;
    service.expect_log("visit");
    add(&service, "page", json!({ "kind": "page", "url": format!("{root}/page") })).await;
    service
        .eventually("a refused visit", async || {
            let error = service.get("/v1/sources/page").await["last_error"].clone();
            error.as_str().is_some_and(|error| error.contains("offline"))
        })
        .await;
    assert_eq!(web.sent("/page"), 0);
    service.stop();
}
