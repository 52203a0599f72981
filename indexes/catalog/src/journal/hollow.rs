//! How is a version taken in that has no content?
//!
//! Invariants:
//! - It ends where it begins: nothing is claimed, parsed or embedded for it.
//! - Saying the same again writes nothing.

use std::collections::HashMap;

use wellspring_core::catalog::{Accepted, Outcome, Refusal, Sequence, Stage};
use wellspring_core::document::{CollectionName, ContentHash, DocumentId, DocumentKey, MediaType, Revision};
use wellspring_core::source::SourceName;

use super::{Answer, Entry, Head, Nothing, Says, delete};

/// What there is to say of an item without content.
pub(super) struct Hollow {
    pub(super) document: DocumentId,
    pub(super) content_hash: Option<ContentHash>,
    pub(super) collection: CollectionName,
    pub(super) key: DocumentKey,
    pub(super) source: SourceName,
    pub(super) reason: String,
    pub(super) media_type: Option<MediaType>,
}

/// What is pending of the document goes its way: it may be the last version that can be read.
pub(super) fn mark_unread(
    heads: &mut HashMap<DocumentId, Head>,
    entries: &mut Vec<Entry>,
    last: &mut Sequence,
    hollow: Hollow,
) -> Answer {
    let Some(head) = heads.get_mut(&hollow.document).filter(|head| !head.deleted) else {
        if hollow.media_type.is_some() {
            return Ok(begin_hollow(heads, entries, last, hollow, ("failed", Some(Stage::Receive)), None));
        }
        let Hollow { document, key, .. } = hollow;
        let revision = heads.get(&document).map_or(Revision(0), |head| head.revision);
        return Ok(Accepted { key, document, revision, sequence: None, outcome: Outcome::Absent });
    };
    if head.belongs_to_another_than(&hollow.source) {
        return Err(Refusal::OwnedBySource(head.source.clone()));
    }
    let Hollow { document, content_hash, key, reason, .. } = hollow;
    let is_known = head.state == "failed" && head.content_hash == content_hash;
    if !is_known {
        last.0 += 1;
        head.revision = Revision(head.revision.0 + 1);
        head.sequence = *last;
        head.state = "failed".to_owned();
        head.content_hash = content_hash;
        head.fingerprint = None;
        head.changed = true;
        let says = Nothing { state: "failed", stage: Some(Stage::Receive), reason, media_type: None };
        entries.push(Entry { sequence: *last, document, revision: head.revision, says: Says::Nothing(says) });
    }
    let outcome = if is_known { Outcome::Unchanged } else { Outcome::Updated };
    Ok(Accepted { key, document, revision: head.revision, sequence: Some(head.sequence), outcome })
}

/// What was there before goes as by a deletion: readers never see it beside the new state, and the views are cleared.
pub(super) fn pass_over(
    heads: &mut HashMap<DocumentId, Head>,
    entries: &mut Vec<Entry>,
    last: &mut Sequence,
    hollow: Hollow,
    fingerprint: Option<String>,
) -> Answer {
    if let Some(head) = heads.get_mut(&hollow.document).filter(|head| !head.deleted) {
        if head.belongs_to_another_than(&hollow.source) {
            return Err(Refusal::OwnedBySource(head.source.clone()));
        }
        if head.state == "skipped" && head.content_hash == hollow.content_hash {
            head.changed |= head.fingerprint != fingerprint;
            head.fingerprint = fingerprint;
            let Hollow { document, key, .. } = hollow;
            let (revision, sequence, outcome) = (head.revision, Some(head.sequence), Outcome::Unchanged);
            return Ok(Accepted { key, document, revision, sequence, outcome });
        }
        delete(heads, entries, last, hollow.document, hollow.key.clone(), hollow.source.clone())?;
    }
    Ok(begin_hollow(heads, entries, last, hollow, ("skipped", None), fingerprint))
}

/// Begins a document whose first version has no content.
fn begin_hollow(
    heads: &mut HashMap<DocumentId, Head>,
    entries: &mut Vec<Entry>,
    last: &mut Sequence,
    hollow: Hollow,
    (state, stage): (&'static str, Option<Stage>),
    fingerprint: Option<String>,
) -> Accepted {
    let Hollow { document, content_hash, collection, key, source, reason, media_type } = hollow;
    let before = heads.remove(&document);
    last.0 += 1;
    let revision = Revision(before.as_ref().map_or(0, |head| head.revision.0) + 1);
    let was_here = before.as_ref().is_some_and(|head| head.deletion.is_some());
    let head = Head {
        collection,
        key: key.clone(),
        source,
        revision,
        sequence: *last,
        state: state.to_owned(),
        content_hash,
        fingerprint,
        deleted: false,
        ownerless: false,
        deletion: before.and_then(|head| head.deletion),
        changed: true,
    };
    heads.insert(document, head);
    let says = Says::Nothing(Nothing { state, stage, reason, media_type });
    entries.push(Entry { sequence: *last, document, revision, says });
    let outcome = if was_here { Outcome::Updated } else { Outcome::Created };
    Accepted { key, document, revision, sequence: Some(*last), outcome }
}
