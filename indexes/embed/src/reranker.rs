//! How well does a passage answer a query, when a cross-encoder reads both?
//!
//! Any ONNX file with the inputs of a BERT or RoBERTa and one number a pair as its output `logits`, run by fastembed.
//!
//! Invariants:
//! - The model runs only on its own thread, which one bounded queue feeds; a full queue refuses at once.
//! - A caller that hung up costs at most one more run of a few passages.
//! - Scores are finite and as many as the passages, or there are none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use async_trait::async_trait;
use fastembed::{RerankInitOptionsUserDefined, TextRerank, TokenizerFiles, UserDefinedRerankingModel};
use ort::environment::Environment;
use tokio::sync::oneshot;
use wellspring_core::embedding::EmbedError;
use wellspring_core::limits;
use wellspring_core::rerank::{RerankError, RerankErrorKind, Reranker};

use crate::model::tokenizer_config;
use crate::{files, runtime};

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
    jobs: Option<SyncSender<Job>>,
    passage_micros: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
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
        let mut model = Model::new(files).map_err(|error| {
            RerankError::caused_by(RerankErrorKind::Model, "could not load the reranker", error.chain())
        })?;
        // A wrong input or output shows now, and not in the first search.
        model.score("a first", &["run".to_owned()])?;
        // A search waits for one answer, so a queue of searches is a queue of people.
        let (jobs, queue) = sync_channel(limits::RERANK_QUEUE_MAX);
        let passage_micros = Arc::new(AtomicU64::new(0));
        let measured = Arc::clone(&passage_micros);
        let thread = thread::Builder::new()
            .name("rerank".to_owned())
            .spawn(move || run(&mut model, &queue, &measured))
            .map_err(|error| {
                RerankError::caused_by(RerankErrorKind::Stopped, "could not start the reranker's thread", error)
            })?;
        Ok(Self { jobs: Some(jobs), passage_micros, thread: Some(thread) })
    }
}

impl Drop for OnnxReranker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told its callers already.
            let _ = thread.join();
        }
    }
}

/// Answers jobs until nobody can send one.
fn run(model: &mut Model, queue: &Receiver<Job>, passage_micros: &AtomicU64) {
    while let Ok(Job { query, passages, reply }) = queue.recv() {
        let mut scores = Vec::with_capacity(passages.len());
        let mut failure = None;
        for piece in passages.chunks(limits::RERANK_RUN_PASSAGES) {
            if reply.is_closed() {
                break;
            }
            let started = Instant::now();
            match model.score(&query, piece) {
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
}

#[async_trait]
impl Reranker for OnnxReranker {
    async fn score(&self, query: String, passages: Vec<String>) -> Result<Vec<f32>, RerankError> {
        let stopped = || RerankError::new(RerankErrorKind::Stopped, "the reranker has stopped");
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.try_send(Job { query, passages, reply }).map_err(|error| match error {
            TrySendError::Full(_) => RerankError::new(RerankErrorKind::Busy, "too many searches wait for the reranker"),
            TrySendError::Disconnected(_) => stopped(),
        })?;
        answer.await.map_err(|_| stopped())?
    }

    fn passage_micros(&self) -> Option<u64> {
        Some(self.passage_micros.load(Ordering::Relaxed)).filter(|micros| *micros > 0)
    }
}

/// The session.
struct Model {
    session: TextRerank,
}

impl Model {
    fn new(paths: &RerankerFiles) -> Result<Self, EmbedError> {
        let environment: Environment = runtime::environment(&paths.onnxruntime)?;
        let weights = files::read(&paths.model, "reranking model")?;
        let tokenizer = files::read(&paths.tokenizer, "reranker's tokenizer")?;
        let tokenizer_files = TokenizerFiles {
            tokenizer_config_file: tokenizer_config(&tokenizer, limits::RERANK_TOKENS_MAX)?.into_bytes(),
            tokenizer_file: tokenizer,
            config_file: b"{}".to_vec(),
            special_tokens_map_file: b"{}".to_vec(),
        };
        let options = RerankInitOptionsUserDefined::new()
            .with_environment(environment)
            .with_execution_providers(vec![ort::ep::CPU::default().with_arena_allocator(false).build()])
            .with_intra_threads(1)
            .with_max_length(limits::RERANK_TOKENS_MAX);
        let model = UserDefinedRerankingModel::new(weights, tokenizer_files);
        // The vendor asserts on files of another shape.
        let session = catch_unwind(AssertUnwindSafe(|| TextRerank::try_new_from_user_defined(model, options)))
            .map_err(|_| refused(&paths.model, "it is not a model that can be run"))?
            .map_err(|error| refused(&paths.model, error))?;
        let mut model = Self { session };
        model.session.tokenizer.set_encode_special_tokens(true);
        Ok(model)
    }

    /// Scores in the order of the passages.
    fn score(&mut self, query: &str, passages: &[String]) -> Result<Vec<f32>, RerankError> {
        let attempted = || format!("could not read {} passages", passages.len());
        let bytes_max = limits::RERANK_TOKENS_MAX * limits::EMBED_BYTES_PER_TOKEN_MAX;
        let cut = |text: &'_ str| text[..text.floor_char_boundary(bytes_max)].to_owned();
        let texts: Vec<String> = passages.iter().map(|passage| cut(passage)).collect();
        // A panic of the vendor's costs this run alone: a session keeps nothing between runs but its weights.
        let run = || self.session.rerank(cut(query), texts, false, Some(passages.len().max(1)));
        let found = catch_unwind(AssertUnwindSafe(run))
            .map_err(|_| RerankError::caused_by(RerankErrorKind::Model, attempted(), "the model panicked"))?
            .map_err(|error| RerankError::caused_by(RerankErrorKind::Model, attempted(), error))?;
        let mut scores = vec![f32::NAN; passages.len()];
        for result in found {
            if let Some(score) = scores.get_mut(result.index) {
                *score = result.score;
            }
        }
        if scores.iter().all(|score| score.is_finite()) {
            return Ok(scores);
        }
        Err(RerankError::caused_by(RerankErrorKind::Model, attempted(), "the model gave no number for one of them"))
    }
}

fn refused(path: &std::path::Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EmbedError {
    let attempted = format!("could not load the reranking model {}; is it an ONNX cross-encoder?", path.display());
    EmbedError::caused_by(wellspring_core::embedding::EmbedErrorKind::Model, attempted, source)
}
