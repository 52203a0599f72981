//! What can be typed behind `wellspring models`?

use clap::{Args, Subcommand};

use super::ServiceFlags;

/// `models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: ModelsAction,
    /// The service's settings decide where models live.
    #[command(flatten)]
    pub(crate) service: ServiceFlags,
}

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsAction {
    /// List the manifest and what is on disk.
    #[command(after_help = "Example:
  wellspring models list                     what is known, what is here, what is damaged")]
    List,
    /// Fetch models; what is there and whole is not fetched again, what was cut off goes on.
    #[command(after_help = "Examples:
  wellspring models pull                     what `serve` needs by default
  wellspring models pull --set 1.5b          the same with the larger language model
  wellspring models pull smollm2-135m-instruct")]
    Pull {
        /// Names from `models list`; the default set when none is given.
        names: Vec<String>,
        /// A named set: default, test, 1.5b.
        #[arg(long)]
        set: Option<String>,
    },
    /// List what a generator can compute with: the processor, and GPUs in a build for them.
    #[command(after_help = "Example:
  wellspring models devices")]
    Devices,
    /// Read files again and compare their SHA-256.
    #[command(after_help = "Examples:
  wellspring models verify                   every file that is here
  wellspring models verify all-minilm-l6-v2-int8")]
    Verify {
        /// Names from `models list`; everything on disk when none is given.
        names: Vec<String>,
    },
}
