//! How does a text become a direction on this machine, and what do models say of two texts that they read together?
//!
//! The embedder behind [`wellspring_core::embedding::Embedder`]: an ONNX model run by fastembed, one session a core,
//! each on a thread of its own ([`pool`]), fed by one queue with two lanes ([`queue`]). Its file may be one that was made
//! here of a model's official weights ([`quantise`]). The reranker behind [`wellspring_core::rerank::Reranker`] and the
//! judge behind [`wellspring_core::entailment::EntailmentJudge`] are ONNX cross-encoders ([`pairs`]), each on one more
//! thread ([`worker`]).
//!
//! Invariants:
//! - A model runs only on its own thread; the async side queues and waits, and never blocks.
//! - A vendor's type stops here: callers see paths, texts and embeddings.
//! - A missing, damaged or wrong file is an error with a hint, never a panic, an abort or a download.

mod embedder;
mod entailment;
mod files;
mod labels;
mod model;
mod pairs;
mod pool;
pub mod quantise;
mod queue;
mod reranker;
mod runtime;
mod worker;

pub use embedder::{EmbedderFiles, EmbedderOptions, OnnxEmbedder};
pub use entailment::{EntailmentFiles, OnnxEntailment};
pub use reranker::{OnnxReranker, RerankerFiles};
pub use runtime::NO_TELEMETRY;
