//! Which chunks of a new revision must the views be told of?
//!
//! Invariants:
//! - A chunk is kept only when both views hold it durably, with the vector it needs: it is known as published, under
//!   the same embedding key (I-9). A chunk that an unfinished attempt staged is written again, since a view may lack it.
//! - Whatever is known and not in the new revision is removed, staged chunks included: nothing is orphaned.

use std::collections::HashMap;

use wellspring_core::catalog::KnownChunk;
use wellspring_core::chunk::{Chunk, ChunkId};

/// What separates a new revision from what the views may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkDiff {
    /// The chunks to insert or replace, as places in the new revision's list, rising.
    pub upsert: Vec<usize>,
    /// How many chunks stay as they are.
    pub kept: usize,
    /// The chunks to forget.
    pub removed: Vec<ChunkId>,
}

/// Compares the chunks of a new revision with those known of its document.
pub fn diff(known: &[KnownChunk], chunks: &[Chunk]) -> ChunkDiff {
    let mut unclaimed: HashMap<ChunkId, &KnownChunk> = known.iter().map(|chunk| (chunk.id, chunk)).collect();
    let mut diff = ChunkDiff::default();
    for (place, chunk) in chunks.iter().enumerate() {
        match unclaimed.remove(&chunk.id) {
            Some(before) if before.published && before.embedding_key == chunk.embedding_key => diff.kept += 1,
            _ => diff.upsert.push(place),
        }
    }
    // In the order they were known, so that the same input gives the same change.
    diff.removed = known.iter().map(|chunk| chunk.id).filter(|id| unclaimed.remove(id).is_some()).collect();
    diff
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use wellspring_core::chunk::EmbeddingKey;
    use wellspring_core::document::DocumentId;
    use wellspring_core::span::Span;

    use super::*;

    fn id(text: &str) -> ChunkId {
        let document = DocumentId::of(&Default::default(), &"a".parse().unwrap());
        ChunkId::of(document, text, 0)
    }

    fn known(text: &str, context: &str, published: bool) -> KnownChunk {
        let embedding_key = EmbeddingKey::of(&format!("{context} {text}"));
        KnownChunk { id: id(text), embedding_key, published }
    }

    fn chunk(text: &str, context: &str) -> Chunk {
        Chunk {
            id: id(text),
            ordinal: 0,
            span: Span::of(text, 0..text.len()),
            text: text.to_owned(),
            heading: String::new(),
            tokens: 1,
            parts: Vec::new(),
            embedding_key: EmbeddingKey::of(&format!("{context} {text}")),
            places: Vec::new(),
        }
    }

    #[test]
    fn i9_only_what_is_new_or_uncertain_is_written_again() {
        let known = [
            known("same", "t", true),
            known("staged", "t", false),
            known("retitled", "old", true),
            known("gone", "t", true),
        ];
        let chunks = [chunk("same", "t"), chunk("staged", "t"), chunk("retitled", "t"), chunk("new", "t")];
        let expected = ChunkDiff { upsert: vec![1, 2, 3], kept: 1, removed: vec![id("gone")] };
        assert_eq!(diff(&known, &chunks), expected);
    }

    #[test]
    fn staged_leftovers_are_removed() {
        assert_eq!(diff(&[known("left", "t", false)], &[]).removed, [id("left")]);
    }

    proptest! {
        #[test]
        fn i9_applying_the_diff_gives_the_new_revision(
            before in proptest::collection::hash_map(0u8..20, (0u8..3, any::<bool>()), 0..15),
            after in proptest::collection::hash_map(0u8..20, 0u8..3, 0..15),
        ) {
            let known: Vec<KnownChunk> = before
                .iter()
                .map(|(text, (context, published))| known(&text.to_string(), &context.to_string(), *published))
                .collect();
            let chunks: Vec<Chunk> =
                after.iter().map(|(text, context)| chunk(&text.to_string(), &context.to_string())).collect();
            let diff = diff(&known, &chunks);

            let mut view: HashSet<(ChunkId, EmbeddingKey)> =
                known.iter().filter(|chunk| chunk.published).map(|chunk| (chunk.id, chunk.embedding_key)).collect();
            view.retain(|(id, _)| !diff.removed.contains(id));
            for place in &diff.upsert {
                let chunk = &chunks[*place];
                // Nothing that the view holds as it should be is written again.
                prop_assert!(!view.contains(&(chunk.id, chunk.embedding_key)));
                view.retain(|(id, _)| *id != chunk.id);
                view.insert((chunk.id, chunk.embedding_key));
            }
            let wanted: HashSet<_> = chunks.iter().map(|chunk| (chunk.id, chunk.embedding_key)).collect();
            prop_assert_eq!(view, wanted);
            prop_assert_eq!(diff.kept + diff.upsert.len(), chunks.len());
        }
    }
}
