//! Which token comes next?
//!
//! Invariants:
//! - Greedy text takes the likeliest token, whatever the numbers for sampling say.
//! - The same seed over the same logits gives the same tokens.
//! - With a grammar, no token is chosen that the grammar does not take; a grammar that cannot be read is refused before
//!   anything is generated.

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use thiserror::Error;
use wellspring_core::generator::{GenerationOptions, TextForm};

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
    /// llama.cpp does not read the grammar.
    #[error("the grammar cannot be read")]
    Grammar,
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
        Ok(token)
    }
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
        TextForm::JsonSchema(schema) => llama_cpp_2::json_schema_to_grammar(schema).map_err(|_| SampleError::Schema)?,
    };
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
