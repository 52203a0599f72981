//! What went wrong behind a seam, whose fault was it, and what should a person do about it?
//!
//! Invariants:
//! - `kind` is for machines: small, `Copy`, matched exhaustively by the caller.
//! - `Display` prints what was attempted and never the source; the edge prints the chain.
//! - No message carries a document's text: messages reach logs.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An error behind a seam: a kind to decide by, and the attempt in words for a person.
#[derive(Debug)]
pub struct Failure<K> {
    kind: K,
    attempted: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

impl<K: Copy> Failure<K> {
    /// Says what was attempted, in lower case and without a full stop, with nothing beneath it.
    pub fn new(kind: K, attempted: impl Into<String>) -> Self {
        Self { kind, attempted: attempted.into(), source: None, retry_after: None }
    }

    /// The same, keeping the vendor's error as the source of the chain.
    pub fn caused_by(kind: K, attempted: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, attempted: attempted.into(), source: Some(source.into()), retry_after: None }
    }

    /// The same, saying when trying again has a chance.
    pub fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// When trying again has a chance; `None` where nobody measured it.
    pub fn retries_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What a caller decides by.
    pub fn kind(&self) -> K {
        self.kind
    }

    /// The whole chain in one line, outermost first, for a log or a recorded reason.
    pub fn chain(&self) -> String {
        let mut line = self.attempted.clone();
        let mut next = self.source.as_deref().map(|error| error as &(dyn Error + 'static));
        while let Some(error) = next {
            line.push_str(": ");
            line.push_str(&error.to_string());
            next = error.source();
        }
        line
    }
}

impl<K> fmt::Display for Failure<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.attempted)
    }
}

impl<K: fmt::Debug> Error for Failure<K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_leaves_the_source_to_the_chain() {
        let failure = Failure::caused_by((), "could not open the catalog", "disk full");
        assert_eq!(failure.to_string(), "could not open the catalog");
        assert_eq!(failure.chain(), "could not open the catalog: disk full");
    }
}
