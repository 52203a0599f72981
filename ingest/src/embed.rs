//! Which vectors are missing, and what do the views get?
//!
//! The second stage: look up the vectors that the catalog has, embed only the others, stage everything.
//!
//! Invariants:
//! - A chunk's vector is the weighted sum of its parts' vectors; parts are what is looked up, embedded and kept.
//! - A text is embedded once in a space (I-9): the batches of a lane pass here one at a time, each staged before the
//!   next one looks up, and what the other lane is embedding is waited for ([`crate::in_flight`]).
//! - Chunks are staged before any view sees them: the catalog knows whatever a view may hold.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{Cost, End, Finished, Publisher, Stage, StagedRevision};
use wellspring_core::chunk::{Chunk, ChunkId, EmbeddingKey, Part};
use wellspring_core::document::{DocumentId, Revision};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedder, Embedding, Lane};
use wellspring_core::limits;
use wellspring_core::screen::Decision;
use wellspring_core::source::SourceName;
use wellspring_core::view::{Change, KeywordEntry, VectorEntry};

use crate::diff::ChunkDiff;
use crate::in_flight::{InFlight, Taken};
use crate::prepare::{Entry, Prepared, Step};
use crate::retry::until_done;
use crate::schedule::EmbeddingMeter;

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
    /// Told what each source's documents took.
    pub(crate) meter: Arc<EmbeddingMeter>,
}

/// The vectors of a batch, and which document paid for which.
struct Vectors {
    /// Of parts.
    known: HashMap<EmbeddingKey, Embedding>,
    /// Of chunks, each made of its parts.
    made: HashMap<EmbeddingKey, Embedding>,
    /// The keys that are this batch's to compute, held until it is staged.
    taken: Taken,
    /// Computed now: the key, with the document and tokens it is accounted to.
    computed: HashMap<EmbeddingKey, (DocumentId, u32)>,
    /// Documents that the model refused, and why.
    refused: HashMap<DocumentId, String>,
}

/// What is to be embedded.
type Wanted<'a> = HashMap<EmbeddingKey, Want<'a>>;

/// A text, and for whose account it is embedded.
struct Want<'a> {
    text: &'a str,
    tokens: u32,
    payer: DocumentId,
    source: &'a SourceName,
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
                        cost: vectors.cost(entry.document, &chunks, &diff),
                        removed: diff.removed,
                    };
                    let embeddings = vectors.parts_of(&upserted);
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
                for part in &chunk.parts {
                    wanted.entry(part.key).or_insert_with(|| {
                        order.push(part.key);
                        let text = chunk.reads(part, title.as_deref());
                        Want { text, tokens: part.tokens, payer: entry.document, source: &entry.source }
                    });
                }
            }
        }
        let (taken, awaited) = self.in_flight.take(&order);
        let mut vectors = Vectors::of(taken);
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
        vectors.make(prepared);
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
            let mut tokens = 0;
            let fits = |key: &&EmbeddingKey| {
                tokens += wanted[key].tokens as usize;
                tokens <= limits::EMBED_PIECE_TOKENS_MAX
            };
            let piece = order.iter().take_while(fits).count().max(1);
            let rest = order.split_off(piece);
            // Texts of one length share a run of the model without padding.
            order.sort_by_key(|key| wanted[key].tokens);
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
        let input = |key: &EmbeddingKey| wanted[key].text.to_owned();
        let began = Instant::now();
        match self.run(keys.iter().map(input).collect(), stop).await? {
            Ok(embeddings) => {
                for (key, embedding) in keys.iter().zip(embeddings) {
                    vectors.learn(*key, embedding);
                    vectors.computed.insert(*key, (wanted[key].payer, wanted[key].tokens));
                }
            }
            // The model refused the piece: find out which documents it refuses, so that the others go on.
            Err(_) => {
                for key in keys {
                    let Want { payer, tokens, .. } = wanted[key];
                    match self.run(vec![input(key)], stop).await? {
                        Ok(embeddings) => {
                            embeddings.into_iter().for_each(|embedding| vectors.learn(*key, embedding));
                            vectors.computed.insert(*key, (payer, tokens));
                        }
                        Err(error) => {
                            vectors.refused.insert(payer, error.chain());
                        }
                    }
                }
            }
        }
        let total: u32 = keys.iter().map(|key| wanted[key].tokens).sum();
        let second_per_token = began.elapsed().as_secs_f64() / f64::from(total.max(1));
        for want in keys.iter().map(|key| &wanted[key]) {
            self.meter.add(want.source, second_per_token * f64::from(want.tokens));
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
    fn of(taken: Taken) -> Self {
        Self { taken, known: HashMap::new(), made: HashMap::new(), computed: HashMap::new(), refused: HashMap::new() }
    }

    /// Keeps a vector, and gives it to whoever waits for it.
    fn learn(&mut self, key: EmbeddingKey, embedding: Embedding) {
        self.taken.tell(&key, &embedding);
        self.known.insert(key, embedding);
    }

    /// Makes the vectors of all chunks to write. A document that shares a refused text with another is refused too: it
    /// would be published with a hole.
    fn make(&mut self, prepared: &[Prepared]) {
        for Prepared { entry, step } in prepared {
            let Step::Publish { chunks, diff, .. } = step else { continue };
            for chunk in diff.upsert.iter().map(|&index| &chunks[index]) {
                if self.made.contains_key(&chunk.embedding_key) {
                    continue;
                }
                let part = |part: &Part| self.known.get(&part.key).map(|vector| (part.weight, vector));
                let parts: Option<Vec<(f32, &Embedding)>> = chunk.parts.iter().map(part).collect();
                let made = parts.ok_or("the embedder refused a chunk of it".to_owned());
                match made.and_then(|parts| Embedding::sum(parts).map_err(|error| error.to_string())) {
                    Ok(vector) => _ = self.made.insert(chunk.embedding_key, vector),
                    Err(reason) => _ = self.refused.entry(entry.document).or_insert(reason),
                }
            }
        }
    }

    /// What publishing a document costs and saves.
    fn cost(&self, document: DocumentId, chunks: &[Chunk], diff: &ChunkDiff) -> Cost {
        let paid = |part: &Part| self.computed.get(&part.key).is_some_and(|(payer, _)| *payer == document);
        let upserted = diff.upsert.iter().map(|&index| &chunks[index]);
        let bill = self.computed.values().filter(|(payer, _)| *payer == document);
        Cost {
            chunks: chunks.len() as u64,
            chunks_embedded: upserted.filter(|chunk| chunk.parts.iter().any(paid)).count() as u64,
            tokens_embedded: bill.map(|(_, tokens)| u64::from(*tokens)).sum(),
            chunks_kept: diff.kept as u64,
            chunks_removed: diff.removed.len() as u64,
        }
    }

    /// The vectors of these chunks' parts, for the catalog to keep. Those that it had are among them: spare ones may
    /// have been given up since, and another lane's may not be there yet.
    fn parts_of(&self, chunks: &[&Chunk]) -> Vec<(EmbeddingKey, Embedding)> {
        let mut seen = HashSet::new();
        let parts = chunks.iter().flat_map(|chunk| &chunk.parts).map(|part| part.key);
        parts.filter(|key| seen.insert(*key)).map(|key| (key, self.known[&key].clone())).collect()
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
                embedding: vectors.made[&chunk.embedding_key].clone(),
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
