//! Which vectors are missing, and what do the views get?
//!
//! The second stage: look up the vectors that the catalog has, embed only the others, stage everything.
//!
//! Invariants:
//! - A text is embedded once in a space (I-9): batches pass here one at a time, and a batch is staged before the next
//!   one looks up, so that a text repeated in the next batch is found.
//! - Chunks are staged before any view sees them: the catalog knows whatever a view may hold.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{Cost, End, Finished, Publisher, Stage, StagedRevision};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, Lane};
use wellspring_core::screen::Decision;
use wellspring_core::view::{Change, KeywordEntry, VectorEntry};

use crate::prepare::{Entry, Prepared, Step};
use crate::retry::until_done;

/// A staged batch: what both views must do, and how each entry ends once they have.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) finished: Vec<Finished>,
    pub(crate) vector: Change<VectorEntry>,
    pub(crate) keyword: Change<KeywordEntry>,
}

/// The stage's parts.
pub(crate) struct EmbedStage {
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) embedder: Arc<dyn Embedder>,
}

/// The vectors of a batch, and which document paid for which.
#[derive(Default)]
struct Vectors {
    known: HashMap<EmbeddingKey, Embedding>,
    /// Computed now: the key, with the document and tokens it is accounted to.
    computed: HashMap<EmbeddingKey, (DocumentId, u32)>,
    /// Documents that the model refused, and why.
    refused: HashMap<DocumentId, String>,
}

impl EmbedStage {
    /// Embeds and stages a batch. `None` when stopped.
    pub(crate) async fn embed(&self, prepared: Vec<Prepared>, stop: &CancellationToken) -> Option<Batch> {
        let vectors = self.vectors(&prepared, stop).await?;
        let mut batch = Batch::default();
        let mut staged = Vec::new();
        for Prepared { entry, step } in prepared {
            let end = match step {
                Step::End(end) => end,
                Step::Remove(removed) => {
                    batch.vector.removals.extend(&removed);
                    batch.keyword.removals.extend(&removed);
                    End::Deleted { removed }
                }
                Step::Publish { .. } if vectors.refused.contains_key(&entry.document) => {
                    let reason = vectors.refused[&entry.document].clone();
                    End::Failed { stage: Stage::Embed, reason }
                }
                Step::Skip { text, title, screening, reason, removed } => {
                    batch.vector.removals.extend(&removed);
                    batch.keyword.removals.extend(&removed);
                    // Staged without chunks: the text is kept, and this attempt at the views stays known.
                    staged.push(stage(&entry, text, title, screening, Vec::new(), Vec::new()));
                    End::Skipped { reason, removed }
                }
                Step::Publish { text, title, screening, chunks, diff } => {
                    let upserted = diff.upsert.iter().map(|&index| &chunks[index]).collect::<Vec<_>>();
                    batch.add(&entry, title.as_deref(), &upserted, &diff.removed, &vectors);
                    let end = End::Published {
                        upserted: upserted.iter().map(|chunk| chunk.id).collect(),
                        cost: vectors.cost(entry.document, &chunks, diff.kept, diff.removed.len()),
                        removed: diff.removed,
                    };
                    let embeddings = vectors.computed_for(entry.document);
                    staged.push(stage(&entry, text, title, screening, chunks, embeddings));
                    end
                }
            };
            let Entry { sequence, document, revision, .. } = entry;
            batch.finished.push(Finished { sequence, document, revision, end });
        }
        if !staged.is_empty() {
            let space = self.embedder.space().id();
            until_done("stage a batch", stop, || self.publisher.stage(space, staged.clone())).await?;
        }
        Some(batch)
    }

    /// Gathers every vector the batch needs: from the catalog, else from the model. `None` when stopped.
    async fn vectors(&self, prepared: &[Prepared], stop: &CancellationToken) -> Option<Vectors> {
        let mut wanted: HashMap<EmbeddingKey, (DocumentId, &Chunk, Option<&str>)> = HashMap::new();
        let mut order = Vec::new();
        for Prepared { entry, step } in prepared {
            let Step::Publish { title, chunks, diff, .. } = step else { continue };
            for chunk in diff.upsert.iter().map(|&index| &chunks[index]) {
                wanted.entry(chunk.embedding_key).or_insert_with(|| {
                    order.push(chunk.embedding_key);
                    (entry.document, chunk, title.as_deref())
                });
            }
        }
        let mut vectors = Vectors::default();
        if order.is_empty() {
            return Some(vectors);
        }
        let space = self.embedder.space().id();
        let found = until_done("look up vectors", stop, || self.publisher.embeddings(space, &order)).await?;
        vectors.known.extend(found);
        order.retain(|key| !vectors.known.contains_key(key));

        let input = |key: &EmbeddingKey| {
            let (_, chunk, title) = wanted[key];
            Chunk::embedding_input(title, &chunk.heading, &chunk.text)
        };
        match self.run(order.iter().map(input).collect(), stop).await? {
            Ok(embeddings) => {
                for (key, embedding) in order.iter().zip(embeddings) {
                    let (document, chunk, _) = wanted[key];
                    vectors.known.insert(*key, embedding);
                    vectors.computed.insert(*key, (document, chunk.tokens));
                }
            }
            // The model refused the batch: find out which documents it refuses, so that the others go on.
            Err(_) => {
                for key in &order {
                    let (document, chunk, _) = wanted[key];
                    match self.run(vec![input(key)], stop).await? {
                        Ok(embeddings) => {
                            vectors.known.extend(embeddings.into_iter().map(|embedding| (*key, embedding)));
                            vectors.computed.insert(*key, (document, chunk.tokens));
                        }
                        Err(error) => {
                            vectors.refused.insert(document, error.chain());
                        }
                    }
                }
                vectors.refuse_sharers(prepared);
            }
        }
        Some(vectors)
    }

    /// Runs the model, waiting out a busy or stopped one; the inner error is the model's refusal of these texts.
    async fn run(&self, texts: Vec<String>, stop: &CancellationToken) -> Option<Result<Vec<Embedding>, EmbedError>> {
        if texts.is_empty() {
            return Some(Ok(Vec::new()));
        }
        until_done("embed a batch", stop, || async {
            match self.embedder.embed_passages(texts.clone(), Lane::Bulk).await {
                Err(error) if error.kind() != EmbedErrorKind::Model => Err(error),
                result => Ok(result),
            }
        })
        .await
    }
}

impl Vectors {
    /// A document that shares a refused text with another is refused too: it would be published with a hole.
    fn refuse_sharers(&mut self, prepared: &[Prepared]) {
        for Prepared { entry, step } in prepared {
            let Step::Publish { chunks, diff, .. } = step else { continue };
            let missing = diff.upsert.iter().any(|&index| !self.known.contains_key(&chunks[index].embedding_key));
            if missing {
                self.refused.entry(entry.document).or_insert_with(|| "the embedder refused a chunk of it".to_owned());
            }
        }
    }

    /// What publishing a document costs and saves.
    fn cost(&self, document: DocumentId, chunks: &[Chunk], kept: usize, removed: usize) -> Cost {
        let paid = self.computed.values().filter(|(payer, _)| *payer == document);
        let (embedded, tokens) = paid.fold((0, 0), |(count, sum), (_, tokens)| (count + 1, sum + u64::from(*tokens)));
        Cost {
            chunks: chunks.len() as u64,
            chunks_embedded: embedded,
            tokens_embedded: tokens,
            chunks_kept: kept as u64,
            chunks_removed: removed as u64,
        }
    }

    /// The vectors computed on a document's account, for the catalog to keep.
    fn computed_for(&self, document: DocumentId) -> Vec<(EmbeddingKey, Embedding)> {
        let mine = self.computed.iter().filter(|(_, (payer, _))| *payer == document);
        mine.map(|(key, _)| (*key, self.known[key].clone())).collect()
    }
}

impl Batch {
    /// Adds one document's changes to both views.
    fn add(&mut self, entry: &Entry, title: Option<&str>, upserted: &[&Chunk], removed: &[ChunkId], vectors: &Vectors) {
        for chunk in upserted {
            self.vector.upserts.push(VectorEntry {
                chunk: chunk.id,
                document: entry.document,
                collection: entry.collection.clone(),
                embedding: vectors.known[&chunk.embedding_key].clone(),
            });
            self.keyword.upserts.push(KeywordEntry {
                chunk: chunk.id,
                document: entry.document,
                collection: entry.collection.clone(),
                title: title.unwrap_or_default().to_owned(),
                heading: chunk.heading.clone(),
                text: chunk.text.clone(),
            });
        }
        self.vector.removals.extend(removed);
        self.keyword.removals.extend(removed);
    }
}

/// The catalog's form of a prepared revision.
fn stage(
    entry: &Entry,
    text: String,
    title: Option<String>,
    screening: Vec<Decision>,
    chunks: Vec<Chunk>,
    embeddings: Vec<(EmbeddingKey, Embedding)>,
) -> StagedRevision {
    let (document, revision): (DocumentId, Revision) = (entry.document, entry.revision);
    StagedRevision { document, revision, text, title, screening, chunks, embeddings }
}
