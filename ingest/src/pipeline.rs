//! How do the stages hang together? Wiring only.
//!
//! ```text
//! interactive: claim+prepare --(1)--> embed+stage --(1)--> apply+publish
//! bulk:        claim+prepare --(1)--> embed+stage --(1)-->/
//! ```
//!
//! A task for each, so that the embedder is never idle while the next batch is read or the last one is written. The
//! channels hold one batch each: a longer queue would only make a fresh write wait behind more old ones. What a person
//! waits for has its own way through all that takes long, and overtakes an import at the embedder and before the views.
//!
//! Invariants:
//! - Publications are numbered here and nowhere else, without a gap.
//! - Stopping loses nothing: what was claimed and not published is claimed again after the restart.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::{End, Publisher, Sequence};
use wellspring_core::embedding::{Embedder, Lane};
use wellspring_core::limits;
use wellspring_core::view::Publication;

use crate::apply::{ApplyStage, Views};
use crate::embed::EmbedStage;
use crate::in_flight::InFlight;
use crate::intake::Signals;
use crate::prepare::{Parser, Prepared, Preparer, Step};
use crate::progress::Progress;
use crate::retry::until_done;
use crate::room::Room;
use crate::schedule::EmbeddingMeter;
use crate::screen::Screener;

/// What the pipeline is made of.
#[derive(Clone)]
pub struct PipelineParts {
    /// The catalog's write side.
    pub publisher: Arc<dyn Publisher>,
    /// Reads formats.
    pub parser: Arc<dyn Parser>,
    /// Says which documents are worth embedding.
    pub screener: Arc<Screener>,
    /// Makes vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Both indexes.
    pub views: Views,
    /// Shared with the intake.
    pub signals: Arc<Signals>,
    /// Shared with whoever plans visits.
    pub meter: Arc<EmbeddingMeter>,
    /// What writing to the indexes needs.
    pub room: Room,
}

/// Runs until stopped. `published` is where recovery left both views.
pub async fn run(parts: PipelineParts, published: Publication, stop: CancellationToken) {
    let in_flight = Arc::new(InFlight::default());
    let mut stages = JoinSet::new();
    let mut lane = |lane: Lane| {
        let (to_embed, from_prepare) = mpsc::channel(limits::PUBLICATIONS_IN_FLIGHT);
        let (to_apply, from_embed) = mpsc::channel(limits::PUBLICATIONS_IN_FLIGHT);
        let PipelineParts { publisher, parser, screener, embedder, signals, meter, .. } = parts.clone();
        let preparer = Preparer { publisher: publisher.clone(), parser, screener, embedder: embedder.clone() };
        let embed_stage = EmbedStage { publisher, embedder, in_flight: in_flight.clone(), lane, meter };
        stages.spawn(prepare_loop(preparer, lane, signals.clone(), to_embed, stop.clone()));
        stages.spawn(embed_loop(embed_stage, from_prepare, to_apply, signals, stop.clone()));
        from_embed
    };
    let batches = Batches { interactive: lane(Lane::Interactive), bulk: lane(Lane::Bulk) };
    let PipelineParts { publisher, views, embedder, room, signals, .. } = parts.clone();
    let apply_stage = ApplyStage { publisher, views, space: embedder.space().id(), room, signals };
    stages.spawn(apply_loop(apply_stage, batches, published, parts.signals, stop.clone()));
    while let Some(ended) = stages.join_next().await {
        if let Err(error) = ended {
            // A stage that panicked is a bug; without it the service would acknowledge and never publish.
            tracing::error!(%error, "a stage of the write path ended; the service stops");
            stop.cancel();
        }
    }
}

async fn prepare_loop(
    preparer: Preparer,
    lane: Lane,
    signals: Arc<Signals>,
    to_embed: mpsc::Sender<Vec<Prepared>>,
    stop: CancellationToken,
) {
    let mut published = signals.published.subscribe();
    let accepted = signals.waiting(lane);
    let preparer = Arc::new(preparer);
    // Tasks, not futures of this loop: one that holds the catalog's writer goes on while the loop claims, or both would
    // wait for each other for ever.
    let mut reading = JoinSet::new();
    let mut bytes_read = 0;
    loop {
        // A slow document does not keep newer ones from being claimed, but what is claimed stays bounded (I-7).
        let documents = limits::PUBLICATION_DOCUMENTS_MAX.saturating_sub(reading.len());
        let bytes = limits::PUBLICATION_BYTES_MAX.saturating_sub(bytes_read);
        if documents > 0 && bytes > 0 {
            let claim = || preparer.publisher.claim(Some(lane), documents, bytes);
            let Some(work) = until_done("claim entries", &stop, claim).await else { return };
            for work in work {
                let size = work.content_bytes();
                bytes_read += size;
                let (preparer, stop) = (preparer.clone(), stop.clone());
                reading.spawn(async move { preparer.prepare(work, &stop).await.map(|prepared| (prepared, size)) });
            }
        }
        let first = tokio::select! {
            () = stop.cancelled() => return,
            Some(first) = reading.join_next() => done(first),
            () = accepted.notified() => continue,
            // Claiming finds what failed and whose time to be tried again has come.
            () = tokio::time::sleep(limits::RETRY_LOOK_INTERVAL) => continue,
            // A publication frees its documents, for which newer entries may wait.
            changed = published.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Some(first) = first else { return };
        let mut ready = vec![first];
        let gathered = tokio::time::sleep(limits::PREPARE_GATHER_MAX);
        tokio::pin!(gathered);
        loop {
            tokio::select! {
                () = &mut gathered => break,
                next = reading.join_next() => match next.map(done) {
                    Some(Some(prepared)) => ready.push(prepared),
                    Some(None) => return,
                    None => break,
                },
            }
        }
        bytes_read -= ready.iter().map(|(_, size)| size).sum::<usize>();
        let batch: Vec<Prepared> = ready.into_iter().map(|(prepared, _)| prepared).collect();
        let read = batch.iter().filter(|prepared| matches!(prepared.step, Step::Publish { .. }));
        signals.progress.note(read.map(|prepared| prepared.entry.sequence), Progress::Parsed);
        if to_embed.send(batch).await.is_err() {
            return;
        }
    }
}

/// What a task came to; a panic there is a panic here, where the service notices.
fn done<T>(task: Result<T, JoinError>) -> T {
    match task {
        Ok(result) => result,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

async fn embed_loop(
    stage: EmbedStage,
    mut from_prepare: mpsc::Receiver<Vec<Prepared>>,
    to_apply: mpsc::Sender<crate::embed::Batch>,
    signals: Arc<Signals>,
    stop: CancellationToken,
) {
    while let Some(prepared) = next(&mut from_prepare, &stop).await {
        let Some(batch) = stage.embed(prepared, &stop).await else { return };
        let staged = batch.finished.iter().filter(|finished| matches!(finished.end, End::Published { .. }));
        signals.progress.note(staged.map(|finished| finished.sequence), Progress::Embedded);
        if to_apply.send(batch).await.is_err() {
            return;
        }
    }
}

async fn apply_loop(
    stage: ApplyStage,
    mut batches: Batches,
    mut published: Publication,
    signals: Arc<Signals>,
    stop: CancellationToken,
) {
    while let Some(batch) = batches.next(&stop).await {
        let sequences: Vec<Sequence> = batch.finished.iter().map(|finished| finished.sequence).collect();
        let entries = sequences.len();
        let publication = published.next();
        if stage.apply(batch, publication, &stop).await.is_none() {
            return;
        }
        published = publication;
        tracing::debug!(publication = publication.0, entries, "published");
        signals.progress.forget(sequences);
        signals.published();
    }
}

/// What is to be applied, by lane.
struct Batches {
    interactive: mpsc::Receiver<crate::embed::Batch>,
    bulk: mpsc::Receiver<crate::embed::Batch>,
}

impl Batches {
    /// The next batch, a person's first; `None` when stopped or when the stage before has ended.
    async fn next(&mut self, stop: &CancellationToken) -> Option<crate::embed::Batch> {
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            batch = self.interactive.recv() => batch,
            batch = self.bulk.recv() => batch,
        }
    }
}

/// The next batch, or `None` when stopped or when the stage before has ended.
async fn next<T>(batches: &mut mpsc::Receiver<T>, stop: &CancellationToken) -> Option<T> {
    tokio::select! {
        () = stop.cancelled() => None,
        batch = batches.recv() => batch,
    }
}
