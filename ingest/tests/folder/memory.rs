//! A journal in memory, which also remembers every write in order.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use wellspring_core::catalog::{Accepted, CatalogError, Journal, Outcome, Refusal, Retried, Sequence, Write};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::limits;
use wellspring_core::push::{Push, Pushed};
use wellspring_core::source::SourceName;
use wellspring_ingest::source::Accept;

pub(crate) type Stored = (Vec<u8>, Option<String>);

/// A journal in memory, which also remembers every write in order.
#[derive(Default)]
pub(crate) struct Memory {
    /// Content and fingerprint by key.
    pub(crate) documents: Mutex<BTreeMap<String, Stored>>,
    /// What was passed over, with its fingerprint.
    pub(crate) passed: Mutex<BTreeMap<String, Option<String>>>,
    pub(crate) writes: Mutex<Vec<String>>,
    pub(crate) batches: Mutex<Vec<usize>>,
}

#[async_trait]
impl Accept for Memory {
    async fn accept(&self, writes: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        assert!(writes.len() <= limits::ACCEPT_BATCH_DOCUMENTS_MAX);
        self.batches.lock().unwrap().push(writes.len());
        Ok(writes.into_iter().map(|write| self.accept_one(write)).collect())
    }
}

impl Memory {
    fn accept_one(&self, write: Write) -> Result<Accepted, Refusal> {
        let mut documents = self.documents.lock().unwrap();
        let (collection, key, line, outcome) = match write {
            Write::Put(draft) if draft.key.as_str().ends_with("owned.md") => {
                return Err(Refusal::OwnedBySource(SourceName::push()));
            }
            Write::Put(draft) => {
                self.passed.lock().unwrap().remove(draft.key.as_str());
                documents.insert(draft.key.to_string(), (draft.content, draft.fingerprint));
                (draft.collection, draft.key.clone(), format!("put {}", draft.key), Outcome::Created)
            }
            Write::Delete { collection, key, .. } => {
                documents.remove(key.as_str());
                self.passed.lock().unwrap().remove(key.as_str());
                (collection, key.clone(), format!("delete {key}"), Outcome::Deleted)
            }
            Write::Unread { collection, key, reason, .. } => {
                let before = documents.get_mut(key.as_str());
                let outcome = if before.is_some() { Outcome::Updated } else { Outcome::Absent };
                if let Some((_, fingerprint)) = before {
                    *fingerprint = None;
                }
                (collection, key.clone(), format!("unread {key}: {reason}"), outcome)
            }
            Write::PassOver { collection, key, reason, fingerprint, .. } => {
                if key.as_str().ends_with("owned-link.md") {
                    return Err(Refusal::OwnedBySource(SourceName::push()));
                }
                self.passed.lock().unwrap().insert(key.to_string(), fingerprint);
                documents.remove(key.as_str());
                (collection, key.clone(), format!("pass over {key}: {reason}"), Outcome::Created)
            }
        };
        self.writes.lock().unwrap().push(line);
        let document = DocumentId::of(&collection, &key);
        Ok(Accepted { key, document, revision: Revision(1), sequence: Some(Sequence(1)), outcome })
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.documents.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn content(&self, key: &str) -> Option<String> {
        let documents = self.documents.lock().unwrap();
        documents.get(key).map(|(content, _)| String::from_utf8_lossy(content).into_owned())
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        self.writes.lock().unwrap().clone()
    }
}

#[async_trait]
impl Journal for Memory {
    async fn accept(&self, _: Vec<Write>) -> Result<Vec<Result<Accepted, Refusal>>, CatalogError> {
        unreachable!("the source writes through the intake")
    }

    async fn push(&self, _: Push) -> Result<Pushed, CatalogError> {
        unreachable!("a source makes no conditions")
    }

    async fn retry(&self, _: &CollectionName, _: &DocumentKey) -> Result<Retried, CatalogError> {
        unreachable!("a source tries nothing again")
    }

    async fn source_items(
        &self,
        _: &SourceName,
    ) -> Result<Vec<(CollectionName, DocumentKey, Option<String>)>, CatalogError> {
        let documents = self.documents.lock().unwrap();
        let passed = self.passed.lock().unwrap();
        let read = documents.iter().map(|(key, (_, fingerprint))| (key, fingerprint));
        Ok(read
            .chain(passed.iter())
            .map(|(key, fingerprint)| (CollectionName::default(), key.parse().unwrap(), fingerprint.clone()))
            .collect())
    }
}
