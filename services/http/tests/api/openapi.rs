//! The description is what is served, what is committed, and what is really written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json as body};
use wellspring_core::answer::{EntailmentGap, EntailmentStatus, LookedAt, Spent};
use wellspring_core::catalog::{CatalogStatus, Cost, DocumentInfo, EntryState, Neighbour, Neighbours, Outcome, Stage};
use wellspring_core::document::Attributes;
use wellspring_core::generator::{GeneratorStatus, Usage};
use wellspring_core::place::Place;
use wellspring_core::retriever::{
    ArmOpinion, ArmStatus, ArmWeights, Duplicate, Explanation, FusedBy, Ranked, RerankSkip, RerankStatus,
};
use wellspring_core::screen::{Decision, Rule, Verdict};
use wellspring_core::source::Remains;
use wellspring_core::span::Span;
use wellspring_core::trace::{CatalogResidue, Event, EventKind};
use wellspring_core::webhook::WebhookState;
use wellspring_core::websub::SubscriptionState;
use wellspring_http::openapi::document_json;

use crate::support::{JUDGED, answer, citation, json, ranked, start};

fn description() -> Value {
    serde_json::from_str(document_json()).unwrap()
}

#[test]
fn the_committed_description_is_the_current_one() {
    // Where cargo runs it: a folder of built files may have been filled from another copy of the repository.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let path = here.join("../../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, document_json()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == document_json(), "docs/openapi.json is out of date: run this test with UPDATE_OPENAPI=1");
}

#[tokio::test]
async fn the_description_is_served() {
    let server = start().await;
    let (status, served) = json(server.get("/v1/openapi.json")).await;
    assert_eq!((status, served), (200, description()));
}

#[test]
fn every_path_is_described() {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    let expected = [
        "delete /v1/documents/{key}",
        "delete /v1/sources/{name}",
        "delete /v1/webhooks/{id}",
        "get /healthz",
        "get /metrics",
        "get /readyz",
        "get /v1/documents",
        "get /v1/documents/{key}",
        "get /v1/documents/{key}/residue",
        "get /v1/events",
        "get /v1/openapi.json",
        "get /v1/search",
        "get /v1/sources",
        "get /v1/sources/{name}",
        "get /v1/status",
        "get /v1/webhooks",
        "get /v1/websub/{token}",
        "post /v1/ask",
        "post /v1/documents",
        "patch /v1/sources/{name}",
        "post /v1/documents/{key}/retry",
        "post /v1/search",
        "post /v1/sources",
        "post /v1/sources/{name}/refresh",
        "post /v1/sources/{name}/release",
        "post /v1/webhooks",
        "post /v1/webhooks/{id}/resume",
        "post /v1/webhooks/{id}/rotate",
        "post /v1/webhooks/{id}/test",
        "post /v1/websub/{token}",
        "put /v1/documents/{key}",
    ];
    assert_eq!(described, expected.map(str::to_owned).into());
    // Every reference leads somewhere.
    let text = document_json();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "{name} is not described");
    }
}

/// Checks that a schema names exactly the fields that a full value is written with.
fn same_fields(schema: &str, value: impl Serialize) {
    let description = description();
    let properties = &description["components"]["schemas"][schema]["properties"];
    let described: BTreeSet<_> =
        properties.as_object().unwrap_or_else(|| panic!("no {schema}")).keys().cloned().collect();
    let value = serde_json::to_value(value).unwrap();
    let written: BTreeSet<_> = value.as_object().unwrap().keys().cloned().collect();
    assert_eq!(described, written, "{schema}");
}

/// Checks that a schema lists a value of an enum.
fn same_name(schema: &str, value: impl Serialize) {
    let description = description();
    let names = description["components"]["schemas"][schema]["enum"].as_array().unwrap().clone();
    let value = serde_json::to_value(value).unwrap();
    let name = if value.is_object() { value["state"].clone() } else { value };
    assert!(names.contains(&name), "{schema} does not list {name}");
}

/// A full value of each kind of place. One that is missing in the list is missing in the `match`, which does not compile.
fn places() -> Vec<Place> {
    let places = vec![
        Place::Page { number: 1 },
        Place::Slide { number: 1 },
        Place::Row { sheet: Some("s".into()), number: 1 },
        Place::Line { number: 1 },
    ];
    for place in &places {
        match place {
            Place::Page { .. } | Place::Slide { .. } | Place::Row { .. } | Place::Line { .. } => {}
        }
    }
    places
}

#[test]
fn schemas_are_what_is_written() {
    let attributes = Attributes {
        title: Some("t".into()),
        url: Some("u".into()),
        published_at: Some("2026-11-05T08:30:00Z".parse().unwrap()),
        language: Some("en".into()),
        tags: vec!["x".into()],
        acl: vec!["y".into()],
        metadata: body!({ "k": 1 }).as_object().unwrap().clone(),
    };
    let ranked = ranked();
    let passage = &ranked.passage;
    let decision = Decision {
        rule: Rule::NearDuplicate,
        verdict: Verdict::Marked,
        reason: "r".into(),
        duplicate_of: Some(passage.document.clone()),
        similarity: Some(0.5),
    };
    let failed = || EntryState::Failed {
        stage: Stage::Parse,
        reason: "r".into(),
        attempt: 1,
        next_retry_at: Some(passage.accepted_at),
    };
    same_fields(
        "DocumentInfo",
        DocumentInfo {
            key: passage.document.clone(),
            id: passage.document_id,
            collection: Default::default(),
            source: passage.source.clone(),
            revision: passage.revision,
            published_revision: None,
            sequence: wellspring_core::catalog::Sequence(1),
            state: failed(),
            title: None,
            media_type: wellspring_core::document::MediaType::Text,
            bytes: 1,
            accepted_at: passage.accepted_at,
            chunks: 1,
            cost: Cost::default(),
            attributes: attributes.clone(),
            screening: vec![decision.clone()],
        },
    );
    same_fields("Attributes", attributes);
    let source = crate::sources::full();
    same_fields("Visit", source.last_visit.clone().unwrap());
    same_fields("Source", source);
    same_name("Remains", Remains::Keep);
    same_name("Remains", Remains::Delete);
    same_fields("Decision", decision);
    same_fields("Answer", answer());
    same_fields("Citation", citation());
    same_fields("EntailmentUse", answer().entailment.unwrap());
    let not_judged = EntailmentStatus::NotJudged { reason: EntailmentGap::Deadline, lowered: true };
    let [judged, not_judged] =
        [JUDGED, not_judged].map(|status| serde_json::to_value(status).unwrap().as_object().unwrap().clone());
    same_name("EntailmentState", &judged["state"]);
    same_name("EntailmentState", &not_judged["state"]);
    same_fields("EntailmentStatus", judged.into_iter().chain(not_judged).collect::<serde_json::Map<_, _>>());
    for gap in [
        EntailmentGap::Deadline,
        EntailmentGap::Busy,
        EntailmentGap::TooLong,
        EntailmentGap::Failed,
        EntailmentGap::Rewritten,
    ] {
        same_name("EntailmentGap", gap);
    }
    same_fields("CascadeStep", answer().cascade.remove(0));
    same_fields("CheckedSentence", answer().sentences.remove(0));
    same_fields("Position", answer().positions.remove(0));
    let said = &description()["components"]["schemas"]["Place"]["properties"]["kind"]["description"];
    let mut fields = serde_json::Map::new();
    for place in places() {
        let Value::Object(place) = serde_json::to_value(place).unwrap() else { panic!("a place is an object") };
        let kind = format!("`{}`", place["kind"].as_str().unwrap());
        assert!(said.as_str().unwrap().contains(&kind), "Place does not name {kind}");
        fields.extend(place);
    }
    same_fields("Place", fields);
    same_fields("PlaceMark", &passage.places[0]);
    let (title, chunk) = (passage.title.clone(), passage.chunk);
    same_fields("LookedAt", LookedAt { document: passage.document.clone(), title, chunk, score: 0.5 });
    let opinion = ArmOpinion { rank: Some(1), score: 7.25 };
    let weights = ArmWeights { keyword: 0.35, vector: 0.65 };
    let explanation = Explanation {
        keyword: Some(opinion),
        vector: None,
        fused_by: FusedBy::WeightedSum,
        weights,
        leaned: Some(0.75),
        rerank: Some(1.5),
        recency: Some(0.9),
    };
    let duplicate = Duplicate { document: passage.document.clone(), revision: passage.revision, chunk: passage.chunk };
    let neighbour = Neighbour { chunk: passage.chunk, span: passage.span, text: passage.text.clone() };
    let neighbours = Neighbours { before: vec![neighbour.clone()], behind: Vec::new() };
    let full = Ranked {
        explain: Some(explanation),
        rerank_score: Some(1.5),
        duplicates: vec![duplicate.clone()],
        neighbours: Some(neighbours.clone()),
        ..ranked.clone()
    };
    same_fields("Hit", full);
    same_fields("Duplicate", duplicate);
    same_fields("Neighbour", neighbour);
    same_fields("Neighbours", neighbours);
    same_fields("Explanation", explanation);
    same_fields("ArmOpinion", opinion);
    same_fields("ArmWeights", weights);
    for fused_by in [FusedBy::WeightedSum, FusedBy::Keyword, FusedBy::Vector] {
        same_name("FusedBy", fused_by);
    }
    same_fields("Span", Span::default());
    same_fields("Spent", Spent::default());
    same_fields("Usage", Usage::default());
    same_fields("Cost", Cost::default());
    same_fields("CatalogStatus", CatalogStatus::default());
    same_fields("CatalogResidue", CatalogResidue::default());
    same_fields(
        "Event",
        Event {
            number: 1,
            at: passage.accepted_at,
            kind: EventKind::Failed,
            collection: Default::default(),
            key: passage.document.clone(),
            revision: passage.revision,
            sequence: wellspring_core::catalog::Sequence(1),
            stage: Some(Stage::Parse),
            reason: Some("r".into()),
        },
    );
    same_fields("Subscription", crate::sources::subscription());
    let states =
        [SubscriptionState::Off, SubscriptionState::Asked, SubscriptionState::Active, SubscriptionState::Ending];
    for state in states {
        same_name("SubscriptionState", state);
    }
    same_fields("Webhook", crate::webhooks::full());
    same_fields("WebhookTest", crate::webhooks::arrived());
    for state in [WebhookState::Active, WebhookState::Failing, WebhookState::Disabled, WebhookState::Offline] {
        same_name("WebhookState", state);
    }
    for kind in EventKind::ALL {
        same_name("EventKind", kind);
    }
    same_fields("ArmStatus", ArmStatus::Failed { reason: "r".into() });
    same_name("ArmState", ArmStatus::Ok);
    same_name("ArmState", ArmStatus::Skipped { reason: "r".into() });
    same_name("ArmState", ArmStatus::Failed { reason: "r".into() });
    same_name("RerankState", RerankStatus::Off);
    same_name("RerankState", RerankStatus::Ran { passages: 2 });
    same_name("RerankState", RerankStatus::Skipped { reason: RerankSkip::Margin });
    same_name("RerankState", RerankStatus::Failed { reason: "r".into() });
    let quarantined = EntryState::Quarantined { reason: "r".into() };
    let skipped = EntryState::Skipped { reason: "r".into() };
    let states = [EntryState::Pending, EntryState::Parsed, EntryState::Embedded, EntryState::Published];
    for state in states.into_iter().chain([EntryState::Superseded, failed(), quarantined, skipped]) {
        same_name("StateName", state);
    }
    for outcome in [Outcome::Created, Outcome::Updated, Outcome::Unchanged, Outcome::Deleted, Outcome::Absent] {
        same_name("Outcome", outcome);
    }
    let states = [
        GeneratorStatus::Off,
        GeneratorStatus::Loading,
        GeneratorStatus::Ready { model: "m".into() },
        GeneratorStatus::Failed { reason: "r".into() },
    ];
    for state in states {
        same_name("GeneratorState", state);
    }
}
