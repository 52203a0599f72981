//! Who is let in.

use serde_json::json as body;
use wellspring_http::HttpSettings;

use crate::support::{json, refusal, start, start_with};

#[tokio::test]
async fn with_a_key_everything_but_the_health_checks_wants_it() {
    let server = start_with(HttpSettings::default(), Some("correct horse")).await;
    let unauthorized = (401, "unauthorized".to_owned());
    for path in ["/v1/status", "/v1/openapi.json", "/v1/documents", "/v1/search?q=x", "/v1/nothing"] {
        assert_eq!(refusal(server.get(path)).await, unauthorized, "{path}");
        assert_eq!(refusal(server.get(path).bearer_auth("wrong horse")).await, unauthorized, "{path}");
    }
    let put = || server.put("/v1/documents/a").json(&body!({ "text": "x" }));
    assert_eq!(refusal(put()).await, unauthorized);
    assert!(server.store.draft("a").is_none());
    assert_eq!(json(put().bearer_auth("correct horse")).await.0, 202);
    assert_eq!(json(server.get("/v1/status").header("x-wellspring-key", "correct horse")).await.0, 200);
    // A key is proof enough: no host and no origin is refused with it.
    let far = server.get("/v1/status").header("host", "wellspring.example").header("origin", "https://app.example");
    assert_eq!(json(far.bearer_auth("correct horse")).await.0, 200);
    assert_eq!(json(server.get("/readyz")).await.0, 200);
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn without_a_key_only_this_machine_is_served() {
    let server = start().await;
    let rebound = server.get("/v1/status").header("host", "evil.example:7700");
    assert_eq!(refusal(rebound).await, (403, "host_not_allowed".into()));
    let port = server.address.port();
    assert_eq!(json(server.get("/v1/status").header("host", format!("localhost:{port}"))).await.0, 200);
    let posted =
        |origin: &str| server.post("/v1/search").header("origin", origin.to_owned()).json(&body!({ "query": "x" }));
    assert_eq!(refusal(posted("https://evil.example")).await, (403, "origin_not_allowed".into()));
    assert_eq!(refusal(posted("null")).await, (403, "origin_not_allowed".into()));
    assert_eq!(json(posted(&server.base)).await.0, 200);
}

#[tokio::test]
async fn every_response_is_marked() {
    let server = start().await;
    for path in ["/v1/status", "/v1/nothing", "/healthz"] {
        let response = server.get(path).send().await.unwrap();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!((header("cache-control"), header("x-content-type-options")), ("no-store".into(), "nosniff".into()));
        assert_eq!(header("x-request-id").len(), 8);
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
    let refused = server.put("/v1/search").send().await.unwrap();
    assert_eq!(refused.headers()["allow"], "POST,GET,HEAD");
}
