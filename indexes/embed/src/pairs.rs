//! What does a cross-encoder say of two texts that it reads together?
//!
//! Any ONNX file with the inputs of a BERT or a RoBERTa and a row of numbers for each pair as its output `logits`.
//!
//! Invariants:
//! - A session computes on the thread that calls it and on no other.
//! - Every row has the same length, and every number in it is finite.
//! - A token that only the model may write, such as `[SEP]`, is plain text when a document contains it.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;
use tokenizers::{Encoding, PaddingParams, Tokenizer, TruncationParams};
use wellspring_core::embedding::{EmbedError, EmbedErrorKind};
use wellspring_core::limits;

use crate::model::{pad_token, parse_tokenizer};
use crate::{files, runtime};

/// Where a cross-encoder's files lie, and what it is called in an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairFiles<'a> {
    pub(crate) what: &'static str,
    pub(crate) onnxruntime: &'a Path,
    pub(crate) model: &'a Path,
    pub(crate) tokenizer: &'a Path,
}

/// What becomes of a pair that is longer than the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlong {
    /// The longer text loses its end.
    Cut,
    /// It is not read.
    Refuse,
}

/// Why there are no numbers.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A pair is longer than what the model reads.
    TooLong,
    /// The model failed.
    Model(Box<dyn Error + Send + Sync>),
}

/// A session with its tokenizer.
pub(crate) struct PairModel {
    session: Session,
    tokenizer: Tokenizer,
    has_types: bool,
    tokens_max: usize,
    overlong: Overlong,
}

impl PairModel {
    /// Loads a model that reads up to `tokens_max` tokens of a pair.
    pub(crate) fn load(paths: PairFiles<'_>, tokens_max: usize, overlong: Overlong) -> Result<Self, EmbedError> {
        let PairFiles { what, onnxruntime, model, tokenizer } = paths;
        let environment = runtime::environment(onnxruntime)?;
        let weights = files::read(model, what)?;
        let mut tokenizer = parse_tokenizer(&files::read(tokenizer, &format!("tokenizer of the {what}"))?)?;
        let refused = |source: Box<dyn Error + Send + Sync>| {
            let attempted = format!("could not load the {what} {}; is it an ONNX cross-encoder?", model.display());
            EmbedError::caused_by(EmbedErrorKind::Model, attempted, source)
        };
        let (pad_token, pad_id) = pad_token(&tokenizer)?;
        tokenizer.with_padding(Some(PaddingParams { pad_token, pad_id, ..PaddingParams::default() }));
        let cut = TruncationParams { max_length: tokens_max, ..TruncationParams::default() };
        tokenizer.with_truncation((overlong == Overlong::Cut).then_some(cut)).map_err(refused)?;
        tokenizer.set_encode_special_tokens(true);
        // The vendor asserts on files of another shape.
        let session = catch_unwind(AssertUnwindSafe(|| {
            Session::builder(&environment)?
                .with_execution_providers([ort::ep::CPU::default().with_arena_allocator(false).build()])?
                .with_optimization_level(GraphOptimizationLevel::Level3)?
                .with_intra_threads(1)?
                .commit_from_memory(&weights)
        }))
        .map_err(|_| refused("it is not a model that can be run".into()))?
        .map_err(|error| refused(error.into()))?;
        let has_types = session.inputs().iter().any(|input| input.name() == "token_type_ids");
        Ok(Self { session, tokenizer, has_types, tokens_max, overlong })
    }

    /// The numbers of each pair, in their order; of at least one pair.
    pub(crate) fn logits(&mut self, pairs: Vec<(String, String)>) -> Result<Vec<Vec<f32>>, Fault> {
        // A panic of the vendor's costs this run alone: a session keeps nothing between runs but its weights.
        catch_unwind(AssertUnwindSafe(|| self.run(pairs)))
            .unwrap_or_else(|_| Err(Fault::Model("the model panicked".into())))
    }

    fn run(&mut self, mut pairs: Vec<(String, String)>) -> Result<Vec<Vec<f32>>, Fault> {
        // No token is longer than this, so what lies beyond cannot count and must not cost.
        let bytes_max = self.tokens_max * limits::EMBED_BYTES_PER_TOKEN_MAX;
        for (first, second) in &mut pairs {
            match self.overlong {
                Overlong::Refuse if first.len() + second.len() > bytes_max => return Err(Fault::TooLong),
                Overlong::Refuse => {}
                Overlong::Cut => {
                    first.truncate(first.floor_char_boundary(bytes_max));
                    second.truncate(second.floor_char_boundary(bytes_max));
                }
            }
        }
        let rows = pairs.len();
        let encodings = self.tokenizer.encode_batch(pairs, true).map_err(Fault::Model)?;
        let columns = encodings.first().map_or(0, Encoding::len);
        if columns > self.tokens_max {
            return Err(Fault::TooLong);
        }
        let flat = |of: fn(&Encoding) -> &[u32]| {
            let values: Vec<i64> = encodings.iter().flat_map(of).map(|&value| i64::from(value)).collect();
            Tensor::from_array(([rows, columns], values))
        };
        let failed = |error: ort::Error| Fault::Model(error.into());
        let mut inputs = ort::inputs![
            "input_ids" => flat(Encoding::get_ids).map_err(failed)?,
            "attention_mask" => flat(Encoding::get_attention_mask).map_err(failed)?,
        ];
        if self.has_types {
            inputs.push(("token_type_ids".into(), flat(Encoding::get_type_ids).map_err(failed)?.into()));
        }
        let outputs = self.session.run(inputs).map_err(failed)?;
        let logits = outputs.get("logits").ok_or_else(|| Fault::Model("it has no output `logits`".into()))?;
        let (shape, values) = logits.try_extract_tensor::<f32>().map_err(failed)?;
        if shape.len() != 2 || shape[0] != rows as i64 || shape[1] < 1 {
            return Err(Fault::Model("its output is no row of numbers for each pair".into()));
        }
        if !values.iter().all(|value| value.is_finite()) {
            return Err(Fault::Model("the model gave no number for one of them".into()));
        }
        Ok(values.chunks(values.len() / rows).map(<[f32]>::to_vec).collect())
    }
}
