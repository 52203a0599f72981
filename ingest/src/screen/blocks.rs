//! Which paragraphs of a document may stand in many others?
//!
//! Invariants:
//! - Headings are never boilerplate: they say what stands below them.
//! - A paragraph counts once in a document, however often it stands there.

use std::collections::HashMap;

use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::source::SourceName;

use super::minhash::hash;
use super::normalise::level;
use crate::parse::{BlockKind, Parsed};

/// A source in its collection, as a hash that all its documents share.
pub(super) fn scope(collection: &CollectionName, source: &SourceName) -> u64 {
    hash("wellspring screening scope 1", &[collection.as_str().as_bytes(), source.as_str().as_bytes()])
}

/// The paragraphs of a document within a source, each with its places among the blocks; of very many the first and
/// the last ones, where headers and footers are.
pub(super) fn paragraphs(scope: u64, parsed: &Parsed) -> Vec<(u64, Vec<usize>)> {
    let places: Vec<usize> = (0..parsed.blocks.len())
        .filter(|place| !matches!(parsed.blocks[*place].kind, BlockKind::Heading { .. }))
        .collect();
    let half = limits::SCREEN_BLOCKS_MAX / 2;
    let left_out = if places.len() > 2 * half { half..places.len() - half } else { 0..0 };
    let mut found: Vec<(u64, Vec<usize>)> = Vec::new();
    let mut known: HashMap<u64, usize> = HashMap::new();
    for (index, place) in places.into_iter().enumerate() {
        if left_out.contains(&index) {
            continue;
        }
        let levelled = level(&parsed.text[parsed.blocks[place].range.clone()]);
        let block = hash("wellspring screening block 1", &[&scope.to_le_bytes(), levelled.as_bytes()]);
        let at = *known.entry(block).or_insert(found.len());
        match found.get_mut(at) {
            Some((_, places)) => places.push(place),
            None => found.push((block, vec![place])),
        }
    }
    found
}
