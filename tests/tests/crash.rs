//! Does every acknowledged write survive kill -9, at any moment?
//!
//! The service is killed again and again while clients write, edit and delete. After each start: every acknowledged
//! document answers in its acknowledged version, nothing is doubled, nothing deleted returns (I-1 to I-4).

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::json;
use wellspring_tests::service::{Service, Start};

/// How often the service is killed.
const KILLS: usize = 50;
/// Documents that the writers choose among: few, so that edits and deletions meet earlier writes.
const KEYS: usize = 24;
/// Writes in flight at once.
const WRITERS: usize = 4;

/// What a document may be, after the last kill.
#[derive(Debug, Clone, Default)]
struct Expected {
    /// The version of the last acknowledged write; `None` is deleted or never written.
    acknowledged: Option<u64>,
    /// Writes that were sent and not acknowledged: each may or may not have happened.
    in_doubt: Vec<Option<u64>>,
}

impl Expected {
    fn allows(&self, version: Option<u64>) -> bool {
        version == self.acknowledged || self.in_doubt.contains(&version)
    }

    /// What is seen after a restart is what is true from then on.
    fn settle(&mut self, version: Option<u64>) {
        *self = Self { acknowledged: version, in_doubt: Vec::new() };
    }
}

/// A word that stands in one version of one document and nowhere else.
fn word(key: usize, version: u64) -> String {
    format!("mark{key}version{version}")
}

/// A document of several chunks, each naming its version.
fn text(key: usize, version: u64) -> String {
    let mark = word(key, version);
    let paragraph = "The river rises in spring and falls in autumn, and the ferry follows its level. ".repeat(12);
    format!("# Page {key}\n\n{mark} opens. {paragraph}\n\n## More\n\n{paragraph} Here {mark} ends.\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_i3_every_acknowledged_write_survives_fifty_kills() {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CRASH_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut expected: BTreeMap<usize, Expected> = (0..KEYS).map(|key| (key, Expected::default())).collect();
    let mut version = 0;
    for round in 0..KILLS {
        let service = Service::start(folder.path(), &Start::default()).await;
        check(&service, &mut expected, round == KILLS / 2).await;
        let life = Duration::from_millis(rng.u64(20..600));
        load(&service, &mut rng, &mut expected, &mut version, life).await;
        service.kill();
    }
    let service = Service::start(folder.path(), &Start::default()).await;
    check(&service, &mut expected, true).await;
    service.stop();
}

/// Writes from several clients until the service's life is over; keys are split among them, so that the order of the
/// writes to one document is known.
async fn load(
    service: &Service,
    rng: &mut Rng,
    expected: &mut BTreeMap<usize, Expected>,
    version: &mut u64,
    life: Duration,
) {
    let mut plan = Vec::new();
    for _ in 0..200 {
        *version += 1;
        plan.push((rng.usize(0..KEYS), if rng.u8(..4) == 0 { None } else { Some(*version) }));
    }
    let deadline = tokio::time::Instant::now() + life;
    let writers = (0..WRITERS).map(|writer| {
        let mine: Vec<_> = plan.iter().filter(|(key, _)| key % WRITERS == writer).copied().collect();
        async move {
            let mut done = Vec::new();
            for (key, version) in mine {
                match tokio::time::timeout_at(deadline, write(service, key, version)).await {
                    Ok(acknowledged) => done.push((key, version, acknowledged)),
                    Err(_) => {
                        done.push((key, version, false));
                        break;
                    }
                }
            }
            done
        }
    });
    let outcomes: Vec<_> = futures::future::join_all(writers).await;
    for (key, version, acknowledged) in outcomes.into_iter().flatten() {
        let entry = expected.get_mut(&key).unwrap();
        if acknowledged {
            entry.settle(version);
        } else {
            entry.in_doubt.push(version);
        }
    }
}

/// One write; whether it was acknowledged.
async fn write(service: &Service, key: usize, version: Option<u64>) -> bool {
    let path = format!("/v1/documents/page/{key}.md");
    let request = match version {
        Some(version) => service.request(Method::PUT, &path).json(&json!({ "text": text(key, version) })),
        None => service.request(Method::DELETE, &path),
    };
    let response = request.send().await.expect("the service lives until it is killed");
    let status = response.status();
    assert!(status.is_success() || (version.is_none() && status == StatusCode::NOT_FOUND), "{status}");
    true
}

/// Compares every document, the listing and the search with what was acknowledged.
async fn check(service: &Service, expected: &mut BTreeMap<usize, Expected>, by_search: bool) {
    service.settle().await;
    let mut living = 0;
    for (key, entry) in expected.iter_mut() {
        let version = stored(service, *key).await;
        assert!(entry.allows(version), "document {key} is at {version:?}, expected {entry:?}\n{}", service.log());
        entry.settle(version);
        living += usize::from(version.is_some());
    }
    let listed = service.get("/v1/documents?limit=1000").await["documents"].as_array().unwrap().len();
    assert_eq!(listed, living, "the listing holds each document once");
    if by_search {
        let searches = futures::stream::iter(expected.iter()).map(|(key, entry)| async move {
            let key_name = format!("page/{key}.md");
            match entry.acknowledged {
                Some(version) => {
                    let holders = service.holders(&word(*key, version)).await;
                    assert!(
                        !holders.is_empty() && holders.iter().all(|holder| *holder == key_name),
                        "{key}: {holders:?}"
                    );
                }
                None => {
                    let hits = service.search(&format!("Page {key} river ferry")).await;
                    assert!(hits.iter().all(|hit| hit["document"] != key_name.as_str()), "{key} is deleted");
                }
            }
        });
        searches.buffer_unordered(WRITERS).collect::<Vec<_>>().await;
        let hits = service.search("the river rises in spring and the ferry follows").await;
        let mut chunks: Vec<_> = hits.iter().map(|hit| hit["chunk"].to_string()).collect();
        chunks.sort();
        let found = chunks.len();
        chunks.dedup();
        assert_eq!(chunks.len(), found, "no chunk is found twice");
    }
}

/// The version that the service holds of a document: its published text names it.
async fn stored(service: &Service, key: usize) -> Option<u64> {
    let request = service.request(Method::GET, &format!("/v1/documents/page/{key}.md"));
    let (status, body) = service.json(request).await;
    if status == StatusCode::NOT_FOUND {
        return None;
    }
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["state"], "searchable", "{body}");
    let text = body["text"].as_str().unwrap_or_else(|| panic!("a published document has its text: {body}"));
    let mark = text.split_whitespace().find(|word| word.starts_with("mark")).expect("the text names its version");
    let (_, version) = mark.split_once("version").expect("the mark holds the version");
    let version = version.parse().expect("a number");
    assert_eq!(text, self::text(key, version), "the text is whole");
    assert_eq!(body["revision"].as_u64(), body["published_revision"].as_u64(), "{body}");
    Some(version)
}
