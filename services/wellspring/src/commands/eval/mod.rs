//! `eval`: how well are passages found and questions answered, and did a change make it better?
//!
//! ```text
//! test set ─► collection ─► retrieval ─► report, and a run by the query ─► compare
//!                       └──► answers ───► report, and what became of each question
//! ```

mod answers;
mod collection;
mod compare;
mod gold;
mod lines;
mod per_query;
mod report;
mod retrieval;
mod run;
mod set;

use crate::cli::{EvalAction, EvalArguments};

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
