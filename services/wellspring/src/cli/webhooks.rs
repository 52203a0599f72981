//! What can be typed behind `wellspring webhooks`?

use clap::{Args, Subcommand};

/// `webhooks`.
#[derive(Debug, Args)]
pub(crate) struct WebhooksArguments {
    /// What to do; `list` when nothing is said.
    #[command(subcommand)]
    pub(crate) action: Option<WebhooksAction>,
}

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksAction {
    /// Add a webhook, which is told what happens from now on; prints its secret, this once.
    #[command(after_help = "Examples:
  wellspring webhooks add https://ci.example/hook
  wellspring webhooks add https://ci.example/hook --state searchable --state failed
  wellspring webhooks add http://10.0.0.7:8080/hook --private-host 10.0.0.7")]
    Add {
        /// Where messages are sent.
        url: String,
        /// What it is told of: accepted, searchable, failed, quarantined, skipped, retried, deleted or removed; may be
        /// given several times, everything when not given.
        #[arg(long = "state", value_name = "STATE")]
        states: Vec<String>,
        /// The collection that it is told of; all of them when not given.
        #[arg(long)]
        collection: Option<String>,
        /// A host that may lie in a private network; may be given several times.
        #[arg(long = "private-host", value_name = "HOST")]
        private_hosts: Vec<String>,
    },
    /// List webhooks by the time at which they were added.
    #[command(after_help = "Example:
  wellspring webhooks list")]
    List,
    /// Send a test message now, once, and say what came of it; a failure when it was not taken.
    #[command(after_help = "Example:
  wellspring webhooks test wh_0123456789abcdef")]
    Test {
        /// Its id.
        id: String,
    },
    /// Give a webhook a new secret; prints it, this once. The secret before goes on signing for a while.
    #[command(after_help = "Examples:
  wellspring webhooks rotate wh_0123456789abcdef
  wellspring webhooks rotate wh_0123456789abcdef --overlap-hours 0")]
    Rotate {
        /// Its id.
        id: String,
        /// Hours for which both secrets sign, 0 to 168; 0 when the old one got out.
        #[arg(long, default_value_t = 24)]
        overlap_hours: u32,
    },
    /// Try again now, and let a disabled webhook go on where it stopped.
    #[command(after_help = "Example:
  wellspring webhooks resume wh_0123456789abcdef")]
    Resume {
        /// Its id.
        id: String,
    },
    /// Remove a webhook; nothing is sent to it afterwards.
    #[command(after_help = "Example:
  wellspring webhooks remove wh_0123456789abcdef")]
    Remove {
        /// Its id.
        id: String,
    },
}
