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
    List,
    /// Fetch models; what is there and whole is not fetched again, what was cut off goes on.
    Pull {
        /// Names from `models list`; the default set when none is given.
        names: Vec<String>,
        /// A named set: default, test, 1.5b.
        #[arg(long)]
        set: Option<String>,
    },
    /// Read files again and compare their SHA-256.
    Verify {
        /// Names from `models list`; everything on disk when none is given.
        names: Vec<String>,
    },
}
