//! Where do log lines go?
//!
//! Invariants:
//! - Standard error only: standard output belongs to the answer.
//! - A log that cannot be written loses its lines and disturbs nothing: no request and no stop waits for it.
//! - No line carries a document's text, a question or a key; the crates see to it, and a test listens.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

/// What of the vendors' chatter an operator can act on; a filter that names them overrides this.
const VENDORS: &str = "notify=warn,qdrant_edge=error,tantivy=warn,llama-cpp-2=warn,ort=warn";

/// Standard error, which may be a closed pipe or a full disk.
struct LossyStderr;

impl Write for LossyStderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Whole or not at all: the rest of half a line would stand in front of the next one.
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging. `filter` is in the form of `tracing`'s `EnvFilter`, checked by the configuration.
pub(crate) fn start(filter: &str) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{VENDORS},{filter}")))
        .with_writer(|| LossyStderr)
        .log_internal_errors(false)
        .with_target(true);
    // A second start in one process (tests) keeps the first.
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    drop(started);
}
