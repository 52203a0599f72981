//! Bringing a view forward, in memory.

use wellspring_core::catalog::{CatalogError, ReplayChunk, ReplayCursor, ReplayPage};
use wellspring_core::chunk::{ChunkId, Part};
use wellspring_core::document::DocumentId;
use wellspring_core::embedding::{Embedding, SpaceId};
use wellspring_core::view::Publication;

use super::State;
use super::publisher::refused;

/// Set in the places of removals, so that they come after every chunk to insert.
const AMONG_REMOVALS: u64 = 1 << 63;

impl State {
    pub(super) fn replay(
        &self,
        space: SpaceId,
        after: Publication,
        cursor: u64,
        limit: usize,
    ) -> Result<ReplayPage, CatalogError> {
        let mut upserts: Vec<(u64, ChunkId, DocumentId)> = Vec::new();
        for (id, document) in &self.documents {
            for stored in document.published_chunks() {
                let publication = stored.publication.expect("a published chunk has its publication");
                if publication > after && stored.place > cursor {
                    upserts.push((stored.place, stored.chunk.id, *id));
                }
            }
        }
        upserts.sort();
        let mut removals: Vec<(u64, ChunkId)> = Vec::new();
        for (chunk, (publication, place)) in &self.removed {
            let place = place | AMONG_REMOVALS;
            if *publication > after && place > cursor && self.published_chunk(*chunk).is_none() {
                removals.push((place, *chunk));
            }
        }
        removals.sort();

        let mut page = ReplayPage { upserts: Vec::new(), removals: Vec::new(), next: None };
        let more = upserts.len() + removals.len() > limit;
        let mut last = cursor;
        for (place, chunk, document) in upserts.into_iter().take(limit) {
            page.upserts.push(self.replay_chunk(space, chunk, document)?);
            last = place;
        }
        for (place, chunk) in removals.into_iter().take(limit - page.upserts.len()) {
            page.removals.push(chunk);
            last = place;
        }
        page.next = more.then_some(ReplayCursor(last));
        Ok(page)
    }

    fn replay_chunk(&self, space: SpaceId, chunk: ChunkId, id: DocumentId) -> Result<ReplayChunk, CatalogError> {
        let (document, stored) = self.published_chunk(chunk).expect("it was found above");
        let part = |part: &Part| Some((part.weight, &self.embeddings.get(&(part.key, space))?.embedding));
        let parts: Option<Vec<(f32, &Embedding)>> = stored.chunk.parts.iter().map(part).collect();
        let Some(embedding) = parts.and_then(|parts| Embedding::sum(parts).ok()) else {
            return Err(refused(&format!("a published chunk of document {id} has no vector in this embedding space")));
        };
        Ok(ReplayChunk {
            chunk,
            document: id,
            collection: document.collection.clone(),
            title: document.revisions[&stored.revision].title.clone(),
            heading: stored.chunk.heading.clone(),
            text: stored.chunk.text.clone(),
            embedding,
        })
    }
}
