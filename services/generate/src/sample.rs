//! Which token comes next?
//!
//! Invariants:
//! - Greedy text takes the likeliest token, whatever the numbers for sampling say.
//! - The same seed over the same logits gives the same tokens.
//! - With a grammar, no token is chosen that the grammar does not take; a grammar that cannot be read is refused before
//!   anything is generated, and one that takes too long for a token ends its text: nobody else's can go on meanwhile.

use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::vocab::LlamaVocab;
use thiserror::Error;
use wellspring_core::generator::{GenerationOptions, LikelyToken, TextForm, WrittenToken};
use wellspring_core::limits;

use crate::form::{self, FormError};

/// Written tokens that the repeat penalty looks back at.
const PENALTY_TOKENS: i32 = 64;
/// The rule that a grammar begins with.
const ROOT: &str = "root";

/// Why no token can be chosen as asked.
#[derive(Debug, Error)]
pub(crate) enum SampleError {
    /// The schema describes nothing that a grammar can say.
    #[error("the JSON schema cannot be turned into a grammar")]
    Schema,
    /// llama.cpp must not see it.
    #[error("the form cannot be kept: {0}")]
    Form(#[from] FormError),
    /// llama.cpp does not read the grammar.
    #[error("the grammar cannot be read")]
    Grammar,
    /// The text is in too many places of the grammar at once.
    #[error("the grammar took longer than {} ms for one token", limits::GRAMMAR_TOKEN_TIME_MAX.as_millis())]
    Slow,
    /// The grammar takes none of the model's tokens.
    #[error("the grammar leaves the model no token")]
    NoToken,
}

/// Chooses the tokens of one request.
pub(crate) struct Chooser {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
}

impl Chooser {
    /// As a request wants it. CPU work in proportion to the grammar.
    pub(crate) fn new(
        model: &LlamaModel,
        temperature: f32,
        seed: u32,
        options: &GenerationOptions,
    ) -> Result<Self, SampleError> {
        Ok(Self { chain: chain(model, temperature, seed, options), grammar: grammar(model, &options.form)? })
    }

    /// Chooses by the logits of a row of the last batch.
    pub(crate) fn choose(&mut self, context: &LlamaContext<'_>, row: i32) -> Result<LlamaToken, SampleError> {
        let Some(grammar) = &mut self.grammar else { return Ok(self.chain.sample(context, row)) };
        let begun = Instant::now();
        // Most of the time the model writes what the grammar wants, and asking it of one token is cheap.
        let free = context.token_data_array_ith(row).with_sampler(&mut self.chain).selected_token();
        let token = match free.filter(|token| takes(grammar, *token)) {
            Some(token) => token,
            None => {
                let mut allowed = context.token_data_array_ith(row);
                allowed.apply_sampler(grammar);
                if allowed.data.iter().all(|token| token.logit() == f32::NEG_INFINITY) {
                    return Err(SampleError::NoToken);
                }
                allowed.data.retain(|token| token.logit() > f32::NEG_INFINITY);
                allowed.apply_sampler(&mut self.chain);
                allowed.selected_token().ok_or(SampleError::NoToken)?
            }
        };
        self.chain.accept(token);
        grammar.try_accept(token).map_err(|_| SampleError::NoToken)?;
        if begun.elapsed() > limits::GRAMMAR_TOKEN_TIME_MAX { Err(SampleError::Slow) } else { Ok(token) }
    }
}

/// How likely a token of a row of the last batch was, and the likeliest ones in its place. CPU work in proportion to the
/// vocabulary.
pub(crate) fn told(
    context: &LlamaContext<'_>,
    vocabulary: &LlamaVocab<'_>,
    row: i32,
    token: LlamaToken,
    count: usize,
) -> WrittenToken {
    let logits = context.get_logits_ith(row);
    let likely = |token: i32, logprob: f32| LikelyToken {
        bytes: vocabulary.token_to_piece(LlamaToken(token), true, None),
        logprob,
    };
    let (mine, likeliest) = logprobs(logits, token.0, count);
    WrittenToken {
        token: likely(token.0, mine),
        likeliest: likeliest.into_iter().map(|(token, logprob)| likely(token, logprob)).collect(),
    }
}

/// The log-probability of one token, and so many of the likeliest, the likeliest first; among equals the lowest first.
fn logprobs(logits: &[f32], token: i32, count: usize) -> (f32, Vec<(i32, f32)>) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // In 64 bits: a sum over 150,000 small numbers.
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    let logprob = |logit: f32| (f64::from(logit - most) - sum.ln()) as f32;
    let mut likeliest: Vec<(i32, f32)> = Vec::with_capacity(count + 1);
    for (token, &logit) in (0..).zip(logits) {
        let place = likeliest.partition_point(|(_, other)| *other >= logit);
        if place < count {
            likeliest.insert(place, (token, logit));
            likeliest.truncate(count);
        }
    }
    let mine = usize::try_from(token).ok().and_then(|token| logits.get(token)).copied().unwrap_or(f32::NEG_INFINITY);
    (logprob(mine), likeliest.into_iter().map(|(token, logit)| (token, logprob(logit))).collect())
}

/// Says whether a form can be asked for. CPU work in proportion to it.
pub(crate) fn check_form(model: &LlamaModel, form: &TextForm) -> Result<(), SampleError> {
    grammar(model, form).map(drop)
}

/// Whether a grammar takes a token next.
fn takes(grammar: &mut LlamaSampler, token: LlamaToken) -> bool {
    let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(token, 0.0, 0.0)], false);
    one.apply_sampler(grammar);
    one.data.first().is_some_and(|token| token.logit() > f32::NEG_INFINITY)
}

fn grammar(model: &LlamaModel, form: &TextForm) -> Result<Option<LlamaSampler>, SampleError> {
    let text = match form {
        TextForm::Free => return Ok(None),
        TextForm::Grammar(text) => text.clone(),
        TextForm::JsonSchema(schema) => {
            form::check_schema(&serde_json::from_str(schema).map_err(|_| SampleError::Schema)?)?;
            llama_cpp_2::json_schema_to_grammar(schema).map_err(|_| SampleError::Schema)?
        }
    };
    form::check_grammar(&text)?;
    LlamaSampler::grammar(model, &text, ROOT).map(Some).map_err(|_| SampleError::Grammar)
}

fn chain(model: &LlamaModel, temperature: f32, seed: u32, options: &GenerationOptions) -> LlamaSampler {
    let mut chain = Vec::new();
    if options.repeat_penalty != 1.0 {
        chain.push(LlamaSampler::penalties(model.n_vocab(), PENALTY_TOKENS, options.repeat_penalty, 0.0, 0.0));
    }
    if temperature == 0.0 {
        chain.push(LlamaSampler::greedy());
    } else {
        chain.extend([
            LlamaSampler::top_k(i32::try_from(options.top_k).unwrap_or(i32::MAX)),
            LlamaSampler::top_p(options.top_p, 1),
            LlamaSampler::min_p(options.min_p, 1),
            LlamaSampler::temp(temperature),
            // llama.cpp reads the largest seed as "choose one by chance".
            LlamaSampler::dist(seed.min(u32::MAX - 1)),
        ]);
    }
    LlamaSampler::chain(chain, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_the_likeliest_come_first() {
        let logits = [1.0, 3.0, -2.0, 3.0];
        let (mine, likeliest) = logprobs(&logits, 0, 4);
        assert_eq!(likeliest.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 3, 0, 2]);
        assert!((likeliest.iter().map(|(_, logprob)| logprob.exp()).sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(mine, likeliest[2].1);
        assert_eq!(logprobs(&logits, 1, 0).1, []);
        assert_eq!(logprobs(&logits, 1, 2).1.len(), 2);
    }
}
