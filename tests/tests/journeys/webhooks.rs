//! Another program is told what happens, signed and in order, whatever becomes of it or of the service.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, StatusCode};
use ring::hmac;
use serde_json::{Value, json};
use wellspring_tests::service::{Service, Start};

use crate::loopback::serve;

/// What an endpoint was told: headers in lower case, and the body.
#[derive(Debug, Clone)]
struct Told {
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    fn body(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The body, once its signature is checked as a receiver does.
    fn verified(&self, secret: &str) -> Value {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        let tag = STANDARD.decode(self.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).expect("it is ours");
        self.body()
    }
}

/// An endpoint on the loopback, which answers with a status that can be changed.
#[derive(Clone)]
struct Endpoint {
    told: Arc<Mutex<Vec<Told>>>,
    status: Arc<Mutex<u16>>,
}

impl Endpoint {
    /// Serves until the test ends; gives the address.
    fn serve(&self) -> String {
        let endpoint = self.clone();
        serve(move |stream| endpoint.answer(stream)) + "/hook"
    }

    fn new() -> Self {
        Self { told: Arc::default(), status: Arc::new(Mutex::new(200)) }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The types and keys it was told, in order.
    fn heard(&self) -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.told().iter().map(Told::body).map(|body| (word(&body["type"]), word(&body["data"]["key"]))).collect()
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut headers = Vec::new();
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if line.trim().is_empty() => break,
                    Ok(_) => {
                        let (name, value) = line.split_once(": ").unwrap_or_default();
                        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
                    }
                }
            }
            let told = Told { headers, body: String::new() };
            let mut body = vec![0; told.header("content-length").parse().unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            self.told.lock().unwrap().push(Told { body: String::from_utf8(body).unwrap(), ..told });
            let status = *self.status.lock().unwrap();
            let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
            if stream.write_all(response.as_bytes()).is_err() {
                return;
            }
        }
    }
}

async fn add(service: &Service, url: &str) -> (String, String) {
    let webhook = json!({ "url": url, "states": ["searchable", "deleted"], "private_hosts": ["127.0.0.1"] });
    let (status, added) = service.json(service.request(Method::POST, "/v1/webhooks").json(&webhook)).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&added["webhook"]["id"]), text(&added["secret"]))
}

fn online() -> Start {
    Start { online: true, ..Start::default() }
}

fn pair(name: &str, key: &str) -> (String, String) {
    (format!("document.{name}"), key.to_owned())
}

#[tokio::test]
async fn a_program_is_told_in_order_over_a_restart_and_a_failure_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new();
    let url = endpoint.serve();
    let service = Service::start(folder.path(), &online()).await;
    service.put("before", "Nobody is told of this.").await;
    let (id, secret) = add(&service, &url).await;
    service.put("ferry", "The last ferry leaves at 22:15.").await;
    service.delete("ferry").await;
    service.eventually("both messages", async || endpoint.told().len() == 2).await;
    assert_eq!(endpoint.heard(), [pair("searchable", "ferry"), pair("deleted", "ferry")]);
    for told in endpoint.told() {
        let body = told.verified(&secret);
        assert!(!body.to_string().contains("22:15"), "never a document's text: {body}");
    }
    service
        .eventually("the cursor", async || {
            let listed = service.get("/v1/webhooks").await;
            listed["webhooks"][0]["delivered_event"] == endpoint.told()[1].body()["data"]["number"]
        })
        .await;
    service.stop();

    // The endpoint is away for a moment; the same message comes again under its identity, then the next one.
    *endpoint.status.lock().unwrap() = 500;
    let service = Service::start(folder.path(), &online()).await;
    service.put("harbour", "The harbour is closed.").await;
    service
        .eventually("a failing webhook", async || {
            service.get("/v1/webhooks").await["webhooks"][0]["state"] == "failing"
        })
        .await;
    let listed = service.get("/v1/webhooks").await;
    assert!(listed["webhooks"][0]["next_attempt_at"].is_string(), "{listed}");
    assert!(!listed.to_string().contains("whsec_"), "{listed}");
    *endpoint.status.lock().unwrap() = 200;
    service.put("pier", "The pier is open.").await;
    let (status, _) = service.json(service.request(Method::POST, &format!("/v1/webhooks/{id}/resume"))).await;
    assert_eq!(status, StatusCode::OK);
    service.eventually("the last message", async || endpoint.heard().contains(&pair("searchable", "pier"))).await;
    let mut seen: Vec<String> = endpoint.told().iter().map(|told| told.header("webhook-id").to_owned()).collect();
    assert!(seen.len() >= 5, "one was tried again: {seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 4, "each message has one identity: {seen:?}");
    service.stop();
}

#[tokio::test]
async fn webhooks_are_added_tested_and_removed_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new();
    let url = endpoint.serve();
    let service = Service::start(folder.path(), &online()).await;
    let (code, out, error) = service.command(&["webhooks", "add", &url, "--private-host", "127.0.0.1", "--json"]);
    assert_eq!(code, 0, "{error}");
    let added: Value = serde_json::from_str(&out).unwrap();
    let (id, secret) = (added["webhook"]["id"].as_str().unwrap(), added["secret"].as_str().unwrap());
    let (code, out, error) = service.command(&["webhooks", "test", id]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(endpoint.told()[0].verified(secret)["type"], "webhook.test");
    let (code, out, _) = service.command(&["webhooks"]);
    assert!(code == 0 && out.contains(id) && out.contains("active") && out.contains("everything"), "{out}");
    *endpoint.status.lock().unwrap() = 404;
    let (code, _, error) = service.command(&["webhooks", "test", id]);
    assert!(code == 1 && error.contains("404"), "{code} {error}");
    let (code, _, error) = service.command(&["webhooks", "remove", id]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(service.get("/v1/webhooks").await, json!({ "webhooks": [] }));
    let (code, _, _) = service.command(&["webhooks", "remove", id]);
    assert_eq!(code, 4, "it is no longer there");
    service.stop();
}

#[tokio::test]
async fn a_neighbour_is_not_told_unless_it_is_named_and_offline_nobody_is() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new();
    let url = endpoint.serve();
    let service = Service::start(folder.path(), &online()).await;
    let (status, refused) =
        service.json(service.request(Method::POST, "/v1/webhooks").json(&json!({ "url": url }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("private_hosts"), "{refused}");
    service.put("a", "The interna of the house.").await;
    let (id, _) = add(&service, &url).await;
    service.stop();

    let service = Service::start(folder.path(), &Start::default()).await;
    service.put("b", "Nobody hears of this yet.").await;
    let listed = service.get("/v1/webhooks").await;
    let states: Vec<_> = listed["webhooks"].as_array().unwrap().iter().map(|webhook| &webhook["state"]).collect();
    assert_eq!(states, ["offline"]);
    let test = service.json(service.request(Method::POST, &format!("/v1/webhooks/{id}/test"))).await;
    assert_eq!((test.0, &test.1["error"]["code"]), (StatusCode::CONFLICT, &json!("offline")));
    assert!(endpoint.told().is_empty());
    service.stop();
}
