//! `eval`: how well are passages found, and did a change make it better?
//!
//! ```text
//! test set ─► collection ─► retrieval ─► report, and a run by the query ─► compare
//! ```

mod collection;
mod compare;
mod lines;
mod report;
mod retrieval;
mod run;
mod set;

use crate::cli::{EvalAction, EvalArguments};

/// Measures, and prints what was found.
pub(crate) async fn run(arguments: &EvalArguments, json: bool) -> anyhow::Result<()> {
    match &arguments.action {
        EvalAction::Retrieval(arguments) => retrieval::run(arguments, json).await,
        EvalAction::Compare { a, b, arms, against, seed } => {
            let comparison = compare::Pairing { arms, against: *against, seed: *seed };
            compare::run(a, b, &comparison, json)
        }
    }
}
