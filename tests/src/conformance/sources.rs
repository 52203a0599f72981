//! Does a catalog keep sources and what is remembered of them as the contract says?
//!
//! A test of an implementation is one line: `sources_conformance!(name, fresh)`, with the subjects of the catalog's
//! suite.

use jiff::Timestamp;
use serde_json::json;
use wellspring_core::catalog::{Journal, Outcome, Refusal, Write};
use wellspring_core::document::ContentHash;
use wellspring_core::fetch::Validators;
use wellspring_core::limits;
use wellspring_core::source::{Remains, SourceName, SourceSettings, SourceStore, UrlMemory, Visit};

use super::catalog::Subject;
use super::catalog::steps::{accept, collection, draft, key, publish_all, source};

/// A page as a source.
fn page(name: &str) -> SourceSettings {
    let origin = json!({ "kind": "page", "url": format!("https://{name}.example/") });
    serde_json::from_value(json!({ "name": name, "origin": origin })).expect("the cases use valid settings")
}

fn visit(began_at: Timestamp, complete: bool) -> Visit {
    Visit {
        began_at,
        took_ms: 20,
        requests: 2,
        wire_bytes: 300,
        items: 4,
        changed: 1,
        deleted: 1,
        failed: 0,
        passed_over: 0,
        left_out: 1,
        left_out_names: vec!["n".into()],
        errors: if complete { Vec::new() } else { vec!["it was not there".to_owned()] },
        complete,
        not_before: None,
        hub: None,
        topic: None,
    }
}

fn memory(url: &str, etag: &str) -> UrlMemory {
    let validators = Validators { etag: Some(etag.to_owned()), last_modified: None };
    UrlMemory { url: url.to_owned(), validators, body_hash: Some(ContentHash::from_bytes([3; 16])) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("the cases use times that exist")
}

fn put_of(name: &str, of: &str) -> Write {
    let mut draft = draft(name, "said");
    draft.source = source(of);
    Write::Put(draft)
}

fn delete_of(name: &str, of: SourceName) -> Write {
    Write::Delete { collection: collection(), key: key(name), source: of }
}

/// Everything that was said of a source is there after the catalog ended without ceremony.
pub async fn a_source_survives_a_restart(subject: impl Subject) {
    let (name, catalog) = (source("blog"), subject.catalog());
    assert!(catalog.put_source(&page("blog"), at(10)).await.unwrap());
    assert!(catalog.set_paused(&name, true).await.unwrap());
    assert!(catalog.set_declared(&name, true).await.unwrap());
    assert!(catalog.set_removing(&name, Remains::Delete).await.unwrap());
    assert!(catalog.record_visit(&name, &visit(at(20), true)).await.unwrap());
    assert!(catalog.record_visit(&name, &visit(at(30), false)).await.unwrap());
    assert!(catalog.plan_visit(&name, Some(at(90)), "it changes daily", &json!({ "rate": 0.5 })).await.unwrap());
    catalog.remember_urls(&name, vec![memory("https://blog.example/", "\"1\"")]).await.unwrap();

    let subject = subject.reopen().await;
    let records = subject.catalog().sources().await.unwrap();
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&record.settings, record.added_at), (&page("blog"), at(10)));
    assert_eq!((record.paused, record.declared, record.removing), (true, true, Some(Remains::Delete)));
    assert_eq!(record.last_visit, Some(visit(at(30), false)));
    assert_eq!(record.complete_at, Some(at(20)), "a visit that did not reach the source makes nothing fresher");
    assert_eq!((record.next_visit_at, record.next_visit_reason.as_str()), (Some(at(90)), "it changes daily"));
    assert_eq!(record.learnt, json!({ "rate": 0.5 }));
    let urls = subject.catalog().url_memory(&name).await.unwrap();
    assert_eq!(urls, [memory("https://blog.example/", "\"1\"")]);
}

/// Putting a source again changes its settings and nothing else.
pub async fn new_settings_leave_what_is_known(subject: impl Subject) {
    let (name, catalog) = (source("blog"), subject.catalog());
    catalog.put_source(&page("blog"), at(10)).await.unwrap();
    catalog.record_visit(&name, &visit(at(20), true)).await.unwrap();
    catalog.plan_visit(&name, Some(at(90)), "soon", &json!(1)).await.unwrap();
    let mut settings = page("blog");
    settings.tags = vec!["news".to_owned()];
    assert!(!catalog.put_source(&settings, at(50)).await.unwrap());
    let record = catalog.sources().await.unwrap().remove(0);
    assert_eq!((record.settings, record.added_at), (settings, at(10)));
    assert_eq!((record.last_visit, record.next_visit_at), (Some(visit(at(20), true)), Some(at(90))));
    catalog.plan_visit(&name, None, "paused", &json!(2)).await.unwrap();
    assert_eq!(catalog.sources().await.unwrap()[0].next_visit_at, None);
}

/// A list is in the order of names.
pub async fn sources_are_listed_by_name(subject: impl Subject) {
    let catalog = subject.catalog();
    for name in ["c", "a", "b"] {
        catalog.put_source(&page(name), at(0)).await.unwrap();
    }
    let names: Vec<_> = catalog.sources().await.unwrap().into_iter().map(|record| record.settings.name).collect();
    assert_eq!(names, ["a", "b", "c"].map(source));
}

/// Nothing is made by speaking of a source that is not there.
pub async fn an_unknown_source_is_no_error(subject: impl Subject) {
    let (nobody, catalog) = (source("nobody"), subject.catalog());
    assert!(!catalog.set_paused(&nobody, true).await.unwrap());
    assert!(!catalog.set_declared(&nobody, true).await.unwrap());
    assert!(!catalog.set_removing(&nobody, Remains::Keep).await.unwrap());
    assert!(!catalog.record_visit(&nobody, &visit(at(1), true)).await.unwrap());
    assert!(!catalog.plan_visit(&nobody, None, "", &json!(null)).await.unwrap());
    assert!(!catalog.remove_source(&nobody).await.unwrap());
    catalog.remember_urls(&nobody, vec![memory("https://a/", "1")]).await.unwrap();
    catalog.forget_urls(&nobody, &["https://a/".to_owned()]).await.unwrap();
    assert!(catalog.url_memory(&nobody).await.unwrap().is_empty());
    assert!(catalog.sources().await.unwrap().is_empty());
}

/// Addresses are remembered by source, the last word about each, and forgotten one by one or with their source.
pub async fn addresses_are_remembered_and_forgotten(subject: impl Subject) {
    let (name, catalog) = (source("blog"), subject.catalog());
    catalog.put_source(&page("blog"), at(0)).await.unwrap();
    catalog.put_source(&page("other"), at(0)).await.unwrap();
    catalog.remember_urls(&name, vec![memory("https://a/", "1"), memory("https://b/", "1")]).await.unwrap();
    catalog.remember_urls(&source("other"), vec![memory("https://a/", "other")]).await.unwrap();
    let bare = UrlMemory { url: "https://a/".to_owned(), validators: Validators::default(), body_hash: None };
    catalog.remember_urls(&name, vec![bare.clone()]).await.unwrap();
    assert_eq!(catalog.url_memory(&name).await.unwrap(), [bare, memory("https://b/", "1")]);
    catalog.forget_urls(&name, &["https://b/".to_owned(), "https://never/".to_owned()]).await.unwrap();
    assert_eq!(catalog.url_memory(&name).await.unwrap().len(), 1);

    let many = (0..2 * limits::URL_MEMORY_BATCH_MAX + 1).map(|number| memory(&format!("https://{number:06}/"), "1"));
    catalog.remember_urls(&name, many.collect()).await.unwrap();
    assert_eq!(catalog.url_memory(&name).await.unwrap().len(), 2 * limits::URL_MEMORY_BATCH_MAX + 2);
    assert!(catalog.remove_source(&name).await.unwrap());
    assert!(catalog.url_memory(&name).await.unwrap().is_empty());
    assert_eq!(catalog.url_memory(&source("other")).await.unwrap().len(), 1);
    // A source that is added again begins anew.
    catalog.put_source(&page("blog"), at(99)).await.unwrap();
    assert!(catalog.url_memory(&name).await.unwrap().is_empty());
}

/// Documents are counted by source and state, whether the source was ever put or not.
pub async fn documents_are_counted_by_state(subject: impl Subject) {
    let catalog = subject.catalog();
    for write in [put_of("a", "blog"), put_of("b", "blog"), put_of("c", "push")] {
        accept(catalog, write).await;
    }
    publish_all(catalog).await;
    accept(catalog, put_of("d", "blog")).await;
    accept(catalog, delete_of("b", source("blog"))).await;
    let counts = catalog.document_counts().await.unwrap();
    assert_eq!(counts[&source("blog")], [("pending".to_owned(), 1), ("published".to_owned(), 1)].into());
    assert_eq!(counts[&SourceName::push()], [("published".to_owned(), 1)].into());
    assert_eq!(counts.len(), 2);
}

/// What a removed source leaves behind may be changed by anybody, and is taken up by a source of its name.
pub async fn documents_of_a_removed_source_belong_to_nobody(subject: impl Subject) {
    let (name, catalog) = (source("blog"), subject.catalog());
    catalog.put_source(&page("blog"), at(0)).await.unwrap();
    for key in ["a", "b", "c", "d"] {
        accept(catalog, put_of(key, "blog")).await;
    }
    let refused = catalog.accept(vec![delete_of("a", SourceName::push())]).await.unwrap().remove(0);
    assert_eq!(refused, Err(Refusal::OwnedBySource(name.clone())));
    assert!(catalog.remove_source(&name).await.unwrap());

    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(accept(catalog, delete_of("a", SourceName::push())).await.outcome, Outcome::Deleted);
    let mut other = draft("b", "something else");
    other.source = SourceName::push();
    assert_eq!(accept(catalog, Write::Put(other)).await.outcome, Outcome::Updated);
    assert_eq!(accept(catalog, put_of("c", "push")).await.outcome, Outcome::Unchanged, "and it is the pusher's now");
    for taken in ["b", "c"] {
        let refused = catalog.accept(vec![put_of(taken, "blog")]).await.unwrap().remove(0);
        assert_eq!(refused, Err(Refusal::OwnedBySource(SourceName::push())), "{taken}");
    }

    catalog.put_source(&page("blog"), at(1)).await.unwrap();
    let refused = catalog.accept(vec![delete_of("d", SourceName::push())]).await.unwrap().remove(0);
    assert_eq!(refused, Err(Refusal::OwnedBySource(name.clone())));
    assert_eq!(accept(catalog, put_of("d", "blog")).await.outcome, Outcome::Unchanged);
    let items = catalog.source_items(&name).await.unwrap();
    assert_eq!(items.into_iter().map(|(_, key, _)| key).collect::<Vec<_>>(), [key("d")]);
}

/// Keys below a source's name are that source's to give, in the collection that it fills.
pub async fn what_is_pushed_takes_no_key_of_a_source(subject: impl Subject) {
    let catalog = subject.catalog();
    assert_eq!(accept(catalog, put_of("blog/before", "push")).await.outcome, Outcome::Created);
    catalog.put_source(&page("blog"), at(0)).await.unwrap();
    let refused = Err(Refusal::KeyOfSource(source("blog")));
    let one = async |write| catalog.accept(vec![write]).await.unwrap().remove(0);
    assert_eq!(one(put_of("blog/a", "push")).await, refused);
    accept(catalog, put_of("blog/a", "blog")).await;
    assert_eq!(one(put_of("blog/a", "push")).await, Err(Refusal::OwnedBySource(source("blog"))));
    accept(catalog, delete_of("blog/a", source("blog"))).await;
    assert_eq!(one(put_of("blog/a", "push")).await, refused, "a key that was freed is still the source's");
    for free in ["blog", "blogs/a", "Blog/a", "a/blog/b"] {
        assert_eq!(one(put_of(free, "push")).await.unwrap().outcome, Outcome::Created, "{free}");
    }
    let Write::Put(mut elsewhere) = put_of("blog/a", "push") else { panic!("a put") };
    elsewhere.collection = "other".parse().unwrap();
    assert_eq!(one(Write::Put(elsewhere)).await.unwrap().outcome, Outcome::Created);

    // What was there before the source is its sender's until it is deleted, and then the source's.
    let mut changed = draft("blog/before", "said anew");
    changed.source = SourceName::push();
    assert_eq!(one(Write::Put(changed)).await.unwrap().outcome, Outcome::Updated);
    assert_eq!(one(delete_of("blog/before", SourceName::push())).await.unwrap().outcome, Outcome::Deleted);
    assert_eq!(one(put_of("blog/before", "push")).await, refused);
    assert_eq!(one(put_of("blog/before", "blog")).await.unwrap().outcome, Outcome::Created);

    assert!(catalog.remove_source(&source("blog")).await.unwrap());
    assert_eq!(one(put_of("blog/b", "push")).await.unwrap().outcome, Outcome::Created);
}

/// Writes one test for each case, in a module named `$name`, over subjects that `$fresh().await` makes.
#[macro_export]
macro_rules! sources_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::sources;

            $crate::sources_conformance!(@cases $fresh,
                a_source_survives_a_restart,
                new_settings_leave_what_is_known,
                sources_are_listed_by_name,
                an_unknown_source_is_no_error,
                addresses_are_remembered_and_forgotten,
                documents_are_counted_by_state,
                documents_of_a_removed_source_belong_to_nobody,
                what_is_pushed_takes_no_key_of_a_source);
        }
    };
    (@cases $fresh:path, $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                sources::$case($fresh().await).await;
            }
        )+
    };
}
