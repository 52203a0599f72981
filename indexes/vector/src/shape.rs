//! How is an index laid out?
//!
//! Invariants:
//! - Whatever the layout, a search up to a number of points and the cosines of chosen chunks are exact; quantised vectors
//!   only choose who is compared exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wellspring_core::limits;

/// The layout of a vector view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Values in a vector.
    pub dimension: usize,
    /// Points up to which a search is exact.
    pub exact_points_max: usize,
    /// What a walk through the graph compares.
    pub quantisation: Quantisation,
    /// Bytes of the vendor's log beyond which the index is reopened without it.
    pub log_bytes_max: u64,
}

impl Shape {
    /// The default layout for vectors of so many values.
    pub fn of(dimension: usize) -> Self {
        Self {
            dimension,
            exact_points_max: limits::VECTOR_EXACT_POINTS_MAX,
            quantisation: Quantisation::Off,
            log_bytes_max: limits::VECTOR_LOG_BYTES_MAX,
        }
    }
}

/// What a walk through the graph compares. The vectors themselves stay on the disk, and those of the best are compared
/// again as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantisation {
    /// The vectors as they are, in memory.
    #[default]
    Off,
    /// One byte for each value.
    Scalar,
    /// One bit for each value.
    Binary,
}

impl Quantisation {
    const ALL: [Self; 3] = [Self::Off, Self::Scalar, Self::Binary];

    fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Scalar => "scalar",
            Self::Binary => "binary",
        }
    }
}

impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Quantisation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| "expected `off`, `scalar` or `binary`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for known in Quantisation::ALL {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        assert!("int8".parse::<Quantisation>().is_err());
    }
}
