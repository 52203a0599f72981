//! How well does a passage answer a query, when a cross-encoder reads both?
//!
//! Any ONNX file with the inputs of a BERT or RoBERTa and one number a pair as its output `logits` ([`crate::pairs`]).
//!
//! Invariants:
//! - The model runs only on its own thread, which one bounded queue feeds; a full queue refuses at once.
//! - A caller that hung up costs at most one more run of a few passages.
//! - Scores are finite and as many as the passages, or there are none.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::oneshot;
use wellspring_core::limits;
use wellspring_core::rerank::{RerankError, RerankErrorKind, Reranker};

use crate::pairs::{Fault, Overlong, PairFiles, PairModel};
use crate::worker::{Refusal, Worker};

/// Where the reranker's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerankerFiles {
    /// The ONNX Runtime, a shared library.
    pub onnxruntime: PathBuf,
    /// The weights, an ONNX file.
    pub model: PathBuf,
    /// `tokenizer.json` in the Hugging Face form.
    pub tokenizer: PathBuf,
}

/// A cross-encoder behind the [`Reranker`] seam.
///
/// Dropping it ends its thread after the run it is in.
pub struct OnnxReranker {
    worker: Worker<Job>,
    passage_micros: Arc<AtomicU64>,
}

/// One search's passages.
struct Job {
    query: String,
    passages: Vec<String>,
    reply: oneshot::Sender<Result<Vec<f32>, RerankError>>,
}

impl OnnxReranker {
    /// Loads everything and reads one passage. Reads files and computes for some hundred milliseconds: call it off the
    /// async threads.
    pub fn load(files: &RerankerFiles) -> Result<Self, RerankError> {
        let paths = PairFiles {
            what: "reranking model",
            onnxruntime: &files.onnxruntime,
            model: &files.model,
            tokenizer: &files.tokenizer,
        };
        let mut model = PairModel::load(paths, limits::RERANK_TOKENS_MAX, Overlong::Cut).map_err(|error| {
            RerankError::caused_by(RerankErrorKind::Model, "could not load the reranker", error.chain())
        })?;
        // A wrong input or output shows now, and not in the first search.
        score(&mut model, "a first", &["run".to_owned()])?;
        let passage_micros = Arc::new(AtomicU64::new(0));
        let measured = Arc::clone(&passage_micros);
        // A search waits for one answer, so a queue of searches is a queue of people.
        let worker = Worker::start("rerank", limits::RERANK_QUEUE_MAX, move |job| answer(&mut model, job, &measured))
            .map_err(|error| {
            RerankError::caused_by(RerankErrorKind::Stopped, "could not start the reranker's thread", error)
        })?;
        Ok(Self { worker, passage_micros })
    }
}

/// Reads one search's passages, a few at a time.
fn answer(model: &mut PairModel, Job { query, passages, reply }: Job, passage_micros: &AtomicU64) {
    let mut scores = Vec::with_capacity(passages.len());
    let mut failure = None;
    for piece in passages.chunks(limits::RERANK_RUN_PASSAGES) {
        if reply.is_closed() {
            break;
        }
        let started = Instant::now();
        match score(model, &query, piece) {
            Ok(more) => scores.extend(more),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX) / piece.len() as u64;
        let before = passage_micros.load(Ordering::Relaxed);
        // Half of the news at a time: one slow run does not decide, and a busier machine is noticed soon.
        let mean = if before == 0 { micros } else { before / 2 + micros / 2 };
        passage_micros.store(mean.max(1), Ordering::Relaxed);
    }
    // The caller may have hung up.
    let _ = reply.send(failure.map_or(Ok(scores), Err));
}

/// Scores in the order of the passages, of which there is at least one.
fn score(model: &mut PairModel, query: &str, passages: &[String]) -> Result<Vec<f32>, RerankError> {
    let pairs = passages.iter().map(|passage| (query.to_owned(), passage.clone())).collect();
    let rows = model.logits(pairs).map_err(|fault| {
        let attempted = format!("could not read {} passages", passages.len());
        let source = match fault {
            Fault::Model(source) => source,
            Fault::TooLong => "they are longer than what it reads".into(),
        };
        RerankError::caused_by(RerankErrorKind::Model, attempted, source)
    })?;
    let single = |row: Vec<f32>| match row[..] {
        [score] => Ok(score),
        // Which of several means "fits" is not known: a classifier's first is often the one for "does not".
        _ => Err(RerankError::new(
            RerankErrorKind::Model,
            format!("it gives {} numbers for a pair; a reranker gives one", row.len()),
        )),
    };
    rows.into_iter().map(single).collect()
}

#[async_trait]
impl Reranker for OnnxReranker {
    async fn score(&self, query: String, passages: Vec<String>) -> Result<Vec<f32>, RerankError> {
        let stopped = || RerankError::new(RerankErrorKind::Stopped, "the reranker has stopped");
        let (reply, answer) = oneshot::channel();
        self.worker.push(Job { query, passages, reply }).map_err(|refusal| match refusal {
            Refusal::Busy => RerankError::new(RerankErrorKind::Busy, "too many searches wait for the reranker"),
            Refusal::Stopped => stopped(),
        })?;
        answer.await.map_err(|_| stopped())?
    }

    fn passage_micros(&self) -> Option<u64> {
        Some(self.passage_micros.load(Ordering::Relaxed)).filter(|micros| *micros > 0)
    }
}
