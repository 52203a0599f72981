//! How do the stages hang together? Wiring only.
//!
//! ```text
//! claim+prepare --(1)--> embed+stage --(1)--> apply+publish
//! ```
//!
//! Three tasks, so that the embedder is never idle while the next batch is read or the last one is written. The
//! channels hold one batch each: a longer queue would only make a fresh write wait behind more old ones.
//!
//! Invariants:
//! - Publications are numbered here and nowhere else, without a gap.
//! - Stopping loses nothing: what was claimed and not published is claimed again after the restart.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wellspring_core::catalog::Publisher;
use wellspring_core::embedding::Embedder;
use wellspring_core::limits;
use wellspring_core::view::Publication;

use crate::apply::{ApplyStage, Views};
use crate::embed::EmbedStage;
use crate::intake::Signals;
use crate::prepare::{Parser, Preparer};
use crate::retry::until_done;

/// What the pipeline is made of.
#[derive(Clone)]
pub struct PipelineParts {
    /// The catalog's write side.
    pub publisher: Arc<dyn Publisher>,
    /// Reads formats.
    pub parser: Arc<dyn Parser>,
    /// Makes vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Both indexes.
    pub views: Views,
    /// Shared with the intake.
    pub signals: Arc<Signals>,
}

/// Runs until stopped. `published` is where recovery left both views.
pub async fn run(parts: PipelineParts, published: Publication, stop: CancellationToken) {
    let (to_embed, from_prepare) = mpsc::channel(limits::PUBLICATIONS_IN_FLIGHT);
    let (to_apply, from_embed) = mpsc::channel(limits::PUBLICATIONS_IN_FLIGHT);
    let PipelineParts { publisher, parser, embedder, views, signals } = parts;
    let preparer = Preparer { publisher: publisher.clone(), parser, embedder: embedder.clone() };
    let embed_stage = EmbedStage { publisher: publisher.clone(), embedder };
    let apply_stage = ApplyStage { publisher: publisher.clone(), views };

    let mut stages = JoinSet::new();
    stages.spawn(prepare_loop(preparer, publisher, signals.clone(), to_embed, stop.clone()));
    stages.spawn(embed_loop(embed_stage, from_prepare, to_apply, stop.clone()));
    stages.spawn(apply_loop(apply_stage, from_embed, published, signals, stop.clone()));
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
    publisher: Arc<dyn Publisher>,
    signals: Arc<Signals>,
    to_embed: mpsc::Sender<Vec<crate::prepare::Prepared>>,
    stop: CancellationToken,
) {
    let mut published = signals.published.subscribe();
    while !stop.is_cancelled() {
        let (documents, bytes) = (limits::PUBLICATION_DOCUMENTS_MAX, limits::PUBLICATION_BYTES_MAX);
        let claim = || publisher.claim(documents, bytes);
        let Some(work) = until_done("claim entries", &stop, claim).await else { return };
        if work.is_empty() {
            // A publication frees its documents, for which newer entries may wait.
            tokio::select! {
                () = stop.cancelled() => return,
                () = signals.accepted.notified() => {}
                changed = published.changed() => if changed.is_err() { return },
            }
            continue;
        }
        let Some(prepared) = preparer.prepare(work, &stop).await else { return };
        if to_embed.send(prepared).await.is_err() {
            return;
        }
    }
}

async fn embed_loop(
    stage: EmbedStage,
    mut from_prepare: mpsc::Receiver<Vec<crate::prepare::Prepared>>,
    to_apply: mpsc::Sender<crate::embed::Batch>,
    stop: CancellationToken,
) {
    while let Some(prepared) = next(&mut from_prepare, &stop).await {
        let Some(batch) = stage.embed(prepared, &stop).await else { return };
        if to_apply.send(batch).await.is_err() {
            return;
        }
    }
}

async fn apply_loop(
    stage: ApplyStage,
    mut from_embed: mpsc::Receiver<crate::embed::Batch>,
    mut published: Publication,
    signals: Arc<Signals>,
    stop: CancellationToken,
) {
    while let Some(batch) = next(&mut from_embed, &stop).await {
        let entries = batch.finished.len();
        let publication = published.next();
        if stage.apply(batch, publication, &stop).await.is_none() {
            return;
        }
        published = publication;
        tracing::debug!(publication = publication.0, entries, "published");
        signals.published.send_modify(|count| *count += 1);
    }
}

/// The next batch, or `None` when stopped or when the stage before has ended.
async fn next<T>(batches: &mut mpsc::Receiver<T>, stop: &CancellationToken) -> Option<T> {
    tokio::select! {
        () = stop.cancelled() => None,
        batch = batches.recv() => batch,
    }
}
