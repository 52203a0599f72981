//! Endpoints over real connections on the loopback: what they are told, in which order, and what holds them up.

pub(crate) mod receiver;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use wellspring_core::catalog::{CatalogError, CatalogErrorKind, Sequence};
use wellspring_core::document::DocumentId;
use wellspring_core::fetch::{FetchErrorKind, NotAdmitted};
use wellspring_core::trace::{CatalogResidue, Event, EventPage, Settlement};
use wellspring_core::webhook::{
    FormerSecret, WebhookAdmin, WebhookError, WebhookInfo, WebhookProgress, WebhookSecret, WebhookSettings,
    WebhookState,
};

use super::*;
use crate::fetch::{ByItsForm, FetchOptions, HttpFetch};
use receiver::{Answer, Received, Receiver};

/// Events and endpoints in memory.
struct Store {
    events: Mutex<(u64, Vec<Event>)>,
    kept: Mutex<Vec<WebhookRecord>>,
    told: watch::Sender<u64>,
    broken: AtomicBool,
    records: Mutex<u64>,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::new((1, Vec::new())),
            kept: Mutex::default(),
            told: watch::Sender::new(0),
            broken: AtomicBool::new(false),
            records: Mutex::new(0),
        })
    }

    /// Something happens.
    fn tell(&self, kind: &str, key: &str) {
        let mut events = self.events.lock().unwrap();
        let number = events.0 + events.1.len() as u64;
        let event = json!({
            "number": number, "at": "2026-11-25T08:00:00Z", "kind": kind, "collection": "default", "key": key,
            "revision": 1, "sequence": number,
        });
        events.1.push(serde_json::from_value(event).unwrap());
        drop(events);
        self.told.send_modify(|count| *count += 1);
    }

    fn check(&self) -> Result<(), CatalogError> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(CatalogError::new(CatalogErrorKind::Storage, "a planned failure")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Traces for Store {
    async fn residue(&self, _document: DocumentId) -> Result<CatalogResidue, CatalogError> {
        Ok(CatalogResidue::default())
    }

    async fn settlement(&self, _sequence: Sequence) -> Result<Option<Settlement>, CatalogError> {
        Ok(None)
    }

    async fn events(&self, after: u64, limit: usize) -> Result<EventPage, CatalogError> {
        self.check()?;
        let (oldest, events) = self.events.lock().unwrap().clone();
        let newest = (oldest + events.len() as u64).saturating_sub(1);
        let events = events.into_iter().filter(|event| event.number > after).take(limit).collect();
        Ok(EventPage { oldest, newest, events })
    }
}

#[async_trait]
impl WebhookStore for Store {
    async fn webhooks(&self) -> Result<Vec<WebhookRecord>, CatalogError> {
        self.check()?;
        Ok(self.kept.lock().unwrap().clone())
    }

    async fn put_webhook(&self, record: &WebhookRecord) -> Result<(), CatalogError> {
        self.kept.lock().unwrap().push(record.clone());
        Ok(())
    }

    async fn record_progress(&self, id: &WebhookId, progress: &WebhookProgress) -> Result<bool, CatalogError> {
        self.check()?;
        *self.records.lock().unwrap() += 1;
        let mut kept = self.kept.lock().unwrap();
        let Some(record) = kept.iter_mut().find(|record| record.id == *id) else { return Ok(false) };
        assert!(progress.cursor >= record.progress.cursor, "a cursor never goes back");
        record.progress = progress.clone();
        Ok(true)
    }

    async fn replace_secret(
        &self,
        id: &WebhookId,
        secret: &WebhookSecret,
        former: Option<&FormerSecret>,
    ) -> Result<bool, CatalogError> {
        self.check()?;
        let mut kept = self.kept.lock().unwrap();
        let Some(record) = kept.iter_mut().find(|record| record.id == *id) else { return Ok(false) };
        (record.secret, record.former) = (secret.clone(), former.cloned());
        Ok(true)
    }

    async fn remove_webhook(&self, id: &WebhookId) -> Result<bool, CatalogError> {
        let mut kept = self.kept.lock().unwrap();
        let before = kept.len();
        kept.retain(|record| record.id != *id);
        Ok(kept.len() < before)
    }
}

/// A service's deliveries, until stopped.
struct Service {
    webhooks: Webhooks,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn parts(store: &Arc<Store>) -> WebhookParts {
    WebhookParts {
        store: store.clone(),
        traces: store.clone(),
        changes: store.told.subscribe(),
        post: Some(Arc::new(HttpFetch::new(FetchOptions::default()).unwrap())),
        admit: Arc::new(ByItsForm),
        clock: Timestamp::now,
        patience: Patience {
            attempts_max: 5,
            pause_min: Duration::from_millis(20),
            pause_max: Duration::from_millis(40),
        },
        timeout: Duration::from_secs(20),
    }
}

impl Service {
    fn start(parts: WebhookParts) -> Self {
        let (webhooks, stop) = (Webhooks::new(parts), CancellationToken::new());
        let task = tokio::spawn(webhooks.clone().run(stop.clone()));
        Self { webhooks, stop, task }
    }

    async fn add(&self, url: String, states: &[&str]) -> (WebhookInfo, String) {
        let settings = json!({ "url": url, "states": states, "private_hosts": ["127.0.0.1"] });
        self.webhooks.add(serde_json::from_value(settings).unwrap()).await.unwrap()
    }

    async fn only(&self) -> WebhookInfo {
        self.webhooks.list().await.unwrap().remove(0)
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Waits until an endpoint is as it should be.
    async fn eventually(&self, what: &str, holds: impl Fn(&WebhookInfo) -> bool) {
        for _ in 0..1000 {
            if holds(&self.only().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}: {:?}", self.only().await);
    }
}

/// Checks a signature as a receiver does, from the headers and the secret it was shown.
fn verified(received: &Received, secret: &str) -> Value {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let header = |name: &str| received.header(name).unwrap_or_else(|| panic!("no {name}"));
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), received.body);
    let (key, signatures) = (hmac::Key::new(hmac::HMAC_SHA256, &key), header("webhook-signature"));
    let is_right = |signature: &str| {
        let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
    };
    assert!(signatures.split(' ').any(is_right), "one of the signatures is right");
    let age = Timestamp::now().as_second() - header("webhook-timestamp").parse::<i64>().unwrap();
    assert!((0..60).contains(&age), "the timestamp is that of the attempt");
    assert_eq!(header("content-type"), "application/json");
    serde_json::from_str(&received.body).unwrap()
}

fn numbers(received: &[Received]) -> Vec<u64> {
    let number = |one: &Received| serde_json::from_str::<Value>(&one.body).unwrap()["data"]["number"].as_u64().unwrap();
    received.iter().map(number).collect()
}

#[tokio::test]
async fn an_endpoint_is_told_signed_and_in_order_from_the_moment_it_was_added() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(204)).await);
    store.tell("accepted", "before");
    let service = Service::start(parts(&store));
    let (info, secret) = service.add(receiver.url("/hook?x=1"), &["searchable", "deleted"]).await;
    assert_eq!((info.state, info.progress.cursor), (WebhookState::Active, 1));
    for (kind, key) in
        [("accepted", "a"), ("searchable", "a"), ("accepted", "b"), ("deleted", "b"), ("searchable", "c")]
    {
        store.tell(kind, key);
    }
    let received = receiver.take(3).await;
    assert_eq!(numbers(&received), [3, 5, 6]);
    let body = verified(&received[0], &secret);
    assert_eq!(body["type"], "document.searchable");
    assert_eq!(
        body["data"],
        serde_json::to_value(&store.events.lock().unwrap().1[2]).unwrap(),
        "what the stream tells"
    );
    verified(&received[2], &secret);
    assert!(received[0].head.starts_with("POST /hook?x=1 HTTP/1.1"), "{}", received[0].head);
    service.eventually("the cursor", |info| info.progress.delivered_event == Some(6)).await;
    assert!(
        !format!("{:?}", service.webhooks.list().await.unwrap()).contains(&secret[6..]),
        "the secret is shown once"
    );
    service.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_under_the_same_identity_and_holds_the_order() {
    let (store, receiver) =
        (Store::new(), Receiver::start(|place| Answer::Status(if place < 2 { 500 } else { 200 })).await);
    let service = Service::start(parts(&store));
    let (_, secret) = service.add(receiver.url("/"), &[]).await;
    store.tell("accepted", "a");
    store.tell("searchable", "a");
    let received = receiver.take(4).await;
    assert_eq!(numbers(&received), [1, 1, 1, 2]);
    let ids: Vec<_> = received.iter().map(|one| one.header("webhook-id").unwrap()).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
    received.iter().for_each(|one| drop(verified(one, &secret)));
    service.eventually("no failure", |info| info.state == WebhookState::Active && info.progress.attempts == 0).await;
    service.stop().await;
}

fn two_hours_later() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_hours(2)
}

#[tokio::test]
async fn two_secrets_sign_until_the_former_ones_time_is_over() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(parts(&store));
    let (info, first) = service.add(receiver.url("/"), &[]).await;
    let (rotated, second) = service.webhooks.rotate(&info.id, Duration::from_secs(3600)).await.unwrap();
    assert!(first != second && rotated.former_secret_until > Some(Timestamp::now()));
    store.tell("accepted", "a");
    let received = receiver.take(1).await.remove(0);
    verified(&received, &first);
    verified(&received, &second);
    let signatures = |received: &Received| received.header("webhook-signature").unwrap().split(' ').count();
    assert_eq!(signatures(&received), 2);
    service.eventually("the cursor", |info| info.progress.delivered_event == Some(1)).await;
    service.stop().await;

    // A third one takes the first one's place, over a restart too.
    let service = Service::start(parts(&store));
    let (_, third) = service.webhooks.rotate(&info.id, Duration::from_secs(3600)).await.unwrap();
    store.tell("accepted", "b");
    let received = receiver.take(2).await.remove(1);
    verified(&received, &second);
    verified(&received, &third);
    assert_eq!(signatures(&received), 2);
    service.eventually("the cursor", |info| info.progress.delivered_event == Some(2)).await;
    service.stop().await;

    // Its time is over.
    let late = WebhookParts { clock: two_hours_later, ..parts(&store) };
    let service = Service::start(late);
    assert_eq!(service.only().await.former_secret_until, None);
    store.tell("accepted", "c");
    let received = receiver.take(3).await.remove(2);
    assert_eq!(signatures(&received), 1);

    // A secret that got out signs nothing any more.
    let (cut, fourth) = service.webhooks.rotate(&info.id, Duration::ZERO).await.unwrap();
    assert_eq!(cut.former_secret_until, None);
    store.tell("accepted", "d");
    let received = receiver.take(4).await.remove(3);
    assert_eq!(signatures(&received), 1);
    assert!(received.header("webhook-signature").is_some() && fourth != third);
    service.webhooks.remove(&info.id).await.unwrap();
    assert!(matches!(service.webhooks.rotate(&info.id, Duration::ZERO).await, Err(WebhookError::Unknown)));
    service.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_behind_the_cursor() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(parts(&store));
    service.add(receiver.url("/"), &["accepted"]).await;
    store.tell("accepted", "a");
    assert_eq!(numbers(&receiver.take(1).await), [1]);
    service.eventually("the cursor", |info| info.progress.cursor == 1).await;
    service.stop().await;
    store.tell("accepted", "b");
    let service = Service::start(parts(&store));
    store.tell("accepted", "c");
    assert_eq!(numbers(&receiver.take(3).await), [1, 2, 3], "what happened meanwhile, and nothing twice");
    service.stop().await;
}

#[tokio::test]
async fn a_rush_costs_the_catalog_few_writes() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(parts(&store));
    service.add(receiver.url("/"), &[]).await;
    for number in 0..600 {
        store.tell("accepted", &format!("{number}"));
    }
    assert_eq!(numbers(&receiver.take(600).await), (1..=600).collect::<Vec<_>>());
    service.eventually("the cursor", |info| info.progress.cursor == 600).await;
    service.stop().await;
    let records = *store.records.lock().unwrap();
    assert!(records < 60, "{records} records");
    assert_eq!(store.kept.lock().unwrap()[0].progress.cursor, 600);
}

#[tokio::test]
async fn an_endpoint_that_answers_410_is_disabled_until_it_is_resumed() {
    let (store, receiver) =
        (Store::new(), Receiver::start(|place| Answer::Status(if place == 0 { 410 } else { 200 })).await);
    let service = Service::start(parts(&store));
    let (info, _) = service.add(receiver.url("/"), &[]).await;
    store.tell("accepted", "a");
    service.eventually("410", |info| info.state == WebhookState::Disabled).await;
    assert!(service.only().await.progress.disabled.unwrap().contains("410"));
    store.tell("accepted", "b");
    service.stop().await;
    let service = Service::start(parts(&store));
    assert_eq!(service.only().await.state, WebhookState::Disabled, "over a restart");
    assert_eq!(receiver.seen(), 1);
    let resumed = service.webhooks.resume(&info.id).await.unwrap();
    assert_eq!((resumed.state, resumed.progress.disabled), (WebhookState::Active, None));
    assert_eq!(numbers(&receiver.take(3).await), [1, 1, 2], "it goes on where it stopped");
    service.stop().await;
}

#[tokio::test]
async fn i7_attempts_are_bounded_and_the_reason_stays() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(302)).await);
    let service = Service::start(parts(&store));
    service.add(receiver.url("/"), &[]).await;
    store.tell("accepted", "a");
    service.eventually("the end", |info| info.state == WebhookState::Disabled).await;
    let progress = service.only().await.progress;
    assert_eq!((receiver.seen(), progress.attempts), (5, 5));
    assert!(progress.failing_since.is_some() && progress.next_attempt_at.is_none());
    let reason = progress.disabled.unwrap();
    assert!(reason.contains("5 attempts") && reason.contains("302"), "{reason}");
    service.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_delays_no_other() {
    let store = Store::new();
    let (hanging, receiver) = (Receiver::start(|_| Answer::Hang).await, Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(WebhookParts { timeout: Duration::from_millis(300), ..parts(&store) });
    service.add(hanging.url("/"), &[]).await;
    service.add(receiver.url("/"), &[]).await;
    for number in 0..20 {
        store.tell("accepted", &format!("{number}"));
    }
    assert_eq!(receiver.take(20).await.len(), 20);
    service.eventually("a missed attempt", |info| info.progress.last_error.is_some()).await;
    assert!(service.only().await.progress.last_error.unwrap().contains("took too long"));
    service.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_endpoint_that_hangs() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Hang).await);
    let service = Service::start(parts(&store));
    service.add(receiver.url("/"), &[]).await;
    store.tell("accepted", "a");
    receiver.take(1).await;
    tokio::time::timeout(Duration::from_secs(5), service.stop()).await.expect("it stops");
    assert_eq!(store.kept.lock().unwrap()[0].progress.cursor, 0, "it is sent again");
}

/// A name server that said something else when the webhook was added.
struct Everything;

#[async_trait]
impl Admit for Everything {
    async fn admit(&self, _: &str, _: &[String]) -> Result<(), NotAdmitted> {
        Ok(())
    }
}

#[tokio::test]
async fn an_address_that_came_to_lead_into_a_private_network_is_refused_at_each_message() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(WebhookParts { admit: Arc::new(Everything), ..parts(&store) });
    let settings = serde_json::from_value(json!({ "url": receiver.url("/") })).unwrap();
    let (info, _) = service.webhooks.add(settings).await.unwrap();
    let test = service.webhooks.test(&info.id).await.unwrap();
    assert!(!test.delivered && test.error.unwrap().contains("loopback"));
    store.tell("accepted", "a");
    service.eventually("a refusal", |info| info.state == WebhookState::Disabled).await;
    assert!(service.only().await.progress.disabled.unwrap().contains("loopback"));
    assert_eq!(receiver.seen(), 0);
    service.stop().await;
}

#[tokio::test]
async fn a_test_message_arrives_or_says_why_not() {
    let (store, receiver) =
        (Store::new(), Receiver::start(|place| Answer::Status(if place == 0 { 200 } else { 404 })).await);
    let service = Service::start(parts(&store));
    let (info, secret) = service.add(receiver.url("/"), &["searchable"]).await;
    let test = service.webhooks.test(&info.id).await.unwrap();
    assert_eq!((test.delivered, test.status, &test.error), (true, Some(200), &None));
    let received = receiver.take(1).await.remove(0);
    assert_eq!(received.header("webhook-id").unwrap(), test.message);
    assert_eq!(verified(&received, &secret)["type"], "webhook.test");
    let test = service.webhooks.test(&info.id).await.unwrap();
    assert_eq!((test.delivered, test.status), (false, Some(404)));
    assert_eq!(service.only().await.progress, info.progress, "a test moves nothing");
    service.stop().await;
}

#[tokio::test]
async fn what_is_no_longer_kept_is_told_as_lost() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(parts(&store));
    service.add(receiver.url("/"), &["searchable"]).await;
    *store.events.lock().unwrap() = (10, Vec::new());
    store.tell("searchable", "a");
    let received = receiver.take(2).await;
    let lost: Value = serde_json::from_str(&received[0].body).unwrap();
    assert_eq!((&lost["type"], &lost["data"]), (&json!("events.lost"), &json!({ "from": 1, "to": 9 })));
    assert_eq!(numbers(&received[1..]), [10]);
    service.stop().await;
}

#[tokio::test]
async fn offline_nothing_is_sent_and_nothing_is_lost() {
    let (store, receiver) = (Store::new(), Receiver::start(|_| Answer::Status(200)).await);
    let service = Service::start(WebhookParts { post: None, ..parts(&store) });
    let (info, _) = service.add(receiver.url("/"), &[]).await;
    assert_eq!(info.state, WebhookState::Offline);
    assert!(matches!(service.webhooks.test(&info.id).await, Err(WebhookError::Offline)));
    store.tell("accepted", "a");
    service.stop().await;
    assert_eq!(receiver.seen(), 0);
    let service = Service::start(parts(&store));
    assert_eq!(numbers(&receiver.take(1).await), [1]);
    service.stop().await;
}

#[tokio::test]
async fn i7_endpoints_are_bounded_distinct_and_removed_for_good() {
    let store = Store::new();
    let service = Service::start(parts(&store));
    let settings = |number: usize| WebhookSettings {
        url: format!("https://example.org/{number}"),
        states: Vec::new(),
        collection: None,
        private_hosts: Vec::new(),
    };
    let (first, _) = service.webhooks.add(settings(0)).await.unwrap();
    assert!(matches!(service.webhooks.add(settings(0)).await, Err(WebhookError::Exists(id)) if id == first.id));
    for number in 1..limits::WEBHOOKS_MAX {
        service.webhooks.add(settings(number)).await.unwrap();
    }
    assert!(matches!(service.webhooks.add(settings(99)).await, Err(WebhookError::TooMany)));
    service.webhooks.remove(&first.id).await.unwrap();
    assert!(matches!(service.webhooks.remove(&first.id).await, Err(WebhookError::Unknown)));
    assert!(matches!(service.webhooks.resume(&first.id).await, Err(WebhookError::Unknown)));
    assert!(matches!(service.webhooks.test(&first.id).await, Err(WebhookError::Unknown)));
    service.webhooks.add(settings(99)).await.unwrap();
    for wrong in ["ftp://example.org/", "https://user@example.org/", "nonsense"] {
        let refused = service.webhooks.add(WebhookSettings { url: wrong.into(), ..settings(1) }).await;
        assert!(matches!(refused, Err(WebhookError::Invalid(error)) if error.field == "url"), "{wrong}");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_post_answers_what_the_address_said() {
    let receiver = Receiver::start(|_| Answer::Throttled(7)).await;
    let client = HttpFetch::new(FetchOptions::default()).unwrap();
    let request = |url: String| wellspring_core::fetch::PostRequest {
        url,
        headers: vec![("content-type", "text/plain".to_owned())],
        body: b"hello".to_vec(),
        private_hosts: vec!["127.0.0.1".to_owned()],
        timeout: Duration::from_secs(20),
    };
    let posted = client.post(request(receiver.url("/"))).await.unwrap();
    assert_eq!((posted.status, posted.retry_after), (503, Some(Duration::from_secs(7))));
    assert_eq!(receiver.take(1).await[0].body, "hello");
    for refused in ["http://10.0.0.1/", "http://user@127.0.0.1/", "file:///etc/passwd"] {
        assert_eq!(client.post(request(refused.to_owned())).await.unwrap_err().kind(), FetchErrorKind::Refused);
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        client.post(request(format!("http://{closed}/"))).await.unwrap_err().kind(),
        FetchErrorKind::Unreachable
    );
}

#[tokio::test]
async fn an_endpoint_in_a_private_network_is_refused_when_it_is_added_unless_it_is_named() {
    let store = Store::new();
    let service = Service::start(parts(&store));
    let settings = |hosts: &[&str]| {
        serde_json::from_value(json!({ "url": "http://127.0.0.1:8080/hook", "states": [], "private_hosts": hosts }))
            .unwrap()
    };
    let Err(WebhookError::Invalid(error)) = service.webhooks.add(settings(&[])).await else { panic!("not refused") };
    assert_eq!(error.to_string(), "`url` leads to `127.0.0.1`: the address is loopback");
    assert!(error.hint.contains("`--private-host 127.0.0.1`"), "{}", error.hint);
    service.webhooks.add(settings(&["127.0.0.1"])).await.unwrap();
    service.stop().await;
}
