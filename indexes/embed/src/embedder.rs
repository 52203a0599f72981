//! The embedder that collections use: prefixes, a tokenizer that counts, and a pool of model threads.
//!
//! Invariants:
//! - A text longer than the model could ever read is cut before it is queued, so that its length costs nothing.
//! - The same text is cut at the same place whatever it is batched with.

use std::iter;
use std::path::PathBuf;

use async_trait::async_trait;
use tokenizers::Tokenizer;
use wellspring_core::embedding::{EmbedError, Embedder, Embedding, EmbeddingSpace, Lane};
use wellspring_core::limits;

use crate::model::{Model, OnnxModel, counting_tokenizer};
use crate::pool::{Pool, Text};
use crate::queue::Duty;
use crate::{files, runtime};

/// Where the embedder's files lie; their hashes are the caller's to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderFiles {
    /// The ONNX Runtime, a shared library.
    pub onnxruntime: PathBuf,
    /// The weights, an ONNX file.
    pub model: PathBuf,
    /// `tokenizer.json` in the Hugging Face form.
    pub tokenizer: PathBuf,
}

/// How the embedder uses the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// Threads that may compute at once for questions, and as many for passages; one a core is fastest. Each has a
    /// session of its own, and there is one session more: the first serves questions alone and the last passages alone.
    /// A session holds the weights unpacked: 40 MB for the default model.
    pub threads: usize,
    /// Tokens of one run, padding included.
    pub run_tokens_max: usize,
}

impl Default for EmbedderOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads, run_tokens_max: limits::EMBED_BATCH_TOKENS_MAX }
    }
}

/// An ONNX model behind the [`Embedder`] seam.
///
/// Dropping it ends its threads after the runs they are in.
pub struct OnnxEmbedder {
    space: EmbeddingSpace,
    tokenizer: Tokenizer,
    pool: Pool,
}

impl OnnxEmbedder {
    /// Loads everything and runs every session once. Reads files and computes for some hundred milliseconds: call it
    /// off the async threads.
    pub fn load(files: &EmbedderFiles, space: EmbeddingSpace, options: EmbedderOptions) -> Result<Self, EmbedError> {
        let environment = runtime::environment(&files.onnxruntime)?;
        let weights = files::read(&files.model, "embedding model")?;
        let tokenizer = files::read(&files.tokenizer, "tokenizer")?;
        // Every model thread tokenizes for itself; the vendor's own thread pool would only compete with them.
        tokenizers::utils::parallelism::set_parallelism(false);
        let duties = iter::once(Duty::Interactive)
            .chain(iter::repeat_n(Duty::Both, options.threads.saturating_sub(1)))
            .chain(iter::once(Duty::Bulk));
        let models = duties
            .map(|duty| {
                let model = OnnxModel::new(&environment, &weights, &tokenizer, &space)?;
                Ok((Box::new(model) as Box<dyn Model>, duty))
            })
            .collect::<Result<_, EmbedError>>()?;
        Ok(Self {
            tokenizer: counting_tokenizer(&tokenizer)?,
            pool: Pool::start(models, options.run_tokens_max)?,
            space,
        })
    }

    /// Puts the prefix in front and cuts what the model cannot read.
    fn prepare(&self, prefix: &str, mut text: String) -> Text {
        let bytes_max = self.space.tokens_max.saturating_mul(limits::EMBED_BYTES_PER_TOKEN_MAX);
        text.truncate(text.floor_char_boundary(bytes_max));
        if !prefix.is_empty() {
            text.insert_str(0, prefix);
        }
        Text { tokens: estimate_tokens(&text).min(self.space.tokens_max), text }
    }
}

/// About how many tokens a text has: four letters each, or one other character.
fn estimate_tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().filter(|c| !c.is_ascii()).count();
    ascii / 4 + others + 2
}

#[async_trait]
impl Embedder for OnnxEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    async fn embed_passages(&self, texts: Vec<String>, lane: Lane) -> Result<Vec<Embedding>, EmbedError> {
        let texts = texts.into_iter().map(|text| self.prepare(&self.space.passage_prefix, text)).collect();
        self.pool.embed(texts, lane).await
    }

    async fn embed_query(&self, text: String) -> Result<Embedding, EmbedError> {
        let text = self.prepare(&self.space.query_prefix, text);
        let mut embeddings = self.pool.embed(vec![text], Lane::Interactive).await?;
        Ok(embeddings.pop().expect("one text has one embedding"))
    }

    fn count_tokens(&self, text: &str) -> usize {
        // A tokenizer that gives up on a text leaves the caller an upper bound: no token is shorter than a byte.
        self.tokenizer.encode_fast(text, false).map_or(text.len(), |encoding| encoding.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_near_enough_to_plan_runs() {
        assert_eq!(estimate_tokens(""), 2);
        assert_eq!(estimate_tokens("渡轮早上七点离开港口。"), 13);
        assert!((10..=16).contains(&estimate_tokens("The ferry leaves the harbour at seven in the morning.")));
    }
}
