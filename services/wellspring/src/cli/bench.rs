//! What can be typed behind `wellspring bench`?

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServiceFlags;

/// `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) action: BenchAction,
    /// The service's settings decide models and threads.
    #[command(flatten)]
    pub(crate) service: ServiceFlags,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchAction {
    /// Ingestion: documents pushed into a fresh service, until all are searchable, against the embedder alone.
    #[command(after_help = "Example:
  wellspring bench ingest corpus.jsonl --sample 300")]
    Ingest {
        /// A .jsonl file, one document a line: {"id": …, "title": …, "text": …}.
        corpus: PathBuf,
        /// Passages for the embedder alone, before and after.
        #[arg(long, default_value_t = 1000)]
        sample: usize,
    },
    /// A stream of edits: tokens embedded against tokens in changed lines, and retrieval against a fresh ingestion.
    #[command(after_help = "Example:
  wellspring bench stream edits/ --limit 20")]
    Stream {
        /// A folder with corpus.jsonl ({"id": …, "title": …, "text": …}) and events.jsonl or events.jsonl.gz
        /// ({"changes": [{"op": "add|modify|delete", "path": …, "text": …}]}).
        folder: PathBuf,
        /// Replay only the first events.
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Freshness: from a push of five chunks to the search that finds it, idle and beside a bulk load.
    #[command(after_help = "Example:
  wellspring bench freshness --corpus corpus.jsonl --pushes 30")]
    Freshness {
        /// A .jsonl file to load meanwhile; without one only the idle service is measured.
        #[arg(long)]
        corpus: Option<PathBuf>,
        /// Pushes to time, in each of the two states.
        #[arg(long, default_value_t = 40)]
        pushes: usize,
    },
    /// Screening: copies planted among documents, how many are found, what is taken for one, and what is saved.
    #[command(after_help = "Example:
  wellspring bench screening corpus.jsonl --documents 200 --seed 7")]
    Screening {
        /// A .jsonl file, one document a line: {"title": …, "text": …}.
        corpus: PathBuf,
        /// Documents taken of it, spread over the whole.
        #[arg(long, default_value_t = 200)]
        documents: usize,
        /// What the changes are drawn from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Retrieval: what a search costs over so many generated chunks, and which share of the nearest it finds.
    #[command(after_help = "Example:
  wellspring bench retrieval --chunks 100000
  wellspring bench retrieval --chunks 1000000 --vector-quantisation scalar")]
    Retrieval {
        /// Chunks to fill the indexes with, in a temporary folder: some 6 kB of disk each.
        #[arg(long, default_value_t = 20_000)]
        chunks: u64,
    },
}
