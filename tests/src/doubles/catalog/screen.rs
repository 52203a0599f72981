//! Remembering what was screened, in memory.

use async_trait::async_trait;
use wellspring_core::catalog::{CatalogError, EntryState};
use wellspring_core::document::{CollectionName, DocumentId, DocumentKey, Revision};
use wellspring_core::limits;
use wellspring_core::screen::{Findings, Inquiry, Original, Record, SignatureStore};

use super::{MemoryCatalog, State};

#[async_trait]
impl SignatureStore for MemoryCatalog {
    async fn look_up(&self, inquiries: Vec<Inquiry>) -> Result<Vec<Findings>, CatalogError> {
        let state = self.state();
        Ok(inquiries.iter().map(|inquiry| state.findings(inquiry)).collect())
    }

    async fn record(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        let mut state = self.state();
        records.into_iter().for_each(|record| state.keep(record));
        Ok(())
    }

    async fn readmit(&self, collection: &CollectionName, key: Option<&DocumentKey>) -> Result<u64, CatalogError> {
        let mut state = self.state();
        let wanted: Vec<DocumentId> = state
            .documents
            .iter()
            .filter(|(_, document)| !document.deleted && document.collection == *collection)
            .filter(|(_, document)| key.is_none_or(|key| document.key == *key))
            .map(|(id, _)| *id)
            .collect();
        Ok(wanted.into_iter().map(|id| u64::from(state.reopen(id))).sum())
    }
}

/// Whether a record is found by others, and counts.
fn is_original(record: &Record) -> bool {
    record.original.is_none() && !record.dropped
}

impl State {
    fn findings(&self, inquiry: &Inquiry) -> Findings {
        let others =
            || self.screened.iter().filter(|record| record.document != inquiry.document && is_original(record));
        let count = |block: &u64| others().filter(|record| record.blocks.contains(block)).count() as u64;
        let shared = |record: &Record| record.bands.iter().filter(|band| inquiry.bands.contains(band)).count();
        let mut near: Vec<&Record> = others()
            .filter(|record| shared(record) > 0)
            .filter(|record| {
                let document = &self.documents[&record.document];
                !document.deleted && Some(record.revision) >= document.published
            })
            .collect();
        near.sort_by_key(|record| (std::cmp::Reverse(shared(record)), record.document));
        near.truncate(limits::SCREEN_CANDIDATES_MAX);
        let originals = near.into_iter().map(|record| Original {
            document: record.document,
            key: self.documents[&record.document].key.clone(),
            signature: record.signature.clone(),
        });
        let admitted = inquiry.arrival.map_or((0, 0), |arrival| {
            let of = |stratum: Option<u64>| {
                let counted = self.arrivals.iter().filter(|counted| {
                    counted.scope == arrival.scope
                        && counted.hour == arrival.hour
                        && stratum.is_none_or(|stratum| counted.stratum == stratum)
                });
                counted.count() as u64
            };
            (of(None), of(Some(arrival.stratum)))
        });
        Findings {
            originals: originals.collect(),
            block_documents: inquiry.blocks.iter().map(count).collect(),
            source_documents: count(&inquiry.scope),
            admitted,
        }
    }

    fn keep(&mut self, record: Record) {
        assert!(self.documents.contains_key(&record.document), "only a document that was accepted is screened");
        assert_ne!(record.original, Some(record.document), "no document is a copy of itself");
        self.arrivals.extend(record.arrival);
        let before = self.take_record(record.document).filter(is_original);
        let same = is_original(&record)
            && before.as_ref().is_some_and(|before| before.signature.digest == record.signature.digest);
        let document = record.document;
        self.screened.push(record);
        if before.is_some() && !same {
            self.release_copies(document);
        }
    }

    fn take_record(&mut self, document: DocumentId) -> Option<Record> {
        let place = self.screened.iter().position(|record| record.document == document)?;
        Some(self.screened.remove(place))
    }

    /// After a document is no original any more.
    fn release_copies(&mut self, original: DocumentId) {
        let of_it = |record: &&mut Record| record.original == Some(original);
        let dropped: Vec<DocumentId> = self
            .screened
            .iter_mut()
            .filter(of_it)
            .filter(|record| record.dropped)
            .map(|record| record.document)
            .collect();
        for copy in dropped {
            self.reopen(copy);
        }
        let mut heir = None;
        for record in self.screened.iter_mut().filter(of_it).filter(|record| !record.dropped) {
            record.original = heir;
            heir = heir.or(Some(record.document));
        }
    }

    /// Puts a skipped document back to pending; whether it was one.
    fn reopen(&mut self, document: DocumentId) -> bool {
        let head = &self.documents[&document];
        let (newest, kept) = (head.newest, head.revisions.get(&head.revision).is_some_and(|stored| !stored.hollow));
        let entry = self.journal.get_mut(&newest).expect("a document has its newest entry");
        let skipped = kept && matches!(entry.state, EntryState::Skipped { .. });
        if skipped {
            entry.state = EntryState::Pending;
        }
        skipped
    }

    /// Forgets what was screened of a document where its revision is gone or came to nothing.
    pub(super) fn forget_screened(&mut self, document: DocumentId, gone: impl Fn(Revision) -> bool) {
        if self.screened.iter().any(|record| record.document == document && gone(record.revision)) {
            self.take_record(document);
            self.release_copies(document);
        }
    }

    /// Reopens a document that was just skipped for the sake of one that went meanwhile.
    pub(super) fn reopen_orphan(&mut self, document: DocumentId) {
        let copy = self.screened.iter().find(|record| record.document == document && record.dropped);
        let Some(original) = copy.and_then(|copy| copy.original) else { return };
        let there = self.screened.iter().any(|record| record.document == original && is_original(record));
        if !there || self.documents[&original].deleted {
            self.reopen(document);
        }
    }
}
