//! What does BM25 count when chunks come and go?
//!
//! An index on its own counts deleted chunks until their segment is merged: a word that many deleted chunks had would
//! seem common, and the same documents would rank differently by the way they came to be what they are.
//!
//! Invariants:
//! - Only live chunks are counted, so that scores depend on what the collection says and not on its history.
//! - Lengths are summed as the index keeps them, rounded, for every segment alike: a merge changes no sum.
//! - Segments without deletions answer from their dictionary; the others walk one term's postings.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tantivy::index::SegmentId;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::{Field, IndexRecordOption, Term};
use tantivy::{DocSet, Searcher, SegmentReader, TERMINATED};

/// A field's length in one state of one segment.
type LengthKey = (SegmentId, u32, u32);

/// Lengths that were summed before. Held by the index, as a sum reads every chunk of its segment.
#[derive(Debug, Default)]
pub(crate) struct Lengths(Mutex<HashMap<LengthKey, u64>>);

impl Lengths {
    /// The statistics of what `searcher` sees. Sums of segments that it no longer has are forgotten.
    pub(crate) fn of<'a>(&'a self, searcher: &'a Searcher) -> LiveStatistics<'a> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let live: HashMap<SegmentId, u32> = searcher
            .segment_readers()
            .iter()
            .map(|segment| (segment.segment_id(), segment.num_deleted_docs()))
            .collect();
        sums.retain(|(segment, deleted, _), _| live.get(segment) == Some(deleted));
        drop(sums);
        LiveStatistics { searcher, lengths: self }
    }

    fn of_segment(&self, segment: &SegmentReader, field: Field) -> tantivy::Result<u64> {
        let key = (segment.segment_id(), segment.num_deleted_docs(), field.field_id());
        if let Some(sum) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(*sum);
        }
        let norms = segment.get_fieldnorms_reader(field)?;
        let sum = segment.doc_ids_alive().map(|chunk| u64::from(norms.fieldnorm(chunk))).sum();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, sum);
        Ok(sum)
    }
}

/// Statistics over live chunks alone.
pub(crate) struct LiveStatistics<'a> {
    searcher: &'a Searcher,
    lengths: &'a Lengths,
}

impl Bm25StatisticsProvider for LiveStatistics<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        self.searcher.segment_readers().iter().map(|segment| self.lengths.of_segment(segment, field)).sum()
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.searcher.num_docs())
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.searcher.segment_readers().iter().map(|segment| live_doc_freq(segment, term)).sum()
    }
}

impl LiveStatistics<'_> {
    /// Whether any live chunk has a term.
    pub(crate) fn has_live(&self, term: &Term) -> tantivy::Result<bool> {
        for segment in self.searcher.segment_readers() {
            if has_live(segment, term)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether any live chunk of a segment has a term; looks no further than the first.
fn has_live(segment: &SegmentReader, term: &Term) -> tantivy::Result<bool> {
    let index = segment.inverted_index(term.field())?;
    let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? else {
        return Ok(false);
    };
    let mut chunk = postings.doc();
    while chunk != TERMINATED && segment.alive_bitset().is_some_and(|alive| !alive.is_alive(chunk)) {
        chunk = postings.advance();
    }
    Ok(chunk != TERMINATED)
}

/// How many live chunks of a segment have a term.
fn live_doc_freq(segment: &SegmentReader, term: &Term) -> tantivy::Result<u64> {
    let index = segment.inverted_index(term.field())?;
    let Some(alive) = segment.alive_bitset() else {
        return Ok(u64::from(index.doc_freq(term)?));
    };
    let Some(mut postings) = index.read_postings(term, IndexRecordOption::Basic)? else {
        return Ok(0);
    };
    let mut live = 0;
    let mut chunk = postings.doc();
    while chunk != TERMINATED {
        live += u64::from(alive.is_alive(chunk));
        chunk = postings.advance();
    }
    Ok(live)
}
