//! What does the store on the disk remember of endpoints, and of subscriptions?
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

use jiff::Timestamp;
use wellspring_catalog::SqliteCatalog;
use wellspring_core::trace::EventKind;
use wellspring_core::webhook::{
    WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookSettings, WebhookStore,
};
use wellspring_core::websub::{
    SubscriptionProgress, SubscriptionRecord, SubscriptionSettings, SubscriptionState, SubscriptionStore, Unguessable,
};

fn record(number: u8) -> WebhookRecord {
    WebhookRecord {
        id: WebhookId::from_bytes([number; 8]),
        settings: WebhookSettings {
            url: format!("https://example.org/{number}"),
            states: vec![EventKind::Searchable, EventKind::Deleted],
            collection: Some("notes".parse().unwrap()),
            private_hosts: vec!["10.0.0.7".into()],
        },
        secret: WebhookSecret::from_bytes([number; 32]),
        former: None,
        added_at: Timestamp::from_second(i64::from(number)).unwrap(),
        progress: WebhookProgress { cursor: 4, ..WebhookProgress::default() },
    }
}

#[tokio::test]
async fn an_endpoint_and_its_cursor_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    assert!(catalog.webhooks().await.unwrap().is_empty());
    for number in [2, 1] {
        catalog.put_webhook(&record(number)).await.unwrap();
    }
    let mut first = record(1);
    first.progress = WebhookProgress {
        cursor: 9,
        delivered_event: Some(8),
        delivered_at: Some(Timestamp::UNIX_EPOCH),
        attempts: 3,
        failing_since: Some(Timestamp::UNIX_EPOCH),
        last_error: Some("it answered 500".into()),
        next_attempt_at: Some(Timestamp::UNIX_EPOCH),
        disabled: Some("gone".into()),
    };
    assert!(catalog.record_progress(&first.id, &first.progress).await.unwrap());
    catalog.close().await;
    drop(catalog);
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    assert_eq!(catalog.webhooks().await.unwrap(), [first.clone(), record(2)], "by the time of their addition");
    assert!(catalog.remove_webhook(&first.id).await.unwrap());
    assert!(!catalog.remove_webhook(&first.id).await.unwrap());
    assert!(!catalog.record_progress(&first.id, &first.progress).await.unwrap(), "a removed one does not come back");
    assert_eq!(catalog.webhooks().await.unwrap(), [record(2)]);
}

#[tokio::test]
async fn an_identity_is_taken_once() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    catalog.put_webhook(&record(1)).await.unwrap();
    assert!(catalog.put_webhook(&record(1)).await.is_err());
}

#[tokio::test]
async fn a_subscription_survives_a_restart_and_outlives_its_source() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    let mut record = SubscriptionRecord {
        token: Unguessable::from_bytes([1; 32]),
        source: "blog".parse().unwrap(),
        settings: SubscriptionSettings {
            hub: "https://hub.example/".into(),
            topic: "https://blog.example/feed".into(),
            callback: "https://we.example/v1/websub/01".into(),
            private_hosts: vec!["hub.example".into()],
        },
        secret: Unguessable::from_bytes([2; 32]),
        progress: SubscriptionProgress {
            state: SubscriptionState::Asked,
            lease_until: None,
            attempts: 0,
            asked_at: None,
            next_attempt_at: Some(Timestamp::UNIX_EPOCH),
            last_error: None,
        },
    };
    catalog.put_subscription(&record).await.unwrap();
    record.progress.state = SubscriptionState::Active;
    record.progress.lease_until = Some(Timestamp::UNIX_EPOCH);
    catalog.put_subscription(&record).await.unwrap();
    catalog.close().await;
    drop(catalog);
    let catalog = SqliteCatalog::open(directory.path()).await.unwrap();
    assert_eq!(catalog.subscriptions().await.unwrap(), [record.clone()]);
    assert!(catalog.remove_subscription(&record.token).await.unwrap());
    assert!(!catalog.remove_subscription(&record.token).await.unwrap());
    assert!(catalog.subscriptions().await.unwrap().is_empty());
}
