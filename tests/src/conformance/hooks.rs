//! Does a catalog keep who is told what happens, and how far, as the contract says?
//!
//! A test of an implementation is one line: `hooks_conformance!(name, fresh)`, with the subjects of the catalog's suite.

use jiff::Timestamp;
use serde_json::json;
use wellspring_core::webhook::{WebhookId, WebhookProgress, WebhookRecord, WebhookSecret, WebhookStore};

use super::catalog::Subject;

fn webhook(number: u8, added_at: i64) -> WebhookRecord {
    let settings = json!({ "url": format!("https://{number}.example/"), "states": ["searchable"] });
    WebhookRecord {
        id: WebhookId::from_bytes([number; 8]),
        settings: serde_json::from_value(settings).expect("the cases use valid settings"),
        secret: WebhookSecret::from_bytes([number; 32]),
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

/// What was removed does not come back by a task that still writes.
pub async fn a_removed_webhook_stays_removed(subject: impl Subject) {
    let (catalog, record) = (subject.catalog(), webhook(1, 0));
    assert!(!catalog.remove_webhook(&record.id).await.unwrap());
    catalog.put_webhook(&record).await.unwrap();
    assert!(catalog.remove_webhook(&record.id).await.unwrap());
    assert!(!catalog.record_progress(&record.id, &record.progress).await.unwrap());
    assert!(catalog.webhooks().await.unwrap().is_empty());
}

/// Writes one test for each case, in a module named `$name`, over subjects that `$fresh().await` makes.
#[macro_export]
macro_rules! hooks_conformance {
    ($name:ident, $fresh:path) => {
        mod $name {
            use $crate::conformance::hooks;

            $crate::hooks_conformance!(@cases $fresh,
                a_webhook_survives_a_restart,
                a_removed_webhook_stays_removed);
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
