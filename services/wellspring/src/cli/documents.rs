//! What can be typed behind `wellspring documents`?

use clap::{Args, Subcommand};

/// `documents`.
#[derive(Debug, Args)]
pub(crate) struct DocumentsArguments {
    /// What to do; `list` when nothing is said.
    #[command(subcommand)]
    pub(crate) action: Option<DocumentsAction>,
    /// The collection.
    #[arg(long, global = true, default_value = "default")]
    pub(crate) collection: String,
}

/// What to do with documents.
#[derive(Debug, Subcommand)]
pub(crate) enum DocumentsAction {
    /// List documents in the order of their keys.
    #[command(after_help = "Examples:
  wellspring documents list --limit 20
  wellspring documents list --state failed --source notes")]
    List {
        /// Only those in this state: received, searchable, failed, quarantined, skipped.
        #[arg(long)]
        state: Option<String>,
        /// Only those of this source.
        #[arg(long)]
        source: Option<String>,
        /// The most documents to list.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Go on after this key.
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
    },
    /// Show one document: where it is in the pipeline, and its text.
    #[command(after_help = "Examples:
  wellspring documents show notes/rent.md
  wellspring documents show notes/rent.md --revision 1     the text that an older citation points at")]
    Show {
        /// The document's key.
        key: String,
        /// The revision whose text to show; the published one when not given.
        #[arg(long)]
        revision: Option<u64>,
    },
    /// Delete a pushed document. It is out of every answer when the command returns.
    #[command(after_help = "Examples:
  wellspring documents delete notes/rent.md
  wellspring documents delete notes/rent.md --if-match 3   only if nobody has changed it since")]
    Delete {
        /// The document's key.
        key: String,
        /// Delete only this revision.
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Try a document again that failed, is quarantined or was skipped, from the content that was kept.
    #[command(after_help = "Example:
  wellspring documents retry notes/scan.pdf")]
    Retry {
        /// The document's key.
        key: String,
    },
    /// Look into every store for what is left of a document: nothing once its deletion is settled.
    #[command(after_help = "Example:
  wellspring documents residue notes/rent.md")]
    Residue {
        /// The document's key.
        key: String,
    },
}
