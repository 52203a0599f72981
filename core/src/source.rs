//! Where do documents come from?
//!
//! Invariants:
//! - A document belongs to the source that first sent it; another source's write to the same key is refused, so a
//!   folder scan can neither overwrite nor delete what was pushed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::document::{NameError, short_name};

/// The name of a source, in the alphabet of short names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

/// The source of everything that clients push over HTTP.
pub const PUSH: &str = "push";

impl SourceName {
    /// The source of everything that clients push over HTTP.
    pub fn push() -> Self {
        Self(PUSH.to_owned())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        short_name(name)?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for SourceName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<SourceName> for String {
    fn from(name: SourceName) -> String {
        name.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
