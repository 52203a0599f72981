//! What can be typed behind `wellspring tune`?

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::eval::ModelFlags;
use crate::config::Flags;

/// `tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArguments {
    /// What to fit.
    #[command(subcommand)]
    pub(crate) action: TuneAction,
}

/// What to fit.
#[derive(Debug, Subcommand)]
pub(crate) enum TuneAction {
    /// How much evidence an answer needs, so that few questions are declined that the documents answer.
    #[command(
        after_help = "DIR is a test set with answers, as `eval answers` takes it. Each question is asked twice: of all the
documents, and after those that answer it were deleted. The setting is fitted on half of the questions and checked on the
other half. Coverage is the share of answerable questions that get an answer, risk the share of unanswerable ones that do.

Examples:
  wellspring tune abstain sets/notes
  wellspring tune abstain sets/notes --false-abstention 0.02 --limit 300
  wellspring serve --answer-sufficiency-percent 120            what it advised"
    )]
    Abstain(AbstainArguments),
    /// What the words count for beside the meaning, so that what is wanted stands first.
    #[command(
        after_help = "DIR is a test set, as `eval retrieval` takes it. The balance is fitted on half of the queries and checked
on the other half, where it is also compared with the default: below .05, p says that the difference is more than chance.
Queries in a language that the embedder does not know are answered by words alone, and left out.

Examples:
  wellspring tune fusion sets/notes
  wellspring tune fusion sets/notes --keep /var/tmp/notes     the second time, nothing is embedded
  wellspring serve --search-keyword-percent 40                 what it advised"
    )]
    Fusion(FusionArguments),
}

/// The test set of every fit, and how much of it counts.
#[derive(Debug, Args)]
pub(crate) struct TuneSet {
    /// The test set.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Keep the collection in this folder, and use it again when it is there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Ask only a sample of so many questions.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Which sample, and which half is fitted on.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    models: ModelFlags,
}

impl TuneSet {
    /// The flags that were given, by setting.
    pub(crate) fn flags(&self) -> Flags {
        self.models.flags(&[])
    }
}

/// `tune fusion`.
#[derive(Debug, Args)]
pub(crate) struct FusionArguments {
    #[command(flatten)]
    pub(crate) set: TuneSet,
}

/// `tune abstain`.
#[derive(Debug, Args)]
pub(crate) struct AbstainArguments {
    #[command(flatten)]
    pub(crate) set: TuneSet,
    /// The share of answerable questions that may be declined.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub(crate) false_abstention: f64,
}
