//! `eval`: how well are passages found and questions answered, and did a change make it better?
//!
//! ```text
//! test set ─► collection ─► retrieval ─► report, and a run by the query ─► compare
//!                       ├──► fusion: what the words should count for
//!                       └──► answers ───► report, and what became of each question
//!                                  └────► abstain: how much evidence an answer should need
//! ```

mod abstain;
mod answers;
mod collection;
mod compare;
mod fusion;
mod gold;
mod lines;
mod per_query;
mod report;
mod retrieval;
mod run;
mod set;

use crate::cli::{EvalAction, EvalArguments, TuneAction, TuneArguments};

/// Measures, and prints what was found.
pub(crate) async fn run(arguments: &EvalArguments, json: bool) -> anyhow::Result<()> {
    match &arguments.action {
        EvalAction::Answers(arguments) => answers::run(arguments, json).await,
        EvalAction::Retrieval(arguments) => retrieval::run(arguments, json).await,
        EvalAction::Compare { a, b, arms, against, seed } => {
            let comparison = compare::Pairing { arms, against: *against, seed: *seed };
            compare::run(a, b, &comparison, json)
        }
    }
}

/// Fits a setting to a test set, and prints what it should be.
pub(crate) async fn tune(arguments: &TuneArguments, json: bool) -> anyhow::Result<()> {
    match &arguments.action {
        TuneAction::Abstain(arguments) => abstain::run(arguments, json).await,
        TuneAction::Fusion(arguments) => fusion::run(arguments, json).await,
    }
}
