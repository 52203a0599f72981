//! One model session: texts in, directions out.
//!
//! Invariants:
//! - A session computes on the thread that calls it and on no other.
//! - Every direction has passed [`Embedding::new`] and the space's dimension.
//! - A token that only the model may write, such as `[SEP]`, is plain text when a document contains it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastembed::{
    InitOptionsUserDefined, Pooling, QuantizationMode, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel,
};
use ort::environment::Environment;
use tokenizers::Tokenizer;
use wellspring_core::embedding::{EmbedError, EmbedErrorKind, Embedding, EmbeddingSpace};

/// Something that embeds on its own thread.
pub(crate) trait Model: Send {
    /// Embeds the texts of one run, in order.
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EmbedError>;
}

/// An ONNX model with its tokenizer.
pub(crate) struct OnnxModel {
    session: TextEmbedding,
    dimension: usize,
}

impl OnnxModel {
    /// Builds a session of one thread, without an arena: an arena keeps the largest shape ever seen, per session.
    pub(crate) fn new(
        environment: &Environment,
        weights: &[u8],
        tokenizer: &[u8],
        space: &EmbeddingSpace,
    ) -> Result<Self, EmbedError> {
        let files = TokenizerFiles {
            tokenizer_file: tokenizer.to_vec(),
            config_file: b"{}".to_vec(),
            special_tokens_map_file: b"{}".to_vec(),
            tokenizer_config_file: tokenizer_config(tokenizer, space.tokens_max)?.into_bytes(),
        };
        let model = UserDefinedEmbeddingModel::new(weights.to_vec(), files)
            .with_pooling(pooling(&space.pooling)?)
            .with_quantization(QuantizationMode::None);
        let options = InitOptionsUserDefined::new()
            .with_environment(environment.clone())
            .with_execution_providers(vec![ort::ep::CPU::default().with_arena_allocator(false).build()])
            .with_intra_threads(1)
            .with_max_length(space.tokens_max);
        let mut session = TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| {
            let attempted = "could not load the embedding model (`wellspring models verify` checks its file)";
            EmbedError::caused_by(EmbedErrorKind::Model, attempted, error)
        })?;
        session.tokenizer.set_encode_special_tokens(true);
        let mut model = Self { session, dimension: space.dimension };
        // A first run now finds a wrong dimension or a missing output before anything is indexed with it.
        model.embed(&["a first run".to_owned()])?;
        Ok(model)
    }
}

impl Model for OnnxModel {
    fn embed(&mut self, texts: &[String]) -> Result<Vec<Embedding>, EmbedError> {
        let attempted = || format!("could not embed {} texts", texts.len());
        // A panic of the vendor's costs this run alone: a session keeps nothing between runs but its weights.
        let outputs = catch_unwind(AssertUnwindSafe(|| self.session.embed(texts, Some(texts.len().max(1)))))
            .map_err(|_| EmbedError::caused_by(EmbedErrorKind::Model, attempted(), "the model panicked"))?
            .map_err(|error| EmbedError::caused_by(EmbedErrorKind::Model, attempted(), error))?;
        if outputs.len() != texts.len() {
            let reason = format!("the model returned {} vectors", outputs.len());
            return Err(EmbedError::caused_by(EmbedErrorKind::Model, attempted(), reason));
        }
        outputs.into_iter().map(|values| check(values, self.dimension)).collect()
    }
}

/// Makes a direction of a model's output.
fn check(values: Vec<f32>, dimension: usize) -> Result<Embedding, EmbedError> {
    if values.len() != dimension {
        let attempted = format!("the model returned {} values a text where its space has {dimension}", values.len());
        return Err(EmbedError::new(EmbedErrorKind::Model, attempted));
    }
    Embedding::new(values)
        .map_err(|error| EmbedError::caused_by(EmbedErrorKind::Model, "the model returned no direction", error))
}

fn pooling(name: &str) -> Result<Pooling, EmbedError> {
    match name {
        "mean" => Ok(Pooling::Mean),
        "cls" => Ok(Pooling::Cls),
        _ => Err(EmbedError::new(EmbedErrorKind::Model, "the embedding space's pooling is neither `mean` nor `cls`")),
    }
}

/// Reads a tokenizer that counts: whole texts, nothing added.
pub(crate) fn counting_tokenizer(bytes: &[u8]) -> Result<Tokenizer, EmbedError> {
    let mut tokenizer = parse_tokenizer(bytes)?;
    tokenizer.set_encode_special_tokens(true);
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(refused_tokenizer)?;
    Ok(tokenizer)
}

/// Reads a tokenizer as its file says.
pub(crate) fn parse_tokenizer(bytes: &[u8]) -> Result<Tokenizer, EmbedError> {
    Tokenizer::from_bytes(bytes).map_err(refused_tokenizer)
}

fn refused_tokenizer(error: tokenizers::Error) -> EmbedError {
    let attempted = "could not read the tokenizer (`wellspring models verify` checks its file)";
    EmbedError::caused_by(EmbedErrorKind::Model, attempted, error)
}

/// The part of `tokenizer_config.json` that the session needs: the length and the padding, which the tokenizer's own
/// file names when it pads at all.
pub(crate) fn tokenizer_config(tokenizer: &[u8], tokens_max: usize) -> Result<String, EmbedError> {
    let (pad_token, _) = pad_token(&parse_tokenizer(tokenizer)?)?;
    Ok(serde_json::json!({ "model_max_length": tokens_max, "pad_token": pad_token }).to_string())
}

/// The token that fills up a short text, and its number: the one that the file names, else BERT's or RoBERTa's.
pub(crate) fn pad_token(tokenizer: &Tokenizer) -> Result<(String, u32), EmbedError> {
    let named = tokenizer.get_padding().map(|padding| padding.pad_token.as_str());
    let mut names = named.map_or(vec!["[PAD]", "<pad>"], |named| vec![named]).into_iter();
    let found = names.find_map(|name| Some((name.to_owned(), tokenizer.token_to_id(name)?)));
    found.ok_or_else(|| EmbedError::new(EmbedErrorKind::Model, "the tokenizer has no token to pad with"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_that_are_no_direction_are_refused() {
        assert!(check(vec![3.0, 4.0], 2).is_ok());
        for bad in [vec![1.0], vec![1.0, f32::NAN], vec![0.0, 0.0], vec![f32::INFINITY, 1.0]] {
            assert_eq!(check(bad, 2).unwrap_err().kind(), EmbedErrorKind::Model);
        }
    }

    #[test]
    fn a_damaged_tokenizer_is_refused() {
        for bad in [&b""[..], b"{}", b"[1, 2", b"\xff\xfe"] {
            assert_eq!(counting_tokenizer(bad).unwrap_err().kind(), EmbedErrorKind::Model);
        }
    }
}
