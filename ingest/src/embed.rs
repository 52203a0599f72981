//! Which vectors are missing, and what do the views get?
//!
//! The second stage: look up the vectors that the catalog has, embed only the others, stage everything.
//!
//! Invariants:
//! - A text is embedded once in a space (I-9): the batches of a lane pass here one at a time, each staged before the
//!   next one looks up, and what the other lane is embedding is waited for ([`crate::in_flight`]).
//! - Chunks are staged before any view sees them: the catalog knows whatever a view may hold.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{Cost, End, Finished, Publisher, Stage, StagedRevision};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, Lane};
use wellspring_core::limits;
use wellspring_core::screen::Decision;
use wellspring_core::view::{Change, KeywordEntry, VectorEntry};

use crate::in_flight::{InFlight, Taken};
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
    /// Shared by the lanes.
    pub(crate) in_flight: Arc<InFlight>,
    /// Who waits for these batches.
    pub(crate) lane: Lane,
}

/// The vectors of a batch, and which document paid for which.
struct Vectors {
    known: HashMap<EmbeddingKey, Embedding>,
    /// The keys that are this batch's to compute, held until it is staged.
    taken: Taken,
    /// Computed now: the key, with the document and tokens it is accounted to.
    computed: HashMap<EmbeddingKey, (DocumentId, u32)>,
    /// Documents that the model refused, and why.
    refused: HashMap<DocumentId, String>,
}

/// What is to be embedded: for whose account, which chunk, under which title.
type Wanted<'a> = HashMap<EmbeddingKey, (DocumentId, &'a Chunk, Option<&'a str>)>;

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
                    // The model reads any text: that it did not is its fault, which a restart or more memory may mend.
                    let reason = vectors.refused[&entry.document].clone();
                    End::Faulted { stage: Stage::Embed, reason }
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
                    let embeddings = vectors.of(&upserted);
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
        let mut wanted: Wanted<'_> = HashMap::new();
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
        let (taken, awaited) = self.in_flight.take(&order);
        let mut vectors = Vectors { known: HashMap::new(), taken, computed: HashMap::new(), refused: HashMap::new() };
        order.retain(|key| vectors.taken.holds(key));
        self.fill(&mut vectors, order, &wanted, stop).await?;
        for (key, awaited) in awaited {
            let vector = tokio::select! {
                () = stop.cancelled() => return None,
                vector = awaited.vector() => vector,
            };
            match vector {
                Some(vector) => _ = vectors.known.insert(key, vector),
                // The other batch gave it up, or has been staged since without it: now it is this one's.
                None => self.take_over(&mut vectors, key, &wanted, stop).await?,
            }
        }
        vectors.refuse_sharers(prepared);
        Some(vectors)
    }

    /// Makes one vector that the other lane was to make.
    async fn take_over(
        &self,
        vectors: &mut Vectors,
        key: EmbeddingKey,
        wanted: &Wanted<'_>,
        stop: &CancellationToken,
    ) -> Option<()> {
        let (taken, _) = self.in_flight.take(&[key]);
        vectors.taken.join(taken);
        self.fill(vectors, vec![key], wanted, stop).await
    }

    /// Finds vectors in the catalog and computes the others. `None` when stopped.
    async fn fill(
        &self,
        vectors: &mut Vectors,
        mut order: Vec<EmbeddingKey>,
        wanted: &Wanted<'_>,
        stop: &CancellationToken,
    ) -> Option<()> {
        if order.is_empty() {
            return Some(());
        }
        let space = self.embedder.space().id();
        let found = until_done("look up vectors", stop, || self.publisher.embeddings(space, &order)).await?;
        for (key, embedding) in found {
            vectors.learn(key, embedding);
        }
        order.retain(|key| !vectors.known.contains_key(key));

        while !order.is_empty() {
            // What the other lane waits for comes first, so that it waits for one piece and not for an import.
            order.sort_by_key(|key| !vectors.taken.is_awaited(key));
            let rest = order.split_off(order.len().min(limits::EMBED_PIECE_TEXTS_MAX));
            self.compute(vectors, &order, wanted, stop).await?;
            order = rest;
        }
        Some(())
    }

    /// Computes vectors that nobody has. `None` when stopped.
    async fn compute(
        &self,
        vectors: &mut Vectors,
        keys: &[EmbeddingKey],
        wanted: &Wanted<'_>,
        stop: &CancellationToken,
    ) -> Option<()> {
        let input = |key: &EmbeddingKey| {
            let (_, chunk, title) = wanted[key];
            Chunk::embedding_input(title, &chunk.heading, &chunk.text)
        };
        match self.run(keys.iter().map(input).collect(), stop).await? {
            Ok(embeddings) => {
                for (key, embedding) in keys.iter().zip(embeddings) {
                    let (document, chunk, _) = wanted[key];
                    vectors.learn(*key, embedding);
                    vectors.computed.insert(*key, (document, chunk.tokens));
                }
            }
            // The model refused the piece: find out which documents it refuses, so that the others go on.
            Err(_) => {
                for key in keys {
                    let (document, chunk, _) = wanted[key];
                    match self.run(vec![input(key)], stop).await? {
                        Ok(embeddings) => {
                            embeddings.into_iter().for_each(|embedding| vectors.learn(*key, embedding));
                            vectors.computed.insert(*key, (document, chunk.tokens));
                        }
                        Err(error) => {
                            vectors.refused.insert(document, error.chain());
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// Runs the model, waiting out a busy or stopped one; the inner error is the model's refusal of these texts.
    async fn run(&self, texts: Vec<String>, stop: &CancellationToken) -> Option<Result<Vec<Embedding>, EmbedError>> {
        if texts.is_empty() {
            return Some(Ok(Vec::new()));
        }
        until_done("embed a batch", stop, || async {
            match self.embedder.embed_passages(texts.clone(), self.lane).await {
                Err(error) if error.kind() != EmbedErrorKind::Model => Err(error),
                result => Ok(result),
            }
        })
        .await
    }
}

impl Vectors {
    /// Keeps a vector, and gives it to whoever waits for it.
    fn learn(&mut self, key: EmbeddingKey, embedding: Embedding) {
        self.taken.tell(&key, &embedding);
        self.known.insert(key, embedding);
    }

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

    /// The vectors of these chunks, for the catalog to keep. Those that it had are among them: spare ones may have been
    /// given up since, and another lane's may not be there yet.
    fn of(&self, chunks: &[&Chunk]) -> Vec<(EmbeddingKey, Embedding)> {
        chunks.iter().map(|chunk| (chunk.embedding_key, self.known[&chunk.embedding_key].clone())).collect()
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
