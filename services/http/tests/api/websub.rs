//! Hubs that ask back and hubs that tell.

use std::sync::Mutex;

use async_trait::async_trait;
use wellspring_core::catalog::CatalogError;
use wellspring_core::limits;
use wellspring_core::websub::{HubCallbacks, HubQuestion, Unguessable};
use wellspring_http::HttpSettings;

use crate::support::{Server, refusal, start, start_with};

/// One subscription, which wants to be told of the topic `t`.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) asked: Mutex<Vec<HubQuestion>>,
    pub(crate) told: Mutex<Vec<(Option<String>, usize)>>,
}

fn token() -> Unguessable {
    Unguessable::from_bytes([0xa7; 32])
}

#[async_trait]
impl HubCallbacks for Callbacks {
    fn knows(&self, known: &Unguessable) -> bool {
        *known == token()
    }

    async fn confirm(&self, _: &Unguessable, question: HubQuestion) -> Result<bool, CatalogError> {
        self.asked.lock().unwrap().push(question.clone());
        Ok(matches!(question, HubQuestion::Subscribe { topic, .. } if topic == "t"))
    }

    async fn told(&self, _: &Unguessable, signature: Option<String>, body: Vec<u8>) {
        self.told.lock().unwrap().push((signature, body.len()));
    }
}

fn callback(query: &str) -> String {
    format!("/v1/websub/{}{query}", token().to_hexadecimal())
}

fn asked(server: &Server) -> Vec<HubQuestion> {
    std::mem::take(&mut server.hubs.asked.lock().unwrap())
}

#[tokio::test]
async fn a_hub_that_asks_back_gets_its_challenge_and_others_get_nothing() {
    // Neither a key nor a name of this machine: the token is enough.
    let server = start_with(HttpSettings::default(), Some("a-secret-of-some-length")).await;
    let ask = |query: &str| server.get(&callback(query)).header("host", "hooks.example");
    let query = "?hub.mode=subscribe&hub.topic=t&hub.challenge=%3Cb%3E1&hub.lease_seconds=60&hub.extra=1";
    let response = ask(query).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.text().await.unwrap(), "<b>1");
    assert_eq!(asked(&server), [HubQuestion::Subscribe { topic: "t".into(), lease_seconds: Some(60) }]);
    let denied = ask("?hub.mode=denied&hub.topic=t&hub.reason=no").send().await.unwrap();
    assert_eq!((denied.status().as_u16(), asked(&server)), (200, vec![HubQuestion::Denied { topic: "t".into() }]));
    let unwanted = (404, "subscription_unwanted".to_owned());
    for query in [
        "?hub.mode=subscribe&hub.topic=other&hub.challenge=1",
        "?hub.mode=unsubscribe&hub.topic=t&hub.challenge=1",
        "?hub.mode=subscribe&hub.topic=t",
        "?hub.mode=subscribe&hub.challenge=1",
        "?hub.mode=shout&hub.topic=t&hub.challenge=1",
        "",
        &format!(
            "?hub.mode=subscribe&hub.topic=t&hub.challenge={}",
            "1".repeat(limits::WEBSUB_CHALLENGE_BYTES_MAX + 1)
        ),
    ] {
        assert_eq!(refusal(ask(query)).await, unwanted, "{query}");
    }
    let (gone, other) = ((410, "subscription_gone".to_owned()), Unguessable::from_bytes([1; 32]).to_hexadecimal());
    asked(&server);
    for token in ["nonsense", &other] {
        assert_eq!(refusal(server.get(&format!("/v1/websub/{token}{query}"))).await, gone);
        assert_eq!(refusal(server.post(&format!("/v1/websub/{token}")).body("x")).await, gone);
    }
    assert!(asked(&server).is_empty() && server.hubs.told.lock().unwrap().is_empty());
    assert_eq!(server.get("/v1/sources").send().await.unwrap().status(), 401, "the key is wanted elsewhere");
}

#[tokio::test]
async fn what_a_hub_tells_is_taken_within_its_bound() {
    let server = start().await;
    let tell = |body: String| server.post(&callback("")).header("x-hub-signature", "sha256=00").body(body);
    let taken = tell("the feed".to_owned()).send().await.unwrap();
    assert_eq!((taken.status().as_u16(), taken.text().await.unwrap().as_str()), (202, ""));
    let unsigned = server.post(&callback("")).body("x").send().await.unwrap();
    assert_eq!(unsigned.status(), 202, "whether it was signed is not told");
    let large = tell("x".repeat(limits::WEBSUB_BODY_BYTES_MAX + 1));
    assert_eq!(refusal(large).await, (413, "body_too_large".to_owned()));
    assert_eq!(*server.hubs.told.lock().unwrap(), [(Some("sha256=00".to_owned()), 8), (None, 1)]);
}
