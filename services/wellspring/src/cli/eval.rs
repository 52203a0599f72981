//! What can be typed behind `wellspring eval`?

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{Mode, Style, VerifyChoice};
use crate::config::Flags;

/// `eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) action: EvalAction,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalAction {
    /// Retrieval: what stands where a reader looks, by words, by meaning, and by both.
    #[command(after_help = "DIR holds three files; each may end in .gz:
  corpus.jsonl    one document a line: {\"id\": …, \"title\": …, \"text\": …}
  queries.jsonl   one query a line: {\"id\": …, \"text\": …}
  qrels.tsv       query, document and grade between tabs, with a header or without; or qrels/test.tsv, as in BEIR

The documents go through the whole write path of a service that is started for this and removed after it. A document's
rank is that of its first chunk. nDCG takes the grade as the gain, as trec_eval does; queries for which nothing is wanted
are left out. Latency is that of one search for ten passages over HTTP on the loopback, the query's embedding included,
one query after the other; a machine that does other things meanwhile is measured with them.

Examples:
  wellspring eval retrieval sets/notes
  wellspring eval retrieval sets/notes --json --arms hybrid
  wellspring eval retrieval sets/large --limit 200 --seed 1        a sample of the queries
  wellspring eval retrieval sets/notes --keep /tmp/notes           read the documents once, evaluate again and again
  wellspring eval retrieval sets/notes --per-query after.jsonl     for `eval compare`, and to see what was missed")]
    Retrieval(RetrievalArguments),
    /// Answers: whether they are right, whether citations hold, and whether nothing is said where nothing is known.
    #[command(after_help = "DIR is a test set as for `eval retrieval`, whose queries.jsonl has right answers:
  {\"id\": …, \"text\": …, \"answers\": [\"1931\", …]}
Queries without answers are not asked, and counted. The questions are asked over HTTP, one after the other.

Over all questions that are asked:
  em, f1, contained     the answer is a right one, shares its words, holds it; 0 where none was given. English as SQuAD
                        does it, Chinese, Japanese and Korean by the character; of several right answers the best fit
  false_abstention      \"the documents do not say\", although a document does
  refused               --mode generate: what was written was not supported, or nothing was
  conflicting           answered, and documents that contradict each other were shown
  misled                where queries have a `fake_answer`, planted in documents: it is answered, and no right one
  conflicting_misled    of these, the share for which the contradiction was shown
Over those with an answer:
  citation_recall       a document with a positive grade is cited
  quote_holds_answer    a right answer stands in one of the quotes
  first_token_ms, prompt_tokens_mean
Over their citations:
  citation_precision    the document has a positive grade
  supported             the quote supports the sentence, as the service says
  valid_citations       the quote is what stands at its span of the cited revision; those of --unanswerable count too
With --unanswerable, over the same questions, asked again after all their documents with a positive grade were deleted:
  abstention_unanswerable, refused_unanswerable
With several generators in the configuration file and answer.cascade, over the questions that they were asked:
  cascade               went_on (the share for which a larger model was asked), kept_first, mean seconds of the first step
                        and of the later ones, and seconds_saved against asking the larger one at once
Seconds are those of the first asking, without reading documents and checking citations.

Examples:
  wellspring eval answers sets/notes --mode extract --unanswerable
  wellspring eval answers sets/notes --model qwen2.5-coder-1.5b-instruct --mode generate --limit 50
  wellspring eval answers sets/notes --given                       each question with its documents and three others
  wellspring eval answers sets/large --keep /tmp/large --limit 100 --json
  wellspring eval answers sets/notes --per-query answers.jsonl     to see what went wrong")]
    Answers(AnswersArguments),
    /// Compare two runs query by query: is the difference in nDCG@10 more than chance?
    #[command(
        after_help = "A and B are files of `eval retrieval --per-query`, over the same queries. p is the probability of a
difference of that size or more if there were none, by a paired randomisation test with 10,000 rounds; the interval is
where the mean difference lies with 95 %, by drawing the queries again (bootstrap). Both are seeded.

Examples:
  wellspring eval compare before.jsonl after.jsonl
  wellspring eval compare before.jsonl after.jsonl --arms hybrid --json
  wellspring eval compare run.jsonl run.jsonl --arms hybrid --against keyword     two arms of one run"
    )]
    Compare {
        /// The run before.
        a: PathBuf,
        /// The run after.
        b: PathBuf,
        /// The arms of B to compare; all that it has when not given.
        #[arg(long, value_enum, value_delimiter = ',')]
        arms: Vec<Arm>,
        /// The arm of A that they are compared with; each with its own when not given.
        #[arg(long, value_enum, value_name = "ARM")]
        against: Option<Arm>,
        /// Where the randomness begins.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// A way of searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arm {
    /// By words alone.
    Keyword,
    /// By meaning alone, whatever the query's language.
    Vector,
    /// As a search is answered: both, weighed.
    Hybrid,
}

impl Arm {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Vector => "vector",
            Self::Hybrid => "hybrid",
        }
    }
}

/// `eval retrieval`.
#[derive(Debug, Args)]
pub(crate) struct RetrievalArguments {
    /// The test set.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The ways of searching to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Arm::Keyword, Arm::Vector, Arm::Hybrid])]
    pub(crate) arms: Vec<Arm>,
    /// Keep the collection in this folder, and use it again when it is there: indexes and vectors are as they were made.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Measure only a sample of so many queries.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Which sample.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write each query with its scores and the documents that were found, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) per_query: Option<PathBuf>,
    #[command(flatten)]
    models: ModelFlags,
}

impl RetrievalArguments {
    /// The flags that were given, by setting.
    pub(crate) fn flags(&self) -> Flags {
        self.models.flags(&[])
    }
}

/// `eval answers`.
#[derive(Debug, Args)]
pub(crate) struct AnswersArguments {
    /// The test set.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// How to answer.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub(crate) mode: Mode,
    /// How long the answers are.
    #[arg(long, value_enum, default_value_t = Style::Auto)]
    pub(crate) style: Style,
    /// What becomes of unsupported sentences.
    #[arg(long, value_enum, default_value_t = VerifyChoice::Mark)]
    pub(crate) verify: VerifyChoice,
    /// The generator: a name in the model manifest, the path of a GGUF file, or `off`.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Threads that the generator computes with; 0 is one a core.
    #[arg(long, value_name = "N")]
    generator_threads: Option<String>,
    /// Ask each question of the documents with a positive grade and three drawn ones instead of the whole corpus.
    #[arg(long)]
    pub(crate) given: bool,
    /// Then delete the documents with a positive grade, and ask the same questions again.
    #[arg(long)]
    pub(crate) unanswerable: bool,
    /// Keep the collection in this folder, and use it again when it is there; what --unanswerable deletes comes back then.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Ask only a sample of so many questions.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Which sample, and which drawn documents.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write each question with its answer, citations and what is so about them, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) per_query: Option<PathBuf>,
    #[command(flatten)]
    models: ModelFlags,
}

impl AnswersArguments {
    /// The flags that were given, by setting.
    pub(crate) fn flags(&self) -> Flags {
        self.models.flags(&[("generator.model", &self.model), ("generator.threads", &self.generator_threads)])
    }
}

/// Which models, for every measurement.
#[derive(Debug, Args)]
pub(super) struct ModelFlags {
    /// Read this configuration file instead of wellspring.toml; only the models count.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Model files.
    #[arg(long, value_name = "DIR")]
    models_dir: Option<String>,
    /// The embedder, by its name in the model manifest.
    #[arg(long, value_name = "NAME")]
    embedder_model: Option<String>,
    /// Embedder sessions, one thread each; 0 is one a core.
    #[arg(long, value_name = "N")]
    embedder_threads: Option<String>,
}

impl ModelFlags {
    /// These flags and `more`, as far as they were given, by setting.
    pub(super) fn flags(&self, more: &[(&'static str, &Option<String>)]) -> Flags {
        let own = [
            ("models_dir", &self.models_dir),
            ("embedder.model", &self.embedder_model),
            ("embedder.threads", &self.embedder_threads),
        ];
        let all = own.iter().chain(more);
        let values = all.filter_map(|(name, value)| Some((*name, vec![(*value).clone()?]))).collect();
        Flags { file: self.config.clone(), values }
    }
}
