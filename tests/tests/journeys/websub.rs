//! A feed whose hub tells of changes, from the subscription to the document that is found, over a small web of the
//! loopback: the feed, its hub, and the service's own callback.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

use crate::loopback::serve;

/// A server of the feed and of its hub.
#[derive(Clone, Default)]
struct Web {
    feed: Arc<Mutex<String>>,
    /// What the hub was asked, in order.
    asked: Arc<Mutex<Vec<HashMap<String, String>>>>,
    address: Arc<Mutex<String>>,
}

impl Web {
    fn serve(&self) -> String {
        let web = self.clone();
        let address = serve(move |stream| web.answer(stream));
        address.clone_into(&mut self.address.lock().unwrap());
        address
    }

    fn write(&self, text: &str) {
        let root = self.address.lock().unwrap().clone();
        *self.feed.lock().unwrap() = format!(
            "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:a=\"http://www.w3.org/2005/Atom\"><channel><title>N</title>\
             <a:link rel=\"hub\" href=\"{root}/hub\"/><a:link rel=\"self\" href=\"{root}/feed.xml\"/>\
             <item><guid isPermaLink=\"false\">first</guid><title>F</title><description>{text}</description></item>\
             </channel></rss>"
        );
    }

    /// What the hub was asked, by its place.
    fn asked(&self, place: usize) -> Option<HashMap<String, String>> {
        self.asked.lock().unwrap().get(place).cloned()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if line.trim().is_empty() => break,
                    Ok(_) => lines.push(line),
                }
            }
            let length = lines.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut body = vec![0; length.unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let response = if lines[0].starts_with("POST /hub ") {
                let url = format!("http://x/?{}", String::from_utf8(body).unwrap());
                let pairs = reqwest::Url::parse(&url).unwrap().query_pairs().into_owned().collect();
                self.asked.lock().unwrap().push(pairs);
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else if lines[0].starts_with("GET /feed.xml ") {
                let feed = self.feed.lock().unwrap().clone();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nContent-Length:";
                format!("{head} {}\r\n\r\n{feed}", feed.len())
            } else {
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()
            };
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    }
}

const PUBLIC_URL: &str = "https://docs.example/base";

/// The callback that a hub was told, as this service has it.
fn callback(asked: &HashMap<String, String>) -> String {
    asked["hub.callback"].strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

async fn add(service: &Service, root: &str) {
    let source = json!({
        "name": "news", "origin": { "kind": "feed", "url": format!("{root}/feed.xml") }, "private_hosts": ["127.0.0.1"],
    });
    let (status, body) = service.json(service.request(Method::POST, "/v1/sources").json(&source)).await;
    assert!(status.is_success(), "{status} {body}");
}

async fn subscription(service: &Service) -> Value {
    service.get("/v1/sources/news").await["subscription"].clone()
}

/// Asks back as a hub does: the status and the body.
async fn ask_back(service: &Service, asked: &HashMap<String, String>, topic: &str) -> (StatusCode, String) {
    let request = service.request(Method::GET, &callback(asked)).header("host", "docs.example").query(&[
        ("hub.mode", asked["hub.mode"].as_str()),
        ("hub.topic", topic),
        ("hub.challenge", "c-1"),
        ("hub.lease_seconds", "86400"),
    ]);
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_feed_whose_hub_tells_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    web.write("The pegelstand rises.");
    let arguments = vec!["--serve-public-url".to_owned(), PUBLIC_URL.to_owned()];
    let service = Service::start(folder.path(), &Start { online: true, arguments, ..Start::default() }).await;
    add(&service, &root).await;
    service.eventually("the hub is asked", async || web.asked(0).is_some()).await;
    let asked = web.asked(0).unwrap();
    let topic = format!("{root}/feed.xml");
    assert_eq!((&asked["hub.mode"], &asked["hub.topic"]), (&"subscribe".to_owned(), &topic));
    assert_eq!(ask_back(&service, &asked, "http://other.example/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask_back(&service, &asked, &topic).await, (StatusCode::OK, "c-1".to_owned()));
    let now = subscription(&service).await;
    assert_eq!((&now["state"], now["lease_until"].is_string()), (&json!("active"), true), "{now}");

    service.eventually("the first entry", async || service.holders("pegelstand").await == ["news/first"]).await;
    service.settle().await;
    web.write("The wehrklappe opens.");
    let tell = |signature: String| {
        let request = service.request(Method::POST, &callback(&asked)).header("host", "docs.example");
        request.header("x-hub-signature", signature).body("what the hub says is not believed")
    };
    let begun = service.get("/v1/sources/news").await["last_visit"]["began_at"].clone();
    assert_eq!(tell("sha256=00".to_owned()).send().await.unwrap().status(), StatusCode::ACCEPTED);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(service.get("/v1/sources/news").await["last_visit"]["began_at"], begun, "nobody's signature");
    let key = hmac::Key::new(hmac::HMAC_SHA256, asked["hub.secret"].as_bytes());
    let tag = hmac::sign(&key, b"what the hub says is not believed");
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tell(format!("sha256={digits}")).send().await.unwrap().status(), StatusCode::ACCEPTED);
    service.eventually("the new text", async || service.holders("wehrklappe").await == ["news/first"]).await;

    let pause = service.request(Method::PATCH, "/v1/sources/news").json(&json!({ "paused": true }));
    assert!(service.json(pause).await.0.is_success());
    service.eventually("the hub is asked to stop", async || web.asked(1).is_some()).await;
    let ending = web.asked(1).unwrap();
    assert_eq!(ending["hub.mode"], "unsubscribe");
    assert_eq!(ask_back(&service, &ending, &topic).await, (StatusCode::OK, "c-1".to_owned()));
    assert_eq!(tell(format!("sha256={digits}")).send().await.unwrap().status(), StatusCode::GONE);
    service.stop();
}

#[tokio::test]
async fn without_an_address_for_hubs_a_feed_is_polled_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::default();
    let root = web.serve();
    web.write("The pegelstand rises.");
    let service = Service::start(folder.path(), &Start { online: true, ..Start::default() }).await;
    add(&service, &root).await;
    service.eventually("the first entry", async || service.holders("pegelstand").await == ["news/first"]).await;
    service.settle().await;
    let now = subscription(&service).await;
    assert_eq!((&now["state"], &now["hub"]), (&json!("off"), &json!(format!("{root}/hub"))), "{now}");
    assert!(now["note"].as_str().is_some_and(|note| note.contains("serve.public_url")), "{now}");
    assert_eq!(web.asked(0), None);
    service.stop();
}
