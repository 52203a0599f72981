//! Does a catalog keep who is told what happens, how far, and who tells us, as the contract says?
//!
//! A test of an implementation is one line: `hooks_conformance!(name, fresh)`, with the subjects of the catalog's suite.

use jiff::Timestamp;
use serde_json::json;
use wellspring_core::webhook::{FormerSecret, WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookStore};
use wellspring_core::websub::{
    SubscriptionProgress, SubscriptionRecord, SubscriptionSettings, SubscriptionState, SubscriptionStore, Unguessable,
};

use super::catalog::Subject;

fn webhook(number: u8, added_at: i64) -> WebhookRecord {
    let settings = json!({ "url": format!("https://{number}.example/"), "states": ["searchable"] });
    WebhookRecord {
        id: WebhookId::from_bytes([number; 8]),
        settings: serde_json::from_value(settings).expect("the cases use valid settings"),
        secret: WebhookSecret::from_bytes([number; 32]),
        former: None,
        added_at: Timestamp::from_second(added_at).expect("the cases use times that exist"),
        progress: WebhookProgress { cursor: 3, ..WebhookProgress::default() },
    }
}

/// What was said of an endpoint, and how far it was told, is there after the catalog ended without ceremony.
pub async fn a_webhook_survives_a_restart(subject: impl Subject) {
    let catalog = subject.catalog();
    for record in [webhook(1, 20), webhook(2, 10)] {
        catalog.put_webhook(&record).await.unwrap();
    }
    let progress = WebhookProgress {
        cursor: 7,
        delivered_event: Some(6),
        last_error: Some("it answered 500".to_owned()),
        attempts: 2,
        ..WebhookProgress::default()
    };
    assert!(catalog.record_progress(&webhook(1, 20).id, &progress).await.unwrap());
    let subject = subject.reopen().await;
    let expected = [webhook(2, 10), WebhookRecord { progress, ..webhook(1, 20) }];
    assert_eq!(subject.catalog().webhooks().await.unwrap(), expected, "by the time at which they were added");
}

/// A secret is replaced together with the one that signs beside it, and both are there after a restart.
pub async fn a_replaced_secret_survives_a_restart(subject: impl Subject) {
    let (catalog, record) = (subject.catalog(), webhook(1, 0));
    let secret = |number: u8| WebhookSecret::from_bytes([number; 32]);
    assert!(!catalog.replace_secret(&record.id, &secret(7), None).await.unwrap(), "there is no such webhook");
    catalog.put_webhook(&record).await.unwrap();
    let former = FormerSecret { secret: record.secret.clone(), until: Timestamp::from_second(9).unwrap() };
    assert!(catalog.replace_secret(&record.id, &secret(7), Some(&former)).await.unwrap());
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    let rotated = WebhookRecord { secret: secret(7), former: Some(former), ..record };
    assert_eq!(catalog.webhooks().await.unwrap(), std::slice::from_ref(&rotated));
    catalog.record_progress(&rotated.id, &rotated.progress).await.unwrap();
    assert_eq!(catalog.webhooks().await.unwrap(), std::slice::from_ref(&rotated), "progress leaves secrets alone");
    assert!(catalog.replace_secret(&rotated.id, &secret(8), None).await.unwrap());
    assert_eq!(catalog.webhooks().await.unwrap()[0].former, None);
    // One that is put with two secrets has both.
    let other = WebhookRecord { id: WebhookId::from_bytes([2; 8]), ..rotated };
    catalog.put_webhook(&other).await.unwrap();
    assert!(catalog.webhooks().await.unwrap().contains(&other));
}

/// What was removed does not come back by a task that still writes.
pub async fn a_removed_webhook_stays_removed(subject: impl Subject) {
    let (catalog, record) = (subject.catalog(), webhook(1, 0));
    assert!(!catalog.remove_webhook(&record.id).await.unwrap());
    catalog.put_webhook(&record).await.unwrap();
    assert!(catalog.remove_webhook(&record.id).await.unwrap());
    assert!(!catalog.record_progress(&record.id, &record.progress).await.unwrap());
    assert!(catalog.webhooks().await.unwrap().is_empty());
}

fn subscription(number: u8, source: &str, state: SubscriptionState) -> SubscriptionRecord {
    SubscriptionRecord {
        token: Unguessable::from_bytes([number; 32]),
        source: source.parse().expect("the cases use valid names"),
        settings: SubscriptionSettings {
            hub: "https://hub.example/".to_owned(),
            topic: format!("https://{source}.example/feed"),
            callback: format!("https://we.example/{number}"),
            private_hosts: vec!["hub.example".to_owned()],
        },
        secret: Unguessable::from_bytes([number + 100; 32]),
        progress: SubscriptionProgress {
            state,
            lease_until: Some(Timestamp::UNIX_EPOCH),
            attempts: 1,
            asked_at: Some(Timestamp::UNIX_EPOCH),
            next_attempt_at: None,
            last_error: Some("the hub answered 500".to_owned()),
        },
    }
}

/// A subscription is replaced by its token, survives a restart, needs no source, and is forgotten for good.
pub async fn a_subscription_survives_a_restart_without_its_source(subject: impl Subject) {
    let asked = subscription(1, "b", SubscriptionState::Asked);
    let active = subscription(1, "b", SubscriptionState::Active);
    let ending = subscription(2, "a", SubscriptionState::Ending);
    for record in [&asked, &ending, &active] {
        subject.catalog().put_subscription(record).await.unwrap();
    }
    let subject = subject.reopen().await;
    let catalog = subject.catalog();
    assert_eq!(catalog.subscriptions().await.unwrap(), [ending.clone(), active], "by source");
    assert!(catalog.remove_subscription(&ending.token).await.unwrap());
    assert!(!catalog.remove_subscription(&ending.token).await.unwrap());
    assert_eq!(catalog.subscriptions().await.unwrap().len(), 1);
}

/// Writes one test for each case, in a module named `$name`, over subjects that `$fresh().await` makes.
#[macro_export]
macro_rules! hooks_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::hooks;

            $crate::hooks_conformance!(@cases $fresh,
                a_webhook_survives_a_restart,
                a_removed_webhook_stays_removed,
                a_replaced_secret_survives_a_restart,
                a_subscription_survives_a_restart_without_its_source);
        }
    };
    (@cases $fresh:path, $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                hooks::$case($fresh().await).await;
            }
        )+
    };
}
