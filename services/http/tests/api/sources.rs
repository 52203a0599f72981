//! Adding, listing, steering and removing sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json as body};
use wellspring_core::source::{
    Origin, Remains, Removal, SettingsError, SourceAdmin, SourceError, SourceInfo, SourceName, SourceSettings, Visit,
};
use wellspring_core::websub::{SubscriptionInfo, SubscriptionState};
use wellspring_http::openapi::document_json;

use crate::support::{json, refusal, start};

/// Sources in memory, which do nothing.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) kept: Mutex<BTreeMap<SourceName, SourceInfo>>,
    pub(crate) removed: Mutex<Vec<Remains>>,
    pub(crate) refreshed: Mutex<Vec<String>>,
    /// What the next removal answers.
    pub(crate) slow: Mutex<bool>,
}

fn info(settings: SourceSettings) -> SourceInfo {
    SourceInfo {
        settings,
        paused: false,
        declared: false,
        removing: None,
        added_at: Timestamp::UNIX_EPOCH,
        documents: BTreeMap::new(),
        last_visit: None,
        next_visit_at: None,
        next_visit_reason: String::new(),
        left_alone_until: None,
        last_error: None,
        staleness_seconds: None,
        held_deletions: 0,
        visiting: false,
        subscription: None,
    }
}

/// A subscription with everything that can be said about one.
pub(crate) fn subscription() -> SubscriptionInfo {
    SubscriptionInfo {
        hub: "h".into(),
        state: SubscriptionState::Active,
        lease_until: Some(Timestamp::UNIX_EPOCH),
        note: Some("n".into()),
    }
}

/// A source with everything that can be said about one.
pub(crate) fn full() -> SourceInfo {
    let settings = body!({
        "name": "a", "origin": { "kind": "page", "url": "http://a/" }, "private_hosts": ["a"], "tags": ["t"],
    });
    let visit = Visit {
        began_at: Timestamp::UNIX_EPOCH,
        took_ms: 1,
        requests: 1,
        wire_bytes: 1,
        items: 1,
        changed: 1,
        deleted: 1,
        failed: 1,
        passed_over: 0,
        left_out: 1,
        left_out_names: vec!["n".into()],
        errors: vec!["e".into()],
        complete: true,
        not_before: Some(Timestamp::UNIX_EPOCH),
        hub: Some("h".into()),
        topic: Some("t".into()),
    };
    SourceInfo {
        removing: Some(Remains::Keep),
        last_visit: Some(visit),
        next_visit_at: Some(Timestamp::UNIX_EPOCH),
        left_alone_until: Some(Timestamp::UNIX_EPOCH),
        last_error: Some("e".into()),
        staleness_seconds: Some(1),
        subscription: Some(subscription()),
        ..info(serde_json::from_value(settings).unwrap())
    }
}

impl Sources {
    fn edit(&self, name: &SourceName, change: impl FnOnce(&mut SourceInfo)) -> Result<SourceInfo, SourceError> {
        let mut kept = self.kept.lock().unwrap();
        let info = kept.get_mut(name).ok_or(SourceError::Unknown)?;
        change(info);
        Ok(info.clone())
    }
}

#[async_trait]
impl SourceAdmin for Sources {
    async fn list(&self) -> Result<Vec<SourceInfo>, SourceError> {
        Ok(self.kept.lock().unwrap().values().cloned().collect())
    }

    async fn show(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        self.edit(name, |_| {})
    }

    async fn add(&self, settings: SourceSettings) -> Result<(SourceInfo, bool), SourceError> {
        if matches!(&settings.origin, Origin::Page { url } if url == "refused") {
            let (what, hint) = ("is no address".to_owned(), "an address looks like this".to_owned());
            return Err(SourceError::Invalid(SettingsError { field: "url", what, hint }));
        }
        let mut kept = self.kept.lock().unwrap();
        let info = info(settings);
        match kept.insert(info.settings.name.clone(), info.clone()) {
            None => Ok((info, true)),
            Some(before) if before.settings == info.settings => Ok((info, false)),
            Some(_) => Err(SourceError::Exists),
        }
    }

    async fn pause(&self, name: &SourceName, paused: bool) -> Result<SourceInfo, SourceError> {
        self.edit(name, |info| info.paused = paused)
    }

    async fn refresh(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        let info = self.show(name).await?;
        if info.paused {
            return Err(SourceError::Paused);
        }
        self.refreshed.lock().unwrap().push(name.to_string());
        Ok(info)
    }

    async fn release(&self, name: &SourceName) -> Result<SourceInfo, SourceError> {
        let info = self.show(name).await?;
        if info.held_deletions == 0 { Err(SourceError::NothingHeld) } else { Ok(info) }
    }

    async fn remove(&self, name: &SourceName, remains: Remains) -> Result<Removal, SourceError> {
        self.removed.lock().unwrap().push(remains);
        if *self.slow.lock().unwrap() {
            self.edit(name, |info| info.removing = Some(remains))?;
            return Ok(Removal::UnderWay);
        }
        self.kept.lock().unwrap().remove(name).map(|_| Removal::Done).ok_or(SourceError::Unknown)
    }
}

#[tokio::test]
async fn a_source_is_added_listed_paused_refreshed_and_removed() {
    let server = start().await;
    let site = body!({
        "name": "handbook",
        "origin": { "kind": "site", "url": "https://handbook.example/", "depth_max": 2 },
        "tags": ["manual"],
        "private_hosts": ["handbook.example"],
    });
    let (status, added) = json(server.post("/v1/sources").json(&site)).await;
    assert_eq!((status, &added["name"], &added["collection"]), (201, &body!("handbook"), &body!("default")));
    assert_eq!((&added["origin"]["pages_max"], &added["tags"]), (&body!(1000), &body!(["manual"])));
    for field in ["documents", "last_visit", "next_visit_at", "last_error", "staleness_seconds", "held_deletions"] {
        assert!(added.as_object().unwrap().contains_key(field), "{field}");
    }
    assert_eq!(json(server.post("/v1/sources").json(&site)).await.0, 200, "adding again changes nothing");

    let (status, listed) = json(server.get("/v1/sources")).await;
    assert_eq!((status, &listed["sources"][0]), (200, &added));
    let (status, paused) = json(server.patch("/v1/sources/handbook").json(&body!({ "paused": true }))).await;
    assert_eq!((status, &paused["paused"]), (200, &body!(true)));
    let refused = refusal(server.post("/v1/sources/handbook/refresh")).await;
    assert_eq!(refused, (409, "source_paused".to_owned()));
    json(server.patch("/v1/sources/handbook").json(&body!({ "paused": false }))).await;
    assert_eq!(json(server.post("/v1/sources/handbook/refresh")).await.0, 202);
    assert_eq!(*server.sources.refreshed.lock().unwrap(), ["handbook"]);
    assert_eq!(refusal(server.post("/v1/sources/handbook/release")).await, (409, "nothing_held".to_owned()));

    let (status, removed) = json(server.delete("/v1/sources/handbook")).await;
    assert_eq!((status, removed), (200, body!({ "name": "handbook", "removed": true, "documents": "keep" })));
    assert_eq!(refusal(server.get("/v1/sources/handbook")).await, (404, "unknown_source".to_owned()));
}

/// A full value of each kind. One that is missing in the list is missing in the `match`, which does not compile.
fn origins() -> Vec<Origin> {
    let url = || "https://example.org/a".to_owned();
    let globs = || vec!["*.md".to_owned()];
    let origins = vec![
        Origin::Folder { path: "/srv/notes".into(), include: globs(), exclude: globs(), gitignore: true },
        Origin::Feed { url: url(), articles: true },
        Origin::Site { url: url(), sitemap: Some(url()), depth_max: 2, pages_max: 50 },
        Origin::Page { url: url() },
    ];
    for origin in &origins {
        match origin {
            Origin::Folder { .. } | Origin::Feed { .. } | Origin::Site { .. } | Origin::Page { .. } => {}
        }
    }
    origins
}

#[tokio::test]
async fn every_kind_of_source_is_taken_and_described() {
    let server = start().await;
    let description: Value = serde_json::from_str(document_json()).unwrap();
    let described = description["components"]["schemas"]["Origin"]["oneOf"].as_array().unwrap();
    let unknown = body!({ "name": "a", "origin": { "kind": "queue" } });
    let (_, refused) = json(server.post("/v1/sources").json(&unknown)).await;
    for origin in origins() {
        let (kind, said) = (origin.kind(), serde_json::to_value(&origin).unwrap());
        let (status, added) = json(server.post("/v1/sources").json(&body!({ "name": kind, "origin": said }))).await;
        assert_eq!((status, &added["origin"]), (201, &said), "{kind}: {added}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(kind), "{kind} is not offered: {refused}");
        let schema = described.iter().find(|schema| schema["properties"]["kind"]["enum"] == body!([kind]));
        let schema = schema.unwrap_or_else(|| panic!("{kind} is not described"));
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(fields(&schema["properties"]), fields(&said), "{kind}");
    }
}

#[tokio::test]
async fn a_long_removal_is_answered_before_it_ends() {
    let server = start().await;
    let folder = body!({ "name": "notes", "origin": { "kind": "folder", "path": "/srv/notes", "gitignore": true } });
    assert_eq!(json(server.post("/v1/sources").json(&folder)).await.0, 201);
    *server.sources.slow.lock().unwrap() = true;
    let (status, removed) = json(server.delete("/v1/sources/notes?documents=delete")).await;
    assert_eq!((status, &removed["removed"], &removed["documents"]), (202, &body!(false), &body!("delete")));
    assert_eq!(*server.sources.removed.lock().unwrap(), [Remains::Delete]);
    assert_eq!(json(server.get("/v1/sources/notes")).await.1["removing"], "delete");
}

#[tokio::test]
async fn what_cannot_be_a_source_is_refused_by_name() {
    let server = start().await;
    let page = |url: &str| body!({ "name": "a", "origin": { "kind": "page", "url": url } });
    let cases: Vec<(Value, u16, &str)> = vec![
        (body!({ "origin": { "kind": "page", "url": "http://a/" } }), 422, "missing_field"),
        (body!({ "name": "A b", "origin": { "kind": "page", "url": "http://a/" } }), 422, "invalid_field"),
        (body!({ "name": "a" }), 422, "missing_field"),
        (body!({ "name": "a", "origin": "http://a/" }), 422, "invalid_field"),
        (body!({ "name": "a", "origin": { "kind": "queue" } }), 422, "invalid_field"),
        (body!({ "name": "a", "origin": { "kind": "page" } }), 422, "missing_field"),
        (
            body!({ "name": "a", "origin": { "kind": "page", "url": "http://a/", "depth_max": 1 } }),
            422,
            "unknown_field",
        ),
        (body!({ "name": "a", "origin": { "kind": "site", "url": "x", "depth_max": -1 } }), 422, "invalid_field"),
        (body!({ "name": "a", "colection": "x" }), 422, "unknown_field"),
        (
            body!({ "name": "a", "collection": "nowhere", "origin": page("http://a/")["origin"] }),
            404,
            "unknown_collection",
        ),
        (page("refused"), 422, "invalid_field"),
    ];
    for (request, status, code) in cases {
        let refused = refusal(server.post("/v1/sources").json(&request)).await;
        assert_eq!(refused, (status, code.to_owned()), "{request}");
    }
    json(server.post("/v1/sources").json(&page("http://a/"))).await;
    let other = refusal(server.post("/v1/sources").json(&page("http://b/"))).await;
    assert_eq!(other, (409, "source_exists".to_owned()));
    let unknown = (404, "unknown_source".to_owned());
    assert_eq!(refusal(server.get("/v1/sources/NO%20name")).await, unknown);
    assert_eq!(refusal(server.delete("/v1/sources/nobody")).await, unknown);
    assert_eq!(refusal(server.post("/v1/sources/nobody/refresh")).await, unknown);
    let wrong = refusal(server.delete("/v1/sources/a?documents=burn")).await;
    assert_eq!(wrong, (422, "invalid_field".to_owned()));
    assert_eq!(refusal(server.patch("/v1/sources/a").json(&body!({}))).await, (422, "missing_field".to_owned()));
}
