//! Subscriptions with a hub on the loopback: asked, confirmed, renewed, told and ended.

use async_trait::async_trait;
use ring::hmac;
use serde_json::json;
use tokio::task::JoinHandle;
use wellspring_core::catalog::CatalogError;
use wellspring_core::source::{SourceSettings, Visit};
use wellspring_core::websub::{HubCallbacks, HubQuestion};

use super::*;
use crate::fetch::{FetchOptions, HttpFetch};
use crate::source::registry::HubWatcher;
use crate::webhook::tests::receiver::{Answer, Received, Receiver};

#[derive(Default)]
struct Store(Mutex<BTreeMap<Unguessable, SubscriptionRecord>>);

#[async_trait]
impl SubscriptionStore for Store {
    async fn subscriptions(&self) -> Result<Vec<SubscriptionRecord>, CatalogError> {
        Ok(self.0.lock().unwrap().values().cloned().collect())
    }

    async fn put_subscription(&self, record: &SubscriptionRecord) -> Result<(), CatalogError> {
        self.0.lock().unwrap().insert(record.token.clone(), record.clone());
        Ok(())
    }

    async fn remove_subscription(&self, token: &Unguessable) -> Result<bool, CatalogError> {
        Ok(self.0.lock().unwrap().remove(token).is_some())
    }
}

struct Running {
    hubs: Hubs,
    visited: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

const PUBLIC_URL: &str = "https://we.example/base";

fn start(store: &Arc<Store>, public_url: &str, patience: Patience) -> Running {
    let hubs = Hubs::new(HubParts {
        store: store.clone(),
        post: Arc::new(HttpFetch::new(FetchOptions::default()).unwrap()),
        public_url: public_url.to_owned(),
        clock: Timestamp::now,
        patience,
        visit_interval_min: Duration::from_millis(300),
    });
    let (visited, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let seen = visited.clone();
    let visit: VisitSoon = Arc::new(move |source| seen.lock().unwrap().push(source.to_string()));
    let task = tokio::spawn(hubs.clone().run(visit, stop.clone()));
    Running { hubs, visited, stop, task }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    fn visits(&self) -> usize {
        self.visited.lock().unwrap().len()
    }

    fn state(&self) -> Option<SubscriptionState> {
        let info = self.hubs.info(&settings().name, &visit(None))?;
        Some(info.state)
    }

    async fn eventually(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..1000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain for {what}");
    }
}

fn settings() -> SourceSettings {
    let origin = json!({ "kind": "feed", "url": "https://blog.example/feed" });
    serde_json::from_value(json!({ "name": "blog", "origin": origin, "private_hosts": ["127.0.0.1"] })).unwrap()
}

fn visit(hub: Option<String>) -> Visit {
    let visit = json!({
        "began_at": "2026-11-25T00:00:00Z", "took_ms": 1, "requests": 1, "wire_bytes": 1, "items": 1, "changed": 0,
        "deleted": 0, "failed": 0, "complete": true, "hub": hub, "topic": "https://blog.example/own",
    });
    serde_json::from_value(visit).unwrap()
}

/// What a hub was asked, as pairs.
fn form(received: &Received) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect()
}

fn token(form: &BTreeMap<String, String>) -> Unguessable {
    form["hub.callback"].strip_prefix(&format!("{PUBLIC_URL}/v1/websub/")).unwrap().parse().unwrap()
}

fn subscribe(topic: &str, lease_seconds: u64) -> HubQuestion {
    HubQuestion::Subscribe { topic: topic.to_owned(), lease_seconds: Some(lease_seconds) }
}

fn signed(form: &BTreeMap<String, String>, body: &[u8]) -> Option<String> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, form["hub.secret"].as_bytes()), body);
    Some(format!("sha256={}", tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[tokio::test]
async fn a_hub_is_asked_confirmed_told_by_and_asked_to_stop() {
    let (store, hub) = (Arc::<Store>::default(), Receiver::start(|_| Answer::Status(202)).await);
    let running = start(&store, PUBLIC_URL, Patience::HUBS);
    running.hubs.visited(&settings(), &visit(Some(hub.url("/hub"))));
    let received = hub.take(1).await;
    let asked = form(&received[0]);
    assert_eq!(received[0].header("content-type").unwrap(), "application/x-www-form-urlencoded");
    assert_eq!((asked["hub.mode"].as_str(), asked["hub.topic"].as_str()), ("subscribe", "https://blog.example/own"));
    assert!(asked["hub.secret"].len() >= 32 && asked["hub.lease_seconds"] == "604800");
    let token = token(&asked);
    assert!(running.hubs.knows(&token) && !running.hubs.knows(&Unguessable::from_bytes([9; 32])));
    assert_eq!((running.state(), running.hubs.told_until(&settings().name)), (Some(SubscriptionState::Asked), None));

    let confirm = async |question| running.hubs.confirm(&token, question).await.unwrap();
    assert!(!confirm(subscribe("https://blog.example/other", 3600)).await, "another topic was never asked for");
    assert!(!confirm(HubQuestion::Unsubscribe { topic: "https://blog.example/own".into() }).await);
    assert!(confirm(subscribe("https://blog.example/own", 3600)).await);
    assert_eq!(running.state(), Some(SubscriptionState::Active));
    let until = running.hubs.told_until(&settings().name).unwrap();
    assert!((3590..=3600).contains(&until.duration_since(Timestamp::now()).as_secs()));

    running.hubs.told(&token, Some("sha256=00".into()), b"a".to_vec()).await;
    running.hubs.told(&token, None, b"a".to_vec()).await;
    running.hubs.told(&token, signed(&asked, b"b"), b"a".to_vec()).await;
    for _ in 0..20 {
        running.hubs.told(&token, signed(&asked, b"a"), b"a".to_vec()).await;
    }
    running.eventually("the visits", |running| running.visits() == 2).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(*running.visited.lock().unwrap(), ["blog", "blog"], "twenty pushes are worth two visits");

    running.hubs.visited(&settings(), &visit(Some(hub.url("/hub"))));
    running.hubs.rests(&settings().name);
    let asked = form(&hub.take(2).await[1]);
    assert_eq!((asked["hub.mode"].as_str(), asked.get("hub.secret")), ("unsubscribe", None));
    assert!(!confirm(subscribe("https://blog.example/own", 3600)).await, "it is not wanted any more");
    assert!(confirm(HubQuestion::Unsubscribe { topic: "https://blog.example/own".into() }).await);
    assert!(!running.hubs.knows(&token) && store.0.lock().unwrap().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_subscription_survives_a_restart_and_another_hub_takes_its_place() {
    let (store, hub) = (Arc::<Store>::default(), Receiver::start(|_| Answer::Status(202)).await);
    let running = start(&store, PUBLIC_URL, Patience::HUBS);
    running.hubs.visited(&settings(), &visit(Some(hub.url("/one"))));
    let asked = form(&hub.take(1).await[0]);
    let first = token(&asked);
    assert!(running.hubs.confirm(&first, subscribe("https://blog.example/own", 86_400)).await.unwrap());
    running.stop().await;
    let running = start(&store, PUBLIC_URL, Patience::HUBS);
    running.eventually("what was kept", |running| running.state() == Some(SubscriptionState::Active)).await;
    running.hubs.told(&first, signed(&asked, b"a"), b"a".to_vec()).await;
    running.eventually("a visit", |running| running.visits() == 1).await;
    assert_eq!(hub.seen(), 1, "it is not asked again");

    running.hubs.visited(&settings(), &visit(Some(hub.url("/two"))));
    let heads: Vec<_> =
        hub.take(3).await[1..].iter().map(|one| (one.head[..9].to_owned(), form(one)["hub.mode"].clone())).collect();
    for expected in [("POST /one", "unsubscribe"), ("POST /two", "subscribe")] {
        assert!(heads.iter().any(|(head, mode)| (head.as_str(), mode.as_str()) == expected), "{heads:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn under_another_address_a_subscription_is_made_anew() {
    let (store, hub) = (Arc::<Store>::default(), Receiver::start(|_| Answer::Status(202)).await);
    let running = start(&store, PUBLIC_URL, Patience::HUBS);
    running.hubs.visited(&settings(), &visit(Some(hub.url("/"))));
    hub.take(1).await;
    running.stop().await;
    let running = start(&store, "https://elsewhere.example", Patience::HUBS);
    let ended = form(&hub.take(2).await[1]);
    assert_eq!(ended["hub.mode"], "unsubscribe");
    running.hubs.visited(&settings(), &visit(Some(hub.url("/"))));
    let asked = form(&hub.take(3).await[2]);
    assert!(asked["hub.callback"].starts_with("https://elsewhere.example/v1/websub/"), "{asked:?}");
    running.stop().await;
}

#[tokio::test]
async fn i7_a_hub_that_never_confirms_is_given_up() {
    let (store, hub) = (Arc::<Store>::default(), Receiver::start(|_| Answer::Status(500)).await);
    let patience =
        Patience { attempts_max: 3, pause_min: Duration::from_millis(10), pause_max: Duration::from_millis(20) };
    let running = start(&store, PUBLIC_URL, patience);
    running.hubs.visited(&settings(), &visit(Some(hub.url("/"))));
    hub.take(3).await;
    running.hubs.visited(&settings(), &visit(Some(hub.url("/"))));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(hub.seen(), 3, "a visit soon after does not begin it anew");
    let info = running.hubs.info(&settings().name, &visit(None)).unwrap();
    assert_eq!((info.state, info.note.as_deref()), (SubscriptionState::Asked, Some("the hub answered 500")));
    running.stop().await;
}

#[tokio::test]
async fn a_hub_that_denies_is_not_asked_again_and_a_neighbour_never() {
    let (store, hub) = (Arc::<Store>::default(), Receiver::start(|_| Answer::Status(202)).await);
    let running = start(&store, PUBLIC_URL, Patience::HUBS);
    running.hubs.visited(&settings(), &visit(Some(hub.url("/"))));
    let token = token(&form(&hub.take(1).await[0]));
    assert!(
        running.hubs.confirm(&token, HubQuestion::Denied { topic: "https://blog.example/own".into() }).await.unwrap()
    );
    let info = running.hubs.info(&settings().name, &visit(None)).unwrap();
    assert!(info.state == SubscriptionState::Asked && info.note.unwrap().contains("will not tell"));

    let mut other = SourceSettings { private_hosts: Vec::new(), ..settings() };
    other.name = "other".parse().unwrap();
    running.hubs.visited(&other, &visit(Some(hub.url("/"))));
    running
        .eventually("a refusal", |running| {
            let info = running.hubs.info(&other.name, &visit(None));
            info.and_then(|info| info.note).is_some_and(|note| note.contains("loopback"))
        })
        .await;
    assert_eq!(hub.seen(), 1);
    running.stop().await;
}

#[test]
fn without_an_address_a_source_says_why_it_is_polled() {
    let info = NoHubs::NO_ADDRESS.info(&settings().name, &visit(Some("https://hub.example/".into()))).unwrap();
    assert_eq!(info.state, SubscriptionState::Off);
    assert!(info.note.unwrap().contains("serve.public_url"));
    assert_eq!(NoHubs::NO_ADDRESS.info(&settings().name, &visit(None)), None);
}
