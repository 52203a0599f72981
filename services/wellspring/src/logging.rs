//! Where do log lines go?
//!
//! Invariants:
//! - Standard error only: standard output belongs to the answer.
//! - No line carries a document's text, a question or a key; the crates see to it, and a test listens.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What of the vendors' chatter an operator can act on; a filter that names them overrides this.
const VENDORS: &str = "qdrant_edge=error,tantivy=warn,llama-cpp-2=warn,ort=warn";

/// Starts logging. `filter` is in the form of `tracing`'s `EnvFilter`, checked by the configuration.
pub(crate) fn start(filter: &str) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{VENDORS},{filter}")))
        .with_writer(std::io::stderr)
        .with_target(true);
    // A second start in one process (tests) keeps the first.
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    drop(started);
}
